"""The settings of a study: what ``--metadata`` may say, checked and completed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from refusal_metrics.errors import InputError, quoted, unknown_name
from refusal_metrics.prompts.blocks import ANCHORED, BLOCK_DESIGNS, NEUTRAL_PHRASES
from refusal_metrics.prompts.design import CONTRAST, KINDS
from refusal_metrics.prompts.texts import PUBLIC, SAMPLE

DESIGNS = ("balanced", "iid")
ORDERS = ("proportional", "random")
"""Orders of texts: every prefix contains the classes in proportion, or is a random sample of the texts."""
_MOST = 10**18 - 1
"""What fits into the integers that designs are drawn with."""
PLACEMENTS = ("user", "system")
PLACEMENT_OF_STUDY = "study_placement"
"""What only `persona-refusal run` may set, for it sees to it that the system message is asked too."""


@dataclass(frozen=True)
class Settings:
    """The settings in effect for one kind of task.

    Attributes
    ----------
    rows_per_class : int
        At most so many rows are drawn from each class.
    variations : int
        Prompts a row gets, if its text has as many left. In a contrast task, personas in a block; 0 for all.
    neutral_variations : int or None
        The same for neutral prompts. In a contrast task, neutral phrases in a block.
    design : {"balanced", "iid", "anchored", "paired", "factorial"}
        The last three are those of contrast tasks.
    design_seed : int
    order : {"proportional", "random"}
    personas, templates : list of str or None
        Ids or groups (response types for templates); None for all.
    personas_file, templates_file : Path or None
        A user's own definitions.
    source : str
        ``"public"``, ``"sample"`` or the path of a file.
    columns : dict
        What the columns of a file are called.
    data_dir : Path or None
        Local copies of the public files.
    shard : (int, int)
        The k-th, from 1, of K.
    placement : {"user", "system"}
        Where the persona stands: in the question, or in a system message before it.
    """

    rows_per_class: int = 1000
    variations: int = 10
    design: str = "balanced"
    design_seed: int = 0
    order: str = ORDERS[0]
    personas: list[str] | None = None
    personas_file: Path | None = None
    templates: list[str] | None = None
    templates_file: Path | None = None
    source: str = PUBLIC
    columns: Mapping[str, str] | None = None
    data_dir: Path | None = None
    shard: tuple[int, int] = (1, 1)
    placement: str = PLACEMENTS[0]
    neutral_variations: int | None = None

    def as_metadata(self) -> dict[str, object]:
        """Return the settings in the form that ``lm_eval --metadata`` takes, those left out that are not set."""
        values: dict[str, object] = {
            "rows_per_class": self.rows_per_class,
            "variations": self.variations or None,
            "neutral_variations": self.neutral_variations,
            "design": self.design,
            "design_seed": self.design_seed,
            "order": self.order,
            "personas": str(self.personas_file) if self.personas_file else self.personas,
            "templates": str(self.templates_file) if self.templates_file else self.templates,
            "source": self.source,
            "columns": self.columns and dict(self.columns),
            "data_dir": self.data_dir and str(self.data_dir),
            "shard": f"{self.shard[0]}/{self.shard[1]}",
            PLACEMENT_OF_STUDY: self.placement if self.placement != PLACEMENTS[0] else None,
        }
        return {name: value for name, value in values.items() if value is not None}


NAMES = (
    "rows_per_class",
    "variations",
    "neutral_variations",
    "design",
    "design_seed",
    "order",
    "personas",
    "templates",
    "source",
    "columns",
    "data_dir",
    "shard",
)
"""What a user may set."""


def parse_settings(kind: str, given: Mapping[str, object], setting: str = "persona") -> Settings:
    """Check what was given and fill in the rest.

    Parameters
    ----------
    kind : {"nli", "politeness", "offensiveness"}
    given : mapping
        From the harness: ``--metadata`` together with all model arguments. Keys that are no
        setting pass, unless they look like a misspelt one.
    setting : str
        Of the task; ``contrast`` has designs and defaults of its own.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        For a value that is not allowed, or a name within two edits of a setting.
    """
    for name in given:
        _check_name(name)
    if "placement" in given:
        raise InputError(
            "placement is a key of a study, see persona-refusal run: lm_eval by itself would leave the persona out"
        )
    personas, personas_file = _names("personas", given.get("personas"))
    templates, templates_file = _names("templates", given.get("templates"))
    asked_source = given.get("source", PUBLIC)
    source = _source(kind, asked_source)
    columns = _columns(kind, given.get("columns"))
    data_dir = given.get("data_dir")
    # A file per kind may leave some kinds public; only one source for all is at odds with these two.
    if isinstance(asked_source, str) and columns is not None and source in (PUBLIC, SAMPLE):
        raise InputError(
            f"columns={quoted(columns)} goes with a file, but source is {quoted(source, 400)}; drop one or name a file"
        )
    if isinstance(asked_source, str) and data_dir is not None and source != PUBLIC:
        raise InputError(
            f"data_dir={quoted(data_dir, 400)} goes with source=public, but source is {quoted(source, 400)}; drop one "
            "of them"
        )
    if data_dir is not None and not Path(str(data_dir)).expanduser().is_dir():
        raise InputError(f"data_dir={quoted(data_dir, 400)} is not a folder; give the folder with the local copies")
    design = _design(kind, given.get("design"), setting)
    variations = 10 if design in (*DESIGNS, ANCHORED) else 0
    phrases = NEUTRAL_PHRASES if setting == CONTRAST else None
    order = given.get("order", ORDERS[0])
    if order not in ORDERS:
        raise unknown_name("order", order, ORDERS)
    return Settings(
        rows_per_class=_integer("rows_per_class", given.get("rows_per_class", 1000), least=1),
        variations=_integer("variations", given["variations"], least=1) if "variations" in given else variations,
        neutral_variations=_integer("neutral_variations", given["neutral_variations"], least=1)
        if "neutral_variations" in given
        else phrases,
        design=design,
        design_seed=_integer("design_seed", given.get("design_seed", 0), least=0),
        order=order,
        personas=personas,
        personas_file=personas_file,
        templates=templates,
        templates_file=templates_file,
        source=source,
        columns=columns,
        data_dir=None if data_dir is None else Path(str(data_dir)).expanduser(),
        shard=_shard(given.get("shard", "1/1")),
        placement=str(given.get(PLACEMENT_OF_STUDY, PLACEMENTS[0])),
    )


def _check_name(name: str) -> None:
    if name in NAMES:
        return
    folded = name.lower().replace("-", "_")
    nearest = min(NAMES, key=lambda known: edit_distance(folded, known))
    if edit_distance(folded, nearest) <= 2:
        raise InputError(
            f"unknown setting {quoted(name)}: did you mean {nearest!r}? Settings are {', '.join(NAMES)}; a model "
            "argument of that name would have to be renamed"
        )


def edit_distance(a: str, b: str) -> int:
    """Count the insertions, deletions and substitutions from one word to another (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def _design(kind: str, given: object, setting: str) -> str:
    """Check the design, which is one of those that the task has."""
    own, others = (BLOCK_DESIGNS, DESIGNS) if setting == CONTRAST else (DESIGNS, BLOCK_DESIGNS)
    if given is None:
        return own[0]
    for design in own:
        if given == design:
            return design
    if given in others:
        tasks = f"persona_refusal_{kind}_contrast" if setting != CONTRAST else f"tasks such as persona_refusal_{kind}"
        raise InputError(
            f"design={given} is a design of {tasks}, and this {setting} task has {', '.join(own)}; choose one of "
            "these, or run the two kinds of tasks separately"
        )
    raise unknown_name("design", given, own)


def _integer(name: str, value: object, least: int) -> int:
    """Accept a whole number, also as the float that the command line makes of 1e3."""
    whole = value if isinstance(value, int) else int(value) if isinstance(value, float) and value.is_integer() else None
    if whole is None or isinstance(value, bool) or whole < least:
        raise InputError(f"{name}={quoted(value)} must be a whole number from {least} on, e.g. {name}={max(least, 10)}")
    if whole > _MOST:
        raise InputError(f"{name}={quoted(value)} is too large; give a whole number of at most 18 digits")
    return whole


def _names(setting: str, value: object) -> tuple[list[str] | None, Path | None]:
    """Read a list of names (also one name, or ``[a,b]`` as text) or the path of a YAML file."""
    if value is None:
        return None, None
    if isinstance(value, str) and value.lower().endswith((".yaml", ".yml")):
        return None, Path(value).expanduser()
    given = value
    if isinstance(value, str):
        value = [name.strip(" '\"") for name in value.strip(" []").split(",")]
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(v, str) and v for v in value):
        example = '["p1","p2"]' if setting == "templates" else '["man","woman"]'
        raise InputError(
            f"{setting}={quoted(given)} must be a list of names or a YAML file, e.g. '{setting}={example}'"
        )
    return list(value), None


def _source(kind: str, value: object) -> str:
    if isinstance(value, Mapping):
        for name in value:
            if name not in KINDS:
                raise unknown_name("kind in source", name, KINDS)
        if kind not in value:
            raise InputError(
                f"source={quoted(dict(value), 400)} names no file for {kind}; add one, or run only the tasks it has"
            )
        value = value[kind]
    if not isinstance(value, str) or not value:
        raise InputError(
            f"source={quoted(value, 400)} must be public, sample, a file, or a file per kind ({', '.join(KINDS)})"
        )
    return value


def _columns(kind: str, value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, Mapping) and value and set(value) <= set(KINDS):
        value = value.get(kind, {})
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise InputError(f'columns={quoted(value)} must map names, e.g. {{"text": "comment", "label": "rating"}}')
    return dict(value)


def _shard(value: object) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", str(value))
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"shard={quoted(value)} must be k/K with k from 1 to K, e.g. shard=3/10")
    return int(match[1]), int(match[2])
