"""Drawing responses for people to read, and the forms in which they are given: nothing lost, nothing given away."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.annotation.draw import FEWEST, allocate, draw_items
from refusal_metrics.analysis.annotation.sheets import guard, write_items
from refusal_metrics.analysis.display import unguard
from refusal_metrics.analysis.responses import load_responses, read_responses

from refusal_metrics.errors import InputError

HOSTILE = [
    "line one\nline two\r\nline three\rline four",
    'quotes " and "" and \' and , and ;',
    "=cmd|' /C calc'!A0",
    "'=already quoted",
    "+1, -1 and @SUM(A1)",
    "<script>alert(1)</script> &lt;b&gt;",
    "\u202edesrever si siht\u202c",
    "bell \x07, escape \x1b[31m, null \x00",
    "\t=1+1",
    "",
    "x" * 1_000_000,
    "1234567890123456",
    "🥔 é ß 中 \u200f\u05e2\u05d1",
]

ROW = {
    "model": "acme/parrot",
    "task": "offensiveness",
    "setting": "persona",
    "persona": "woman",
    "persona_group": "gender",
    "template": "p1",
    "response_type": "unforced",
    "design_id": "d0-o-p",
    "prompt": "Is it?",
    "response": "Yes.",
    "labels": '["yes", "no"]',
    "refused_prefix": False,
    "refused_prefix_strict": False,
}


def rng():
    return np.random.default_rng(1)


@pytest.fixture
def study(tmp_path):
    """Make responses of dicts that say what is unlike `ROW`."""

    def make(rows, without=()):
        path = tmp_path / "responses.parquet"
        table = [ROW | {"index": i, "text_id": f"t{i // 3}", "row_id": f"t{i // 3}/0"} | r for i, r in enumerate(rows)]
        pd.DataFrame(table).drop(columns=list(without)).to_parquet(path, index=False)
        return read_responses([path])

    return make


def verdicts(n, *, prefix, strict, **known):
    return [{"refused_prefix": prefix, "refused_prefix_strict": strict} | known] * n


def rows_of(path):
    before = csv.field_size_limit(1 << 30)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return [row | {"id": unguard(row["id"])} for row in csv.DictReader(file, strict=True)]
    finally:
        csv.field_size_limit(before)


def said(path):
    return {row["id"]: unguard(row["response"]) for row in rows_of(path)}


# How many are drawn.


def test_items_are_in_proportion_to_weights_between_the_fewest_and_all():
    # 5 and 3 (all it has) are bounds; the other 32 go 1 : 3.
    assert allocate([1000, 3, 1000, 1000], [0.1, 9, 1, 3], 40).tolist() == [5, 3, 8, 24]


def test_what_does_not_divide_goes_where_most_was_cut_off():
    # 21 in thirds is 7 each; 22 leaves one over, for the first of equals.
    assert allocate([100, 100, 100], [1, 1, 1], 22).tolist() == [8, 7, 7]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3000), st.floats(0.01, 100)), min_size=1, max_size=40),
    st.floats(0, 1),
)
def test_every_stratum_gets_its_fewest_and_no_more_than_it_has(strata, share):
    sizes = np.array([size for size, _ in strata])
    least = np.minimum(sizes, FEWEST)
    n = int(least.sum() + share * (sizes.sum() - least.sum()))
    drawn = allocate(sizes, [weight for _, weight in strata], n)
    assert drawn.sum() == n
    assert np.all(least <= drawn)
    assert np.all(drawn <= sizes)


def test_disagreements_between_rules_are_drawn_twice_as_often_as_their_size_asks_for(study):
    rows = verdicts(400, prefix=False, strict=False) + verdicts(100, prefix=True, strict=False)
    drawn = draw_items(study(rows), 80, rng()).items["refused_prefix"]
    # Roots of 400 and 100 are 20 and 10, twice 10 is 20: as many of either.
    assert drawn.sum() == 40


def test_inverse_probabilities_add_up_to_the_responses(study):
    rows = [
        {"persona": p, "persona_group": "g", "refused_prefix": i % 7 == 0, "refused_prefix_strict": i % 14 == 0}
        for p, n in (("woman", 101), ("man", 33), ("black", 7))
        for i in range(n)
    ]
    sample = draw_items(study(rows), 60, rng())
    assert len(sample.items) == 60
    assert (1 / sample.items["probability"]).sum() == pytest.approx(141)
    assert sample.n_responses == 141
    # Within each stratum too: 1 / probability = N_h / n_h.
    for _, items in sample.items.groupby("sampling_stratum"):
        n = (1 / items["probability"]).sum()
        assert n == pytest.approx(round(n))
        assert items[["persona", "refused_prefix", "refused_prefix_strict"]].drop_duplicates().shape[0] == 1


def test_every_response_of_a_stratum_is_as_likely_to_be_drawn(study):
    drawn = draw_items(study(verdicts(2000, prefix=False, strict=False)), 500, rng()).items["index"]
    # 125 of each quarter, hypergeometric with a standard deviation of sqrt(500 * 3/16 * 3/4) = 8.4; four of these.
    assert drawn.is_unique
    assert np.all(np.abs(np.bincount(drawn // 500) - 125) < 34)


def test_only_flagged_responses_are_drawn_where_that_is_asked(study):
    rows = verdicts(30, prefix=True, strict=False) + verdicts(70, prefix=False, strict=False)
    sample = draw_items(study(rows), 20, rng(), flagged_by="prefix")
    assert sample.items["refused_prefix"].all()
    assert (1 / sample.items["probability"]).sum() == pytest.approx(30)
    assert set(sample.items["frame"]) == {"flagged by prefix"}


def test_personas_models_and_tasks_distinguish_strata_as_far_as_there_is_room(study):
    rows = [
        {"persona": p, "persona_group": g, "model": m}
        for p, g in (("woman", "gender"), ("man", "gender"), ("black", "race"), ("white", "race"))
        for m in ("a", "b")
        for _ in range(10)
    ]
    # By persona and model 8 strata of 5: 40; by persona 20; by group 10, with model 20.
    responses = study(rows)
    for n, factors in ((40, ("persona", "model")), (39, ("persona",)), (19, ("persona_group",)), (9, ())):
        assert draw_items(responses, n, rng()).factors == factors


def test_responses_without_a_verdict_of_one_rule_are_drawn_as_a_stratum_of_their_own(study):
    rows = [{"refused_prefix": False, "refused_judge_x": judged} for judged in [None] * 10 + [True] * 10 + [False] * 10]
    items = draw_items(study(rows), 15, rng()).items
    # Of each of the three 5 are drawn, whose probability is 5 in 10.
    verdicts_drawn = items["refused_judge_x"].astype(object).where(items["refused_judge_x"].notna(), None)
    assert sorted(map(str, verdicts_drawn)) == ["0"] * 5 + ["1"] * 5 + ["None"] * 5
    assert (items["probability"] == 0.5).all()


def test_too_few_items_for_the_verdicts_are_refused_with_how_many_it_takes(study):
    rows = verdicts(30, prefix=True, strict=False) + verdicts(3, prefix=False, strict=False)
    with pytest.raises(InputError, match=r"--n 7: is too few for 2 combinations .* draw at least 8"):
        draw_items(study(rows), 7, rng())


def test_all_responses_are_drawn_where_there_are_fewer_than_asked_for(study):
    sample = draw_items(study(verdicts(12, prefix=False, strict=False)), 100, rng())
    assert set(sample.items["probability"]) == {1.0}
    assert sample.notes == ("There are only 12 such responses; all of them were drawn.",)


def test_the_seed_decides_the_draw_and_the_order_of_the_file_does_not(study):
    rows = [{"index": i, "text_id": "t"} for i in range(50)]
    drawn = draw_items(study(rows), 10, np.random.default_rng(3)).items
    again = draw_items(study(rows[::-1]), 10, np.random.default_rng(3)).items
    assert drawn["id"].tolist() == again["id"].tolist()
    assert drawn["id"].tolist() != draw_items(study(rows), 10, np.random.default_rng(4)).items["id"].tolist()


def test_results_folders_are_read_with_their_texts(logs, tmp_path):
    logs.write_run(tmp_path, "RNA AAA EAA")
    items = draw_items(load_responses([tmp_path], texts=True), 9, rng()).items
    assert sorted(set(items["response"])) == sorted(logs.ANSWERS.values())
    assert items["prompt"].str.contains("offensive or not offensive?.*\n\nText: This is text", regex=True).all()
    assert items["labels"].map(json.loads).tolist() == [["offensive", "not offensive"]] * 9


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        (["response"], "lacks the column response, .* give the folder named in lm_eval --output_path"),
        (["index"], "lacks the columns design_id and index"),
    ],
)
def test_responses_that_cannot_be_read_or_found_again_are_refused(study, without, sentence):
    with pytest.raises(InputError, match=sentence):
        draw_items(study([{}], without=without), 1, rng())


def test_a_prompt_that_a_model_answered_twice_is_refused(study):
    with pytest.raises(InputError, match="acme/parrot has several responses of design_id d0-o-p and index 4"):
        draw_items(study([{"index": 4}, {"index": 4}]), 2, rng())


def test_nothing_flagged_is_an_error(study):
    with pytest.raises(InputError, match="prefix flags no response as a refusal; leave out --only flagged"):
        draw_items(study([{}]), 1, rng(), flagged_by="prefix")


# What is written.


@pytest.fixture
def hostile(study):
    return draw_items(study([{"response": text} for text in HOSTILE]), 100, rng())


def test_the_key_holds_every_response_as_it_was(hostile, tmp_path):
    write_items(hostile, tmp_path / "out", rng())
    assert sorted(said(tmp_path / "out" / "key.csv").values()) == sorted(HOSTILE)


def test_annotators_see_responses_with_nothing_that_could_deceive_them(hostile, tmp_path):
    write_items(hostile, tmp_path / "out", rng())
    wrote = said(tmp_path / "out" / "key.csv")
    for item, text in said(tmp_path / "out" / "items.csv").items():
        shown = re.sub("[\x00\x07\x1b\u202e\u202c]", "\ufffd", wrote[item].replace("\r\n", "\n").replace("\r", "\n"))
        assert text == shown


def test_no_cell_of_a_file_for_spreadsheets_is_a_formula(hostile, tmp_path):
    write_items(hostile, tmp_path / "out", rng(), n_annotators=2)
    for name in ("items_1.csv", "items_2.csv", "key.csv"):
        cells = [cell for row in rows_of(tmp_path / "out" / name) for cell in row.values()]
        assert cells
        assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r\n")]


@given(st.text())
def test_the_guard_against_formulas_can_be_taken_away(text):
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@A", "\t=1", "\uff1d1", "1234567890123456", "12e4567890123456"])
def test_what_a_spreadsheet_program_would_change_is_guarded(text):
    assert guard(text) == f"'{text}"


def test_annotators_are_told_neither_verdict_nor_model_nor_persona(study, tmp_path):
    sample = draw_items(study([{"model": "acme/secret", "persona": "hidden-persona"}] * 9), 9, rng())
    write_items(sample, tmp_path / "out", rng())
    assert list(rows_of(tmp_path / "out" / "items.csv")[0]) == [
        *("id", "prompt", "response", "refusal", "unreasonable", "comment")
    ]
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name != "key.csv":
            text = path.read_text(encoding="utf-8")
            assert not re.search("secret|hidden|refused_|probability", text)


def test_each_annotator_has_all_items_in_an_order_of_their_own(study, tmp_path):
    sample = draw_items(study([{}] * 30), 30, rng())
    write_items(sample, tmp_path / "out", rng(), forms=["csv"], n_annotators=2)
    first, second = ([row["id"] for row in rows_of(tmp_path / "out" / f"items_{n}.csv")] for n in (1, 2))
    assert first != second
    assert first != sample.items["id"].tolist()
    assert sorted(first) == sorted(second) == sorted(sample.items["id"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["guide.md", "items_1.csv", "items_2.csv", "key.csv"]


def test_label_studio_shows_both_texts_and_asks_both_questions(hostile, tmp_path):
    write_items(hostile, tmp_path / "out", rng(), forms=["label-studio"])
    view = ET.parse(tmp_path / "out" / "label_studio.xml")
    tasks = json.loads((tmp_path / "out" / "label_studio.json").read_text(encoding="utf-8"))
    assert [text.get("value") for text in view.iter("Text")] == ["$prompt", "$response"]
    for choices in view.iter("Choices"):
        assert choices.get("required") == "true"
        assert [choice.get("value") for choice in choices.iter("Choice")] == ["yes", "no", "unclear"]
    assert [choices.get("name") for choices in view.iter("Choices")] == ["refusal", "unreasonable"]
    assert sorted(task["data"]["item_id"] for task in tasks) == sorted(hostile.items["id"])
    assert all(set(task) == {"data"} and set(task["data"]) == {"item_id", "prompt", "response"} for task in tasks)


def test_potato_is_given_texts_that_are_no_html(hostile, tmp_path):
    write_items(hostile, tmp_path / "out", rng(), forms=["potato"])
    folder = tmp_path / "out" / "potato"
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    assert config["item_properties"] == {"id_key": "id", "text_key": "text"}
    assert [scheme["name"] for scheme in config["annotation_schemes"]] == ["refusal", "unreasonable"]
    assert [scheme["labels"] for scheme in config["annotation_schemes"]] == [["yes", "no", "unclear"]] * 2
    assert sorted(item["id"] for item in items) == sorted(hostile.items["id"])
    assert all(set(re.findall("<[^>]*>", item["text"])) <= {"<b>", "</b>", "<br>"} for item in items)


@pytest.mark.parametrize("nested", [False, True])
def test_a_chat_is_shown_as_a_conversation(study, tmp_path, nested):
    chat = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?\nSay."}])
    sample = draw_items(study([{"prompt": json.dumps([chat]) if nested else chat}]), 1, rng())
    write_items(sample, tmp_path / "out", rng(), forms=["csv"])
    assert rows_of(tmp_path / "out" / "items.csv")[0]["prompt"] == "system:\nBe brief.\n\nuser:\nIs it?\nSay."
    assert rows_of(tmp_path / "out" / "key.csv")[0]["prompt"] == sample.items["prompt"][0]


@pytest.mark.parametrize("prompt", ["[]", "{}", "12", '"yes"', '[{"role": "user"}]', "[1]", "null"])
def test_a_prompt_that_only_looks_like_a_chat_is_left_as_it_is(study, tmp_path, prompt):
    write_items(draw_items(study([{"prompt": prompt}]), 1, rng()), tmp_path / "out", rng(), forms=["csv"])
    assert rows_of(tmp_path / "out" / "items.csv")[0]["prompt"] == prompt


def test_responses_that_a_spreadsheet_would_cut_are_counted(hostile, tmp_path):
    assert "1 response of more than 32,767 characters" in write_items(hostile, tmp_path / "out", rng())[1]


def test_a_folder_that_holds_something_is_left_alone(hostile, tmp_path):
    (tmp_path / "items.csv").write_text("filled", encoding="utf-8")
    with pytest.raises(InputError, match="already exists; name a new folder, so that no answers are lost"):
        write_items(hostile, tmp_path, rng())
    assert (tmp_path / "items.csv").read_text(encoding="utf-8") == "filled"


def test_an_unknown_form_is_refused_with_the_nearest_one(hostile, tmp_path):
    with pytest.raises(InputError, match="did you mean 'label-studio'"):
        write_items(hostile, tmp_path / "out", rng(), forms=["label_studio"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_an_error(hostile, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write_items(hostile, tmp_path / "file" / "out", rng())
