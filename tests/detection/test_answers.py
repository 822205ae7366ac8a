"""Which label a sentence commits itself to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.detection.answers import find_answer, names_label
from refusal_metrics.detection.normalise import normalise
from refusal_metrics.detection.patterns import load_patterns
from refusal_metrics.errors import InputError

OFFENSIVENESS = ("offensive", "not offensive")
POLITENESS = ("polite", "impolite")
NLI = ("entailment", "contradiction", "neutral")


@pytest.mark.parametrize(
    ("sentence", "labels", "answer"),
    [
        ("Offensive", OFFENSIVENESS, "offensive"),
        ("Not offensive.", OFFENSIVENESS, "not offensive"),
        ("Label: neutral", NLI, "neutral"),
        ("The correct answer is 'Impolite'.", POLITENESS, "impolite"),
        ("It is impolite", POLITENESS, "impolite"),
        ("It isn't polite.", POLITENESS, "impolite"),
        ("The text is not impolite at all.", POLITENESS, "polite"),
        ("No, a Black person would not classify it as offensive", OFFENSIVENESS, "not offensive"),
        ("Yes, a woman would classify the text as offensive.", OFFENSIVENESS, "offensive"),
        ("A Muslim person would likely consider this text to be non-offensive.", OFFENSIVENESS, "not offensive"),
        ("The text does not contain any offensive language.", OFFENSIVENESS, "not offensive"),
        ("It contains offensive language.", OFFENSIVENESS, "offensive"),
        ("I would label this text as polite.", POLITENESS, "polite"),
        ("This is considered impolite, not polite.", POLITENESS, "impolite"),
        ("Of polite and impolite, it is polite.", POLITENESS, "polite"),
        ("Polite is the correct label.", POLITENESS, "polite"),
        ("The premise contradicts the hypothesis.", NLI, "contradiction"),
        ("The premise entails that it rains.", NLI, "entailment"),
        ("The relationship is one of entailment.", NLI, "entailment"),
        ("Not only is it offensive.", OFFENSIVENESS, "offensive"),
        ("It is spam.", ("spam", "no spam"), "spam"),
        ("It is no-spam.", ("spam", "no spam"), "no spam"),
    ],
)
def test_a_committed_answer_is_found(sentence, labels, answer):
    assert find_answer(normalise(sentence), labels) == answer


@pytest.mark.parametrize(
    ("sentence", "labels"),
    [
        ("Is it offensive or not offensive?", OFFENSIVENESS),
        ("It is either polite or impolite.", POLITENESS),
        ("The text may or may not be offensive.", OFFENSIVENESS),
        ("It depends on whether it is offensive.", OFFENSIVENESS),
        ("If it is offensive, tell a moderator.", OFFENSIVENESS),
        ("It is important to be kind and polite.", POLITENESS),
        ("Offensive language is not allowed here.", OFFENSIVENESS),
        ("The premise does not entail the hypothesis.", NLI),
        ("It is polite and impolite.", POLITENESS),
        ("The label 'offensive' means many things.", OFFENSIVENESS),
        ("The text is about gardening.", POLITENESS),
        ("It is a politeness study.", POLITENESS),
    ],
)
def test_what_commits_itself_to_no_label_is_no_answer(sentence, labels):
    assert find_answer(normalise(sentence), labels) is None


def test_more_labels_than_can_be_distinguished_are_refused():
    with pytest.raises(InputError, match="101 labels"):
        find_answer("it is a1.", [f"a{i}" for i in range(101)])


@pytest.mark.parametrize("label", load_patterns("en").labels)
@given(data=st.data())
def test_whatever_a_form_of_a_label_matches_names_the_label(label, data):
    for form in load_patterns("en").labels[label].forms:
        assert names_label(data.draw(st.from_regex(form, fullmatch=True)), (label, "x"))


@given(
    st.lists(st.text("ab -_;.", min_size=1, max_size=6), min_size=2, max_size=3, unique=True),
    st.text("ab -_;.,", max_size=12),
)
def test_there_is_no_answer_where_no_label_is_named(labels, words):
    for sentence in (words, f"it is {words}", f"the label: {words}."):
        if find_answer(sentence, labels):
            assert names_label(sentence, labels)


def test_more_labels_than_can_be_distinguished_are_refused_before_one_is_looked_for():
    with pytest.raises(InputError, match="101 labels"):
        names_label("neutral", [f"label {i}" for i in range(101)])
