"""The names of the columns of responses, and the levels of the package's own tasks in the order of their display."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache

from refusal_metrics.detection import PROVIDER, TRUNCATED, UNJUDGED
from refusal_metrics.errors import InputError
from refusal_metrics.prompts import RESPONSE_TYPES, SETTINGS, TEXT_FIELDS, load_design

__all__ = [
    "ALL_TASKS",
    "BASELINES",
    "FACTORS",
    "FLAGS",
    "GIVEN",
    "NAMED",
    "ONE_TEXT",
    "OTHERS",
    "PHRASE",
    "REGRESSED",
    "REQUIRED",
    "RESPONSE_TYPES",
    "SETTINGS",
    "STANDARDISED",
    "STATES",
    "STUDY",
    "STUDY_COLUMNS",
    "TASKS",
    "UNDETERMINED",
    "check_run_factors_only",
    "is_verdict",
    "name_level",
    "name_rule",
    "run_factors_among",
    "states_of",
]

STUDY_COLUMNS = ("model", "task", "setting")
"""What every table of rates is broken down by: the key of a study."""

STUDY = ("model", "task")
"""The columns that define a family of comparisons, besides the run factors."""

PHRASE = ("phrase", "phrase_form")
"""The wording of a persona and its grammatical form, in studies whose personas have phrases."""
FACTORS = ("persona", "persona_group", "template", "response_type", "stratum", "language", *PHRASE)
"""The other factors by which a table can be broken down."""

FLAGS = ("empty", "answered", UNJUDGED, TRUNCATED)
"""The columns that describe a response; in a file, ``outcome`` replaces them."""

TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
"""The package's own tasks and how they are written, in the paper's order."""

ALL_TASKS = ""
"""The task of estimates that are means over all tasks."""

BASELINES = ("neutral", "persona-free")
"""The baselines that are settings of their own."""
OTHERS = "others"
"""The baseline that is all other personas."""
REGRESSED = ("persona", "template", "task", "model")
"""The factors of the paper's regression."""

ONE_TEXT = tuple(kind for kind, fields in TEXT_FIELDS.items() if len(fields) == 1)
"""The tasks in which all rows of a text have the same prompts: they are ratings of it."""

REQUIRED = ("model", "task", "text_id")
"""The columns that every response needs."""

STATES = ("n_unjudged", "n_truncated", "n_provider")
"""How many responses could not be judged, were cut off before an answer or refusal, or were refused by the provider."""

NAMED = ("estimate_shrunken", "ci_low_named", "ci_high_named")
"""Estimates of what is significant: allowing for its selection."""
STANDARDISED = ("estimate_standardised", "ci_low_standardised", "ci_high_standardised")
"""A class-standardised rate and its interval."""

UNDETERMINED = ("n_unjudged", "n_truncated")
"""The states in which it is unknown whether a response would have been a refusal."""

GIVEN = "given"
"""The detector that is a table's own column ``refused``."""


def name_rule(rule: str) -> str:
    """Return the name of a detector as it is shown on screen.

    Examples
    --------
    >>> name_rule("prefix"), name_rule("given")
    ('prefix', 'your `refused` column')
    """
    return "your `refused` column" if rule == GIVEN else rule


def name_level(factor: str, level: str) -> str:
    """Return the name of a factor's level as it is shown to people; files keep the id.

    Parameters
    ----------
    factor : str
        Two factors are joined by a colon, and so are their levels.
    level : str

    Returns
    -------
    str
        The package's own tasks and personas have names; any other level is its own name.

    Examples
    --------
    >>> name_level("task", "nli"), name_level("persona", "non_binary"), name_level("persona:task", "black:nli")
    ('NLI', 'Non-binary', 'Black:NLI')
    >>> name_level("persona", "my_uncle")
    'my_uncle'
    """
    factors, levels = factor.split(":"), level.split(":")
    if len(factors) > 1 and len(levels) == len(factors):
        return ":".join(map(name_level, factors, levels))
    names = TASKS if factor == "task" else _persona_names() if factor == "persona" else {}
    return names.get(level, level)


def name_part(model: str, task: str, setting: str) -> str:
    """Return the name of a part of a study as it is shown to people.

    Examples
    --------
    >>> name_part("gpt-4o", "nli", "persona")
    'gpt-4o, NLI (persona)'
    """
    return f"{model}, {name_level('task', task)} ({setting})"


@cache
def _persona_names() -> dict[str, str]:
    named = {persona.id: persona.noun_phrase.removesuffix(" person") for persona in load_design().personas}
    return {name: phrase[:1].upper() + phrase[1:] for name, phrase in named.items()}


def is_verdict(name: str) -> bool:
    """Return whether a column contains a detector's verdicts: ``refused_DETECTOR``; ``refused_by`` says who refused."""
    return name.startswith("refused_") and name != "refused_by"


def run_factors_among(factors: Iterable[str]) -> tuple[str, ...]:
    """Return the run factors among factors, each once: all except those that every study can have."""
    return tuple(name for name in dict.fromkeys(factors) if name not in {*STUDY_COLUMNS, *FACTORS})


def check_run_factors_only(option: str, factors: Sequence[str], doing: str, *, besides: str = "") -> None:
    """Check that results are broken down by settings of runs only.

    Parameters
    ----------
    option : str
        As people write it, e.g. ``--by``.
    factors : sequence of str
    doing : str
        The beginning of a sentence, e.g. ``trend compares personas within each model``.
    besides : str
        A factor that is allowed, too.

    Raises
    ------
    InputError
        If one of the factors is no setting of runs.
    """
    run_factors = run_factors_among(factors)
    also = f"{besides} and " if besides else ""
    if wrong := [name for name in factors if name not in run_factors and name != besides]:
        raise InputError(
            f"{option} {','.join(wrong)}: {doing}, and can be broken down by {also}settings of runs only "
            f"(temperature, ...); leave out {option}, or name {'one of these' if also else 'such a setting'}"
        )


def states_of(columns: Collection[str]) -> dict[str, str]:
    """Return SQL conditions for responses that were unjudged, truncated or refused by the provider.

    Parameters
    ----------
    columns : collection of str
        Of ``responses``.

    Returns
    -------
    dict of str to str
        The condition of each column that counts them; unknown states are missing.
    """
    known = {"n_unjudged": UNJUDGED, "n_truncated": TRUNCATED}
    states = {name: column for name, column in known.items() if column in columns}
    return states | ({"n_provider": f"refused_by = '{PROVIDER}'"} if "refused_by" in columns else {})
