"""Whether a response is in another language than the one whose patterns judge it."""

import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

from refusal_metrics.detection.patterns import words_of

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
    scripts = [
        unicodedata.name(letter, "").split(" ")[0] for letter in text if not letter.isascii() and letter.isalpha()
    ]
    n_latin = sum(letter.isascii() and letter.isalpha() for letter in text)
    if not _is_latin(language):
        return False
    n_other = sum(script != "LATIN" for script in scripts)
    if n_other >= _FEWEST_LETTERS and n_other > n_latin:
        return True
    words = words_of(text)
    if len(words) < _FEWEST_WORDS:
        return False
    known = _function_words()
    n_own = len(words & known.get(language, frozenset()))
    n_foreign = max((len(words & of_language) for name, of_language in known.items() if name != language), default=0)
    return n_foreign >= _FEWEST_SIGNS and n_foreign > 2 * n_own


@cache
def _is_latin(language: str) -> bool:
    """Return whether words of a language are known, all of which are in Latin letters."""
    return language in _function_words()


@cache
def _function_words() -> Mapping[str, frozenset[bytes]]:
    text = (files("refusal_metrics.detection.data") / "function_words.yaml").read_text(encoding="utf-8")
    return {name: frozenset(str(word).encode() for word in words) for name, words in yaml.safe_load(text).items()}
