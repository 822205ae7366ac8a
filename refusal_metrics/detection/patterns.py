"""A language as the rule ``answer_aware`` knows it: its grammar and its patterns, read from a file and compiled."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import ascii_lowercase
from typing import Any

from refusal_metrics.detection.characters import RUNNING, RUNNING_SCRIPTS, is_running
from refusal_metrics.detection.language_files import FLAGS, fill, read_language, unfold
from refusal_metrics.errors import unknown_name


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
    open_only, closed_only : bool
        Whether it counts only if no labels are known, or only if they are.
    whole : bool
        Whether it must be all that is said.
    denies : bool
        Whether, where it is said of one of two labels alone, it gives the other.
    disclaimer : bool
        Whether it is none once the response takes a turn ("however, ...") if no labels are known, or argues for
        an answer if they are.
    yields : bool
        Whether, if no labels are known, it is none once the request is done after all ("here are ...").
    early : bool
        Whether, if labels are known, it counts in the first sentences only.
    """

    name: str
    regex: re.Pattern[str]
    needs: tuple[str, ...]
    cause: str | None
    matches: str
    spares: str
    open_only: bool = False
    closed_only: bool = False
    whole: bool = False
    disclaimer: bool = False
    denies: bool = False
    yields: bool = False
    early: bool = False


@dataclass(frozen=True)
class Rewrite:
    """What is written otherwise.

    Attributes
    ----------
    regex : re.Pattern
    to : str
        What takes its place.
    needs : tuple of str
        One of them is part of whatever is found; empty if nothing is known of it.
    """

    regex: re.Pattern[str]
    to: str
    needs: tuple[str, ...] = ()

    def apply(self, text: str) -> str:
        """Return a text in which it is written otherwise."""
        return self.regex.sub(self.to, text) if not self.needs or holds_any(text, self.needs) else text


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
    asides : tuple of Pattern
        What uses a label's word of something other than the text that was asked about.
    contractions, rewrites : tuple of Rewrite
        What is written out where it is shortened with an apostrophe;
        what is written otherwise before a sentence is judged.
    grammar : mapping of str to re.Pattern
        How sentences and clauses are joined, what negates and what leaves open.
    names : mapping
        How personas are named: ``any_persona``, ``articles``, ``plurals``, ``behind``, ``links``.
    thoughts : tuple of mapping
        Sentences that mark a thought, see `refusal_metrics.detection.thoughts`.
    objects : mapping
        How an object (JSON) is read, see `refusal_metrics.detection.wrapping`.
    scripts : tuple of str
        The scripts of the language, as Unicode names them: ``LATIN``, ``CJK``, ``THAI``, ...
    """

    refusals: tuple[Pattern, ...]
    causes: tuple[Pattern, ...]
    answers: tuple[Pattern, ...]
    labels: Mapping[str, Forms]
    reported: tuple[Pattern, ...]
    asides: tuple[Pattern, ...]
    contractions: tuple[Rewrite, ...]
    rewrites: tuple[Rewrite, ...]
    grammar: Mapping[str, re.Pattern[str]]
    names: Mapping[str, Any]
    thoughts: tuple[Mapping[str, str], ...]
    objects: Mapping[str, Any]
    scripts: tuple[str, ...]

    def refusals_in(self, sentence: str, allowed: int) -> tuple[Pattern, tuple[int, int]] | None:
        """Find the first of the allowed refusals, bits of their places, in a sentence, and where it is."""
        by_word, by_stem = self._needed
        found = 0
        for word in by_word.keys() & words_of(sentence):
            for need, patterns in by_word[word]:
                if need in sentence:
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
                return pattern, said.span()
            found -= lowest
        return None

    def _is_reported(self, before: str) -> bool:
        """Return whether words are part of the input, from the words before them."""
        return any(pattern.regex.search(before.rstrip()) for pattern in self.reported)

    @cached_property
    def runs(self) -> bool:
        """Whether the language is in a script in which the ends of words are not seen."""
        return not RUNNING_SCRIPTS.isdisjoint(self.scripts)

    @cached_property
    def letter(self) -> str:
        """The regular expression of a letter or digit that belongs to the word beside it: none of such a script."""
        return rf"(?!{RUNNING})[^\W_]" if self.runs else r"[^\W_]"

    @cache  # noqa: B019 - the patterns of a language live as long as the process
    def allowing(self, *, open_ended: bool, whole: bool, has_labels: bool, late: bool = False) -> int:
        """Return, as bits, the refusals that apply without labels, or if a sentence is the whole response."""
        allowed = [
            (open_ended or not p.open_only)
            and (has_labels or not p.closed_only)
            and (whole or not p.whole)
            and (not late or not p.early)
            for p in self.refusals
        ]
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
            words = [] if need.endswith("*") or self.runs or is_running(need) else sorted(words_of(need))
            if words:
                # Of several words the longest, which is the rarest. Where it is all, there is nothing more to look for.
                word = max(words, key=len)
                by_word.setdefault(word, []).append(("" if word == need.encode() else need, patterns))
            else:
                by_stem.append((need.rstrip("*"), patterns))
        return by_word, by_stem


_LONGEST_REPORTED = 60

_SHARED = ("marks", "function_words")
_NO_LETTERS = bytes(byte if chr(byte) in ascii_lowercase else ord(" ") for byte in range(256))
_WORD = re.compile(r"[^\W\d_]+")


def holds_any(text: str, parts: Iterable[str]) -> bool:
    """Return whether a text contains one of several parts."""
    # A loop takes half the time of any().
    for part in parts:  # noqa: SIM110
        if part in text:
            return True
    return False


def words_of(text: str) -> frozenset[bytes]:
    """List the words of a text, each a run of letters, in UTF-8.

    Parameters
    ----------
    text : str
        In lower case.

    Returns
    -------
    frozenset of bytes
    """
    if text.isascii():
        # Bytes are looked up several times faster than letters.
        return frozenset(text.encode("ascii").translate(_NO_LETTERS).split())
    return frozenset(word.encode() for word in _WORD.findall(text))


@cache
def load_patterns(language: str) -> Patterns:
    """Load the patterns of a language.

    Parameters
    ----------
    language : str
        The code of a language that has a file, such as ``en``.

    Returns
    -------
    Patterns

    Raises
    ------
    InputError
        For a language without a file, or a mistake in it.
    """
    known = known_languages()
    if language not in known:
        raise unknown_name("language", language, known)
    file = _folder() / f"{language}.yaml"
    return parse_patterns(read_language(file.read_text(encoding="utf-8"), file.name))


def _folder() -> Traversable:
    """Return the folder of the languages' files."""
    return files("refusal_metrics.detection.data")


@cache
def known_languages() -> tuple[str, ...]:
    """List the languages that have a file of patterns."""
    stems = (name.removesuffix(".yaml") for file in _folder().iterdir() if (name := file.name).endswith(".yaml"))
    return tuple(sorted(stem for stem in stems if stem not in _SHARED))


def parse_patterns(content: Mapping[str, Any]) -> Patterns:
    """Compile the content of a language's file.

    Parameters
    ----------
    content : mapping
        As in `en.yaml`, whose comments explain it.

    Returns
    -------
    Patterns
    """
    words = {name: unfold(alternatives) for name, alternatives in content["words"].items()}
    refusals, causes, answers, reported, asides = (
        tuple(_pattern(entry, words) for entry in content.get(kind, ()))
        for kind in ("refusals", "causes", "answers", "reported", "asides")
    )
    labels = {label: Forms(tuple(f["stems"]), tuple(f["forms"])) for label, f in content["labels"].items()}
    contractions, rewrites = (
        tuple(
            Rewrite(re.compile(fill(r["from"], words)), r["to"], tuple(r.get("needs", ())))
            for r in content.get(kind, ())
        )
        for kind in ("contractions", "rewrites")
    )
    grammar = {name: re.compile(fill(unfold(regex), words)) for name, regex in content["grammar"].items()}
    return Patterns(
        refusals,
        causes,
        answers,
        labels,
        reported,
        asides,
        contractions,
        rewrites,
        grammar,
        content["personas"],
        tuple(content.get("thoughts", ())),
        content["objects"],
        tuple(content["scripts"]),
    )


def _pattern(entry: Mapping[str, Any], words: Mapping[str, str]) -> Pattern:
    return Pattern(
        entry["name"],
        re.compile(fill(entry["pattern"], words)),
        tuple(entry.get("needs", ())),
        entry.get("cause"),
        entry["matches"],
        entry["spares"],
        **{flag: entry[flag] for flag in FLAGS if flag in entry},
    )
