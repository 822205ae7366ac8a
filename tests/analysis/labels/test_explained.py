"""The difference of detection errors that would explain a difference of refusal rates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.labels import (
    MEASURED,
    Explanation,
    MeasuredError,
    describe_explanation,
    explain_difference,
    measured_by_labels,
)

SMALL = MeasuredError(0.01, 0.02, "between two personas in some responses")
DOCS = Path(__file__).parents[3] / "docs" / "how-to" / "detector.md"


@pytest.mark.parametrize(
    ("low", "high", "needed"),
    [
        # The end nearer to 0, whatever the sign.
        (0.049, 0.065, 0.049),
        (-0.065, -0.049, 0.049),
        # Nothing has to be explained: the interval contains 0, or there is none.
        (-0.01, 0.3, 0),
        (np.nan, np.nan, 0),
    ],
)
def test_what_explains_a_difference_is_the_end_of_its_interval_nearer_to_0(low, high, needed):
    assert explain_difference(low, high, SMALL).needed == needed


def test_it_may_be_the_detector_if_errors_within_the_measured_limit_explain_it():
    assert not Explanation(0.021, SMALL).may_be_detector
    # The limit itself is not excluded; the estimate, 1 pp, is smaller.
    assert Explanation(0.02, SMALL).may_be_detector
    assert Explanation(0.5, None).may_be_detector
    assert describe_explanation(Explanation(0.5, None)).endswith("; for this detector, none was measured.")
    assert describe_explanation(Explanation(0.015, SMALL)) == (
        "It may be the detector: a difference of 1.5 pp in detection error would explain it, and the largest measured "
        "one is at most 2.0 pp (between two personas in some responses)."
    )


def test_the_limit_is_that_of_the_study_s_own_labels_where_it_has_any():
    gaps = pd.DataFrame(
        {"detector": ["prefix", "mine"], "observed": [0.03, np.nan], "ci_high": [0.06, np.nan], "n_personas": [4, 1]}
    )
    assert measured_by_labels(gaps, "prefix") == MeasuredError(
        0.03, 0.06, "between 4 personas in the labelled responses"
    )
    assert measured_by_labels(gaps, "mine") is None
    assert measured_by_labels(gaps, "other") is None


def test_the_measured_differences_are_those_of_the_documentation():
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    own, prefix = MEASURED["answer_aware"], MEASURED["prefix"]
    said = f"Its error rates differ between personas by {100 * own.estimate:.1f} points"
    assert said in text
    assert f"(95% confidence interval [0, {100 * own.limit:.1f}])" in text
    assert (
        f'the contrast of "an Asian person" is {100 * prefix.estimate:.1f} pp [4.8, {100 * prefix.limit:.1f}]' in text
    )
