"""The spread of personas' rates: by hand, in simulated studies whose truth is known, and as the harness's metric."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.spread import estimate_spread as estimate_spread_with
from refusal_metrics.analysis.responses import count_responses, read_responses

from refusal_metrics.errors import InputError
from refusal_metrics.metrics import agg_persona_spread
from refusal_metrics.scores import NOT_AVAILABLE

few = settings(max_examples=settings.default.max_examples // 10)


spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
only_row, study, studies = sample.only_row, sample.study, sample.studies


def estimate_spread(counts, n_flips=200):
    return estimate_spread_with(counts, rng=np.random.default_rng(1), n_flips=n_flips)


@few
@given(studies)
def test_the_spread_equals_the_metric_of_the_harness(make_counts, rows):
    row = only_row(estimate_spread(make_counts(rows)))
    asked = [r for r in rows if r["setting"] == "persona"]
    values = [{"text_id": r["text_id"], "persona": r["persona"], "refused": float(r["refused"])} for r in asked]
    spread = agg_persona_spread(values)
    if math.isnan(row["estimate"]):
        assert spread == NOT_AVAILABLE
    else:
        assert row["estimate"] == pytest.approx(spread, abs=1e-12)
        corrected = max(0, row["sd_observed"] ** 2 - row["sd_under_null"] ** 2)
        assert row["estimate"] ** 2 == pytest.approx(corrected, abs=1e-12)
        rates = pd.DataFrame(values).groupby("persona")["refused"].mean()
        assert row["sd_observed"] == pytest.approx(rates.std(), abs=1e-12)


def test_the_spread_of_personas_refused_alike_in_every_text_is_0_with_a_p_value_of_1(make_counts):
    alike = {"a": (1, 4), "b": (3, 4)}
    row = only_row(estimate_spread(make_counts(study(woman=alike, black=alike))))
    assert (row["estimate"], row["sd_observed"], row["p_value"]) == (0, 0, 1)
    assert row[["n_levels", "n", "n_texts", "n_refused"]].tolist() == [2, 16, 2, 8]


def test_the_spread_of_one_persona_or_one_text_is_missing(make_counts):
    one_persona = study(woman={"a": (1, 4), "b": (2, 4)})
    one_text = study(woman={"a": (1, 4)}, black={"a": (2, 4)})
    for rows in (one_persona, one_text):
        row = only_row(estimate_spread(make_counts(rows)))
        assert row[["estimate", "sd_observed", "sd_under_null", "p_value"]].isna().all()


def test_a_persona_refused_in_every_text_spreads_beyond_all_draws(make_counts):
    texts = [f"t{i}" for i in range(30)]
    rows = study(woman=dict.fromkeys(texts, (2, 2)), black=dict.fromkeys(texts, (0, 2)))
    row = only_row(estimate_spread(make_counts(rows), n_flips=99))
    # The personas' rates are 1 and 0, exactly in every text: no noise, standard deviation sqrt(1/2).
    assert row["estimate"] == row["sd_observed"] == pytest.approx(math.sqrt(0.5))
    assert row["p_value"] == 0.01


def test_the_same_generator_gives_the_same_p_values(simulate_counts):
    counts = simulate_counts(np.random.default_rng(3), -3.0, n_studies=3)
    pd.testing.assert_frame_equal(estimate_spread(counts), estimate_spread(counts))


@pytest.mark.parametrize("intercept", [-4.85, -2.0], ids=["rate .02", "rate .2"])
def test_the_spread_is_significant_in_about_5_of_100_studies_where_personas_do_not_matter(simulate_counts, intercept):
    table = estimate_spread(simulate_counts(np.random.default_rng(8), intercept, n_studies=200))
    # Of 200 studies at .05, 2 to 18 is the middle 99.8 %.
    assert 2 <= table["p_value"].le(0.05).sum() <= 18
    # The observed spread is what the noise makes of it, on average.
    assert (table["sd_observed"] ** 2).mean() == pytest.approx((table["sd_under_null"] ** 2).mean(), rel=0.1)


def test_without_a_persona_setting_the_table_is_empty_but_has_its_columns(make_counts):
    spread = estimate_spread(make_counts(study(neutral={"a": (1, 2)})))
    assert spread.empty
    assert list(spread) == ["model", "task", *contracts.SPREAD.estimates]


def test_without_personas_nothing_can_spread(make_counts):
    with pytest.raises(InputError, match="persona"):
        estimate_spread(make_counts([{"model": "m", "task": "nli", "text_id": "a", "refused": True}]))


def test_settings_of_runs_distinguished_spread_each_by_itself(tmp_path):
    rows = [
        row | {"temperature": temperature}
        for temperature, k in (("0", 1), ("1", 4))
        for row in study(woman=dict.fromkeys("abcdef", (k, 4)), black=dict.fromkeys("abcdef", (1, 4)))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "table.parquet", index=False)
    counts = count_responses(read_responses([tmp_path / "table.parquet"]), ["temperature"])["given"]
    spread = estimate_spread_with(counts, ["temperature"], rng=np.random.default_rng(1))
    assert spread["temperature"].tolist() == ["0", "1"]
    # Rates of 1/4 and 1/4, then of 1 and 1/4: standard deviation (1 - 1/4) / sqrt(2).
    assert spread["sd_observed"].tolist() == pytest.approx([0, 0.75 / math.sqrt(2)])


def test_more_flips_than_are_drawn_at_a_time_are_counted_all(make_counts):
    # Two texts: of the four ways to turn them, two give the observed spread; so 1/2 of all draws, about.
    rows = study(woman={"a": (2, 2), "b": (2, 2)}, black={"a": (0, 2), "b": (0, 2)})
    assert only_row(estimate_spread(make_counts(rows), n_flips=999))["p_value"] == pytest.approx(0.5, abs=0.06)
