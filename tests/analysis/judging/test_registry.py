"""Detectors by the names that users give them."""

import pytest
from refusal_metrics.analysis.judging.registry import make_detector
from refusal_metrics.analysis.responses import RuleDetector

from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError


@pytest.mark.parametrize("name", RULES)
def test_a_rule_goes_by_its_name(name):
    detector = make_detector(name)
    assert isinstance(detector, RuleDetector)
    assert detector.name == name


@pytest.mark.parametrize(("spec", "near"), [("prefix-strict", "'prefix_strict'"), ("PREFIX", "'prefix'"), ("", "")])
def test_an_unknown_detector_is_refused_with_all_kinds_there_are(spec, near):
    with pytest.raises(InputError, match=f"unknown detector '{spec}'") as error:
        make_detector(spec)
    assert all(name in str(error.value) for name in [*RULES, "hf:", "judge:", near])
