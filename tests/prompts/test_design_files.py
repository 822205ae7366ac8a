import re
from importlib.resources import files
from pathlib import Path

import pytest

from refusal_metrics.errors import InputError
from refusal_metrics.prompts.design import KINDS
from refusal_metrics.prompts.design_files import load_design

PACKAGED = load_design()
TEMPLATES = (Path(str(files("refusal_metrics.tasks"))) / "design" / "templates.yaml").read_text(encoding="utf-8")
ELDER = "{id: elder, group: age, noun_phrase: elder, article: an}"
NOBODY = "{id: nobody, group: neutral, noun_phrase: nobody in particular, article: just}"


def ids(chosen):
    return [one.id for one in chosen]


def save(folder, content):
    path = folder / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_persona_file_without_neutral_ones_gets_the_packaged_ones(tmp_path):
    design = load_design(save(tmp_path, f"personas: [{ELDER}]"))
    assert ids(design.personas_for("persona")) == ["elder"]
    assert design.personas_for("neutral") == PACKAGED.personas_for("neutral")
    assert design.templates == PACKAGED.templates


def test_a_persona_file_with_neutral_ones_keeps_its_own(tmp_path):
    design = load_design(save(tmp_path, f"personas: [{NOBODY}, {ELDER}]"))
    assert [str(p) for p in design.personas_for("neutral")] == ["just nobody in particular"]


def test_what_else_a_persona_is_called_is_for_the_detector_and_decides_no_prompt(tmp_path):
    named = ELDER.replace("}", ", plural: the elderly, adjective: elderly}")
    ((one,), (other,)) = (
        load_design(save(tmp_path, f"personas: [{persona}]")).personas_for("persona") for persona in (ELDER, named)
    )
    assert other.words == ("elder", "the elderly", "elderly")
    assert one.asked == other.asked


def assert_refused(path, message, **which):
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}") as error:
        load_design(**which)
    assert "\n" not in str(error.value)


PERSONA_KEYS = r"must have the keys id, group, noun_phrase, article, and may have plural and adjective, found"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "the top-level key 'personas' is missing", id="empty"),
        pytest.param("people: []", "the top-level key 'personas' is missing", id="misnamed"),
        pytest.param("personas: [", r"is not valid YAML \(.*line 1", id="not YAML"),
        pytest.param("personas: elder", "personas must be a list of .*article}.*found 'elder'", id="no list"),
        pytest.param("personas: []", r"personas must be a list of {id, group, noun_phrase, article}", id="empty list"),
        pytest.param("personas: [7]", rf"personas\[0\] {PERSONA_KEYS} 7$", id="no mapping"),
        pytest.param(
            "personas: [{id: elder, group: age, article: an}]",
            rf"personas\[0\] {PERSONA_KEYS} id, group, article$",
            id="missing key",
        ),
        pytest.param(
            f"personas: [{NOBODY}, {ELDER[:-1]}, age: 80}}]",
            rf"personas\[1\] {PERSONA_KEYS} id, group, noun_phrase, article, age$",
            id="unknown key",
        ),
        pytest.param(
            "personas: [{id: elder, group: age, noun_phrase: elder, article: ' '}]",
            r"personas\[0\]\.article must be a text, found ' '",
            id="blank",
        ),
        pytest.param(
            f"personas: [{ELDER.replace('age', '65')}]", r"personas\[0\]\.group must be a text, found 65", id="number"
        ),
        pytest.param(
            f"personas: [{ELDER}, {ELDER}]",
            r"the id 'elder' is spelt like the id elder; ids must differ",
            id="the same id twice",
        ),
    ],
)
def test_a_wrong_persona_file_is_refused_with_file_and_key(tmp_path, content, message):
    path = save(tmp_path, content)
    assert_refused(path, message, personas=path)


RESPONSE_TYPE_KEYS = "response_types must have the keys unforced, semi-forced, forced, found"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("templates:", "forms:", "the top-level key 'templates' is missing", id="misnamed"),
        pytest.param("inputs:", "in: [", r"is not valid YAML \(.*line", id="not YAML"),
        pytest.param("  unforced:", "  free:", f"{RESPONSE_TYPE_KEYS} free, semi-forced, forced$", id="unknown type"),
        pytest.param("  forced: [p7, p8, p9]\n", "", f"{RESPONSE_TYPE_KEYS} unforced, semi-forced$", id="missing type"),
        pytest.param(
            "[p7, p8, p9]", "p7", "response_types.forced must be a list of template ids, found 'p7'", id="type no list"
        ),
        pytest.param("[p7, p8, p9]", "[[p7], p8, p9]", r"response_types.forced .*found \[", id="list in a list"),
        pytest.param(
            "[p7, p8, p9]",
            "[p7, p8]",
            "templates.nli.persona.p9 has no response type; list it under response_types",
            id="no type",
        ),
        pytest.param("[p7, p8, p9]", "[p7, p8, p9, p1]", r"response_types.forced .*p1", id="two types"),
        pytest.param("p1", "1", r"response_types.unforced .*\b1\b", id="id no text"),
        pytest.param(
            "  nli:\n    persona:",
            "  nli:\n    people:",
            "templates.nli must have the keys persona, persona-free, found people, persona-free$",
            id="unknown setting",
        ),
        pytest.param(
            "  offensiveness: *two_labels",
            "",
            "templates must have the keys nli, politeness, offensiveness, found nli, politeness$",
            id="missing kind",
        ),
        pytest.param(
            "  offensiveness: *two_labels",
            "  offensiveness: 7",
            "templates.offensiveness must have the keys persona, persona-free, found 7$",
            id="kind no mapping",
        ),
        pytest.param(
            'politeness: "Text: {text}"',
            'politeness: ["Text: {text}"]',
            r"inputs.politeness must be a text with exactly the fields {text}, found \[",
            id="input no text",
        ),
        pytest.param(
            "  nli: ",
            "  xnli: ",
            "inputs must have the keys nli, politeness, offensiveness, found xnli,",
            id="unknown kind",
        ),
        pytest.param(
            r"\nHypothesis: {hypothesis}",
            "",
            "inputs.nli must be a text with exactly the fields {hypothesis}, {premise}, found 'Premise: {premise}'$",
            id="no hypothesis",
        ),
        pytest.param(
            "Would {persona} classify the following text",
            "Would they classify the following text",
            "templates.politeness.persona.p3 must be a text with exactly the fields {l1}, {l2}, {persona}, "
            "found 'Would they",
            id="no persona",
        ),
        pytest.param(
            "Label this text",
            "As {persona}, label this text",
            "templates.politeness.persona-free.p2 must be a text with exactly the fields {l1}, {l2}, found 'As {p",
            id="a persona in a persona-free form",
        ),
        pytest.param(
            '"Label this text as {l1} or {l2}."',
            "7",
            "templates.politeness.persona-free.p2 must be a text with exactly the fields {l1}, {l2}, found 7$",
            id="no text",
        ),
        pytest.param(
            "Label this text",
            "Label this } text",
            "templates.politeness.persona-free.p2 has an unpaired brace; write a plain one as {{ or }}$",
            id="unpaired brace",
        ),
        # str.format would fail on it at the first prompt.
        pytest.param(
            "Label this text as {l1}", "Label this text as {l1:d}", "templates.politeness.persona-free.p2 ", id="format"
        ),
    ],
)
def test_a_wrong_template_file_is_refused_with_file_and_key(tmp_path, old, new, message):
    assert old in TEMPLATES
    path = save(tmp_path, TEMPLATES.replace(old, new))
    assert_refused(path, message, templates=path)


@pytest.mark.parametrize("found", ["{}", "7"])
def test_kinds_without_templates_are_refused_with_file_and_key(tmp_path, found):
    head = TEMPLATES.partition("templates:\n")[0]
    forms = ", ".join(f"{kind}: {{persona: {found}, persona-free: {found}}}" for kind in KINDS)
    path = save(tmp_path, f"{head}templates: {{{forms}}}")
    assert_refused(path, f"templates.nli.persona must map template ids to instructions, found {found}", templates=path)


@pytest.mark.parametrize("which", ["personas", "templates"])
def test_a_missing_file_is_refused_with_its_path(tmp_path, which):
    path = tmp_path / "nowhere.yaml"
    assert_refused(path, r"cannot be read \(No such file or directory\); give the path of a YAML file", **{which: path})


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("personas: [déjà]".encode("latin-1"))
    assert_refused(path, r"cannot be read \(not UTF-8 at byte 12\)", personas=path)


def test_a_response_type_without_templates_is_refused_by_name(tmp_path):
    packaged = (files("refusal_metrics.tasks") / "design" / "templates.yaml").read_text(encoding="utf-8")
    mine = re.sub(r"(?m)^      p[789]: .*\n", "", packaged).replace("forced: [p7, p8, p9]", "forced: []")
    (tmp_path / "t.yaml").write_text(mine, encoding="utf-8")
    with pytest.raises(InputError, match="templates forced: no nli template is of that response type"):
        load_design(templates=tmp_path / "t.yaml").templates_for("nli", "persona", ["forced"])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["old_man", "old-man"], "the id 'old-man' is spelt like the id old_man"),
        (["age"], "the id 'age' is spelt like the group age"),
        (["person"], "the id 'person' is spelt like the id person"),
    ],
)
def test_ids_that_one_spelling_would_fold_together_are_refused(tmp_path, ids, message):
    entries = "".join(f"  - {{id: {i}, group: age, noun_phrase: elder, article: an}}\n" for i in ids)
    (tmp_path / "p.yaml").write_text(f"personas:\n{entries}", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_design(personas=tmp_path / "p.yaml")
