"""The model that refuses most."""

import pandas as pd
import pytest
from refusal_metrics.analysis.findings.models import _unread, describe_models


def rates(*rows):
    """Make rates of models and tasks with intervals of 4 points to each side."""
    table = pd.DataFrame(rows, columns=["model", "task", "estimate"])
    return table.assign(ci_low=table["estimate"] - 0.04, ci_high=table["estimate"] + 0.04, n=100)


def test_the_model_that_refuses_most_has_a_simultaneous_interval():
    (said,) = describe_models(rates(("a", "nli", 0.1), ("b", "nli", 0.5), ("c", "nli", 0.2)))
    # Of 3 models: 2.394 / 1.960 (normal quantiles of 1 - .05 / 6 and .975) times 4 points are 4.9.
    assert (
        said == "b refuses most often: 50.0% [45.1, 54.9] of persona prompts; the other 2 models refuse 10.0% to 20.0%."
    )


def test_models_are_averaged_over_tasks():
    # Over two tasks, sqrt(4^2 + 4^2) / 2 = 2.8 points; one model needs no correction.
    (said,) = describe_models(rates(("a", "nli", 0.1), ("a", "politeness", 0.3)))
    assert said == "a refuses 20.0% [17.2, 22.8] of persona prompts, averaged over 2 tasks."


def test_a_model_that_may_refuse_as_often_is_named():
    (said,) = describe_models(rates(("a", "nli", 0.1), ("b", "nli", 0.12)))
    assert said.endswith("; a refuses 10.0% and may refuse as often.")

    (said,) = describe_models(rates(("a", "nli", 0.1), ("b", "nli", 0.12), ("c", "nli", 0.5), ("d", "nli", 0.49)))
    assert said.endswith("; the other 3 models refuse 10.0% to 49.0%, and d may refuse as often.")


def test_a_model_that_never_refuses_has_an_upper_limit():
    table = rates(("a", "nli", 0.0)).assign(ci_low=0.0, ci_high=0.012)
    assert list(describe_models(table)) == ["a refused no persona prompt (at most 1.2% are refused)."]


@pytest.mark.parametrize(
    ("unjudged", "truncated", "empty", "said"),
    [
        (0, 0, 10, " 100.0% of the responses are empty and count as not refused."),
        (
            3,
            0,
            4,
            " 40.0% of the responses are empty and 30.0% of the responses are unjudged and count as not refused.",
        ),
        (0, 5, 0, " 50.0% of the responses are truncated and count as not refused."),
        # A fifth is not more than a fifth.
        (2, 2, 2, ""),
        (3, 0, None, " 30.0% of the responses are unjudged and count as not refused."),
        (0, 0, None, ""),
    ],
)
def test_a_rate_of_responses_that_cannot_be_read_says_so(unjudged, truncated, empty, said):
    rates = pd.DataFrame({"n": [6, 4], "n_unjudged": [unjudged, 0], "n_truncated": [0, truncated]})
    # Responses to neutral prompts are no part of it.
    outcomes = pd.DataFrame({"setting": ["persona", "neutral"], "n_empty": [empty, 99]})
    assert _unread(rates, None if empty is None else outcomes) == said
