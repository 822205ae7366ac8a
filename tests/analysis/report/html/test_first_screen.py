"""The sentences of a page's first screen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.report.html.first_screen import find_all, headline
from refusal_metrics.analysis.report.study_tables import StudyEstimates


def rates(rows):
    columns = ("model", "task", "setting", "rule", "estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused")
    return pd.DataFrame(rows, columns=columns)


def study(rates_rows, **tables):
    contrasts = pd.DataFrame(columns=["model", "task", "baseline", "rule", "estimate", "p_adjusted"])
    table = rates(rates_rows)
    return StudyEstimates(
        {"rates": table, "contrasts": contrasts, **tables}, "aware", tuple(table["rule"].unique()), {}, None
    )


ASKED = [
    ("m", "offensiveness", "persona", "aware", 0.2, 0.1, 0.3, 100, 10, 20),
    ("m", "nli", "persona", "aware", 0.0, 0.0, 0.1, 100, 10, 0),
    ("m", "nli", "neutral", "aware", 0.5, 0.1, 0.9, 100, 10, 50),
    ("m", "offensiveness", "persona", "other", 0.3, 0.2, 0.4, 100, 10, 30),
    ("m", "nli", "persona", "other", 0.1, 0.0, 0.2, 100, 10, 10),
]


def contrasts(rows):
    made = pd.DataFrame(rows, columns=["model", "task", "persona", "estimate", "p_adjusted", "mde_up"])
    made.insert(3, "baseline", "neutral")
    made = made.assign(rule="aware", ci_low=made["estimate"] - 0.01, ci_high=made["estimate"] + 0.01)
    # As of significant differences: a wider interval, and a smaller estimate.
    ends = {"ci_low_named": made["estimate"] - 0.02, "ci_high_named": made["estimate"] + 0.02}
    return made.assign(estimate_shrunken=made["estimate"] / 2, **ends)


def test_the_reports_rule_is_told_first_and_the_others_in_one_sentence():
    first, second = find_all(study(ASKED))
    # 20 of 200 and, by the other rule, 40 of 200.
    assert first.startswith("10.00% of responses to persona prompts were refusals (aware; range: 0.00% for m, NLI to ")
    assert second == "With the other detectors, the rate is 20.00% with other."


def test_the_largest_differences_are_named_with_their_intervals():
    table = contrasts([("m", "nli", "man", 0.02, 0.01, 0.01), ("m", "nli", "woman", -0.3, 0.001, 0.01)])
    found = find_all(study(ASKED, contrasts_by_persona=table))
    assert found[-1] == (
        "Largest significant differences from neutral prompts (corrected for multiple comparisons; 95% CIs adjusted "
        "for selection): Woman -30.00 points [-32.00, -28.00], shrunken -15.00 (m, NLI); Man +2.00 points [+0.00, "
        "+4.00], shrunken +1.00 (m, NLI)."
    )


def test_where_no_persona_differs_and_nothing_could_have_been_found_both_are_said():
    table = contrasts(
        [("m", "nli", "man", 0.0, 1.0, 0.3), ("m", "nli", "woman", 0.0, 1.0, 0.2), ("m", "x", "man", 0, 1, np.nan)]
    )
    *_, none, blind, unknown = find_all(study(ASKED, contrasts_by_persona=table))
    assert none == "Differences smaller than the minimum detectable effects cannot be ruled out."
    assert blind == (
        "The study has less than 80% power to detect a 10-point increase for any persona in 1 of 2 combinations of a "
        "model and a task: m, NLI."
    )
    assert unknown.endswith("where no prompt or every prompt was refused: m, x.")


@pytest.mark.parametrize(("low", "said"), [(0.25, ""), (0.15, "; their intervals overlap, so the order is uncertain")])
def test_the_factor_that_matters_most_is_named_with_how_sure_that_is(low, said):
    rows = [("", "model", 0.3, low, 0.4, 0.001), ("", "task", 0.1, 0.05, 0.2, 0.001), ("", "persona", 0.9, 0, 1, 0.5)]
    table = pd.DataFrame(rows, columns=["model", "factor", "iota", "ci_low", "ci_high", "p_value"])
    found = find_all(study(ASKED, sensitivity=table.assign(task="", upper_bound_only=False)))
    # Persona is not significant, however large its index.
    assert found[-1] == f"The most important factor is model (iota 0.300), followed by task (0.100){said}."


def test_without_persona_prompts_the_page_says_so():
    (only,) = find_all(study(ASKED[2:3]))
    assert only.startswith("No persona task was run")
    assert headline(study(ASKED[2:3]))["setting"].tolist() == ["neutral"]


STANDARDISED = ("estimate_standardised", "ci_low_standardised", "ci_high_standardised")


def test_the_headline_and_the_range_are_class_standardised_if_every_rate_is():
    made = study(ASKED)
    numbers = dict(zip(STANDARDISED, (0.25, 0.15, 0.35), strict=True))
    known = made.tables["rates"].assign(**numbers)
    known.loc[1, list(STANDARDISED)] = (0.05, 0.0, 0.15)
    table = headline(_with_rates(made, known))
    assert table[["estimate", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.05, 0.0, 0.15], [0.25, 0.15, 0.35]]
    assert table["others"].tolist() == [{"other": "25.00 [15.00, 35.00]"}] * 2
    assert table["standardised"].all()
    # 20 of 200 responses are refusals.
    assert find_all(_with_rates(made, known))[0] == (
        "10.00% of responses to persona prompts were refusals (aware; range of class-standardised rates: 5.00% for m, "
        "NLI to 25.00% for m, Offensiveness)."
    )
    known.loc[3, list(STANDARDISED)] = np.nan
    table = headline(_with_rates(made, known))
    assert table["estimate"].tolist() == [0.0, 0.2]
    assert not table["standardised"].any()


def _with_rates(made, table):
    return replace(made, tables=made.tables | {"rates": table})


def test_the_headline_holds_persona_prompts_by_the_reports_rule_tasks_in_the_order_of_the_paper():
    outcomes = pd.DataFrame(
        [("m", "nli", "persona", 50, 0, 40, 10, 100)],
        columns=["model", "task", "setting", "n_answer", "n_refused", "n_other", "n_empty", "n"],
    )
    table = headline(study(ASKED, outcomes=outcomes))
    assert table["task"].tolist() == ["nli", "offensiveness"]
    assert table["others"].tolist() == [{"other": "10.00 [0.00, 20.00]"}, {"other": "30.00 [20.00, 40.00]"}]
    assert table["other"].tolist() == pytest.approx([0.4, np.nan], nan_ok=True)
    assert table["empty"].tolist() == pytest.approx([0.1, np.nan], nan_ok=True)
