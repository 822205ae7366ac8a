"""Phrases of personas: what a file may contain, and what is asked then."""

import re
from collections import Counter
from pathlib import Path

import pytest

from refusal_metrics.docs import build_docs, doc_fields, render_prompt
from refusal_metrics.errors import InputError
from refusal_metrics.prompts.design import Phrase
from refusal_metrics.prompts.design_files import load_design
from refusal_metrics.prompts.phrases import FORMS
from refusal_metrics.register import tasks_folder

SHIPPED = Path(tasks_folder()) / "design" / "paraphrases.yaml"
LABELS = ["polite", "impolite"]
NURSE = {"noun_phrase": "a nurse", "adjective": "a nursing professional", "who_is": "someone who is a nurse"}
PILOT = {"noun_phrase": "a pilot", "adjective": "an aviation professional", "who_is": "someone who is a pilot"}
NEUTRAL = {
    "noun_phrase": ("a person", "an individual"),
    "adjective": ("an ordinary individual", "an average individual"),
    "who_is": ("someone who is an adult", "someone who is in town"),
}


def entry(name, group, phrases):
    """Write a persona as YAML; the text of each form, or several."""
    texts = [(form, text) for form, some in phrases.items() for text in ([some] if isinstance(some, str) else some)]
    listed = ", ".join(f"{{form: {form}, text: {text}}}" for form, text in texts)
    return f"  - {{id: {name}, group: {group}, phrases: [{listed}]}}\n"


def bare(name, group):
    return f"  - {{id: {name}, group: {group}, noun_phrase: {name}, article: a}}\n"


def save(folder, *entries):
    path = folder / "mine.yaml"
    path.write_text("personas:\n" + "".join(entries), encoding="utf-8")
    return path


NEUTRAL_ENTRY = entry("anyone", "neutral", NEUTRAL)
NURSE_ENTRY, PILOT_ENTRY = entry("nurse", "work", NURSE), entry("pilot", "work", PILOT)


def docs(path, setting="persona", **settings):
    settings = {"source": "sample", "rows_per_class": 3} | settings
    return build_docs(kind="politeness", labels=LABELS, setting=setting, personas=str(path), **settings)["test"]


def test_personas_have_the_phrases_of_their_file(tmp_path):
    design = load_design(save(tmp_path, NEUTRAL_ENTRY, NURSE_ENTRY, PILOT_ENTRY))
    nurse, _ = design.personas_for("persona")
    assert nurse.phrases == tuple(Phrase(text, form) for form, text in NURSE.items())
    assert (nurse.article, nurse.noun_phrase, str(nurse)) == ("a", "nurse", "a nurse")
    assert nurse.words == ("nurse", *NURSE.values())
    assert design.personas_for("persona", ["Nurse"]) == (nurse,)
    (anyone,) = design.personas_for("neutral")
    assert len(anyone.phrases) == 6


def test_a_file_without_neutral_personas_gets_neutral_phrases_of_its_forms(tmp_path):
    design = load_design(save(tmp_path, NURSE_ENTRY, PILOT_ENTRY))
    found = Counter(phrase.form for persona in design.personas_for("neutral") for phrase in persona.phrases)
    assert found == {"noun_phrase": 2, "adjective": 2, "who_is": 2}


def test_the_packaged_phrases_are_of_the_papers_personas_in_the_same_forms():
    packaged, design = load_design(), load_design(SHIPPED)
    for own, persona in zip(packaged.personas_for("persona"), design.personas_for("persona"), strict=True):
        assert (own.id, own.group) == (persona.id, persona.group)
        # The first phrase is the paper's.
        assert str(own) == persona.phrases[0].text
        assert [phrase.form for phrase in persona.phrases] == list(FORMS)
    neutral = [phrase.form for persona in design.personas_for("neutral") for phrase in persona.phrases]
    assert Counter(neutral) == dict.fromkeys(FORMS, 2)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param(
            [NEUTRAL_ENTRY, NURSE_ENTRY, bare("pilot", "work")],
            "the persona 'pilot' has no phrases, but 'anyone' has; give phrases to all personas, the neutral ones",
            id="some personas only",
        ),
        pytest.param(
            [bare("anyone", "neutral"), NURSE_ENTRY],
            "the persona 'anyone' has no phrases, but 'nurse' has",
            id="named only",
        ),
        pytest.param(
            [
                NEUTRAL_ENTRY,
                NURSE_ENTRY,
                entry("pilot", "work", {"noun_phrase": "a pilot", "who_is": "one who is a pilot"}),
            ],
            "the persona 'pilot' has 2 phrases; give at least 3",
            id="too few",
        ),
        pytest.param(
            [entry("anyone", "neutral", NURSE | {"noun_phrase": "a person"}), PILOT_ENTRY],
            r"the neutral personas together \(anyone\) have 3 phrases; give at least 6",
            id="too few neutral ones",
        ),
        pytest.param(
            [
                *(NEUTRAL_ENTRY, NURSE_ENTRY),
                entry("pilot", "work", {"noun_phrase": ("a pilot", "a flyer"), "who_is": "one who is a pilot"}),
            ],
            r"the persona 'pilot' has the forms noun_phrase \(2\), who_is \(1\), but the persona 'nurse' has "
            r"noun_phrase \(1\), adjective \(1\), who_is \(1\); give all personas the same forms",
            id="other forms",
        ),
        pytest.param(
            [
                entry("anyone", "neutral", NEUTRAL | {"noun_phrase": ("a person", "an individual", "a man")}),
                NURSE_ENTRY,
            ],
            r"the neutral personas together \(anyone\) have the forms noun_phrase \(3\), adjective \(2\), who_is \(2\)",
            id="other shares of neutral forms",
        ),
        pytest.param(
            [NEUTRAL_ENTRY, entry("nurse", "work", NURSE | {"noun_phrase": "A  person"})],
            r"'A person', of the persona 'nurse', is a neutral phrase \(of 'anyone'\)",
            id="a neutral phrase as a persona",
        ),
        pytest.param(
            ["  - {id: me, group: work, noun_phrase: Person, article: a}\n"],
            r"'a Person', of the persona 'me', is a neutral phrase \(of 'person'\)",
            id="a neutral noun phrase as a persona",
        ),
        pytest.param(
            [NEUTRAL_ENTRY, NURSE_ENTRY, entry("pilot", "work", PILOT | {"noun_phrase": "a nurse"})],
            "the phrase 'a nurse' is of 'nurse' and of 'pilot'; give each phrase once",
            id="the same phrase twice",
        ),
        pytest.param(
            [NEUTRAL_ENTRY, "  - {id: nurse, group: work, article: a, phrases: []}\n"],
            r"personas\[1\] must have the keys id, group, phrases, and may have plural and adjective, found id, ",
            id="an article too",
        ),
        pytest.param(
            ["  - {id: nurse, group: work, phrases: a nurse}\n"],
            r"personas\[0\]\.phrases must be a list of {form, text}, found 'a nurse'",
            id="no list",
        ),
        pytest.param(
            ["  - {id: nurse, group: work, phrases: [a nurse]}\n"],
            r"personas\[0\]\.phrases\[0\] must have the keys form and text, found 'a nurse'",
            id="no mapping",
        ),
        pytest.param(
            ["  - {id: nurse, group: work, phrases: [{form: who_is, text: ' '}]}\n"],
            r"personas\[0\]\.phrases\[0\]\.text must be a text, found ' '",
            id="blank",
        ),
        pytest.param(
            ['  - {id: nurse, group: work, phrases: [{form: who_is, text: "a\\u0007"}]}\n'],
            r"personas\[0\]\.phrases\[0\]\.text must be without control characters",
            id="control character",
        ),
    ],
)
def test_a_file_whose_phrases_cannot_be_compared_is_refused_with_file_and_entry(tmp_path, entries, message):
    path = save(tmp_path, *entries)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}") as error:
        load_design(path)
    assert "\n" not in str(error.value)


def test_an_unknown_form_is_refused_with_the_nearest(tmp_path):
    path = save(tmp_path, "  - {id: nurse, group: work, phrases: [{form: noun phrase, text: a nurse}]}\n")
    with pytest.raises(InputError, match=r"form .*phrases\[0\] 'noun phrase'.*did you mean 'noun_phrase'"):
        load_design(path)


def test_a_doc_names_its_phrase_and_form_and_is_asked_with_it(tmp_path):
    path = save(tmp_path, NEUTRAL_ENTRY, NURSE_ENTRY, PILOT_ENTRY)
    for setting, forms in {"persona": NURSE | PILOT, "neutral": NEUTRAL}.items():
        built = docs(path, setting)
        assert list(built[0]) == [*doc_fields("politeness"), "phrase", "phrase_form"]
        for doc in built:
            assert doc["phrase_form"] in forms
            assert doc["phrase"].lower() in render_prompt(doc).lower()
            assert doc["phrase"] in doc["persona_words"]
    of_persona = {(doc["persona"], doc["phrase"], doc["phrase_form"]) for doc in docs(path)}
    assert of_persona == {
        (name, text, form) for name, own in {"nurse": NURSE, "pilot": PILOT}.items() for form, text in own.items()
    }


def test_a_phrase_in_the_system_message_is_the_docs(tmp_path):
    path = save(tmp_path, NEUTRAL_ENTRY, NURSE_ENTRY)
    for doc in docs(path, study_placement="system"):
        assert doc["system"] == f"You are {doc['phrase']}."


@pytest.mark.parametrize("setting", ["persona", "neutral"])
def test_phrases_are_drawn_equally_often_and_no_prompt_of_a_text_twice(setting):
    # 60 phrases of personas and 8 neutral ones. Counts of a balanced design differ by at most 2 in each of 5 strata.
    built = docs(SHIPPED, setting, rows_per_class=20).to_pandas()
    counts = built.groupby(["stratum", "phrase"]).size().unstack(fill_value=0)
    assert counts.shape[1] == {"persona": 60, "neutral": 8}[setting]
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 2
    assert not built.duplicated(["text_id", "phrase", "template"]).any()


def test_persona_free_prompts_have_no_phrases(tmp_path):
    assert list(docs(save(tmp_path, NEUTRAL_ENTRY, NURSE_ENTRY), "persona-free")[0]) == list(doc_fields("politeness"))


def test_each_phrase_decides_the_design_and_other_names_do_not(tmp_path):
    def design_id(*entries):
        return docs(save(tmp_path, *entries))[0]["design_id"]

    first = design_id(NEUTRAL_ENTRY, NURSE_ENTRY)
    assert design_id(NEUTRAL_ENTRY, NURSE_ENTRY.replace("group: work", "group: work, plural: nurses")) == first
    assert design_id(NEUTRAL_ENTRY, NURSE_ENTRY.replace("a nurse}", "the nurse}", 1)) != first


def test_a_block_of_a_contrast_task_has_phrases_of_personas_and_neutral_ones():
    built = docs(SHIPPED, "contrast", design="anchored", rows_per_class=20).to_pandas()
    neutral = {p.text for persona in load_design(SHIPPED).personas if persona.neutral for p in persona.phrases}
    assert (built["phrase"].isin(neutral) == (built["setting"] == "neutral")).all()
    assert (built.groupby("block")["setting"].nunique() == 2).all()
    assert not built.duplicated(["block", "phrase"]).any()
