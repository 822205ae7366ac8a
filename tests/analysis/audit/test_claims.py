"""Claimed differences, as they are typed."""

import pytest
from refusal_metrics.analysis.audit.claims import check_claims, read_claims

from refusal_metrics.errors import InputError


def test_a_claim_is_of_all_conditions_or_of_one():
    # Points are hundredths; the last "=" ends the condition.
    assert read_claims(["15"]) == {"": 0.15}
    assert read_claims(["a=b=-2.5 pp", " c =\N{MINUS SIGN}3%"]) == {"a=b": -0.025, "c": -0.03}


@pytest.mark.parametrize("claim", ["", "much", "a person=", "101", "nan", "x=1e9"])
def test_a_claim_without_points_is_refused(claim):
    with pytest.raises(InputError, match="no difference in percentage points"):
        read_claims([claim])


def test_a_condition_has_one_claim_and_occurs():
    with pytest.raises(InputError, match="second claim"):
        read_claims(["x=1", "x=2"])
    check_claims({"": 0.1, "x": 0.1}, ["x", "y"])
    with pytest.raises(InputError, match=r"unknown condition in --claimed 'xx'.*did you mean 'x'"):
        check_claims({"xx": 0.1}, ["x", "y"])
