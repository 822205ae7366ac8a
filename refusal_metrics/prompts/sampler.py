"""Monte Carlo designs: sampled rows, their order, personas and templates.

Pure numpy over indices. A *pair* is a (persona, template) combination, numbered
``persona * n_templates + template``. All arithmetic that decides anything is on integers, so
that one seed gives one sample on every platform.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_WINDOW = 64
"""How many texts `order_texts` looks ahead. On POPQUORN, 64 keep every prefix as proportional as
looking at all 1,406 does (3.5 rows off at most), and unlike that they leave it nearly random which
texts come first."""

_TRIES, _TRIES_FOR_MARGINALS = 16, 512
"""How often `sample_balanced` draws a text before it keeps the best try: if only pair counts run ahead, which later
texts mostly balance, and if a persona or template count does, which breaks a bound.
One text in ten needs a second try; the few that use up nearly their whole pool of pairs need many."""
_GIVE_UP = 8
"""One pair in this many is put off in each row of a text that uses up its pool, once `_TRIES` have failed."""

# One integer ranks the pairs for the next prompt of a stratum: first by how often their persona and
# their template were drawn, then by how often the pair was, then at random. Counts stay below 2**20,
# so the fields cannot run into each other, and a pair that may not be drawn outweighs all of them.
_MARGINAL, _PAIR, _NOISE, _TAKEN = 1 << 40, 1 << 20, 1 << 19, 1 << 61
_FORESIGHT_SHIFT = 6


def number_labels(labels: Iterable[Hashable]) -> Ints:
    """Return labels numbers in the order of their first appearance.

    Parameters
    ----------
    labels : iterable of hashable

    Returns
    -------
    (n_labels,) int
    """
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


def sample_rows(strata: Ints, rows_per_class: int, rng: np.random.Generator) -> Ints:
    """Draw at most `rows_per_class` rows of each class, without replacement.

    Parameters
    ----------
    strata : (n_rows,) int
        Class of each row.
    rows_per_class : int
    rng : numpy.random.Generator

    Returns
    -------
    (n_sampled,) int
        Row indices, ascending.

    References
    ----------
    arXiv 2509.08075, section 3.1.
    """
    draws = [rng.permutation(np.flatnonzero(strata == s))[:rows_per_class] for s in np.unique(strata)]
    return np.sort(np.concatenate(draws))


def order_texts(texts: Ints, strata: Ints, rng: np.random.Generator) -> Ints:
    """Order rows so that texts come at random, and every prefix holds the classes in proportion.

    Each next text is the one, among the next few of a random order, that brings the class counts
    closest to proportional.

    Parameters
    ----------
    texts : (n_rows,) int
        Text of each row.
    strata : (n_rows,) int
        Class of each row.
    rng : numpy.random.Generator

    Returns
    -------
    (n_rows,) int
        A permutation of the rows: those of one text are adjacent, in their given order.
    """
    ids, text = np.unique(texts, return_inverse=True)
    classes, stratum = np.unique(strata, return_inverse=True)
    counts = np.zeros((len(ids), len(classes)), dtype=np.int64)
    np.add.at(counts, (text, stratum), 1)
    # Rows above what is proportional, times n_rows to stay in integers.
    surplus = counts * len(texts) - counts.sum(axis=1, keepdims=True) * counts.sum(axis=0)
    waiting = rng.permutation(len(ids)).tolist()
    window, waiting = waiting[:_WINDOW], waiting[_WINDOW:][::-1]
    total = np.zeros(len(classes), dtype=np.int64)
    position = np.empty(len(ids), dtype=np.int64)
    for place in range(len(ids)):
        best = int(np.argmin(((total + surplus[window]) ** 2).sum(axis=1)))
        position[window[best]] = place
        total += surplus[window[best]]
        if waiting:
            window[best] = waiting.pop()
        else:
            window.pop(best)
    return np.argsort(position[text], kind="stable")


def shuffle_texts(texts: Ints, rng: np.random.Generator) -> Ints:
    """Order rows so that texts come in a random order: every prefix of whole texts is a random sample of them.

    Parameters
    ----------
    texts : (n_rows,) int
        Text of each row.
    rng : numpy.random.Generator

    Returns
    -------
    (n_rows,) int
        A permutation of the rows: those of one text are adjacent, in their given order.
    """
    ids, text = np.unique(texts, return_inverse=True)
    return np.argsort(rng.permutation(len(ids))[text], kind="stable")


def sample_iid(n_rows: int, variations: int, n_pairs: int, rng: np.random.Generator) -> Ints:
    """Draw independent uniform pairs for each row, as the paper does.

    Parameters
    ----------
    n_rows, variations, n_pairs : int
    rng : numpy.random.Generator

    Returns
    -------
    (n_rows, variations) int
        Pair numbers.

    References
    ----------
    arXiv 2509.08075, section 3.2.
    """
    return rng.integers(n_pairs, size=(n_rows, variations), dtype=np.int64)


def sample_balanced(
    blocks: Ints, strata: Ints, variations: int, n_personas: int, n_templates: int, rng: np.random.Generator
) -> Ints:
    """Draw pairs that are distinct within a text and balanced within every stratum.

    For each prompt in turn a greedy choice takes, at random among the best, a pair whose persona,
    template and combination were drawn least in its stratum and that its text does not have yet.
    Ties go to pairs that the text's later rows need least. A text that this leaves out of balance
    is drawn again, its strata in another order.

    Parameters
    ----------
    blocks : (n_rows,) int
        What pairs are distinct within: the text of each row (for NLI its pair). Rows of one
        block are adjacent. If the pool is too small for a block, its rows share the pool in
        parts that differ by at most one pair; which rows get one more is random.
    strata : (n_rows,) int
        Class of each row, from 0.
    variations : int
        Prompts a row gets if the pool of its block suffices.
    n_personas, n_templates : int
        Their product is the pool.
    rng : numpy.random.Generator

    Returns
    -------
    (n_rows, min(variations, pool)) int
        Pair numbers, and -1 behind them in rows that get fewer. Within a stratum, persona and template counts differ
        by at most 2 in every prefix, pair counts by at most 2 at the end. Only where texts use up their pool to the
        last pair (6 rows of 2 prompts from 12 pairs) can a persona, a template or a pair now and then be 3 ahead.
    """
    variations = min(variations, n_personas * n_templates)
    drawn = np.full((len(blocks), variations), -1, dtype=np.int64)
    tallies = [_Tally(n_personas, n_templates) for _ in range(int(strata.max()) + 1)]
    first_noise = rng.integers(_NOISE, size=(len(blocks), n_personas * n_templates))
    starts = np.flatnonzero(np.diff(blocks, prepend=blocks[0] - 1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(blocks)], strict=True):
        strata_here = strata[start:stop].tolist()
        before = {s: tallies[s] for s in strata_here}
        sizes = _share_pool(stop - start, variations, n_personas * n_templates, rng)
        is_shared = sum(sizes) < len(sizes) * variations
        # Pairs that later rows need decide before chance does, if all pairs of the text are used.
        calm = _FORESIGHT_SHIFT + 1 if is_shared else 0
        best = _fill_block(before, strata_here, range(stop - start), first_noise[start:stop] >> calm, sizes)
        for tried in range(1, _TRIES_FOR_MARGINALS):
            if not best.marginal_misses and (not best.pair_misses or tried >= _TRIES):
                break
            noise = rng.integers(_NOISE, size=(stop - start, n_personas * n_templates))
            noise >>= calm if tried % 2 else 0
            if tried >= _TRIES and is_shared:
                # What the last rows get is forced, so some of the best choices of the others have to be given up.
                noise += rng.integers(_GIVE_UP, size=noise.shape) // (_GIVE_UP - 1) * 2 * _MARGINAL
            turn = rng.permutation(len(tallies)).tolist()
            order = sorted(range(stop - start), key=[turn[s] for s in strata_here].__getitem__)
            again = _fill_block(before, strata_here, order, noise, sizes)
            if (again.marginal_misses, again.pair_misses) < (best.marginal_misses, best.pair_misses):
                best = again
        for row, pairs in enumerate(best.pairs, start):
            drawn[row, : len(pairs)] = pairs
        for stratum, tally in best.tallies.items():
            tallies[stratum] = tally
    return drawn


class _Tally:
    """How often each persona, template and pair was drawn in one stratum."""

    def __init__(self, n_personas: int, n_templates: int) -> None:
        self.personas = [0] * n_personas
        self.templates = [0] * n_templates
        self.ranks: Ints = np.zeros((n_personas, n_templates), dtype=np.int64)

    def copy(self) -> "_Tally":
        new = _Tally(0, 0)
        new.personas, new.templates, new.ranks = self.personas[:], self.templates[:], self.ranks.copy()
        return new

    def draw_row(self, handicap: Ints, variations: int) -> tuple[list[int], int]:
        """Draw the pairs of one row; count how often a persona or template gets more than two ahead."""
        scores = self.ranks + handicap
        flat, n_templates = scores.reshape(-1), len(self.templates)
        pairs, misses = [], 0
        for _ in range(variations):
            pair = int(flat.argmin())
            persona, template = divmod(pair, n_templates)
            self.personas[persona] += 1
            self.templates[template] += 1
            misses += self.personas[persona] - min(self.personas) > 2
            misses += self.templates[template] - min(self.templates) > 2
            scores[persona] += _MARGINAL
            scores[:, template] += _MARGINAL
            flat[pair] += _PAIR + _TAKEN
            pairs.append(pair)
        flat[pairs] -= _TAKEN
        self.ranks = scores - handicap
        return pairs, misses

    def pairs_are_uneven(self) -> bool:
        counts = self.ranks % _MARGINAL
        return int(counts.max() - counts.min()) > 2 * _PAIR


def _share_pool(n_rows: int, variations: int, pool: int, rng: np.random.Generator) -> list[int]:
    """Return how many pairs each row of a block gets."""
    if n_rows * variations <= pool:
        return [variations] * n_rows
    each, more = divmod(pool, n_rows)
    sizes: list[int] = (each + (rng.permutation(n_rows) < more)).tolist()
    return sizes


@dataclass
class _Block:
    """The pairs of one block's rows, the tallies with them, and how many bounds they break."""

    pairs: list[list[int]]
    tallies: dict[int, _Tally]
    marginal_misses: int = 0
    pair_misses: int = 0


def _fill_block(
    before: dict[int, _Tally], strata: list[int], order: Sequence[int], noise: Ints, sizes: Sequence[int]
) -> _Block:
    """Draw the pairs of one block, its rows taken in an order in which equal strata keep theirs."""
    block = _Block([[] for _ in strata], {s: t.copy() for s, t in before.items()})
    shape = block.tallies[strata[0]].ranks.shape
    taken = np.zeros(shape, dtype=np.int64)
    for turn, row in enumerate(order):
        tally = block.tallies[strata[row]]
        handicap = taken + noise[row].reshape(shape)
        for stratum in [strata[r] for r in order[turn + 1 :] if strata[r] != strata[row]]:
            need = block.tallies[stratum].ranks
            handicap -= (need - need.min()) >> _FORESIGHT_SHIFT
        pairs, misses = tally.draw_row(handicap, sizes[row])
        block.pairs[row] = pairs
        block.marginal_misses += misses
        block.pair_misses += tally.pairs_are_uneven()
        taken.reshape(-1)[pairs] = _TAKEN
    return block


def shard_bounds(texts: Ints, shard: int, n_shards: int) -> tuple[int, int]:
    """Find where a shard begins and ends: a contiguous run of whole texts.

    Parameters
    ----------
    texts : (n_docs,) int
        Text of each doc; docs of one text are adjacent.
    shard : int
        From 1 to `n_shards`.
    n_shards : int
        At most the number of texts.

    Returns
    -------
    start, stop : int
        Doc positions. The cuts between shards are the text borders nearest to equal lengths that
        leave every shard a text.

    Raises
    ------
    ValueError
        If there are fewer texts than shards.
    """
    borders = np.append(np.flatnonzero(np.diff(texts)) + 1, len(texts))
    if n_shards > len(borders):
        raise ValueError(f"{n_shards} shards of {len(borders)} texts")
    borders = np.concatenate([[0], borders])
    cuts = [0]
    for k in range(1, n_shards):
        nearest = int(np.argmin(np.abs(borders * n_shards - len(texts) * k)))
        cuts.append(min(max(nearest, cuts[-1] + 1), len(borders) - 1 - (n_shards - k)))
    cuts.append(len(borders) - 1)
    return int(borders[cuts[shard - 1]]), int(borders[cuts[shard]])
