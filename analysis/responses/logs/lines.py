"""Repair of damaged or unusual lines of sample logs."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LONGEST = 1 << 28
"""How long a line may be, in bytes; 256 MiB is for a model that never stops."""

INCOMPLETE, UNREADABLE, REPLACED, SEVERAL = "incomplete", "unreadable", "replaced", "several"
"""What is counted: lines that were cut off, those that are no JSON, those whose text is not valid Unicode, and
those that hold more than one response."""

NO_RESPONSE, TWICE = "no response", "named twice"
"""Why a line cannot be used: nothing in it is a response, or one of its fields has two values."""

_FIELDS = (
    *("index", "design_id", "text_id", "row_id", "stratum", "persona", "persona_group", "template", "response_type"),
    *("setting", "kind", "language", "block", "phrase", "phrase_form"),
    *("system", "text", "premise", "hypothesis"),
)
_VERDICTS = ("refusal_rate", "refusal_rate_answer_aware", "refusal_rate_prefix", "refusal_rate_prefix_strict")
_HALF = re.compile("[\ud800-\udfff]")
_RECORD = re.compile(r'\{\s*"doc_id"')
"""How the harness's records begin."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SAID_BY = ("text", "content", "output_text", "message")
"""Where other programs put the text of a response."""
_READ = ("text", "output_text", "message")
"""The types of parts that are read; thoughts and pictures are not."""
_REPEATED = "a field of this object is named twice"


def repair(path: Path, out: Path) -> Counter[str]:
    """Rewrite a log, with each record on a line and each field of one type.

    Parameters
    ----------
    path : Path
        UTF-8 text: JSON lines, indented objects or one JSON list, damaged or not.
    out : Path
        JSON lines with the fields that `refusal_metrics.analysis.responses.logs.scan` reads. ``flaw`` says why a
        line cannot be used, ``repaired`` is true.

    Returns
    -------
    Counter
        Of `INCOMPLETE`, `UNREADABLE`, `REPLACED` and `SEVERAL` lines.
    """
    counts: Counter[str] = Counter()
    with out.open("w", encoding="utf-8") as file:
        for record in _records(path, counts):
            made = _canonical(record)
            counts[SEVERAL] += made.get("flaw") is None and _is_several(record.get("filtered_resps"))
            line = json.dumps(made, ensure_ascii=False)
            if _HALF.search(line):
                line = _HALF.sub(_REPLACEMENT, line)
                counts[REPLACED] += 1
            if len(line) > LONGEST // 4:
                counts[UNREADABLE] += 1
                continue
            file.write(line + "\n")
    return counts


def _records(path: Path, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    if _is_document(path):
        yield from _objects(path.read_bytes().decode("utf-8", errors="replace"), counts)
        return
    with path.open("rb") as file:
        for raw in file:
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError:
                line = raw.decode("utf-8", errors="replace")
                # The last character of a line that was cut off is no damage of its own.
                counts[REPLACED] += raw.endswith(b"\n")
            # A full disk or a crash leaves holes of zeros.
            line = line.replace("\0", "").strip().removeprefix("\ufeff").removesuffix(",").strip()
            if line:
                yield from _objects(line, counts)


def _is_document(path: Path) -> bool:
    """Return whether JSON is indented or a list: its first line is not an object."""
    with path.open("rb") as file:
        for raw in file:
            line = raw.replace(b"\0", b"").strip().removeprefix(b"\xef\xbb\xbf").strip()
            if line:
                return line in (b"[", b"{", b"[{") or line.startswith(b"[")
    return False


def _objects(text: str, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """Read the objects in a text, one after the other, whatever stands between them."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    place = 0
    while (place := text.find("{", place)) >= 0:
        try:
            record, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            is_cut = isinstance(error, json.JSONDecodeError) and _is_cut(error, len(text))
            following = _RECORD.search(text, place + 1)
            counts[INCOMPLETE if is_cut or following else UNREADABLE] += 1
            if following is None:
                return
            place = following.start()
            continue
        if isinstance(record, dict):
            yield record
    if not text.strip(" \t\r\n[],").startswith("{"):
        counts[UNREADABLE] += bool(text.strip(" \t\r\n[],"))


def _is_cut(error: json.JSONDecodeError, length: int) -> bool:
    """Distinguish truncated JSON from JSON that is invalid in the middle."""
    # Within \u12 or a word such as fals the fault is said to be at its beginning.
    return error.msg.startswith("Unterminated") or error.pos >= length - 6


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        made[_REPEATED] = True
    return made


def _canonical(record: Mapping[str, Any]) -> dict[str, Any]:
    doc = record.get("doc")
    if not isinstance(doc, dict):
        return {"doc": None, "repaired": True}
    response = _response(record)
    flaw = NO_RESPONSE if response is None else None
    if any(_REPEATED in part for part in (record, doc, record.get("answer_rate")) if isinstance(part, dict)):
        flaw = TWICE
    return {
        "doc": {name: _scalar(doc.get(name)) for name in _FIELDS}
        | {name: _texts_of(doc.get(name)) for name in ("labels", "persona_words")},
        "filtered_resps": [response],
        "filter": _scalar(record.get("filter")),
        **{name: _scalar(record.get(name)) for name in _VERDICTS},
        "answer_rate": _flat(record.get("answer_rate")),
        "arguments": {"gen_args_0": _asked(record.get("arguments"))},
        "reply": _reply(record.get("reply")),
        "flaw": flaw,
        "repaired": True,
    }


def _scalar(value: object) -> str | None:
    """Write a value as DuckDB casts it to text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _texts_of(value: object) -> list[str] | None:
    return [str(part) for part in value] if isinstance(value, list) else None


def _flat(value: object) -> object:
    """Keep the named fields of a verdict; anything else as text."""
    if isinstance(value, dict):
        return {str(name): _scalar(part) for name, part in value.items()}
    return _scalar(value)


def _reply(value: object) -> dict[str, str | None] | None:
    if not isinstance(value, dict):
        return None
    return {name: _scalar(value.get(name)) for name in ("finish_reason", "provider_reason")}


def _asked(arguments: object) -> dict[str, Any]:
    """Return the prompt and the arguments of generation; older logs have them in a list of lists."""
    first: object = None
    if isinstance(arguments, dict):
        first = arguments.get("gen_args_0")
        if isinstance(first, dict):
            return {name: _text(first.get(name)) for name in ("arg_0", "arg_1")}
    elif isinstance(arguments, list) and arguments:
        first = arguments[0] if isinstance(arguments[0], list) else arguments
    if isinstance(first, list):
        return {f"arg_{n}": _text(part) for n, part in enumerate(first[:2])}
    return {}


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _response(record: Mapping[str, Any]) -> str | None:
    """Find a record's response: empty if it is a null in its list; None if there is nothing to be read."""
    for name in ("filtered_resps", "resps"):
        given = record.get(name)
        if isinstance(given, list) and given:
            # A chat API answers null for an empty message.
            found = "" if given[0] is None or given[0] == [None] else _said(given)
        else:
            found = _said(given)
        if found is not None:
            return found
    return None


def _said(given: object, depth: int = 5) -> str | None:
    """Read a text, alone, in a list, in an object, or in parts."""
    found: str | None = None
    if isinstance(given, str):
        found = given
    elif isinstance(given, int | float) and not isinstance(given, bool):
        found = json.dumps(given)
    elif isinstance(given, dict) and depth and given.get("type", "text") in _READ:
        texts = (_said(given[name], depth - 1) for name in _SAID_BY if given.get(name) is not None)
        found = next((text for text in texts if text is not None), None)
    elif isinstance(given, list) and given and depth:
        if _are_parts(given):
            parts = [text for part in given if (text := _said(part, depth - 1)) is not None]
            found = "".join(parts) if parts else None
        else:
            # Of several, the harness judges the first.
            found = _said(given[0], depth - 1)
    return found


def _are_parts(given: list[object]) -> bool:
    """Distinguish the parts of one response, which name their types, from several responses."""
    return all(isinstance(part, dict) and "type" in part for part in given)


def _is_several(given: object) -> bool:
    """Look whether a list holds more than one response."""
    if not isinstance(given, list) or not given:
        return False
    return (len(given) > 1 and not _are_parts(given)) or (len(given) == 1 and _is_several(given[0]))
