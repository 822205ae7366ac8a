"""The names of the columns of responses, and the levels of the package's own tasks in the order of their display."""

from collections.abc import Collection

from refusal_metrics.detection.verdict import PROVIDER, TRUNCATED, UNJUDGED

STUDY_COLUMNS = ("model", "task", "setting")
"""What every table tells apart."""

FACTORS = ("persona", "persona_group", "template", "response_type", "stratum", "language")
"""What a table may tell apart besides."""

FLAGS = ("empty", "answered", UNJUDGED, TRUNCATED)
"""The columns that say what a response is, which ``outcome`` says in a file."""

TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
"""The package's own tasks and how they are written, in the paper's order."""

RESPONSE_TYPES = ("unforced", "semi-forced", "forced")
SETTINGS = ("persona", "neutral", "persona-free")

BASELINES = ("neutral", "persona-free")
"""The baselines that are settings of their own."""
OTHERS = "others"
"""The baseline that is all other personas."""
STUDY = ["model", "task"]
"""What is a family of contrasts, beside factors of runs."""
REGRESSED = ("persona", "template", "task", "model")
"""The factors of the paper's regression."""

REQUIRED = ("model", "task", "text_id")
"""Without these nothing can be said of a response."""


def is_verdict(name: str) -> bool:
    """Tell whether a column contains a rule's verdicts: ``refused_RULE``; ``refused_by`` says who refused."""
    return name.startswith("refused_") and name != "refused_by"


def states_of(columns: Collection[str]) -> dict[str, str]:
    """Write as SQL which responses were unjudged, truncated or refused by the provider.

    Parameters
    ----------
    columns : collection of str
        Of ``responses``.

    Returns
    -------
    dict of str to str
        By the name of the column that counts them; those of which nothing is known are missing.
    """
    known = {"n_unjudged": UNJUDGED, "n_truncated": TRUNCATED}
    states = {name: column for name, column in known.items() if column in columns}
    return states | ({"n_provider": f"refused_by = '{PROVIDER}'"} if "refused_by" in columns else {})
