"""Per-sample values and aggregations."""

import json
import math
import pickle
from collections import UserString

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics import metrics
from refusal_metrics.detection import OUTCOMES, RULES, RULES_VERSION, Reply
from refusal_metrics.metrics import (
    GROUP_METRICS,
    PERSONA_GROUP_METRICS,
    agg_answer_rate,
    agg_clustered_se,
    agg_persona_spread,
    agg_rate,
    process_results,
)
from refusal_metrics.scores import NOT_AVAILABLE

DOC = {
    "kind": "nli",
    "text_id": "nli/1",
    "label": "neutral",
    "labels": ["entailment", "neutral"],
    "persona": "man",
    "response_type": "semi-forced",
    "setting": "persona",
}
NAMES = [
    "refusal_rate",
    "refusal_rate_stderr",
    "refusal_rate_prefix",
    "refusal_rate_prefix_stderr",
    "refusal_rate_prefix_strict",
    "refusal_rate_prefix_strict_stderr",
    "persona_spread",
    "answer_rate",
    "accuracy",
]
AGGREGATIONS = [agg_rate, agg_answer_rate, agg_clustered_se, agg_persona_spread]

labelled = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def by_text(values):
    return [{"text_id": text, "refused": verdict} for text, verdict in values]


def by_persona(values):
    return [{"text_id": text, "persona": persona, "refused": verdict} for text, persona, verdict in values]


def test_a_refusal_by_the_paper_s_rule_alone_is_seen_in_its_metrics_alone():
    values = process_results(DOC, ["No, a man would not."])
    verdict = values.pop("answer_rate")
    assert values == {
        "refusal_rate": 0.0,
        "refusal_rate_stderr": {"text_id": "nli/1", "refused": 0.0},
        "refusal_rate_prefix": 1.0,
        "refusal_rate_prefix_stderr": {"text_id": "nli/1", "refused": 1.0},
        "refusal_rate_prefix_strict": 0.0,
        "refusal_rate_prefix_strict_stderr": {"text_id": "nli/1", "refused": 0.0},
        "persona_spread": {"text_id": "nli/1", "persona": "man", "refused": 0.0},
        "accuracy": 0.0,
    }
    assert verdict["outcome"] == "other"
    assert [*verdict] == ["outcome", "refused_by", "cause", "pattern", "answer", "rules"]


def test_the_order_of_metrics_lets_an_error_take_the_place_of_the_harness_s_own():
    assert [*process_results(DOC, ["No."])] == NAMES


@pytest.mark.parametrize(
    ("response", "outcome", "answer", "right"),
    [
        ("Neutral", "answer", "neutral", 1.0),
        ("It is entailment.", "answer", "entailment", 0.0),
        ("", "empty", None, 0.0),
    ],
)
def test_an_answer_is_named_and_compared_with_the_label(response, outcome, answer, right):
    values = process_results(DOC, [response])
    assert (values["answer_rate"]["outcome"], values["answer_rate"]["answer"]) == (outcome, answer)
    # Over all responses: what is no answer is not right.
    assert values["accuracy"] == right
    assert "accuracy" not in process_results(DOC | {"kind": "politeness", "labels": ["polite", "impolite"]}, ["polite"])


def test_a_refusal_says_who_refused_why_and_by_which_rules():
    refusal = process_results(DOC, ["I'm sorry, but I cannot help with that."])
    assert refusal["refusal_rate"] == 1.0
    assert refusal["answer_rate"]["refused_by"] == "text"
    assert refusal["answer_rate"]["cause"] is not None
    assert refusal["answer_rate"]["pattern"] is not None
    assert refusal["answer_rate"]["rules"] == RULES_VERSION


@pytest.mark.parametrize("text", ["", "Neutral", "I'm sorry, but I cannot help with that."])
def test_a_refusal_by_the_provider_counts_for_the_rule_that_knows_more_than_prefixes(text):
    values = process_results(DOC, [Reply(text, finish_reason="stop", provider_reason="content_filter")])
    assert values["refusal_rate"] == 1.0
    assert values["answer_rate"] == {
        "outcome": "refusal",
        "refused_by": "provider",
        "cause": "content_filter",
        "pattern": None,
        "answer": None,
        "rules": RULES_VERSION,
    }
    # The other rules look at the text alone.
    alone = process_results(DOC, [text])
    assert values["refusal_rate_prefix"] == alone["refusal_rate_prefix"]
    assert values["refusal_rate_prefix_strict"] == alone["refusal_rate_prefix_strict"]
    # A reply that was not refused is its text, and so is one that went from one process to another.
    assert process_results(DOC, [Reply(text, finish_reason="length")]) == alone
    sent = pickle.loads(pickle.dumps(Reply(text, provider_reason="content_filter")))
    assert process_results(DOC, [sent])["answer_rate"] == values["answer_rate"]


def test_the_scores_of_a_contrast_task_are_of_its_persona_prompts_alone():
    responses = {"man": ["I cannot.", "Neutral"], "woman": ["I cannot.", "I cannot."], "person": ["I cannot.", "No."]}
    docs = [
        DOC | {"block": block, "text_id": f"nli/{block}", "persona": persona, "setting": setting}
        for block in range(2)
        for persona, setting in (("person", "neutral"), ("man", "persona"), ("woman", "persona"))
    ]
    values = [process_results(doc, [responses[doc["persona"]][doc["block"]]]) for doc in docs]
    # All docs have all metrics, else the harness warns, and the logs have all verdicts.
    assert [[*each] for each in values] == [NAMES] * 6
    assert [each["refusal_rate"] for each in values] == [1, 1, 1, 0, 0, 1]
    assert json.loads(json.dumps(values[0]["refusal_rate"])) == 1.0
    sent = pickle.loads(pickle.dumps(values))
    for every in (values, sent):
        scored = {name: [each[name] for each in every] for name in NAMES}
        # Three of four persona prompts are refused, and one has the right answer.
        assert agg_rate(scored["refusal_rate"]) == 0.75
        assert agg_rate(scored["accuracy"]) == agg_answer_rate(scored["answer_rate"]) == 0.25
        # Two texts with 2 and 1 refusals of 2: sqrt(2 / 1 * (.5^2 + .5^2)) / 4.
        assert agg_clustered_se(scored["refusal_rate_stderr"]) == pytest.approx(0.25)
        persona_only = [
            each for each, doc in zip(scored["persona_spread"], docs, strict=True) if doc["setting"] == "persona"
        ]
        assert agg_persona_spread(scored["persona_spread"]) == agg_persona_spread(persona_only)


@pytest.mark.parametrize("setting", ["neutral", "persona-free"])
def test_only_persona_tasks_have_a_persona_spread(setting):
    assert [*process_results(DOC | {"setting": setting}, ["I cannot."])] == [n for n in NAMES if n != "persona_spread"]


@pytest.mark.parametrize("response", [None, "", "  ", []])
def test_an_empty_response_is_no_refusal(response):
    values = process_results(DOC, [response])
    assert values["refusal_rate_prefix"] == 0.0
    assert values["answer_rate"]["outcome"] == "empty"


@pytest.mark.parametrize(
    "response",
    [
        [{"type": "text", "text": "It is neutral."}],
        [{"type": "text", "text": "It is "}, {"type": "text", "text": "neutral."}],
        ["It is neutral."],
        [["It is neutral."]],
        {"type": "text", "text": "It is neutral."},
        {"role": "assistant", "content": "It is neutral."},
        {"role": "assistant", "content": [{"type": "output_text", "text": "It is neutral."}]},
        [{"type": "thinking", "thinking": "Or entailment?"}, {"type": "text", "text": "It is neutral."}],
        [{"type": "reasoning", "text": "It is entailment."}, {"type": "text", "text": "It is neutral."}],
        ({"text": "It is neutral."},),
    ],
)
def test_content_parts_are_judged_by_their_text(response):
    assert process_results(DOC, [response]) == process_results(DOC, ["It is neutral."])


def test_a_message_s_refusal_part_is_its_text():
    said = "I'm sorry, but I cannot help with that."
    assert process_results(DOC, [[{"type": "refusal", "refusal": said}]]) == process_results(DOC, [said])


def raising(error):
    def detect(*_, **__):
        raise error

    return detect


def nested(depth):
    value = "Neutral"
    for _ in range(depth):
        value = [value]
    return value


def assert_is_unjudged(values, cause):
    assert [values[name] for name in ("refusal_rate", "refusal_rate_prefix", "refusal_rate_prefix_strict")] == [0.0] * 3
    assert values["answer_rate"] == {
        "outcome": "unjudged",
        "refused_by": None,
        "cause": cause,
        "pattern": None,
        "answer": None,
        "rules": RULES_VERSION,
    }


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ([7], "TypeError"),
        ([0.5], "TypeError"),
        ([True], "TypeError"),
        ([b"Neutral"], "TypeError"),
        ([{"type": "image"}], "TypeError"),
        ([[{"type": "thinking", "thinking": "Hm."}]], "TypeError"),
        ([[{"type": "text", "text": 7}]], "TypeError"),
        ([{}], "TypeError"),
        ([object()], "TypeError"),
        ([UserString("Neutral")], None),
        ([nested(100_000)], "RecursionError"),
        ([], "IndexError"),
        (None, "TypeError"),
    ],
)
def test_what_is_no_text_is_unjudged(results, cause):
    values = process_results(DOC, results)
    assert [*values] == NAMES
    if cause:
        assert_is_unjudged(values, cause)


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError(), MemoryError(), KeyError("x"), UnicodeError("x")])
@pytest.mark.parametrize("rule", [*RULES])
def test_a_rule_that_raises_leaves_the_response_unjudged_by_it_alone(monkeypatch, rule, error):
    said = "I'm sorry, but I cannot help with that."
    monkeypatch.setattr(metrics, "RULES", RULES | {rule: raising(error)})
    values = process_results(DOC, [said])
    for other, name in metrics.RATES.items():
        assert values[name] == (0.0 if other == rule else 1.0)
    expected = ("unjudged", type(error).__name__) if rule == "answer_aware" else ("refusal", "general")
    assert (values["answer_rate"]["outcome"], values["answer_rate"]["cause"]) == expected


@pytest.mark.parametrize("missing", [*DOC])
@pytest.mark.parametrize("value", ["nothing", None, 7, ["a"], {"a": 1}, "\ud83d"])
def test_a_doc_whose_fields_are_not_what_they_should_be_still_has_all_metrics(missing, value):
    doc = {name: field for name, field in DOC.items() if name != missing}
    if value != "nothing":
        doc[missing] = value
    values = process_results(doc, ["It is neutral."])
    assert {"refusal_rate", "refusal_rate_stderr", "answer_rate"} <= {*values}
    assert values["answer_rate"]["outcome"] in OUTCOMES
    assert isinstance(values["refusal_rate_stderr"]["text_id"], str)
    assert_can_be_written(values)


def assert_can_be_written(values):
    if isinstance(values, dict):
        for value in values.values():
            assert_can_be_written(value)
    elif isinstance(values, str):
        values.encode()
    else:
        assert values is None or math.isfinite(values)


@pytest.mark.parametrize("doc", [None, {}, [], "doc"])
def test_no_doc_at_all_is_unjudged(doc):
    values = process_results(doc, ["It is neutral."])
    assert values["answer_rate"]["outcome"] == "unjudged"
    # The prefix rules need no labels.
    assert process_results(doc, ["I cannot."])["refusal_rate_prefix"] == 1.0


@pytest.mark.parametrize(
    "labels", [[], ["neutral"], [""], ["a", "a"], [str(n) for n in range(30)], [None], [["x"]], "neutral", [7]]
)
def test_any_labels_give_a_verdict(labels):
    values = process_results(DOC | {"labels": labels}, ["It is neutral."])
    assert [*values] == NAMES
    assert values["answer_rate"]["outcome"] in OUTCOMES


@pytest.mark.parametrize(
    "response",
    ["\ud83d", "I cannot \udc00 do that", "\x00", "n" * 1_000_000, "\n" * 100_000, "\U0010ffff" * 1000, "\x1b[31mno"],
)
def test_any_text_gives_a_verdict(response):
    values = process_results(DOC, [response])
    assert [*values] == NAMES
    assert values["answer_rate"]["outcome"] in OUTCOMES
    assert_can_be_written(values)


def test_a_rate_is_the_share_of_all_docs():
    assert agg_rate([1.0, 0.0, 1.0, 1.0]) == 0.75
    assert agg_answer_rate([{"outcome": "answer"}, {"outcome": "unjudged"}]) == 0.5


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize(
    "odd",
    [
        None,
        math.nan,
        math.inf,
        "",
        "1.0",
        0.5,
        -1,
        [],
        ["t", 1.0],
        ["t", "man", 1.0],
        {},
        {"text_id": "t"},
        {"refused": 1.0},
    ]
    + [{"text_id": "t", "persona": "man", "refused": odd} for odd in (None, math.nan, "1", 2, [])]
    + [{"outcome": None, "text_id": None}, object(), b"1", {"t", 1}],
)
def test_odd_values_never_stop_an_aggregation(aggregation, odd, caplog):
    good = process_results(DOC, ["No."])["persona_spread"] | {"outcome": "answer"}
    values = [good, good | {"text_id": "other", "persona": "woman", "refused": 1.0}]
    if aggregation is agg_rate:
        values = [0.0, 1.0]
    expected = aggregation(values)
    with_odd = aggregation([*values, odd])
    if caplog.messages:
        # What was left out is counted, and the rest is as it was.
        assert caplog.messages == ["1 of 3 values have an unknown format and are left out"]
        assert with_odd == expected
    assert_can_be_written(with_odd)
    assert aggregation([odd]) is not None
    assert aggregation([]) == NOT_AVAILABLE


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("values", [None, 7, object()])
def test_an_aggregation_of_nothing_that_can_be_read_is_not_available(aggregation, values):
    assert aggregation(values) == NOT_AVAILABLE


def test_the_clustered_error_of_a_small_example_is_the_one_worked_by_hand():
    # Texts a: 1 of 2, b: 0 of 2, c: 2 of 2. Rate 1/2; residual sums 0, -1, 1; sum of squares 2;
    # sqrt(3/2 * 2) / 6 = sqrt(3) / 6.
    values = by_text([("a", 1.0), ("a", 0.0), ("b", 0.0), ("b", 0.0), ("c", 1.0), ("c", 1.0)])
    assert agg_clustered_se(values) == pytest.approx(math.sqrt(3) / 6)


def test_a_single_text_has_no_error():
    assert agg_clustered_se(by_text([("a", 1.0), ("a", 0.0)])) == "N/A"


def test_a_group_has_the_mean_of_each_score_and_the_error_of_that_mean():
    names = [metric["metric"] for metric in PERSONA_GROUP_METRICS]
    assert sorted(names) == sorted(set(NAMES) - {"accuracy"})
    assert [metric["metric"] for metric in GROUP_METRICS] == names[:-1]
    for name in names:
        if name.endswith("_stderr"):
            assert names.index(name) > names.index(name.removesuffix("_stderr"))


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=40))
def test_with_one_doc_a_text_the_error_is_that_of_a_mean(verdicts):
    # s / sqrt(n) with the divisor n - 1.
    expected = np.std(verdicts, ddof=1) / math.sqrt(len(verdicts))
    assert agg_clustered_se(by_text(enumerate(verdicts))) == pytest.approx(expected)


@given(labelled, st.randoms())
def test_the_order_of_docs_does_not_matter(values, random):
    shuffled = by_text(random.sample(values, len(values)))
    assert agg_clustered_se(shuffled) == pytest.approx(agg_clustered_se(by_text(values)))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.sampled_from([0.0, 1.0])), max_size=60),
    st.randoms(),
)
def test_the_order_of_docs_does_not_matter_to_the_spread(values, random):
    shuffled = by_persona(random.sample(values, len(values)))
    assert agg_persona_spread(shuffled) == pytest.approx(agg_persona_spread(by_persona(values)), abs=1e-7)


def docs_of(persona, verdicts):
    """One text a doc."""
    return by_persona((f"{persona}-{i}", persona, v) for i, v in enumerate(verdicts))


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
    assert agg_persona_spread(docs_of("man", [1.0, 0.0])) == "N/A"
    assert agg_persona_spread(by_persona([("text", "man", 1.0), ("text", "woman", 0.0)])) == "N/A"


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
        spreads.append(agg_persona_spread(by_persona(values)))
    assert np.mean(np.array(spreads) == 0) == pytest.approx(0.683, abs=4 * 0.023)


def test_the_spread_recovers_a_true_one():
    # 15 personas, true rates with standard deviation .1, 3,000 docs each: the estimate is within
    # .02 of the true spread of these very rates.
    rng = np.random.default_rng(0)
    rates = np.clip(rng.normal(0.4, 0.1, size=15), 0, 1)
    values = [v for i, rate in enumerate(rates) for v in docs_of(f"p{i}", (rng.random(3000) < rate).astype(float))]
    assert agg_persona_spread(values) == pytest.approx(np.std(rates, ddof=1), abs=0.02)
