"""The outcomes of responses, as one bar a model."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.outcomes import draw_outcomes


def counted(model, task, setting="persona", **counts):
    names = ("n_answer", "n_refused", "n_other", "n_empty", "n_truncated", "n_unjudged")
    own = dict.fromkeys(names, 0) | counts
    return {"model": model, "task": task, "setting": setting, **own, "n": sum(own.values())}


def test_a_bar_adds_up_to_100_percent_with_refusals_by_the_provider_apart():
    outcomes = pd.DataFrame(
        [
            counted("m", "nli", n_answer=50, n_refused=30, n_other=10, n_empty=10),
            counted("m", "politeness", n_answer=90, n_refused=10),
            counted("m", "nli", "neutral", n_answer=100),
        ]
    )
    rates = pd.DataFrame(
        [
            {"model": "m", "task": "nli", "setting": "persona", "rule": rule, "n_provider": n}
            for rule, n in {"aware": 20, "prefix": 0}.items()
        ]
    )
    (figure,) = draw_outcomes({"outcomes": outcomes, "rates": rates}, "aware")
    (rows,) = to_spec(figure)["datasets"].values()
    # Of 200 responses to persona prompts 140 are answers, 40 refusals of which 20 are the provider's.
    assert {row["series"]: row["x"] for row in rows} == pytest.approx(
        {
            "answer": 70,
            "refusal by text": 10,
            "refusal by the provider\N{RIGHT SINGLE QUOTATION MARK}s filter": 10,
            "other": 5,
            "empty": 5,
        }
    )
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert figure.table[["n_text", "n_provider", "n"]].to_numpy().tolist() == [[20, 20, 200]]


def test_without_outcomes_of_persona_prompts_there_is_no_figure():
    assert list(draw_outcomes({}, "aware")) == []
    assert list(draw_outcomes({"outcomes": pd.DataFrame([counted("m", "nli", "neutral", n_answer=1)])}, "aware")) == []
