"""Rows with verdicts: read, judged and written in blocks, so that memory does not grow with their number."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from refusal_metrics.detection import (
    ANSWERS_BY,
    CAUSES,
    MOST_LABELS,
    OUTCOMES,
    REFUSAL,
    TRUNCATED,
    Verdict,
    known_languages,
)
from refusal_metrics.errors import InputError

from ..display import counted, plain
from ..files import reason
from .detectors import Detector, Item, read_language, read_offered, read_words
from .sql import identifier

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], object]
"""Receives the number of judged responses, and the total."""

UNSCORED = "unscored"
"""The name of responses without a verdict in a table of outcomes."""

_BLOCK, _BLOCK_BYTES = 100_000, 1 << 28
"""The largest number of responses in a block, and of their bytes."""
_MOST_NAMED = 3
_SLICE = 256
"""The number of rows read at a time; this many long responses fit into memory."""


@dataclass(frozen=True)
class Source:
    """A source of rows.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
    place : str
        The text before the number of a row in errors.
    scan : str
        The rows, as SQL.
    kept : mapping of str to str
        The columns that are written, as SQL.
    texts : sequence of str
        Response, options, prompt and persona, as SQL.
    n : int
        The number of rows.
    provider : str
        Why the provider refused, as SQL: null if it did not, or if unknown.
    words, language, finish_reason : str
        What the persona is called, as a JSON list, the language, and why generation ended, as SQL; null if unknown.
    """

    connection: duckdb.DuckDBPyConnection
    place: str
    scan: str
    kept: Mapping[str, str]
    texts: Sequence[str]
    n: int
    provider: str = "NULL::VARCHAR"
    words: str = "NULL::VARCHAR"
    language: str = "NULL::VARCHAR"
    finish_reason: str = "NULL::VARCHAR"

    def blocks(self) -> "tuple[pa.Schema, Iterator[pa.Table]]":
        """Return the schema of the kept columns, and the rows in blocks, with what is judged last."""
        listed = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in self.kept.items())
        behind = enumerate([*self.texts, self.words, self.language, self.finish_reason, self.provider])
        texts = ", ".join(f"{sql} AS {identifier(f'{n} of the texts')}" for n, sql in behind)
        # More than 2 GB of texts do not fit into Arrow's usual type.
        self.connection.execute("SET arrow_large_buffer_size = true")
        rows = self.connection.sql(f"SELECT {listed}, {texts} FROM {self.scan}")
        reader: pa.RecordBatchReader = rows.to_arrow_reader(_SLICE)
        return pa.schema(list(reader.schema)[: len(self.kept)]), self._blocks(reader)

    def _blocks(self, reader: "pa.RecordBatchReader") -> "Iterator[pa.Table]":
        """Combine slices until a block is full."""
        held: list[pa.RecordBatch] = []
        n_rows = n_bytes = 0
        try:
            for batch in reader:
                held.append(batch)
                n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
                if n_rows >= _BLOCK or n_bytes >= _BLOCK_BYTES:
                    yield pa.Table.from_batches(held)
                    held, n_rows, n_bytes = [], 0, 0
        except (pa.ArrowException, duckdb.Error) as error:
            raise InputError(
                f"{self.place}s: cannot be read ({plain(reason(error))[:200]}); write them again"
            ) from error
        if held:
            yield pa.Table.from_batches(held)


@dataclass(frozen=True)
class Detected:
    """The outcomes of the responses.

    Attributes
    ----------
    n : int
        Responses.
    counts : dict of str to int
        Of each outcome.
    causes : dict of str to int
        Of the causes of refusals, and of empty and unjudged responses.
    unscored : int
        Responses without a verdict.
    n_open : int
        Responses without labels.
    notes : tuple of str
        One sentence for everything else worth knowing.
    """

    n: int
    counts: dict[str, int]
    causes: dict[str, int]
    unscored: int
    notes: tuple[str, ...]
    n_open: int = 0

    def outcomes(self) -> "pd.DataFrame":
        """Return the outcomes as a table: ``outcome, estimate`` (share of all responses), ``n``."""
        return _shares("outcome", self.counts | ({UNSCORED: self.unscored} if self.unscored else {}))

    def reasons(self) -> "pd.DataFrame":
        """Return the causes as a table: ``cause, estimate`` (share of all that have one), ``n``."""
        return _shares("cause", self.causes)


def judge_rows(
    source: Source, added: Sequence[str], file: Path, detector: Detector, progress: Progress | None
) -> Detected:
    """Judge the rows of a source.

    Parameters
    ----------
    source : Source
    added : sequence of str
        The columns of verdicts, after the kept ones: fields of `Verdict`, and other names that
        begin with ``refused`` for whether it is a refusal. All are null where there is no verdict.
    file : Path
        The Parquet file to write.
    detector : Detector
    progress : callable or None

    Returns
    -------
    Detected

    Raises
    ------
    InputError
        If options are not lists or too many, or the detector cannot continue.
    """
    outcomes: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    n_open = 0
    reads_all = detector.name == ANSWERS_BY
    kinds = {name: pa.bool_() if _is_flag(name) else pa.string() for name in added}
    schema, blocks = source.blocks()
    for name, kind in kinds.items():
        schema = schema.append(pa.field(name, kind))
    n_done = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in blocks:
            *texts, reasons = block.columns[len(source.kept) :]
            items = _items(texts, source.place, n_done, MOST_LABELS if reads_all else None)
            n_open += sum(not item.options for item in items)
            unknown.update(item.language for item in items if item.language not in known_languages())
            verdicts: list[Verdict | None] = []
            for start in range(0, len(items), detector.at_once):
                verdicts += detector.detect(items[start : start + detector.at_once])
                if progress:
                    progress(n_done + len(verdicts), source.n)
            if reads_all:
                # The prefix rules read only the text.
                verdicts = [_by_provider(*both) for both in zip(verdicts, reasons.to_pylist(), strict=True)]
            n_done += len(items)
            outcomes.update(verdict.outcome if verdict else UNSCORED for verdict in verdicts)
            causes.update(verdict.cause for verdict in verdicts if verdict and verdict.cause)
            columns = block.columns[: len(source.kept)]
            columns += [pa.array([_value(v, name) for v in verdicts], kind) for name, kind in kinds.items()]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    known = (*CAUSES, TRUNCATED)
    ordered = sorted(causes, key=lambda cause: (known.index(cause) if cause in known else len(known), cause))
    return Detected(
        n_done,
        {outcome: outcomes[outcome] for outcome in OUTCOMES},
        {cause: causes[cause] for cause in ordered},
        outcomes[UNSCORED],
        (*detector.remarks(), *(_say_languages(unknown) if reads_all else ())),
        n_open,
    )


def _say_languages(unknown: Mapping[str, int]) -> Iterator[str]:
    """Report responses in languages that cannot be judged."""
    if unknown:
        named = ", ".join(f"{plain(name)[:40]!r} ({n:,})" for name, n in sorted(unknown.items())[:_MOST_NAMED])
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        yield (
            f"No patterns for {counted(len(unknown), 'language')} of responses, which are therefore unjudged: "
            f"{named}{more}. There are patterns for {', '.join(known_languages())}."
        )


def _by_provider(verdict: Verdict | None, reason_given: str | None) -> Verdict | None:
    """Mark responses that the provider refused as refusals, whatever their text."""
    if reason_given is None:
        return verdict
    return Verdict(REFUSAL, causes=(reason_given,), by_provider=True)


def _is_flag(column: str) -> bool:
    return column.startswith("refused") and column != "refused_by"


def _value(verdict: Verdict | None, column: str) -> object:
    if verdict is None:
        return None
    return verdict.refused if _is_flag(column) else getattr(verdict, column)


def _items(texts: "Sequence[pa.ChunkedArray]", place: str, n_before: int, most_labels: int | None = None) -> list[Item]:
    responses, options, prompts, personas, words, languages, ends = (text.to_pylist() for text in texts)
    offered = []
    for number, text in enumerate(options, start=n_before + 1):
        read = _read_options(text)
        if read is None:
            raise InputError(
                f"{place} {number}: labels contains {plain(text)[:80]}; give the labels as a JSON list, "
                '["a", "b"], or as a|b, or rename the column'
            )
        if most_labels is not None and len(read) > most_labels:
            raise InputError(
                f"{place} {number}: has {len(read):,} labels, and the detector distinguishes at most {most_labels}; "
                "offer fewer, or rename the column to judge the responses as replies to open requests"
            )
        offered.append(read)
    known = (map(read_words, words), map(read_language, languages), (end or None for end in ends))
    return [Item(*fields) for fields in zip(responses, offered, prompts, personas, *known, strict=True)]


@lru_cache(maxsize=4096)
def _read_options(text: str | None) -> tuple[str, ...] | None:
    """Read the offered answers, none from an empty text; None for a text that is neither a list nor has bars."""
    if text is None or not text.strip():
        return ()
    return read_offered(text) if "|" in text or text.lstrip().startswith("[") else None


def _shares(column: str, counted: Mapping[str, int]) -> "pd.DataFrame":
    n = sum(counted.values())
    import pandas as pd  # noqa: PLC0415 - reading logs does not wait for it

    return pd.DataFrame([(name, k / n, k) for name, k in counted.items()], columns=[column, "estimate", "n"])
