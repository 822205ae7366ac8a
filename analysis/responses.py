"""Responses in a DuckDB table, and the file form of it that people pass on."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from refusal_metrics.detectors import ANSWERS_BY, RULES
from refusal_metrics.errors import InputError, unknown_name

from .database import (
    Folder,
    as_text,
    as_verdict,
    check_verdicts,
    connect,
    count,
    for_spreadsheets,
    identifier,
    literal,
    quoted,
)
from .display.spreadsheets import unguard, unguard_in_sql
from .files import check_new, replace_file
from .runs import is_remote, reason

__all__ = [
    "FACTORS",
    "STUDY_COLUMNS",
    "TABLE_SUFFIXES",
    "Folder",
    "Responses",
    "check_new",
    "connect",
    "count",
    "for_spreadsheets",
    "identifier",
    "literal",
    "quoted",
    "read_responses",
    "write_responses",
]

STUDY_COLUMNS = ("model", "task", "setting")
"""What every table tells apart."""

FACTORS = ("persona", "persona_group", "template", "response_type", "stratum", "language")
"""What a table may tell apart besides."""

TABLE_SUFFIXES = (".parquet", ".csv")
"""The endings of a responses table's file."""

_REQUIRED = ("model", "task", "text_id")
_GIVEN = "given"


@dataclass(frozen=True)
class Responses:
    """The responses of a study, one row a doc, in a DuckDB table named ``responses``.

    Its columns: ``model, task`` (the kind), ``setting, persona, persona_group, template,
    response_type, language, text_id, row_id, stratum, index, design_id, empty, answered``, for each
    rule R ``refused_R`` (null where it gave no verdict), and the factors of runs (``temperature``, ...).
    Those a study lacks are missing.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
    files : tuple of Path or str
        What was read; an address is a str.
    notes : tuple of str
        One sentence for everything that was left out, and how much of it.
    table : Path or None
        A Parquet file that holds them as `write_responses` writes them, where there is one.
    keep : object
        What must live as long as that file shall.
    """

    connection: duckdb.DuckDBPyConnection
    files: tuple[Path | str, ...]
    notes: tuple[str, ...]
    table: Path | None = None
    keep: object = None

    def query(self, sql: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a query over ``responses``."""
        return self.connection.execute(sql, parameters)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ``responses``."""
        return tuple(name for name, *_ in self.query("DESCRIBE responses").fetchall())

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules whose verdicts there are, each of at least one response."""
        return tuple(name.removeprefix("refused_") for name in self.columns if name.startswith("refused_"))

    def rule(self, detector: str | None) -> str:
        """Give the rule of this name, or the first where none is named.

        Raises
        ------
        InputError
            If there are no verdicts of that rule.
        """
        if detector is None:
            return self.rules[0]
        if detector not in self.rules:
            raise unknown_name("detector", detector, self.rules)
        return detector


def outcome_of(rule: str) -> str:
    """Write as SQL what a response is by a rule, where ``responses`` has the column ``empty``."""
    # The other rules know no answers.
    answered = "WHEN answered THEN 'answer'" if rule == ANSWERS_BY else ""
    refused = identifier(f"refused_{rule}")
    # Without a verdict there is no outcome, and what is not refused may be anything where nobody says.
    known = f"WHEN empty THEN 'empty' WHEN {refused} THEN 'refusal' {answered} WHEN NOT empty THEN 'other'"
    return f"CASE WHEN {refused} IS NOT NULL THEN CASE {known} END END"


def write_responses(responses: Responses, out: Path, *, detector: str | None = None, force: bool = False) -> int:
    """Write a responses table.

    Parameters
    ----------
    responses : Responses
    out : Path
        Ends in ``.parquet`` (compressed with zstd) or ``.csv``. Written under another name, then renamed. In
        a CSV a text that begins as a formula does gets an apostrophe before it, which `read_responses`
        takes away.
    detector : str, optional
        The rule whose verdicts are the column ``refused``; by default the first.
    force : bool
        Whether to replace a file that is there.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If the file is there and `force` is not set, has another ending, or cannot be written.
    """
    if out.suffix not in TABLE_SUFFIXES:
        raise InputError(f"{out}: a responses table ends in {' or '.join(TABLE_SUFFIXES)}; name such a file")
    check_new(out, force=force)
    rule = responses.rule(detector)
    form = "FORMAT parquet, COMPRESSION zstd" if out.suffix == ".parquet" else "FORMAT csv"
    kept = "* EXCLUDE (empty, answered)" if "empty" in responses.columns else "*"
    added = f", {outcome_of(rule)} AS outcome" if "empty" in responses.columns else ""
    n_rows = count(responses.connection, "SELECT count(*) FROM responses")
    try:
        with replace_file(out, force=force) as made:
            if responses.table and out.suffix == ".parquet" and rule == responses.rules[0]:
                shutil.copyfile(responses.table, made)
            else:
                written = f"SELECT {kept}, {identifier(f'refused_{rule}')} AS refused{added} FROM responses"
                written = for_spreadsheets(responses.connection, written) if out.suffix == ".csv" else written
                responses.query(f"COPY ({written}) TO {quoted(made)} ({form})")
    except duckdb.IOException as error:
        raise InputError(f"{out}: cannot be written ({reason(error)}); name a file that can be") from error
    return n_rows


def read_responses(files: Sequence[Path | str]) -> Responses:
    """Read responses tables.

    Parameters
    ----------
    files : sequence of Path or str
        Parquet or CSV files, or their addresses, with the columns of `Responses`; ``refused`` (0 or
        1, true or false) stands for a rule where there is no ``refused_R``.

    Returns
    -------
    Responses

    Raises
    ------
    InputError
        If a file cannot be read, lacks a column that nothing can be said without, holds a verdict
        that is none, or if one task was run with different designs.
    """
    connection = connect()
    listed = ", ".join(map(str, files))
    folder = Folder()
    try:
        scans = [_scan(connection, str(file), folder.path / f"{number}.parquet") for number, file in enumerate(files)]
        connection.execute(f"CREATE VIEW given AS {' UNION ALL BY NAME '.join(scans)}")
        types = {str(name): str(kind) for name, kind, *_ in connection.execute("DESCRIBE given").fetchall()}
        notes = _fill(connection, listed, types)
    except duckdb.Error as error:
        raise InputError(f"{listed}: cannot be read as a responses table ({reason(error)})") from error
    if not count(connection, "SELECT count(*) FROM responses"):
        raise InputError(f"{listed}: holds no responses; {' '.join(notes) or 'give a table with at least one row'}")
    responses = Responses(connection, tuple(files), tuple(notes), keep=folder)
    if "design_id" in responses.columns:
        _refuse_mixed_designs(responses)
    return responses


def _scan(connection: duckdb.DuckDBPyConnection, file: str, copy: Path) -> str:
    path = file if is_remote(file) else literal(file)
    if file.endswith(".csv"):
        # Read once: texts in memory would take many times what they take in Parquet.
        csv = "read_csv($1, all_varchar = true, header = true, quote = '\"', escape = '\"')"
        names = [str(name) for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {csv}", [path]).fetchall()]
        columns = ", ".join(f"{unguard_in_sql(identifier(name))} AS {identifier(unguard(name))}" for name in names)
        connection.execute(f"COPY (SELECT {columns} FROM {csv}) TO {quoted(copy)} (FORMAT parquet)", [path])
        path = literal(copy)
    return f"SELECT * FROM read_parquet({quoted(path)})"


def _fill(connection: duckdb.DuckDBPyConnection, listed: str, types: Mapping[str, str]) -> list[str]:
    """Make the view ``responses`` of the view ``given``; one sentence for all that it lacks."""
    # The package's own rules come first, in their order: the first one is the default.
    own = {f"refused_{rule}": place for place, rule in enumerate(RULES)}
    given = [name for name in types if name.startswith("refused_")]
    verdicts = {name: name for name in sorted(given, key=lambda name: own.get(name, len(own)))}
    if not verdicts and "refused" in types:
        verdicts = {"refused": f"refused_{_GIVEN}"}
    missing = [name for name in _REQUIRED if name not in types] + ([] if verdicts else ["refused"])
    if missing:
        raise InputError(
            f"{listed}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has {', '.join(types)}); "
            "a responses table has model, task, text_id and refused, and for more than overall rates setting, persona, "
            "persona_group, template, response_type, stratum, language and row_id"
        )
    check_verdicts(connection, listed, {name: types[name] for name in verdicts})
    # An outcome says whether a response was empty; a column of that name would stand in its way.
    replaced = {*verdicts, "refused", "index", "outcome", "empty", "answered"}
    kept = [f"{as_text(name, kind)} AS {identifier(name)}" for name, kind in types.items() if name not in replaced]
    kept += ["'persona' AS setting"] * ("setting" not in types)
    kept += ['try_cast("index" AS BIGINT) AS "index"'] * ("index" in types)
    kept += ["outcome = 'empty' AS empty", "outcome = 'answer' AS answered"] * ("outcome" in types)
    kept += [f"{as_verdict(name, types[name])} AS {identifier(as_name)}" for name, as_name in verdicts.items()]
    connection.execute(f"CREATE VIEW typed AS SELECT {', '.join(kept)} FROM given")
    named = {name.removeprefix("refused_"): identifier(name) for name in verdicts.values()}
    usable = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in (*_REQUIRED, "setting"))
    usable += f" AND ({' OR '.join(f'{column} IS NOT NULL' for column in named.values())})"
    of_rules = ", ".join(f"count({column}) FILTER ({usable})" for column in named.values())
    counted = f"SELECT count(*) FILTER (NOT ({usable})), count(*) FILTER ({usable}), {of_rules} FROM typed"
    n_lost, n, *n_judged = connection.execute(counted).fetchall()[0]
    silent = [column for column, n_verdicts in zip(named.values(), n_judged, strict=True) if not n_verdicts]
    columns = f"* EXCLUDE ({', '.join(silent)})" if silent and n else "*"
    # Read again by each query, which costs less than holding the texts.
    connection.execute(f"CREATE VIEW responses AS SELECT {columns} FROM typed WHERE {usable}")
    lost = f"{n_lost:,} row{'s' * (n_lost != 1)} without a model, task, setting, text_id or verdict left out."
    unjudged = [
        f"{rule} gave no verdict for {n - n_verdicts:,} of {n:,} responses: left out of its numbers."
        if n_verdicts
        else f"{rule} gave no verdict for any of the {n:,} responses: left out."
        for rule, n_verdicts in zip(named, n_judged, strict=True)
        if n_verdicts < n
    ]
    return [*_lacking(types), *[lost] * (n_lost > 0), *unjudged]


def _lacking(columns: Mapping[str, str]) -> list[str]:
    notes = [
        f"No column {name}: nothing is said about it." for name in FACTORS if name not in columns and name != "language"
    ]
    if "setting" not in columns:
        notes.append("No column setting: all responses are taken for the persona setting.")
    if "row_id" not in columns:
        by = "the rows of a text are told apart by stratum" if "stratum" in columns else "a text is taken for one row"
        notes.append(f"No column row_id: {by}.")
    return notes


def _refuse_mixed_designs(responses: Responses) -> None:
    """Refuse what cannot be pooled or compared.

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
