"""The harness's sample logs as responses. All that is odd about the lines of the logs is known here.

DuckDB reads the JSON lines straight into typed columns, in parallel, and writes them to a Parquet
file as it goes, so that memory does not grow with the logs.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path

import duckdb

from refusal_metrics.detectors import RULES
from refusal_metrics.errors import InputError, unknown_name

from .responses import (
    FACTORS,
    STUDY_COLUMNS,
    TABLE_SUFFIXES,
    Folder,
    Responses,
    connect,
    count,
    literal,
    quoted,
    read_responses,
)
from .runs import Log, differing_settings, ends_well, find_logs, is_remote, may_be_ours, reason
from .unfinished import list_unfinished

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
_TEXTS = {
    "response": "coalesce(filtered_resps[1], '')",
    "prompt": "arguments ->> '$.gen_args_0.arg_0'",
    "labels": "to_json(doc.labels)::VARCHAR",
}
# Whether lines that do not fit are passed over, and how long a line may be, in bytes. DuckDB's own
# choices come first, because they are fastest by a third; 256 MiB is for a model that never stops.
_WAYS_TO_READ = ((False, 1 << 24), (True, 1 << 24), (True, 1 << 28))
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What Python strips and so the detectors do; DuckDB's own trim knows the space only."""
_COLUMNS = frozenset(
    {
        *_DOC_FIELDS,
        *_TEXTS,
        "model",
        "task",
        "run",
        "log",
        "file",
        "line",
        "filter",
        "outcome",
        "empty",
        "file_row_number",
    }
)
"""The names that no setting of a run can have as a column; nor one that begins like a verdict's."""
_USABLE = " AND ".join(["index IS NOT NULL", *(f"refused_{rule} IS NOT NULL" for rule in RULES)])


def load_responses(
    results: Iterable[str | os.PathLike[str]],
    *,
    all_runs: bool = False,
    run_factors: Sequence[str] = (),
    texts: bool = False,
) -> Responses:
    """Read sample logs of persona-refusal tasks, or responses tables.

    Parameters
    ----------
    results : iterable of str or path
        What was given to ``lm_eval --output_path`` with ``--log_samples``, or folders inside or
        above it, or single ``samples_*.jsonl`` files, see `refusal_metrics.analysis.runs.find_logs`;
        logs of other tasks are passed over. Or responses tables, ``.parquet`` or ``.csv``.
    all_runs : bool
        Whether a doc that several runs asked counts each time; ``run`` is then a factor.
    run_factors : sequence of str
        Settings of runs (``temperature``, ...) that shall be factors: a doc counts once for each.
    texts : bool
        Whether to read what was asked and answered too: the columns ``response``, ``prompt`` (with
        a chat API the messages, as JSON) and ``labels`` (the answers offered, as JSON). Tables have
        them where they were written with them.

    Returns
    -------
    Responses
        The newest complete line of each model's docs.

    Raises
    ------
    InputError
        If there is nothing to read, or if one task was run with different designs.
    """
    every = [os.fspath(path) for path in results]
    paths = list(dict.fromkeys(every))
    tables = [path for path in every if path.endswith(TABLE_SUFFIXES) and not Path(path).is_dir()]
    if tables and set(tables) < set(paths):
        raise InputError(
            f"{', '.join(paths)}: holds both responses tables and results folders; make a table of the folders "
            "too (persona-refusal ingest), or give one or the other"
        )
    if tables:
        responses = read_responses([file for path in tables for file in _find_tables(path)], all_runs=all_runs)
        for name in [*run_factors, *["run"] * all_runs]:
            if name not in responses.columns:
                raise unknown_name("factor", name, [c for c in responses.columns if not c.startswith("refused")])
        return responses
    responses = _Reader(paths, all_runs=all_runs, run_factors=run_factors, texts=texts).read()
    return replace(responses, notes=(*responses.notes, *list_unfinished(responses, paths)))


def _find_tables(path: str) -> list[Path | str]:
    if is_remote(path):
        return [path]
    if Path(path).exists():
        return [Path(path)]
    found = sorted(glob(path, recursive=True))  # noqa: PTH207 (a Path's patterns cannot be absolute)
    if not found:
        raise InputError(f"{path}: no such file; give a responses table or the folder named in lm_eval --output_path")
    return [Path(file) for file in found]


class _Reader:
    """Reads sample logs by way of a Parquet file of their lines."""

    def __init__(self, results: list[str], *, all_runs: bool, run_factors: Sequence[str], texts: bool) -> None:
        self._listed = ", ".join(results)
        self._texts = texts
        found = find_logs(results)
        self._logs = [log for log in found if may_be_ours(log)]
        if not self._logs:
            raise self._none_of_ours(len(found))
        self._labels = _label(self._logs)
        taken = {name.lower() for name in _COLUMNS}
        known = []
        for name in dict.fromkeys(name for log in self._logs for name in log.settings):
            if name.isidentifier() and name.lower() not in taken and not name.lower().startswith("refused"):
                known.append(name)
                taken.add(name.lower())
        apart = dict.fromkeys([*run_factors, *["run"] * all_runs])
        for name in apart:
            if name not in ("run", *known):
                error = unknown_name("factor", name, (*STUDY_COLUMNS, *FACTORS, *known))
                raise error if known else InputError(f"{error}; no results files that name a {name} are there")
        self._apart = tuple(apart)
        # Those that differ are columns, so that a table written from here can be told apart by them later.
        self._settings = tuple(name for name in known if name in {*apart, *differing_settings(self._logs)})
        self._folder = Folder()
        self._connection = connect()
        self._filters: list[str] = []
        self._n_repeated = 0
        self._connection.execute(f"SET temp_directory = {quoted(self._folder.path / 'spilt')}")

    def read(self) -> Responses:
        """Read all logs and keep the lines that count."""
        lines = self._folder.path / "lines.parquet"
        self._scan(lines)
        scan = f"read_parquet({quoted(literal(lines))}, file_row_number = true)"
        self._connection.execute(f"CREATE VIEW lines AS SELECT * FROM {scan}")
        notes = list(self._notes())
        if not count(self._connection, f"SELECT count(*) FROM lines WHERE {_USABLE}"):
            raise self._nothing(notes)
        table = lines
        if notes or count(self._connection, f"SELECT count(*) FROM lines WHERE NOT ({_USABLE})"):
            table = self._keep()
        notes += [*self._differing(), *self._missing()]
        logs = self._connection.execute("SELECT DISTINCT log FROM lines WHERE index IS NOT NULL").fetchall()
        paths = [log.path for log, label in zip(self._logs, self._labels, strict=True) if (label,) in logs]
        responses = read_responses([table], trusted=True)
        if table != lines:
            lines.unlink()
        files = tuple(path if is_remote(path) else Path(path) for path in sorted(paths))
        return Responses(responses.connection, files, tuple(notes), table=table, keep=self._folder)

    def _scan(self, lines: Path) -> None:
        """Write the lines of our tasks, and those that cannot be parsed, which come as nulls."""
        told = {
            "model": [log.model for log in self._logs],
            "run": [log.run for log in self._logs],
            "log": self._labels,
            **{name: [log.settings.get(name) for log in self._logs] for name in self._settings},
        }
        fields = ", ".join(f'"{name}" {kind}' for name, kind in _DOC_FIELDS.items())
        rates = dict.fromkeys([*(f"refusal_rate_{rule}" for rule in RULES), "answer_rate"], "DOUBLE")
        columns = {"doc": f"STRUCT({fields})", "filtered_resps": "VARCHAR[]", "filter": "VARCHAR"} | rates
        own = ", ".join(f'doc."{name}"' for name in _DOC_FIELDS if name != "kind")
        if self._texts:
            columns |= {"doc": f"STRUCT({fields}, labels VARCHAR[])", "arguments": "JSON"}
            own += f", {', '.join(f'{sql} AS {name}' for name, sql in _TEXTS.items())}"
        # Looked up and not joined, because the lines would not keep their order through a join.
        named = ", ".join(f'CAST($told_{n} AS VARCHAR[])[number] AS "{name}"' for n, name in enumerate(told))
        verdicts = ", ".join(f"refusal_rate_{rule} > 0.5 AS refused_{rule}" for rule in RULES)
        sql = f"""
            COPY (
                SELECT {named}, doc.kind AS task, {own}, coalesce(filter, 'none') AS filter, {verdicts},
                    refused_{next(iter(RULES))} AS refused,
                    CASE WHEN refused THEN 'refusal' WHEN answer_rate > 0.5 THEN 'answer'
                        -- Trimming takes as long as all else, and nearly every response begins with ASCII.
                        WHEN filtered_resps[1] BETWEEN '!' AND '~' THEN 'other'
                        WHEN coalesce(trim(filtered_resps[1], $blank) = '', true) THEN 'empty'
                        ELSE 'other' END AS outcome
                FROM (
                    SELECT *, file_index::BIGINT + 1 AS number
                    FROM read_json($files, format = 'newline_delimited', columns = $columns,
                        ignore_errors = $lenient, maximum_object_size = $limit, hive_partitioning = false)
                ) AS line
                WHERE (doc.design_id IS NOT NULL AND doc.index IS NOT NULL) OR (doc IS NULL AND line.filter IS NULL)
            ) TO {quoted(lines)} (FORMAT parquet, COMPRESSION zstd)
        """
        files = [log.path if is_remote(log.path) else literal(log.path) for log in self._logs]
        given: dict[str, object] = {"files": files, "columns": columns, "blank": _BLANK}
        given |= {f"told_{n}": values for n, values in enumerate(told.values())}
        # Without this DuckDB drops the cut last line of a file silently where another file follows.
        ways = _WAYS_TO_READ if all(ends_well(log) for log in self._logs) else _WAYS_TO_READ[1:]
        for lenient, limit in ways:
            try:
                self._connection.execute(sql, given | {"lenient": lenient, "limit": limit})
            except duckdb.Error as error:
                # No other way helps against a full disk or an address that does not answer.
                if (lenient, limit) != ways[-1] and not isinstance(error, duckdb.OperationalError):
                    continue
                raise InputError(f"{self._listed}: cannot be read as sample logs ({reason(error)})") from error
            return

    def _nothing(self, notes: list[str]) -> InputError:
        if notes:
            return InputError(f"{self._listed}: no sample of a persona-refusal task can be used; {' '.join(notes)}")
        return self._none_of_ours(len(self._logs))

    def _none_of_ours(self, n_logs: int) -> InputError:
        return InputError(
            f"{self._listed}: holds no samples of persona-refusal tasks among {n_logs} log file{'s' * (n_logs != 1)}; "
            "run lm_eval with --tasks persona_refusal --log_samples --output_path FOLDER and give FOLDER"
        )

    def _notes(self) -> Iterable[str]:
        """Say what is left out."""
        ours = "log IN (SELECT log FROM lines WHERE index IS NOT NULL)"
        broken = count(self._connection, f"SELECT count(*) FROM lines WHERE index IS NULL AND {ours}")
        if broken:
            yield f"{_n_lines(broken, 'incomplete')} dropped: a run was cut off while it wrote its log."
        unjudged = count(self._connection, f"SELECT count(*) FROM lines WHERE index IS NOT NULL AND NOT ({_USABLE})")
        if unjudged:
            yield f"{_n_lines(unjudged)} without the metrics of this version left out; run those tasks again."
        self._filters = [
            name
            for (name,) in self._connection.execute(
                f"SELECT DISTINCT filter FROM lines WHERE {_USABLE} ORDER BY filter <> 'none', filter"
            ).fetchall()
        ]
        if len(self._filters) > 1:
            yield f"The logs hold several filters ({', '.join(self._filters)}); {self._filters[0]} was taken."
        self._n_repeated = self._count_repeated()
        if self._n_repeated:
            yield f"{_n_lines(self._n_repeated)} repeated a doc; the newest of each was taken."

    def _missing(self) -> Iterable[str]:
        """Say where prompts are missing before the last one, which no --limit leaves out."""
        distinct = "DISTINCT index" if self._n_repeated or len(self._filters) > 1 else "*"
        gaps = self._connection.execute(
            f"SELECT model, task, setting, max(index) + 1 AS n, n - count({distinct}) AS n_missing FROM lines "
            f"WHERE {_USABLE} GROUP BY model, task, setting{self._list_apart()} HAVING n_missing > 0 ORDER BY ALL"
        ).fetchall()
        for model, task, setting, n, n_missing in gaps:
            yield (
                f"{model}, {task} ({setting}): {n_missing:,} of the first {n:,} prompts are missing: "
                "a shard not run, or lost lines?"
            )

    def _count_repeated(self) -> int:
        """Count the lines of docs that have another line."""
        span = self._connection.execute(f"SELECT min(index), max(index) FROM lines WHERE {_USABLE}").fetchone()
        low, high = span if span and span[0] is not None else (0, 0)
        # Bits take a tenth of the time that a hash table takes, but as much room as the span asks for.
        bits = f"bit_count(bitstring_agg(index, {low}, {high}))"
        distinct = bits if high - low < 1 << 22 else "count(DISTINCT index)"
        return count(
            self._connection,
            f"SELECT sum(n) FROM (SELECT count(*) - {distinct} AS n FROM lines WHERE {_USABLE} "
            f"GROUP BY model, design_id, filter{self._list_apart()})",
        )

    def _list_apart(self) -> str:
        return "".join(f', "{name}"' for name in self._apart)

    def _keep(self) -> Path:
        """Write the newest line of each doc; of several filters the harness's default one, else the first by name."""
        newest = ""
        if self._n_repeated or len(self._filters) > 1:
            # Picked by number: to sort whole lines would take several times as long and as much memory.
            order = "(-list_position($filters, filter), file_row_number)"
            newest = f"""
                AND file_row_number IN (
                    SELECT max_by(file_row_number, {order}) FROM lines
                    WHERE {_USABLE} GROUP BY model, design_id, "index"{self._list_apart()}
                )"""
        kept = self._folder.path / "kept.parquet"
        # To keep the order of the lines would take a gigabyte, and nothing depends on it any more.
        self._connection.execute("SET preserve_insertion_order = false")
        self._connection.execute(
            f"COPY (SELECT * EXCLUDE (file_row_number) FROM lines WHERE {_USABLE} {newest}) "
            f"TO {quoted(kept)} (FORMAT parquet, COMPRESSION zstd)",
            {"filters": self._filters} if newest else {},
        )
        return kept

    def _differing(self) -> Iterable[str]:
        """Say which runs of one task were asked differently."""
        tasks = self._connection.execute(
            f"SELECT model, task, setting, list(DISTINCT log) AS logs FROM lines WHERE {_USABLE} GROUP BY ALL "
            "HAVING len(logs) > 1 ORDER BY ALL"
        ).fetchall()
        by_label = dict(zip(self._labels, self._logs, strict=True))
        for model, task, setting, labels in tasks:
            differ = [n for n in differing_settings([by_label[label] for label in labels]) if n not in self._apart]
            if differ and "run" not in self._apart:
                yield (
                    f"{model}, {task} ({setting}): runs that differ in {', '.join(differ)} were pooled, the newest "
                    f"answer to each prompt; is that meant? ingest, rates, sensitivity, regression and report tell "
                    f"them apart with --factors {differ[0]}."
                )


def _label(logs: Sequence[Log]) -> list[str]:
    """Name the logs by what their paths do not share."""
    paths = [log.path for log in logs]
    if any(is_remote(path) for path in paths):
        return paths
    above = os.path.commonpath([Path(path).parent for path in paths])
    return [os.path.relpath(path, above) for path in paths]


def _n_lines(n: int, kind: str = "") -> str:
    return f"{n} {kind} line{'s' * (n != 1)}".replace("  ", " ")
