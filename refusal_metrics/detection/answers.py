"""Which label a sentence commits itself to, if any."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from refusal_metrics.detection.characters import is_running
from refusal_metrics.detection.normalise import normalise
from refusal_metrics.detection.patterns import Forms, holds_any, load_patterns
from refusal_metrics.errors import InputError

MOST_LABELS = 100
"""Labels whose answers can be distinguished: a mark has two digits."""
# A letter alone may be an article or a pronoun: as a label it is a capital before a sign, the end or certain words.
_LETTER = r"(?<!{letter})(?:{letters})(?=[ \t]*(?:[.,:;)\]*\"'!|\n-]|$)|{before})"
# A label that begins with the sign of an option, and the sign is followed by words.
_ENUMERATED = re.compile(r"([^\W\d_]|\d{1,2})[.):] +(\S.*)", re.DOTALL)
_PRIVATE = 0xE000
"""The first character of those that are marks of single letters: no response may use them otherwise."""


def mark_letters(text: str, labels: Sequence[str], language: str = "en") -> str:
    """Mark the single letters in a text that are labels, before their case is lost.

    Parameters
    ----------
    text : str
    labels : sequence of str
    language : str

    Returns
    -------
    str
        The text itself, unless a label is a single letter, or begins with one as "A. Agree" does.

    Examples
    --------
    >>> mark_letters("A sensitive question. I choose A.", ["A", "B"]) == "A sensitive question. I choose \ue000."
    True
    """
    known = tuple(labels)
    letters = {sign: i for i, (sign, _) in enumerate(_split(known)) if _is_letter(sign)}
    if not letters:
        return text
    alone, named = _letters(known, language)
    marked = alone.sub(lambda found: chr(_PRIVATE + letters[found[0]]), text)
    upper = {letter.lower(): i for letter, i in letters.items()}
    return named.sub(lambda found: f"{found[1]}{chr(_PRIVATE + upper[found[2].lower()])}", marked)


@lru_cache(maxsize=256)
def _letters(labels: tuple[str, ...], language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Match a single letter that is a label, alone or behind a word that names it ("option b")."""
    either = "|".join(re.escape(sign) for sign, _ in _split(labels) if _is_letter(sign))
    patterns = load_patterns(language)
    grammar = patterns.grammar
    alone = _LETTER.replace("{letters}", either).replace("{before}", grammar["letter_before"].pattern)
    named = rf"(?i:({grammar['letter_named'].pattern}))['\"(]?({either}|{either.lower()})(?!{patterns.letter}|_)"
    return re.compile(alone.replace("{letter}", patterns.letter)), re.compile(named)


def _is_letter(label: str) -> bool:
    return len(label) == 1 and label.isalpha()


@lru_cache(maxsize=256)
def _split(labels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Split labels into the sign that may stand for each, and its words: "A. Agree"; one without words is a sign."""
    found = [_ENUMERATED.fullmatch(label.strip()) for label in labels]
    split = [(label[1], label[2]) for label in found if label]
    if len(split) == len(labels) and all(len(set(column)) == len(labels) for column in zip(*split, strict=True)):
        return tuple(split)
    return tuple((label, "") if _is_letter(label) else ("", label) for label in labels)


@lru_cache(maxsize=256)
def _mentions(labels: tuple[str, ...], language: str) -> re.Pattern[str]:
    """Match any form of any label, the longest first; the group tells the label."""
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{len(labels)} labels ({', '.join(labels[:3])}, ...): at most {MOST_LABELS} can be distinguished"
        )
    forms = [(form, i) for i in range(len(labels)) for form in _forms(i, labels, language)]
    forms.sort(key=lambda pair: -len(pair[0]))
    # The empty groups come last, because what begins with a letter is passed over quickly.
    spaced, unspaced = (
        "|".join(f"(?:{form})(?P<l{i}_{n}>)" for n, (form, i) in enumerate(forms) if _is_unspaced(form) is kind)
        for kind in (False, True)
    )
    # In scripts that put spaces between words, a form is no part of a longer word.
    letter = load_patterns(language).letter
    bounded = rf"(?<!{letter})(?:{spaced})(?!{letter})"
    return re.compile("|".join([bounded] * bool(spaced) + [unspaced] * bool(unspaced)))


def _is_unspaced(form: str) -> bool:
    """Return whether a form is in a script that puts no spaces between words, or the mark of a letter."""
    return is_running(form) or any(letter >= chr(_PRIVATE) for letter in form)


def _forms(number: int, labels: tuple[str, ...], language: str) -> list[str]:
    """List regular expressions for a label: its words, other forms of them, its sign, and the sign with the words."""
    sign, label = _split(labels)[number]
    signs = [chr(_PRIVATE + number) if _is_letter(sign) else re.escape(sign)] if sign else []
    if not label:
        return signs
    words = _words(label, language)
    own = r"[\s_-]+".join(map(re.escape, words))
    forms = [own, *load_patterns(language).labels.get(" ".join(words), Forms()).forms]
    positive = _opposite(label, language)
    if positive in {" ".join(_words(other, language)) for _, other in _split(labels) if other}:
        forms += [load_patterns(language).grammar["denying_prefix"].pattern + re.escape(positive)]
    return [*forms, *signs, *(rf"{each}[.):]? ?(?:{own})" for each in signs)]


@lru_cache(maxsize=1024)
def _words(label: str, language: str) -> tuple[str, ...]:
    """List the words of a label as they are in a response: contractions written out, accents composed."""
    return tuple(re.split(r"[\s_-]+", normalise(label, (), language)))


def _opposite(label: str, language: str) -> str:
    """Return the label that this one denies: offensive, of not offensive."""
    found = load_patterns(language).grammar["denied_label"].fullmatch(" ".join(_words(label, language)))
    return found[1] if found else ""


@lru_cache(maxsize=256)
def _stems(labels: tuple[str, ...], language: str) -> tuple[str, ...]:
    """List what of which there is one in whatever `_mentions` matches."""
    _mentions(labels, language)
    known = load_patterns(language).labels
    split = _split(labels)
    signs = [chr(_PRIVATE + i) if _is_letter(sign) else sign for i, (sign, _) in enumerate(split) if sign]
    own = [max(_words(_opposite(label, language) or label, language), key=len) for _, label in split if label]
    listed = [
        stem for _, label in split if label for stem in known.get(" ".join(_words(label, language)), Forms()).stems
    ]
    stems = dict.fromkeys([*listed, *own, *signs])
    return tuple(stem for stem in stems if not any(other in stem for other in stems if other != stem))


@lru_cache(maxsize=256)
def can_be_distinguished(labels: tuple[str, ...], language: str = "en") -> bool:
    """Return whether every label can be told from every other.

    Parameters
    ----------
    labels : tuple of str
    language : str

    Returns
    -------
    bool
        False if a label has no letter or digit, or if two differ in case, separators and contractions alone, or both
        name a persona.

    Examples
    --------
    >>> can_be_distinguished(("polite", "impolite")), can_be_distinguished(("polite", "Polite"))
    (True, False)
    """
    words = [" ".join(_words(label, language)) if len(label) > 1 else label for label in labels]
    return len(set(words)) == len(words) and all(any(c.isalnum() for c in word) for word in words)


def names_label(sentence: str, labels: Sequence[str], language: str = "en") -> bool:
    """Return quickly whether a sentence may contain an answer.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    labels : sequence of str
        The answers offered.
    language : str

    Returns
    -------
    bool
        False only where `find_answer` finds none, in the sentence or in parts of it.

    Raises
    ------
    InputError
        For more than `MOST_LABELS` labels.
    """
    return holds_any(sentence, _stems(tuple(labels), language))


def mask_lists(sentence: str, labels: Sequence[str], language: str = "en") -> str:
    r"""Blank out the labels of a sentence that are only listed, and repetitions of the same.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    labels : sequence of str
    language : str

    Returns
    -------
    str
        As long as the sentence.

    Examples
    --------
    >>> mask_lists("it is polite, or impolite.", ["polite", "impolite"]).replace("\x02", "_")
    'it is ___________________.'
    """
    grammar = load_patterns(language).grammar
    runs: list[list[re.Match[str]]] = []
    for mention in _mentions(tuple(labels), language).finditer(sentence):
        if runs and grammar["glue"].fullmatch(sentence, runs[-1][-1].end(), mention.start()):
            runs[-1].append(mention)
        else:
            runs.append([mention])
    for run in runs:
        start, end = run[0].start(), run[-1].end()
        if len({_number(mention) for mention in run}) == 1:
            start = run[0].end()
            if grammar["or_not"].match(sentence, end):
                start = run[0].start()
        sentence = sentence[:start] + "\x02" * (end - start) + sentence[end:]
    return sentence


def _number(mention: re.Match[str]) -> int:
    """Return which label is mentioned."""
    return int(str(mention.lastgroup)[1:].partition("_")[0])


def label_at(sentence: str, start: int, labels: Sequence[str], language: str = "en") -> tuple[str | None, int]:
    """Return the label that is named at a place of a sentence, if any, and where its name ends."""
    found = _mentions(tuple(labels), language).match(sentence, start)
    return (labels[_number(found)], found.end()) if found else (None, start)


def find_answer(sentence: str, labels: Sequence[str], language: str = "en", *, denying: bool = False) -> str | None:
    """Find the label that a sentence commits itself to.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    labels : sequence of str
        The answers offered, at most `MOST_LABELS`.
    language : str
    denying : bool
        Whether a label that cannot be given is denied; else it is left open.

    Returns
    -------
    str or None
        None if it names no label, or several, or leaves open which; if it denies one of
        two, the other.

    Raises
    ------
    InputError
        For more labels.
    """
    known = tuple(labels)
    patterns = load_patterns(language)
    marked = _mentions(known, language).sub(
        lambda found: f"\x01{_number(found):02}", mask_lists(sentence, known, language)
    )
    if "\x01" not in marked or marked.rstrip().endswith("?"):
        return None
    for aside in patterns.asides:
        if not aside.needs or holds_any(marked, aside.needs):
            marked = aside.regex.sub("\x02", marked)
    chosen: set[int] = set()
    for part in reversed(patterns.grammar["but"].split(marked)):
        # What comes behind a "but" overrules what comes before it.
        for clause in patterns.grammar["boundary"].split(part):
            if "\x01" in clause:
                chosen |= _commits(clause.strip(), len(known), language, denying=denying)
        if chosen:
            break
    return known[chosen.pop()] if len(chosen) == 1 else None


def answer_to_itself(question: str, reply: str, labels: Sequence[str], language: str = "en") -> str | None:
    """Find the label of a sentence that asks for one alone, and of the sentence that answers, as in "Polite? No".

    Parameters
    ----------
    question, reply : str
        As `refusal_metrics.detection.normalise.normalise` writes them.
    labels : sequence of str
    language : str

    Returns
    -------
    str or None
        The label where the reply affirms it, of two the other where it denies it.
    """
    grammar = load_patterns(language).grammar
    known = tuple(labels)
    if not question.endswith("?"):
        return None
    opening = grammar["asks"].match(question)
    label, end = label_at(question, opening.end() if opening else 0, known, language)
    if label is None or question[end:].strip(" ?"):
        return None
    if grammar["affirms"].match(reply):
        return label
    return known[1 - known.index(label)] if len(known) == 2 and grammar["denies"].match(reply) else None


def _commits(clause: str, n_labels: int, language: str, *, denying: bool) -> set[int]:
    """List the labels that a clause commits itself to."""
    patterns = load_patterns(language)
    opened = patterns.grammar["open"].search(clause)
    # What none of the words reaches over is the mark of a label, so that each is before it or behind it.
    first_open = opened.end() if opened else len(clause)
    cannots = [found.end() for found in patterns.grammar["cannot"].finditer(clause)]
    negations = [found.end() for found in patterns.grammar["negation"].finditer(clause)]
    found = set()
    for pattern in patterns.answers:
        for match in pattern.regex.finditer(clause):
            place = match.start(1) - 1
            n_cannot = bisect_right(cannots, place)
            if first_open <= place or (n_cannot and not denying):
                continue
            if (bisect_right(negations, place) + n_cannot) % 2:
                # Of two labels, to deny one is to give the other; of more, it gives none.
                if n_labels == 2:
                    found.add(1 - int(match[1]))
            else:
                found.add(int(match[1]))
    return found
