"""What a labelled sample will tell, and samples that are drawn for one rate."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.annotation import Aim, draw_items, plan_labels
from refusal_metrics.analysis.contracts import LABEL_PLAN
from refusal_metrics.analysis.labels import label_deviation
from refusal_metrics.analysis.responses import read_responses

from refusal_metrics.errors import InputError

# Verdicts of prefix and prefix_strict, the outcome, the opening, the class, and how many.
KINDS = [
    (True, True, "other", "No.", "agreed", 60),
    (True, False, "other", "No.", "alone", 20),
    (False, True, "other", "Well.", "disputed", 4),
    (False, False, "other", "I cannot say.", "hedged", 100),
    (False, False, "other", "Well.", "open", 400),
    (False, False, "answer", "Yes.", "answered", 416),
]


@pytest.fixture
def study(tmp_path):
    rows = [
        {
            "refused_prefix": prefix,
            "refused_prefix_strict": strict,
            "outcome": outcome,
            "response": response,
            "kind": kind,
        }
        for prefix, strict, outcome, response, kind, n in KINDS
        for _ in range(n)
    ]
    frame = pd.DataFrame(rows).sample(frac=1, random_state=0).reset_index(drop=True)
    frame = frame.assign(model="m", task="nli", setting="persona", design_id="d0", index=frame.index)
    frame["text_id"] = "t" + (frame.index // 5).astype(str)
    frame.to_parquet(tmp_path / "responses.parquet", index=False)
    return read_responses([tmp_path / "responses.parquet"]), frame.set_index("index")["kind"]


def rng():
    return np.random.default_rng(2)


def test_a_sample_for_a_rate_has_more_of_the_classes_in_which_labels_vary(study):
    responses, kind = study
    sample = draw_items(responses, 200, rng(), aim=Aim.RATE)
    drawn = sample.items["index"].map(kind).value_counts()
    # In proportion to N_h S_h between 5 (or all there are) and N_h: 60 * .14, 20 * .433, 100 * .357, 400 * .0995, ...
    wanted = {name: n * label_deviation(name) for *_, name, n in KINDS if name != "disputed"}
    share = (200 - 4) / sum(wanted.values())
    assert drawn["disputed"] == 4
    for name, weight in wanted.items():
        assert drawn[name] == pytest.approx(share * weight, abs=1)
    assert (1 / sample.items["probability"]).sum() == pytest.approx(1000)
    assert sample.factors == ()
    # What is drawn of a class has one probability, that of its share.
    hedged = sample.items[sample.items["index"].map(kind) == "hedged"]
    assert hedged["probability"].unique() == pytest.approx([drawn["hedged"] / 100])


def test_a_sample_for_the_rate_of_another_detector_has_its_classes(study):
    responses, kind = study
    items = draw_items(responses, 100, rng(), aim=Aim.RATE, detector="prefix_strict").items
    # Flagged by prefix alone, which is disputed now; all that both flag is agreed.
    alone = items[items["index"].map(kind) == "disputed"]
    assert len(alone) == 4
    with pytest.raises(InputError, match="unknown detector 'nobody'"):
        draw_items(responses, 100, rng(), aim=Aim.RATE, detector="nobody")


def test_too_few_items_for_the_classes_are_one_sentence(study):
    with pytest.raises(InputError, match=r"--n 20: is too few for 6 classes of the detectors' .* draw at least 29"):
        draw_items(study[0], 20, rng(), aim=Aim.RATE)


def test_the_plan_has_a_width_for_each_number_of_labels(study):
    table = plan_labels(study[0], [100, 300, 1000], rng())
    assert list(table) == [*LABEL_PLAN.keys, *LABEL_PLAN.estimates]
    assert table["n_labelled"].tolist() == [100, 300, 1000]
    assert table["width"].is_monotonic_decreasing
    # Of 1,000 responses in 200 texts 80 are flagged, most one a text: about 2 * 1.96 * sqrt(.08 * .92 / 1000).
    assert table["uncorrected_width"].unique() == pytest.approx([0.034], rel=0.25)
    assert table["width"].min() > 0.5 * table["uncorrected_width"].iloc[0]


@pytest.mark.parametrize("n", [28, 1001])
def test_a_number_of_labels_that_cannot_be_is_one_sentence(study, n):
    with pytest.raises(InputError, match=f"--n {n}: must be from 29 to 1,000, the number of responses with a verdict"):
        plan_labels(study[0], [n], rng())
