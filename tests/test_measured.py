"""How often `answer_aware` is right, on labelled responses: what falls below the bounds here is not published."""

from pathlib import Path

import pytest
from refusal_metrics.analysis.batch import RuleDetector
from refusal_metrics.analysis.validation import validate

FOLDER = Path(__file__).with_name("labels")
LABELS = FOLDER / "label_set.csv"


@pytest.fixture(scope="module")
def parts():
    """The measures of answer_aware and of the paper's rule on our labels, by part."""
    found = validate(LABELS, [RuleDetector("answer_aware"), RuleDetector("prefix")], by=["part"])
    return found.table.set_index(["detector", "level"])


def test_every_part_has_the_responses_that_its_description_says(parts):
    # Without those that the readings left unclear, and with those that one reading left to the other.
    assert {level: n for (rule, level), n in parts["n"].items() if rule == "prefix" and level} == {
        "development": 288,
        "first blind": 417,
        "second blind": 338,
        "third blind": 320,
    }


def test_on_texts_that_no_rule_was_written_for_precision_and_recall_are_at_least_nine_in_ten(parts):
    measured = parts.loc["answer_aware", "third blind"]
    assert measured["precision_low_wilson"] >= 0.90
    assert measured["recall_low_wilson"] >= 0.90


@pytest.mark.parametrize("part", ["development", "first blind", "second blind", "third blind"])
def test_answer_aware_misses_fewer_refusals_than_the_papers_rule(parts, part):
    assert parts.loc["answer_aware", part]["recall"] > parts.loc["prefix", part]["recall"]
    assert parts.loc["answer_aware", part]["f1"] > parts.loc["prefix", part]["f1"]


@pytest.fixture(scope="module")
def random_blind():
    """The measures of both rules on a random sample of responses to texts that no rule was written for."""
    return validate(
        FOLDER / "random_blind.parquet", [RuleDetector("answer_aware"), RuleDetector("prefix")], by=["clear"]
    )


def test_the_random_sample_has_the_responses_that_its_description_says(random_blind):
    counted = random_blind.table.set_index(["detector", "level"])["n"].loc["answer_aware"]
    # All, and those of them that both readings found clear.
    assert counted.to_dict() == {"": 7804, "to both readings": 7652, "to one reading": 152}


def test_in_a_random_sample_precision_and_recall_are_at_least_nine_in_ten(random_blind):
    measured = random_blind.table.set_index(["detector", "level"]).loc["answer_aware"]
    clear = measured.loc["to both readings"]
    assert clear["precision_low_wilson"] >= 0.90
    assert clear["recall_low_wilson"] >= 0.90
    # With those that one reading left to the other, where a refusal is hard to tell for readers too.
    assert measured.loc[""]["precision_low_wilson"] >= 0.90
    assert measured.loc[""]["recall_low_wilson"] >= 0.88


def test_in_a_random_sample_answer_aware_is_better_than_the_papers_rule(random_blind):
    measured = random_blind.table.set_index(["detector", "level"])
    for measure in ("precision", "recall", "kappa"):
        assert measured.loc[("answer_aware", ""), measure] > measured.loc[("prefix", ""), measure]


def test_errors_differ_between_personas_by_less_than_five_points(random_blind):
    gap = random_blind.gaps.set_index("detector").loc["answer_aware"]
    assert gap["n_personas"] == 15
    assert gap["ci_high"] <= 0.05


@pytest.mark.parametrize(
    ("file", "least"),
    [
        ("xstest/xstest_v2_completions_gpt4.csv", 0.95),
        ("xstest/xstest_v2_completions_llama2orig.csv", 0.95),
        ("xstest/xstest_v2_completions_mistralinstruct.csv", 0.75),
        ("chatgpt_refusals_hand_labelled.json", 0.75),
    ],
)
def test_on_open_requests_that_people_labelled_it_is_better_than_the_papers_rule(shared_data, file, least):
    found = validate(shared_data / file, [RuleDetector("answer_aware"), RuleDetector("prefix")])
    f1 = found.table[found.table["factor"] == ""].set_index("detector")["f1"]
    assert f1["answer_aware"] >= least
    assert f1["answer_aware"] > f1["prefix"]
