"""Contrasts of studies at large: what does not matter to them, and simulated studies whose truth is known."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts
from refusal_metrics.analysis.statistics import adjust

few = settings(max_examples=settings.default.max_examples // 10)


spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
studies = sample.studies


# Studies at large.

baselines = st.sampled_from(["neutral", "others", "black"])


def assert_same(one, other):
    one, other = (table.set_index("persona").sort_index() for table in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=False, check_index_type=False, rtol=1e-7, atol=1e-9)


@few
@given(studies, baselines, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(make_counts, rows, baseline, random):
    shuffled = random.sample(rows, len(rows))
    assert_same(*(estimate_contrasts(make_counts(r), baseline) for r in (shuffled, rows)))


@few
@given(studies, st.sampled_from(["neutral", "others"]))
def test_the_names_of_personas_and_texts_do_not_matter(make_counts, rows, baseline):
    names = {"woman": "1", "black": "z, with | all", "person": "p"}
    back = {new: old for old, new in names.items()}
    renamed = [row | {"persona": names[row["persona"]], "text_id": f"x/{ord(row['text_id']) * 7 % 10}"} for row in rows]
    table = estimate_contrasts(make_counts(renamed), baseline)
    assert_same(table.assign(persona=table["persona"].map(back)), estimate_contrasts(make_counts(rows), baseline))


@few
@given(studies, baselines)
def test_refusals_taken_for_answers_flip_the_sign(make_counts, rows, baseline):
    table = estimate_contrasts(make_counts(rows), baseline)
    mirrored = estimate_contrasts(make_counts([row | {"refused": not row["refused"]} for row in rows]), baseline)
    for one, other in (("estimate", "estimate"), ("ci_low", "ci_high"), ("equiv_low", "equiv_high")):
        np.testing.assert_allclose(table[one], -mirrored[other], atol=1e-9)
    np.testing.assert_allclose(table["p_value"], mirrored["p_value"], rtol=1e-6)


@few
@given(studies, baselines)
def test_an_interval_holds_its_estimate_and_nothing_beyond_1(make_counts, rows, baseline):
    table = estimate_contrasts(make_counts(rows), baseline)
    known = table[table["ci_low"].notna()]
    assert known["ci_low"].between(-1, known["estimate"]).all()
    assert known["ci_high"].between(known["estimate"], 1).all()
    assert known["equiv_low"].between(known["ci_low"], known["estimate"]).all()
    assert known["equiv_high"].between(known["estimate"], known["ci_high"]).all()
    # An arm of one text without common texts has none.
    assert table["p_value"].dropna().between(0, 1).all()


# Simulated studies without an effect of personas.


@pytest.mark.parametrize("intercept", [-7.3, -4.85, -2.0], ids=["rate .002", "rate .02", "rate .2"])
@pytest.mark.parametrize("baseline", ["others", "persona 00"])
def test_intervals_cover_no_difference_and_few_studies_name_a_persona(simulate_counts, intercept, baseline):
    table = estimate_contrasts(simulate_counts(np.random.default_rng(20250908), intercept, n_studies=150), baseline)
    covered = (table["ci_low"].le(0) & table["ci_high"].ge(0)).mean()
    # At .002 a persona has 1.6 refusals, where whole numbers cannot cover 95%.
    assert 0.92 <= covered <= (1 if intercept < -7 else 0.98)
    has_odds = table["or_low"].notna()
    assert (table["or_low"].le(1) & table["or_high"].ge(1))[has_odds].mean() >= 0.92
    # Fifty evaluations of three models: at a true share of .05 more than 6 happen in 4 of 100.
    evaluation = table["model"].str[-4:].astype(int) // 3
    named = [adjust(part["p_value"], part["model"]).min() <= 0.05 for _, part in table.groupby(evaluation)]
    assert len(named) == 50
    assert sum(named) <= 6


def test_personas_that_matter_are_found_in_the_simulated_study(simulated_study):
    table = estimate_contrasts(simulated_study, "others")
    assert len(table) == 16 * 3 * 15
    assert table["within_texts"].all()
    # Models that never refuse name nobody; the study has effects by persona in the others.
    silent = table.groupby(["model", "task"])["n_refused"].transform("sum") == 0
    assert table.loc[silent, "p_adjusted"].eq(1).all()
    found = table[table["p_adjusted"] <= 0.05]
    assert len(found) > 100
