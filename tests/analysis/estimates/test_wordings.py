"""Personas beyond their wordings: by hand, in simulated studies whose truth is known, and what cannot be compared."""

import math
from dataclasses import replace

import numpy as np
import pytest
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.wordings import estimate_wordings, has_phrases
from refusal_metrics.analysis.statistics import holm

from refusal_metrics.errors import InputError

FORMS = ("noun_phrase", "who_is")


def study(*, form=True, n_texts=4, **refused):
    """Make the responses of one model and task: of 10 about each text, how many are refused, by persona and phrase."""
    return [
        {"model": "m", "task": "nli", "setting": "neutral" if persona.startswith("person") else "persona"}
        | {"persona": persona, "phrase": f"{persona} {place}", "template": f"p{i}"}
        | ({"phrase_form": FORMS[place % 2]} if form else {})
        | {"text_id": f"t{text}", "refused": i < k}
        for persona, numbers in refused.items()
        for place, k in enumerate(numbers)
        for text in range(n_texts)
        for i in range(10)
    ]


@pytest.fixture(scope="module")
def calibration(load_script):
    """The script that simulates studies."""
    return load_script("calibrate_wordings")


def test_personas_are_compared_with_all_neutral_phrases(make_counts):
    rows = study(form=False, person=[1], person2=[3], man=[4, 6], woman=[2, 2])
    table = estimate_wordings(make_counts(rows)).set_index("persona")
    assert list(table.columns) == ["model", "task", *contracts.WORDINGS.estimates]
    assert table["estimate"].to_dict() == pytest.approx({"man": 0.3, "woman": 0})
    # Residuals .1, .1 | .1, .1 | 0, 0: s^2 = .04 / 3 with 3 degrees of freedom; 1/2 + 1/2 is 1.
    assert set(table["df"]) == {3}
    assert table["sd_wordings"].tolist() == pytest.approx([math.sqrt(0.04 / 3)] * 2)
    assert table.loc["man", "estimate_in_sd"] == pytest.approx(0.3 / math.sqrt(0.04 / 3))
    # The 97.5% and the 98.75% point (for two personas) of Student's t with 3 degrees of freedom, from a printed table.
    assert table.loc["man", "ci_high"] == pytest.approx(0.3 + 3.182446 * math.sqrt(0.04 / 3), rel=1e-6)
    assert table.loc["man", "noise_band"] == pytest.approx(4.176535 * math.sqrt(0.04 / 3), rel=1e-6)
    assert table.loc["man", "p_adjusted"] == pytest.approx(2 * table.loc["man", "p_value"])
    sizes = ["n_phrases", "n_phrases_baseline", "n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline"]
    assert table.loc["man", sizes].tolist() == [2, 2, 80, 4, 40, 80, 16]


def test_effects_of_grammatical_forms_are_no_spread_of_wordings(make_counts):
    # The second form has 20 points more, whoever is meant.
    rows = study(person=[1, 3, 1, 3], man=[4, 6], woman=[1, 3])
    table = estimate_wordings(make_counts(rows)).set_index("persona")
    assert table["estimate"].to_dict() == pytest.approx({"man": 0.3, "woman": 0})
    assert table["sd_wordings"].tolist() == pytest.approx([0, 0], abs=1e-9)
    # 8 phrases less 3 arms and a form.
    assert set(table["df"]) == {4}
    without = estimate_wordings(make_counts(study(form=False, person=[1, 3, 1, 3], man=[4, 6], woman=[1, 3])))
    assert set(without["df"]) == {5}
    assert (without["sd_wordings"] > 0.1).all()


def test_copies_of_a_prompt_are_one(make_counts):
    rows = study(person=[1, 3], man=[4, 6])
    once, twice = (estimate_wordings(make_counts(some)) for some in (rows, rows + rows))
    assert once.drop(columns=["n_refused", "n_refused_baseline"]).equals(
        twice.drop(columns=["n_refused", "n_refused_baseline"])
    )


def test_a_persona_with_one_phrase_gets_an_estimate_and_no_claim(make_counts):
    table = estimate_wordings(make_counts(study(person=[1, 3], man=[4, 6], woman=[9]))).set_index("persona")
    assert (
        table.loc["woman", ["ci_low", "ci_high", "noise_band", "p_value", "p_adjusted", "estimate_in_sd"]].isna().all()
    )
    assert table.loc["man", ["ci_low", "ci_high", "noise_band", "p_value"]].notna().all()
    # A test that is not made does not count in the correction.
    assert table.loc["man", "p_adjusted"] == table.loc["man", "p_value"]


def test_models_and_tasks_without_neutral_prompts_are_left_out(make_counts):
    rows = study(person=[1, 3], man=[4, 6]) + [row | {"model": "other"} for row in study(man=[4, 6])]
    assert estimate_wordings(make_counts(rows))["model"].tolist() == ["m"]
    empty = estimate_wordings(make_counts(study(man=[4, 6])))
    assert empty.empty
    assert list(empty.columns) == ["model", "task", "persona", *contracts.WORDINGS.estimates]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [{k: v for k, v in row.items() if k != "phrase"} for row in study(person=[1, 3], man=[4, 6])],
            "the responses have no phrases of personas",
            id="no phrases",
        ),
        pytest.param(
            [
                row | {"phrase": None} if row["persona"] == "man" else row
                for row in study(person=[1], man=[4], woman=[2])
            ],
            r"40 of 80 responses to persona prompts have no phrase",
            id="phrases of some personas only",
        ),
        pytest.param(
            [row | {"phrase": None} if row["persona"] == "person" else row for row in study(person=[1, 3], man=[4, 6])],
            r"80 of 80 responses to neutral prompts have no phrase",
            id="no neutral phrases",
        ),
        pytest.param(
            [
                row | ({"phrase": "a man"} if row["phrase"][-1] == "0" else {})
                for row in study(person=[1, 3], man=[4, 6])
            ],
            "the phrase 'a man' of the persona man is a neutral phrase too",
            id="a neutral phrase as a persona",
        ),
        pytest.param(
            [row | {"phrase_form": row["setting"]} for row in study(person=[1, 3], man=[4, 6])],
            "have no grammatical forms in common",
            id="other forms",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(make_counts, rows, message):
    with pytest.raises(InputError, match=message) as error:
        estimate_wordings(make_counts(rows))
    assert "\n" not in str(error.value)


def test_a_study_has_phrases_if_its_persona_prompts_have(make_counts):
    rows = study(person=[1, 3], man=[4, 6])
    assert has_phrases(make_counts(rows))
    assert not has_phrases(make_counts([row | {"phrase": None} for row in rows]))
    assert not has_phrases(make_counts([{k: v for k, v in row.items() if k != "phrase"} for row in rows]))


def test_where_only_wordings_matter_personas_are_not_named_as_they_are_by_contrasts(calibration):
    kind = calibration.Kind(50, 0.3, logit_sd=0.4)
    found = [calibration.test_wordings(kind, n, k) for n, k in calibration.simulate(kind, None, 40, 0)]
    named = [bool((holm(one.p_value) <= 0.05).any()) for one in found]
    usual = [
        bool((holm(calibration.test_contrasts(n, k, kind.single()[0])) <= 0.05).any())
        for n, k in calibration.simulate(kind, None, 40, 0, single=True)
    ]
    # At a chance of .05, 7 or more of 40 occur in 3 of 1,000 such tests.
    assert sum(named) < 7
    assert sum(usual) > 20
    # In a mean text, .4 on the log odds at a rate of .3 are about 6 points, with texts' spread of 1.5.
    assert np.mean([one.sd_wordings for one in found]) == pytest.approx(0.061, abs=0.01)


def test_an_effect_of_three_points_is_found_beyond_wordings_with_a_spread_of_one(calibration):
    # 3,000 responses of each wording about texts that do not differ: an error of .5 points at a rate of .08.
    kind = replace(calibration.SPECIFIED, rate=0.08)
    rng = np.random.default_rng(0)
    named = []
    for _ in range(60):
        rate = kind.rate + kind.effect * (kind.arm == 8) + kind.rate_sd * rng.normal(size=len(kind.arm))
        n = np.full((30, len(kind.arm)), 100.0)
        found = calibration.test_wordings(kind, n, rng.binomial(100, np.maximum(rate, 0), size=n.shape).astype(float))
        named.append(bool(holm(found.p_value)[calibration.PLANTED] <= 0.05))
    # t = 3 / sqrt((1 + .25) / 2) = 3.79 with 33 degrees of freedom, against 3.17 at .05 / 15: .73. Three Monte Carlo
    # errors are .17.
    assert sum(named) / 60 == pytest.approx(0.73, abs=0.17)
