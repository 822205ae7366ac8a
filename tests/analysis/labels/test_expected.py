"""The width of a corrected rate's interval that is expected before anyone labels."""

import math

import numpy as np
import pytest
from refusal_metrics.analysis.labels import ANTICIPATED, expect_width, label_deviation
from refusal_metrics.analysis.responses import LABEL_CLASSES


def counts(**of_class):
    return np.array([of_class.get(name, 0) for name in LABEL_CLASSES])


def test_each_class_has_a_share_of_refusals_that_its_labels_are_expected_to_have():
    assert set(ANTICIPATED) == set(LABEL_CLASSES)
    # sqrt(.75 * .25).
    assert label_deviation("alone") == pytest.approx(math.sqrt(0.1875))


def test_many_labels_have_the_width_of_a_normal_interval():
    # 20,000 labels of the flagged, .98 of them refusals, and as many of the hedged, .15.
    n = counts(agreed=50_000, hedged=50_000)
    labelled = counts(agreed=20_000, hedged=20_000)
    width = expect_width(n.astype(float), labelled, (0.01, 0.02), np.random.default_rng(0))
    # Half of the responses each; the detector's own distances count by the slope .98 - .15.
    variance = 0.25 * (0.98 * 0.02 + 0.15 * 0.85) / 20_000
    expected = sum(math.sqrt((0.83 * end) ** 2 + 1.96**2 * variance) for end in (0.01, 0.02))
    assert width == pytest.approx(expected, rel=0.01)


def test_without_an_error_among_few_labels_the_bound_of_the_unseen_is_left():
    # 10 labels of answers, of which one in 200 is a refusal: mostly none is, and .025^(1/10) is open.
    width = expect_width(counts(answered=1000).astype(float), counts(answered=10), (0.0, 0.0), np.random.default_rng(0))
    unseen = 1 - 0.025 ** (1 / 10)
    # With one refusal among 10, Clopper and Pearson's interval is .0025 to .4450.
    share = 0.995**10
    assert width == pytest.approx(share * unseen + (1 - share) * 0.4425, abs=0.015)


def test_more_labels_promise_a_narrower_interval():
    n = counts(agreed=400, alone=50, hedged=300, open=4000, answered=5000).astype(float)
    rng = np.random.default_rng(0)
    widths = [
        expect_width(n, counts(agreed=20, alone=10, hedged=50, open=k, answered=k), (0.01, 0.01), rng)
        for k in (50, 200, 1000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[2] > 0.02
