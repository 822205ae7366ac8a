"""Detectors applied to files: results or any table of responses."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from refusal_metrics.detection import PROVIDER, REFUSAL
from refusal_metrics.errors import InputError

from ..columns import FLAGS
from ..display import plain, unguard_in_sql
from ..files import check_new, reason, replace_file
from ..responses import (
    TABLE_SUFFIXES,
    Detected,
    Detector,
    Progress,
    Source,
    connect,
    count_rows,
    for_spreadsheets,
    identifier,
    is_log,
    judge_rows,
    literal,
    load_responses,
    quoted,
)
from .any_file import PERSONA_COLUMN, is_given, other_column, persona_of, read_given, text_column, written_columns
from .finite_json import finite_columns
from .unknowns import say_unknown

VERDICT_COLUMNS = ("outcome", "cause", "rule", "answer")
"""The added columns."""

FORMS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
"""Endings of output files."""
_FORMATS = {
    ".csv": "FORMAT csv, HEADER true",
    ".csv.gz": "FORMAT csv, HEADER true, COMPRESSION gzip",
    ".jsonl": "FORMAT json",
    ".jsonl.gz": "FORMAT json, COMPRESSION gzip",
}
_TABLE = frozenset({"model", "task", "text_id"})


def detect(
    given: Sequence[str | os.PathLike[str]],
    out: Path,
    detector: Detector,
    *,
    column: str = "response",
    persona_column: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Detected:
    """Judge the responses of results or of a file: `detect_file` for a single file that is not a sample log.

    Parameters
    ----------
    given : sequence of str or path
        Results as of `detect_results`, or one file as of `detect_file`.
    out, detector, column, persona_column, force, progress
        As of these.

    Returns
    -------
    Detected

    Raises
    ------
    InputError
        As of these, or if several files were given, or a column of personas of results.
    """
    files = [path for path in map(Path, given) if path.is_file() and not is_log(path)]
    if files and len(given) > 1:
        raise InputError(f"{', '.join(map(str, given))}: are {len(given)} paths; give one file at a time, or results")
    if files or (len(given) == 1 and is_given(os.fspath(given[0])) and not _is_results(given[0])):
        return detect_file(
            Path(given[0]), out, detector, column=column, persona_column=persona_column, force=force, progress=progress
        )
    if persona_column is not None:
        raise InputError(
            f"--persona-column {persona_column}: is for a file; results name the persona of each response; leave it out"
        )
    return detect_results(given, out, detector, force=force, progress=progress)


def detect_file(
    path: Path,
    out: Path,
    detector: Detector,
    *,
    column: str = "response",
    persona_column: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Detected:
    """Judge the responses of any file.

    Parameters
    ----------
    path : Path
        CSV, JSON (both ``.gz`` too) or Parquet with a column of responses; of the columns
        ``labels`` (a JSON list, or texts separated by ``|``), ``prompt``, ``persona``, ``persona_words`` (a JSON list),
        ``language`` and ``finish_reason``, the available ones are used.
    out : Path
        Written in the format of its ending, under a temporary name first: the same rows in the same order, and the
        columns ``outcome, cause, rule, answer``, all null without a verdict. For a responses table also ``refused`` and
        ``refused_<detector>``; there the four columns replace those of an earlier detector, and texts in CSV are
        guarded, see `display.spreadsheets`. Texts of any other file are unchanged.
    detector : Detector
    column : str
        The column of the responses. Missing values count as empty.
    persona_column : str, optional
        The column of personas; by default ``persona``, if there is one. An id of the packaged design stands for its
        words, an empty value for no persona, and anything else is a noun phrase.
    force : bool
        Whether to replace a file that is there.
    progress : callable, optional

    Returns
    -------
    Detected

    Raises
    ------
    InputError
        If the file cannot be read (with the line), lacks a named column or has columns of the added names,
        if its labels are not lists, if a persona is too long, or if `out` cannot be written.
    """
    _check_out(out, FORMS, force=force)
    with _near(out, force=force) as target:
        folder = target.parent
        read = read_given(path, folder)
        text = text_column(read, column)
        is_table = set(read.columns) >= _TABLE and any(name.startswith("refused") for name in read.columns)
        taken = [name for name in read.columns if name.lower() in VERDICT_COLUMNS]
        if taken and not is_table:
            raise InputError(
                f"{path}: already has the column{'s' * (len(taken) > 1)} {', '.join(taken)}, and detect adds "
                f"{', '.join(VERDICT_COLUMNS)}; drop or rename them"
            )
        added = (*_added(detector), *["refused_by"] * ("refused_by" in read.columns)) if is_table else VERDICT_COLUMNS
        form = form_of(out)
        kept = {
            name: sql
            for name, sql in written_columns(read, form).items()
            if name.lower() not in {new.lower() for new in added}
        }
        hints = [other_column(read, "labels"), other_column(read, "prompt"), persona_of(read, persona_column)]
        # A column that is named on purpose counts alone.
        words = other_column(read, "persona_words") if persona_column is None else "NULL::VARCHAR"
        texts = [text, *hints, words, *(other_column(read, name) for name in ("language", "finish_reason"))]
        if is_table and form_of(path).startswith(".csv"):
            # As all commands read a responses table.
            texts = [unguard_in_sql(f"({sql})") for sql in texts]
            kept = {name: unguard_in_sql(f"({sql})") for name, sql in kept.items()}
        known = (_provider(read.columns if is_table else ()), *texts[4:])
        source = Source(connect(), f"{path}, record", read.scan, kept, texts[:4], read.n, *known)
        made = folder / "made.parquet"
        detected = judge_rows(source, added, made, detector, progress)
        as_json = [name for name in kept if read.columns[name] == "JSON"] if form.startswith(".jsonl") else []
        put(made, target, as_json, guarded=is_table)
    has_personas = any(name in read.columns for name in (persona_column or PERSONA_COLUMN, "persona_words"))
    unknown = say_unknown(
        str(path), detector.name, detected.n, detected.n_open, has_personas=has_personas, option="--persona-column"
    )
    return replace(detected, notes=(*read.notes, *detected.notes, *unknown))


def detect_results(
    results: Sequence[str | os.PathLike[str]],
    out: Path,
    detector: Detector,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Detected:
    """Judge the responses of results again.

    Parameters
    ----------
    results : sequence of str or path
        As `refusal_metrics.analysis.responses.logs.load.load_responses` takes them.
    out : Path
        The responses table to write, ``.parquet`` or ``.csv``, which every command reads: the columns
        of `Responses` with ``response, prompt, labels, persona_words, finish_reason, outcome, cause, rule, answer``
        and ``refused_<detector>``, which ``refused`` repeats. Both are null without a verdict. Responses refused by the
        provider (``refused_by``) remain refusals by `answer_aware`.
    detector : Detector
    force : bool
        Whether to replace a file that is there.
    progress : callable, optional

    Returns
    -------
    Detected

    Raises
    ------
    InputError
        If there is nothing to read, there are no texts, or `out` cannot be written.
    """
    _check_out(out, TABLE_SUFFIXES, force=force)
    listed = ", ".join(os.fspath(path) for path in results)
    responses = load_responses(results, texts=True)
    if "response" not in responses.columns:
        raise InputError(f"{listed}: lacks the column response; give the folder named in lm_eval --output_path")
    added = (*_added(detector), "refused_by")
    left = {*FLAGS, "rules", "provider_reason", *(name.lower() for name in added)}
    kept = {name: identifier(name) for name in responses.columns if name.lower() not in left}
    hints = ("response", "labels", "prompt", "persona", "persona_words", "language", "finish_reason")
    texts = [identifier(name) if name in responses.columns else "NULL::VARCHAR" for name in hints]
    n = count_rows(responses.connection, "SELECT count(*) FROM responses")
    with _near(out, force=force) as target:
        place = f"{listed}, response"
        known = (_provider(responses.columns), *texts[4:])
        source = Source(responses.connection.cursor(), place, "responses", kept, texts[:4], n, *known)
        made = target.with_name("made.parquet")
        detected = judge_rows(source, added, made, detector, progress)
        put(made, target)
    return replace(detected, notes=(*responses.notes, *detected.notes))


def _provider(columns: Collection[str]) -> str:
    """Return as SQL why the provider refused a response of results."""
    if "refused_by" not in columns:
        return "NULL::VARCHAR"
    why = "cause" if "cause" in columns else "NULL"
    return f"CASE WHEN refused_by = {quoted(PROVIDER)} THEN coalesce({why}, {quoted(REFUSAL)}) END"


def _added(detector: Detector) -> tuple[str, ...]:
    return (*VERDICT_COLUMNS, f"refused_{detector.name}", "refused")


def _check_out(out: Path, forms: Sequence[str], *, force: bool) -> None:
    if not out.name.endswith(tuple(forms)):
        raise InputError(f"{out}: unknown file format; choose a name that ends in {', '.join(forms)}")
    check_new(out, force=force)


@contextmanager
def _near(out: Path, *, force: bool) -> Iterator[Path]:
    """Return a path in a temporary folder next to a file, so that it can be renamed."""
    with replace_file(out, force=force) as target:
        try:
            yield target
        except (pa.ArrowException, duckdb.IOException) as error:
            raise InputError(f"{out}: cannot be written ({plain(reason(error))[:200]}); free some space") from error


def _is_results(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder, log, address or pattern, rather than the name of a possibly missing file."""
    text = os.fspath(path)
    return Path(text).is_dir() or is_log(text) or "://" in text or any(c in text for c in "*?[")


def put(made: Path, out: Path, as_json: Sequence[str] = (), *, guarded: bool = True) -> None:
    """Convert a Parquet file to the requested format and name.

    Parameters
    ----------
    made : Path
        In a temporary folder next to `out`, which can hold another file.
    out : Path
        Its ending determines the format.
    as_json : sequence of str
        Columns with JSON as text.
    guarded : bool
        Whether a text in CSV that begins like a formula gets an apostrophe before it, which the commands that read
        responses tables remove.
    """
    form = form_of(out)
    if form != ".parquet":
        scan = f"read_parquet({quoted(literal(made))}, hive_partitioning = false)"
        final = made.with_name(f"made{form}")
        connection = connect()
        replaced = finite_columns(connection, scan, as_json) if form.startswith(".jsonl") else {}
        listed = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in replaced.items())
        written = f"SELECT {f'* REPLACE ({listed})' if listed else '*'} FROM {scan}"
        if guarded and form.startswith(".csv"):
            written = for_spreadsheets(connection, written)
        connection.execute(f"COPY ({written}) TO {quoted(final)} ({_FORMATS[form]})")
        made = final
    made.replace(out)


def form_of(path: Path) -> str:
    """Return a file's format from its ending.

    Raises
    ------
    InputError
        If it is not in `FORMS`.
    """
    for form in FORMS:
        if path.name.lower().endswith(form):
            return form
    raise InputError(f"{path}: unknown file format; give a file that ends in {', '.join(FORMS)}")
