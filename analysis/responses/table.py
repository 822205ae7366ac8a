"""Responses in a DuckDB table, and their file format."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from refusal_metrics.detection import ANSWERS_BY
from refusal_metrics.errors import InputError, unknown_name

from ..columns import FLAGS, REQUIRED, is_verdict
from ..files import check_new, reason, replace_file
from .looks import LOOKS, StudyLooks, find_looks
from .runs import Log, is_remote
from .sql import Folder, check_verdicts, connect, count_rows, for_spreadsheets, identifier, quoted
from .tables.checks import check_header, check_verdict_words
from .tables.columns import fill_responses
from .tables.copies import FILE, ROW, distinct_files, drop_copies, find_copies
from .tables.files import as_parquet
from .tables.versions import note_versions

TABLE_SUFFIXES = (".parquet", ".csv")
"""Endings of responses tables."""


@dataclass(frozen=True)
class Responses:
    """The responses of a study, one row a doc, in a DuckDB table named ``responses``.

    Its columns: ``model, task`` (the kind), ``setting, persona, persona_group, template, response_type, phrase,
    phrase_form, language, text_id, row_id, stratum, index, design_id``, the `FLAGS` ``empty, answered, unjudged,
    truncated``, ``refused_by`` (``text``, ``provider`` or null), for each rule R ``refused_R`` (null if it gave
    no verdict), and the factors of runs (``temperature``, ...).
    Those a study lacks are missing.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
    files : tuple of Path or str
        The files read; an address is a str.
    notes : tuple of str
        Sentences about everything that was left out, with numbers.
    table : Path or None
        A Parquet file with the responses as `write_responses` writes them, if there is one.
    keep : object
        An object that must live as long as that file.
    logs : tuple of Log
        The sample logs among `files`, with what the results of their runs say.
    """

    connection: duckdb.DuckDBPyConnection
    files: tuple[Path | str, ...]
    notes: tuple[str, ...]
    table: Path | None = None
    keep: object = None
    logs: tuple[Log, ...] = ()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a query over ``responses``."""
        return self.connection.execute(sql, parameters)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ``responses``."""
        return tuple(name for name, *_ in self.query("DESCRIBE responses").fetchall())

    @property
    def looks(self) -> list[StudyLooks]:
        """The looks of stopping rules at the studies."""
        return find_looks(self.connection) if LOOKS in self.columns else []

    @property
    def n(self) -> int:
        """The number of responses."""
        return count_rows(self.connection, "SELECT count(*) FROM responses")

    @property
    def rules(self) -> tuple[str, ...]:
        """The detectors with verdicts on at least one response."""
        return tuple(name.removeprefix("refused_") for name in self.columns if is_verdict(name))

    def rule(self, detector: str | None) -> str:
        """Return the detector of this name, or the first if none is named.

        Raises
        ------
        InputError
            If there are no verdicts of that detector.
        """
        if detector is None:
            return self.rules[0]
        if detector not in self.rules:
            # A metric in the harness's table has the name of its detector.
            near = detector.removeprefix("refusal_rate").removesuffix("_stderr").removesuffix("_clustered_se")
            raise unknown_name("detector", detector, self.rules, near=near.strip("_") or self.rules[0])
        return detector


def outcome_of(rule: str) -> str:
    """Return the outcome of a response by a detector as SQL, if ``responses`` has the column ``empty``."""
    # The other detectors do not recognise answers.
    answered = "WHEN answered THEN 'answer'" if rule == ANSWERS_BY else ""
    refused = identifier(f"refused_{rule}")
    # Without a verdict there is no outcome, and other responses can be anything if nothing is known about them.
    known = (
        f"WHEN empty THEN 'empty' WHEN {refused} THEN 'refusal' WHEN unjudged THEN 'unjudged' "
        f"WHEN truncated THEN 'truncated' {answered} WHEN NOT empty THEN 'other'"
    )
    return f"CASE WHEN {refused} IS NOT NULL THEN CASE {known} END END"


def written_columns(responses: Responses, rule: str) -> str:
    """Return the columns of a responses table as SQL; ``refused`` is the verdict of a detector."""
    kept = f"* EXCLUDE ({', '.join(FLAGS)})" if "empty" in responses.columns else "*"
    added = f", {outcome_of(rule)} AS outcome" if "empty" in responses.columns else ""
    return f"{kept}, {identifier(f'refused_{rule}')} AS refused{added}"


def write_responses(
    responses: Responses, out: Path, *, detector: str | None = None, force: bool = False, ordered: bool = True
) -> int:
    """Write a responses table.

    Parameters
    ----------
    responses : Responses
    out : Path
        Ends in ``.parquet`` (compressed with zstd) or ``.csv``. Written under another name, then renamed. In
        a CSV, a text that begins like a formula gets an apostrophe before it, which `read_responses` removes.
    detector : str, optional
        The detector whose verdicts are the column ``refused``; by default the first.
    force : bool
        Whether to replace an existing file.
    ordered : bool
        Whether rows keep their order, which takes memory for all of them: a gigabyte for a million with texts.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, has another ending, or cannot be written.
    """
    if out.suffix not in TABLE_SUFFIXES:
        raise InputError(f"{out}: a responses table ends in {' or '.join(TABLE_SUFFIXES)}; name such a file")
    check_new(out, force=force)
    rule = responses.rule(detector)
    form = "FORMAT parquet, COMPRESSION zstd" if out.suffix == ".parquet" else "FORMAT csv"
    n_rows = responses.n
    try:
        with replace_file(out, force=force) as made:
            if responses.table and out.suffix == ".parquet" and rule == responses.rules[0]:
                shutil.copyfile(responses.table, made)
            else:
                written = f"SELECT {written_columns(responses, rule)} FROM responses"
                written = for_spreadsheets(responses.connection, written) if out.suffix == ".csv" else written
                responses.query(f"SET preserve_insertion_order = {str(ordered).lower()}")
                responses.query(f"COPY ({written}) TO {quoted(made)} ({form})")
    except duckdb.IOException as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name a file that can be") from error
    return n_rows


def read_responses(files: Sequence[Path | str], *, all_runs: bool = False, trusted: bool = False) -> Responses:
    """Read responses tables.

    Parameters
    ----------
    files : sequence of Path or str
        Parquet, delimited text or JSON records, or their addresses, with the columns of `Responses`; ``refused`` (0 or
        1, true or false) is used as a detector if there is no ``refused_R``.
    all_runs : bool
        Whether a doc that several runs asked counts each time.
    trusted : bool
        Whether the files were written here, from sample logs: they need no checks and contain no copies.

    Returns
    -------
    Responses
        A response in several tables counts once; a note reports how many there are.

    Raises
    ------
    InputError
        If a file cannot be read, lacks a required column, contains an invalid value or name, if copies of a response
        contradict each other, or if one task was run with different designs.
    """
    connection = connect()
    listed = ", ".join(map(str, files))
    folder = Folder()
    files, notes = ([*files], []) if trusted else distinct_files(files)
    try:
        scans = []
        for number, file in enumerate(files):
            unnamed = () if trusted or is_remote(str(file)) else check_header(str(file))
            notes += [f"{file}: column {place + 1} has no name: left out." for place in unnamed]
            scans.append(_scan(connection, str(file), folder.path / f"{number}.parquet", unnamed))
        connection.execute(f"CREATE VIEW given AS {' UNION ALL BY NAME '.join(f'FROM ({scan})' for scan in scans)}")
        if not trusted:
            notes += _count_once(connection, files, scans, folder.path / "once.parquet", all_runs=all_runs)
        types = _types(connection, "given")
        notes += fill_responses(connection, listed, types, trusted=trusted)
        notes += [] if trusted else note_versions(connection, listed)
    except duckdb.Error as error:
        raise InputError(f"{listed}: cannot be read as a responses table ({reason(error)})") from error
    if not count_rows(connection, "SELECT count(*) FROM responses"):
        raise InputError(f"{listed}: contains no responses; {' '.join(notes) or 'give a table with at least one row'}")
    responses = Responses(connection, tuple(files), tuple(notes), keep=folder)
    if "design_id" in responses.columns:
        _refuse_mixed_designs(responses)
    return replace(responses, notes=(*responses.notes, *(of.describe() for of in responses.looks)))


def _types(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {source}").fetchall()}


def _count_once(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path | str],
    scans: Sequence[str],
    out: Path,
    *,
    all_runs: bool,
) -> list[str]:
    """Remove copies of responses from the view ``given``; return a sentence about each kind."""
    columns_of = [_types(connection, scan) for scan in scans]
    types = _types(connection, "given")
    if not {*REQUIRED} <= types.keys() or not any(name == "refused" or is_verdict(name) for name in types):
        return []  # the check of the columns reports errors
    placed = " UNION ALL BY NAME ".join(
        f"SELECT *, {number} AS {identifier(FILE)}, row_number() OVER () AS {identifier(ROW)} FROM ({scan})"
        for number, scan in enumerate(scans)
    )
    connection.execute(f"CREATE OR REPLACE VIEW given AS {placed}")
    placed_types = types | {FILE: "INTEGER", ROW: "BIGINT"}
    listed = ", ".join(map(str, files))
    verdicts = {name: kind for name, kind in types.items() if name == "refused" or is_verdict(name)}
    check_verdict_words(connection, listed, verdicts)
    check_verdicts(connection, listed, verdicts)
    copies = find_copies(connection, files, placed_types, columns_of, all_runs=all_runs)
    if copies is None:
        plain_union = " UNION ALL BY NAME ".join(f"FROM ({scan})" for scan in scans)
        connection.execute(f"CREATE OR REPLACE VIEW given AS {plain_union}")
        return []
    drop_copies(connection, copies, placed_types, out)
    return list(copies.notes)


def _scan(connection: duckdb.DuckDBPyConnection, file: str, copy: Path, unnamed: Sequence[int] = ()) -> str:
    path = as_parquet(connection, file, copy)
    scan = f"SELECT * FROM read_parquet({quoted(path)})"
    names = list(_types(connection, scan)) if unnamed else []
    if left_out := [identifier(names[place]) for place in unnamed if place < len(names)]:
        scan = scan.replace("*", f"* EXCLUDE ({', '.join(left_out)})", 1)
    return scan


def _refuse_mixed_designs(responses: Responses) -> None:
    """Check that responses can be pooled and compared.

    A task must have one design, and the settings of a kind one sample, whose mark is the design_id
    before its hyphen: else texts of one id are not the same texts.
    """
    place = "min(log)" if "log" in responses.columns else "NULL"
    for what, mark, columns in (
        ("designs, whose docs cannot be pooled", "design_id", ("task", "setting")),
        ("samples, whose settings cannot be compared", "split_part(design_id, '-', 1)", ("task",)),
    ):
        mixed = responses.query(
            f"SELECT {', '.join(columns)} FROM responses GROUP BY ALL HAVING count(DISTINCT {mark}) > 1 ORDER BY ALL"
        ).fetchone()
        if not mixed:
            continue
        same = " AND ".join(f"{column} = ?" for column in columns)
        found = responses.query(
            f"SELECT {mark}, {place}, count(*) FROM responses WHERE {same} AND design_id IS NOT NULL GROUP BY {mark} "
            "ORDER BY ALL",
            mixed,
        ).fetchall()
        listed = "; ".join(f"{name}{f' in {Path(log).name}' if log else ''} ({n:,} docs)" for name, log, n in found)
        raise InputError(
            f"the {mixed[0]} task{''.join(f' ({s})' for s in mixed[1:])} was run with {len(found)} {what}: "
            f"{listed}; give the folders of one study"
        )
