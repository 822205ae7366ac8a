"""The harness's sample logs as a table of responses. All that is odd about the logs is known here.

DuckDB reads the JSON lines straight into typed columns, in parallel.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from refusal_metrics.detectors import RULES
from refusal_metrics.errors import InputError

_DOC_FIELDS = {
    "index": "BIGINT",
    "design_id": "VARCHAR",
    "text_id": "VARCHAR",
    "row_id": "VARCHAR",
    "stratum": "VARCHAR",
    "persona": "VARCHAR",
    "persona_group": "VARCHAR",
    "template": "VARCHAR",
    "response_type": "VARCHAR",
    "setting": "VARCHAR",
    "kind": "VARCHAR",
    "language": "VARCHAR",
}
# A prompt of 1 MB still fits a line; DuckDB's own limit of 16 MiB a line does for all but the largest.
_LONGEST_LINE = 1 << 28
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What Python strips and so the detectors do; DuckDB's own trim knows the space only."""
_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


@dataclass(frozen=True)
class Responses:
    """The responses of a study, one row a doc, in a DuckDB table named ``responses``.

    Its columns: ``model, task`` (the kind), ``setting, persona, persona_group, template,
    response_type, language, text_id, row_id, stratum, index, design_id, empty`` and, for each
    rule R, ``refused_R``.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
    files : tuple of Path
        The logs read.
    notes : tuple of str
        One sentence for everything that was left out, and how much of it.
    """

    connection: duckdb.DuckDBPyConnection
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def query(self, sql: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a query over ``responses``."""
        return self.connection.execute(sql, parameters)


def load_responses(results: Iterable[Path]) -> Responses:
    """Read the sample logs of persona-refusal tasks.

    Parameters
    ----------
    results : iterable of Path
        What was given to ``lm_eval --output_path`` with ``--log_samples``, or folders inside or
        above it, or single ``samples_*.jsonl`` files. Logs of other tasks are passed over.

    Returns
    -------
    Responses
        The newest complete line of each model's docs.

    Raises
    ------
    InputError
        If there is nothing to read, or if one task was run with different designs.
    """
    results = list(results)
    files = _find(results)
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    try:
        _read(connection, _models(files))
    except duckdb.Error as error:
        raise InputError(f"{_list(results)}: cannot be read as sample logs ({' '.join(str(error).split())})") from error
    notes = tuple(_notes(connection))
    if not _count(connection, "SELECT count(*) FROM responses"):
        if notes:
            raise InputError(f"{_list(results)}: no sample of a persona-refusal task can be used; {' '.join(notes)}")
        raise InputError(
            f"{_list(results)}: holds no samples of persona-refusal tasks among {len(files)} log files; run lm_eval "
            "with --tasks persona_refusal --log_samples --output_path FOLDER and give FOLDER"
        )
    _refuse_mixed_designs(connection)
    ours = connection.execute("SELECT DISTINCT file FROM lines WHERE ours ORDER BY ALL").fetchall()
    connection.execute("ALTER TABLE responses DROP COLUMN file; DROP TABLE lines")
    return Responses(connection, tuple(Path(file) for (file,) in ours), notes)


def _list(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))


def _find(results: list[Path]) -> list[Path]:
    """List the sample logs, oldest run first."""
    found: set[Path] = set()
    for path in results:
        if path.is_dir():
            found |= {p for p in path.rglob("samples_*.jsonl") if _SAMPLES.fullmatch(p.name)}
        elif _SAMPLES.fullmatch(path.name) and path.is_file():
            found.add(path)
        elif path.exists():
            raise InputError(f"{path}: is no folder and no samples_TASK_DATE.jsonl file; give what lm_eval wrote")
        else:
            raise InputError(f"{path}: no such file or folder; give the folder named in lm_eval --output_path")
    if not found:
        raise InputError(
            f"{_list(results)}: holds no samples_TASK_DATE.jsonl files; run lm_eval with --log_samples "
            "and --output_path"
        )
    # A folder may have been given twice, or together with one above it.
    unique = {p.resolve(): p for p in sorted(found)}
    return sorted(unique.values(), key=lambda p: (_date(p), str(p)))


def _date(path: Path) -> str:
    match = _SAMPLES.fullmatch(path.name)
    return match["date"] if match else ""


def _models(files: list[Path]) -> dict[Path, str]:
    """Name the model of each log.

    A model that was given by the path of a folder goes by the folder's name, unless two do.
    """
    given = {path: _given_model(path) for path in files}
    short = {name: Path(name).name if _is_path(name) else name for name in set(given.values())}
    n_alike = Counter(short.values())
    return {path: short[name] if short[name] and n_alike[short[name]] == 1 else name for path, name in given.items()}


def _is_path(model: str) -> bool:
    """Tell the path of a folder from ORGANISATION/NAME."""
    return model.startswith((".", "/", "~")) or model.count("/") > 1


def _given_model(path: Path) -> str:
    """Find what model a log is of: as its run's results file says, else as its folder is called."""
    for results in sorted(path.parent.glob(f"*_{_date(path)}.json")):
        try:
            name = json.loads(results.read_text(encoding="utf-8")).get("model_name")
        except (OSError, ValueError, AttributeError):
            continue  # a half-written results file; the folder's name will do
        if isinstance(name, str) and name:
            return name
    return path.parent.name


def _read(connection: duckdb.DuckDBPyConnection, models: Mapping[Path, str]) -> None:
    """Fill the tables ``lines`` and, with the line that counts of each doc, ``responses``."""
    fields = ", ".join(f'"{name}" {kind}' for name, kind in _DOC_FIELDS.items())
    rates = {f"refusal_rate_{rule}": "DOUBLE" for rule in RULES}
    columns = {"doc": f"STRUCT({fields})", "filtered_resps": "VARCHAR[]", "filter": "VARCHAR"} | rates
    verdicts = ", ".join(f"refusal_rate_{rule} > 0.5 AS refused_{rule}" for rule in RULES)
    judged = " AND ".join(f"refusal_rate_{rule} IS NOT NULL" for rule in RULES)
    # A line that cannot be parsed comes as a row of nulls; a line of another task lacks our ids.
    connection.execute(
        f"""
        CREATE TEMP TABLE lines AS
        SELECT filename AS file, row_number() OVER () AS line, filter, doc.*,
            coalesce(trim(filtered_resps[1], $blank) = '', true) AS empty, {verdicts},
            doc IS NULL AND filter IS NULL AS broken,
            doc.design_id IS NOT NULL AND doc.index IS NOT NULL AS ours, {judged} AS judged
        FROM read_json($files, format = 'newline_delimited', columns = $columns, ignore_errors = true,
            filename = true, maximum_object_size = $longest, hive_partitioning = false)
        """,
        {"files": [_literal(path) for path in models], "columns": columns, "longest": _LONGEST_LINE, "blank": _BLANK},
    )
    connection.execute("CREATE TEMP TABLE models (file VARCHAR, model VARCHAR)")
    connection.executemany("INSERT INTO models VALUES (?, ?)", [[str(path), model] for path, model in models.items()])
    own = ", ".join(f'"{name}"' for name in _DOC_FIELDS if name != "kind")
    refused = ", ".join(f"refused_{rule}" for rule in RULES)
    connection.execute(
        f"""
        CREATE TABLE responses AS
        SELECT file, model, kind AS task, {own}, empty, {refused}
        FROM lines JOIN models USING (file) WHERE ours AND judged
        -- The newest line of a doc; of several filters the harness's default one, else the first by name.
        QUALIFY row_number() OVER (
            PARTITION BY model, design_id, "index" ORDER BY filter <> 'none', filter, line DESC
        ) = 1
        """,
    )


def _literal(path: Path) -> str:
    """Write a path so that DuckDB, which takes it for a pattern, matches it alone."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _notes(connection: duckdb.DuckDBPyConnection) -> Iterable[str]:
    broken = _count(
        connection, "SELECT count(*) FROM lines WHERE broken AND file IN (SELECT file FROM lines WHERE ours)"
    )
    if broken:
        yield f"{_lines(broken, 'incomplete')} dropped: a run was cut off while it wrote its log."
    unjudged = _count(connection, "SELECT count(*) FROM lines WHERE ours AND NOT judged")
    if unjudged:
        yield f"{_lines(unjudged)} without the metrics of this version left out; run those tasks again."
    complete = "FROM lines JOIN models USING (file) WHERE ours AND judged"
    filters = connection.execute(f"SELECT DISTINCT filter {complete} ORDER BY filter <> 'none', filter").fetchall()
    if len(filters) > 1:
        yield f"The logs hold several filters ({', '.join(f for (f,) in filters)}); {filters[0][0]} was taken."
    repeated = _count(connection, f'SELECT count(*) - count(DISTINCT (model, design_id, "index", filter)) {complete}')
    if repeated:
        yield f"{_lines(repeated)} repeated a doc; the newest of each was taken."


def _lines(n: int, kind: str = "") -> str:
    return f"{n} {kind} line{'s' * (n != 1)}".replace("  ", " ")


def _refuse_mixed_designs(connection: duckdb.DuckDBPyConnection) -> None:
    mixed = connection.execute(
        "SELECT task, setting FROM responses GROUP BY ALL HAVING count(DISTINCT design_id) > 1 ORDER BY ALL"
    ).fetchall()
    if not mixed:
        return
    task, setting = mixed[0]
    designs = connection.execute(
        "SELECT design_id, min(file), count(*) FROM responses WHERE task = ? AND setting = ? GROUP BY ALL ORDER BY ALL",
        [task, setting],
    ).fetchall()
    listed = "; ".join(f"design {design} in {Path(file).name} ({n} docs)" for design, file, n in designs)
    raise InputError(
        f"the {task} task ({setting}) was run with {len(designs)} designs, whose docs cannot be pooled: {listed}; "
        "give the folders of one design"
    )


def _count(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    row = connection.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0
