"""Checks of a responses table: column names, verdicts, settings, and names of levels."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from refusal_metrics.detection import ANSWERS_BY, EMPTY, OUTCOMES, PROVIDER, REFUSAL, TEXT
from refusal_metrics.errors import InputError
from refusal_metrics.reading import is_json, is_parquet, read_names

from ...columns import FACTORS, SETTINGS, STUDY_COLUMNS, is_verdict
from ...display import plain
from ..sql import as_index, as_text, as_verdict, count_rows, identifier, quoted

NAMED = (*STUDY_COLUMNS, *FACTORS)
"""Columns of names that people read."""

KNOWN = (*NAMED, "text_id", "row_id", "block", "index", "design_id", "refused", "refused_by", "outcome")
"""The known columns."""

_WORDS = {"outcome": OUTCOMES, "refused_by": (TEXT, PROVIDER)}
_VERDICT = "(0|1|true|false|t|f|[01]\\.0*)"
_NESTED = re.compile(r"\[\d*\]$|^(STRUCT|MAP|UNION)\(")
_FRACTIONS = ("FLOAT", "DOUBLE")
_NOT_A_NAME = ("nan", "none", "null", "na", "n/a", "<na>", "nat", "undefined")
"""What programs write for missing values."""
_MOST = 3
"""The largest number of values or files in a sentence."""


def check_header(file: str) -> tuple[int, ...]:
    """Check the names of a file's columns as they are written, before DuckDB renames what repeats.

    Parameters
    ----------
    file : str
        A table on this machine.

    Returns
    -------
    tuple of int
        The places of the columns without a name, from 0.

    Raises
    ------
    InputError
        If the names of two columns, or of a column and a known one, differ only in case and blanks.
    """
    names = _parquet_names(file) or _delimited_names(Path(file))
    folded = Counter(name.strip().lower() for name in names if name.strip())
    if several := [name for name, n in folded.items() if n > 1]:
        found = [name for name in names if name.strip().lower() == several[0]]
        raise InputError(
            f"{file}: has {len(found)} columns of one name ({', '.join(map(repr, found))}; case and blanks do not "
            "count); rename or remove all but one"
        )
    for name in names:
        folded_name = name.strip().lower()
        if name != folded_name and folded_name in KNOWN:
            raise InputError(f"{file}: has the column {name!r}; rename it to {folded_name!r}")
        # The name of a detector may have capitals.
        if is_verdict(folded_name) and (name != name.strip() or not is_verdict(name)):
            meant = f"refused_{name.strip()[len('refused_') :]}"
            raise InputError(f"{file}: has the column {name!r}; rename it to {meant!r}")
        if folded_name == "refused_":
            raise InputError(f"{file}: has the column {name!r} without the name of a detector; name it, or drop it")
    return tuple(place for place, name in enumerate(names) if not name.strip())


def _parquet_names(file: str) -> list[str]:
    try:
        return [str(name) for name in pq.read_schema(file).names]
    except (OSError, pa.ArrowException):
        return []  # errors are reported when it is read


def _delimited_names(path: Path) -> list[str]:
    try:
        if is_parquet(path) or is_json(path):
            return []
        return read_names(path)
    except InputError:
        return []  # the same


def check_values(connection: duckdb.DuckDBPyConnection, listed: str, types: Mapping[str, str]) -> list[str]:
    """Check the values in the columns of the view ``given``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    listed : str
        The files, for errors.
    types : mapping of str to str
        Columns and their types.

    Returns
    -------
    list of str
        A sentence for each kind of unusual value that is kept.

    Raises
    ------
    InputError
        For a value that its column does not allow, or columns that contradict each other.
    """
    table = _Table(connection, listed, types)
    table.check_types()
    table.check_words()
    table.check_index()
    table.check_block()
    table.check_agreement()
    return list(table.notes())


class _Table:
    def __init__(self, connection: duckdb.DuckDBPyConnection, listed: str, types: Mapping[str, str]) -> None:
        self._connection, self._listed, self._types = connection, listed, types

    def check_types(self) -> None:
        for name in KNOWN:
            if _NESTED.search(self._types.get(name, "")):
                raise InputError(
                    f"{self._listed}: {name} contains lists or records ({self._types[name]}); write one value a row"
                )

    def check_words(self) -> None:
        for name, words in _WORDS.items():
            if name in self._types:
                allowed = ", ".join(map(quoted, words))
                text = as_text(name, self._types[name])
                self._refuse(name, f"{text} NOT IN ('', {allowed})", f"allowed are {', '.join(words)}")
        if "setting" in self._types:
            near = "regexp_replace(lower(trim(setting::VARCHAR)), '[ _-]+', '-')"
            allowed = ", ".join(map(quoted, SETTINGS))
            condition = f"setting NOT IN ({allowed}) AND {near} IN ({allowed}, 'personafree')"
            self._refuse("setting", condition, f"write it as one of {', '.join(SETTINGS)}")

    def check_index(self) -> None:
        if not {"index", "design_id"} <= self._types.keys():
            return  # without a design, it is the user's own
        text = as_text("index", self._types["index"])
        self._refuse(
            "index", f"{text} <> '' AND NOT regexp_full_match({text}, '\\d{{1,18}}([.]0+)?')", "it is a whole number"
        )

    def check_block(self) -> None:
        if self._types.get("block") in _FRACTIONS:
            self._refuse("block", "block <> trunc(block) OR isnan(block)", "it is a whole number or a name")

    def check_agreement(self) -> None:
        """Check that the verdict, outcome and refuser of each response do not contradict each other."""
        self._check_refuser()
        if not {"refused", "outcome"} <= self._types.keys() or ((found := self._n_differing()) and all(found.values())):
            return
        refused, outcome = as_verdict("refused", self._types["refused"]), "outcome::VARCHAR"
        # An empty response can still begin like a refusal for a rule with other criteria.
        begins = f"({refused} AND {outcome} = '{EMPTY}')"
        wrong = f"{outcome} <> '' AND ({refused} <> ({outcome} = '{REFUSAL}')) AND NOT {begins}"
        n = count_rows(self._connection, f"SELECT count(*) FROM given WHERE {wrong}")
        if n:
            text, verdict, said = self._connection.execute(
                f"SELECT text_id::VARCHAR, {refused}, {outcome} FROM given WHERE {wrong} LIMIT 1"
            ).fetchall()[0]
            raise InputError(
                f"{self._listed}: refused and outcome contradict each other in {_rows(n)}, e.g. text_id "
                f"{plain(text)!r} with refused {int(verdict)} and outcome {said}; correct them, or remove the column "
                "outcome"
            )

    def _check_refuser(self) -> None:
        """Check that refusals by the provider count as refusals; prefix rules read only the text."""
        verdict = f"refused_{ANSWERS_BY}"
        if not any(map(is_verdict, self._types)):
            verdict = "refused"
        if {"refused_by", verdict} <= self._types.keys():
            refused = as_verdict(verdict, self._types[verdict])
            wrong = f"{as_text('refused_by', self._types['refused_by'])} = '{PROVIDER}' AND NOT {refused}"
            self._refuse("refused_by", wrong, f"where {verdict} is 0; correct one of them")

    def notes(self) -> Iterator[str]:
        """Report data that were kept but may be unintended."""
        yield from self._unknown_docs()
        yield from self._unread_verdicts()
        for name in NAMED:
            if name not in self._types:
                continue
            text = as_text(name, self._types[name])
            levels = [
                str(level)
                for (level,) in self._connection.execute(
                    f"SELECT DISTINCT {text} AS level FROM given WHERE level IS NOT NULL ORDER BY 1"
                ).fetchall()
            ]
            yield from _say_names(name, levels)
        if {"persona", "setting"} <= self._types.keys():
            persona = as_text("persona", self._types["persona"])
            unnamed = f"setting::VARCHAR = 'persona' AND coalesce(trim({persona}), '') = ''"
            n = count_rows(self._connection, f"SELECT count(*) FROM given WHERE {unnamed}")
            if 0 < n < count_rows(self._connection, "SELECT count(*) FROM given WHERE setting::VARCHAR = 'persona'"):
                yield f"{_rows(n)} of the persona setting name no persona: no comparison of personas includes them."

    def _unknown_docs(self) -> Iterator[str]:
        """Report how many rows have only half of a doc's id, so that copies of them are not found."""
        if "design_id" not in self._types:
            return  # without a design, an index is the user's own
        design = f"coalesce(trim({as_text('design_id', self._types['design_id'])}), '') <> ''"
        index = f"{as_index(self._types['index'])} IS NOT NULL" if "index" in self._types else "false"
        any_design = count_rows(self._connection, f"SELECT count(*) FROM given WHERE {design}")
        for name, other, lacking in (
            ("design_id", "index", f"{design} AND NOT {index}"),
            ("index", "design_id", f"{index} AND NOT {design}"),
        ):
            n = count_rows(self._connection, f"SELECT count(*) FROM given WHERE {lacking}")
            if n and any_design:
                yield f"{_rows(n)} ha{'s' if n == 1 else 've'} {name} and no {other}: copies of them are not found."

    def _unread_verdicts(self) -> Iterator[str]:
        """Report if the column refused differs from all detectors' columns, which are read instead of it."""
        found = self._n_differing()
        if found and all(found.values()):
            own = f"refused_{ANSWERS_BY}"
            name, n = (own, found[own]) if own in found else next(iter(found.items()))
            yield (
                f"refused differs from {name} in {_rows(n)} and is not read: the columns of detectors are. Remove "
                "these to use refused."
            )

    def _n_differing(self) -> dict[str, int]:
        """Count the rows in which the column refused differs from each rule's column."""
        rules = [name for name in self._types if is_verdict(name)]
        if "refused" not in self._types or not rules:
            return {}
        refused = as_verdict("refused", self._types["refused"])
        differing = ", ".join(f"count_if({refused} <> {as_verdict(name, self._types[name])})" for name in rules)
        return dict(zip(rules, self._connection.execute(f"SELECT {differing} FROM given").fetchall()[0], strict=True))

    def _refuse(self, name: str, condition: str, allowed: str) -> None:
        _refuse(self._connection, self._listed, name, condition, allowed)


def check_verdict_words(connection: duckdb.DuckDBPyConnection, listed: str, verdicts: Mapping[str, str]) -> None:
    """Check that verdicts are 0 or 1, true or false, and not other words that DuckDB accepts, such as yes.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the view ``given``.
    listed : str
        The files, for errors.
    verdicts : mapping of str to str
        Columns and their types.

    Raises
    ------
    InputError
    """
    for name, kind in verdicts.items():
        if kind == "VARCHAR":
            column = identifier(name)
            # An empty text is a missing verdict, as in a CSV file.
            wrong = f"{column} <> '' AND NOT regexp_full_match({column}, '{_VERDICT}', 'i')"
            _refuse(connection, listed, name, wrong, "a verdict is 0 or 1, true or false")


def _refuse(connection: duckdb.DuckDBPyConnection, listed: str, name: str, condition: str, allowed: str) -> None:
    """Raise an error for values of a column that meet a condition."""
    n = count_rows(connection, f"SELECT count(*) FROM given WHERE {condition}")
    if n:
        found = connection.execute(
            f"SELECT DISTINCT {identifier(name)}::VARCHAR FROM given WHERE {condition} ORDER BY 1 LIMIT {_MOST}"
        ).fetchall()
        raise InputError(f"{listed}: {name} contains {_quote(value for (value,) in found)} in {_rows(n)}; {allowed}")


def _say_names(column: str, levels: Sequence[str]) -> Iterator[str]:
    """Report column values that may be unintended."""
    if column == "setting" and (unknown := [level for level in levels if level.strip() and level not in SETTINGS]):
        yield f"setting contains {_quote(unknown)}, none of {', '.join(SETTINGS)}: no comparison includes it."
    if odd := [level for level in levels if not level.isprintable()]:
        yield f"{column} contains {_quote(odd)}, with characters that cannot be printed; they are shown as U+FFFD."
    if column != "stratum" and (empty := [level for level in levels if level.strip().lower() in _NOT_A_NAME]):
        yield f"{column} contains {_quote(empty)}, which is read as a name; leave the field empty if there is none."
    alike: dict[str, list[str]] = {}
    for level in levels:
        alike.setdefault(" ".join(level.lower().split()), []).append(level)
    for key, group in alike.items():
        if key and len(group) > 1:
            yield f"{column} contains {_quote(group)}, which differ only in case or blanks: different names here."


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def _quote(values: Iterable[object]) -> str:
    every = [repr(str(value)) for value in values]
    more = f" and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return ", ".join(every[:_MOST]) + more
