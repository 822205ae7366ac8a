"""Corrected rates in simulated studies of known truth; a small version of `scripts/calibrate_labels`."""

import argparse

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.labels import sum_rows
from refusal_metrics.analysis.responses import LABEL_CLASSES

pytestmark = pytest.mark.slow  # many simulated studies


@pytest.fixture(scope="module")
def script(load_script):
    """The script `calibrate_labels`."""
    return load_script("calibrate_labels")


def first(cell):
    """Return the number before the Monte Carlo error."""
    return float(cell.split()[0])


def test_labels_drawn_for_the_rate_narrow_its_interval_and_cover(script):
    (row,) = script.measure_rates(argparse.Namespace(replicates=12, labels=300, seed=0), 0.05, "as validated")
    # In 400 studies about .7, with a standard deviation of .08 in each.
    assert first(row["ratio"]) < 0.8
    # Of 12 intervals that each cover in 95 of 100, 9 or more do in all but 1 of 500 cases.
    assert first(row["aimed covers"]) >= 9 / 12
    # What is announced is the width there is: within 15%.
    assert first(row["expected"]) == pytest.approx(first(row["aimed width"]), rel=0.15)
    assert first(row["uncorrected width"]) < first(row["aimed width"])


def test_differences_within_texts_cover(script):
    (row,) = script.measure_contrasts(argparse.Namespace(replicates=10, labels=150, seed=0), 0.15, "as validated")
    # 7 or more of 10 in all but 1 of 900 cases.
    assert first(row["tuned covers"]) >= 7 / 10
    assert first(row["ratio"]) < 1


def test_the_scripts_sums_are_those_of_the_package(script):
    rng = np.random.default_rng(0)
    study = script.simulate(rng, 0.1, "recall .6", n_personas=2)
    weight = script.draw_for_rate(rng, study, 100)
    # Each label stands for its part of the responses.
    assert weight.sum() == pytest.approx(len(study))
    label = study["truth"].astype(object).where(weight > 0, None)
    names = np.array(LABEL_CLASSES)[script.CLASS[study["row"]]]
    rows = study.assign(label=label, weight=weight, label_class=names, persona="p" + study["persona"].astype(str))
    theirs = script.add_up(study, weight, ("persona",))
    kept = list(sum_rows(rows, ["persona"]))
    pd.testing.assert_frame_equal(
        theirs[kept].sort_values(["persona", "text_id"], ignore_index=True),
        sum_rows(rows, ["persona"]),
        check_dtype=False,
    )
