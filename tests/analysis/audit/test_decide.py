"""The four words, each for hand-made differences, and the order in which they apply."""

from math import nan

import pytest
from refusal_metrics.analysis.audit.decide import FALLS, HANGS, HOLDS, UNDECIDED, decide
from refusal_metrics.analysis.labels import MeasuredError, explain_difference

# In all cases, errors of up to 5 points were measured: `MeasuredError.limit`.
MEASURED = MeasuredError(0.03, 0.05, "here")


@pytest.mark.parametrize(
    ("low", "high", "p", "claimed", "word"),
    [
        # Significant, and the errors would have to differ by 13 points.
        (0.13, 0.17, 0.001, nan, HOLDS),
        (-0.17, -0.13, 0.001, nan, HOLDS),
        # The claim is in the interval, at its end too.
        (0.13, 0.17, 0.001, 0.15, HOLDS),
        (0.13, 0.17, 0.001, 0.17, HOLDS),
        # Significant, but 1 point of errors would do, and so would 5, which is the bound itself.
        (0.01, 0.04, 0.010, nan, HANGS),
        (0.05, 0.09, 0.001, nan, HANGS),
        # A claim that the interval excludes falls, whether the rest is significant or not.
        (0.13, 0.17, 0.001, 0.30, FALLS),
        (0.13, 0.17, 0.001, 0.10, FALLS),
        (0.01, 0.04, 0.010, -0.02, FALLS),
        (-0.02, 0.03, 0.800, 0.15, FALLS),
        # Not significant; also where the interval excludes 0 and the corrected p-value is too large.
        (-0.02, 0.03, 0.800, nan, UNDECIDED),
        (-0.02, 0.03, 0.800, 0.02, UNDECIDED),
        (0.06, 0.30, 0.060, nan, UNDECIDED),
        # One text has no interval, so that not even a claim falls.
        (nan, nan, nan, nan, UNDECIDED),
        (nan, nan, nan, 0.15, UNDECIDED),
    ],
)
def test_a_difference_has_the_word_of_the_rule(low, high, p, claimed, word):
    may_be_detector = explain_difference(low, high, MEASURED).may_be_detector
    assert decide(low, high, p, may_be_detector=may_be_detector, claimed=claimed) == word
