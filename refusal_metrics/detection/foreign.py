"""Whether a response is in another language than the one whose patterns judge it."""

import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

from refusal_metrics.detection.patterns import load_patterns, words_of

_FEWEST_WORDS = 4
"""Fewer words tell no language."""
_FEWEST_LETTERS = 4
_FEWEST_SIGNS = 2
_HEAD = 600


def is_foreign(text: str, language: str = "en") -> bool:
    """Return whether a text is written in another language.

    Parameters
    ----------
    text : str
        In lower case; only its first 600 characters are looked at.
    language : str
        The language it should be in.

    Returns
    -------
    bool
        True if most letters are of another script, or if more of its words are typical of another language than
        of this one. False if the text is too short to tell.

    Examples
    --------
    >>> is_foreign("lo siento, pero no puedo responder a esta pregunta."), is_foreign("i cannot answer this question.")
    (True, False)
    >>> is_foreign("我无法回答这个问题。"), is_foreign("offensif")
    (True, False)
    """
    text = text[:_HEAD]
    known = _function_words()
    scripts = load_patterns(language).scripts
    if not (text.isascii() and "LATIN" in scripts) and _is_in_another_script(text, scripts):
        return True
    if language not in known:
        return False
    words = words_of(text)
    if len(words) < _FEWEST_WORDS:
        return False
    foreign = words & _foreign_words(language)
    if len(foreign) < _FEWEST_SIGNS:
        return False
    n_foreign = max(len(foreign & of_language) for name, of_language in known.items() if name != language)
    return n_foreign >= _FEWEST_SIGNS and n_foreign > 2 * len(words & known[language])


def _is_in_another_script(text: str, scripts: tuple[str, ...]) -> bool:
    """Return whether more letters are of other scripts than of those of a language."""
    letters = [letter for letter in text if letter.isalpha()]
    # The name of a letter begins with its script.
    n_other = sum(not unicodedata.name(letter, "").startswith(scripts) for letter in letters)
    return n_other >= _FEWEST_LETTERS and n_other > len(letters) - n_other


@cache
def _foreign_words(language: str) -> frozenset[bytes]:
    """List the words that are typical of other languages."""
    return frozenset().union(*(words for name, words in _function_words().items() if name != language))


@cache
def _function_words() -> Mapping[str, frozenset[bytes]]:
    """List the frequent words of languages, all of which are written in Latin letters."""
    text = (files("refusal_metrics.detection.data") / "function_words.yaml").read_text(encoding="utf-8")
    return {name: frozenset(str(word).encode() for word in words) for name, words in yaml.safe_load(text).items()}
