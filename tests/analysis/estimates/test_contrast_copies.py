"""Contrasts of copies of prompts: distinct prompts count."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts, estimate_setting_contrasts
from refusal_metrics.analysis.estimates.rates import estimate_rates

few = settings(max_examples=settings.default.max_examples // 10)


spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
only_row = sample.only_row


def prompt(persona, text, template, verdicts, setting="persona"):
    """Make the responses to copies of a prompt, one for each rating of the text: R refuses, A answers."""
    same = {"model": "m", "task": "offensiveness", "setting": setting, "persona": persona, "text_id": text}
    return [same | {"template": template, "row_id": f"{i}", "refused": v == "R"} for i, v in enumerate(verdicts)]


def test_copies_of_prompts_with_one_verdict_are_no_further_data(make_counts):
    verdicts = np.random.default_rng(1).random((3, 12, 4)) < 0.3
    once, twice = [], []
    for persona, of_persona in zip(("woman", "black", "person"), verdicts, strict=True):
        for text, of_text in enumerate(of_persona):
            for template, refused in enumerate(of_text):
                where = (persona, f"t{text}", f"p{template}")
                setting = "neutral" if persona == "person" else "persona"
                verdict = "R" if refused else "A"
                once += prompt(*where, verdict, setting)
                twice += prompt(*where, verdict * (1 + text % 3), setting)
    assert len(twice) == 2 * len(once)
    for estimate in (estimate_contrasts, estimate_setting_contrasts):
        baselines = ("neutral", "others", "black") if estimate is estimate_contrasts else ("neutral",)
        pd.testing.assert_frame_equal(*(estimate(make_counts(rows), *baselines) for rows in (twice, once)))
    # A rate weighs prompts by their responses.
    assert estimate_rates(make_counts(twice), ["persona"])["n"].tolist() == [96] * 3


def test_copies_of_prompts_with_different_verdicts_equal_the_hand_worked_example(make_counts):
    rows = [
        *(*prompt("woman", "a", "p1", "RA"), *prompt("woman", "a", "p2", "R")),
        *(*prompt("person", "a", "p1", "A", "neutral"), *prompt("person", "a", "p2", "AA", "neutral")),
        *(*prompt("woman", "b", "p1", "A"), *prompt("person", "b", "p1", "RA", "neutral")),
    ]
    row = only_row(estimate_contrasts(make_counts(rows), "neutral"))
    # Text a: units .5, 1 against 0, 0, w = 1; text b: 0 against .5, w = 1/2.
    assert row["estimate"] == pytest.approx((1 * 0.75 - 0.5 * 0.5) / 1.5)
    # 1.5 and .5 refusals, rounded to even.
    assert row[["n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline"]].tolist() == [3, 2, 2, 3, 0]
    # Under no difference, the total of two of a's values 0, 0, .5, 1 has the variance 11/48, that of one of b's 0, .5
    # has 1/16: V = 7/24, without skewness since the arms of each text are equal. T is .5. The scores deviate by 5/12
    # and -5/12: S = 2 * 2 * (5/12)^2 = 25/36. At the estimate 1/3 the rates are 1/2 and 1/6 instead of 1/3 and 1/3, so
    # the variance is V * (1/4 + 5/36) / (4/9) = V * 7/8, and the overdispersion is S / (V * 7/8).
    # Student's t has 1 degree of freedom, for two texts.
    assert row["p_value"] == pytest.approx(1 - 2 / math.pi * math.atan(0.5 / math.sqrt(25 / 36 / (7 / 8))))


@few
@given(
    st.lists(st.tuples(*[st.sampled_from(values) for values in (("woman", "black"), "abc", "xy", "RA")]), min_size=4)
)
def test_the_order_of_copies_does_not_matter(make_counts, asked):
    rows = [row for persona, text, template, verdict in asked for row in prompt(persona, text, template, verdict)]
    rows = [row | {"row_id": str(i)} for i, row in enumerate(rows)]
    one, other = (estimate_contrasts(make_counts(r), "others") for r in (rows, rows[::-1]))
    pd.testing.assert_frame_equal(one, other, rtol=1e-7, atol=1e-9)
