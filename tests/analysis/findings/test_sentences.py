"""The findings of small studies, and the numbers in them."""

import re

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates import average_estimates, estimate_contrasts, estimate_rates
from refusal_metrics.analysis.findings import Evidence, list_findings
from refusal_metrics.analysis.findings.average import average_personas, widen
from refusal_metrics.analysis.findings.size import find_size
from refusal_metrics.analysis.labels import LabelSums, sum_rows

PERSONAS = ("black", "man", "woman")


def rows(rate_of, *, models=("a", "b", "c"), n_texts=60, neutral=0.2, seed=0):
    """Draw responses: each model is asked each text under each persona, and twice with a neutral prompt."""
    rng = np.random.default_rng(seed)
    asked = [*((persona, "persona", rate) for persona, rate in rate_of.items()), *[(None, "neutral", neutral)] * 2]
    return [
        {
            "model": model,
            "task": "nli",
            "setting": setting,
            "persona": persona,
            "text_id": f"t{text}",
            "template": f"p{number}",
            "refused": int(rng.random() < rate),
        }
        for model in models
        for text in range(n_texts)
        for number, (persona, setting, rate) in enumerate(asked)
        if not (setting == "neutral" and neutral is None)
    ]


def evidence(counts, detector="answer_aware", **known):
    rates = estimate_rates(counts.where(setting="persona"), ["model", "task", "setting"])
    has_neutral = len(counts.where(setting="neutral").n) > 0
    contrasts = estimate_contrasts(counts, "neutral" if has_neutral else "others")
    return Evidence(counts, detector, rates, contrasts, **known)


@pytest.fixture(scope="module")
def one_worse_off(make_counts):
    return make_counts(rows({"black": 0.8, "man": 0.2, "woman": 0.2}))


def test_the_persona_that_is_refused_more_often_comes_first_with_its_simultaneous_interval(one_worse_off):
    first, *_, models, sure = list_findings(evidence(one_worse_off))
    found = average_personas(one_worse_off, "neutral").table.set_index("persona").loc["black"]
    low, high = (f"{100 * found[end]:.1f}" for end in ("ci_low", "ci_high"))
    assert first.startswith(
        "Asked as 'a Black person' (one wording), models refuse much more often than with neutral prompts: by "
        f"{100 * found['estimate']:.1f} pp [{low}, {high}], averaged over the 3 models; single models range from +"
    )
    # Refused in 80% and 20%.
    assert found["estimate"] == pytest.approx(0.6, abs=0.1)
    assert f"A difference of {low} pp in detection error would explain it" in first
    assert first.endswith("Other wordings were not tested.")
    assert models.split()[1:4] == ["refuses", "most", "often:"]
    assert sure.startswith("How sure: the median minimum detectable increase is ")


def test_a_difference_that_measured_errors_would_explain_may_be_the_detector(make_counts):
    # A difference of 8 points with an interval of about 5 to each side; errors of `prefix` differ by up to 8.5 points.
    counts = make_counts(rows({"black": 0.28, "man": 0.2, "woman": 0.2}, n_texts=600))
    first = list_findings(evidence(counts, "prefix"))[0]
    assert "It may be the detector: a difference of " in first
    assert "at most 8.5 pp (between personas in responses of Tulu-2-13B)" in first


def test_labels_correct_the_headline(one_worse_off):
    # All verdicts under "man" are wrong: labels say that he is refused as often as the Black person, 80% and not 20%.
    drawn = pd.DataFrame(rows({"black": 0.8, "man": 0.2, "woman": 0.2}))
    drawn["label"] = np.where(drawn["persona"] == "man", 1 - drawn["refused"], drawn["refused"]).astype(object)
    sums = sum_rows(drawn.assign(weight=1.0), ["model", "task", "setting", "persona"])
    found = list_findings(evidence(one_worse_off, sums=LabelSums(sums, ())))
    assert found[0].startswith("Asked as 'a")
    assert "The difference is corrected by 900 labels." in found[0]
    assert "detection error" not in " ".join(found)
    assert "'a man' much more often" in found[1] or "'a man'" in found[0]


def test_too_few_labels_correct_nothing_and_that_is_said(one_worse_off):
    drawn = pd.DataFrame(rows({"black": 0.8, "man": 0.2, "woman": 0.2}))
    # Two labels.
    drawn["label"] = [True, False, *[None] * (len(drawn) - 2)]
    sums = sum_rows(drawn.assign(weight=len(drawn) / 2), ["model", "task", "setting", "persona"])
    *_, sure = list_findings(evidence(one_worse_off, sums=LabelSums(sums, ())))
    assert "the labels are too few to correct differences between personas" in sure


def test_without_neutral_prompts_personas_are_compared_with_one_another(make_counts):
    counts = make_counts([row for row in rows(dict.fromkeys(PERSONAS, 0.2) | {"man": 0.7}) if row["persona"]])
    first, others, *_ = list_findings(evidence(counts))
    assert first.startswith(
        "Asked as 'a man' (one wording), models refuse much more often than when asked as the other"
    )
    # Who is refused less often than the others is so because of the man.
    assert others.startswith("The other personas that differ: ")
    assert "much less often" in others


def test_a_study_without_an_effect_says_what_it_rules_out(make_counts):
    counts = make_counts(rows(dict.fromkeys(PERSONAS, 0.2), n_texts=300, seed=4))
    found = list_findings(evidence(counts))
    table = average_personas(counts, "neutral").table
    ends = table[["ci_low", "ci_high"]].abs().to_numpy().max()
    assert found[0] == (
        "No persona is shown to be refused more or less often than with neutral prompts (3 personas, averaged over the "
        f"3 models). For each of them, a difference of more than {100 * ends:.1f} pp is ruled out (simultaneous 95% "
        "confidence intervals)."
    )
    assert len(found) == 3


def test_a_study_that_is_too_small_says_only_that_and_the_size_that_would_do(make_counts):
    counts = make_counts(rows(dict.fromkeys(PERSONAS, 0.2), models=("a",), n_texts=8))
    (only,) = list_findings(evidence(counts))
    found = re.fullmatch(
        r"This study is too small to show who is refused more often: with 8 texts per task it rules out only "
        r"differences of more than (\S+) pp; about (\S+) texts per task would detect 5 pp with 80% power\.",
        only,
    )
    assert float(found[1]) > 10
    assert int(found[2].replace(",", "")) == find_size(counts, "neutral")


def test_without_personas_or_anybody_to_compare_them_with_that_is_the_finding(make_counts):
    counts = make_counts(rows({"man": 0.2}, neutral=None, models=("a",)))
    models, only = list_findings(
        Evidence(counts, "given", estimate_rates(counts, ["model", "task", "setting"]), pd.DataFrame())
    )
    assert models.startswith("a refuses ")
    assert only.startswith("Personas cannot be compared: ")
    none = Evidence(counts, "given", pd.DataFrame(), pd.DataFrame())
    assert list_findings(none) == ("No persona task was run, so there are no findings on personas.",)


def test_several_wordings_are_counted_and_compared_with_their_spread(make_counts):
    drawn = rows({"black": 0.8, "man": 0.2, "woman": 0.2})
    counts = make_counts(
        [row | {"phrase": f"{row['persona']} {i % 2}", "phrase_form": "noun"} for i, row in enumerate(drawn)]
    )
    ends = {"estimate": 0.5, "ci_low": 0.1, "ci_high": 0.9}
    wordings = pd.DataFrame([{"model": "a", "task": "nli", "persona": "black"} | ends])
    first = list_findings(evidence(counts, wordings=wordings))[0]
    assert first.startswith("Asked as 'a Black person' (2 wordings), models ")
    assert first.endswith("For wordings like these, the difference is +50.0 pp [+10.0, +90.0].")


# Averages.


def test_the_mean_over_tasks_has_the_root_of_the_squared_distances():
    table = pd.DataFrame({"model": "m", "estimate": [0.1, 0.3], "ci_low": [0.07, 0.26], "ci_high": [0.13, 0.34]})
    (row,) = average_estimates(table, ["model"]).to_dict("records")
    # The root of .03^2 + .04^2, divided by 2.
    assert [row[name] for name in ("estimate", "ci_low", "ci_high")] == pytest.approx([0.2, 0.175, 0.225])
    assert average_estimates(table.assign(ci_low=[0.07, np.nan]), ["model"])["ci_low"].isna().all()


def test_a_widened_interval_ends_at_1():
    table = pd.DataFrame({"estimate": [0.9], "ci_low": [0.85], "ci_high": [0.97]})
    assert widen(table, 2).iloc[0].tolist() == pytest.approx([0.9, 0.8, 1.0])


def test_a_single_model_has_its_own_contrast_at_the_simultaneous_level(make_counts):
    counts = make_counts(rows({"black": 0.5, "man": 0.2, "woman": 0.2}, models=("a",)))
    own = estimate_contrasts(counts, "neutral", confidence=1 - 0.05 / 3).set_index("persona")
    usual = estimate_contrasts(counts, "neutral").set_index("persona")
    table = average_personas(counts, "neutral").table.set_index("persona")
    for name in ("estimate", "ci_low", "ci_high"):
        assert table[name].to_dict() == pytest.approx(own[name].to_dict())
    assert (own["ci_low"] < usual["ci_low"]).all()
    assert own["p_value"].to_dict() == usual["p_value"].to_dict()
