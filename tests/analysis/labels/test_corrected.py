"""Corrected rates: by hand, against ppi-python, and in simulated studies with a biased detector."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ppi_py import ppi_mean_ci
from refusal_metrics.analysis.contracts import CORRECTED_CONTRASTS
from refusal_metrics.analysis.estimates import estimate_rates
from refusal_metrics.analysis.labels.corrected import SUMS, estimate_corrected, estimate_corrected_contrasts
from scipy.optimize import brentq
from scipy.special import expit

from refusal_metrics.errors import InputError

few = settings(max_examples=settings.default.max_examples // 4, deadline=None)


def make_sums(frame, factors=("model", "task", "setting", "persona")):
    """Sum responses over texts: ``refused``, ``label`` and ``weight`` (0 where there is no label)."""
    refused, label = frame["refused"].astype(bool), frame["label"].astype(bool)
    weight = frame["weight"].astype(float)
    known = weight > 0
    defaults = {"model": "m", "task": "nli", "setting": "persona", "persona": "woman"}
    of_each = pd.DataFrame({name: frame.get(name, defaults[name]) for name in factors} | {"text_id": frame["text_id"]})
    of_each[list(SUMS)] = np.column_stack(
        [
            np.ones(len(frame)),
            refused,
            known & refused,
            known & ~refused,
            known & refused & ~label,
            known & ~refused & label,
            weight * refused,
            weight * ~refused,
            weight * (refused & ~label),
            weight * (~refused & label),
        ]
    ).astype(float)
    return of_each.groupby([*factors, "text_id"], as_index=False)[list(SUMS)].sum()


def grown(*kinds):
    """Make responses of kinds (how many, refused, label, weight), each its own text."""
    rows = [(refused, label, weight) for n, refused, label, weight in kinds for _ in range(n)]
    frame = pd.DataFrame(rows, columns=["refused", "label", "weight"])
    return frame.assign(text_id=[f"t{i}" for i in range(len(frame))])


# By hand.


def test_a_corrected_rate_takes_away_false_refusals_and_adds_missed_ones():
    # 100 responses, 20 flagged. Of 10 labelled flagged ones 2 are false, of 16 others 1 was missed.
    frame = grown((8, 1, 1, 2), (2, 1, 0, 2), (10, 1, 0, 0), (1, 0, 1, 5), (15, 0, 0, 5), (64, 0, 0, 0))
    row = estimate_corrected(make_sums(frame), ["model", "task"]).iloc[0]
    # .20 - 2 * 2 / 100 + 1 * 5 / 100.
    assert row["estimate"] == pytest.approx(0.21)
    assert row["uncorrected"] == pytest.approx(0.2)
    assert row["ci_low"] < 0.21 < row["ci_high"]
    sizes = ["n", "n_texts", "n_refused", "n_labelled", "n_false", "n_missed"]
    assert row[sizes].tolist() == [100, 100, 20, 26, 2, 1]


def test_where_errors_are_many_the_interval_is_that_of_linearisation():
    # Of 4,000 responses 2,000 are flagged; 500 of either are labelled, of which 200 and 150 are wrong.
    frame = grown((300, 1, 1, 4), (200, 1, 0, 4), (1500, 1, 0, 0), (150, 0, 1, 4), (350, 0, 0, 4), (1500, 0, 0, 0))
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    # u = verdict + weight * (label - verdict): -3 (200), 1 (1800), 4 (150), 0 (1850); mean .45,
    # sum of squares 200 * 9 + 1800 + 150 * 16 = 6000; variance (6000 - 4000 * .45^2) / (3999 * 4000).
    error = math.sqrt((6000 - 4000 * 0.45**2) / (3999 * 4000))
    assert row["estimate"] == pytest.approx(0.45)
    # Exact intervals of 200 and 150 errors are somewhat wider.
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * error, rel=0.03)
    assert row["ci_low"] + row["ci_high"] == pytest.approx(0.9, abs=0.005)


def test_where_no_missed_refusal_was_found_the_interval_still_reaches_beyond_the_rate():
    # 900 unflagged responses, 300 labelled: none in 300 texts leaves 1 - .025^(1/300) = .012221 of .9 open.
    frame = grown((100, 1, 1, 1), (300, 0, 0, 3), (600, 0, 0, 0))
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    assert row["estimate"] == row["uncorrected"] == pytest.approx(0.1)
    above = row["uncorrected_high"] - 0.1
    # The detector's own interval and that of missed refusals, which do not go together.
    assert row["ci_high"] - 0.1 == pytest.approx(math.hypot(above, 0.9 * 0.012221), rel=1e-4)


def test_a_rate_where_all_is_labelled_is_the_labelled_one():
    rng = np.random.default_rng(0)
    frame = grown((400, 0, 0, 1))
    frame["refused"], frame["label"] = rng.random(400) < 0.3, rng.random(400) < 0.2
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    assert row["estimate"] == pytest.approx(frame["label"].mean())


def test_the_uncorrected_columns_are_the_rates_of_the_other_command(make_counts):
    rng = np.random.default_rng(4)
    text = np.repeat(np.arange(60), 10)
    refused = rng.random(600) < expit(rng.normal(-3, 2, 60))[text]
    persona = np.tile(["woman", "man", "black", "never", "always"], 120)
    refused = np.where(persona == "never", False, np.where(persona == "always", True, refused))  # noqa: FBT003
    frame = pd.DataFrame({"refused": refused, "label": 0, "weight": 0, "persona": persona})
    frame["text_id"] = [f"t{i}" for i in text]
    rates = estimate_rates(make_counts(frame.assign(model="m", task="nli", setting="persona")), ["persona"])
    table = estimate_corrected(make_sums(frame), ["persona"])
    assert table["persona"].tolist() == rates["persona"].tolist()
    for ours, theirs in (("uncorrected", "estimate"), ("uncorrected_low", "ci_low"), ("uncorrected_high", "ci_high")):
        np.testing.assert_allclose(table[ours], rates[theirs], atol=1e-12)
    assert table[["estimate", "ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("flagged", "others", "usable"), [(5, 5, True), (4, 5, False), (5, 4, False), (3, 5, True), (0, 5, True)]
)
def test_with_fewer_than_five_labels_of_either_verdict_nothing_is_corrected(flagged, others, usable):
    n_flagged = flagged if flagged in {0, 3} else 10
    kinds = [(flagged, 1, 1, 2), (n_flagged - flagged, 1, 0, 0), (others, 0, 0, 4), (20, 0, 0, 0)]
    row = estimate_corrected(make_sums(grown(*kinds)), []).iloc[0]
    assert row[["estimate", "ci_low", "ci_high"]].notna().all() == usable
    assert not math.isnan(row["uncorrected"])


# Against ppi-python, for independent responses and one probability.


@pytest.mark.parametrize("seed", [0, 1])
def test_independent_responses_give_the_interval_of_prediction_powered_inference(seed):
    rng = np.random.default_rng(seed)
    n, n_labelled = 20_000, 1000
    label = rng.random(n) < 0.3
    refused = np.where(label, rng.random(n) < 0.8, rng.random(n) < 0.1)
    weight = np.zeros(n)
    drawn = rng.choice(n, n_labelled, replace=False)
    weight[drawn] = n / n_labelled
    frame = pd.DataFrame({"refused": refused, "label": label, "weight": weight, "text_id": np.arange(n)})
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    y, seen = label.astype(float), refused.astype(float)
    low, high = (end.item() for end in ppi_mean_ci(y[drawn], seen[drawn], seen, alpha=0.05, lam=1))
    # The labelled are some of all here and apart from the others there, and our interval is not symmetric.
    assert row["estimate"] == pytest.approx((low + high) / 2, abs=1e-12)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(high - low, rel=0.03)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.05 * (high - low))


# Simulated studies: refusals go together within texts, and the detector errs by persona.

_Z = np.random.default_rng(0).normal(size=20_000)
SENSITIVITY, SPECIFICITY = np.array([0.9, 0.7]), np.array([0.95, 0.99])


def simulate(rng, rate, n_texts=200, n_each=20, n_labelled=400, *, whole_texts=False):
    """Simulate responses of two personas, half of the labels of either verdict, or of whole texts."""
    intercept = brentq(lambda x: np.mean(expit(x + _Z)) - rate, -15, 5)
    text, persona = np.repeat(np.arange(n_texts), n_each), np.tile([0, 1], n_texts * n_each // 2)
    label = rng.random(len(text)) < expit(intercept + rng.normal(size=n_texts))[text]
    chance = np.where(label, SENSITIVITY[persona], 1 - SPECIFICITY[persona])
    refused, weight = rng.random(len(text)) < chance, np.zeros(len(text))
    if whole_texts:
        drawn = rng.choice(n_texts, n_labelled // n_each, replace=False)
        weight[np.isin(text, drawn)] = n_texts / len(drawn)
    for verdict in () if whole_texts else (True, False):
        (there,) = np.nonzero(refused == verdict)
        drawn = rng.choice(there, min(len(there), n_labelled // 2), replace=False)
        weight[drawn] = len(there) / len(drawn)
    names = np.array(["man", "woman"])[persona]
    return make_sums(
        pd.DataFrame({"refused": refused, "label": label, "weight": weight, "persona": names, "text_id": text})
    )


def share_covered(table, truth, low="ci_low", high="ci_high"):
    known = table[table[low].notna()]
    return (known[low].le(truth) & known[high].ge(truth)).mean()


N_STUDIES = 60
# Of 60 intervals that each cover in 95 of 100, 52 or more do in all but 1 of 100 cases.
TOLERANCE = 52 / N_STUDIES


@pytest.mark.parametrize("whole_texts", [False, True], ids=["labels by verdict", "labels by text"])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.15])
def test_corrected_intervals_cover_where_uncorrected_ones_do_not(rate, whole_texts):
    rng = np.random.default_rng(20250908)
    studies = [simulate(rng, rate, whole_texts=whole_texts) for _ in range(N_STUDIES)]
    rates = pd.concat([estimate_corrected(sums, ["persona"]).iloc[:1] for sums in studies])
    contrasts = pd.concat([estimate_corrected_contrasts(sums, "woman") for sums in studies])
    ends = ("uncorrected_low", "uncorrected_high")
    # Nobody is refused more often than the other.
    assert share_covered(rates, rate, *ends) < 0.5
    assert share_covered(contrasts, 0, *ends) < 0.5
    assert share_covered(rates, rate) >= TOLERANCE
    assert share_covered(contrasts, 0) >= TOLERANCE
    # The estimate has no bias: three standard errors of the mean of the studies.
    known = rates["estimate"].dropna()
    assert known.mean() == pytest.approx(rate, abs=max(3 * known.std() / math.sqrt(len(known)), 0.004))


# Differences.


@pytest.fixture
def three_personas():
    rng = np.random.default_rng(6)
    frame = grown((3000, 0, 0, 0))
    frame["persona"], frame["text_id"] = np.tile(["a", "b", "c"], 1000), np.repeat(np.arange(300), 10)
    frame["label"] = rng.random(3000) < 0.2
    frame["refused"] = frame["label"] ^ (rng.random(3000) < 0.1)
    frame["weight"] = np.where(rng.random(3000) < 0.5, 2.0, 0.0)
    frame["setting"] = np.where(np.arange(3000) % 30 < 27, "persona", "neutral")
    return make_sums(frame)


def test_a_difference_is_that_of_the_two_corrected_rates(three_personas):
    rates = estimate_corrected(three_personas, ["setting", "persona"]).set_index(["setting", "persona"])
    table = estimate_corrected_contrasts(three_personas, "b").set_index("persona")
    assert list(table.index) == ["a", "c"]
    for persona in table.index:
        for name in ("estimate", "uncorrected"):
            expected = rates.loc[("persona", persona), name] - rates.loc[("persona", "b"), name]
            assert table.loc[persona, name] == pytest.approx(expected)
        assert table.loc[persona, "n"] == rates.loc[("persona", persona), "n"]


def test_others_are_all_other_personas_and_neutral_is_a_setting(three_personas):
    persona = three_personas[three_personas["setting"] == "persona"]
    others = estimate_corrected(persona[persona["persona"] != "a"], []).iloc[0]
    own = estimate_corrected(persona[persona["persona"] == "a"], []).iloc[0]
    row = estimate_corrected_contrasts(three_personas, "others").set_index("persona").loc["a"]
    assert row["estimate"] == pytest.approx(own["estimate"] - others["estimate"])
    neutral = estimate_corrected(three_personas[three_personas["setting"] == "neutral"], []).iloc[0]
    row = estimate_corrected_contrasts(three_personas, "neutral").set_index("persona").loc["a"]
    assert row["estimate"] == pytest.approx(own["estimate"] - neutral["estimate"])


def test_turning_a_difference_round_turns_its_interval_round(three_personas):
    one = estimate_corrected_contrasts(three_personas, "b").set_index("persona").loc["a"]
    other = estimate_corrected_contrasts(three_personas, "a").set_index("persona").loc["b"]
    for low, high in (("estimate", "estimate"), ("ci_low", "ci_high"), ("uncorrected_low", "uncorrected_high")):
        assert one[low] == pytest.approx(-other[high])


# What is asked wrongly, and what always holds.


def test_unknown_factors_and_baselines_are_named_with_those_there_are(three_personas):
    with pytest.raises(InputError, match="unknown factor 'personas': allowed are model, task, setting, persona;"):
        estimate_corrected(three_personas, ["personas"])
    with pytest.raises(InputError, match="'nobody': allowed are neutral, persona-free, others, a, b, c"):
        estimate_corrected_contrasts(three_personas, "nobody")
    with pytest.raises(InputError, match="persona"):
        estimate_corrected_contrasts(three_personas.drop(columns="persona"), "others")


def test_without_a_baseline_the_table_is_empty_but_has_its_columns(three_personas):
    table = estimate_corrected_contrasts(three_personas, "persona-free")
    assert table.empty
    assert list(table) == ["model", "task", "persona", "baseline", *CORRECTED_CONTRASTS.estimates]


kind = st.tuples(st.integers(1, 8), st.booleans(), st.booleans(), st.sampled_from([0.0, 1.0, 2.5]))


@few
@given(st.lists(kind, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_an_interval_holds_its_estimate_and_knows_no_order(kinds, random):
    frame = grown(*kinds)
    frame["text_id"] = np.arange(len(frame)) % 7
    table = estimate_corrected(make_sums(frame), ["persona"])
    row = table.iloc[0]
    if not math.isnan(row["ci_low"]):
        assert 0 <= row["ci_low"] <= row["estimate"] <= row["ci_high"] <= 1
    shuffled = frame.iloc[random.sample(range(len(frame)), len(frame))]
    again = estimate_corrected(make_sums(shuffled), ["persona"])
    pd.testing.assert_frame_equal(table, again, rtol=1e-9, atol=1e-12)
