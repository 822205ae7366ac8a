"""The rates of a page's first screen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.report.html.first_screen import headline
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


def test_without_persona_prompts_the_headline_is_of_the_other_settings():
    assert headline(study(ASKED[2:3]))["setting"].tolist() == ["neutral"]


STANDARDISED = ("estimate_standardised", "ci_low_standardised", "ci_high_standardised")


def test_the_headline_is_class_standardised_if_every_rate_is():
    made = study(ASKED)
    numbers = dict(zip(STANDARDISED, (0.25, 0.15, 0.35), strict=True))
    known = made.tables["rates"].assign(**numbers)
    known.loc[1, list(STANDARDISED)] = (0.05, 0.0, 0.15)
    table = headline(_with_rates(made, known))
    assert table[["estimate", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.05, 0.0, 0.15], [0.25, 0.15, 0.35]]
    assert table["others"].tolist() == [{"other": "25.00 [15.00, 35.00]"}] * 2
    assert table["standardised"].all()
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
