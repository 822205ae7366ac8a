"""Per-sample values and aggregations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.metrics import agg_clustered_se, agg_persona_spread, agg_rate, process_results

DOC = {"text_id": "nli/1", "persona": "man", "response_type": "semi-forced", "setting": "persona"}

labelled = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def test_a_refusal_by_the_paper_s_rule_alone_is_seen_in_its_metrics_alone():
    values = process_results(DOC, ["No, a man would not."])
    assert values == {
        "refusal_rate_prefix": 1.0,
        "refusal_rate_prefix_clustered_se": ["nli/1", 1.0],
        "refusal_rate_prefix_unforced": None,
        "refusal_rate_prefix_semi_forced": 1.0,
        "refusal_rate_prefix_forced": None,
        "persona_spread_prefix": ["man", 1.0],
        "refusal_rate_prefix_strict": 0.0,
        "refusal_rate_prefix_strict_clustered_se": ["nli/1", 0.0],
        "refusal_rate_prefix_strict_unforced": None,
        "refusal_rate_prefix_strict_semi_forced": 0.0,
        "refusal_rate_prefix_strict_forced": None,
        "persona_spread_prefix_strict": ["man", 0.0],
    }


@pytest.mark.parametrize("setting", ["neutral", "persona-free"])
def test_only_persona_tasks_have_a_persona_spread(setting):
    values = process_results(DOC | {"setting": setting}, ["I cannot."])
    assert not [name for name in values if "spread" in name]


@pytest.mark.parametrize("response", [None, "", "  "])
def test_an_empty_response_is_no_refusal(response):
    assert process_results(DOC, [response])["refusal_rate_prefix"] == 0.0


def test_a_rate_is_taken_over_the_docs_that_qualify():
    assert agg_rate([1.0, None, 0.0, None, 1.0, 1.0]) == 0.75
    assert math.isnan(agg_rate([None, None]))


def test_the_clustered_error_of_a_small_example_is_the_one_worked_by_hand():
    # Texts a: 1 of 2, b: 0 of 2, c: 2 of 2. Rate 1/2; residual sums 0, -1, 1; sum of squares 2;
    # sqrt(3/2 * 2) / 6 = sqrt(3) / 6.
    values = [("a", 1.0), ("a", 0.0), ("b", 0.0), ("b", 0.0), ("c", 1.0), ("c", 1.0)]
    assert agg_clustered_se(values) == pytest.approx(math.sqrt(3) / 6)


def test_a_single_text_has_no_error():
    assert math.isnan(agg_clustered_se([("a", 1.0), ("a", 0.0)]))


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=40))
def test_with_one_doc_a_text_the_error_is_that_of_a_mean(verdicts):
    # s / sqrt(n) with the divisor n - 1.
    expected = np.std(verdicts, ddof=1) / math.sqrt(len(verdicts))
    assert agg_clustered_se(list(enumerate(verdicts))) == pytest.approx(expected)


@given(labelled, st.randoms())
def test_the_order_of_docs_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    for aggregate in (agg_clustered_se, agg_persona_spread):
        assert aggregate(shuffled) == pytest.approx(aggregate(values), nan_ok=True)


def test_the_spread_of_a_small_example_is_the_one_worked_by_hand():
    # Rates 1/4 and 3/4 of 4 docs: variance 1/8; noise (3/16)/3 = 1/16 each; sqrt(1/8 - 1/16) = 1/4.
    values = [("man", v) for v in (1.0, 0.0, 0.0, 0.0)] + [("woman", v) for v in (1.0, 1.0, 1.0, 0.0)]
    assert agg_persona_spread(values) == pytest.approx(0.25)


def test_the_spread_is_zero_where_noise_explains_it():
    # Rates 1/2 and 1/2: variance 0, noise more.
    assert agg_persona_spread([(p, v) for p in "ab" for v in (0.0, 1.0)]) == 0.0


def test_the_spread_of_one_persona_is_unknown():
    assert math.isnan(agg_persona_spread([("man", 1.0), ("man", 0.0)]))
    assert math.isnan(agg_persona_spread([("man", 1.0), ("man", 0.0), ("woman", 1.0)]))


def test_the_spread_recovers_a_true_one():
    # 15 personas, true rates with standard deviation .1, 3,000 docs each: the estimate is within
    # .02 of the true spread of these very rates.
    rng = np.random.default_rng(0)
    rates = np.clip(rng.normal(0.4, 0.1, size=15), 0, 1)
    values = [(f"p{i}", float(v)) for i, rate in enumerate(rates) for v in rng.random(3000) < rate]
    assert agg_persona_spread(values) == pytest.approx(np.std(rates, ddof=1), abs=0.02)
