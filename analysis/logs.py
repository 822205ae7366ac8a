"""The harness's sample logs as a table of responses. All that is odd about the logs is known here.

DuckDB reads the JSON lines straight into typed columns, in parallel.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
# Of a line, in bytes: 256 MiB instead of DuckDB's 16, for a model that never stops.
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
    name = _run(path.parent, _date(path)).get("model_name")
    return name if isinstance(name, str) and name else path.parent.name


@cache
def _run(folder: Path, date: str) -> dict[str, Any]:
    """Read the results file of a run; empty where there is none."""
    for results in sorted(folder.glob(f"*_{date}.json")):
        try:
            run = json.loads(results.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # half-written: what it would have said is not known
        if isinstance(run, dict):
            return run
    return {}


def _run_settings(file: str) -> dict[str, object]:
    """Give what a run was asked with besides its docs, as far as the answers depend on it."""
    run = _run(Path(file).parent, _date(Path(file)))
    config = run.get("config") or {}
    return {name: config.get(name) for name in ("model_args", "gen_kwargs")} | {
        name: run.get(name) for name in ("chat_template_sha", "system_instruction_sha")
    }


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
    pooled = connection.execute(
        "SELECT model, task, setting, list(DISTINCT file) FROM responses GROUP BY ALL HAVING count(DISTINCT file) > 1 "
        "ORDER BY ALL"
    ).fetchall()
    for model, task, setting, files in pooled:
        runs = [_run_settings(file) for file in files]
        differ = [name for name in runs[0] if any(run[name] != runs[0][name] for run in runs)]
        if differ:
            yield f"{model}, {task} ({setting}): runs that differ in {', '.join(differ)} were pooled; is that meant?"


def _lines(n: int, kind: str = "") -> str:
    return f"{n} {kind} line{'s' * (n != 1)}".replace("  ", " ")


def _refuse_mixed_designs(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse what cannot be pooled or compared.

    A task must have one design, and the settings of a kind one sample, whose mark is the design_id
    before its hyphen: else texts of one id are not the same texts.
    """
    for what, mark, columns in (
        ("designs, whose docs cannot be pooled", "design_id", "task, setting"),
        ("samples, whose settings cannot be compared", "split_part(design_id, '-', 1)", "task"),
    ):
        mixed = connection.execute(
            f"SELECT {columns} FROM responses GROUP BY ALL HAVING count(DISTINCT {mark}) > 1 ORDER BY ALL"
        ).fetchall()
        if not mixed:
            continue
        same = " AND ".join(f"{column} = ?" for column in columns.split(", "))
        found = connection.execute(
            f"SELECT {mark}, min(file), count(*) FROM responses WHERE {same} GROUP BY {mark} ORDER BY ALL", mixed[0]
        ).fetchall()
        listed = "; ".join(f"{name} in {Path(file).name} ({n} docs)" for name, file, n in found)
        raise InputError(
            f"the {mixed[0][0]} task{''.join(f' ({s})' for s in mixed[0][1:])} was run with {len(found)} {what}: "
            f"{listed}; give the folders of one study"
        )


def _count(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    row = connection.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0
