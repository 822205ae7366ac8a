"""Characters: which are drawn, and how a text is written in plain ones."""

import re
import unicodedata
from functools import cache

HEAD = 3000
"""How many characters of a response are looked at, after its thought, personas being "a persona".

A longer text ends with the last whole word before."""

# The longest persona is not four times as long as "a persona".
RAW_HEAD = 4 * HEAD
_LONGEST_WORD = 100
"""What is longer than this is no word, and may be cut."""
_MOST_MARKS = 30
"""Combining marks on one character, as in the stream-safe text of Unicode's annex 15."""

RUNNING_SCRIPTS = frozenset(("THAI", "LAO", "MYANMAR", "KHMER", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
"""Scripts without spaces between words, or with particles joined to them, by their names in Unicode."""
RUNNING = (
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""The class of their letters."""
_IS_RUNNING, _TWO_RUNNING = re.compile(RUNNING), re.compile(RUNNING + "{1,2}")

CONTROLS = bytes((*range(0x09), *range(0x0E, 0x1C), 0x7F))
"""Those of ASCII that are no white space; the patterns use two of them as marks of their own."""
# What Unicode says is not drawn by default: joiners, hyphens, marks of the direction of writing, variants of a
# character, tags. So too controls.
_UNDRAWN = (
    (0x80, 0x85), (0x86, 0xA0), (0xAD, 0xAE), (0x34F, 0x350), (0x61C, 0x61D), (0x17B4, 0x17B6), (0x180B, 0x1810),
    (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0xFE00, 0xFE10), (0xFEFF, 0xFF00), (0xFFF0, 0xFFFC),
    (0x1BCA0, 0x1BCA4), (0x1D173, 0x1D17B), (0xE0000, 0xE1000),
)  # fmt: skip
_INVISIBLE = CONTROLS.decode("ascii") + "".join(chr(code) for first, end in _UNDRAWN for code in range(first, end))
# Letters of Hangul, and a pattern of Braille, that are blank.
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ´′", "'"),  # noqa: RUF001 - all that is used for an apostrophe
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‐‑‒–−", "-"),  # noqa: RUF001 - and for a hyphen
        **dict.fromkeys("—―", " - "),
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys(_FILLERS, " "),
        **dict(zip("。、؟،؛۔।", ".,?,;..", strict=True)),  # noqa: RUF001 - sentence ends and commas of other scripts
        "…": "...",
    }
)
_BLANK = re.compile(rf"[\s{re.escape(_INVISIBLE + _FILLERS)}]*")
# Marks are sorted by insertion when a text is normalised: the time grows with the square of how many are in a row.
_MANY_FOREIGN = re.compile(rf"[^\x00-\x7f]{{{_MOST_MARKS + 1}}}")
# Where combining marks are; the test looks for others.
_MARKS = ((0x300, 0x3100), (0xA66F, 0xAC00), (0xFB1E, 0x10000), (0x101FD, 0x11F80), (0x16AF0, 0x1E950))


def is_blank(text: str) -> bool:
    r"""Return whether a text has no character that is drawn.

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
    return first_drawn(text) == len(text)


def is_running(text: str) -> bool:
    """Return whether a text has letters of a script in which the ends of words are not seen.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_running("攻撃的"), is_running("offensive")
    (True, False)
    """
    return not text.isascii() and _IS_RUNNING.search(text) is not None


def count_words(text: str) -> int:
    """Count the words of a text; where their ends are not seen, two letters are one.

    Parameters
    ----------
    text : str

    Returns
    -------
    int

    Examples
    --------
    >>> count_words("It is polite."), count_words("攻撃的です")
    (3, 3)
    """
    return len((text if text.isascii() else _TWO_RUNNING.sub(" x ", text)).split())


def first_drawn(text: str, start: int = 0) -> int:
    """Return the place of the first character that is drawn."""
    first = text[start : start + 1]
    if first.isascii() and first.isalnum():
        return start
    blank = _BLANK.match(text, start)
    return blank.end() if blank else start


def opening_of(text: str, most: int) -> str:
    """Return the first characters of a text, at most so many; what is cut is between words."""
    opening = text[:most]
    if len(text) <= most or text[most].isspace():
        return opening
    words = opening[-_LONGEST_WORD:].split()
    is_word = len(words) > 1 or opening[-_LONGEST_WORD].isspace()
    return opening[: -len(words[-1])] if words and is_word and not opening[-1].isspace() else opening


def compose(text: str) -> str:
    """Return the NFKC form of a text, of which no character has more than `_MOST_MARKS` marks.

    It ends, between words, soon after `RAW_HEAD` characters.
    """
    if _MANY_FOREIGN.search(text):
        text = _too_many_marks().sub(r"\1", text)
    parts: list[str] = []
    n_characters = 0
    # A piece at a time, for one character may become eighteen.
    while text and n_characters < RAW_HEAD:
        piece = opening_of(text, HEAD)
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
