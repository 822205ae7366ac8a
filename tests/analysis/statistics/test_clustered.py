"""Text-clustered variances and their degrees of freedom, by hand."""

import numpy as np
import pytest
from refusal_metrics.analysis.statistics.clustered import cluster_correction, clustered_variance, variance_of_scores


def test_a_clustered_variance_is_that_of_the_scores():
    # 4/3 * (.01 + .01 + .04 + .04).
    variance, _ = variance_of_scores(np.array([0.1, -0.1, 0.2, -0.2]))
    assert variance == pytest.approx(4 / 3 * 0.1)
    assert np.isnan(variance_of_scores(np.array([0.0]))).all()
    assert variance_of_scores(np.zeros(5)) == (0, 4)


def test_few_texts_that_decide_leave_few_degrees_of_freedom():
    alike, few = np.tile([1.0, -1.0], 50), np.zeros(100)
    few[:2] = [1, -1]
    _, freedom = variance_of_scores(np.stack([alike, few], axis=1))
    # Kurtosis 100 * 2 / 4 = 50; 200 / (50 - 97 / 99).
    assert freedom == pytest.approx([99, 200 / (50 - 97 / 99)])


def test_texts_that_an_estimate_does_not_have_do_not_count():
    scores = np.array([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]])
    # Two texts: 2 * 2; three: 3/2 * 2.
    assert variance_of_scores(scores, [2, 3])[0] == pytest.approx([4, 3])


def test_the_correction_of_one_text_is_missing_and_a_covariance_has_the_same_one():
    assert np.isnan(cluster_correction([0, 1])).all()
    products = np.array([[2.0, -1.0], [-1.0, 3.0]])
    np.testing.assert_allclose(clustered_variance(products, 5), 1.25 * products)
