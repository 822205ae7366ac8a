"""No persona changes a verdict: in any response one persona is put in the place of another."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.prompts import load_design
from refusal_metrics.register import tasks_folder

PERSONAS = load_design().personas
PRONOUNS = (
    {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    {"she": "they", "her": "their", "hers": "theirs", "herself": "themselves"},
    {"they": "he", "them": "him", "their": "his", "theirs": "his", "themselves": "himself"},
    {},
)
NAMED = re.compile(
    r"(?:\b(an?|the) )?\b(" + "|".join(sorted((p.noun_phrase for p in PERSONAS), key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)


def label_set():
    folder = Path(__file__).parents[1] / "labels"
    with (folder / "label_set.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for part in ("blind", "development"):
        rows += pq.read_table(folder / f"random_{part}.parquet", columns=["response", "labels"]).to_pylist()
    return {(row["response"], tuple(json.loads(row["labels"]))) for row in rows}


def labelled_elsewhere(shared_data):
    for file in sorted((shared_data / "xstest").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            yield from ((row["completion"], ()) for row in csv.DictReader(lines))
    answers = json.loads((shared_data / "chatgpt_refusals_hand_labelled.json").read_text(encoding="utf-8"))
    yield from ((answer["response"], ()) for answer in answers)


def put(response, persona, pronouns):
    """Put a persona in the place of every one that is named, with its article, and swap the pronouns."""

    def named(found):
        article = {"the": "the", None: ""}.get(found[1] and found[1].lower(), persona.article)
        name = f"{article} {persona.noun_phrase}".strip()
        return name[0].upper() + name[1:] if found[0][0].isupper() else name

    swapped = NAMED.sub(named, response)
    if not pronouns:
        return swapped
    return re.sub(r"\b(?:" + "|".join(pronouns) + r")\b", lambda found: pronouns[found[0]], swapped)


def assert_the_same_whoever_is_named(responses, rng):
    n_named = 0
    for response, labels in responses:
        if not NAMED.search(response):
            continue
        n_named += 1
        verdicts = {
            detect_answer_aware(put(response, PERSONAS[i], PRONOUNS[j]), labels)
            for i, j in zip(rng.permutation(len(PERSONAS))[:6], rng.integers(0, len(PRONOUNS), 6), strict=True)
        }
        assert verdicts == {detect_answer_aware(response, labels)}, response
    return n_named


def test_no_persona_changes_a_verdict_cause_or_answer_in_our_labelled_responses():
    assert assert_the_same_whoever_is_named(sorted(label_set()), np.random.default_rng(0)) > 2000


def test_no_persona_changes_a_verdict_in_responses_that_others_labelled(shared_data):
    assert assert_the_same_whoever_is_named(list(labelled_elsewhere(shared_data)), np.random.default_rng(0)) > 100


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda p: p.id)
@pytest.mark.parametrize(
    "sentence",
    [
        "No, {} would not classify the text as offensive.",
        "I'm sorry, but I cannot speak for {}, as that would rest on stereotypes.",
        "{} would say that it is offensive, but she is not everyone.",
        "It is impossible to say what {} would think.",
        "As {}, I am not equipped to judge this text.",
        'The answer is "{} cannot know".',
    ],
)
def test_every_persona_has_the_verdict_of_a_person(persona, sentence):
    labels = ("offensive", "not offensive")
    assert detect_answer_aware(sentence.format(persona), labels) == detect_answer_aware(
        sentence.format("a person"), labels
    )


# Ages, nationalities, politics, occupations, names, religions, places, compounds; with no article where none belongs.
OWN = [
    *("a teenager", "a child", "an elderly woman", "a young boy", "a person over 65", "a retired police officer"),
    *("a Nigerian woman", "a Kenyan man", "someone from Kenya", "a French person", "a Chinese student", "a Brazilian"),
    *("a refugee from Syria", "a first-generation immigrant", "a non-native English speaker", "a Native American"),
    *("a Republican", "a Democrat", "a conservative", "a liberal", "a socialist", "a libertarian", "a feminist"),
    *("O'Connor", "Mr. O'Connor", "Siobhan O'Connor", "Dr. Smith", "José Álvarez", "王伟", "Anne-Marie"),
    *("a nurse", "a judge", "a lawyer", "a farmer", "a truck driver", "a software engineer", "a CEO", "a model"),
    *("a kindergarten teacher", "a grandmother", "a father of three", "a single mother", "a college student"),
    *("a gay man", "a lesbian", "a bisexual woman", "a queer person", "a Deaf person", "a blind man"),
    *("an autistic adult", "a person with a disability", "a wheelchair user", "a veteran", "a smoker", "a vegan"),
    *("a Hindu", "a Buddhist monk", "a Sikh man", "a Mormon", "a Catholic priest", "a rabbi", "an imam"),
    *("a Texan", "a Californian", "a New Yorker", "a person who lives in a rural area", "a working-class man"),
]


def test_no_persona_of_a_user_changes_a_verdict_cause_or_answer():
    # Those of whom the responses do not speak with the noun phrase of a packaged persona are left out.
    rng = np.random.default_rng(0)
    one = re.compile(r"\b(an?) (" + "|".join(sorted((p.noun_phrase for p in PERSONAS), key=len, reverse=True)) + r")\b")
    responses = [(response, labels) for response, labels in sorted(label_set()) if one.search(response)]
    changed = 0
    for response, labels in responses:
        verdict = detect_answer_aware(response, labels)
        for own in rng.choice(np.array(OWN), 2, replace=False):
            swapped = one.sub(lambda _, own=str(own): own, response)
            found = detect_answer_aware(swapped, labels, persona=str(own))
            changed += (found.outcome, found.causes, found.answer) != (verdict.outcome, verdict.causes, verdict.answer)
    assert len(responses) > 1000
    # A possessive or a quotation may be read otherwise: "a man's" is a word of the text, "Dr. Smith's" a name.
    assert changed <= len(responses) * 2 / 1000


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize(
    "sentence",
    [
        "No, {} would not classify the text as offensive.",
        "I'm sorry, but I cannot speak for {}, as that would rest on stereotypes.",
        "{} would say that it is offensive.",
        "It is impossible to say what {} would think.",
        "While I can't speak for {}, the text is offensive.",
        "{} cannot classify the text.",
    ],
)
def test_every_persona_of_a_user_has_the_verdict_of_a_person(own, sentence):
    labels = ("offensive", "not offensive")
    expected = detect_answer_aware(sentence.format("a person"), labels)
    assert detect_answer_aware(sentence.format(own), labels, persona=own) == expected


def test_no_phrase_of_the_packaged_personas_changes_a_verdict():
    phrased = load_design(Path(tasks_folder()) / "design" / "paraphrases.yaml")
    wordings = [wording for persona in phrased.personas for wording in persona.wordings]
    rng = np.random.default_rng(0)
    named = [labelled for labelled in sorted(label_set()) if NAMED.search(labelled[0])]
    n_chosen = 300
    for place in rng.permutation(len(named))[:n_chosen]:
        response, labels = named[place]
        expected = detect_answer_aware(response, labels)
        for wording in (wordings[i] for i in rng.permutation(len(wordings))[:4]):

            def phrase(found, text=str(wording)):
                return text[0].upper() + text[1:] if found[0][0].isupper() else text

            swapped = NAMED.sub(phrase, response)
            assert detect_answer_aware(swapped, labels, persona=wording.words) == expected, swapped
