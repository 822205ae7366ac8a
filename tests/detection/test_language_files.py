"""A mistake in a language's file is one sentence: file, entry, what is wrong."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from refusal_metrics.detection.language_files import GRAMMAR, check_language, read_language
from refusal_metrics.detection.patterns import parse_patterns
from refusal_metrics.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TEXT = (Path(__file__).parent / "languages" / "fr.yaml").read_text(encoding="utf-8")
CONTENT = yaml.safe_load(TEXT)


def changed(*path, to):
    """Return the French file with another value at a path; none, if it is to be left out."""
    place = content = deepcopy(CONTENT)
    for key in path[:-1]:
        place = place[key]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return content


def test_a_file_without_a_mistake_is_read_as_it_is():
    assert read_language(TEXT, "fr.yaml") == CONTENT
    assert len(parse_patterns(CONTENT).refusals) == len(CONTENT["refusals"])


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        # What the file is.
        (("language",), "de", r"its language is 'de', which must be the file's name"),
        (("refusals",), None, r"the key 'refusals' is missing"),
        (("refusal",), [], r"unknown key 'refusal': allowed are .*; did you mean 'refusals'\?"),
        (("words",), ["je"], r"words: \['je'\] is not a mapping"),
        (("scripts",), [True], r"scripts: True is not text: put it in quotes"),
        # Words and grammar.
        (("words", "je"), "je|(nous", r"words, je: 'je\|\(nous' is not a regular expression: .*position 3"),
        (("words", "Je"), "je", r"words: 'Je' is not a name in lower-case letters other than 'label'"),
        (("words", "je"), "{juger}", r"words, je: names in braces \(\{juger\}\) are not replaced here"),
        (("grammar", "turn"), None, r"grammar: the key 'turn' is missing"),
        (("grammar", "turns"), "x", r"grammar: unknown key 'turns': .*did you mean 'turn'\?"),
        (("grammar", "turn"), "[", r"grammar, turn: '\[' is not a regular expression: .*position 0"),
        (("grammar", "turn"), "{ju}", r"grammar, turn: unknown name in braces 'ju': allowed are je, juger, label"),
        (("grammar", "joint"), ",", r"grammar, joint: the expression needs a group \(\?P<turn>\.\.\.\)"),
        (("grammar", "denied_label"), "pas", r"grammar, denied_label: the expression needs a group \(\.\.\.\)"),
        (("grammar", "open"), 3, r"grammar, open: 3 is not text: put it in quotes"),
        # Personas and objects.
        (("personas", "nouns"), "femme", r"personas, nouns: 'femme' is not a list"),
        (("personas", "links"), [True], r"personas, links: True is not text: put it in quotes"),
        (("personas", "articles"), ["un", ""], r"personas, articles: one entry is empty"),
        (("personas", "plurals"), {"oeil": 2}, r"personas, plurals: 2 is not text: put it in quotes"),
        (("personas", "behind"), "(", r"personas, behind: '\(' is not a regular expression"),
        (("objects", "denied"), None, r"objects: the key 'denied' is missing"),
        (("objects", "answer_fields"), [False], r"objects, answer_fields: False is not text"),
        # Rewrites.
        (("contractions", 0, "to"), r"\2e", r"contractions, entry 1: '.*' cannot replace what is found: invalid group"),
        (("rewrites", 0, "from"), "*", r"rewrites, entry 1: '\*' is not a regular expression: nothing to repeat"),
        (("rewrites", 0), "x", r"rewrites, entry 1: a mapping with the keys from, to is expected, not 'x'"),
        # Patterns.
        (("refusals", 0), ["x"], r"refusals, entry 1: a mapping with the keys .* is expected, not \['x'\]"),
        (("refusals", 0, "need"), ["x"], r"refusals, ne_peux_pas: unknown key 'need': .*did you mean 'needs'\?"),
        (("refusals", 0, "whole"), "yes", r"refusals, ne_peux_pas, whole: 'yes' is not true or false"),
        (("refusals", 0, "name"), "desole", r"refusals, desole: another entry of refusals has this name"),
        (("refusals", 0, "cause"), "tasks", r"refusals, ne_peux_pas: unknown cause 'tasks': .*did you mean 'task'\?"),
        (("refusals", 0, "cause"), None, r"refusals, ne_peux_pas: the key 'cause' is missing"),
        (("refusals", 0, "needs"), None, r"refusals, ne_peux_pas: the key 'needs' is missing"),
        (("refusals", 0, "needs"), [], r"refusals, ne_peux_pas: needs is empty, so the pattern would not be tried"),
        # "peu" is no word of the example, but the beginning of one.
        (
            ("refusals", 0, "needs"),
            ["peu"],
            r"refusals, ne_peux_pas: none of needs \(peu\) occurs in the example .* tried",
        ),
        (("refusals", 0, "pattern"), "{ju}", r"refusals, ne_peux_pas: unknown name in braces 'ju'"),
        (
            ("refusals", 0, "pattern"),
            "x{2",
            r"refusals, ne_peux_pas: the pattern does not find its example under match",
        ),
        (("refusals", 0, "pattern"), "je", r"refusals, ne_peux_pas: the pattern finds its counterexample under spares"),
        (("refusals", 0, "matches"), "Je ne", r"refusals, ne_peux_pas: matches must be in lower case"),
        (("answers", 0, "pattern"), "est", r"answers, alone: the pattern needs \{label\}, the place of a label"),
        (("causes", 0, "cause"), "ia", r"causes, ia: unknown cause 'ia'"),
        # Thoughts and labels.
        (("thoughts", 0, "needs"), ["Idée"], r"thoughts, entry 1: none of needs occurs in the example"),
        (("thoughts", 0, "closing"), "terminé", r"thoughts, entry 1: closing does not find its part of the example"),
        (("labels",), {True: {"stems": ["o"], "forms": []}}, r"labels: True is not text: put it in quotes"),
        (("labels", "offensant"), {"stems": []}, r"labels, offensant: the key 'forms' is missing"),
        (("labels", "offensant", "stems"), [], r"labels, offensant: stems is empty"),
        (("labels", "offensant", "forms"), ["(o)"], r"labels, offensant: '\(o\)' has a group: write \(\?:\.\.\.\)"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_entry_and_what_is_wrong(path, to, message):
    with pytest.raises(InputError, match=rf"^fr\.yaml: {message}") as error:
        check_language(changed(*path, to=to), "fr.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"^fr\.yaml is not YAML: while parsing .* line 1, column 5"),
        ("- a", r"^fr\.yaml: a mapping with the keys language, scripts, .* is expected, not \['a'\]"),
        ("", r"^fr\.yaml: a mapping with the keys .* is expected, not None"),
    ],
)
def test_what_is_no_mapping_is_one_sentence(text, message):
    with pytest.raises(InputError, match=message) as error:
        read_language(text, "fr.yaml")
    assert "\n" not in str(error.value)


def test_the_grammar_that_is_required_is_the_grammar_that_is_used():
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "refusal_metrics" / "detection").glob("*.py"))
    used = set(re.findall(r"""grammar\[["'](\w+)["']\]""", source))
    assert used == set(GRAMMAR)
