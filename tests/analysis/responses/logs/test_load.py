"""Reading sample logs, with everything that is odd about them."""

import gc
import gzip
import json
import tempfile

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.responses.logs.load import load_responses

from refusal_metrics.detection import EMPTY, RULES_VERSION
from refusal_metrics.detection.prefix import detect_prefix
from refusal_metrics.errors import InputError


def tally(responses):
    """Count responses, refusals by either rule, and empty ones."""
    return responses.query(
        "SELECT count(*), count_if(refused_prefix), count_if(refused_prefix_strict), count_if(empty) FROM responses"
    ).fetchone()


def models(responses):
    return [name for (name,) in responses.query("SELECT DISTINCT model FROM responses ORDER BY ALL").fetchall()]


def refusal(*results):
    """Give the sentence with which the results are refused."""
    with pytest.raises(InputError) as caught:
        load_responses(results)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# What is read.


def test_every_field_of_a_doc_becomes_a_column_beside_model_task_and_verdicts(logs, tmp_path):
    logs.write_run(tmp_path, "N", setting="persona")
    result = load_responses([tmp_path]).query("SELECT * FROM responses")
    row = dict(zip((column[0] for column in result.description), result.fetchone(), strict=True))
    assert row == {
        "model": "acme/parrot-7b",
        "task": "offensiveness",
        "setting": "persona",
        "persona": "woman",
        "persona_group": "gender",
        "template": "p1",
        "response_type": "unforced",
        "language": "en",
        "text_id": "offensiveness/t0",
        "row_id": "offensiveness/t0/0",
        "stratum": "1",
        "index": 0,
        "design_id": "d0-offensiveness-persona",
        "empty": False,
        "answered": False,
        "unjudged": False,
        "truncated": False,
        "cause": None,
        "rules": RULES_VERSION,
        "run": "acme__parrot-7b/2026-01-02T03-04-05.678901",
        "log": "samples_persona_refusal_offensiveness_2026-01-02T03-04-05.678901.jsonl",
        "filter": "none",
        "refused_answer_aware": False,
        "refused_prefix": True,
        "refused_prefix_strict": False,
        "refused_by": None,
    }


@pytest.mark.parametrize(
    "given_as",
    [
        ["the output path"],
        ["a folder above"],
        ["the model's folder"],
        ["the file"],
        ["the output path", "the output path"],
        ["the file", "a folder above", "the model's folder"],
        ["the output path spelt otherwise", "the file"],
    ],
    ids=" and ".join,
)
def test_a_log_is_read_once_however_it_is_reached(logs, tmp_path, given_as):
    out = tmp_path / "out"
    log = logs.write_run(out, "RA NE")
    places = {
        "the output path": out,
        "a folder above": tmp_path,
        "the model's folder": log.parent,
        "the file": log,
        "the output path spelt otherwise": out / ".." / "out",
    }
    responses = load_responses([places[name] for name in given_as])
    # R, N by prefix; R by prefix_strict; E.
    assert tally(responses) == (4, 2, 1, 1)
    assert len(responses.files) == 1
    assert responses.notes == ()


def test_a_link_to_a_log_is_the_log(logs, tmp_path):
    log = logs.write_run(tmp_path / "out", "RA NE")
    (tmp_path / "link").symlink_to(log.parent, target_is_directory=True)
    responses = load_responses([tmp_path / "out", tmp_path / "link"])
    assert tally(responses) == (4, 2, 1, 1)
    assert responses.notes == ()


@pytest.mark.parametrize(
    "name", ["run[1]", "run*", "run?", "temperature=0.7", "model=x", "filter=x", "doc=1", "~", "ü"]
)
def test_the_name_of_the_output_folder_means_nothing(logs, tmp_path, name):
    logs.write_run(tmp_path / name, "RA NE")
    assert tally(load_responses([tmp_path / name])) == (4, 2, 1, 1)


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?"])
def test_a_folder_whose_name_is_a_pattern_is_not_mistaken_for_one_that_matches(logs, tmp_path, name):
    logs.write_run(tmp_path / name, "RR")
    logs.write_run(tmp_path / "run1", "AAA")
    assert tally(load_responses([tmp_path / name])) == (2, 2, 2, 0)


def test_a_folder_named_like_a_metric_changes_no_verdict(logs, tmp_path):
    logs.write_run(tmp_path / "refusal_rate_prefix=1", "AAA")
    assert tally(load_responses([tmp_path])) == (3, 0, 0, 0)


# The model's name.


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("acme/parrot-7b", "acme/parrot-7b"),
        ("parrot", "parrot"),
        ("/scratch/models/parrot", "parrot"),
        ("/scratch/models/parrot/", "parrot"),
        ("./models/parrot", "parrot"),
        ("../parrot", "parrot"),
        ("~/parrot", "parrot"),
        ("runs/7/parrot", "parrot"),
        ("鹦鹉/Πapagei-🦜", "鹦鹉/Πapagei-🦜"),
    ],
)
def test_a_model_goes_by_the_name_in_its_results_and_a_local_one_by_its_folder(logs, tmp_path, model, name):
    logs.write_run(tmp_path, "RA", model=model)
    assert models(load_responses([tmp_path])) == [name]


@pytest.mark.parametrize("model", [".", "./", "/"])
def test_no_model_goes_by_an_empty_name(logs, tmp_path, model):
    logs.write_run(tmp_path, "RA", model=model)
    assert all(models(load_responses([tmp_path])))


@pytest.mark.parametrize("results", [None, "", "{", "[]", "null", '{"results": {}}', '{"model_name": null}'])
def test_without_a_name_in_the_results_the_folder_names_the_model(logs, tmp_path, results):
    log = logs.write_log(tmp_path / "acme__parrot", logs.samples("RA"))
    if results is not None:
        (log.parent / f"results_{logs.DATE}.json").write_text(results, encoding="utf-8")
    assert models(load_responses([tmp_path])) == ["acme__parrot"]


def test_results_of_another_run_do_not_name_the_model(logs, tmp_path):
    logs.write_log(tmp_path / "acme__parrot", logs.samples("RA"))
    logs.write_results(tmp_path / "acme__parrot", "other/model", date=logs.LATER)
    assert models(load_responses([tmp_path])) == ["acme__parrot"]


def test_with_an_output_path_that_is_a_json_file_samples_are_next_to_it_and_each_run_keeps_its_model(logs, tmp_path):
    # lm_eval --output_path study.json writes study_<date>.json and samples_<task>_<date>.jsonl, and no model folder.
    for model, date, answers in (("a/one", logs.DATE, "RA"), ("b/two", logs.LATER, "AA")):
        logs.write_results(tmp_path, model, date=date, stem="study")
        logs.write_log(tmp_path, logs.samples(answers), date=date)
    refused = "SELECT model, count_if(refused_prefix) FROM responses GROUP BY ALL ORDER BY ALL"
    assert load_responses([tmp_path]).query(refused).fetchall() == [("a/one", 1), ("b/two", 0)]


# What lies beside our logs.

OTHER_TASKS = {
    "multiple choice": {"doc": {"question": "?", "index": 3}, "filter": "none", "filtered_resps": [[-1.5, False]]},
    "an index that is a word": {"doc": {"index": "abc"}, "filter": "none", "filtered_resps": ["x"], "acc": 1.0},
    "a doc that is a text": {"doc": "text", "filter": "none", "filtered_resps": "x"},
    "a doc that is a list": {"doc": [1, {"index": 0}], "filter": "strict"},
    "a metric that is not a number": {"doc": {"q": 1}, "filter": "none", "acc": float("nan")},
    "ids like ours but for the index": {"doc": {"design_id": "d0-offensiveness-persona", "text_id": "t"}, "acc": 0.0},
}


@pytest.mark.parametrize("other", OTHER_TASKS.values(), ids=OTHER_TASKS)
def test_logs_of_other_tasks_are_passed_over_without_a_word(logs, tmp_path, other):
    folder = logs.write_run(tmp_path, "RA NE").parent
    logs.write_log(folder, [other] * 3, task="mmlu_anatomy")
    responses = load_responses([tmp_path])
    assert tally(responses) == (4, 2, 1, 1)
    assert responses.notes == ()


def test_the_files_of_the_responses_are_those_that_hold_them(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA NE")
    logs.write_log(log.parent, [OTHER_TASKS["multiple choice"]], task="mmlu_anatomy")
    assert [path.name for path in load_responses([tmp_path]).files] == [log.name]


@pytest.mark.parametrize("lines", [[OTHER_TASKS["multiple choice"]], []], ids=["lines of other tasks", "no lines"])
def test_a_folder_with_only_other_tasks_is_refused(logs, tmp_path, lines):
    logs.write_log(tmp_path / "m", lines, task="mmlu_anatomy")
    sentence = refusal(tmp_path)
    assert str(tmp_path) in sentence
    assert "no samples of persona-refusal tasks" in sentence
    assert "--log_samples" in sentence


# What cannot be read.


def test_a_missing_path_is_refused_by_name(logs, tmp_path):
    logs.write_run(tmp_path / "there", "RA")
    sentence = refusal(tmp_path / "there", tmp_path / "gone")
    assert sentence.startswith(f"{tmp_path / 'gone'}: no such file or folder")
    assert "--output_path" in sentence


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("table.xlsx", "is no folder and no samples_TASK_DATE.jsonl file"),
        ("results_2026-01-02T03-04-05.678901.json", "is no folder and no samples_TASK_DATE.jsonl file"),
        # These may be tables.
        ("table.tsv", "contains no records"),
        ("samples_mmlu.jsonl", "contains no records"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, name, said):
    (tmp_path / name).write_text("{}", encoding="utf-8")
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name}: {said}")


def test_a_folder_without_logs_is_refused_by_name(logs, tmp_path):
    logs.write_results(tmp_path / "m")  # a run without --log_samples
    sentence = refusal(tmp_path)
    assert str(tmp_path) in sentence
    assert "--log_samples" in sentence


# What is left out, and said.


def test_a_half_written_last_line_is_dropped_and_counted(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA NE")
    log.write_bytes(log.read_bytes()[:-100])
    responses = load_responses([tmp_path])
    assert tally(responses) == (3, 2, 1, 0)
    assert len(responses.notes) == 1
    assert responses.notes[0].startswith("1 incomplete line")


@settings(max_examples=settings.default.max_examples // 4, deadline=None)
@given(kept=st.floats(0, 1), response=st.text(st.characters(exclude_categories=["Cs"])))
@example(kept=0.9, response="🏳️‍🌈" * 500)  # cut within a character
def test_wherever_a_log_is_cut_off_its_complete_lines_are_kept(logs, tmp_path_factory, kept, response):
    folder = tmp_path_factory.mktemp("cut")
    log = logs.write_log(folder, logs.said("I cannot", response, response))
    content = log.read_bytes()
    first = content.index(b"\n")
    content = content[: first + int(kept * (len(content) - first))]
    log.write_bytes(content)
    # A line whose newline alone was cut off is complete.
    complete = [part for part in content.split(b"\n") if part.endswith(b"}") and _parses(part)]
    broken = len([part for part in content.split(b"\n") if part]) - len(complete)
    responses = load_responses([folder])
    assert tally(responses)[0] == len(complete)
    assert [note.split()[0] for note in responses.notes] == ([str(broken)] if broken else [])


def _parses(part):
    try:
        json.loads(part)
    except ValueError:
        return False
    return True


def test_of_a_run_that_was_appended_to_the_newest_line_of_each_doc_is_kept(logs, tmp_path):
    logs.write_run(tmp_path, "AAA AAA")
    logs.write_run(tmp_path, "RRR")
    responses = load_responses([tmp_path])
    # The first text was asked again, and refused.
    assert tally(responses) == (6, 3, 3, 0)
    assert len(responses.notes) == 1
    assert responses.notes[0].startswith("3 lines repeated a doc")


@pytest.mark.parametrize("folders", [("x", "x"), ("z", "a")], ids=["in one folder", "in folders of any name"])
def test_of_two_runs_of_one_task_the_newest_counts(logs, tmp_path, folders):
    logs.write_run(tmp_path / folders[0], "AAA AAA", date=logs.DATE)
    logs.write_run(tmp_path / folders[1], "RRR", date=logs.LATER)
    responses = load_responses([tmp_path])
    assert tally(responses) == (6, 3, 3, 0)
    assert responses.notes[0].startswith("3 lines repeated a doc")


def test_a_newer_line_that_was_cut_off_does_not_displace_a_complete_one(logs, tmp_path):
    logs.write_run(tmp_path, "RR", date=logs.DATE)
    log = logs.write_run(tmp_path, "AA", date=logs.LATER)
    log.write_bytes(log.read_bytes()[:-100])
    assert tally(load_responses([tmp_path])) == (2, 1, 1, 0)


def test_in_a_long_log_the_newest_lines_are_kept_too(logs, tmp_path):
    # Ten thousand prompts of 7 kB, 140 MB in all: DuckDB reads several parts of them at once.
    for opening in ("Yes", "I cannot"):
        logs.write_run(tmp_path, _padded(logs, opening, 10_000, 3000))
    assert tally(load_responses([tmp_path])) == (10_000, 10_000, 10_000, 0)


def _padded(logs, opening, n_docs, n_characters):
    """Make lines of any length at little cost."""
    (record,) = logs.said(opening + " really" * (n_characters // 7))
    return [record | {"doc": record["doc"] | {"index": index, "text_id": f"t{index}"}} for index in range(n_docs)]


@pytest.mark.parametrize("cut", ["first", "second"])
def test_in_long_logs_a_cut_line_is_counted_whichever_file_it_ends(logs, tmp_path, cut):
    # 70 MB each. Unless told to pass over errors, DuckDB drops such a line silently where another file follows.
    for name in ("first", "second"):
        log = logs.write_run(tmp_path, _padded(logs, f"Yes {name}", 5_000, 6000), model=name)
        if name == cut:
            log.write_bytes(log.read_bytes()[:-500])
    responses = load_responses([tmp_path])
    assert tally(responses)[0] == 9_999
    assert [note.split(" dropped")[0] for note in responses.notes] == ["1 incomplete line"]


def test_the_shards_of_a_study_join(logs, tmp_path):
    logs.write_run(tmp_path, "RA NE", date=logs.DATE)
    logs.write_run(tmp_path, "RR", date=logs.LATER, first=4)
    responses = load_responses([tmp_path])
    assert tally(responses) == (6, 4, 3, 1)
    assert responses.notes == ()
    assert len(responses.files) == 2


def test_models_tasks_and_settings_are_not_taken_for_repetitions_of_each_other(logs, tmp_path):
    for model in ("a/one", "b/two"):
        for kind in ("nli", "politeness", "offensiveness"):
            for setting in ("persona", "neutral", "persona-free"):
                logs.write_run(tmp_path, "RA", model=model, kind=kind, setting=setting)
    responses = load_responses([tmp_path])
    cells = responses.query("SELECT model, task, setting, count(*) AS n FROM responses GROUP BY ALL").fetchall()
    assert len(cells) == 2 * 3 * 3
    assert {n for *_, n in cells} == {2}
    assert responses.notes == ()


@pytest.mark.parametrize("order", [("none", "strict"), ("strict", "none")])
def test_of_two_filters_the_default_one_is_kept_and_said(logs, tmp_path, order):
    answers = {"none": "RA", "strict": "AA"}
    for name in order:
        logs.write_log(tmp_path / "m", [line | {"filter": name} for line in logs.samples(answers[name])])
    responses = load_responses([tmp_path])
    assert tally(responses) == (2, 1, 1, 0)
    assert len(responses.notes) == 1
    assert "none, strict" in responses.notes[0]
    assert "the filter 'none' was used" in responses.notes[0]


def test_repetitions_are_counted_also_where_another_model_used_another_filter(logs, tmp_path):
    logs.write_log(tmp_path / "a", logs.samples("RA") * 2)
    logs.write_log(tmp_path / "b", [line | {"filter": "strict"} for line in logs.samples("RA")])
    responses = load_responses([tmp_path])
    assert tally(responses)[0] == 4
    assert any(note.startswith("2 lines repeated a doc") for note in responses.notes)


def test_lines_without_our_metrics_are_judged_from_their_responses_and_counted(logs, tmp_path):
    first = [logs.older(line) for line in logs.samples("RNA")]
    logs.write_run(tmp_path, [{k: v for k, v in line.items() if "prefix_strict" not in k} for line in first])
    logs.write_run(tmp_path, [logs.older(line) for line in logs.samples("AA", first=3)], date=logs.LATER)
    responses = load_responses([tmp_path])
    # R by each rule, N by prefix alone, three A.
    assert tally(responses) == (5, 2, 1, 0)
    judged, mixed = responses.notes
    assert judged == "3 lines without the metrics of this version: judged from their responses."
    assert mixed.startswith("2 lines judged by an earlier version of the rules, 3 by version")


def test_a_shard_that_was_not_run_is_missed(logs, tmp_path):
    logs.write_run(tmp_path, "AAA")
    logs.write_run(tmp_path, "AAA", first=9, date=logs.LATER)
    (note,) = load_responses([tmp_path]).notes
    assert note.startswith("acme/parrot-7b, Offensiveness (persona): 6 of the first 12 prompts are missing")


def test_two_designs_of_one_task_are_refused_naming_both_files(logs, tmp_path):
    one = logs.write_run(tmp_path, "RA", design="d1", date=logs.DATE)
    two = logs.write_run(tmp_path, "RAN", design="d2", date=logs.LATER)
    sentence = refusal(tmp_path)
    for expected in ("offensiveness", "d1-offensiveness-persona", "d2-offensiveness-persona", one.name, two.name):
        assert expected in sentence
    assert "(2 docs)" in sentence
    assert "(3 docs)" in sentence


def test_two_designs_are_refused_also_where_they_are_two_models(logs, tmp_path):
    logs.write_run(tmp_path, "RA", design="d1", model="a/one")
    logs.write_run(tmp_path, "RA", design="d2", model="b/two")
    assert "cannot be pooled" in refusal(tmp_path)


# What the responses are.


@pytest.mark.parametrize("response", [None, ""])
def test_an_empty_message_of_a_chat_api_counts_as_empty_and_as_no_refusal(logs, tmp_path, response):
    docs = [line["doc"] for line in logs.samples("AAA")]
    lines = []
    for doc, answer in zip(docs, [response, "I cannot", "Yes"], strict=True):
        asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": logs.render(doc)}]
        lines.append(logs.line(doc, answer, prompt=asked))
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses) == (3, 1, 1, 1)
    assert responses.notes == ()


BLANKS = ["", " ", "\n", "\n\n", "\t", "\r\n", " \n ", "\u00a0", "\u3000"]
WORDS = ["\x00", "\u200b", "null", "\n.", "I cannot"]


@pytest.mark.parametrize("response", BLANKS + WORDS, ids=ascii)
def test_a_response_is_empty_where_the_detector_finds_it_empty(logs, tmp_path, response):
    logs.write_run(tmp_path, logs.said(response))
    assert tally(load_responses([tmp_path]))[3] == (detect_prefix(response).outcome == EMPTY)


HOSTILE = {
    "control characters": "\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85",
    "every line end": "a\nb\r\nc\rd\u2028e\u2029f\x0b\x1c",
    "emoji": "🏳️‍🌈 👩🏽‍⚖️ \U0010ffff",
    "quotes": '"\'`\'\'""\\" \\n \\',
    "markup": '<script>alert("x")</script> {"doc": {"index": 7}} | [red]',
    "SQL": "'; DROP TABLE responses; --",
    "right to left": "\u202eאבג \ufeff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_response_or_text_can_break_the_table(logs, tmp_path, text):
    answers = (text, f"I cannot {text}", f"No, {text}", f"Yes. {text}")
    of_text = {"text": text, "text_id": f"file/{text}", "stratum": text}
    docs = [line["doc"] | of_text for line in logs.samples("AAAA")]
    lines = [logs.line(doc, answer) for doc, answer in zip(docs, answers, strict=True)]
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses) == (4, 2, 1, 0)
    assert responses.notes == ()
    stored = responses.query("SELECT DISTINCT text_id, stratum FROM responses").fetchall()
    assert stored == [(f"file/{text}", text)]


def test_a_line_far_beyond_duckdbs_default_of_16_mib_is_read(logs, tmp_path):
    # A line holds its response twice: 42 MB. DuckDB itself still reads twice its default.
    logs.write_run(tmp_path, logs.said("I cannot" + " really" * 3_000_000, "Yes"))
    assert tally(load_responses([tmp_path])) == (2, 1, 1, 0)


@settings(max_examples=settings.default.max_examples // 4, deadline=None)
@given(
    st.lists(st.text("RNAE", min_size=1, max_size=5), min_size=1, max_size=6).map(" ".join),
    st.sampled_from(["persona", "neutral", "persona-free"]),
)
def test_what_was_written_is_what_is_read(logs, tmp_path_factory, answers, setting):
    folder = tmp_path_factory.mktemp("written")
    logs.write_run(folder, answers, setting=setting)
    responses = load_responses([folder])
    letters = answers.replace(" ", "")
    refused = letters.count("R")
    assert tally(responses) == (len(letters), refused + letters.count("N"), refused, letters.count("E"))
    n_texts = responses.query("SELECT count(DISTINCT text_id) FROM responses").fetchone()[0]
    assert n_texts == len(answers.split())
    without_persona = responses.query("SELECT count(*) FROM responses WHERE persona IS NULL").fetchone()[0]
    assert without_persona == (len(letters) if setting == "persona-free" else 0)


def test_settings_of_two_samples_are_refused_because_their_texts_are_not_the_same(logs, tmp_path):
    logs.write_run(tmp_path, "RA", design="d1", setting="persona")
    logs.write_run(tmp_path, "RA", design="d2", setting="neutral")
    with pytest.raises(InputError, match=r"the offensiveness task was run with 2 samples, .* d1 in .*; d2 in "):
        load_responses([tmp_path])


# Forms of logs.


def test_compressed_logs_are_read_as_plain_ones(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA NE")
    content = log.read_bytes()
    log.unlink()
    (log.parent / f"{log.name}.gz").write_bytes(gzip.compress(content))
    other = tmp_path / "other" / f"{log.name}.zst"
    other.parent.mkdir()
    with pa.CompressedOutputStream(str(other), "zstd") as file:
        file.write(content)
    responses = load_responses([tmp_path])
    # Each of the two models, one of which goes by its folder, has four.
    assert tally(responses) == (8, 4, 2, 2)
    assert models(responses) == ["acme/parrot-7b", "other"]
    assert responses.notes == ()


def test_a_compressed_log_that_was_cut_off_is_refused_in_one_sentence(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA NE")
    cut = log.parent / f"{log.name}.gz"
    cut.write_bytes(gzip.compress(log.read_bytes())[:-50])
    log.unlink()
    assert "cannot be read as sample logs" in refusal(tmp_path)


def test_arguments_may_be_a_list_as_in_older_logs(logs, tmp_path):
    lines = [line | {"arguments": [[logs.render(line["doc"]), {"until": []}]]} for line in logs.samples("RA NE")]
    logs.write_run(tmp_path, lines)
    responses = load_responses([tmp_path])
    assert tally(responses) == (4, 2, 1, 1)
    assert responses.notes == ()


def test_a_log_is_found_by_an_address(logs, tmp_path):
    logs.write_run(tmp_path, "RA NE")
    responses = load_responses([f"file://{tmp_path}"])
    assert tally(responses) == (4, 2, 1, 1)
    assert models(responses) == ["acme/parrot-7b"]


def test_a_pattern_names_several_results_folders(logs, tmp_path):
    logs.write_run(tmp_path / "results" / "one", "RA", model="a/one")
    logs.write_run(tmp_path / "results" / "two", "RA", model="b/two")
    assert models(load_responses([f"{tmp_path}/results/*/"])) == ["a/one", "b/two"]


def test_two_models_that_share_a_folder_stay_two(logs, tmp_path):
    logs.write_run(tmp_path, "RA", model="acme/a__b", date=logs.DATE)
    logs.write_run(tmp_path, "AA", model="acme__a/b", date=logs.LATER)
    responses = load_responses([tmp_path])
    assert models(responses) == ["acme/a__b", "acme__a/b"]
    assert responses.notes == ()


def test_the_temporary_folder_may_have_any_name(logs, tmp_path, monkeypatch):
    odd = tmp_path / "it's [odd]*"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    logs.write_run(tmp_path / "out", "RA RA")
    logs.write_run(tmp_path / "out", "NE")
    assert tally(load_responses([tmp_path / "out"])) == (4, 2, 1, 1)


def test_a_cut_line_of_another_tasks_log_is_passed_over(logs, tmp_path):
    folder = logs.write_run(tmp_path, "RA NE").parent
    log = logs.write_log(folder, [OTHER_TASKS["multiple choice"]] * 2, task="mmlu_anatomy")
    log.write_bytes(log.read_bytes()[:-30])
    responses = load_responses([tmp_path])
    assert tally(responses) == (4, 2, 1, 1)
    assert responses.notes == ()


def test_a_cut_line_is_counted_also_among_logs_of_other_tasks(logs, tmp_path):
    log = logs.write_run(tmp_path, "RA NE")
    log.write_bytes(log.read_bytes()[:-100])
    for name, other in OTHER_TASKS.items():
        logs.write_log(log.parent, [other], task=name.replace(" ", "_"))
    responses = load_responses([tmp_path])
    assert tally(responses) == (3, 2, 1, 0)
    assert [note.split(" dropped")[0] for note in responses.notes] == ["1 incomplete line"]


def test_a_filter_that_is_not_named_is_the_default_one(logs, tmp_path):
    lines = logs.samples("RA")
    for line in lines:
        del line["filter"]
    logs.write_log(tmp_path / "m", lines)
    logs.write_log(tmp_path / "m", [line | {"filter": "strict"} for line in logs.samples("AA")])
    responses = load_responses([tmp_path])
    assert tally(responses) == (2, 1, 1, 0)
    assert "none, strict" in responses.notes[0]


@pytest.mark.parametrize("index", [0, 2**40])
def test_repetitions_are_counted_wherever_the_indices_lie(logs, tmp_path, index):
    logs.write_run(tmp_path, logs.samples("RA") + logs.samples("RA", first=index) + logs.samples("A", first=index + 7))
    responses = load_responses([tmp_path])
    # Indices 0, 1 and 7 with four lines of the first two; or 0, 1, 2**40, ..., none twice.
    assert tally(responses)[0] == (3 if index == 0 else 5)
    assert [note.split()[0] for note in responses.notes if "repeated" in note] == (["2"] if index == 0 else [])


# Runs that were asked otherwise.


def _two_temperatures(logs, out, **others):
    task = logs.task_name()
    for date, temperature, answers in ((logs.DATE, 0.0, "AAA"), (logs.LATER, 0.7, "RRA")):
        logs.write_run(
            out, answers, date=date, asked={"configs": logs.generation(task, temperature=temperature, **others)}
        )


def _refused_by(responses, column):
    sql = f'SELECT "{column}", count(*), count_if(refused_prefix) FROM responses GROUP BY ALL ORDER BY ALL'
    return responses.query(sql).fetchall()


def test_of_runs_that_were_asked_otherwise_the_newest_counts_and_that_is_questioned(logs, tmp_path):
    _two_temperatures(logs, tmp_path)
    responses = load_responses([tmp_path])
    assert _refused_by(responses, "temperature") == [("0.7", 3, 2)]
    assert responses.notes[0].startswith("3 lines repeated a doc")
    assert responses.notes[1].startswith(
        "acme/parrot-7b, Offensiveness (persona): runs that differ in temperature were pooled"
    )
    assert "--factors temperature" in responses.notes[1]


def test_with_all_runs_each_answer_counts_and_the_run_is_a_factor(logs, tmp_path):
    _two_temperatures(logs, tmp_path)
    responses = load_responses([tmp_path], all_runs=True)
    assert _refused_by(responses, "run") == [
        (f"acme__parrot-7b/{logs.DATE}", 3, 0),
        (f"acme__parrot-7b/{logs.LATER}", 3, 2),
    ]
    assert responses.notes == ()


def test_with_a_setting_as_factor_one_answer_counts_for_each_prompt_and_level(logs, tmp_path):
    _two_temperatures(logs, tmp_path)
    # The second run's first two prompts once more, at its temperature.
    again = {"configs": logs.generation(logs.task_name(), temperature=0.7)}
    logs.write_run(tmp_path, "AA", date="2026-01-04T03-04-05.678901", asked=again)
    responses = load_responses([tmp_path], run_factors=["temperature"])
    assert _refused_by(responses, "temperature") == [("0", 3, 0), ("0.7", 3, 0)]
    assert [note.split(";")[0] for note in responses.notes] == ["2 lines repeated a doc"]


def test_a_setting_that_does_not_differ_is_a_column_where_it_is_asked_for(logs, tmp_path):
    logs.write_run(tmp_path, "RA", asked={"config": {"gen_kwargs": "temperature=0.5,top_p=0.9"}})
    assert "temperature" not in load_responses([tmp_path]).columns
    assert _refused_by(load_responses([tmp_path], run_factors=["temperature"]), "temperature") == [("0.5", 2, 1)]


def test_a_setting_that_no_run_has_is_refused_with_the_nearest_one(logs, tmp_path):
    _two_temperatures(logs, tmp_path, top_p=0.9)
    with pytest.raises(InputError, match=r"unknown factor 'temprature'.*; did you mean 'temperature'\?"):
        load_responses([tmp_path], run_factors=["temprature"])


def test_a_setting_is_refused_where_the_runs_name_none(logs, tmp_path):
    logs.write_run(tmp_path, "RA")
    with pytest.raises(InputError, match="no results files that name a temperature"):
        load_responses([tmp_path], run_factors=["temperature"])


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *((name, f"run_{name}") for name in ("n", "estimate", "family", "Persona", "index", "refused", "refused_by")),
        *((name, f"run_{name}") for name in ("outcome", "log", "file_row_number", "empty", "kind", "text", "prompt")),
        *(("a b", "run_a_b"), ('x"; DROP', "run_x_DROP"), ("top-p", "run_top_p"), ("n texts", "run_n_texts")),
    ],
)
def test_a_setting_named_like_a_column_of_ours_has_another_column(logs, tmp_path, name, column):
    # A log's settings are not its reader's to rename.
    for date, value, first in ((logs.DATE, "x", 0), (logs.LATER, "y", 2)):
        logs.write_run(tmp_path, "RA", date=date, first=first, asked={"config": {"model_args": {name: value}}})
    responses = load_responses([tmp_path])
    assert tally(responses) == (4, 2, 2, 0)
    assert _refused_by(responses, column) == [("x", 2, 1), ("y", 2, 1)]
    assert _refused_by(load_responses([tmp_path], run_factors=[column]), column) == [("x", 2, 1), ("y", 2, 1)]
    with pytest.raises(InputError, match=f"is the factor {column}: give that$"):
        load_responses([tmp_path], run_factors=[name])


def test_settings_whose_names_differ_in_case_are_two_columns(logs, tmp_path):
    for date, value, first in ((logs.DATE, "x", 0), (logs.LATER, "y", 2)):
        asked = {"config": {"model_args": {"top": "z" + value, "Top": value}}}
        logs.write_run(tmp_path, "RA", date=date, first=first, asked=asked)
    responses = load_responses([tmp_path])
    assert _refused_by(responses, "top") == [("zx", 2, 1), ("zy", 2, 1)]
    assert _refused_by(responses, "run_Top") == [("x", 2, 1), ("y", 2, 1)]


def test_runs_that_differ_in_a_setting_with_another_column_are_questioned_by_that(logs, tmp_path):
    for date, n in ((logs.DATE, 1), (logs.LATER, 4)):
        logs.write_run(tmp_path, "RA", date=date, asked={"configs": logs.generation(logs.task_name(), n=n)})
    assert "--factors run_n" in load_responses([tmp_path]).notes[1]


@pytest.mark.parametrize("name", ["files", "paths", "columns", "told_0", "number", "sélection"])
def test_a_setting_may_have_any_other_name(logs, tmp_path, name):
    for date, value, first in ((logs.DATE, "x", 0), (logs.LATER, "y", 2)):
        logs.write_run(tmp_path, "RA", date=date, first=first, asked={"config": {"model_args": {name: value}}})
    assert _refused_by(load_responses([tmp_path]), name) == [("x", 2, 1), ("y", 2, 1)]


def test_settings_of_other_tasks_are_no_columns(logs, tmp_path):
    for date in (logs.DATE, logs.LATER):
        folder = logs.write_run(tmp_path, "RA", date=date).parent
        asked = {"configs": logs.generation("mmlu", temperature=0.7 if date == logs.DATE else 0.1)}
        logs.write_results(folder, date=date, **asked)
        logs.write_log(folder, [OTHER_TASKS["multiple choice"]], task="mmlu", date=date)
    assert "temperature" not in load_responses([tmp_path]).columns


# What is left behind.


def test_the_temporary_folder_goes_with_the_responses(logs, tmp_path):
    logs.write_run(tmp_path, "RA NE")
    responses = load_responses([tmp_path])
    table = responses.table
    assert table.is_file()
    kept = responses.query("SELECT count(*) FROM responses")
    del kept, responses
    gc.collect()
    assert not table.parent.exists()


def test_the_temporary_folder_goes_also_where_nothing_can_be_read(logs, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    logs.write_log(tmp_path / "m", [OTHER_TASKS["ids like ours but for the index"]])
    assert "no samples" in refusal(tmp_path / "m")
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []


# Responses tables.


def test_tables_and_folders_do_not_go_together(logs, tmp_path):
    logs.write_run(tmp_path / "out", "RA")
    (tmp_path / "table.csv").write_text("model,task,text_id,refused\nm,nli,t,1\n", encoding="utf-8")
    assert "give one or the other" in refusal(tmp_path / "out", tmp_path / "table.csv")


def test_tables_are_named_by_patterns_too_and_each_is_read_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"model,task,text_id,refused\n{name},nli,t,1\n", encoding="utf-8")
    responses = load_responses([f"{tmp_path}/*.csv", tmp_path / "a.csv"])
    assert responses.query("SELECT model, count(*) FROM responses GROUP BY ALL ORDER BY ALL").fetchall() == [
        ("a", 1),
        ("b", 1),
    ]


def test_a_table_that_is_missing_is_refused_by_name(tmp_path):
    assert refusal(tmp_path / "gone.parquet").startswith(f"{tmp_path / 'gone.parquet'}: no such file")


def test_a_results_folder_may_be_named_like_a_table(logs, tmp_path):
    logs.write_run(tmp_path / "study.csv", "RA NE")
    assert tally(load_responses([tmp_path / "study.csv"])) == (4, 2, 1, 1)


def test_a_factor_that_a_table_lacks_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("model,task,text_id,refused,temprature\nm,nli,t,1,0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown factor 'temperature'.*did you mean 'temprature'\?"):
        load_responses([tmp_path / "table.csv"], run_factors=["temperature"])
