"""The user's mapping of columns and values in label files of other tools."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.reading import Table

MEANINGS = ("yes", "no", "unclear")
"""The meanings that a label's value can be mapped to."""


@dataclass(frozen=True)
class LabelMap:
    """The names that a label file uses, by option.

    Attributes
    ----------
    columns : mapping of str to str
        From the name used here to the file's.
    values : mapping of str to str
        From a value of the file, in lower case, to one of `MEANINGS`.

    Examples
    --------
    >>> read_label_map("id=item_id,refusal=choice", "Refused=yes,complied=no")
    LabelMap(columns={'id': 'item_id', 'refusal': 'choice'}, values={'refused': 'yes', 'complied': 'no'})
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def rename(self, table: Table, known: Iterable[str]) -> Table:
        """Rename columns to the names used here, replacing columns that already have these names.

        Parameters
        ----------
        table : Table
        known : iterable of str
            All names with a meaning here.

        Returns
        -------
        Table

        Raises
        ------
        InputError
            If `columns` has a name without a meaning here, or that the file lacks.
        """
        names = list(known)
        taken: dict[str, list[object]] = {}
        for name, theirs in self.columns.items():
            if name not in names:
                raise unknown_name("name before = in --columns", name, names)
            if theirs not in table.columns:
                raise unknown_name(f"column in {table.path} named by --columns:", theirs, table.columns)
            taken[name] = table.columns[theirs]
        kept = {name: values for name, values in table.columns.items() if name not in self.columns.values()}
        return table.with_columns(kept | taken)

    def mean(self, value: str) -> str:
        """Return the meaning of a value; if it is not mapped, the value in lower case without surrounding spaces."""
        text = value.strip().lower()
        return self.values.get(text, self.values.get(text.removesuffix(".0"), text))

    def check_used(self, path: object, found: Iterable[str]) -> None:
        """Check that each mapped value occurs.

        Raises
        ------
        InputError
            For a value that does not.
        """
        there = {text.strip().lower() for text in found}
        there |= {text.removesuffix(".0") for text in there}
        for value in self.values:
            if value not in there:
                listed = sorted(there - {""})
                shown = ", ".join(map(repr, listed[:10])) + ", ..." * (len(listed) > 10)
                raise InputError(f"{path}: --values maps {value!r}, but the file has only {shown or 'empty values'}")


def read_label_map(columns: str = "", values: str = "") -> LabelMap:
    """Parse the options ``--columns`` and ``--values``.

    Parameters
    ----------
    columns : str
        ``id=item_id,refusal=choice``: the name used here, then the file's. Or the same as a JSON object.
    values : str
        ``refuse=yes,comply=no``: the file's value, then yes, no or unclear. Or the same as a JSON object.

    Returns
    -------
    LabelMap

    Raises
    ------
    InputError
        If a text is not of this form, a name is given twice, or a value means none of the three.
    """
    pairs = _pairs("--columns", columns, "id=item_id,refusal=choice")
    theirs = [name for _, name in pairs]
    for name in theirs:
        if theirs.count(name) > 1:
            raise InputError(f"--columns {columns}: gives the column {name!r} two names; give it one")
    meant: dict[str, str] = {}
    for value, meaning in _pairs("--values", values, "refuse=yes,comply=no"):
        if meaning.lower() not in MEANINGS:
            raise InputError(
                f"--values {values}: {value!r} is mapped to {meaning!r}; allowed are {', '.join(MEANINGS)}, each "
                "after the = of a value, e.g. refuse=yes"
            )
        if meant.setdefault(value.lower(), meaning.lower()) != meaning.lower():
            raise InputError(f"--values {values}: maps {value!r} to two meanings; give it one")
    return LabelMap(dict(pairs), meant)


def suggest_values(unknown: Sequence[str], *, limit: int = 5) -> str:
    """List unknown values, each once, and the option that maps them."""
    distinct = list(dict.fromkeys(value.strip() for value in unknown))
    example = ",".join(f"{value}=..." for value in distinct[:2])
    if any(mark in value for value in distinct[:2] for mark in ",=\"'"):
        example = "'" + json.dumps(dict.fromkeys(distinct[:2], "..."), ensure_ascii=False) + "'"
    more = f" and {len(distinct) - limit:,} other values" if len(distinct) > limit else ""
    others = f" (the file also contains {', '.join(map(repr, distinct[1:limit]))}{more})" if len(distinct) > 1 else ""
    return f"map other values with --values {example[:120]}{others}"


def _pairs(option: str, text: str, example: str) -> list[tuple[str, str]]:
    """Read pairs of names; the first names are distinct."""
    if not text.strip():
        return []
    if text.lstrip().startswith("{"):
        try:
            given = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{option} {text[:80]}: is not valid JSON ({error}); write it as {example}") from error
        pairs = [(str(name).strip(), value.strip() if isinstance(value, str) else "") for name, value in given]
    else:
        parts = [part.partition("=") for part in text.split(",")]
        pairs = [(name.strip(), value.strip()) for name, _, value in parts]
    if not all(name and value for name, value in pairs):
        raise InputError(f"{option} {text[:80]}: must contain pairs of names; write it as {example}")
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{option} {text[:80]}: names {name!r} twice; name it once")
    return pairs
