"""Copies of responses in several tables, or twice in one: each response counts once, with a note."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from refusal_metrics.errors import InputError

from ...columns import FACTORS, STUDY_COLUMNS, is_verdict
from ..runs import is_remote
from ..sql import as_index, as_text, as_verdict, count_rows, identifier, literal, quoted

if TYPE_CHECKING:
    import pandas as pd

FILE, ROW = "file of the row", "place of the row"
"""The columns of the view ``given`` with the location of a row."""

_DOC = (*FACTORS, "text_id", "row_id")
_ID = ("design_id", "index")
_OF_A_RESPONSE = frozenset(
    {
        *STUDY_COLUMNS,
        *_DOC,
        *_ID,
        *("refused", "refused_by", "outcome", "cause", "rule", "answer", "empty", "answered", "unjudged", "truncated"),
        *(
            "response",
            "prompt",
            "labels",
            "persona_words",
            "text",
            "premise",
            "hypothesis",
            "label",
            "kind",
            "rules",
            "finish_reason",
        ),
        *("provider_reason", "reply", "run", "log", "line", "filter", FILE, ROW),
    }
)
"""Columns that cannot be factors of runs; other columns can."""
_MOST = 3


@dataclass(frozen=True)
class Copies:
    """Rows that are copies.

    Attributes
    ----------
    dropped : pandas.DataFrame
        ``file, row``: the location of each row that does not count.
    verdicts : pandas.DataFrame or None
        ``file, row`` of rows that stay, and verdicts that only their copies have.
    notes : tuple of str
    """

    dropped: "pd.DataFrame"
    verdicts: "pd.DataFrame | None"
    notes: tuple[str, ...]


def distinct_files(files: Sequence[Path | str]) -> tuple[list[Path | str], list[str]]:
    """List each file once, even if it was given under several paths or names.

    Parameters
    ----------
    files : sequence of Path or str

    Returns
    -------
    files : list of Path or str
        The first path of each.
    notes : list of str
        A sentence for each file that was given again.
    """
    kept: list[Path | str] = []
    notes = []
    places: dict[str, Path | str] = {}
    sizes: dict[int, list[Path | str]] = {}
    for file in files:
        place = str(file) if is_remote(str(file)) else os.path.realpath(file)
        same = places.get(place)
        if same is None and not is_remote(str(file)) and Path(file).is_file():
            size = Path(file).stat().st_size
            same = next((other for other in sizes.get(size, []) if _digest(other) == _digest(file)), None)
            sizes.setdefault(size, []).append(file)
        if same is None:
            places[place] = file
            kept.append(file)
        elif str(same) == str(file):
            notes.append(f"{file} was given twice and read once.")
        else:
            notes.append(f"{file} is the same file as {same} and was not read again.")
    return kept, notes


def _digest(file: Path | str) -> str:
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def find_copies(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path | str],
    types: Mapping[str, str],
    columns_of: Sequence[Iterable[str]],
    *,
    all_runs: bool = False,
) -> Copies | None:
    """Find the responses that occur more than once in the view ``given``.

    With ``design_id`` and ``index``, a response is identified by these, its model and the factors of runs: the newest
    run's counts, as with logs, or the first table's if no run is known. Without them, it is identified by its model,
    task, setting, persona, template and text, if these are unique in each table.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    files : sequence of Path or str
        The tables.
    types : mapping of str to str
        The columns of ``given`` and their types, with `FILE` and `ROW`.
    columns_of : sequence of iterable of str
        The columns of each table.
    all_runs : bool
        Whether several runs of a prompt count, each once.

    Returns
    -------
    Copies or None
        None if there are no copies.

    Raises
    ------
    InputError
        If copies of a response have different verdicts.
    """
    in_all = [name for name in types if all(name in columns for columns in columns_of)]
    by_id = set(_ID) <= set(in_all)
    named = [*STUDY_COLUMNS, *_ID] if by_id else [*STUDY_COLUMNS, *_DOC]
    keys = [name for name in in_all if name in named]
    keys += [name for name in in_all if name not in _OF_A_RESPONSE and not is_verdict(name)]
    keys += ["run"] * (all_runs and "run" in in_all)
    rows = _suspects(connection, types, keys, by_id=by_id, n_files=len(files))
    return None if rows is None else _Finder(rows, files, by_id=by_id).find()


def _suspects(
    connection: duckdb.DuckDBPyConnection, types: Mapping[str, str], keys: Sequence[str], *, by_id: bool, n_files: int
) -> "pd.DataFrame | None":
    """Read the rows whose key occurs again: ``file, row, key, run`` and the verdicts."""
    if n_files == 1 and not by_id:
        return None  # equal rows of one table may be repeats
    # One index may be 7 in one table and 7.0 in another.
    texts = [
        f"{f'{as_index(types[name])}::VARCHAR' if name == 'index' and by_id else as_text(name, types[name])} AS k{n}"
        for n, name in enumerate(keys)
    ]
    file, row = identifier(FILE), identifier(ROW)
    usable = " AND ".join(f"k{n} IS NOT NULL" for n, name in enumerate(keys) if name in (*_ID, "model"))
    # A cheap check of whole parts first: most tables have no copies.
    parts = ", ".join(f"k{n}" for n, name in enumerate(keys) if name in {*STUDY_COLUMNS, "design_id"})
    index = f"k{list(keys).index('index')}" if by_id else ""
    again_if = f"count(*) > count(DISTINCT {index})" if by_id else "count(DISTINCT file) > 1"
    verdicts = [f"{as_verdict(name, types[name])} AS {identifier(name)}" for name in _verdicts(types)]
    run = f"{as_text('run', types['run'])}" if "run" in types else "NULL::VARCHAR"
    source = ", ".join([*texts, f"{file} AS file", f"{row} AS place", f"{run} AS run", *verdicts])
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW keyed AS SELECT * FROM (SELECT {source} FROM given) WHERE {usable}"
    )
    if not connection.execute(f"SELECT {parts} FROM keyed GROUP BY ALL HAVING {again_if} LIMIT 1").fetchall():
        return None
    key = ", ".join(f"k{n}" for n in range(len(keys)))
    again = f"SELECT {key}, row_number() OVER () AS key FROM (SELECT {key} FROM keyed GROUP BY ALL HAVING count(*) > 1)"
    if not count_rows(connection, f"SELECT count(*) FROM ({again})"):
        return None
    same = " AND ".join(f"keyed.k{n} IS NOT DISTINCT FROM again.k{n}" for n in range(len(keys)))
    listed = ", ".join(["file", "place", "key", "run", *map(identifier, _verdicts(types))])
    return connection.execute(f"SELECT {listed} FROM keyed JOIN ({again}) AS again ON {same} ORDER BY file, place").df()


def _verdicts(types: Iterable[str]) -> list[str]:
    rules = [name for name in types if is_verdict(name)]
    return rules or [name for name in types if name == "refused"]


class _Finder:
    """Finds copies among rows whose key occurs again."""

    def __init__(self, rows: "pd.DataFrame", files: Sequence[Path | str], *, by_id: bool) -> None:
        self._rows, self._files, self._by_id = rows, files, by_id
        self._verdicts = [str(name) for name in rows.columns if name not in {"file", "place", "key", "run"}]
        self._notes: list[str] = []

    def find(self) -> Copies:
        dates = self._rows["run"].astype(object).map(lambda run: str(run).rpartition("/")[2], na_action="ignore")
        rows = self._rows.assign(date=dates)
        inner = rows.duplicated(["file", "key"], keep=False)
        dropped = [self._inner(rows[inner])] if self._by_id else []
        shared = rows[rows.groupby("key")["file"].transform("nunique") > 1]
        if not self._by_id and (several := sorted(set(rows.loc[inner, "file"]) & set(shared["file"]))):
            self._notes.append(
                f"{self._name(shared['file'])} hold rows of the same model, task and text that cannot be "
                f"distinguished within {self._name(several)}: if they are copies they are counted twice. Add design_id "
                "and index, or row_id and template."
            )
            shared = shared.head(0)
        dropped.append(self._across(shared))
        import pandas as pd  # noqa: PLC0415 - reading logs does not wait for it

        every = pd.concat(dropped)
        kept = shared[~shared.index.isin(every.index)]
        verdicts = self._completed(kept, shared)
        return Copies(every[["file", "place"]].rename(columns={"place": "row"}), verdicts, tuple(self._notes))

    def _inner(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Find the copies within one table: rows of one run."""
        known = rows[rows["run"].notna()]
        copies = known[known.duplicated(["file", "key", "run"])]
        self._refuse_other_verdicts(known, ["file", "key", "run"])
        if len(copies):
            self._notes.append(
                f"{_rows(len(copies))} of {self._name(copies['file'])} repeated a doc of the same run; each counts "
                "once."
            )
        unknown = rows[rows["run"].isna()]
        if n := int(unknown.duplicated(["file", "key"]).sum()):
            self._notes.append(
                f"{_rows(n)} of {self._name(unknown['file'])} have the model, design_id and index of another and are "
                "counted too; remove them if they are copies."
            )
        return copies

    def _across(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """Find the copies in other tables than the one that counts: the newest run's, else the first."""
        if rows.empty:
            return rows
        newest = rows.groupby(["key", "file"])["date"].max().reset_index()
        # Without a date the order of the files decides.
        newest["date"] = newest["date"].fillna("")
        newest = newest.sort_values(["key", "date", "file"], ascending=[True, False, True], kind="stable")
        best = newest.drop_duplicates("key").set_index("key")["file"]
        copies = rows[rows["file"] != rows["key"].map(best)]
        # Another run may have other answers; copies of one run may not.
        unique = rows[~rows.duplicated(["file", "key"], keep=False)]
        self._refuse_other_verdicts(unique.assign(run=unique["run"].fillna("")), ["key", "run"])
        files = self._name(rows["file"])
        self._notes.append(f"{_rows(len(copies))} of {files} repeated a doc; {self._which(rows)}.")
        if not self._by_id:
            self._notes.append(
                "Rows of these tables count as copies if model, task, text and all other columns are equal; "
                "if they are repeats, add a column repeat."
            )
        return copies

    def _which(self, rows: "pd.DataFrame") -> str:
        several = rows.groupby("key")["run"].nunique().max() > 1
        return "the newest of each was used" if several else "each was counted once"

    def _refuse_other_verdicts(self, rows: "pd.DataFrame", same: Sequence[str]) -> None:
        for name in self._verdicts:
            judged = rows[rows[name].notna()]
            n_verdicts = judged.groupby(list(same))[name].nunique()
            if n := int((n_verdicts > 1).sum()):
                keys = n_verdicts.index[n_verdicts > 1].to_frame(index=False)
                files = judged.merge(keys, on=list(same))["file"]
                raise InputError(
                    f"{self._name(files)}: give different verdicts ({name}) for {n:,} of {len(n_verdicts):,} responses "
                    "that they share; give one of the tables, or a column (repeat, temperature, ...) that "
                    "distinguishes the responses"
                )

    def _completed(self, kept: "pd.DataFrame", shared: "pd.DataFrame") -> "pd.DataFrame | None":
        """Add to the remaining rows the verdicts that only their copies have."""
        lacking = [name for name in self._verdicts if kept[name].isna().any() and shared[name].notna().any()]
        once = kept[~kept.duplicated("key", keep=False)]
        if not lacking or once.empty:
            return None
        known = shared.groupby("key")[lacking].first()
        found = once[["file", "place", "key"]].join(known, on="key")
        return found.drop(columns="key").rename(columns={"place": "row"})

    def _name(self, files: Iterable[int]) -> str:
        names = [str(self._files[number]) for number in sorted(set(files))]
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        return ", ".join(names[:_MOST]) + more


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def drop_copies(connection: duckdb.DuckDBPyConnection, copies: Copies, types: Mapping[str, str], out: Path) -> None:
    """Write the rows of ``given`` that count to a Parquet file, which becomes ``given``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    copies : Copies
    types : mapping of str to str
        As of `find_copies`.
    out : Path
    """
    file, row = identifier(FILE), identifier(ROW)
    completed = [] if copies.verdicts is None else [str(n) for n in copies.verdicts.columns if n not in {"file", "row"}]
    written = [
        f"coalesce({as_verdict(name, types[name])}, completed.known{completed.index(name)}) AS {identifier(name)}"
        if name in completed
        else f"given.{identifier(name)}"
        for name in types
        if name not in {FILE, ROW}
    ]
    connection.register("copies", copies.dropped)
    joined, known = "", [f"known{number}" for number in range(len(completed))]
    if copies.verdicts is not None:
        connection.register("completed", copies.verdicts.set_axis(["file", "row", *known], axis=1))
        joined = f"LEFT JOIN completed ON completed.file = given.{file} AND completed.row = given.{row}"
    connection.execute(
        f"COPY (SELECT {', '.join(written)} FROM given {joined} WHERE NOT EXISTS (SELECT 1 FROM copies "
        f"WHERE copies.file = given.{file} AND copies.row = given.{row})) TO {quoted(out)} (FORMAT parquet)"
    )
    for name in ("copies", *["completed"] * bool(completed)):
        connection.unregister(name)
    connection.execute("DROP VIEW IF EXISTS keyed")
    connection.execute(f"CREATE OR REPLACE VIEW given AS SELECT * FROM read_parquet({quoted(literal(out))})")
