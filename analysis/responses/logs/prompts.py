"""Whether the prompt that was asked is the one of its doc.

A log joins docs and prompts by position, and the harness's request cache (``--cache_requests``) can serve the prompts
of other docs. Lines are compared by their frame: the prompt with the doc's own text taken out, of which a study has
few. A prompt whose frame holds what the doc's persona and template render to is the doc's.
"""

import html
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from refusal_metrics.prompts import KINDS, LANGUAGE, N_OPTIONS, TEXT_FIELDS, Design, load_design

MARK = "\1"
"""What stands for the doc's text in a frame."""

ASKED, OTHER_TEXT, OTHER_DOC, UNVERIFIED = "asked", "other text", "other doc", "unverified"
"""What a prompt is: its doc's; one without its doc's text; one of another persona or template; not known here."""

WRONG = frozenset({OTHER_TEXT, OTHER_DOC})

_LETTER = "\N{CYRILLIC LETTER MULTIOCULAR O}"
"""Stands for `MARK` where only letters are compared."""
_ESCAPES = re.compile(r"&#?\w{2,8};|\\[nrtu\"'\\/]|%[0-9A-Fa-f]{2}")
_BACKSLASHED = re.compile(r"\\(u[0-9a-fA-F]{4}|[nrt\"'\\/])")
_LEAST_CUT = 20
"""How many characters of a prompt's rest show that its beginning was cut off."""
_FEW = 0.5


@dataclass(frozen=True)
class Frame:
    """What lines share that were asked alike.

    Attributes
    ----------
    kind, setting : str
    persona, template, language, options, system : str or None
        As in the doc; the options are its labels, as JSON.
    prompt : str or None
        With `MARK` for the doc's text, or, where that was not found in it, as it is.
    text : str or None
        The doc's text as the prompt should hold it, where it was not found.
    texts : frozenset of str
        The first and the last of the ids of the texts.
    n : int
        How many lines have it.
    own_design : bool
        Whether the run was given a file of personas or templates.
    """

    kind: str
    setting: str
    persona: str | None
    template: str | None
    language: str | None
    options: str | None
    system: str | None
    prompt: str | None
    text: str | None
    texts: frozenset[str] = frozenset()
    n: int = 1
    own_design: bool = False


def text_as_sql() -> str:
    """Write as SQL the doc's text as a prompt holds it, from the struct ``doc``."""
    design = _design()
    cases = []
    for kind in KINDS:
        input_of_kind = design.templates[kind, "persona"][0].input
        parts = re.split(r"\{(\w+)\}", input_of_kind)
        sql = " || ".join(
            f"doc.{part}" if place % 2 else "'" + part.replace("'", "''") + "'"
            for place, part in enumerate(parts)
            if part
        )
        held = " AND ".join(f"doc.{name} IS NOT NULL" for name in TEXT_FIELDS[kind])
        cases.append(f"WHEN doc.kind = '{kind}' AND {held} THEN {sql}")
    return f"CASE {' '.join(cases)} ELSE coalesce(doc.text, doc.premise) END"


def check_frames(frames: Iterable[Frame]) -> list[str]:
    """Compare prompts with their docs.

    Parameters
    ----------
    frames : iterable of Frame
        Of one model.

    Returns
    -------
    list of str
        `ASKED`, `OTHER_TEXT`, `OTHER_DOC` or `UNVERIFIED`, for each frame.
    """
    listed = list(frames)
    checked = [_check(frame) for frame in listed]
    found = [what for what, _ in checked]
    for place, end in enumerate(_ends_of_others(listed, checked)):
        found[place] = OTHER_TEXT if end else found[place]
    return found


def _ends_of_others(frames: Sequence[Frame], checked: Sequence[tuple[str, str | None]]) -> list[bool]:
    """Find prompts with more text than their docs have: of other docs, whose texts begin like theirs.

    What a chat template puts behind a text is the same for all texts.
    """
    counts: Counter[str] = Counter()
    texts: dict[str, set[str]] = {}
    for frame, (what, end) in zip(frames, checked, strict=True):
        if what == ASKED and end is not None:
            counts[end] += frame.n
            texts.setdefault(end, set()).update(frame.texts)
    usual, n_usual = counts.most_common(1)[0] if counts else ("", 0)
    n_wrong = sum(frame.n for frame, (what, _) in zip(frames, checked, strict=True) if what in WRONG)
    is_of_one = len(texts.get(usual, ())) == 1 and (n_usual <= _FEW * counts.total() or n_wrong > n_usual)
    if is_of_one:
        # None is usual: what all have in common is the template's.
        usual = os.path.commonprefix([end[::-1] for end in counts])[::-1] if len(counts) > 1 else ""  # noqa: RUF071 (of texts)
    return [
        what == ASKED and end is not None and end != usual and end.endswith(usual) and len(texts[end]) == 1
        for what, end in checked
    ]


def _check(frame: Frame) -> tuple[str, str | None]:
    """Compare one; and what follows the doc's text in its prompt."""
    if frame.prompt is None or (MARK not in frame.prompt if frame.text is None else not frame.text.strip()):
        return UNVERIFIED, None
    asked = _contents(frame.prompt)
    text = MARK if frame.text is None else frame.text
    options = _options(frame.options)
    core = None if frame.own_design else _core(frame, options)
    after: str | None = None
    if core is not None and (expected := core.replace(MARK, text)) in asked:
        before, _, after = asked.partition(expected)
        is_asked = _has_system(frame, asked) and not _others(frame.kind, options, f"{before}\n{after}")
        found = ASKED if is_asked else OTHER_DOC
    elif core is not None and any(way(expected) in way(asked) for way in (_folded, _bare, _unescaped)):
        found = ASKED if _has_system(frame, asked) else OTHER_DOC
    elif not all(_holds(asked, part) for part in _parts(frame.kind, text)):
        found = _without_text(asked, text, core)
    else:
        found = OTHER_DOC if core is not None and _others(frame.kind, options, asked) else UNVERIFIED
    return found, after


def _parts(kind: str, text: str) -> list[str]:
    """Split a doc's text, as a prompt holds it, into its fields."""
    pattern = _inputs().get(kind)
    match = pattern.fullmatch(text) if pattern else None
    return [part for part in match.groups() if part.strip()] if match else [text]


@cache
def _inputs() -> Mapping[str, re.Pattern[str]]:
    """Match the text of each kind as a prompt holds it."""
    inputs = {kind: _design().templates[kind, "persona"][0].input for kind in KINDS}
    literal = {kind: re.split(r"\{\w+\}", text) for kind, text in inputs.items()}
    return {kind: re.compile("(.*)".join(map(re.escape, parts)), re.DOTALL) for kind, parts in literal.items()}


def _holds(asked: str, text: str) -> bool:
    return any(way(text) and way(text) in way(asked) for way in (str, _folded, _bare, _unescaped))


def _without_text(asked: str, text: str, core: str | None) -> str:
    """Classify a prompt that lacks its doc's text."""
    start = _folded(asked)[: 2 * _LEAST_CUT]
    expected = _folded(text if core is None else core.replace(MARK, text))
    place = expected.find(start) if len(start) >= _LEAST_CUT else -1
    is_cut_off = place > 0 and _folded(asked).startswith(expected[place:])
    words = Counter(re.findall(r"\w+", _folded(text)))
    common = (words & Counter(re.findall(r"\w+", _folded(asked)))).total()
    is_escaped = bool(_ESCAPES.search(asked)) and words.total() > 0 and common >= 0.9 * words.total()
    return UNVERIFIED if is_cut_off or is_escaped else OTHER_TEXT


def _has_system(frame: Frame, asked: str) -> bool:
    """Look whether the persona is in the system message, where the study puts it there."""
    return not frame.system or _folded(frame.system) in _folded(asked)


def _core(frame: Frame, options: tuple[str, ...] | None) -> str | None:
    """Render a doc's prompt with a mark for its text; None where that cannot be done here."""
    if options is None or (frame.language or LANGUAGE) != LANGUAGE:
        return None
    placed = "persona-free" if frame.system is not None else frame.setting
    persona = None if placed == "persona-free" else frame.persona
    return _rendered(frame.kind, options).get((persona, frame.template))


def _others(kind: str, options: tuple[str, ...] | None, asked: str) -> bool:
    """Look whether a prompt holds an instruction that is known here."""
    if options is None:
        return False
    instructions = _instructions(kind, options)
    folded = _folded(asked)
    return any(instruction in folded for instruction in instructions)


@lru_cache(maxsize=64)
def _rendered(kind: str, options: tuple[str, ...]) -> Mapping[tuple[str | None, str | None], str]:
    """Render each persona and template of a kind: instruction, blank line, mark."""
    if kind not in KINDS or len(options) != N_OPTIONS[kind]:
        return {}
    design = _design()
    rendered: dict[tuple[str | None, str | None], str] = {}
    for template in design.templates[kind, "persona-free"]:
        rendered[None, template.id] = replace(template, input=MARK).render(None, list(options), {})
    for template in design.templates[kind, "persona"]:
        for persona in design.personas:
            rendered[persona.id, template.id] = replace(template, input=MARK).render(persona, list(options), {})
    return rendered


@lru_cache(maxsize=64)
def _instructions(kind: str, options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple({_folded(core.removesuffix(MARK)): None for core in _rendered(kind, options).values()})


@cache
def _design() -> Design:
    return load_design()


@lru_cache(maxsize=256)
def _options(text: str | None) -> tuple[str, ...] | None:
    try:
        given = json.loads(text or "null")
    except ValueError:
        return None
    is_texts = isinstance(given, list) and all(isinstance(option, str) for option in given)
    return tuple(given) if is_texts else None


def _contents(prompt: str) -> str:
    """Return a prompt as one text: the contents of messages, which are logged as JSON, one after the other."""
    given: object = prompt
    for _ in range(3):
        if not isinstance(given, str) or not given.lstrip().startswith("["):
            break
        try:
            given = json.loads(given, strict=False)
        except (ValueError, RecursionError):
            return prompt
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], str):
            given = given[0]
    if isinstance(given, str):
        return given
    texts = [_content(message) for message in given] if isinstance(given, list) else []
    return "\n\n".join(texts) if texts else prompt


def _content(message: object) -> str:
    if not isinstance(message, dict):
        return str(message)
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)
    return "" if content is None else str(content)


class _Bases(dict[int, str | None]):
    """Characters without their marks and in their usual form, each looked up once."""

    def __missing__(self, code: int) -> str | None:
        plain = "".join(c for c in unicodedata.normalize("NFKD", chr(code)) if not unicodedata.combining(c))
        self[code] = plain or None
        return self[code]


_BASES = _Bases()


def _folded(text: str) -> str:
    """Fold what chat templates change: white space, HTML's escapes, the form of accents."""
    return " ".join(html.unescape(text).translate(_BASES).split())


def _bare(text: str) -> str:
    """Keep letters and digits."""
    return re.sub(r"[\W_]+", "", _folded(text).replace(MARK, _LETTER)).casefold()


def _unescaped(text: str) -> str:
    """Keep letters and digits, of a text that was escaped with backslashes."""
    return _bare(_BACKSLASHED.sub(_unescape, text)) if "\\" in text else _bare(text)


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1][1:], 16)) if len(match[1]) == 5 else " "
