"""Gates on the results of a study."""

import pandas as pd
import pytest
from refusal_metrics.analysis.estimates import estimate_contrasts, estimate_rates, rate_intervals
from refusal_metrics.analysis.gates import check_responses, parse_conditions
from refusal_metrics.analysis.responses import count_responses, read_responses

from refusal_metrics.errors import InputError

N_TEXTS = 200


@pytest.fixture
def study(tmp_path):
    """Read a study of one model: for each (setting, persona), how many of the first texts are refused."""

    def study(refused, *, task="nli", outcome=None, **columns):
        rows = [
            {"model": "m", "task": task, "setting": setting, "persona": persona, "text_id": f"t{i}", "row_id": f"t{i}"}
            | {"template": "p1", "refused_answer_aware": i < k}
            | ({"outcome": "refusal" if i < k else outcome} if outcome else {})
            | columns
            for (setting, persona), k in refused.items()
            for i in range(N_TEXTS)
        ]
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pd.DataFrame(rows).to_parquet(path, index=False)
        return read_responses([path])

    return study


BOTH = {("persona", "woman"): 0, ("persona", "black"): 40, ("neutral", "person"): 0}


def test_a_gate_has_an_interval_for_each_rate_and_each_persona_at_one_level(study):
    responses = study(BOTH)
    gate = check_responses(responses, parse_conditions(["refusal_rate > 20%", "persona gap > 3pp"]))
    # One rate of a model and task, and two personas: each interval has the level 1 - .05 / 3.
    assert gate.n_intervals == 3
    rate, gap = (each.table for each in gate.checked)
    level = 1 - 0.05 / 3
    counts = count_responses(responses)["answer_aware"]
    expected = rate_intervals(counts.where(setting="persona"), ["model", "task"], level)
    assert rate[["estimate", "ci_low", "ci_high"]].to_numpy() == pytest.approx(
        expected[["estimate", "ci_low", "ci_high"]].to_numpy()
    )
    assert rate["estimate"].tolist() == [40 / 400]
    assert list(gap["persona"]) == ["black", "woman"]
    assert set(gap["baseline"]) == {"neutral"}
    # Nothing was refused of either: +-(1 - q^(1/200)) with q = .05 / 3 / 2.
    bound = 1 - (0.05 / 6) ** (1 / N_TEXTS)
    assert gap.loc[1, ["ci_low", "ci_high"]].tolist() == pytest.approx([-bound, bound])
    assert gate.verdict == "FAIL"
    # 40 of 200 against 0 of 200.
    assert "persona gap outside ±3 pp in m, NLI (persona), Black: +20.00 pp [" in gate.line


def test_intervals_of_the_usual_level_are_those_of_the_estimates(study):
    counts = count_responses(study(BOTH))["answer_aware"]
    usual = estimate_rates(counts, ["task", "persona"])
    same = rate_intervals(counts, ["task", "persona"], 0.95)
    pd.testing.assert_frame_equal(same, usual[same.columns])
    wider = estimate_contrasts(counts, "neutral", confidence=0.99)
    contrasts = estimate_contrasts(counts, "neutral")
    assert (wider["ci_low"] < contrasts["ci_low"]).all()
    assert (wider["ci_high"] > contrasts["ci_high"]).all()
    others = [name for name in contrasts if name not in {"ci_low", "ci_high", "or_low", "or_high"}]
    pd.testing.assert_frame_equal(wider[others], contrasts[others])


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        # 40 of 400 responses, 10%: the 95% interval is about [6, 15].
        ("refusal_rate > 30%", "PASS"),
        ("refusal_rate > 11%", "INCONCLUSIVE"),
        ("refusal_rate > 3%", "FAIL"),
        # +20 points of one persona.
        ("persona gap > 40pp", "PASS"),
        ("persona gap > 19pp", "INCONCLUSIVE"),
        ("persona gap > 3pp", "FAIL"),
    ],
)
def test_the_verdict_follows_from_the_intervals(study, condition, verdict):
    assert check_responses(study(BOTH), parse_conditions([condition])).verdict == verdict


def test_a_persona_that_is_refused_less_often_is_outside_too(study):
    refused = {("persona", "woman"): 0, ("neutral", "person"): 60}
    assert check_responses(study(refused), parse_conditions(["persona gap > 3pp"])).verdict == "FAIL"


def test_without_neutral_prompts_personas_are_compared_with_the_others(study):
    refused = {("persona", "woman"): 0, ("persona", "black"): 60}
    gate = check_responses(study(refused), parse_conditions(["persona gap > 3pp"]))
    assert set(gate.checked[0].table["baseline"]) == {"others"}
    assert gate.verdict == "FAIL"


def test_a_study_that_cannot_be_read_is_inconclusive(study):
    gate = check_responses(study({("persona", "woman"): 0}, outcome="empty"), parse_conditions(["refusal_rate > 50%"]))
    assert gate.verdict == "INCONCLUSIVE"
    assert gate.reasons == ("m, NLI (persona): 200 of 200 responses are empty: too many to compare.",)


def test_a_task_without_a_baseline_is_a_reason(study, tmp_path):
    study(BOTH)
    study({("persona", "woman"): 0}, task="politeness")
    responses = read_responses(sorted(tmp_path.glob("*.parquet")))
    gate = check_responses(responses, parse_conditions(["persona gap > 90pp"]))
    assert gate.reasons == ("m, Politeness (persona): no persona can be compared with a baseline.",)
    assert gate.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("refused", "condition", "said"),
    [
        (
            BOTH,
            "refusal_rate_prefix > 5%",
            "no verdicts of the detector prefix; allowed are the metrics of answer_aware",
        ),
        ({("neutral", "person"): 0}, "refusal_rate > 5%", "there are no responses to persona prompts"),
    ],
)
def test_what_a_study_lacks_is_a_mistake(study, refused, condition, said):
    with pytest.raises(InputError, match=said):
        check_responses(study(refused), parse_conditions([condition]))
