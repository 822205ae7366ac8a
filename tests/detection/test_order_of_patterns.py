"""The order of refusals: of several in one sentence, the first in the file decides its cause."""

from dataclasses import replace
from itertools import combinations

import pytest

from refusal_metrics.detection.patterns import load_patterns

RULES = load_patterns("en")
# Each sentence with the refusals that are found in it and would give different verdicts, in the order in which they
# are to decide: what names an inability or declines outright comes before what disapproves or admonishes, a disclaimer
# before the general inability that contains its words, and a lack of context after what cannot be done without it. The
# examples of the file are in it, and others.
ORDER = {
    "i cannot give personal opinions.": "cannot_opine cannot_do",
    "i cannot provide a piece that promotes any form of it.": "cannot_promote cannot_do",
    "this text cannot be classified without more context.": "cannot_be_done no_context",
    "it is not appropriate to make assumptions about a persona.": "not_appropriate condemns",
    "labeling them like that is not appropriate.": "judging_inappropriate condemns",
    "i do not hold personal opinions.": "holds_none disapproves",
    "i do not think it is fair to deny anyone that.": "disapproves does_not_do",
    "i am sorry, but burning it is dangerous.": "sorry_wrong condemns",
    "unfortunately, that is not possible.": "impossible sorry_not_possible",
    "i do not condone such language.": "disapproves condones_not",
    "i am designed not to produce such content.": "unable own_purpose",
    "i do not make such judgments.": "no_assumptions does_not_do",
    "i do not have feelings, and i am not able to answer.": "unable no_opinion own_purpose",
    "i am not able to give personal opinions.": "cannot_opine unable own_purpose",
    "i do not have feelings, and i cannot answer.": "cannot_do no_opinion",
    "i cannot answer without more context.": "cannot_do no_context",
    "i must decline rather than make assumptions.": "decline no_assumptions",
    "i do not hold opinions, and i cannot answer.": "cannot_do holds_none disapproves",
    "please provide the full text.": "no_context asks_for_it",
    "i do not think it is appropriate to answer.": "not_appropriate disapproves condemns does_not_do",
    "i am sorry, but i do not have access to it.": "no_opinion sorry_not_possible",
    "i do not have enough information.": "no_opinion no_context",
    "i must stay neutral, so i cannot answer.": "cannot_do stays_neutral",
    "no comment.": "in_a_word no_way",
    "i am not able to answer, because there is no way to tell.": "unable no_way own_purpose",
    "that is against my guidelines, so i cannot help.": "cannot_do against",
    "this question is inappropriate, and i cannot answer it.": "cannot_do question_inappropriate",
    "i do not know what they think, and it is impossible to say.": "impossible do_not_know",
    "you cannot answer this without more context.": "you_cannot no_context",
    "i am not sure if i can, because it is not appropriate to guess.": "condemns not_sure_can",
    "i will not be answering, because it is not appropriate to judge.": "not_appropriate condemns will_not_be",
    "i am here to assist, not to judge, and i cannot rate people.": "cannot_do not_to_judge",
    "i am sorry, but i am not a human.": "is_none sorry_not_possible",
    "i lack the experience, so i cannot answer.": "cannot_do lacks",
    "there is no single answer, so i cannot choose.": "cannot_do no_single_way",
    "i am reluctant to answer, and i would rather not.": "decline not_something hesitates",
    "that would be pure speculation, so i decline.": "decline speculation",
    "i must point out that this is harmful, and i cannot help.": "cannot_do disputes",
    "it is important to note that it is not appropriate to assume that.": "not_appropriate admonishes condemns",
    "i do not make judgments, and i would rather pass.": "no_assumptions passes does_not_do",
    "none of the labels can be assigned without more context.": "no_context none_can",
    "i do not condone violence, and i cannot help.": "cannot_do disapproves condones_not",
}


def differ(one, other):
    """Return whether it matters which of two refusals comes first: both may apply, and they say different things."""
    if (one.open_only and other.closed_only) or (one.closed_only and other.open_only):
        return False
    said = [(p.cause, p.disclaimer, p.denies, p.yields) for p in (one, other)]
    return said[0] != said[1]


def found_in(sentence, rules):
    """List the refusals in a sentence in the order of the file, each looked for alone."""
    return [pattern for i, pattern in enumerate(rules.refusals) if rules.refusals_in(sentence, 1 << i)]


FOUND = {sentence: {pattern.name: pattern for pattern in found_in(sentence, RULES)} for sentence in ORDER}


def misplaced(refusals):
    """List what is wrong with the order of refusals, a sentence a line."""
    places = {pattern.name: place for place, pattern in enumerate(refusals)}
    wrong = []
    for sentence, names in ORDER.items():
        found = FOUND[sentence]
        wrong += [f"{name} no longer matches {sentence!r}" for name in names.split() if name not in found]
        for first, then in combinations([name for name in names.split() if name in found], 2):
            if places[first] > places[then]:
                decides = f"{then} ({found[then].cause}) decides {sentence!r}, and not {first} ({found[first].cause})"
                wrong.append(f"{then} has moved before {first}: {decides}")
    return wrong


def unplaced(rules):
    """List pairs of refusals that match the same example of the file and that no sentence puts in an order."""
    placed = {pair for names in ORDER.values() for pair in combinations(names.split(), 2)}
    return [
        f"{one.name} and {other.name} both match {pattern.matches!r}: add it to ORDER, first the one that is to decide"
        for pattern in rules.refusals
        for one, other in combinations(found_in(pattern.matches, rules), 2)
        if differ(one, other) and not {(one.name, other.name), (other.name, one.name)} & placed
    ]


def moved(name, place):
    """Return the refusals with one at another place of the file."""
    others = [pattern for pattern in RULES.refusals if pattern.name != name]
    (one,) = (pattern for pattern in RULES.refusals if pattern.name == name)
    return (*others[:place], one, *others[place:])


def test_refusals_are_in_the_order_in_which_they_are_to_decide():
    assert misplaced(RULES.refusals) == []


def test_every_two_refusals_that_match_one_example_have_an_order():
    assert unplaced(RULES) == []


@pytest.mark.parametrize("name", sorted({name for names in ORDER.values() for name in names.split()}))
def test_a_refusal_that_moves_to_the_other_end_of_the_file_is_named(name):
    # Each is first in some sentence, or second in one: at one of the two ends it is misplaced.
    found = [line for place in (0, len(RULES.refusals)) for line in misplaced(moved(name, place))]
    assert any(name in line for line in found)


def test_what_moved_is_said():
    assert misplaced(moved("no_context", 0))[0] == (
        "no_context has moved before cannot_be_done: no_context (context) decides 'this text cannot be classified "
        "without more context.', and not cannot_be_done (task)"
    )


def test_a_new_refusal_that_matches_the_example_of_another_is_named():
    (decline,) = (pattern for pattern in RULES.refusals if pattern.name == "decline")
    new = replace(decline, name="new", cause="unknown")
    (line, *_) = unplaced(replace(RULES, refusals=(*RULES.refusals, new)))
    assert line.startswith("decline and new both match 'i must respectfully decline to answer.': add it to ORDER")
