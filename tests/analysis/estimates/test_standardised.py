"""Class-standardised rates: by hand, as invariants, and in simulated studies whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.columns import STANDARDISED
from refusal_metrics.analysis.counts import Counts
from refusal_metrics.analysis.estimates.rates import estimate_rate_errors, estimate_rates
from scipy import stats

from refusal_metrics.errors import InputError

few = settings(max_examples=settings.default.max_examples // 8)


def responses(asked, **levels):
    """Make responses from {(text, class): (refused, asked)}."""
    return [
        {"model": "m", "task": "nli", "setting": "persona", "text_id": text, "stratum": name, "refused": i < k} | levels
        for (text, name), (k, n) in asked.items()
        for i in range(n)
    ]


BY_HAND = {("a", "1"): (1, 10), ("b", "1"): (3, 10), ("c", "2"): (5, 5), ("d", "2"): (3, 5), ("a", "2"): (0, 5)}


def test_a_standardised_rate_and_its_interval_equal_the_hand_worked_example(make_counts):
    row = estimate_rates(make_counts(responses(BY_HAND)), ["model"]).iloc[0]
    # Class 1: 4/20; class 2: 8/15; the mean is 11/30, and 12/35 of all responses are refusals.
    assert row["estimate"] == pytest.approx(12 / 35)
    assert row["estimate_standardised"] == pytest.approx(11 / 30)
    # The classes have 2 and 3 texts, so their deviations count sqrt(2) and sqrt(1.5): a sqrt(2) (1 - 2) / 40 +
    # sqrt(1.5) (0 - 8/3) / 30 = -.144222, b sqrt(2) / 40 = .035355, c sqrt(1.5) (5 - 8/3) / 30 = .095258, d sqrt(1.5) /
    # 90 = .013608. v = .0313092, the sum of squares;
    # N* = 1 / (.25/20 + .25/15) = 34.2857, so the design effect is estimated as v N* / (11/30 * 19/30) = 4.6226. Of
    # 4 - 2 + 1 = 3 texts, d is at most 2, and 2 * 3 / kurtosis = 3.8 is more: Student's t makes it 4.6226 * (4.302653 /
    # 2.03384)^2 = 20.7, more than in the worst case, where only texts count: N* (.25/2 + .25/3) = 7.142857.
    # n* = N* / 7.142857 = 4.8, and p n* = 1.76.
    low, high = row[["ci_low_standardised", "ci_high_standardised"]]
    assert stats.beta.cdf(low, 1.76, 4.8 - 1.76 + 1) == pytest.approx(0.025, rel=1e-6)
    assert stats.beta.sf(high, 1.76 + 1, 4.8 - 1.76) == pytest.approx(0.025, rel=1e-6)
    error = estimate_rate_errors(make_counts(responses(BY_HAND)), ["model"])["se_standardised"].item()
    assert error == pytest.approx(0.0313092**0.5, rel=1e-5)


def test_a_class_with_a_single_text_gives_no_interval_unless_nothing_was_refused(make_counts):
    asked = {("a", "1"): (1, 10), ("b", "1"): (3, 10), ("c", "2"): (2, 5)}
    row = estimate_rates(make_counts(responses(asked)), ["model"]).iloc[0][list(STANDARDISED)]
    assert row.isna().tolist() == [False, True, True]
    none = {key: (0, n) for key, (_, n) in asked.items()}
    row = estimate_rates(make_counts(responses(none)), ["model"]).iloc[0][list(STANDARDISED)]
    # Class 2 has 1 text and half of the weight: as of 2 texts.
    assert row.tolist() == pytest.approx([0, 0, 1 - 0.025**0.5])


def test_given_weights_are_relative(make_counts):
    counts = make_counts(responses(BY_HAND))
    # (3 * 4/20 + 8/15) / 4 = 17/60.
    for weights in ({"1": 3, "2": 1}, {"1": 0.75, "2": 0.25}):
        (rate,) = estimate_rates(counts, ["model"], class_weights=weights)["estimate_standardised"]
        assert rate == pytest.approx(17 / 60)


@pytest.mark.parametrize(
    ("weights", "n_effective"),
    [
        # Text a has half of its responses in each class, so the classes have 1.5 and .5 of 2 texts; .5 / .5 = 1.
        (None, 1),
        # 1.5 / .75 = .5 / .25 = 2: as of 2 texts.
        ({"1": 3, "2": 1}, 2),
        # 1.5 / .9 = 1.67 and .5 / .1 = 5.
        ({"1": 9, "2": 1}, 1.5 / 0.9),
    ],
)
@pytest.mark.parametrize("k", [0, 1])
def test_without_or_with_nothing_but_refusals_the_class_with_the_fewest_texts_for_its_weight_decides(
    make_counts, weights, n_effective, k
):
    asked = {("a", "1"): (3 * k, 3), ("a", "2"): (3 * k, 3), ("b", "1"): (2 * k, 2)}
    row = estimate_rates(make_counts(responses(asked)), ["model"], class_weights=weights).iloc[0]
    reach = 1 - 0.025 ** (1 / n_effective)
    assert row[list(STANDARDISED)].tolist() == pytest.approx([k, k * (1 - reach), 1 if k else reach])


def test_more_refusals_lower_no_upper_limit(make_counts):
    limits = []
    for k in range(6):
        asked = {(f"t{i}", str(1 + i % 5)): (int(i < k), 10) for i in range(100)}
        (high,) = estimate_rates(make_counts(responses(asked)), ["model"])["ci_high_standardised"]
        limits.append(high)
    # Each of five classes has 20 texts and a fifth of the weight: as of 100 texts.
    assert limits[0] == pytest.approx(1 - 0.025 ** (1 / 100))
    assert limits == sorted(limits)


def test_classes_and_texts_of_one_rate_have_the_prior_design_effect(make_counts):
    asked = {("a", "1"): (2, 10), ("b", "1"): (2, 10), ("c", "2"): (1, 5), ("d", "2"): (1, 5)}
    row = estimate_rates(make_counts(responses(asked)), ["model"]).iloc[0]
    # N* = 1 / (.25/20 + .25/10) = 80/3, of which only texts would count with a design effect of N* (.25/2 + .25/2) =
    # 20/3. Estimated as 0, with four texts, it is 1 + (20/3 - 1) * 5 / (5 + 4) = 112/27: n* = 45/7 at a rate of .2.
    low, high = stats.beta.ppf(0.025, 9 / 7, 45 / 7 - 9 / 7 + 1), stats.beta.ppf(0.975, 9 / 7 + 1, 45 / 7 - 9 / 7)
    assert row[list(STANDARDISED)].tolist() == pytest.approx([0.2, low, high])


@pytest.mark.parametrize(
    ("rows", "by"),
    [
        ([{"stratum": None}], ["model"]),
        # Class 3 has no responses of this persona.
        ([{"stratum": "3", "persona": "other"}], ["persona"]),
        ([], ["model", "stratum"]),
        ([{"task": "politeness"}], ["model"]),
    ],
    ids=["a class is unknown", "a class is missing", "by class", "several tasks"],
)
def test_what_cannot_be_standardised_is_missing(make_counts, rows, by):
    whole = responses(BY_HAND, persona="one")
    table = estimate_rates(make_counts(whole + [whole[0] | {"text_id": "z"} | row for row in rows]), by)
    assert table[list(STANDARDISED)].isna().to_numpy().all()
    assert table["estimate"].notna().all()
    errors = estimate_rate_errors(make_counts(whole + [whole[0] | {"text_id": "z"} | row for row in rows]), by)
    assert errors["se_standardised"].isna().all()


def test_responses_without_classes_have_no_standardised_rate(make_counts):
    rows = [{name: value for name, value in row.items() if name != "stratum"} for row in responses(BY_HAND)]
    assert estimate_rates(make_counts(rows), ["model"])[list(STANDARDISED)].isna().to_numpy().all()
    with pytest.raises(InputError, match="need the column stratum"):
        estimate_rates(make_counts(rows), ["model"], class_weights={"1": 1})


def test_a_task_has_the_weights_of_its_own_classes(make_counts):
    rows = responses(BY_HAND) + responses({("t", "5"): (1, 4), ("u", "4"): (2, 4), ("v", "3"): (0, 4)}, task="other")
    table = estimate_rates(make_counts(rows), ["task"]).set_index("task")["estimate_standardised"]
    assert table.to_dict() == pytest.approx({"nli": 11 / 30, "other": (1 / 4 + 2 / 4 + 0) / 3})


@pytest.mark.parametrize(
    ("weights", "by", "said"),
    [
        ({"1": 1}, ["model"], "lack 2; give each of 1, 2"),
        ({"1": 1, "2": 0}, ["model"], "2=0: must be a number above 0"),
        ({"1": 1, "2": float("nan")}, ["model"], "2=nan: must be"),
        ({"1": 1, "2": 1, "7": 1}, ["model"], "unknown class '7': allowed are 1, 2"),
        ({"1": 1, "2": 1}, ["stratum"], "a rate by stratum is of one class"),
    ],
)
def test_weights_that_do_not_fit_are_refused(make_counts, weights, by, said):
    with pytest.raises(InputError, match=said):
        estimate_rates(make_counts(responses(BY_HAND)), by, class_weights=weights)


cells = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("12")),
    st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=2,
).filter(lambda asked: {name for _, name in asked} == {"1", "2"})


@few
@given(cells)
def test_weights_in_proportion_to_the_responses_give_the_raw_rate(make_counts, asked):
    n = {name: sum(size for (_, of), (_, size) in asked.items() if of == name) for name in "12"}
    row = estimate_rates(make_counts(responses(asked)), ["model"], class_weights=n).iloc[0]
    assert row["estimate_standardised"] == pytest.approx(row["estimate"])


@few
@given(cells, st.sampled_from("12"))
def test_how_many_responses_of_a_class_are_asked_does_not_change_what_is_estimated(make_counts, asked, name):
    more = {key: (3 * k, 3 * n) if key[1] == name else (k, n) for key, (k, n) in asked.items()}
    (one, other) = (estimate_rates(make_counts(responses(of)), ["model"]).iloc[0] for of in (asked, more))
    assert other["estimate_standardised"] == pytest.approx(one["estimate_standardised"])


@few
@given(cells)
def test_an_interval_contains_its_standardised_rate_and_is_mirrored_with_it(make_counts, asked):
    rows = responses(asked)
    mirrored = [row | {"refused": not row["refused"]} for row in rows]
    (one, other) = (estimate_rates(make_counts(of), ["model"]).iloc[0][list(STANDARDISED)] for of in (rows, mirrored))
    rate, low, high = one
    if not np.isnan(low):
        assert 0 <= low <= rate <= high <= 1
    np.testing.assert_allclose([rate, low, high], 1 - other.to_numpy(dtype=float)[[0, 2, 1]], atol=1e-9)


def simulate(rng, intercepts, n_studies):
    """Simulate studies, one a model, of texts with rows of one or two classes, 10 prompts a row.

    200 texts are of the first class, 40 of the second, and 20 have a row of each; rates of texts vary.
    """
    text = np.concatenate([np.arange(200), np.arange(200, 240), np.arange(240, 260), np.arange(240, 260)])
    stratum = np.repeat([0, 1, 0, 1], [200, 40, 20, 20])
    logit = np.asarray(intercepts)[stratum] + rng.normal(0, 1.5, (n_studies, 260))[:, text]
    k = rng.binomial(10, 1 / (1 + np.exp(-logit))).ravel()
    first = np.zeros(len(k), dtype=np.int64)
    names = tuple(f"study {i:04}" for i in range(n_studies))
    levels = {"model": names, "task": ("nli",), "setting": ("persona",), "stratum": ("1", "2")}
    codes = {
        "model": np.repeat(np.arange(n_studies), len(text)),
        "task": first,
        "setting": first,
        "stratum": np.tile(stratum, n_studies),
    }
    at = np.tile(text, n_studies)
    return Counts(levels, codes, at, at, np.arange(len(k)), np.full(len(k), 10), k, 260)


@pytest.mark.parametrize("intercepts", [(-6.0, -4.0), (-3.0, -1.0)], ids=["low rates", "high rates"])
def test_intervals_of_standardised_rates_cover_the_truth(intercepts):
    # The mean of the logistic function over texts, variance 1.5^2, by quadrature; the mean of the two classes.
    x, weight = np.polynomial.hermite_e.hermegauss(80)
    truth = np.mean([np.average(1 / (1 + np.exp(-b - 1.5 * x)), weights=weight) for b in intercepts])
    table = estimate_rates(simulate(np.random.default_rng(20250908), intercepts, 400), ["model"])
    covered = table["ci_low_standardised"].le(truth) & table["ci_high_standardised"].ge(truth)
    # A true share of .92 or .985 has a standard deviation of 1.4 or .6 % in 400 studies.
    assert 0.92 - 2 * 0.014 <= covered.mean() <= 0.985 + 2 * 0.006
    # Raw rates estimate something else: 220 of 280 rows are of the class that is refused less.
    assert (table["ci_low"].le(truth) & table["ci_high"].ge(truth)).mean() < 0.8
    assert pd.notna(table["estimate_standardised"]).all()
