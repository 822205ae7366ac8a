"""Signs of texts, and p-values of random draws."""

import numpy as np
import pytest
from refusal_metrics.analysis.statistics.sign_flips import draw_signs, flip_texts, monte_carlo_p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signs_are_1_or_minus_1_and_each_as_likely(dtype):
    signs = draw_signs(np.random.default_rng(0), (100, 100), dtype)
    assert signs.dtype == dtype
    assert set(np.unique(signs)) == {-1, 1}
    # Of 10,000 fair coins the mean has a standard deviation of .01.
    assert abs(signs.mean()) < 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_make_the_number_of_flips_that_was_asked_for(dtype):
    blocks = list(flip_texts(np.random.default_rng(0), 25, 3, dtype=dtype, at_once=10))
    assert [block.shape for block in blocks] == [(10, 3), (10, 3), (5, 3)]
    assert {block.dtype for block in blocks} == {np.dtype(dtype)}


def test_the_observed_data_count_as_a_draw():
    assert monte_carlo_p([0, 19, 99], 99) == pytest.approx([0.01, 0.2, 1])
