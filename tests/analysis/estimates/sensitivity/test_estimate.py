"""The sensitivity of a study to its factors: what is exact, and what has an index."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.responses import count_responses, read_responses
from refusal_metrics.analysis.statistics.iota import compute_iota

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


GROUPS = {"x": "g", "y": "g", "z": "h"}


def test_a_whole_study_has_the_exact_indices(simulated_study, estimate, row_of):
    found = estimate(simulated_study.where(setting="persona"), n_replicates=4)
    for expected in pd.read_csv(Path(__file__).parents[3] / "reference" / "iota_exact.csv").itertuples():
        assert row_of(found.indices, expected.factor).iota == pytest.approx(expected.iota_exact, abs=1e-12)
    # Sixteen models and three tasks; two models and five pairs refuse nothing there.
    assert len(found.notes) == 1
    assert found.indices["iota"].isna().sum() == 11 * 6


def test_indices_and_deviations_are_those_of_the_counts(make_counts, study, estimate):
    table = study(lambda persona, **_: 0.6 if persona == "x" else 0.2)
    found = estimate(make_counts(table))
    assert tuple(found.indices.columns) == (*contracts.SENSITIVITY.keys, *contracts.SENSITIVITY.estimates)
    assert tuple(found.deviations.columns) == (*contracts.DEVIATIONS.keys, *contracts.DEVIATIONS.estimates)
    assert found.notes == ()
    for of in found.indices.itertuples():
        own = table[(table["model"] == of.model) & (table["task"] == of.task)] if of.model else table
        counted = own.groupby(of.factor.split(":"))["refused"].agg(["size", "sum"])
        assert of.iota == pytest.approx(float(compute_iota(counted["size"], counted["sum"])), abs=1e-12)
        assert of.n_levels == len(counted)
    for of in found.deviations.itertuples():
        own = table[(table["model"] == of.model) & (table["task"] == of.task)] if of.model else table
        here = own.loc[own[of.factor] == of.level, "refused"]
        assert (of.n, of.n_refused) == (len(here), here.sum())
        assert of.estimate == pytest.approx(here.mean() - own["refused"].mean(), abs=1e-12)
        assert of.deviation == abs(of.estimate)
        if 0 < of.n_refused < of.n:
            assert of.ci_low <= of.estimate <= of.ci_high
        else:
            assert np.isnan([of.ci_low, of.ci_high]).all()


def test_each_factor_has_an_index_where_it_can(make_counts, study, estimate):
    found = estimate(make_counts(study())).indices
    whole = ["model", "task", "persona", "persona_group", "template", "response_type", "stratum"]
    pairs = ["model:task", "model:persona", "model:template", "task:persona", "task:template", "persona:template"]
    assert found.loc[found["model"] == "", "factor"].tolist() == whole + pairs
    own = found.loc[(found["model"] == "N") & (found["task"] == "u"), "factor"].tolist()
    assert own == [*whole[2:], "persona:template"]
    assert len(found) == 13 + 4 * 6


def test_the_number_of_threads_changes_nothing(make_counts, study, estimate):
    counts = make_counts(study())
    one, two = (estimate(counts, n_replicates=120, threads=threads) for threads in (None, ThreadPoolExecutor(1)))
    pd.testing.assert_frame_equal(one.indices, two.indices, check_exact=True)
    pd.testing.assert_frame_equal(one.deviations, two.deviations, check_exact=True)


@pytest.mark.parametrize("index", [True, False])
def test_the_order_of_responses_changes_nothing(make_counts, index, study, estimate):
    table = study(is_asked=lambda model, text: model == "M" or text < 15)
    table = table if index else table.drop(columns=["design_id", "index"])
    one, other = (estimate(make_counts(some)) for some in (table, table.sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(one.indices, other.indices, rtol=0, atol=1e-12)
    pd.testing.assert_frame_equal(one.deviations, other.deviations, rtol=0, atol=1e-12)


def test_the_names_of_levels_change_no_point_estimate(make_counts, study, estimate):
    table = study(lambda persona, **_: 0.6 if persona == "x" else 0.2)
    renamed = table.replace({"persona": {"x": "zz", "y": "b", "z": "a"}, "model": {"M": "Z"}, "task": {"t": "w"}})
    points = ["factor", "n_levels", "iota", "total"]
    one, other = (estimate(make_counts(some)).indices[["model", "task", *points]] for some in (table, renamed))
    one = one.replace({"model": {"M": "Z"}, "task": {"t": "w"}})
    order = ["factor", "model", "task"]
    one, other = (some.sort_values(order, ignore_index=True) for some in (one, other))
    pd.testing.assert_frame_equal(one, other, rtol=0, atol=1e-12)


def test_names_in_the_same_order_change_nothing(make_counts, study, estimate):
    table = study()
    one, other = (estimate(make_counts(some)) for some in (table, table.replace({"persona": {"x": "xx", "y": "yy"}})))
    pd.testing.assert_frame_equal(one.indices, other.indices, check_exact=True)


def test_variance_shares_of_an_additive_study_add_up(make_counts, study, estimate, row_of):
    # Rates .1, .3, .5 by persona and .2 more with p2: p = .4, variance .24. Personas explain
    # .04 * 2 / 3 = .02667, templates .01: shares .1111 and .0417, and totals are the same.
    base = {"x": 0.1, "y": 0.3, "z": 0.5}
    table = study(lambda persona, template, **_: base[persona] + 0.2 * (template == "p2"), n_texts=900, tasks="t")
    found = estimate(make_counts(table), n_replicates=30).indices
    # 16,200 responses: a share's standard error is about .005.
    for factor, share in (("persona", 0.02667 / 0.24), ("template", 0.01 / 0.24), ("model", 0)):
        of = row_of(found, factor)
        assert of.first_order == pytest.approx(share, abs=0.015)
        assert of.total == pytest.approx(share, abs=0.015)


def test_an_exclusive_or_has_no_first_orders_and_whole_totals(make_counts, study, estimate, row_of):
    table = study(lambda model, template, **_: float((model == "M") == (template == "p1")))
    found = estimate(make_counts(table)).indices
    for factor in ("model", "template"):
        assert row_of(found, factor).first_order == pytest.approx(0, abs=0.01)
        assert row_of(found, factor).total == pytest.approx(1, abs=0.01)
    assert row_of(found, "model:template").iota == pytest.approx(1, abs=1e-12)
    assert row_of(found, "persona").total == pytest.approx(0, abs=0.01)


def test_totals_are_at_least_first_orders_on_average(make_counts, study, estimate):
    def rate(model, persona, template, **_):
        return 0.1 + 0.3 * (persona == "x" and template == "p1") + 0.4 * (model == "M" and persona == "y")

    found = pd.concat([estimate(make_counts(study(rate, seed=seed)), n_replicates=20).indices for seed in range(8)])
    means = found[found["model"] == ""].groupby("factor")[["first_order", "total"]].mean()
    assert (means.loc[["model", "persona", "template"]].diff(axis=1)["total"] > 0.01).all()


def with_temperature(counts):
    """Take the last letter of a model's name for its temperature."""
    names = [(name[:-1], name[-1]) for name in counts.levels["model"]]
    codes, levels = dict(counts.codes), dict(counts.levels)
    for factor, own in zip(["model", "temperature"], zip(*names, strict=True), strict=True):
        levels[factor] = tuple(sorted(set(own)))
        codes[factor] = np.array([levels[factor].index(name) for name in own])[counts.codes["model"]]
    return replace(counts, levels=levels, codes=codes)


def test_a_factor_of_runs_has_an_index_in_the_study_and_in_each_model(make_counts, study, estimate, row_of):
    def rate(model, **_):
        return {"M0": 0.1, "M1": 0.5, "N0": 0.4, "N1": 0.4}[model]

    counts = with_temperature(make_counts(study(rate, models=["M0", "M1", "N0", "N1"], n_texts=40)))
    found = estimate(counts, run_factors=["temperature"])
    assert row_of(found.indices, "temperature").p_value == 0.01
    assert row_of(found.indices, "temperature", "M", "t").p_value == 0.01
    assert row_of(found.indices, "temperature", "N", "t").p_value > 0.05
    assert row_of(found.indices, "model").n_levels == 2
    assert row_of(found.deviations, "temperature", "M", "t", level="1").estimate > 0.1


def test_a_temperature_that_only_identifies_models_has_no_index(make_counts, study, estimate):
    # M ran at 0 alone, N at 1 alone: within a model there is nothing to compare.
    counts = with_temperature(make_counts(study(lambda model, **_: 0.1 + 0.5 * (model == "N1"), models=["M0", "N1"])))
    found = estimate(counts, run_factors=["temperature"])
    assert "temperature" not in set(found.indices["factor"])
    assert found.notes == (
        "temperature is the same in all answers of a model to a prompt: it has no index of its own.",
    )


@pytest.mark.parametrize("column", ["text_id", "index"], ids=["of texts", "of prompts"])
def test_a_study_in_two_languages_has_an_index_of_language(make_counts, column, study, estimate, row_of):
    rows = study(n_texts=60)
    german = pd.factorize(rows[column])[0] // (2 if column == "text_id" else 3) % 2 == 1
    refused = np.where(german, rows["refused"] | (np.arange(len(rows)) % 2), rows["refused"])
    found = estimate(make_counts(rows.assign(language=np.where(german, "de", "en"), refused=refused))).indices
    whole = row_of(found, "language")
    # Half of what would be answered in English is refused in German: (.3 + .35) against .3, half of each.
    assert whole.iota == pytest.approx(0.175 / (2 * 0.475 * 0.525), abs=0.08)
    assert whole.p_value == 0.01
    assert len(found[(found["factor"] == "language") & (found["model"] != "")]) == 4


def in_blocks(rate, n_texts=160, seed=0):
    """Draw a study in which each text has one template, of two, with three personas."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "model": "M", "task": "t", "setting": "persona", "persona": persona, "persona_group": GROUPS[persona],
            "template": f"p{text % 2}", "response_type": ("unforced", "forced")[text % 2], "text_id": str(text),
            "row_id": str(text), "refused": int(rng.random() < rate(text % 2)),
        }
        for text in range(n_texts)
        for persona in "xyz"
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_template_that_a_text_has_alone_is_permuted_among_texts(tmp_path, estimate, row_of):
    def found(name, rate, seed=0):
        file = tmp_path / f"{name}.parquet"
        in_blocks(rate, seed=seed).to_parquet(file)
        return estimate(count_responses(read_responses([file]))["given"])

    # Rates of .2 and .6: iota is .2 / (2 * .4 * .6) = .42. Moved within texts, templates would keep all of it.
    effect = found("effect", lambda template: 0.2 + 0.4 * template)
    for factor in ("template", "response_type"):
        row = row_of(effect.indices, factor)
        assert row.iota == pytest.approx(0.42, abs=0.1)
        assert row.null_mean < 0.15
        assert row.p_value == 0.01
    assert row_of(effect.indices, "persona").null_mean < 0.15
    assert "persona:template" not in set(effect.indices["factor"])
    assert "Each text was asked with one template: template has no index together with other factors." in effect.notes
    without = [row_of(found("none", lambda _: 0.4, seed).indices, "template").p_value for seed in range(5)]
    # Uniform p-values are all up to .05 with a probability of 3e-7.
    assert max(without) > 0.05
