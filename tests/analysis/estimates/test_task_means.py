"""Rates and differences by model, averaged over tasks: by hand, and against the contrasts of single tasks."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from refusal_metrics.analysis.estimates import average_rates, estimate_contrasts, estimate_persona_differences

from refusal_metrics.errors import InputError

few = settings(max_examples=settings.default.max_examples // 10)

spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)


def test_a_mean_rate_has_the_interval_of_independent_tasks():
    row = {"model": "m", "setting": "persona", "rule": "r", "n": 10, "n_refused": 3}
    rates = pd.DataFrame(
        [
            row | {"task": "nli", "estimate": 0.2, "ci_low": 0.1, "ci_high": 0.4},
            row | {"task": "politeness", "estimate": 0.4, "ci_low": 0.3, "ci_high": 0.5},
        ]
    )
    (found,) = average_rates(rates).to_dict("records")
    # Distances .1 and .1 below, .2 and .1 above: half of the roots of .02 and .05.
    assert found["estimate"] == pytest.approx(0.3)
    assert found["ci_low"] == pytest.approx(0.3 - 0.02**0.5 / 2)
    assert found["ci_high"] == pytest.approx(0.3 + 0.05**0.5 / 2)
    assert (found["n_tasks"], found["n"], found["n_refused"]) == (2, 20, 6)


def test_the_mean_over_tasks_gives_every_task_the_same_weight(make_counts):
    texts = [f"t{i}" for i in range(12)]
    nli = sample.study(woman=dict.fromkeys(texts[:4], (3, 4)), neutral=dict.fromkeys(texts[:4], (1, 4)))
    politeness = sample.study(woman=dict.fromkeys(texts[4:], (1, 4)), neutral=dict.fromkeys(texts[4:], (2, 4)))
    rows = nli + [row | {"task": "politeness"} for row in politeness]
    table = estimate_persona_differences(make_counts(rows), "neutral")
    assert table["task"].tolist() == ["", "nli", "politeness"]
    # (2/4 - 1/4) / 2, though politeness has twice as many texts.
    assert table["estimate"].tolist() == pytest.approx([0.125, 0.5, -0.25])
    assert table["n_tasks"].tolist() == [2, 1, 1]
    assert table["n"].tolist() == [48, 16, 32]
    # One mean is alone: its tasks have the intervals of the contrasts, at 95%.
    contrasts = estimate_contrasts(make_counts(rows), "neutral")
    for end, sign in {"ci_low": -1, "ci_high": 1}.items():
        distances = (contrasts[end] - contrasts["estimate"]).to_numpy()
        assert table[end].iloc[0] == pytest.approx(0.125 + sign * np.sqrt((distances**2).sum()) / 2)


@few
@given(sample.studies)
def test_an_interval_excludes_0_exactly_if_the_corrected_test_of_the_difference_rejects(make_counts, rows):
    counts = make_counts(rows)
    try:
        contrasts = estimate_contrasts(counts, "neutral")
    except InputError:
        return
    table = estimate_persona_differences(counts, "neutral")
    own = table[table["task"] != ""].merge(contrasts[["persona", "p_value"]], on="persona")
    n_tests = max(int(contrasts["p_value"].notna().sum()), 1)
    tested = own[own["p_value"].notna()]
    excludes = (tested["ci_low"] > 0) | (tested["ci_high"] < 0)
    assert excludes.tolist() == (tested["p_value"] <= 0.05 / n_tests).tolist()
    # A single task is its own mean.
    mean = table[table["task"] == ""]
    numbers = ["estimate", "ci_low", "ci_high", "mde_up"]
    assert mean[numbers].to_numpy() == pytest.approx(own[numbers].to_numpy(), nan_ok=True)


def test_shrunken_differences_are_those_of_the_contrasts(make_counts):
    rng = np.random.default_rng(3)
    rows = []
    for i in range(60):
        for persona, rate in {"a": 0.1, "b": 0.2, "c": 0.6}.items():
            k = int(rng.binomial(6, rate))
            rows += sample.responses({f"t{i}": (k, 6)}, persona=persona)
    counts = make_counts(rows)
    contrasts = estimate_contrasts(counts, "others").set_index("persona")["estimate_shrunken"].dropna()
    assert len(contrasts) == 3
    table = estimate_persona_differences(counts, "others")
    for _, own in table.groupby("task"):
        assert own.set_index("persona")["estimate_shrunken"].to_dict() == pytest.approx(contrasts.to_dict())


def test_a_model_that_never_refuses_differs_by_nothing_with_an_interval_of_its_texts(make_counts):
    cells = {persona: {f"t{i}": (0, 3) for i in range(100)} for persona in ("a", "b", "c")}
    table = estimate_persona_differences(make_counts(sample.study(**cells)), "others")
    assert (table[["estimate", "estimate_shrunken"]] == 0).all().all()
    # 1 - (.05 / 3 / 2)^(1/100), for three differences.
    assert table["ci_high"].tolist() == pytest.approx([1 - (0.05 / 6) ** 0.01] * 6)
    assert table["mde_up"].tolist() == pytest.approx([1 - (0.05 / 6) ** 0.01] * 6)


def test_counts_without_personas_are_refused(make_counts):
    with pytest.raises(InputError, match="persona"):
        estimate_persona_differences(
            make_counts([{"model": "m", "task": "nli", "text_id": "a", "refused": 0}]), "others"
        )
