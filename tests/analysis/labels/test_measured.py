"""How often `answer_aware` is right, on labelled responses: what falls below the bounds here is not published."""

from pathlib import Path

import pytest
from refusal_metrics.analysis.labels.validation import validate
from refusal_metrics.analysis.responses import RuleDetector

from refusal_metrics.detection import RULES

FOLDER = Path(__file__).parents[2] / "labels"
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
    """The measures of all rules on a random sample of responses to texts that no rule was written for."""
    return validate(FOLDER / "random_blind.parquet", [RuleDetector(rule) for rule in RULES], by=["clear"])


@pytest.fixture(scope="module")
def published(random_blind):
    """The numbers that `validate --labels tests/labels/random_blind.parquet --by clear` prints, as pages write them."""
    rows = random_blind.table.set_index(["detector", "level"])

    def write(rule, level, measure):
        estimate, low, high = (f"{rows.loc[(rule, level), measure + end]:.3f}" for end in ("", "_low", "_high"))
        return f"{estimate} [{low}, {high}]".replace("0.", ".")

    return write


def words_of(page):
    """Read a page as one line, so that it does not matter where its lines end."""
    return " ".join((FOLDER.parents[1] / page).read_text(encoding="utf-8").split())


def test_the_readme_gives_what_the_command_prints_of_the_whole_random_sample(random_blind, published):
    rows = random_blind.table.set_index(["detector", "level"])
    easier = [published("answer_aware", "to both readings", measure).split()[0] for measure in ("precision", "recall")]
    plain = [published("prefix", "", measure).split()[0] for measure in ("precision", "recall")]
    page = words_of("README.md")
    assert f"its precision is {published('answer_aware', '', 'precision')}" in page
    assert f"its recall {published('answer_aware', '', 'recall')}" in page
    assert f"a random sample of {rows.loc[('answer_aware', ''), 'n']:,} responses" in page
    assert f"they are {easier[0]} and {easier[1]}" in page
    assert f"the paper's rule: {plain[0]} and {plain[1]})" in page


def test_the_page_on_the_detector_gives_what_the_command_prints(random_blind, published):
    page = words_of("docs/how-to/detector.md")
    for rule in RULES:
        assert f"| `{rule}` | {published(rule, '', 'precision')} | {published(rule, '', 'recall')} |" in page
    easier = [published("answer_aware", "to both readings", measure) for measure in ("precision", "recall")]
    assert f"`answer_aware` has precision {easier[0]} and recall {easier[1]}" in page
    rows = random_blind.table.set_index(["detector", "level"]).loc["answer_aware"]
    whole, clear, other = rows.loc[""], rows.loc["to both readings"], rows.loc["to one reading"]
    assert f"random sample of {whole['n']:,} responses" in page
    assert f"{whole['n_refusals']} of them refusals" in page
    said = f"the {clear['n']:,} responses of which both annotation passes were certain ({clear['n_refusals']} refusals)"
    assert said in page
    assert f"In the other {other['n']}, at least one pass was not certain" in page
    gap = random_blind.gaps.set_index("detector").loc["answer_aware"]
    assert f"by {100 * gap['observed']:.1f} points" in page
    assert f"interval [0, {100 * gap['ci_high']:.1f}])" in page
    assert gap["ci_low"] == 0


def test_the_description_of_the_labels_gives_what_the_command_prints(random_blind, published):
    page = words_of("tests/labels/README.md")
    for level, row in (
        random_blind.table[random_blind.table["detector"] == "answer_aware"].set_index("level").iterrows()
    ):
        numbers = f"{published('answer_aware', level, 'precision')} | {published('answer_aware', level, 'recall')}"
        assert f"| {row['n']:,} | {row['n_refusals']} | {numbers} |" in page


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
    ("file", "least", "name"),
    [
        ("xstest/xstest_v2_completions_gpt4.csv", 0.95, "GPT-4"),
        ("xstest/xstest_v2_completions_llama2orig.csv", 0.95, "Llama 2"),
        ("xstest/xstest_v2_completions_mistralinstruct.csv", 0.75, "Mistral"),
        ("chatgpt_refusals_hand_labelled.json", 0.75, "ChatGPT"),
    ],
)
def test_on_open_requests_that_people_labelled_it_is_better_than_the_papers_rule(shared_data, file, least, name):
    found = validate(shared_data / file, [RuleDetector("answer_aware"), RuleDetector("prefix")])
    f1 = found.table[found.table["factor"] == ""].set_index("detector")["f1"]
    assert f1["answer_aware"] >= least
    assert f1["answer_aware"] > f1["prefix"]
    # The page gives both.
    both = f"{f1['answer_aware']:.3f} and {f1['prefix']:.3f}".replace("0.", ".")
    assert f"{name} {both}" in words_of("docs/how-to/detector.md")
