"""The names of the columns of responses, and the levels of the package's own tasks in the order of their display."""

from collections.abc import Collection, Iterable, Sequence

from refusal_metrics.detection import PROVIDER, TRUNCATED, UNJUDGED
from refusal_metrics.errors import InputError
from refusal_metrics.prompts import RESPONSE_TYPES, SETTINGS

__all__ = [
    "BASELINES",
    "FACTORS",
    "FLAGS",
    "GIVEN",
    "OTHERS",
    "REGRESSED",
    "REQUIRED",
    "RESPONSE_TYPES",
    "SETTINGS",
    "STATES",
    "STUDY",
    "STUDY_COLUMNS",
    "TASKS",
    "check_run_factors_only",
    "is_verdict",
    "name_rule",
    "run_factors_among",
    "states_of",
]

STUDY_COLUMNS = ("model", "task", "setting")
"""What every table of rates is broken down by: the key of a study."""

STUDY = ("model", "task")
"""What makes a family of comparisons, besides the run factors."""

FACTORS = ("persona", "persona_group", "template", "response_type", "stratum", "language")
"""What a table may be broken down by besides."""

FLAGS = ("empty", "answered", UNJUDGED, TRUNCATED)
"""The columns that say what a response is, which ``outcome`` says in a file."""

TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
"""The package's own tasks and how they are written, in the paper's order."""

BASELINES = ("neutral", "persona-free")
"""The baselines that are settings of their own."""
OTHERS = "others"
"""The baseline that is all other personas."""
REGRESSED = ("persona", "template", "task", "model")
"""The factors of the paper's regression."""

REQUIRED = ("model", "task", "text_id")
"""Without these nothing can be said of a response."""

STATES = ("n_unjudged", "n_truncated", "n_provider")
"""How many responses could not be judged, were cut off before an answer or refusal, or were refused by the provider."""

GIVEN = "given"
"""The rule that is a table's own column ``refused``."""


def name_rule(rule: str) -> str:
    """Return how a rule is called on screen.

    Examples
    --------
    >>> name_rule("prefix"), name_rule("given")
    ('prefix', 'your `refused` column')
    """
    return "your `refused` column" if rule == GIVEN else rule


def is_verdict(name: str) -> bool:
    """Return whether a column contains a rule's verdicts: ``refused_RULE``; ``refused_by`` says who refused."""
    return name.startswith("refused_") and name != "refused_by"


def run_factors_among(factors: Iterable[str]) -> tuple[str, ...]:
    """Take the run factors among factors, each once: all but those that every study may have."""
    return tuple(name for name in dict.fromkeys(factors) if name not in {*STUDY_COLUMNS, *FACTORS})


def check_run_factors_only(option: str, factors: Sequence[str], doing: str) -> None:
    """Refuse to break down by what every study has, where only settings of runs can be broken down by.

    Parameters
    ----------
    option : str
        As people write it, e.g. ``--by``.
    factors : sequence of str
    doing : str
        The beginning of a sentence, e.g. ``trend compares personas within each model``.

    Raises
    ------
    InputError
        If one of the factors is no setting of runs.
    """
    run_factors = run_factors_among(factors)
    if wrong := [name for name in factors if name not in run_factors]:
        raise InputError(
            f"{option} {','.join(wrong)}: {doing}, and can be broken down by settings of runs only "
            f"(temperature, ...); leave out {option}, or name such a setting"
        )


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
