"""Logs of other forms and with damaged lines: read as far as they can be, and nothing lost without a word."""

import codecs
import gzip
import json
import re

import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses

from refusal_metrics.errors import InputError


def tally(responses):
    """Count responses, refusals by answer_aware and prefix, and empty ones."""
    return responses.query(
        "SELECT count(*), count_if(refused_answer_aware), count_if(refused_prefix), count_if(empty) FROM responses"
    ).fetchone()


def outcomes(responses):
    """List outcomes, as the table that was kept has them, by index."""
    table = f"read_parquet('{responses.table}')"
    return [row[0] for row in responses.query(f'SELECT outcome FROM {table} ORDER BY "index"').fetchall()]


# Forms of files. Each holds a refusal, a "No, ..." and an answer.


def _dumped(lines, **how):
    return "".join(json.dumps(line, ensure_ascii=False, **how) + "\n" for line in lines)


FORMS = {
    "lines": lambda lines: _dumped(lines).encode(),
    "ASCII": lambda lines: "".join(json.dumps(line) + "\n" for line in lines).encode(),
    "no last newline": lambda lines: _dumped(lines).rstrip().encode(),
    "CRLF": lambda lines: _dumped(lines).replace("\n", "\r\n").encode(),
    "CR": lambda lines: _dumped(lines).replace("\n", "\r").encode(),
    "a byte order mark": lambda lines: codecs.BOM_UTF8 + _dumped(lines).encode(),
    "UTF-16": lambda lines: _dumped(lines).encode("utf-16"),
    "UTF-16, big-endian": lambda lines: codecs.BOM_UTF16_BE + _dumped(lines).encode("utf-16-be"),
    "UTF-16 without a mark": lambda lines: _dumped(lines).encode("utf-16-le"),
    "UTF-32": lambda lines: _dumped(lines).encode("utf-32"),
    "indented": lambda lines: _dumped(lines, indent=2).encode(),
    "a list": lambda lines: json.dumps(lines).encode(),
    "an indented list": lambda lines: json.dumps(lines, indent=4).encode(),
    "a list, a line each": lambda lines: b"[" + b",\n".join(json.dumps(line).encode() for line in lines) + b"]\n",
    "commas behind lines": lambda lines: _dumped(lines).replace("\n", ",\n").encode(),
    "on one line": lambda lines: _dumped(lines).replace("\n", "").encode(),
    "on one line with spaces": lambda lines: _dumped(lines).replace("\n", "  ").encode() + b"\n",
    "blank lines": lambda lines: _dumped(lines).replace("\n", "\n\n \n").encode(),
    "indented, CRLF": lambda lines: _dumped(lines, indent=1).replace("\n", "\r\n").encode(),
    "zeros before": lambda lines: b"\0" * 512 + _dumped(lines).encode(),
    "zeros behind": lambda lines: _dumped(lines).encode() + b"\0" * 512,
    "zeros between": lambda lines: _dumped(lines).replace("\n", "\n\0\0").encode(),
    "gzip under a plain name": lambda lines: gzip.compress(_dumped(lines).encode()),
    "UTF-16 in gzip": lambda lines: gzip.compress(_dumped(lines).encode("utf-16")),
    "spaces around": lambda lines: re.sub("(?m)^|$", "   ", _dumped(lines)).encode(),
}


OLDER = ("lines", "UTF-16", "indented", "a list")
"""Forms in which logs of version 1 are tried too."""


@pytest.mark.parametrize(("form", "version"), [*((form, 2) for form in FORMS), *((form, 1) for form in OLDER)])
def test_a_log_of_another_form_is_read(logs, tmp_path, form, version):
    lines = logs.samples("RNA")
    log = logs.write_run(tmp_path, "RNA")
    log.write_bytes(FORMS[form](lines if version == 2 else [logs.older(line) for line in lines]))
    responses = load_responses([tmp_path])
    assert tally(responses) == (3, 1, 2, 0)
    assert outcomes(responses) == ["refusal", "other", "answer"]
    assert responses.notes == ()


@pytest.mark.parametrize("name", ["json", "jsonl.gz", "json.gz"])
def test_a_log_may_have_another_ending(logs, tmp_path, name):
    log = logs.write_run(tmp_path, "RNA")
    log.rename(log.with_name(log.name.removesuffix("jsonl") + name))
    assert tally(load_responses([tmp_path])) == (3, 1, 2, 0)


def test_a_log_of_the_harnesss_0_5_is_read(logs, tmp_path):
    """A list of responses for each repeat, and the group's name before the task's in the file's."""
    lines = [line | {"filtered_resps": [line["filtered_resps"]]} for line in logs.samples("RNA")]
    logs.write_results(tmp_path)
    logs.write_log(tmp_path, lines, task="persona_refusal::persona_refusal_offensiveness")
    responses = load_responses([tmp_path], texts=True)
    assert tally(responses) == (3, 1, 2, 0)
    assert responses.query('SELECT model, response FROM responses ORDER BY "index"').fetchall() == [
        ("acme/parrot-7b", "I'm sorry, but I cannot do that."),
        ("acme/parrot-7b", "No, a Muslim person would not."),
        ("acme/parrot-7b", "Offensive."),
    ]
    assert responses.notes == ()


# Shapes of responses: what stands for ["I'm sorry, but I cannot do that."], a refusal.

SORRY = "I'm sorry, but I cannot do that."
READ = {
    "a text": SORRY,
    "a list in a list": [[SORRY]],
    "three lists": [[[SORRY]]],
    "an object with a text": [{"text": SORRY}],
    "an object with a content": [{"content": SORRY}],
    "a message": [{"role": "assistant", "content": SORRY}],
    "a choice": [{"message": {"role": "assistant", "content": SORRY}}],
    "parts": [[{"type": "text", "text": SORRY[:9]}, {"type": "text", "text": SORRY[9:]}]],
    "parts at once": [{"type": "text", "text": SORRY[:9]}, {"type": "text", "text": SORRY[9:]}],
    "a thought and a text": [[{"type": "thinking", "thinking": "Yes."}, {"type": "text", "text": SORRY}]],
    "output text": [{"type": "output_text", "text": SORRY}],
    "an object": {"text": SORRY},
    "a message of parts": [{"role": "assistant", "content": [{"type": "text", "text": SORRY}]}],
}
UNREAD = {
    "null": None,
    "no response": [],
    "a list of nothing": [[]],
    "true": True,
    "an empty object": {},
    "another object": [{"score": 1}],
    "a picture": [[{"type": "image_url", "image_url": "x"}]],
    "a score and a flag": [[True, -1.5]],
}


@pytest.mark.parametrize(("shape", "every"), [*((shape, False) for shape in READ), ("a text", True)])
def test_a_response_of_another_shape_is_read(logs, tmp_path, shape, every):
    lines = logs.samples("RAR")
    for line in lines if every else lines[:1]:
        if line["filtered_resps"] == [SORRY]:
            line["filtered_resps"] = READ[shape]
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path], texts=True)
    assert responses.query('SELECT response FROM responses ORDER BY "index"').fetchall() == [
        (SORRY,),
        ("Offensive.",),
        (SORRY,),
    ]
    assert tally(responses) == (3, 2, 2, 0)
    assert responses.notes == ()


@pytest.mark.parametrize("shape", UNREAD.values(), ids=UNREAD)
def test_a_line_without_a_response_is_left_out_and_counted_never_taken_for_empty(logs, tmp_path, shape):
    lines = logs.samples("RAR")
    lines[0] |= {"filtered_resps": shape, "resps": shape}
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses) == (2, 1, 1, 0)
    assert responses.notes[0] == "1 line left out: no response that can be read."


@pytest.mark.parametrize("filtered", [None, [], "gone"])
def test_where_no_filter_left_a_response_the_models_own_is_read(logs, tmp_path, filtered):
    lines = logs.samples("RAR")
    for line in lines:
        line["filtered_resps"] = filtered
        if filtered == "gone":
            del line["filtered_resps"]
    logs.write_run(tmp_path, lines)
    assert tally(load_responses([tmp_path])) == (3, 2, 2, 0)


@pytest.mark.parametrize("text", ['{"label": "offensive"}', "[offensive]", "[]", "{", '["a"]', '[{"text": "x"}]'])
def test_a_text_that_looks_like_json_is_a_text(logs, tmp_path, text):
    logs.write_run(tmp_path, logs.said(text, "Offensive."))
    responses = load_responses([tmp_path], texts=True)
    assert responses.query('SELECT response FROM responses ORDER BY "index"').fetchall()[0] == (text,)
    assert responses.notes == ()


def test_of_several_responses_the_first_is_used_and_said(logs, tmp_path):
    lines = logs.samples("RA")
    lines[0]["filtered_resps"] = [SORRY, "Offensive."]
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses) == (2, 1, 1, 0)
    assert responses.notes == ("1 line contained several responses; the first of each was used.",)


# Characters and damage.


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\ud83d\ud83d", r"x\udfff", r"\ud83d end", r"\ude00\ud83d"])
def test_half_a_surrogate_pair_is_replaced_and_no_line_is_lost(logs, tmp_path, half):
    log = logs.write_run(tmp_path, "ARA")
    log.write_bytes(log.read_bytes().replace(b'"Offensive."', f'"Offensive.{half}"'.encode(), 1))
    text = log.read_text(encoding="utf-8")
    log.write_text(text.replace('"filtered_resps": ["Offensive."]', f'"filtered_resps": ["Offensive.{half}"]', 1))
    responses = load_responses([tmp_path], texts=True)
    assert tally(responses) == (3, 1, 1, 0)
    said = responses.query('SELECT response FROM responses ORDER BY "index"').fetchall()[0][0]
    assert said == re.sub("[\ud800-\udfff]", "\ufffd", json.loads(f'"Offensive.{half}"'))
    assert responses.notes == ("1 line contained characters that are not valid Unicode; they were replaced by U+FFFD.",)


DAMAGE = {
    "no JSON": (lambda lines: [lines[0], "garbage", *lines[1:]], 3, "1 line left out: not readable as JSON."),
    "two words": (lambda lines: [*lines, "not json", "nor this"], 3, "2 lines left out: not readable as JSON."),
    "cut in the middle": (lambda lines: [lines[0], lines[1][:200], lines[2]], 2, "1 incomplete line dropped"),
    "cut, and the next one glued": (
        lambda lines: [lines[0], lines[1][:200] + lines[2]],
        2,
        "1 incomplete line dropped",
    ),
    "the first one's head gone": (lambda lines: [lines[0][300:], *lines[1:]], 2, "1 line left out: not readable"),
    "a field twice": (
        lambda lines: [lines[0][:-1] + ', "refusal_rate": 0.0}', *lines[1:]],
        2,
        "1 line left out: a field has two values.",
    ),
    "a field of the doc twice": (
        lambda lines: [lines[0].replace('"persona":', '"persona": "jewish", "persona":', 1), *lines[1:]],
        2,
        "1 line left out: a field has two values.",
    ),
    "very deep": (
        lambda lines: [*lines, '{"doc_id": 9, "x": ' + "[" * 100_000 + "]" * 100_000 + ', "filter": "\ud83d"}'],
        3,
        "1 line left out: not readable as JSON.",
    ),
    "a null": (lambda lines: [*lines, "null"], 3, "1 line left out: no doc."),
    "a text for a doc": (
        lambda lines: [*lines, '{"doc": "x", "filter": "none"}'],
        3,
        "1 line left out: no",
    ),
    "an index in words": (
        lambda lines: [lines[0].replace('"index": 0', '"index": "abc"'), *lines[1:]],
        2,
        "1 line left out: the index is not a whole number.",
    ),
}


@pytest.mark.parametrize(("damage", "n", "note"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_line_costs_itself_alone_and_is_counted(logs, tmp_path, damage, n, note):
    log = logs.write_run(tmp_path, "ARN")
    damaged = damage(log.read_text(encoding="utf-8").splitlines())
    log.write_bytes(("\n".join(damaged) + "\n").encode("utf-8", "surrogatepass"))
    responses = load_responses([tmp_path])
    assert tally(responses)[0] == n
    assert any(said.startswith(note) for said in responses.notes), responses.notes


INDICES = ["abc", 1.5, True, None, {}, [], -1, "", "0x10", " 7 ", 1e400, "1.0", 99999999999999999999]


def test_an_index_that_is_no_whole_number_is_counted(logs, tmp_path):
    lines = logs.samples("RAR RAR RAR RAR RAR")
    for line, index in zip(lines, INDICES, strict=False):
        line["doc"]["index"] = index
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses)[:2] == (2, 1)
    assert responses.notes[0] == f"{len(INDICES)} lines left out: the index is not a whole number."


def test_a_doc_that_lacks_a_field_is_counted(logs, tmp_path):
    lines = logs.samples("RAR RAR RAR RAR")
    for place, field in enumerate(["design_id", "text_id", "kind", "setting", "template"]):
        lines[place]["doc"][field] = None
        del lines[place + 5]["doc"][field]
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses)[:2] == (2, 1)
    assert responses.notes[0] == "10 lines left out: the doc lacks a design_id, text_id, kind, setting or template."


def test_a_doc_of_another_task_that_is_a_text_is_nothing_of_ours(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA")
    other = {"doc_id": 1, "doc": "text", "filter": "none"}
    logs.write_log(log.parent, [other], task="mmlu").write_text('{"cut off\n' + json.dumps(other) + "\n")
    assert load_responses([tmp_path]).notes == ()


def test_a_cut_off_pack_is_refused_with_its_name(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA")
    log.write_bytes(gzip.compress(log.read_bytes())[:-20])
    with pytest.raises(InputError, match=rf"{log.name}: cannot be read as sample logs"):
        load_responses([tmp_path])
