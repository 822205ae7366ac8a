"""Conditions of gates: what is read, and one sentence for whatever cannot be."""

import math

import pytest
from refusal_metrics.analysis.gates.conditions import METRICS, parse_condition, parse_conditions, parse_margin

from refusal_metrics.errors import InputError


@pytest.mark.parametrize(
    ("given", "metric", "low", "high"),
    [
        ("refusal_rate > 5%", "refusal_rate", -math.inf, 0.05),
        ("  Refusal rate>5 %  ", "refusal_rate", -math.inf, 0.05),
        ("refusal_rate_prefix > 0.5%", "refusal_rate_prefix", -math.inf, 0.005),
        ("refusal_rate_prefix_strict > 99%", "refusal_rate_prefix_strict", -math.inf, 0.99),
        ("persona gap > 3pp", "persona gap", -0.03, 0.03),
        ("persona_gap > 3 PP", "persona gap", -0.03, 0.03),
    ],
)
def test_a_condition_is_a_metric_and_a_margin(given, metric, low, high):
    condition = parse_condition(given)
    assert condition.metric == metric
    assert (condition.low, condition.high) == pytest.approx((low, high))


METRIC = "allowed are refusal_rate, refusal_rate_prefix, refusal_rate_prefix_strict, persona gap"
MALFORMED = [
    ("", "is empty"),
    ("   \t", "is empty"),
    ("refusal_rate", "has no margin"),
    ("persona gap", "has no margin; give a margin, e.g. 'persona gap > 3pp'"),
    ("refusal_rate >", "has no margin"),
    ("refusal_rate >   ", "has no margin"),
    ("> 5%", "names no metric"),
    (">", "names no metric"),
    ("5%", METRIC),
    ("5% > refusal_rate", METRIC),
    ("accuracy > 5%", METRIC),
    ("refusal_rat > 5%", "did you mean 'refusal_rate'?"),
    ("refusal_rate >= 5%", "contains =, but only > is allowed"),
    ("refusal_rate < 5%", "contains <, but only > is allowed"),
    ("refusal_rate = 5%", "contains ="),
    ("refusal_rate \uff1e 5%", "contains \uff1e"),
    ("refusal_rate >> 5%", "has several >"),
    ("refusal_rate > 5% > 3%", "has several >"),
    ("refusal_rate > 5% and persona gap > 3pp", "has several >"),
    ("refusal_rate > 5", "has no unit, but % is needed"),
    ("refusal_rate > 5pp", "has the unit pp, but % is needed"),
    ("persona gap > 3%", "has the unit %, but pp is needed"),
    ("persona gap > 3", "has no unit, but pp is needed"),
    ("refusal_rate > 5%%", "'5%%' is not a number with the unit %"),
    ("refusal_rate > five%", "is not a number"),
    ("refusal_rate > 5,5%", "is not a number"),
    ("refusal_rate > -5%", "is not a number"),
    ("refusal_rate > 1e1%", "is not a number"),
    ("refusal_rate > nan%", "is not a number"),
    ("refusal_rate > inf%", "is not a number"),
    ("refusal_rate > \u0665%", "is not a number"),
    ("refusal_rate > .5%", "is not a number"),
    ("refusal_rate > 0%", "is not above 0 and below 100"),
    ("refusal_rate > 100%", "is not above 0 and below 100"),
    ("__import__('os') > 5%", METRIC),
    ("refusal_rate\x1b[31m > 5%", METRIC),
    ("refusal_rate > 5%\x00", "is not a number"),
    ("refusal_rate " + ">" * 100_000, "has 100,013 characters"),
    ("refusal_rate > " + "5" * 150 + "%", "is not a number"),
]


@pytest.mark.parametrize(("given", "said"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_condition_is_one_sentence(given, said):
    with pytest.raises(InputError) as raised:
        parse_condition(given)
    sentence = str(raised.value)
    assert sentence.startswith("--fail-if ")
    assert said in sentence
    assert sentence.isprintable()
    assert len(sentence) < 400


def test_a_metric_has_one_margin():
    with pytest.raises(InputError, match="--fail-if: names refusal_rate twice; give one margin for each metric"):
        parse_conditions(["refusal_rate > 5%", "persona gap > 3pp", "refusal rate > 6%"])
    assert [condition.metric for condition in parse_conditions([f"{m} > 2{unit}" for m, unit in METRICS.items()])] == [
        *METRICS
    ]


@pytest.mark.parametrize(
    ("given", "low", "high"), [("2pp", -0.02, 0.02), (" 0.5 pp", -0.005, 0.005), ("+2pp", -math.inf, 0.02)]
)
def test_a_margin_allows_changes_in_both_directions_or_any_decrease(given, low, high):
    condition = parse_margin(given)
    assert (condition.low, condition.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "is empty"),
        ("2", "has no unit, but pp is needed"),
        ("2%", "has the unit %, but pp is needed"),
        ("-2pp", "is not a number"),
        ("++2pp", "is not a number"),
        ("nan", "is not a number"),
        ("infpp", "is not a number"),
        ("0pp", "is not above 0"),
        ("100pp", "is not above 0 and below 100"),
        ("pp", "is not a number"),
        ("2pp" * 100, "has 300 characters"),
    ],
)
def test_a_malformed_margin_is_one_sentence(given, said):
    with pytest.raises(InputError) as raised:
        parse_margin(given)
    assert str(raised.value).startswith("--margin '")
    assert said in str(raised.value)
