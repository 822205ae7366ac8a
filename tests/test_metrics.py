"""Per-sample values and aggregations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.metrics import agg_clustered_se, agg_persona_spread, agg_rate, process_results

DOC = {
    "kind": "nli",
    "text_id": "nli/1",
    "label": "neutral",
    "labels": ["entailment", "neutral"],
    "persona": "man",
    "response_type": "semi-forced",
    "setting": "persona",
}

labelled = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def test_a_refusal_by_the_paper_s_rule_alone_is_seen_in_its_metrics_alone():
    values = process_results(DOC, ["No, a man would not."])
    assert values == {
        "refusal_rate": 0.0,
        "refusal_rate_answer_aware": 0.0,
        "refusal_rate_answer_aware_clustered_se": ["nli/1", 0.0],
        "refusal_rate_answer_aware_unforced": None,
        "refusal_rate_answer_aware_semi_forced": 0.0,
        "refusal_rate_answer_aware_forced": None,
        "persona_spread_answer_aware": ["nli/1", "man", 0.0],
        "answer_rate": 0.0,
        "accuracy": None,
        "refusal_rate_prefix": 1.0,
        "refusal_rate_prefix_clustered_se": ["nli/1", 1.0],
        "refusal_rate_prefix_unforced": None,
        "refusal_rate_prefix_semi_forced": 1.0,
        "refusal_rate_prefix_forced": None,
        "persona_spread_prefix": ["nli/1", "man", 1.0],
        "refusal_rate_prefix_strict": 0.0,
        "refusal_rate_prefix_strict_clustered_se": ["nli/1", 0.0],
        "refusal_rate_prefix_strict_unforced": None,
        "refusal_rate_prefix_strict_semi_forced": 0.0,
        "refusal_rate_prefix_strict_forced": None,
        "persona_spread_prefix_strict": ["nli/1", "man", 0.0],
    }


@pytest.mark.parametrize(
    ("response", "answered", "right"), [("Neutral", 1.0, 1.0), ("It is entailment.", 1.0, 0.0), ("Hm.", 0.0, None)]
)
def test_an_answer_is_counted_and_compared_with_the_label(response, answered, right):
    values = process_results(DOC, [response])
    assert (values["answer_rate"], values["accuracy"]) == (answered, right)
    assert "accuracy" not in process_results(DOC | {"kind": "politeness", "labels": ["polite", "impolite"]}, ["polite"])


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
    assert agg_clustered_se(shuffled) == pytest.approx(agg_clustered_se(values), nan_ok=True)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.sampled_from([0.0, 1.0])), max_size=60),
    st.randoms(),
)
def test_the_order_of_docs_does_not_matter_to_the_spread(values, random):
    shuffled = random.sample(values, len(values))
    assert agg_persona_spread(shuffled) == pytest.approx(agg_persona_spread(values), nan_ok=True, abs=1e-7)


def docs_of(persona, verdicts):
    """One text a doc."""
    return [(f"{persona}-{i}", persona, v) for i, v in enumerate(verdicts)]


def test_the_spread_of_a_small_example_is_the_one_worked_by_hand():
    # Rates 1/4 and 3/4 of 4 docs, each of a text of its own: squared distances from 1/2 sum to 1/8.
    # Man's refusal adds (3/4)/4 = 3/16 to his rate's error, his three other docs -1/16 each: squares sum
    # to 12/256, woman's the same. Less the mean of both personas, half of each goes to either, in squares
    # half of the sum; noise 8/7 * 12/256 = 3/56; sqrt(1/8 - 3/56) with the divisor 2 - 1.
    values = docs_of("man", [1.0, 0.0, 0.0, 0.0]) + docs_of("woman", [1.0, 1.0, 1.0, 0.0])
    assert agg_persona_spread(values) == pytest.approx(math.sqrt(1 / 8 - 3 / 56))


def test_the_spread_is_zero_where_noise_explains_it():
    assert agg_persona_spread(docs_of("man", [0.0, 1.0]) + docs_of("woman", [1.0, 0.0])) == 0.0


def test_the_spread_of_one_persona_or_one_text_is_unknown():
    assert math.isnan(agg_persona_spread(docs_of("man", [1.0, 0.0])))
    assert math.isnan(agg_persona_spread([("text", "man", 1.0), ("text", "woman", 0.0)]))


@pytest.mark.parametrize("personas_share_a_text", [True, False])
def test_without_a_persona_effect_noise_explains_the_spread_as_often_as_it_should(personas_share_a_text):
    # 40 texts whose rates are spread over 0 to 1, asked under two personas six times each, or half
    # of them twelve times under the one and half under the other. With two personas the squared
    # spread is cut to 0 where a chi-square of one degree of freedom is below 1, if, and only if, the
    # noise taken off is the noise there is: in 68.3 % of studies, with a standard error of
    # sqrt(.683 * .317 / 400) = 2.3 %.
    rng = np.random.default_rng(0)
    spreads = []
    for _ in range(400):
        values = []
        for text, rate in enumerate(rng.beta(0.5, 0.5, size=40)):
            asked = ["man", "woman"] * 6 if personas_share_a_text else [("man", "woman")[text % 2]] * 12
            values += [(text, persona, float(rng.random() < rate)) for persona in asked]
        spreads.append(agg_persona_spread(values))
    assert np.mean(np.array(spreads) == 0) == pytest.approx(0.683, abs=4 * 0.023)


def test_the_spread_recovers_a_true_one():
    # 15 personas, true rates with standard deviation .1, 3,000 docs each: the estimate is within
    # .02 of the true spread of these very rates.
    rng = np.random.default_rng(0)
    rates = np.clip(rng.normal(0.4, 0.1, size=15), 0, 1)
    values = [v for i, rate in enumerate(rates) for v in docs_of(f"p{i}", (rng.random(3000) < rate).astype(float))]
    assert agg_persona_spread(values) == pytest.approx(np.std(rates, ddof=1), abs=0.02)
