"""Agreement of judges: against printed examples and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.agreement import cohen_kappa, krippendorff_alpha
from sklearn.metrics import cohen_kappa_score

NAN = math.nan


# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".


def test_alpha_of_two_observers_and_two_classes_is_the_printed_one():
    # Section B: ten articles, Meg and Owen.
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    # By hand: 4 disagreements make 8; 14 zeros and 6 ones make 2 * 14 * 6 / 19 by chance.
    assert krippendorff_alpha(np.transpose([meg, owen])) == pytest.approx(1 - 8 / (2 * 14 * 6 / 19))
    assert round(krippendorff_alpha(np.transpose([meg, owen])), 3) == 0.095


def test_alpha_of_four_observers_with_gaps_is_the_printed_one():
    # Section C: twelve units, of which the last has one value and counts for nothing.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    assert round(krippendorff_alpha(np.transpose(observers)), 3) == 0.743


def test_alpha_is_1_where_all_agree_and_missing_where_there_is_nothing_to_compare():
    assert krippendorff_alpha([[0, 0, NAN], [1, 1, 1]]) == 1
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert math.isnan(krippendorff_alpha([[1, NAN], [NAN, 0]]))
    assert math.isnan(krippendorff_alpha(np.empty((0, 3))))


def test_alpha_of_a_list_that_is_no_table_is_refused():
    with pytest.raises(ValueError, match="rows are items"):
        krippendorff_alpha([1.0, 0.0])


ratings = st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0, NAN]), min_size=3, max_size=3), min_size=1, max_size=12)


@settings(max_examples=settings.default.max_examples // 2, deadline=None)
@given(ratings, st.randoms(use_true_random=False))
def test_alpha_knows_no_order_of_items_annotators_or_classes(table, random):
    shuffled = [random.sample(row, 3) for row in random.sample(table, len(table))]
    renamed = [[{0.0: 7.0, 1.0: -1.0, 2.0: 0.5}.get(v, NAN) for v in row] for row in shuffled]
    assert krippendorff_alpha(renamed) == pytest.approx(krippendorff_alpha(table), nan_ok=True)


# Cohen.


def test_kappa_equals_the_example_worked_by_hand():
    a = [True] * 25 + [False] * 25
    b = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    # Agreement 35/50 = .7; by chance .5 * .6 + .5 * .4 = .5; (.7 - .5) / .5.
    assert cohen_kappa(a, b) == pytest.approx(0.4)


pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 5)), min_size=1, max_size=20)


@settings(max_examples=settings.default.max_examples // 2, deadline=None)
@given(pairs)
def test_kappa_equals_that_of_scikit_learn(rows):
    a, b, weight = map(list, zip(*rows, strict=True))
    if len({*a, *b}) == 1:
        assert math.isnan(cohen_kappa(a, b))
        return
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert cohen_kappa(a, b, weight) == pytest.approx(cohen_kappa_score(a, b, sample_weight=weight))


def test_kappa_without_items_is_missing():
    assert math.isnan(cohen_kappa([], []))
