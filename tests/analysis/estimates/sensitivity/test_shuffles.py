"""What random moves keep, and what they reach."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.estimates.sensitivity.grid import Grid
from refusal_metrics.analysis.estimates.sensitivity.shuffles import (
    RowsOfTexts,
    Shuffles,
    Steps,
    move_labels,
    number,
    number_patterns,
    number_sorted,
)

GROUPS = st.lists(st.integers(0, 5), min_size=1, max_size=30).map(lambda codes: number(np.array(codes)))
N_DRAWN = 6000


def make_moves(kind, group, label, wanted, rng):
    return Shuffles(group, label, wanted) if kind == "shuffles" else Steps(group, label, wanted, rng)


@pytest.mark.parametrize("kind", ["shuffles", "steps"])
@given(group=GROUPS)
def test_every_group_keeps_its_labels(kind, group):
    rng = np.random.default_rng(0)
    label = np.arange(len(group)) * 7
    moves = make_moves(kind, group, label, np.arange(len(group)), rng)
    for _ in range(3):
        moved = moves.draw(rng)
        assert sorted(moved) == sorted(label)
        assert group[moved // 7].tolist() == group.tolist()


@pytest.mark.parametrize("kind", ["shuffles", "steps"])
@given(group=GROUPS, seed=st.integers(0, 9))
def test_only_the_units_wanted_are_given(kind, group, seed):
    wanted = np.random.default_rng(seed).choice(len(group), size=len(group) // 2, replace=False)
    label = np.arange(len(group))
    moved = make_moves(kind, group, label, wanted, np.random.default_rng(seed)).draw(np.random.default_rng(1))
    assert group[moved].tolist() == group[wanted].tolist()
    assert len(set(moved)) == len(moved)


def test_shuffles_reach_every_order_equally():
    rng = np.random.default_rng(0)
    moves = Shuffles(np.array([1, 0, 1, 0, 1, 2]), np.array([0, 1, 2, 3, 4, 5]), np.arange(6))
    found = Counter(tuple(moves.draw(rng)) for _ in range(N_DRAWN))
    expected = {(a, b, c, d, e, 5) for a, c, e in permutations([0, 2, 4]) for b, d in permutations([1, 3])}
    assert set(found) == expected
    # Each a twelfth of 6,000; the standard deviation of a count is 21.
    assert all(abs(n - N_DRAWN / 12) < 100 for n in found.values())


def test_steps_bring_every_label_to_every_unit_equally():
    rng = np.random.default_rng(0)
    moves = Steps(np.array([0, 1, 0, 0, 1]), np.array([10, 20, 11, 12, 21]), np.arange(5), rng)
    drawn = np.array([moves.draw(rng) for _ in range(N_DRAWN)])
    for unit, labels in enumerate([(10, 11, 12), (20, 21), (10, 11, 12), (10, 11, 12), (20, 21)]):
        assert Counter(drawn[:, unit].tolist()) == {
            label: pytest.approx(N_DRAWN / len(labels), abs=5 * 39) for label in labels
        }


def test_steps_go_through_an_order_drawn_at_random():
    group, label = np.zeros(4, dtype=int), np.arange(4)
    reached = set()
    for seed in range(40):
        moves = Steps(group, label, np.arange(4), np.random.default_rng(seed))
        reached |= {tuple(moves.draw(np.random.default_rng(i)).tolist()) for i in range(20)}
    # One order gives four permutations; all orders the identity, six 4-cycles and their three squares.
    assert len(reached) == 10


@pytest.mark.parametrize(("n_groups", "kind"), [(1, Shuffles), (99, Shuffles), (100, Steps)])
def test_labels_of_few_groups_are_shuffled_and_those_of_many_stepped(n_groups, kind):
    # Behind them stand units that have nothing to be exchanged with.
    group = np.append(np.arange(3 * n_groups) % n_groups, n_groups + np.arange(200))
    moves = move_labels(group, group, np.arange(len(group)), np.random.default_rng(0))
    assert isinstance(moves, kind)


def test_nothing_to_move_gives_nothing():
    empty = np.array([], dtype=int)
    rng = np.random.default_rng(0)
    assert not len(Shuffles(empty, empty, empty).draw(rng))
    assert not len(Steps(empty, empty, empty, rng).draw(rng))


@pytest.fixture(scope="session")
def rows_grid(make_counts):
    """Five texts, their rows' strata, put to two models; those of b are put twice, and e is of a second task."""
    strata = {"a": "112", "b": "112", "c": "344", "d": "5", "e": "12"}
    rows = [
        {"model": model, "task": "u" if text == "e" else "t", "setting": "persona", "persona": "p", "text_id": text,
         "row_id": f"{text}{i}", "stratum": stratum, "template": f"p{variation}", "refused": 1}
        for model in "MN"
        for text, own in strata.items()
        for i, stratum in enumerate(own)
        for variation in range(1 + (text == "b"))
    ]  # fmt: skip
    return Grid(make_counts(rows), ["model"], ["stratum"])


def by_text(grid, label):
    """Give the strata of each text's rows, sorted."""
    entries = np.unique(grid.counts.row, return_index=True)[1]
    names = np.array(grid.counts.levels["stratum"])[label[grid.counts.row[entries]]]
    texts = grid.counts.text[entries]
    return ["".join(sorted(names[texts == text])) for text in range(grid.counts.n_texts)]


def test_within_tasks_only_texts_of_one_make_exchange_their_strata(rows_grid):
    rng = np.random.default_rng(0)
    moves = RowsOfTexts(rows_grid)
    found = Counter(tuple(by_text(rows_grid, moves.draw(rng))) for _ in range(400))
    # a and c are alike; b has more prompts, d fewer rows, and e is of another task.
    assert found == {
        ("112", "112", "344", "5", "12"): pytest.approx(200, abs=50),
        ("344", "112", "112", "5", "12"): pytest.approx(200, abs=50),
    }


def test_rows_of_a_text_exchange_their_strata(rows_grid):
    rng = np.random.default_rng(0)
    moves = RowsOfTexts(rows_grid)
    row = rows_grid.counts.row[rows_grid.counts.text == 1][0]
    drawn = Counter(int(moves.draw(rng)[row]) for _ in range(600))
    # One of b's three rows has the other stratum.
    assert drawn == {0: pytest.approx(400, abs=60), 1: pytest.approx(200, abs=60)}


def test_combinations_are_numbered_in_their_order():
    assert number(np.array([1, 0, 1, 0]), np.array([0, 5, 0, 2])).tolist() == [2, 1, 2, 0]
    assert number_sorted(np.array([3, 3, 0, 0]), np.array([1, 1, 1, 2])).tolist() == [0, 0, 1, 2]


def test_units_with_the_same_labels_as_often_have_one_pattern():
    unit = np.array([0, 0, 1, 1, 2, 3, 3, 3])
    label = np.array([0, 1, 1, 0, 0, 0, 1, 1])
    pattern = number_patterns(unit, label)
    assert pattern[0] == pattern[1]
    assert len(set(pattern)) == 3
