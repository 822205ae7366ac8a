"""The patterns of the rule ``answer_aware``, read from a file and compiled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import yaml

from refusal_metrics.detection.normalise import words_of


@dataclass(frozen=True)
class Pattern:
    """One way to say something.

    Attributes
    ----------
    name : str
    regex : re.Pattern
        Over one sentence of `refusal_metrics.detection.normalise.normalise`.
    needs : tuple of str
        Words of which one must be in the sentence, or beginnings of words (``apolog*``): else the
        pattern is not tried.
    cause : str or None
        One of `refusal_metrics.detection.verdict.CAUSES`.
    matches, spares : str
        A sentence that it must find, and one that it must not.
    open_only : bool
        Whether it holds only where no labels are known: such a sentence is no refusal to label.
    whole : bool
        Whether it must be all that is said.
    denies : bool
        Whether, where it is said of one of two labels alone, it gives the other.
    disclaimer : bool
        Whether, where no labels are known, it is none once the response takes a turn ("however, ...").
    """

    name: str
    regex: re.Pattern[str]
    needs: tuple[str, ...]
    cause: str | None
    matches: str
    spares: str
    open_only: bool = False
    whole: bool = False
    disclaimer: bool = False
    denies: bool = False


@dataclass(frozen=True)
class Forms:
    """The forms that a label comes in, beside its own words.

    Attributes
    ----------
    stems : tuple of str
        One of them is part of whatever a form matches.
    forms : tuple of str
        Regular expressions.
    """

    stems: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Patterns:
    """All patterns of a language.

    Attributes
    ----------
    refusals, causes, answers : tuple of Pattern
        What a refusal is; what in a refusing sentence tells its cause; what an answer is, where
        ``{label}`` stands for the place of a label.
    reported : tuple of Pattern
        What comes before words of the input, which refuse nothing.
    labels : mapping of str to Forms
    """

    refusals: tuple[Pattern, ...]
    causes: tuple[Pattern, ...]
    answers: tuple[Pattern, ...]
    labels: Mapping[str, Forms]
    reported: tuple[Pattern, ...]

    def refusals_in(self, sentence: str, allowed: int) -> Pattern | None:
        """Find the first of the allowed refusals, bits of their places, that a sentence holds."""
        by_word, by_stem = self._needed
        found = 0
        for word in by_word.keys() & words_of(sentence):
            for need, patterns in by_word[word]:
                if " " not in need or need in sentence:
                    found |= patterns
        for stem, patterns in by_stem:
            if stem in sentence:
                found |= patterns
        found &= allowed
        while found:
            lowest = found & -found
            pattern = self.refusals[lowest.bit_length() - 1]
            said = pattern.regex.search(sentence)
            if said and not self._is_reported(sentence[max(0, said.start() - _LONGEST_REPORTED) : said.start()]):
                return pattern
            found -= lowest
        return None

    def _is_reported(self, before: str) -> bool:
        """Return whether words are part of the input, from the words before them."""
        return any(pattern.regex.search(before.rstrip()) for pattern in self.reported)

    @cache  # noqa: B019 - the patterns of a language live as long as the process
    def allowing(self, *, open_ended: bool, whole: bool) -> int:
        """Return, as bits, the refusals that apply without labels, or if a sentence is the whole response."""
        allowed = [(open_ended or not p.open_only) and (whole or not p.whole) for p in self.refusals]
        return sum(1 << i for i, is_allowed in enumerate(allowed) if is_allowed)

    @cached_property
    def _needed(self) -> tuple[dict[bytes, list[tuple[str, int]]], list[tuple[str, int]]]:
        """Return the refusals, as bits, that need what has a word in it, and that need a stem.

        To look once for all of them is what makes the rule fast.
        """
        needs: dict[str, int] = {}
        for i, pattern in enumerate(self.refusals):
            for need in pattern.needs:
                needs[need] = needs.get(need, 0) | 1 << i
        by_word: dict[bytes, list[tuple[str, int]]] = {}
        by_stem: list[tuple[str, int]] = []
        for need, patterns in needs.items():
            if need.endswith("*"):
                by_stem.append((need.rstrip("*"), patterns))
            else:
                # Of several words the longest, which is the rarest.
                by_word.setdefault(max(need.split(), key=len).encode(), []).append((need, patterns))
        return by_word, by_stem


_LONGEST_REPORTED = 60

LABEL = "\x01(\\d)"
"""The regular expression of a label's place in a sentence: a mark and the label's number."""


@cache
def load_patterns(language: str = "en") -> Patterns:
    """Load the patterns of a language.

    Parameters
    ----------
    language : str

    Returns
    -------
    Patterns
    """
    text = (files("refusal_metrics.detection.data") / f"{language}.yaml").read_text(encoding="utf-8")
    rules = yaml.safe_load(text)
    words = {name: re.sub(r"\|\s+", "|", alternatives) for name, alternatives in rules["words"].items()}
    words["label"] = LABEL
    refusals, causes, answers, reported = (
        tuple(_pattern(entry, words) for entry in rules[kind]) for kind in ("refusals", "causes", "answers", "reported")
    )
    labels = {label: Forms(tuple(f["stems"]), tuple(f["forms"])) for label, f in rules["labels"].items()}
    return Patterns(refusals, causes, answers, labels, reported)


def _pattern(entry: Mapping[str, Any], words: Mapping[str, str]) -> Pattern:
    regex = re.sub(r"\{([a-z_]+)\}", lambda found: f"(?:{words[found[1]]})", entry["pattern"])
    return Pattern(
        entry["name"],
        re.compile(regex),
        tuple(entry.get("needs", ())),
        entry.get("cause"),
        entry["matches"],
        entry["spares"],
        entry.get("open_only", False),
        entry.get("whole", False),
        entry.get("disclaimer", False),
        entry.get("denies", False),
    )
