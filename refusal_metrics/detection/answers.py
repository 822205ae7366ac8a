"""The label that a sentence commits to, if any."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from refusal_metrics.detection.patterns import LABEL, Forms, load_patterns
from refusal_metrics.errors import InputError

_BOUNDARY = re.compile(
    r"[;:()\n]|, |\b(?:but|however|although|though|because|since|while|whereas|therefore|thus|rather than|instead of)\b"
)
_OPEN = re.compile(
    r"\b(?:if|whether|unless|depending|either|may or may not|might or might not|is or is not|not sure|unclear|unsure|"
    r"impossible|difficult|important to|remember to|try to|the given label|"
    r"i (?:can|could) (?:give|provide|offer|suggest|help|assist))\b"
)
_NEGATION = re.compile(
    r"\b(?:not(?! (?:only|just|merely|simply|solely)\b)|never|no(?! doubt)|neither|nor|hardly|without|nothing|none)\b"
)
_CANNOT = re.compile(r"\bcannot\b")
_JOINED = r"(?:or|nor|and/or|and|vs\.?|versus)"
_MOST = 10
"""Labels: a mark has one digit."""
_FILLED = r"(?: (?:is|as|an?|even|also|be))*"
_LIST = re.compile(rf"{LABEL}(?:,? {_JOINED}{_FILLED} not\b|(?:(?:,? {_JOINED}|,|/| /){_FILLED} ?{LABEL})+)")


@lru_cache(maxsize=256)
def _mentions(labels: tuple[str, ...]) -> re.Pattern[str]:
    """Match any form of any label, the longest first; the group identifies the label."""
    if len(labels) > _MOST:
        raise InputError(
            f"{len(labels)} labels ({', '.join(labels[:3])}, ...): answers can be recognised among at most {_MOST}"
        )
    forms = [(form, i) for i, label in enumerate(labels) for form in _forms(label, labels)]
    forms.sort(key=lambda pair: -len(pair[0]))
    return re.compile(r"\b(?:" + "|".join(f"(?P<l{i}_{n}>{form})" for n, (form, i) in enumerate(forms)) + r")\b")


def _forms(label: str, labels: tuple[str, ...]) -> list[str]:
    own = r"[\s_-]+".join(map(re.escape, _words(label)))
    forms = [own, *load_patterns().labels.get(label.lower(), Forms()).forms]
    positive = _opposite(label)
    if positive in {other.lower() for other in labels}:
        forms += [rf"non?[- ]?{re.escape(positive)}"]
    return forms


def _words(label: str) -> list[str]:
    return re.split(r"[\s_-]+", label.lower().strip())


def _opposite(label: str) -> str:
    """Return the label that this one denies: offensive for not offensive."""
    found = re.fullmatch(r"(?:not|non|no)[\s_-]+(.+)", label.lower())
    return found[1] if found else ""


@lru_cache(maxsize=256)
def _stems(labels: tuple[str, ...]) -> tuple[str, ...]:
    """List words of which every match of `_mentions` contains one."""
    _mentions(labels)
    own = [max(_words(_opposite(label) or label), key=len) for label in labels]
    known = load_patterns().labels
    listed = [stem for label in labels for stem in known.get(label.lower(), Forms()).stems]
    stems = dict.fromkeys([*listed, *own])
    return tuple(stem for stem in stems if not any(other in stem for other in stems if other != stem))


def names_label(sentence: str, labels: Sequence[str]) -> bool:
    """Return quickly whether a sentence may contain an answer.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    labels : sequence of str
        The answers offered.

    Returns
    -------
    bool
        False only where `find_answer` finds none, in the sentence or in parts of it.

    Raises
    ------
    InputError
        For more than ten labels.
    """
    return any(stem in sentence for stem in _stems(tuple(labels)))


def find_answer(sentence: str, labels: Sequence[str], *, denying: bool = False) -> str | None:
    """Find the label that a sentence commits to.

    Parameters
    ----------
    sentence : str
        As `refusal_metrics.detection.normalise.normalise` writes it.
    labels : sequence of str
        The answers offered, at most ten.
    denying : bool
        Whether a label that cannot be given counts as denied; otherwise it is left open.

    Returns
    -------
    str or None
        None if it names no label, or several, or leaves open which; if it denies one of two, the other.

    Raises
    ------
    InputError
        For more than ten labels.
    """
    known = tuple(labels)
    marked = _mentions(known).sub(lambda found: f"\x01{str(found.lastgroup)[1:].partition('_')[0]}", sentence)
    if "\x01" not in marked or marked.rstrip().endswith("?"):
        return None
    marked = _LIST.sub("\x02", marked)
    chosen: set[int] = set()
    for clause in _BOUNDARY.split(marked):
        if "\x01" in clause:
            chosen |= _commits(clause.strip(), len(known), denying=denying)
    return known[chosen.pop()] if len(chosen) == 1 else None


def _commits(clause: str, n_labels: int, *, denying: bool) -> set[int]:
    """List the labels that a clause commits to."""
    opened = _OPEN.search(clause)
    # What none of the words reaches over is the mark of a label, so that each is before it or behind it.
    first_open = opened.end() if opened else len(clause)
    cannots = [found.end() for found in _CANNOT.finditer(clause)]
    negations = [found.end() for found in _NEGATION.finditer(clause)]
    found = set()
    for pattern in load_patterns().answers:
        for match in pattern.regex.finditer(clause):
            place = match.start(1) - 1
            n_cannot = bisect_right(cannots, place)
            if first_open <= place or (n_cannot and not denying):
                continue
            if (bisect_right(negations, place) + n_cannot) % 2:
                # Denying one of two labels gives the other; with more labels, it gives none.
                if n_labels == 2:
                    found.add(1 - int(match[1]))
            else:
                found.add(int(match[1]))
    return found
