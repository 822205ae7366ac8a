"""From a raw response to the plain words that patterns are matched against.

Each persona that is named, with its article, becomes the same words, so that no pattern depends on who it
is; patterns do not look at pronouns.
"""

import re

from refusal_metrics.detection.characters import CHARACTERS, CONTROLS, HEAD, RAW_HEAD, compose, first_drawn, opening_of
from refusal_metrics.detection.patterns import load_patterns
from refusal_metrics.detection.personas import name_alike

_MARK = re.compile(r"[*_~#>`]")
_STRUCK = re.compile(r"~~[^~\n]{0,80}~~")
_EMPHASIS = re.compile(r"[*~#]+|(?<![^\W_])_+|_+(?![^\W_])|^[ \t]*>[ \t]?", re.MULTILINE)
_QUOTED = re.compile(r'"([^"\n]*)"')
_LONGEST_NAME = 27
"""A quotation as long as this is of a text, unless it is called the answer; a shorter one may name a label."""
_LONGEST_CALLED = 40
"""The number of characters before a quotation in which words may call it the answer."""
# A response may stand in quotation marks itself.
_WRAPPED = re.compile(r'"[^"]*"\W*$')
_SPELLED = re.compile(r"\b(?:[^\W\d_]-){3,40}[^\W\d_]\b")
_ARROWS = re.compile(r" ?[\u2190-\u21ff]+")
_SYMBOLS = re.compile(r"[\u2200-\u2bff\u3000-\u3004\ufe0f\U0001f000-\U0001faff]+")


def normalise(text: str, persona: tuple[str, ...] = (), language: str = "en") -> str:
    """Write a response in plain lower-case words, a line a line.

    Parameters
    ----------
    text : str
        Without a thought; only its first `HEAD` characters are used, to the end of a word.
    persona : tuple of str
        What the response's own persona is called, beside the packaged ones.
    language : str

    Returns
    -------
    str
        Without emphasis, symbols, quoted passages and repeated input; contractions written out,
        each persona as "a persona". Linear in the text.

    Examples
    --------
    >>> normalise("I'm **not** a Muslim person.")
    'i am not a persona.'
    >>> normalise("I can't speak for a teenager.", ("teenager",))
    'i cannot speak for a persona.'
    """
    patterns = load_patterns(language)
    text = opening_of(text[first_drawn(text) :], RAW_HEAD)
    if text.isascii():
        text = text.encode("ascii").translate(None, CONTROLS).decode("ascii")
    else:
        text = opening_of(compose(text.translate(CHARACTERS)), RAW_HEAD).translate(CHARACTERS)
        text = _SYMBOLS.sub(" ", _ARROWS.sub(": ", text))
    # First, because all that follows may depend on lengths.
    text = opening_of(name_alike(text.lower(), persona, language), HEAD)
    # Each step is skipped where it has nothing to do, which takes less time than to look for it.
    if _MARK.search(text):
        text = _EMPHASIS.sub("", _STRUCK.sub("", text.replace("`", "'")))
    if "=" in text or "->" in text:
        text = text.replace("=>", ": ").replace("->", ": ").replace("=", ": ")
    if ":" in text:
        text = patterns.grammar["repeated"].sub("", patterns.grammar["role"].sub("", text, count=1))
    if '"' in text:
        text = _without_quotations(text, patterns.grammar["called"])
    if "'" in text:
        for contraction in patterns.contractions:
            text = contraction.apply(text)
        # All other apostrophes are quotation marks or possessives.
        text = text.replace("'", "")
    if "-" in text:
        text = _SPELLED.sub(lambda found: found[0].replace("-", ""), text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()


def _without_quotations(text: str, called: re.Pattern[str]) -> str:
    """Leave out what is quoted, unless all of the text is, or it is a name."""
    if not _WRAPPED.match(text):
        text = _QUOTED.sub(lambda found: _unquote(found, called), text)
    return text.replace('"', "")


def _unquote(found: re.Match[str], called: re.Pattern[str]) -> str:
    is_name = len(found[1]) < _LONGEST_NAME
    start = max(0, found.start() - _LONGEST_CALLED)
    return found[1] if is_name or called.search(found.string[start : found.start()]) else " "
