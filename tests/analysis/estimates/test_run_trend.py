"""Rates of runs over time, and their slope."""

from datetime import date, timedelta

import numpy as np
import pytest
from refusal_metrics.analysis.counts import Counts
from refusal_metrics.analysis.estimates.run_trend import estimate_run_trend
from scipy import stats

from refusal_metrics.errors import InputError

FIRST = date(2026, 1, 1)


def counted(refused, days, tasks=("nli",)):
    """Count runs of one model: (n_tasks, n_runs, n_texts, n_prompts) verdicts."""
    refused = np.asarray(refused, dtype=np.uint8)
    task, run, text, prompt = (place.ravel() for place in np.indices(refused.shape))
    dates = [day if isinstance(day, str) else (FIRST + timedelta(days=day)).isoformat() for day in days]
    levels = sorted(dates)
    none = np.zeros_like(text)
    number = task * refused.shape[2] + text
    return Counts(
        levels={"model": ("m",), "task": tuple(tasks), "setting": ("persona",), "date": tuple(levels)},
        codes={"model": none, "task": task, "setting": none, "date": np.array([levels.index(d) for d in dates])[run]},
        text=number,
        row=number,
        prompt=number * refused.shape[3] + prompt,
        n=np.ones(refused.size, dtype=np.uint8),
        n_refused=refused.ravel(),
        n_texts=int(number.max()) + 1,
    )


def runs(*shares, n_texts=20):
    """Make runs of one prompt a text, of which the first so many are refused."""
    return np.array([[[[text < k] for text in range(n_texts)] for k in shares]])


def test_the_slope_is_that_of_least_squares_per_30_days():
    days, shares = [0, 10, 40, 50], [2, 5, 7, 12]
    trend = estimate_run_trend(counted(runs(*shares), days))
    expected = stats.linregress(days, np.array(shares) / 20)
    (row,) = trend.slopes.to_dict("records")
    assert row["slope"] == pytest.approx(30 * expected.slope)
    # Of the two errors, that of the residuals.
    residual = 30 * expected.stderr
    # That of texts: z_g = sum of c_t (k_gt - p_t) / N, clustered by text, G / (G - 1).
    c = 30 * (np.array(days) - 25) / ((np.array(days) - 25.0) ** 2).sum()
    k = np.array([[text < share for share in shares] for text in range(20)], dtype=float)
    texts = np.sqrt(20 / 19 * ((((k - np.array(shares) / 20) / 20) @ c) ** 2).sum())
    assert row["se"] == pytest.approx(max(residual, texts))
    assert row["ci_high"] - row["slope"] >= stats.t.ppf(0.975, 2) * residual * (1 - 1e-9)
    assert row["ci_high"] - row["slope"] >= stats.t.ppf(0.975, 19) * texts * (1 - 1e-9)
    assert (row["n_runs"], row["n_texts"], row["first_date"], row["last_date"]) == (4, 20, "2026-01-01", "2026-02-20")


def test_the_rate_of_each_run_has_the_interval_of_a_rate():
    trend = estimate_run_trend(counted(runs(0, 5, 10), [0, 1, 2]))
    assert trend.rates["date"].tolist() == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert trend.rates["estimate"].tolist() == [0, 0.25, 0.5]
    # Without a refusal, 1 - .025^(1/20).
    assert trend.rates.loc[0, "ci_high"] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_texts_that_always_have_the_same_verdicts_bound_the_slope():
    (row,) = estimate_run_trend(counted(runs(5, 5, 5), [0, 10, 60])).slopes.to_dict("records")
    # The change over 60 days is at most b = 1 - .025^(1/20), that over 30 days half of it.
    assert row["slope"] == 0
    assert row["ci_high"] == pytest.approx((1 - 0.025 ** (1 / 20)) / 2)
    assert row["ci_low"] == -row["ci_high"]
    assert row["p_value"] == 1


def test_a_rate_that_is_the_same_while_texts_differ_has_an_interval():
    # Other texts are refused each time.
    refused = np.zeros((1, 3, 20, 1))
    for run in range(3):
        refused[0, run, 3 * run : 3 * run + 3] = 1
    (row,) = estimate_run_trend(counted(refused, [0, 1, 2])).slopes.to_dict("records")
    assert row["slope"] == pytest.approx(0)
    assert row["ci_high"] > 0
    assert row["p_value"] == pytest.approx(1)


def test_each_task_has_a_slope():
    refused = np.concatenate([runs(0, 5, 10), runs(10, 5, 0)])
    slopes = estimate_run_trend(counted(refused, [0, 1, 2], ("nli", "politeness"))).slopes
    # 25 points a day, up and down.
    assert slopes["slope"].tolist() == pytest.approx([7.5, -7.5])


@pytest.mark.parametrize(
    ("shares", "days", "said"),
    [
        ((1, 2), (0, 1), r"needs at least 3 runs on different days, and there are fewer \(m, nli: 2\)"),
        ((1, 2, 3), ("2026-01-01", "2026-01-02", "monday"), "date 'monday': is not a date; give YYYY-MM-DD"),
    ],
)
def test_what_gives_no_slope_is_a_mistake(shares, days, said):
    with pytest.raises(InputError, match=said):
        estimate_run_trend(counted(runs(*shares), days))


def test_intervals_of_slopes_cover_the_true_slope():
    # 200 studies of 8 runs of 40 texts with 3 prompts: probabilities of texts differ, and runs differ by a deviation
    # with a standard deviation of 2 points. With a coverage of 95%, fewer than 181 cover in 2 of 1,000.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        level = rng.beta(2, 6, size=(40, 1)) + rng.normal(0, 0.02, size=(1, 8)) + 0.01 * np.arange(8)
        refused = rng.random((40, 8, 3)) < level[..., None]
        (row,) = estimate_run_trend(counted(refused.transpose(1, 0, 2)[None], range(8))).slopes.to_dict("records")
        covered += row["ci_low"] <= 0.3 <= row["ci_high"]
    assert covered >= 181
