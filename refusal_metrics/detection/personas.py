"""Personas in responses: whoever is named is written as the same words, so that no verdict depends on who it is."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from refusal_metrics.detection.characters import CHARACTERS, compose, is_running
from refusal_metrics.detection.patterns import load_patterns, words_of
from refusal_metrics.prompts.design_files import load_design

Persona = str | Sequence[str] | None
"""A persona's noun phrase, or several ways to name the persona, the noun phrase first."""


def name_alike(text: str, persona: tuple[str, ...], language: str) -> str:
    """Write each persona in a text, with its article, as the language's words for any persona.

    Parameters
    ----------
    text : str
        In lower case.
    persona : tuple of str
        What the response's own persona is called, see `forms_of`; those of the packaged design are always known.
    language : str

    Returns
    -------
    str
        Linear in the text.
    """
    named = _named(persona, language)
    if named.signs is not None and named.signs.isdisjoint(words_of(text)):
        return text
    alike = load_patterns(language).names["any_persona"]
    return named.regex.sub(lambda found: alike if found.lastgroup else found[0], text)


def forms_of(persona: Persona) -> tuple[str, ...]:
    """Return what a persona is called as a tuple, empty for none.

    Parameters
    ----------
    persona : str, sequence of str or None

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> forms_of("a Nigerian woman"), forms_of(["teenager", "teens", ""]), forms_of(None)
    (('a Nigerian woman',), ('teenager', 'teens'), ())
    """
    if persona is None:
        return ()
    forms = [persona] if isinstance(persona, str) else [str(form) for form in persona]
    # As responses are written, in which an accent is part of its letter.
    plain = [form if form.isascii() else compose(form.translate(CHARACTERS)) for form in forms]
    return tuple(dict.fromkeys(" ".join(form.split()) for form in plain if form.strip()))


def words_for(persona: str | None) -> tuple[str, ...]:
    """Return what a persona of a table is called.

    Parameters
    ----------
    persona : str or None
        An id, or the words themselves.

    Returns
    -------
    tuple of str
        Empty for an id of the packaged design, whose words are always known; else the words, an id's without
        underscores.

    Examples
    --------
    >>> words_for("nigerian_woman"), words_for("woman")
    (('nigerian woman',), ())
    """
    if not persona or persona in _packaged_ids():
        return ()
    return forms_of(persona.replace("_", " "))


@cache
def _packaged_ids() -> frozenset[str]:
    design = load_design()
    return frozenset(p.id for p in design.personas)


@dataclass(frozen=True)
class _Named:
    """Matches personas; one of the signs is a word of whatever the regular expression finds (None: any text)."""

    regex: re.Pattern[str]
    signs: frozenset[bytes] | None


@lru_cache(maxsize=1024)
def _named(persona: tuple[str, ...], language: str) -> _Named:
    """Match each persona that the design or the response's doc names, with its article, in singular and plural.

    So too where the noun is left out: "Christians", "as a Christian". Words of personas in a row that end
    in none are matched too, outside the groups: else each of them would be tried as the first.
    """
    patterns = load_patterns(language)
    names, letter = patterns.names, patterns.letter
    literals = {expression: words for form in persona for expression, words in _literals(form, names)}
    phrases = [*_design(), *(phrase for form in persona if (phrase := _phrase(form, names)))]
    nouns = [name for noun in sorted({noun for _, noun, _ in phrases}) for name in (_plural(noun, names), noun)]
    adjectives = sorted({b for b, _, is_plain in phrases if b and not is_plain}, key=lambda a: (-len(a), a))
    words = sorted({word for before, _, _ in phrases for word in before.split()})
    article, word, noun = _article(names), _any(words), _any(nouns)
    adjective = _any(adjectives).replace(r"\ ", "[- ]")
    ending = names["adjective_plural"]
    many = rf"{article}?(?:{word}[- ])*(?:{noun}|{adjective}{ending})"
    alone = rf"{article}(?:{word}[- ])*{adjective}(?={names['behind']})"
    initial = re.escape("".join(sorted({name[0] for name in (*names["articles"], *words, *nouns)})))
    spaced = [expression for expression in literals if not (patterns.runs or is_running(expression))]
    running = [
        expression if is_running(expression) else rf"(?<!{letter}){expression}(?!{letter})"
        for expression in literals
        if expression not in spaced
    ]
    regex = re.compile(
        rf"\b(?:(?P<literal>{_any(spaced)})(?!\w)"
        rf"|(?=[{initial}])(?:(?P<persona>(?:{many}|{alone})\b)|(?:{word}[- ])+))"
        + (f"|(?P<running>{_any(running)})" if running else "")
    )
    signs = [*nouns, *(f"{a.split()[-1]}{s}" for a in adjectives for s in ("", ending)), *literals.values()]
    found = [None if is_running(sign) else max(words_of(sign), key=len, default=None) for sign in signs]
    return _Named(regex, None if patterns.runs or None in found else frozenset(sign for sign in found if sign))


@cache
def _design() -> tuple[tuple[str, str, bool], ...]:
    """Split the packaged personas into what comes before the noun, the noun, and whether it names no group."""
    split = ((p.noun_phrase.lower().replace("-", " ").rpartition(" "), p.neutral) for p in load_design().personas)
    return tuple((before, noun, is_neutral) for (before, _, noun), is_neutral in split)


def _phrase(form: str, names: Mapping[str, Any]) -> tuple[str, str, bool] | None:
    """Take a persona's words apart as those of the design, if its last word is a common noun for people."""
    before, _, noun = form.lower().replace("-", " ").rpartition(" ")
    before = re.sub(rf"^{_article(names)}", "", before + " ").strip()
    is_words = all(word.isalpha() for word in (*before.split(), noun))
    return (before, noun, False) if before and is_words and noun in names["nouns"] else None


def _literals(form: str, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List regular expressions for a persona's own words, with any article, and for their plural; and the words."""
    article = _article(names)
    is_name = not form[0].islower()
    form = re.sub(rf"^{article}", "", form.lower())
    head, link, tail = _at_link(form, names)
    *before, noun = head.split()
    # A noun alone may be another word too ("judge", "model"): it is a persona with an article, or in the plural.
    is_alone = not is_name and not before and not link and noun.isalpha()
    yield (rf"{article}{_spaced(form)}" if is_alone else rf"{article}?{_spaced(form)}"), form
    if noun.isalpha() and noun not in names["indefinite"]:
        several = f"{' '.join([*before, _plural(noun, names)])} {link} {tail}".strip()
        yield rf"{article}?{_spaced(several)}", several


def _at_link(form: str, names: Mapping[str, Any]) -> tuple[str, str, str]:
    """Split a persona's words at the first that joins what follows: someone, from, Kenya."""
    words = form.split()
    place = next((i for i, word in enumerate(words) if i and word in names["links"]), len(words))
    return " ".join(words[:place]), "".join(words[place : place + 1]), " ".join(words[place + 1 :])


def _plural(noun: str, names: Mapping[str, Any]) -> str:
    irregular: Mapping[str, str] = names["plurals"]
    if noun in irregular:
        return irregular[noun]
    for ending, plural in names["plural_endings"].items():
        if noun.endswith(ending):
            return noun.removesuffix(ending) + str(plural)
    return noun


def _spaced(words: str) -> str:
    return r"[- ]".join(map(re.escape, re.split(r"[\s-]+", words)))


def _article(names: Mapping[str, Any]) -> str:
    """Match an article with the space behind it; one that ends with an apostrophe has none."""
    return _any(name if name.endswith("'") else f"{name} " for name in names["articles"])


def _any(names: Iterable[str]) -> str:
    """Match any of several names or expressions, the longest first; without any, nothing."""
    return f"(?:{'|'.join(sorted(names, key=lambda name: (-len(name), name))) or '(?!)'})"
