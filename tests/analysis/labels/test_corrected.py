"""Corrected rates: by hand, against ppi-python, and in simulated studies with a biased detector."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ppi_py import ppi_mean_ci
from refusal_metrics.analysis.contracts import CORRECTED_CONTRASTS
from refusal_metrics.analysis.estimates import estimate_contrasts, estimate_rates
from refusal_metrics.analysis.labels import sum_rows
from refusal_metrics.analysis.labels.corrected import estimate_corrected, estimate_corrected_contrasts
from refusal_metrics.analysis.statistics import mid_p_interval
from scipy.optimize import brentq
from scipy.special import expit

from refusal_metrics.errors import InputError

few = settings(max_examples=settings.default.max_examples // 4, deadline=None)


def make_sums(frame, factors=("model", "task", "setting", "persona")):
    """Sum responses over texts: ``refused``, ``label`` and ``weight`` (0 where there is no label)."""
    defaults = {"model": "m", "task": "nli", "setting": "persona", "persona": "woman"}
    rows = frame.assign(**{name: value for name, value in defaults.items() if name not in frame})
    rows["weight"] = rows["weight"].astype(float)
    rows["label"] = rows["label"].astype(object).where(rows["weight"] > 0, None)
    return sum_rows(rows, factors)


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
    # Refusals are .6 of the flagged and .3 of the others: rate .45, slope .3. The squared error is that of the
    # detector's rate, .5 * .5 / 3999, times .3^2, and .5^2 times that of either share, .6 * .4 / 499 and .3 * .7 / 499.
    error = math.sqrt(0.3**2 * 0.25 / 3999 + 0.5**2 * (0.24 + 0.21) / 499)
    assert row["estimate"] == pytest.approx(0.45)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * error, rel=0.01)
    assert row["ci_low"] + row["ci_high"] == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize(("n_labelled", "unseen"), [(300, 1 - 0.05 ** (1 / 300)), (19, 1 - 0.025 ** (1 / 19))])
def test_where_no_missed_refusal_was_found_the_interval_still_reaches_beyond_the_rate(n_labelled, unseen):
    # 900 unflagged responses; few labels leave the exact bound open, more the mid-P one.
    frame = grown((100, 1, 1, 1), (n_labelled, 0, 0, 900 / n_labelled), (900 - n_labelled, 0, 0, 0))
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    assert row["estimate"] == row["uncorrected"] == pytest.approx(0.1)
    above = row["uncorrected_high"] - 0.1
    # The detector's own interval and that of missed refusals, which do not go together.
    assert row["ci_high"] - 0.1 == pytest.approx(math.hypot(above, 0.9 * unseen), rel=1e-4)


def test_refusals_are_counted_by_class_where_each_has_enough_labels():
    # 200 open responses, 20 labelled, none a refusal; 50 hedged, 10 labelled, 4 refusals; 750 answered, all labels no.
    kinds = {"open": (200, 20, 0), "hedged": (50, 10, 4), "answered": (750, 30, 0)}
    frame = pd.concat(
        [
            grown((k, 0, 1, 1), (n_labelled - k, 0, 0, 1), (n - n_labelled, 0, 0, 0)).assign(label_class=name)
            for name, (n, n_labelled, k) in kinds.items()
        ],
        ignore_index=True,
    ).assign(text_id=lambda rows: rows.index.astype(str))
    # Whatever the weights of classes are in the sample, .4 of 50 in 1,000.
    assert estimate_corrected(make_sums(frame), []).iloc[0]["estimate"] == pytest.approx(0.02)
    # Four labels of the hedged are too few: they count as open. 4 of 24 labels of 250 of 1,000 responses.
    few = frame.drop(frame[(frame["label_class"] == "hedged") & (frame["weight"] > 0) & (frame["label"] == 0)].index)
    n = len(few)
    expected = (n - 750) / n * 4 / 24
    assert estimate_corrected(make_sums(few), []).iloc[0]["estimate"] == pytest.approx(expected)


def test_alike_labels_of_each_class_leave_room_for_an_unseen_error():
    # Of the flagged, all 40 agreed labels are refusals and all 40 others are not: no class varies, but 80 labels can.
    frame = pd.concat(
        [
            grown((40, 1, 1, 1)).assign(label_class="agreed"),
            grown((40, 1, 0, 1)).assign(label_class="alone"),
            grown((20, 0, 0, 1)).assign(label_class="open"),
        ],
        ignore_index=True,
    ).assign(text_id=lambda rows: rows.index.astype(str))
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    assert row["estimate"] == pytest.approx(0.4)
    assert row["ci_low"] < 0.32
    assert row["ci_high"] > 0.48


def test_flagged_labels_that_are_alike_in_one_class_only_leave_its_share_uncertain():
    # All 20 labels of 700 agreed flags are refusals, and 12 of 40 of 300 others: .7 + .3 * .3 = .79.
    kinds = (("agreed", 700, 20, 20), ("alone", 300, 40, 12))
    frame = pd.concat(
        [
            grown((k, 1, 1, n / m), (m - k, 1, 0, n / m), (n - m, 1, 0, 0)).assign(label_class=name)
            for name, n, m, k in kinds
        ],
        ignore_index=True,
    ).assign(text_id=lambda rows: rows.index.astype(str))
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    assert row["estimate"] == pytest.approx(0.79)
    # A fifth of an error among 20.4 labels is the share .0098, whose variance is .0098 * .9902 / 20.
    variance = 0.7**2 * 0.0098 * 0.9902 / 20 + 0.3**2 * 0.3 * 0.7 / 39
    low, high = mid_p_interval(0.79, 0.79 * 0.21 / variance)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((float(low), float(high)), abs=2e-4)


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
def test_independent_responses_give_the_interval_of_power_tuned_inference(seed):
    rng = np.random.default_rng(seed)
    n, n_labelled = 20_000, 1000
    label = rng.random(n) < 0.3
    refused = np.where(label, rng.random(n) < 0.5, rng.random(n) < 0.2)
    weight = np.zeros(n)
    drawn = rng.choice(n, n_labelled, replace=False)
    weight[drawn] = n / n_labelled
    frame = pd.DataFrame({"refused": refused, "label": label, "weight": weight, "text_id": np.arange(n)})
    row = estimate_corrected(make_sums(frame), []).iloc[0]
    y, seen = label.astype(float), refused.astype(float)
    rest = np.delete(seen, drawn)
    low, high = (end.item() for end in ppi_mean_ci(y[drawn], seen[drawn], rest, alpha=0.05))
    plain = [end.item() for end in ppi_mean_ci(y[drawn], seen[drawn], rest, alpha=0.05, lam=1)]
    assert row["ci_high"] - row["ci_low"] == pytest.approx(high - low, rel=0.02)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.03 * (high - low))
    # This detector is poor, so the tuned interval is a seventh narrower than with lambda = 1.
    assert high - low < 0.85 * (plain[1] - plain[0])


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


@pytest.mark.slow
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
    """250 texts with 12 responses, 4 a persona; of 150 texts, one of each 4 is neutral instead."""
    rng = np.random.default_rng(6)
    frame = grown((3000, 0, 0, 0))
    frame["persona"], frame["text_id"] = np.tile(["a", "b", "c"], 1000), np.repeat(np.arange(250), 12)
    frame["label"] = rng.random(3000) < 0.2
    frame["refused"] = frame["label"] ^ (rng.random(3000) < 0.1)
    frame["weight"] = np.where(rng.random(3000) < 0.5, 2.0, 0.0)
    is_neutral = (np.arange(3000) % 12 >= 9) & (frame["text_id"] < 150)
    frame["setting"] = np.where(is_neutral, "neutral", "persona")
    return frame


def test_a_difference_of_equally_many_responses_is_that_of_the_two_corrected_rates(three_personas):
    sums = make_sums(three_personas)
    rates = estimate_corrected(sums, ["setting", "persona"]).set_index(["setting", "persona"])
    table = estimate_corrected_contrasts(sums, "b").set_index("persona")
    assert list(table.index) == ["a", "c"]
    # Texts with 3 or 4 responses each have the weights 3 / 2 and 2: half of the responses of either.
    for persona in table.index:
        for name in ("estimate", "uncorrected"):
            expected = rates.loc[("persona", persona), name] - rates.loc[("persona", "b"), name]
            assert table.loc[persona, name] == pytest.approx(expected)
        assert table.loc[persona, "n"] == rates.loc[("persona", persona), "n"]


def test_others_are_all_other_personas_and_neutral_is_a_setting_of_the_texts_with_both(three_personas):
    sums = make_sums(three_personas)
    persona = sums[sums["setting"] == "persona"]
    others = estimate_corrected(persona[persona["persona"] != "a"], []).iloc[0]
    own = estimate_corrected(persona[persona["persona"] == "a"], []).iloc[0]
    row = estimate_corrected_contrasts(sums, "others").set_index("persona").loc["a"]
    assert row["estimate"] == pytest.approx(own["estimate"] - others["estimate"])
    shared = sums[sums["text_id"] < 150]
    neutral = estimate_corrected(shared[shared["setting"] == "neutral"], []).iloc[0]
    own = estimate_corrected(shared[(shared["setting"] == "persona") & (shared["persona"] == "a")], []).iloc[0]
    row = estimate_corrected_contrasts(sums, "neutral").set_index("persona").loc["a"]
    assert row["estimate"] == pytest.approx(own["estimate"] - neutral["estimate"])
    assert row["n"] == 850


def test_a_text_has_the_weight_of_the_pairs_that_its_responses_make(make_counts):
    # Persona a has 3 responses about text t and 1 about u, b has 1 and 1: weights 3 / 4 and 1 / 2. All are labelled.
    rows = [("t", "a", 1, 1), ("t", "a", 1, 0), ("t", "a", 0, 0), ("t", "b", 0, 0), ("u", "a", 1, 1), ("u", "b", 0, 1)]
    frame = pd.DataFrame(rows, columns=["text_id", "persona", "refused", "label"]).assign(weight=1)
    row = estimate_corrected_contrasts(make_sums(frame), "b").iloc[0]
    # By the detector (2/3 - 0) * 3/4 + (1 - 0) * 1/2 over 5/4 = .8, by the labels (1/3 * 3/4 + 0) / (5/4) = .2.
    assert row["uncorrected"] == pytest.approx(0.8)
    assert row["estimate"] == pytest.approx(0.2)
    counts = make_counts(frame.assign(model="m", task="nli", setting="persona"))
    assert row["uncorrected"] == pytest.approx(estimate_contrasts(counts, "b").iloc[0]["estimate"])


def test_the_uncorrected_difference_has_the_interval_of_the_other_command(make_counts, three_personas):
    frame = three_personas[three_personas["setting"] == "persona"]
    ours = estimate_corrected_contrasts(make_sums(frame), "b").set_index("persona")
    counts = make_counts(frame.assign(model="m", task="nli", setting="persona"))
    theirs = estimate_contrasts(counts, "b").set_index("persona")
    for mine, name in (("uncorrected", "estimate"), ("uncorrected_low", "ci_low"), ("uncorrected_high", "ci_high")):
        np.testing.assert_allclose(ours[mine], theirs[name], atol=1e-12)


@pytest.fixture
def blocks():
    """Texts with two blocks, whose rates differ: persona a is asked more often in the second, where more is refused."""
    rng = np.random.default_rng(1)
    block = rng.integers(0, 2, 3000)
    persona = np.where(rng.random(3000) < np.where(block == 1, 0.7, 0.3), "a", "b")
    refused = rng.random(3000) < np.where(block == 1, 0.6, 0.1)
    frame = pd.DataFrame({"text_id": [f"t{i}" for i in rng.integers(0, 150, 3000)], "block": block})
    return frame.assign(persona=persona, refused=refused, label=refused, weight=1)


def test_corrected_differences_are_within_blocks_as_those_of_the_other_command(make_counts, blocks):
    factors = ("model", "task", "setting", "persona", "block")
    ours = estimate_corrected_contrasts(make_sums(blocks, factors), "b").iloc[0]
    theirs = estimate_contrasts(make_counts(blocks.assign(model="m", task="nli", setting="persona")), "b").iloc[0]
    for mine, name in (("uncorrected", "estimate"), ("uncorrected_low", "ci_low"), ("uncorrected_high", "ci_high")):
        assert ours[mine] == pytest.approx(theirs[name], abs=1e-12)
    # All labels are those of the detector, so nothing is corrected; within texts the difference would be about .2.
    assert ours["estimate"] == pytest.approx(ours["uncorrected"], abs=1e-12)
    assert abs(ours["estimate"]) < 0.06
    assert ours["n_texts"] == blocks.loc[blocks["persona"] == "a", "text_id"].nunique()


def test_a_text_with_responses_in_no_block_is_one_block(blocks):
    factors = ("model", "task", "setting", "persona", "block")
    some = blocks.assign(block=blocks["block"].astype(object).where(blocks.index % 2 == 0, None))
    columns = ["estimate", "ci_low", "ci_high", "n_texts"]
    found, expected = (
        estimate_corrected_contrasts(sums, "b")[columns] for sums in (make_sums(some, factors), make_sums(blocks))
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_personas_of_other_texts_are_compared_as_rates(three_personas):
    frame = three_personas[three_personas["persona"] != "c"].copy()
    frame["text_id"] = frame["persona"] + frame["text_id"].astype(str)
    sums = make_sums(frame[frame["setting"] == "persona"])
    rates = estimate_corrected(sums, ["persona"]).set_index("persona")["estimate"]
    row = estimate_corrected_contrasts(sums, "b").iloc[0]
    assert row["estimate"] == pytest.approx(rates["a"] - rates["b"])
    assert row["ci_low"] < row["estimate"] < row["ci_high"]


def test_turning_a_difference_round_turns_its_interval_round(three_personas):
    sums = make_sums(three_personas[three_personas["persona"] != "c"])
    one = estimate_corrected_contrasts(sums, "b").set_index("persona").loc["a"]
    other = estimate_corrected_contrasts(sums, "a").set_index("persona").loc["b"]
    for low, high in (("estimate", "estimate"), ("ci_low", "ci_high"), ("uncorrected_low", "uncorrected_high")):
        assert one[low] == pytest.approx(-other[high], abs=1e-9)


def test_a_difference_within_texts_is_more_certain_than_of_texts_apart():
    # Texts are always or never refused, alike for both personas, and the detector makes no error.
    rng = np.random.default_rng(1)
    always = rng.random(300) < 0.3
    frame = pd.DataFrame({"text_id": np.repeat(np.arange(300), 2), "persona": ["a", "b"] * 300})
    frame["refused"] = frame["label"] = always[frame["text_id"]]
    frame["weight"] = 1.0
    row = estimate_corrected_contrasts(make_sums(frame), "b").iloc[0]
    rate = estimate_corrected(make_sums(frame), ["persona"]).iloc[0]
    assert row["estimate"] == 0
    assert row["ci_high"] - row["ci_low"] < 0.5 * (rate["ci_high"] - rate["ci_low"])


# What is asked wrongly, and what always holds.


def test_unknown_factors_and_baselines_are_named_with_those_there_are(three_personas):
    three_personas = make_sums(three_personas)
    with pytest.raises(InputError, match="unknown factor 'personas': allowed are model, task, setting, persona;"):
        estimate_corrected(three_personas, ["personas"])
    with pytest.raises(InputError, match="'nobody': allowed are neutral, persona-free, others, a, b, c"):
        estimate_corrected_contrasts(three_personas, "nobody")
    with pytest.raises(InputError, match="persona"):
        estimate_corrected_contrasts(three_personas.drop(columns="persona"), "others")


def test_without_a_baseline_the_table_is_empty_but_has_its_columns(three_personas):
    table = estimate_corrected_contrasts(make_sums(three_personas), "persona-free")
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
