"""Options that are numbers."""

import math

import pytest
from refusal_metrics.analysis.cli.options import between

from refusal_metrics.errors import InputError


@pytest.mark.parametrize("value", [0.0, 0.5, 100.0, None])
def test_a_number_within_the_range_passes(value):
    assert between("--timeout", 0, 100)(value) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e-9, 100.1, -0.5, 1e308])
def test_what_is_no_number_of_the_range_is_refused(value):
    with pytest.raises(InputError, match=r"--timeout .*: is not a number from 0 to 100"):
        between("--timeout", 0, 100)(value)
