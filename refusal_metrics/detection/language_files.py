"""Checks of a language's file, so that a mistake in it is one sentence that names the entry."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from refusal_metrics.detection.characters import RUNNING_SCRIPTS, is_running
from refusal_metrics.detection.verdict import CAUSES
from refusal_metrics.errors import InputError, quoted, unknown_name

GRAMMAR: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("sentence_end", "continues", "boundary", "but", "glue", "or_not", "open", "negation", "cannot", "hedged"),
            *("denying_prefix", "letter_before", "letter_named", "of_text", "interjection", "unfinished"),
            *("role", "repeated", "called", "takes_side", "argues", "conceding", "asks", "affirms", "denies"),
            *("turn", "complies", "proceeds", "instead", "concedes", "offers"),
        ),
        (),
    ),
    "joint": ("turn",),
    "item": ("number",),
    "denied_label": ("1",),
}
"""The regular expressions of `grammar`, all of them required, and the groups that each must have."""

PERSONAS: Mapping[str, type] = {
    "any_persona": str,
    "articles": list,
    "nouns": list,
    "indefinite": list,
    "plurals": dict,
    "plural_endings": dict,
    "adjective_plural": str,
    "links": list,
    "behind": str,
}
"""The keys of `personas`, all of them required, and what each is."""

_OBJECTS: Mapping[str, type] = {"answer_fields": list, "true": str, "false": str, "denied": str}
_REQUIRED: Mapping[str, type] = {
    "language": str,
    "scripts": list,
    "words": dict,
    "grammar": dict,
    "personas": dict,
    "objects": dict,
    "refusals": list,
    "answers": list,
    "labels": dict,
}
_OPTIONAL: Mapping[str, type] = dict.fromkeys(
    ("contractions", "rewrites", "thoughts", "asides", "reported", "causes"), list
)
_PATTERN = {"name": str, "pattern": str, "matches": str, "spares": str}
FLAGS = ("open_only", "closed_only", "whole", "disclaimer", "denies", "yields", "early")
"""What may be said of a pattern, true or false; see `refusal_metrics.detection.patterns.Pattern`."""
_REWRITE = {"from": str, "to": str}
_THOUGHT = {"name": str, "needs": list, "opening": str, "closing": str, "example": str}
_NAMES = {str: "text", list: "a list", dict: "a mapping", bool: "true or false"}
LABEL = "\x01(\\d\\d)"
"""The regular expression of a label's place in a sentence: a mark and the label's number."""
_BRACES = re.compile(r"\{([a-z_]+)\}")


def read_language(text: str, file: str) -> Mapping[str, Any]:
    """Read a language's file and check it.

    Parameters
    ----------
    text : str
        The file's content, in YAML.
    file : str
        Its name, such as ``en.yaml``.

    Returns
    -------
    mapping

    Raises
    ------
    InputError
        For the first mistake: what is not YAML, a key that is missing or unknown, a value of another type, an invalid
        regular expression, a name in braces that is not under `words`, an example that its own pattern does not
        judge as the file says.

    Examples
    --------
    >>> read_language("words: {}", "fr.yaml")
    Traceback (most recent call last):
    ...
    refusal_metrics.errors.InputError: fr.yaml: the key 'language' is missing
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    return check_language(found, file)


def check_language(found: object, file: str) -> Mapping[str, Any]:
    """Return the content of a language's file if it has no mistake.

    Parameters
    ----------
    found : object
        The content.
    file : str
        The file's name.

    Returns
    -------
    mapping

    Raises
    ------
    InputError
        As in `read_language`.
    """
    content = _check_keys(found, file, _REQUIRED, _OPTIONAL)
    if f"{content['language']}.yaml" != file:
        raise InputError(f"{file}: its language is {quoted(content['language'])}, which must be the file's name")
    words = _check_grammar(content, file)
    _check_personas(content["personas"], file)
    _check_keys(content["objects"], f"{file}: objects", _OBJECTS)
    _check_texts(content["objects"]["answer_fields"], f"{file}: objects, answer_fields")
    for section in ("contractions", "rewrites"):
        for number, entry in enumerate(content.get(section, ()), 1):
            _check_rewrite(entry, f"{file}: {section}, entry {number}", words)
    for section in ("refusals", "causes", "answers", "reported", "asides"):
        _check_patterns(content, file, section, words)
    for number, entry in enumerate(content.get("thoughts", ()), 1):
        _check_thought(entry, f"{file}: thoughts, entry {number}")
    for label, forms in content["labels"].items():
        _check_forms(label, forms, f"{file}: labels")
    return content


def _check_grammar(content: Mapping[str, Any], file: str) -> dict[str, str]:
    """Check the scripts, the words and the grammar of a language, and return the words."""
    _check_texts(content["scripts"], f"{file}: scripts")
    for name, regex in content["words"].items():
        if name == "label" or not _BRACES.fullmatch(f"{{{name}}}"):
            raise InputError(f"{file}: words: {quoted(name)} is not a name in lower-case letters other than 'label'")
        _compile(regex, f"{file}: words, {name}")
    words = {name: unfold(regex) for name, regex in content["words"].items()}
    grammar = _check_keys(content["grammar"], f"{file}: grammar", dict.fromkeys(GRAMMAR, str))
    for name, groups in GRAMMAR.items():
        place = f"{file}: grammar, {name}"
        _check_groups(_compile(unfold(grammar[name]), place, words), groups, place)
    return words


def unfold(regex: str) -> str:
    """Join the alternatives of a regular expression that is written over several lines."""
    return re.sub(r"\|\s+", "|", regex)


def fill(regex: str, words: Mapping[str, str]) -> str:
    """Replace each name in braces by the alternatives that it stands for, or by the place of a label."""
    return _BRACES.sub(lambda found: f"(?:{LABEL if found[1] == 'label' else words[found[1]]})", regex)


def _check_keys(
    found: object, place: str, required: Mapping[str, type], optional: Mapping[str, type] | None = None
) -> Mapping[str, Any]:
    """Return a mapping if it has all required keys, no unknown ones, and values of the right types."""
    if not isinstance(found, dict):
        raise InputError(f"{place}: a mapping with the keys {', '.join(required)} is expected, not {quoted(found)}")
    known = {**required, **(optional or {})}
    for key, value in found.items():
        if key not in known:
            raise _unknown(place, "key", key, known)
        _check_type(value, f"{place}, {key}" if ": " in place else f"{place}: {key}", known[key])
    for key in required:
        if key not in found:
            raise InputError(f"{place}: the key {key!r} is missing")
    return found


def _unknown(place: str, what: str, given: object, known: Iterable[str]) -> InputError:
    return InputError(f"{place}: {unknown_name(what, given, known)}")


def _check_type(value: object, place: str, kind: type) -> None:
    """Check a value's type; YAML reads yes, no, on, off and numbers without quotes as other than text."""
    if not isinstance(value, kind):
        hint = ": put it in quotes" if kind is str and isinstance(value, bool | int | float) else ""
        raise InputError(f"{place}: {quoted(value)} is not {_NAMES[kind]}{hint}")


def _check_texts(values: Iterable[object], place: str) -> None:
    """Check that all values are text, and that none is empty."""
    for value in values:
        _check_type(value, place, str)
        if not value:
            raise InputError(f"{place}: one entry is empty")


def _compile(regex: object, place: str, words: Mapping[str, str] | None = None) -> re.Pattern[str]:
    """Compile a regular expression, in which names in braces stand for alternatives if words are given."""
    _check_type(regex, place, str)
    written = str(regex)
    for name in _BRACES.findall(written):
        if words is None:
            raise InputError(
                f"{place}: names in braces ({{{name}}}) are not replaced here: write out what it stands for"
            )
        if name not in words and name != "label":
            raise _unknown(place, "name in braces", name, [*words, "label"])
    try:
        return re.compile(fill(written, words or {}))
    except re.error as error:
        raise InputError(f"{place}: {quoted(regex)} is not a regular expression: {error}") from None


def _check_groups(regex: re.Pattern[str], groups: Sequence[str], place: str) -> None:
    for group in groups:
        if (int(group) > regex.groups) if group.isdigit() else (group not in regex.groupindex):
            written = "(...)" if group.isdigit() else f"(?P<{group}>...)"
            raise InputError(f"{place}: the expression needs a group {written}")


def _check_personas(names: Mapping[str, Any], file: str) -> None:
    place = f"{file}: personas"
    _check_keys(names, place, PERSONAS)
    for key in ("articles", "nouns", "indefinite", "links"):
        _check_texts(names[key], f"{place}, {key}")
    for key in ("plurals", "plural_endings"):
        for pair in names[key].items():
            for part in pair:
                _check_type(part, f"{place}, {key}", str)
    _compile(names["behind"], f"{place}, behind")


def _check_rewrite(entry: object, place: str, words: Mapping[str, str]) -> None:
    rewrite = _check_keys(entry, place, _REWRITE, {"needs": list})
    _check_texts(rewrite.get("needs", ()), f"{place}, needs")
    regex = _compile(rewrite["from"], place, words)
    try:
        # Something empty is found in everything, so that what is put in its place is read.
        re.sub(f"(?:{regex.pattern})|", rewrite["to"], "")
    except (re.error, IndexError) as error:
        raise InputError(f"{place}: {quoted(rewrite['to'])} cannot replace what is found: {error}") from None


def _check_patterns(content: Mapping[str, Any], file: str, section: str, words: Mapping[str, str]) -> None:
    """Check the patterns of a section: their keys, regular expressions and examples."""
    names: set[str] = set()
    required: dict[str, type] = {**_PATTERN, **({"cause": str} if section in ("refusals", "causes") else {})}
    is_word = False
    if section == "refusals":
        required["needs"] = list
        is_word = RUNNING_SCRIPTS.isdisjoint(content["scripts"])
    for number, entry in enumerate(content.get(section, ()), 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        place = f"{file}: {section}, {name or f'entry {number}'}"
        _check_keys(entry, place, required, {"needs": list, **dict.fromkeys(FLAGS, bool)})
        if entry["name"] in names:
            raise InputError(f"{place}: another entry of {section} has this name")
        names.add(entry["name"])
        if "cause" in entry and entry["cause"] not in CAUSES:
            raise _unknown(place, "cause", entry["cause"], CAUSES)
        if section in ("answers", "asides") and "{label}" not in entry["pattern"]:
            raise InputError(f"{place}: the pattern needs {{label}}, the place of a label")
        _check_examples(entry, place, _compile(entry["pattern"], place, words), is_word=is_word)


def _check_examples(entry: Mapping[str, Any], place: str, regex: re.Pattern[str], *, is_word: bool) -> None:
    """Check that a pattern finds its example with one of its needs, and spares its counterexample."""
    for key, finds in (("matches", True), ("spares", False)):
        if entry[key] != entry[key].lower():
            raise InputError(f"{place}: {key} must be in lower case, as sentences are when they are searched")
        if (regex.search(entry[key]) is not None) is not finds:
            verb = "does not find its example under" if finds else "finds its counterexample under"
            raise InputError(f"{place}: the pattern {verb} {key}: {quoted(entry[key])}")
    needs = entry.get("needs", [])
    _check_texts(needs, f"{place}, needs")
    if "needs" in entry and not needs:
        raise InputError(f"{place}: needs is empty, so the pattern would not be tried")
    if needs and not any(_occurs(need, entry["matches"], is_word=is_word) for need in needs):
        raise InputError(
            f"{place}: none of needs ({', '.join(needs[:5])}) occurs in the example {quoted(entry['matches'])}, "
            "so the pattern would not be tried"
        )


def _occurs(need: str, text: str, *, is_word: bool) -> bool:
    """Return whether what a pattern needs is in a text, as a whole word unless it ends with * or words run together."""
    if not is_word or need.endswith("*") or is_running(need):
        return need.rstrip("*") in text
    return re.search(rf"(?<![^\W\d_]){re.escape(need)}(?![^\W\d_])", text) is not None


def _check_thought(entry: object, place: str) -> None:
    mark = _check_keys(entry, place, _THOUGHT)
    _check_texts(mark["needs"], f"{place}, needs")
    opening, closing = (_compile(mark[key], f"{place}, {key}") for key in ("opening", "closing"))
    example = mark["example"]
    if not any(need in example for need in mark["needs"]):
        raise InputError(f"{place}: none of needs occurs in the example {quoted(example)}")
    for key, found in (
        ("opening", re.match(opening.pattern, example, re.IGNORECASE)),
        ("closing", re.search(closing.pattern, example, re.IGNORECASE)),
    ):
        if found is None:
            raise InputError(f"{place}: {key} does not find its part of the example {quoted(example)}")


def _check_forms(label: object, forms: object, place: str) -> None:
    _check_type(label, place, str)
    place = f"{place}, {label}"
    found = _check_keys(forms, place, {"stems": list, "forms": list})
    _check_texts(found["stems"], f"{place}, stems")
    if not found["stems"]:
        raise InputError(f"{place}: stems is empty, so no form would be looked for")
    for form in found["forms"]:
        if _compile(form, place).groups:
            raise InputError(f"{place}: {quoted(form)} has a group: write (?:...)")
