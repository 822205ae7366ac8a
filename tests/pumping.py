"""Texts that make a regular expression work hardest, made of its own words."""

import itertools
import random
import re
import signal
import time
from contextlib import contextmanager
from re import _constants as codes  # the only description of a regular expression that Python has
from re import _parser as parser

HALF = 0.5
MANY = 8
"""A repetition that may go on for longer than this is one to be pumped."""
LENGTHS = (1_000, 48_000)
"""How long the texts are, in characters."""


class TooSlowError(Exception):
    """A search did not end within its time."""


@contextmanager
def within(seconds):
    """Stop what takes more of the processor's time, also a regular expression, which looks for signals."""

    def stop(*_):
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def pumps(pattern, own=(), n_random=6, seed=0):
    """List triples of a beginning, what is repeated, and an end, for a regular expression.

    What is repeated are its repetitions' own contents, each alternative by itself, its beginnings with them, its
    words, alone and in pairs, all of a match, and texts of its own (``own``) with their beginnings; the end is one
    that it does not match.
    """
    rng = random.Random(seed)
    tree = parser.parse(pattern)
    found = {}
    for before, body in _repeated(tree, "", rng):
        units = [_sample(body, rng) for _ in range(2 * n_random)]
        units += [one + next_one for one, next_one in itertools.pairwise(units)]
        # Where any word may stand, one with which the expression begins.
        units += [_choose(body, rng, [_first_word(tree, rng)]) for _ in range(2 * n_random)]
        units += [text for branch in _branches(body) for text in {_sample(branch, rng) for _ in range(2)}]
        for unit in units:
            for triple in ((before, unit, "\x02"), ("", before + unit, "\x02"), ("", before + unit * 6, "\x02")):
                found[triple] = None
    wholes = [_sample(tree, rng) for _ in range(n_random)]
    for whole in (*wholes, *own):
        found["", whole, "\x02"] = found["", whole[: rng.randint(0, len(whole))] + " ", "\x02"] = None
    words = sorted({word for _ in range(4 * n_random) for word in re.findall(r"\w+", _sample(tree, rng))})
    for word in words:
        found["", word + " ", "\x02"] = found["", word, "\x02"] = None
    for _ in range(n_random):
        if words:
            found["", " ".join(rng.choice(words) for _ in range(rng.randint(2, 4))) + " ", "\x02"] = None
    return [triple for triple in found if triple[1]]


def worst_growth(search, triples, lengths=LENGTHS, limit=2.0, n_longest=6):
    """Find the text that takes longest; gives the triple and the seconds at both lengths.

    Only those that take longest at the first length are tried at the second. Where one does not end within the
    limit, it is the worst.
    """
    short, long = lengths
    timed = []
    for triple in triples:
        seconds = _measure(search, pumped(triple, short), limit)
        if seconds == float("inf"):
            return triple, (seconds, seconds)
        timed.append((seconds, triple))
    timed.sort(key=lambda one: -one[0])
    worst = []
    for seconds, triple in timed[:n_longest]:
        worst.append((triple, (seconds, _measure(search, pumped(triple, long), limit))))
        if worst[-1][1][1] == float("inf"):
            return worst[-1]
    triple, seconds = max(worst, key=lambda one: one[1][1])
    if not is_linear(seconds, lengths):
        # Once more: the processor may have been slow.
        seconds = tuple(_measure(search, pumped(triple, length), limit) for length in lengths)
    return triple, seconds


def is_linear(seconds, lengths=LENGTHS):
    """Tell whether the last time is at most what the one before makes of it, with room for a busy machine."""
    return seconds[1] < float("inf") and seconds[1] <= 4 * seconds[0] * lengths[1] / lengths[0] + 0.25


def pumped(triple, length):
    """Make a text of about so many characters."""
    before, unit, after = triple
    return before + unit * max(1, (length - len(before)) // len(unit)) + after


def _measure(search, text, limit):
    """Measure the processor's seconds of a search; infinite beyond the limit."""
    try:
        with within(limit):
            return _timed(search, text)
    except TooSlowError:
        return float("inf")


def _timed(search, text):
    start = time.process_time()
    search(text)
    return time.process_time() - start


def _repeated(tree, before, rng):
    """Find each repetition that may be long, with something that leads up to it."""
    for op, value in tree:
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            _, most, body = value
            if most > MANY:
                yield before, body
            yield from _repeated(body, before, rng)
        elif op is codes.BRANCH:
            for branch in value[1]:
                yield from _repeated(branch, before, rng)
        elif op is codes.SUBPATTERN:
            yield from _repeated(value[-1], before, rng)
        elif op is codes.ATOMIC_GROUP:
            yield from _repeated(value, before, rng)
        before += _sample([(op, value)], rng)


def _branches(body):
    """List the alternatives of a repetition that has them, with what stands before and behind."""
    for i, (op, value) in enumerate(body):
        inner = value[-1] if op is codes.SUBPATTERN else [(op, value)]
        if len(inner) == 1 and inner[0][0] is codes.BRANCH:
            return [[*body[:i], *branch, *body[i + 1 :]] for branch in inner[0][1][1]]
    return []


def _first_word(tree, rng):
    """Choose a word with which a match may begin."""
    return (re.findall(r"\w+", _sample(tree, rng)) or ["a"])[0]


def _is_word(body):
    """Tell whether what is repeated is any letter."""
    return len(body) == 1 and body[0][0] is codes.IN and (codes.CATEGORY, codes.CATEGORY_WORD) in body[0][1]


def _literals(tree):
    """List the words that are written out in a regular expression."""
    text = ""
    for op, value in tree:
        if op is codes.LITERAL:
            text += chr(value)
        elif op is codes.BRANCH:
            text += "".join(" " + " ".join(_literals(branch)) for branch in value[1])
        elif op in (codes.SUBPATTERN, codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            text += " " + " ".join(_literals(value[-1]))
    return re.findall(r"\w+", text)


def _sample(tree, rng):
    """Make a text that part of a regular expression matches, looking round aside."""
    words = _literals(tree)
    return _choose(tree, rng, words)


def _choose(tree, rng, words):
    parts = []
    for op, value in tree:
        if op is codes.LITERAL:
            parts.append(chr(value))
        elif op is codes.NOT_LITERAL or op is codes.ANY:
            parts.append("x")
        elif op is codes.IN:
            parts.append(_member(value, rng))
        elif op is codes.BRANCH:
            parts.append(_choose(rng.choice(value[1]), rng, words))
        elif op is codes.SUBPATTERN:
            parts.append(_choose(value[-1], rng, words))
        elif op is codes.ATOMIC_GROUP:
            parts.append(_choose(value, rng, words))
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least, most, body = value
            # Any word may be one of the words beside it: ambiguous is what reads them in two ways.
            if words and _is_word(body) and most > MANY and rng.random() < HALF:
                parts.append(rng.choice(words))
                continue
            parts += [_choose(body, rng, words) for _ in range(min(most, max(least, rng.randint(0, 2))))]
    return "".join(parts)


def _member(members, rng):
    """Choose a character of a class."""
    if members[0][0] is codes.NEGATE:
        return "x"
    op, value = rng.choice(members)
    if op is codes.LITERAL:
        return chr(value)
    if op is codes.RANGE:
        return chr(rng.randint(*value))
    named = {codes.CATEGORY_WORD: "a", codes.CATEGORY_DIGIT: "7", codes.CATEGORY_SPACE: " "}
    return named.get(value, ".")
