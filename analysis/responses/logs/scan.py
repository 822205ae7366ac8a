"""Sample logs scanned by DuckDB: JSON lines straight into typed columns, in parallel, and into a Parquet file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from refusal_metrics.detection import ANSWERS_BY, OUTCOMES, PROVIDER, REFUSAL, RULES, RULES_VERSION, TEXT
from refusal_metrics.errors import InputError

from ...files import reason
from ..sql import count_rows, literal, quoted
from .forms import Plain
from .lines import LONGEST, repair
from .prompts import text_as_sql

DOC_FIELDS = (
    *("index", "design_id", "text_id", "row_id", "stratum", "persona", "persona_group", "template"),
    *("response_type", "setting", "kind", "language", "block", "phrase", "phrase_form"),
)
"""The fields of a doc that become columns; ``index`` a number, the others texts."""

ABSENT, INVALID, OLDER, NEWER = "absent", "invalid", "older", "newer"
"""Why a line is judged again: no verdicts, verdicts that are none, verdicts by other rules."""

NO_INDEX, NO_FIELD, NO_OBJECT = "no index", "no field", "no object"
"""Why a line cannot be used, besides what `refusal_metrics.analysis.responses.logs.lines.repair` finds."""

_USUAL = 1 << 24
"""How long a line may be, in bytes, at first: DuckDB's own choice is faster by a third than any longer one."""
_TEXT_FIELDS = ("text", "premise", "hypothesis", "system")
_TOLD = ("outcome", "refused_by", "cause", "rules")
_NEEDED = ("design_id", "text_id", "kind", "setting", "template")
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What Python strips and so the detectors do; DuckDB's own trim knows the space only."""

_MAPPING = f"STRUCT({', '.join(f'{name} VARCHAR' for name in _TOLD)})"
_COLUMNS = {
    "doc": f"STRUCT({', '.join(f'{chr(34)}{name}{chr(34)} VARCHAR' for name in (*DOC_FIELDS, *_TEXT_FIELDS))}, "
    "labels VARCHAR, persona_words VARCHAR)",
    "filtered_resps": "VARCHAR[]",
    "filter": "VARCHAR",
    "refusal_rate": "VARCHAR",
    **{f"refusal_rate_{rule}": "VARCHAR" for rule in RULES},
    "answer_rate": "VARCHAR",
    "arguments": "STRUCT(gen_args_0 STRUCT(arg_0 VARCHAR, arg_1 VARCHAR))",
    "reply": "STRUCT(finish_reason VARCHAR, provider_reason VARCHAR)",
    "flaw": "VARCHAR",
    "repaired": "BOOLEAN",
}


def scan_logs(
    connection: duckdb.DuckDBPyConnection,
    logs: Sequence[Plain],
    told: Mapping[str, Sequence[str | None]],
    lines: Path,
    *,
    texts: bool = False,
    compared: bool = False,
) -> dict[int, Counter[str]]:
    """Write the lines of our tasks to a Parquet file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    logs : sequence of Plain
    told : mapping
        Columns to values, one a log.
    lines : Path
        The columns of `told`; ``log_number`` (of the log, from 1), ``task``, the fields of a doc, ``filter``,
        ``outcome, refused_by, cause, rules, provider_reason``, ``refused_R`` for each rule R. ``left_out`` and
        ``need`` say why a line cannot be used or has to be judged, from ``response_again``. Prompts are checked by
        ``offered, system, frame, text``; ``asked`` are the arguments of generation.
    texts : bool
        Whether ``response, prompt, labels, persona_words, finish_reason`` are written too.
    compared : bool
        Whether ``said``, a hash of the response, is written too.

    Returns
    -------
    dict of int to Counter
        By the place in `logs`, the damage in logs that had to be repaired, see
        `refusal_metrics.analysis.responses.logs.lines.repair`.

    Raises
    ------
    InputError
        If a log cannot be read.
    """
    scan = _Scan(connection, logs, told, lines, texts=texts, compared=compared)
    # Without this DuckDB drops the cut last line of a file silently where another file follows.
    for place in (place for place, log in enumerate(logs) if not log.ends_well):
        scan.repair(place)
    try:
        try:
            scan.write(_USUAL)
        except duckdb.InvalidInputException:
            for place in range(len(logs)):
                if place not in scan.found and not scan.fits(place):
                    scan.repair(place)
            scan.write(LONGEST)
        odd = _odd(connection, lines, scan.files)
        if odd:
            for place in odd:
                scan.repair(place)
            scan.write(LONGEST)
    except duckdb.Error as error:
        listed = ", ".join(str(log.path) for log in logs[:3]) + " ..." * (len(logs) > 3)
        raise InputError(f"{listed}: cannot be read as sample logs ({reason(error)})") from error
    return scan.found


class _Scan:
    """Reads logs into one Parquet file, those that cannot be read as they are from copies that can."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        logs: Sequence[Plain],
        told: Mapping[str, Sequence[str | None]],
        lines: Path,
        *,
        texts: bool,
        compared: bool,
    ) -> None:
        self._connection, self._told, self._lines = connection, told, lines
        self._texts, self._compared = texts, compared
        self.files = [log.path for log in logs]
        self.found: dict[int, Counter[str]] = {}
        # Verdicts with named fields are read as such: as texts they would be parsed twice.
        self._is_typed = [isinstance(log.record.get("answer_rate"), dict) for log in logs]

    def repair(self, place: int) -> None:
        """Write a log anew, and read the copy from now on."""
        out = self._lines.with_name(f"{place}.repaired.jsonl")
        self.found[place] = repair(self.files[place], out)
        self.files[place] = out
        self._is_typed[place] = False

    def write(self, limit: int) -> None:
        """Write the lines of all logs."""
        self._run("COPY (", f") TO {quoted(self._lines)} (FORMAT parquet)", range(len(self.files)), limit)

    def fits(self, place: int) -> bool:
        """Look whether DuckDB can read a log as it is."""
        try:
            self._run("SELECT count(hash(line)) FROM (", ") AS line", [place], _USUAL)
        except duckdb.InvalidInputException:
            return False
        return True

    def _run(self, before: str, after: str, places: Sequence[int], limit: int) -> None:
        given: dict[str, object] = {f"told_{n}": list(values) for n, values in enumerate(self._told.values())}
        given |= {"blank": _BLANK, "limit": limit}
        scans = []
        for is_typed in (True, False):
            chosen = [place for place in places if self._is_typed[place] is is_typed]
            if chosen:
                given[f"files_{is_typed}"] = [literal(self.files[place]) for place in chosen]
                given[f"numbers_{is_typed}"] = [place + 1 for place in chosen]
                given[f"columns_{is_typed}"] = _COLUMNS | ({"answer_rate": _MAPPING} if is_typed else {})
                scans.append(_read(is_typed=is_typed))
        sql = _sql(self._told, scans, texts=self._texts, compared=self._compared)
        self._connection.execute(f"{before}{sql}{after}", given)


def _odd(connection: duckdb.DuckDBPyConnection, lines: Path, files: Sequence[Path]) -> list[int]:
    """List the logs with responses that are no text in a list."""
    scan = f"read_parquet({quoted(literal(lines))})"
    rows = connection.execute(f"SELECT log_number - 1, max(shape) FROM {scan} WHERE shape > 0 GROUP BY 1").fetchall()
    odd = []
    for place, shape in sorted(rows):
        # A text that begins like a list or an object is a text.
        kind = "json_type(filtered_resps, '$[0]') IN ('ARRAY', 'OBJECT')"
        columns = "{'filtered_resps': 'JSON'}"
        read = (
            f"read_json($1, format = 'newline_delimited', columns = {columns}, compression = 'none', "
            f"maximum_object_size = {LONGEST})"
        )
        if shape > 1 or count_rows(connection, f"SELECT count(*) FROM {read} WHERE {kind}", [literal(files[place])]):
            odd.append(int(place))
    return odd


def _verdict(column: str) -> str:
    return f"CASE WHEN {column} IN ('1.0', '1') THEN true WHEN {column} IN ('0.0', '0', '-0.0') THEN false END"


def _read(*, is_typed: bool) -> str:
    """Write as SQL the reading of logs whose verdicts have named fields, or of others."""
    structure = "{" + ", ".join(f'"{name}": "VARCHAR"' for name in _TOLD) + "}"
    parsed = f"""CASE WHEN answer_rate BETWEEN '{{' AND '|' AND json_valid(answer_rate)
        THEN json_transform(answer_rate, '{structure}') END AS told, answer_rate"""
    told = "answer_rate AS told, NULL::VARCHAR AS answer_rate" if is_typed else parsed
    return f"""
        SELECT * EXCLUDE (answer_rate), CAST($numbers_{is_typed} AS BIGINT[])[file_index::BIGINT + 1] AS number, {told}
        FROM read_json($files_{is_typed}, format = 'newline_delimited', columns = $columns_{is_typed},
            ignore_errors = false, compression = 'none', maximum_object_size = $limit, hive_partitioning = false)"""


def _sql(told: Mapping[str, object], scans: Sequence[str], *, texts: bool, compared: bool) -> str:
    fields = ", ".join(f'doc."{name}"' for name in DOC_FIELDS if name not in ("index", "kind"))
    # Looked up and not joined, because the lines would not keep their order through a join.
    named = ", ".join(f'CAST($told_{n} AS VARCHAR[])[number] AS "{name}"' for n, name in enumerate(told))
    first = f"refusal_rate_{ANSWERS_BY}"
    others = [rule for rule in RULES if rule != ANSWERS_BY]
    parsed = ", ".join(f"{_verdict(f'refusal_rate_{rule}')} AS refused_{rule}" for rule in others)
    raw = [
        f"coalesce({first}, refusal_rate)",
        *(f"refusal_rate_{rule}" for rule in others),
        "coalesce(answer_rate, told.outcome, told.rules)",
    ]
    absent = " OR ".join(f"{column} IS NULL" for column in raw)
    invalid = " OR ".join(f"refused_{rule} IS NULL" for rule in RULES)
    escaped = "substr(to_json(content)::VARCHAR, 2, length(to_json(content)::VARCHAR) - 2)"
    twice = "substr(to_json(escaped)::VARCHAR, 2, length(to_json(escaped)::VARCHAR) - 2)"
    outcomes = ", ".join(quoted(outcome) for outcome in OUTCOMES)
    again = "words_again AS persona_words, reply.finish_reason AS finish_reason"
    own = f"coalesce(response, '') AS response, prompt, labels, {again}, " if texts else ""
    said = "hash(response) AS said, " if compared else ""
    return f"""
        SELECT {named}, number AS log_number, doc.kind AS task, place AS "index", {fields}, {own}{said}
            coalesce(filter, 'none') AS filter,
            {", ".join(f"refused_{rule}" for rule in RULES)}, refused_{ANSWERS_BY} AS refused,
            CASE WHEN told IS NOT NULL THEN told.outcome WHEN refused THEN '{REFUSAL}' WHEN answered THEN 'answer'
                -- Trimming takes as long as all else, and nearly every response begins with ASCII.
                WHEN response BETWEEN '!' AND '~' THEN 'other'
                WHEN coalesce(trim(response, $blank) = '', true) THEN 'empty'
                ELSE 'other' END AS outcome,
            CASE WHEN outcome = '{REFUSAL}' THEN coalesce(told.refused_by, '{TEXT}') END AS refused_by,
            told.cause AS cause, told.rules AS rules,
            coalesce(reply.provider_reason, CASE WHEN told.refused_by = '{PROVIDER}'
                THEN coalesce(told.cause, '{REFUSAL}') END) AS provider_reason,
            CASE WHEN doc IS NULL THEN '{NO_OBJECT}' WHEN flaw IS NOT NULL THEN flaw
                WHEN place IS NULL OR place < 0 OR place::VARCHAR <> doc.index THEN '{NO_INDEX}'
                WHEN {" OR ".join(f"doc.{name} IS NULL" for name in _NEEDED)} OR doc.text_id = '' THEN '{NO_FIELD}'
                END AS left_out,
            CASE WHEN {absent} THEN '{ABSENT}'
                WHEN told IS NOT NULL AND told.rules IS DISTINCT FROM '{RULES_VERSION}' THEN
                    CASE WHEN try_cast(told.rules AS BIGINT) > {int(RULES_VERSION)} THEN '{NEWER}' ELSE '{OLDER}' END
                WHEN {invalid} OR {first} <> refusal_rate THEN '{INVALID}'
                WHEN told IS NOT NULL AND (told.outcome IS NULL OR told.outcome NOT IN ({outcomes})
                    OR (told.outcome = '{REFUSAL}') <> refused_{ANSWERS_BY}) THEN '{INVALID}'
                WHEN told IS NULL AND (answered IS NULL OR (answered AND refused_{ANSWERS_BY})) THEN '{INVALID}'
                END AS need,
            CASE WHEN need IS NOT NULL THEN coalesce(response, '') END AS response_again,
            words_again, reply.finish_reason AS stop_again,
            labels AS offered, doc.system AS system, arguments.gen_args_0.arg_1 AS asked,
            CASE found WHEN 0 THEN framed WHEN 1 THEN replace(prompt, escaped, chr(1))
                WHEN 2 THEN replace(prompt, {twice}, chr(1)) ELSE prompt END AS frame,
            CASE WHEN found IS NULL THEN content END AS text,
            CASE WHEN repaired OR doc IS NULL THEN 0 WHEN len(filtered_resps) IS DISTINCT FROM 1 THEN 2
                WHEN response BETWEEN '[' AND '\\' OR response BETWEEN '{{' AND '|' THEN 1 ELSE 0 END AS shape
        FROM (
            SELECT *, CASE WHEN framed <> prompt THEN 0
                    WHEN prompt BETWEEN '[' AND '\\' THEN
                        CASE WHEN contains(prompt, escaped) THEN 1 WHEN contains(prompt, {twice}) THEN 2 END
                    END AS found,
                CASE WHEN doc.labels BETWEEN '[' AND '\\' THEN doc.labels END AS labels,
                CASE WHEN doc.persona_words BETWEEN '[' AND '\\' THEN doc.persona_words END AS words_again,
                {_verdict(f"coalesce({first}, refusal_rate)")} AS refused_{ANSWERS_BY}, {parsed},
                {_verdict("answer_rate")} AS answered
            FROM (
                SELECT *, replace(prompt, content, chr(1)) AS framed,
                    CASE WHEN prompt BETWEEN '[' AND '\\' THEN {escaped} END AS escaped
                FROM (
                    SELECT *, filtered_resps[1] AS response, arguments.gen_args_0.arg_0 AS prompt,
                        try_cast(doc.index AS BIGINT) AS place, {text_as_sql()} AS content
                    FROM ({" UNION ALL BY NAME ".join(scans)})
                )
            )
        ) AS line
        WHERE (doc.design_id IS NOT NULL AND (doc.index IS NOT NULL OR doc.kind IS NOT NULL))
            OR (doc.template IS NOT NULL AND doc.response_type IS NOT NULL) OR (doc IS NULL AND line.filter IS NULL)
    """
