"""From a raw response to the plain words that patterns are matched against.

Each persona, with its article, is replaced by the same words, so that no pattern can distinguish them; patterns do not
use pronouns.
"""

import re
import unicodedata
from functools import cache
from string import ascii_lowercase

from refusal_metrics.prompts import load_design

HEAD = 3000
"""How many characters of a response are looked at, after its thought, personas being "a persona".

A longer text ends with the last whole word before."""

# The longest persona is not four times as long as "a persona".
_RAW_HEAD = 4 * HEAD
_LONGEST_WORD = 100
"""A longer run of characters is not a word, and may be cut."""
_MOST_MARKS = 30
"""Combining marks on one character, as in the stream-safe text of Unicode's annex 15."""

_CONTROLS = "".join(map(chr, (*range(0x09), *range(0x0E, 0x1C), 0x7F)))
"""Those of ASCII that are no white space; the patterns use two of them as marks of their own."""
# What Unicode says is not drawn by default: joiners, hyphens, marks of the direction of writing, variants of a
# character, tags. So too controls.
_UNDRAWN = (
    (0x80, 0x85), (0x86, 0xA0), (0xAD, 0xAE), (0x34F, 0x350), (0x61C, 0x61D), (0x17B4, 0x17B6), (0x180B, 0x1810),
    (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0xFE00, 0xFE10), (0xFEFF, 0xFF00), (0xFFF0, 0xFFFC),
    (0x1BCA0, 0x1BCA4), (0x1D173, 0x1D17B), (0xE0000, 0xE1000),
)  # fmt: skip
_INVISIBLE = _CONTROLS + "".join(chr(code) for first, end in _UNDRAWN for code in range(first, end))
# Letters of Hangul, and a pattern of Braille, that are blank.
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
_THOUGHTS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ´′", "'"),  # noqa: RUF001 - all that is used for an apostrophe
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),  # noqa: RUF001 - and for a hyphen
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys(_FILLERS, " "),
        "…": "...",
    }
)
_CONTROL = re.compile(f"[{_CONTROLS}]+")
_BLANK = re.compile(rf"[\s{_CONTROLS}{_FILLERS}{''.join(f'{chr(first)}-{chr(end - 1)}' for first, end in _UNDRAWN)}]*")
# Marks are sorted by insertion when a text is normalised: the time grows with the square of how many are in a row.
_MANY_FOREIGN = re.compile(rf"[^\x00-\x7f]{{{_MOST_MARKS + 1}}}")
# Where combining marks are; the test looks for others.
_MARKS = ((0x300, 0x3100), (0xA66F, 0xAC00), (0xFB1E, 0x10000), (0x101FD, 0x11F80), (0x16AF0, 0x1E950))
_MARK = re.compile(r"[*_~#>`]")
_EMPHASIS = re.compile(r"[*_~#]+|^[ \t]*>[ \t]?", re.MULTILINE)
_ROLE = re.compile(r"^\s*(?:assistant|ai|bot|model|chatbot|response)\s*:")
_TAG = re.compile(r"<[^<>]{0,80}>")
_QUOTED = re.compile(r'"([^"\n]*)"')
_CALLED = re.compile(r"(?:answer|response|label)(?: is)?:? ?\Z")
_LONGEST_CALLED = len("response is: ")
_LONGEST_NAME = 25
"""A quotation of at least this length quotes a text, unless it is called the answer; a shorter one may name a label."""
# A whole response can be in quotation marks.
_WRAPPED = re.compile(r'"[^"]*"\W*$')
# A label after the word is too short to be the input.
_REPEATED = re.compile(r"\b(?:text|premise|hypothesis)[ \t]*:[^\n]{14,}")
_NEGATIONS = (("can't", "cannot"), ("won't", "will not"), ("shan't", "will not"), ("n't", " not"))
_SHORTENED = re.compile(r"'(m|re|ve|ll|d)\b")
_WHOLE = {"m": " am", "re": " are", "ve": " have", "ll": " will", "d": " would"}
_IS = re.compile(r"\b(it|that|he|she|they|there|what|this|who)'s\b")
_ARTICLES = ("a", "an", "the", "another", "any", "some", "most", "many", "other")
_PLURALS = {"person": "people", "man": "men", "woman": "women"}
_BEHIND = r"[.,;:!?\n]|$| (?:would|will|might|may|can|could|cannot|is|was|does|and i|who)\b"
"""What follows a persona that is named only by its adjective."""
# As bytes, which are looked up several times faster than letters.
_LETTERS = bytes(byte if chr(byte) in ascii_lowercase else ord(" ") for byte in range(256))
_SPACE = re.compile(r"[^\S\n]+")


def strip_thought(response: str) -> str | None:
    """Remove a model's thought.

    Parameters
    ----------
    response : str

    Returns
    -------
    str or None
        The text after the thought; None for a thought that never ends. Linear in the response.
    """
    if "<" not in response:
        return response
    for opening, closing in _THOUGHTS:
        # Some chat templates open the thought themselves, so that the response only ends it.
        end = response.rfind(closing)
        if end >= 0:
            response = response[end + len(closing) :]
        elif response.startswith(opening, _first_drawn(response)):
            return None
    return response


def is_blank(text: str) -> bool:
    r"""Return whether a text has no visible character.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_blank("\u200b \n"), is_blank(".")
    (True, False)
    """
    return _first_drawn(text) == len(text)


def _first_drawn(text: str) -> int:
    """Return the position of the first visible character."""
    blank = _BLANK.match(text)
    return blank.end() if blank else 0


def normalise(text: str) -> str:
    """Reduce a response to plain lower-case words, line by line.

    Parameters
    ----------
    text : str
        Without a thought; only its first `HEAD` characters are used, to the end of a word.

    Returns
    -------
    str
        Without emphasis, tags, quoted passages and repeated input; contractions written out,
        each persona as "a persona". Linear in the text.

    Examples
    --------
    >>> normalise("I'm **not** a Muslim person.")
    'i am not a persona.'
    """
    text = _opening(text[_first_drawn(text) :], _RAW_HEAD)
    if text.isascii():
        text = _CONTROL.sub("", text)
    else:
        text = _opening(_compose(text.translate(_CHARACTERS)), _RAW_HEAD).translate(_CHARACTERS)
    text = text.lower()
    # First, because all that follows may depend on lengths.
    if not _signs().isdisjoint(words_of(text)):
        text = _personas().sub(lambda found: "a persona" if found["persona"] else found[0], text)
    text = _opening(text, HEAD)
    # Steps with nothing to do are skipped, which saves time.
    if _MARK.search(text):
        text = _EMPHASIS.sub("", text.replace("`", "'"))
    if ":" in text or "<" in text:
        text = _REPEATED.sub("", _ROLE.sub("", _TAG.sub(" ", text), count=1))
    if '"' in text:
        if not _WRAPPED.match(text):
            text = _QUOTED.sub(_unquote, text)
        text = text.replace('"', "")
    if "'" in text:
        text = _write_out(text)
    # What is left are quotation marks and possessives.
    text = text.replace("'", "")
    if "  " in text or "\t" in text:
        text = _SPACE.sub(" ", text)
    return text.strip()


def _opening(text: str, most: int) -> str:
    """Return the first characters of a text, at most so many; what is cut is between words."""
    opening = text[:most]
    if len(text) <= most or text[most].isspace():
        return opening
    words = opening[-_LONGEST_WORD:].split()
    is_word = len(words) > 1 or opening[-_LONGEST_WORD].isspace()
    return opening[: -len(words[-1])] if words and is_word and not opening[-1].isspace() else opening


def _compose(text: str) -> str:
    """Return the NFKC form of a text, of which no character has more than `_MOST_MARKS` marks.

    It ends, between words, soon after `_RAW_HEAD` characters.
    """
    if _MANY_FOREIGN.search(text):
        text = _too_many_marks().sub(r"\1", text)
    parts: list[str] = []
    n_characters = 0
    # A piece at a time, for one character may become eighteen.
    while text and n_characters < _RAW_HEAD:
        piece = _opening(text, HEAD)
        parts.append(unicodedata.normalize("NFKC", piece))
        n_characters += len(parts[-1])
        text = text[len(piece) :]
    return "".join(parts)


@cache
def _too_many_marks() -> re.Pattern[str]:
    """Match more than `_MOST_MARKS` combining marks in a row; the group is those that stay."""
    marks = (
        mark
        for first, end in _MARKS
        for mark in map(chr, range(first, end))
        if unicodedata.combining(mark)
        or (unicodedata.decomposition(mark) and unicodedata.combining(unicodedata.normalize("NFKD", mark)[0]))
    )
    marks_class = f"[{''.join(marks)}]"
    return re.compile(f"({marks_class}{{{_MOST_MARKS}}}){marks_class}+")


def _write_out(text: str) -> str:
    """Expand contractions with an apostrophe."""
    for negation, written_out in _NEGATIONS:
        text = text.replace(negation, written_out)
    text = _SHORTENED.sub(lambda found: _WHOLE[found[1]], text)
    return _IS.sub(r"\1 is", text) if "'s" in text else text


def words_of(text: str) -> frozenset[bytes]:
    """List the words of a text, each a run of the letters a to z.

    Parameters
    ----------
    text : str
        In lower case.

    Returns
    -------
    frozenset of bytes
    """
    return frozenset(text.encode("ascii", "replace").translate(_LETTERS).split())


def _unquote(found: re.Match[str]) -> str:
    is_name = len(found[1]) < _LONGEST_NAME
    start = max(0, found.start() - _LONGEST_CALLED)
    return found[1] if is_name or _CALLED.search(found.string[start : found.start()]) else " "


@cache
def _signs() -> frozenset[bytes]:
    """List words of which every match of `_personas` contains one."""
    lasts = [phrase.split()[-1] for phrase in _adjectives()]
    return frozenset(word.encode() for word in (*_nouns(), *lasts, *(f"{last}s" for last in lasts)))


@cache
def _phrases() -> tuple[tuple[str, str, bool], ...]:
    """Split personas into modifier (possibly empty), noun, and whether they have no group."""
    split = ((p.noun_phrase.lower().replace("-", " ").rpartition(" "), p.neutral) for p in load_design().personas)
    return tuple((before, noun, is_neutral) for (before, _, noun), is_neutral in split)


@cache
def _nouns() -> tuple[str, ...]:
    """List the names of personas, in singular and plural."""
    nouns = sorted({noun for _, noun, _ in _phrases()})
    return tuple(name for noun in nouns for name in (_PLURALS.get(noun, f"{noun}s"), noun))


@cache
def _adjectives() -> tuple[str, ...]:
    """List the modifiers of personas that belong to a group, the longest first."""
    adjectives = {before for before, _, is_neutral in _phrases() if before and not is_neutral}
    return tuple(sorted(adjectives, key=lambda adjective: (-len(adjective), adjective)))


@cache
def _personas() -> re.Pattern[str]:
    """Match each persona of the tasks, with its article, in singular and plural.

    Also without the noun: "Christians", "as a Christian". Words of personas in a row that end
    in none are matched too, outside the group ``persona``: else each of them would be tried as the first.
    """
    words = sorted({word for before, _, _ in _phrases() for word in before.split()})
    article, word, noun = (f"(?:{'|'.join(names)})" for names in (_ARTICLES, words, _nouns()))
    adjective = f"(?:{'|'.join(_adjectives())})".replace(" ", "[- ]")
    many = rf"(?:{article} )?(?:{word}[- ])*(?:{noun}|{adjective}s)"
    initial = f"[{''.join(sorted({name[0] for name in (*_ARTICLES, *words, *_nouns())}))}]"
    alone = rf"{article} (?:{word}[- ])*{adjective}(?={_BEHIND})"
    return re.compile(rf"\b(?={initial})(?:(?P<persona>(?:{many}|{alone})\b)|(?:{word}[- ])+)")
