"""The harness's sample logs as responses. All that is odd about the lines of the logs is known here.

DuckDB reads the JSON lines straight into typed columns, in parallel, and writes them to a Parquet
file as it goes, so that memory does not grow with the logs.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Any

from refusal_metrics.detection import ANSWERS_BY, RULES_VERSION
from refusal_metrics.errors import InputError, unknown_name

from ...columns import FACTORS, FLAGS, PHRASE, STUDY_COLUMNS
from ...contracts import check_run_factors, name_settings
from ..looks import LOOKS, looks_column, read_looks
from ..run_results import settings_in_effect
from ..runs import DATE, Log, differing_settings, find_logs, is_remote
from ..sql import Folder, connect, count_rows, literal, quoted
from ..table import Responses, read_responses
from ..tables.files import is_table
from ..unfinished import list_unfinished
from .forms import Plain, make_plain
from .notes import LogNotes
from .prompts import WRONG, Frame, check_frames
from .scan import DOC_FIELDS, scan_logs
from .verdicts import judge_again

_TEXTS = ("response", "prompt", "labels", "persona_words", "finish_reason")
_TOLD = ("refused_by", "cause", "rules")
"""What logs say of their verdicts."""

_WORKING = (
    "said",
    "log_number",
    "left_out",
    "need",
    "response_again",
    "offered",
    "words_again",
    "stop_again",
    "system",
    "asked",
    "frame",
    "text",
    "shape",
)
"""Columns that the reading needs, and nobody else."""

_COLUMNS = frozenset(
    {
        *(*DOC_FIELDS, *_TEXTS, *_TOLD, *_WORKING),
        *(LOOKS, "model", "task", "run", "log", "file", "line", "filter", "outcome", "file_row_number", "place", DATE),
        *(*FLAGS, "provider_reason", "doc", "told", "found", "escaped", "content", "rule", "answer"),
    }
)
"""The names that no setting of a run can have as a column, besides those that are reserved."""


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
        above it, or single ``samples_*.jsonl`` files, see `refusal_metrics.analysis.responses.runs.find_logs`;
        logs of other tasks are passed over. Or responses tables: Parquet, CSV (also with semicolons
        or tabs) or JSON records.
    all_runs : bool
        Whether a doc that several runs asked counts each time; ``run`` is then a factor.
    run_factors : sequence of str
        Settings of runs (``temperature``, ...), or `DATE`, that shall be factors: a doc counts once for each.
    texts : bool
        Whether to read what was asked and answered too: the columns ``response``, ``prompt`` (with a chat API the
        messages, as JSON), ``labels`` (the answers offered, as JSON), ``persona_words`` (what the persona is called, as
        JSON) and ``finish_reason`` (why generation ended, if the provider says so). Tables have them where they were
        written with them.

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
    tables = [path for path in every if is_table(path)]
    if tables and set(tables) < set(paths):
        raise InputError(
            f"{', '.join(paths)}: contains both responses tables and results folders; make a table of the folders "
            "too (persona-refusal ingest), or give one or the other"
        )
    if tables:
        check_run_factors(run_factors)
        responses = read_responses([file for path in tables for file in _find_tables(path)], all_runs=all_runs)
        for name in [*run_factors, *["run"] * all_runs]:
            if name not in responses.columns:
                raise unknown_name("factor", name, [c for c in responses.columns if not c.startswith("refused")])
        return responses
    responses = _Reader(paths, all_runs=all_runs, run_factors=run_factors, texts=texts).read()
    return replace(responses, notes=(*responses.notes, *list_unfinished(responses, paths)))


def _check_run_factor(name: str, columns: Mapping[str, str]) -> None:
    """Check that a run factor is a setting of these runs, by the name of its column."""
    if name == "run" or name in columns.values():
        return
    if name in columns:
        raise InputError(
            f"the factor {name!r} cannot be used, for another column has that name; the setting {name} of these runs "
            f"is the factor {columns[name]}: give that"
        )
    check_run_factors([name])
    error = unknown_name("factor", name, (*STUDY_COLUMNS, *FACTORS, *columns.values()))
    raise error if columns else InputError(f"{error}; no results files that name a {name} are there")


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
        self._folder = Folder()
        self._logs: list[Log] = []
        self._plain: list[Plain] = []
        self._open(results)
        self._labels = _label(self._logs)
        columns = name_settings((name for log in self._logs for name in log.settings), _COLUMNS)
        self._logs = [
            replace(log, settings={columns[name]: value for name, value in log.settings.items()}) for log in self._logs
        ]
        if DATE in run_factors:
            columns[DATE] = DATE
            self._logs = [replace(log, settings={**log.settings, DATE: log.day}) for log in self._logs]
        self._run_factors = tuple(dict.fromkeys([*run_factors, *["run"] * all_runs]))
        for name in self._run_factors:
            _check_run_factor(name, columns)
        # Those that differ are columns, so that a table written from here can be broken down by them later.
        used = {*self._run_factors, *differing_settings(self._logs)}
        self._settings = tuple(name for name in columns.values() if name in used)
        self._connection = connect()
        self._connection.execute(f"SET temp_directory = {quoted(self._folder.path / 'spilt')}")

    def _open(self, results: list[str]) -> None:
        """Find the logs of ours and what their first lines say of how they were asked."""
        found = find_logs(results)
        for number, log in enumerate(found):
            plain = make_plain(log, self._folder.path, number)
            if plain is None:
                continue
            asked, is_chat = _asked(plain.record)
            settings = settings_in_effect(log.facts, asked, is_chat=is_chat)
            self._logs.append(replace(log, settings=settings))
            self._plain.append(plain)
        if not self._logs:
            raise self._none_of_ours(len(found))

    def read(self) -> Responses:
        """Read all logs and keep the lines that count."""
        lines = self._folder.path / "lines.parquet"
        told: dict[str, list[str | None]] = {
            "model": [log.model for log in self._logs],
            "run": [log.run for log in self._logs],
            "log": [*self._labels],
            **{name: [log.settings.get(name) for log in self._logs] for name in self._settings},
        }
        compared = len(set(told["model"])) > 1
        repaired = scan_logs(self._connection, self._plain, told, lines, texts=self._texts, compared=compared)
        scan = f"read_parquet({quoted(literal(lines))}, file_row_number = true)"
        self._connection.execute(f"CREATE VIEW lines AS SELECT * FROM {scan}")
        self._check_prompts()
        self._connection.execute(
            "CREATE VIEW usable AS SELECT * FROM lines WHERE left_out IS NULL AND file_row_number NOT IN "
            "(SELECT row FROM wrong WHERE row IS NOT NULL)"
        )
        telling = LogNotes(self._connection, self._logs, self._labels, self._plain, self._run_factors)
        notes = telling.of_files(repaired) + telling.left_out()
        if not count_rows(self._connection, "SELECT count(*) FROM usable"):
            raise self._nothing(notes)
        judged = judge_again(self._connection, self._folder.path)
        notes += telling.judged()
        table = self._keep(telling, judged)
        notes += telling.runs(compared=compared)
        logs = {number for (number,) in self._connection.execute("SELECT DISTINCT log_number FROM usable").fetchall()}
        read = sorted((log for number, log in enumerate(self._logs, 1) if number in logs), key=lambda log: log.path)
        responses = read_responses([table], trusted=True)
        self._connection.execute("DROP VIEW usable")
        for file in self._folder.path.iterdir():
            if file != table and file.is_file():
                file.unlink()
        files = tuple(log.path if is_remote(log.path) else Path(log.path) for log in read)
        every = (*notes, *responses.notes)
        return Responses(responses.connection, files, every, table=table, keep=self._folder, logs=tuple(read))

    def _check_prompts(self) -> None:
        """Find the lines whose prompts are of other docs: the table ``wrong``, and ``frames``, of all."""
        frame = "kind, setting, persona, template, language, offered, system, frame, text"
        own = "CAST($own AS BOOLEAN[])[log_number]"
        owns = {"own": [log.facts.own_design for log in self._logs]}
        self._connection.execute(
            f"CREATE TABLE frames AS SELECT row_number() OVER () AS id, * FROM (SELECT model, {own} AS own, "
            f"task AS {frame}, count(*) AS n, min(text_id) AS low, max(text_id) AS high "
            "FROM lines WHERE left_out IS NULL GROUP BY ALL)",
            owns,
        )
        models = self._connection.execute("SELECT DISTINCT model FROM frames ORDER BY ALL").fetchall()
        found: list[tuple[int, str]] = []
        for model in models:
            rows = self._connection.execute(
                f"SELECT id, own, n, low, high, {frame} FROM frames WHERE model = ? ORDER BY id", model
            ).fetchall()
            frames = [
                replace(Frame(*of_doc), texts=frozenset((low, high)), n=n, own_design=own)
                for _, own, n, low, high, *of_doc in rows
            ]
            found += zip((row[0] for row in rows), check_frames(frames), strict=True)
        self._connection.execute("CREATE TABLE states (id BIGINT, state VARCHAR)")
        self._connection.execute(
            "INSERT INTO states SELECT unnest($ids), unnest($states)",
            {"ids": [place for place, _ in found], "states": [state for _, state in found]},
        )
        is_same = " AND ".join(
            f"frames.{column} IS NOT DISTINCT FROM lines.{'task' if column == 'kind' else column}"
            for column in ("model", *frame.split(", "))
        )
        if not any(state in WRONG for _, state in found):
            self._connection.execute("CREATE TABLE wrong (row BIGINT, state VARCHAR)")
            return
        is_wrong = ", ".join(quoted(state) for state in sorted(WRONG))
        self._connection.execute(
            "CREATE TABLE wrong AS SELECT file_row_number AS row, state FROM lines JOIN (SELECT * FROM frames JOIN "
            f"states USING (id) WHERE state IN ({is_wrong})) AS frames ON {is_same} AND "
            f"{own} = frames.own WHERE left_out IS NULL",
            owns,
        )

    def _keep(self, telling: LogNotes, judged: Mapping[str, Path]) -> Path:
        """Write the newest line of each doc; of several filters the harness's default one, else the first by name."""
        newest = ""
        if telling.n_repeated or len(telling.filters) > 1:
            # Picked by number: to sort whole lines would take several times as long and as much memory.
            order = "(-list_position($filters, filter), log_number, file_row_number)"
            newest = f"""
                WHERE file_row_number IN (
                    SELECT max_by(file_row_number, {order}) FROM usable
                    GROUP BY model, design_id, "index"{telling.by_run_factors}
                )"""
        kept = self._folder.path / "kept.parquet"
        # To keep the order of the lines would take a gigabyte, and nothing depends on it any more.
        self._connection.execute("SET preserve_insertion_order = false")
        again, joined = _judged(judged)
        # Logs of the tasks' version 1 name neither; a cause that nobody named is found where it is shown.
        is_told = (
            bool(judged) or count_rows(self._connection, "SELECT count(*) FROM usable WHERE rules IS NOT NULL") > 0
        )
        left = [*_WORKING, "file_row_number", "provider_reason", *([] if is_told else ["cause", "rules"])]
        if not count_rows(self._connection, "SELECT count(block) FROM usable"):
            left.append("block")
        if not count_rows(self._connection, f"SELECT count({PHRASE[0]}) FROM usable"):
            left += PHRASE
        columns = ", ".join(
            again.get(name, f"usable.{name}")
            for name in self._connection.execute("SELECT * FROM usable LIMIT 0").df().columns
            if name not in left
        )
        if looks := read_looks(self._logs):
            columns += f", {looks_column(looks)}"
        self._connection.execute(
            f"COPY (SELECT {columns} FROM usable {joined} {newest}) "
            f"TO {quoted(kept)} (FORMAT parquet, COMPRESSION zstd)",
            {"filters": telling.filters} if newest else {},
        )
        return kept

    def _nothing(self, notes: list[str]) -> InputError:
        if notes:
            return InputError(f"{self._listed}: no sample of a persona-refusal task can be used; {' '.join(notes)}")
        return self._none_of_ours(len(self._logs))

    def _none_of_ours(self, n_logs: int) -> InputError:
        return InputError(
            f"{self._listed}: contains no samples of persona-refusal tasks among {n_logs} log "
            f"file{'s' * (n_logs != 1)}; "
            "run lm_eval with --tasks persona_refusal --log_samples --output_path FOLDER and give FOLDER"
        )


def _judged(files: Mapping[str, Path]) -> tuple[dict[str, str], str]:
    """Write as SQL the columns of lines that were judged again, and the tables that they come from."""
    if not files:
        return {}, ""
    joined = " ".join(
        f"LEFT JOIN read_parquet({quoted(literal(file))}) AS by_{rule} ON usable.file_row_number = by_{rule}.row"
        for rule, file in files.items()
    )
    is_again = f"by_{ANSWERS_BY}.row IS NOT NULL"
    again = {
        f"refused_{rule}": f"coalesce(by_{rule}.refused_{rule}, usable.refused_{rule}) AS refused_{rule}"
        for rule in files
    }
    again["refused"] = f"coalesce(by_{ANSWERS_BY}.refused_{ANSWERS_BY}, usable.refused) AS refused"
    for name in ("outcome", "refused_by", "cause"):
        again[name] = f"CASE WHEN {is_again} THEN by_{ANSWERS_BY}.{name} ELSE usable.{name} END AS {name}"
    again["rules"] = f"CASE WHEN {is_again} THEN {quoted(RULES_VERSION)} ELSE usable.rules END AS rules"
    return again, joined


def _asked(record: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Return the arguments of generation that a sample was asked with, and whether it was asked with messages."""
    arguments = record.get("arguments")
    first = arguments.get("gen_args_0") if isinstance(arguments, dict) else None
    if not isinstance(first, dict):
        return None, False
    asked = first.get("arg_1")
    return (asked if isinstance(asked, dict) else None), isinstance(first.get("arg_0"), list)


def _label(logs: Sequence[Log]) -> list[str]:
    """Name the logs by what their paths do not share."""
    paths = [log.path for log in logs]
    if any(is_remote(path) for path in paths):
        return paths
    above = os.path.commonpath([Path(path).parent for path in paths])
    return [os.path.relpath(path, above) for path in paths]
