"""What the sections of a report say of significant differences."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.display import counted
from refusal_metrics.analysis.report.findings import describe_undetermined, name_personas


def test_one_is_counted_as_one():
    assert [counted(n, "file") for n in (0, 1, 2, 1200)] == ["0 files", "1 file", "2 files", "1,200 files"]


def contrasts(**columns):
    """Make a table of contrasts with neutral, with what is said of personas."""
    table = {"model": "m", "task": "nli", "persona": ["a", "b", "c"], "baseline": "neutral", "rule": "r"}
    return pd.DataFrame(table | {"estimate": [0.1, -0.3, 0.2], "mde_up": 0.1, "p_adjusted": 1.0} | columns)


def test_the_personas_named_are_those_below_the_level_the_largest_first():
    sentence, named = name_personas(contrasts(p_adjusted=[0.05, 0.01, 0.051]), "r")
    assert named["persona"].tolist() == ["b", "a"]
    assert sentence.startswith("2 of 3 differences between a persona and the neutral baseline are significant")
    assert sentence.endswith("detectable increase is 10.00 points.")


def test_comparisons_are_counted_over_models_and_tasks_and_of_one_rule():
    table = pd.concat([contrasts(), contrasts(task="politeness"), contrasts(model="n"), contrasts(rule="other")])
    assert "0 of 9 differences" in name_personas(table, "r")[0]
    assert "3 personas in 3 combinations of a model and a task" in name_personas(table, "r")[0]


def test_without_neutral_prompts_personas_are_compared_with_the_others():
    assert "and the other personas (no neutral task was run)" in name_personas(contrasts(baseline="others"), "r")[0]
    assert name_personas(contrasts(baseline="persona-free"), "r") is None


@pytest.mark.parametrize("mde_up", [np.nan, 1.2])
def test_no_difference_is_called_detectable_that_cannot_be(mde_up):
    assert "detectable" not in name_personas(contrasts(mde_up=mde_up), "r")[0]


def test_comparisons_without_a_detectable_difference_are_left_out_of_their_median_and_that_is_said():
    sentence, _ = name_personas(contrasts(mde_up=[0.1, np.nan, 0.3]), "r")
    assert sentence.endswith("The median minimum detectable increase of the 2 that have one is 20.00 points.")
    sentence, _ = name_personas(contrasts(mde_up=[1, 1, np.nan]), "r")
    assert sentence.endswith("The study is too small to detect realistic differences.")


def test_a_rule_that_judged_no_neutral_prompt_has_its_personas_compared_with_the_others():
    table = pd.concat([contrasts(), contrasts(baseline="others", rule="judge")])
    assert "the neutral baseline" in name_personas(table, "r")[0]
    assert "and the other personas" in name_personas(table, "judge")[0]


def test_a_difference_in_what_could_not_be_judged_is_said_with_the_largest():
    # The usual intervals are not reported: b is named because it is significant.
    ends = {"ci_low": -1.0, "ci_high": 1.0, "ci_low_named": [0.05, -0.4, np.nan], "ci_high_named": [0.15, -0.2, np.nan]}
    ends |= {"estimate_shrunken": [0.05, -0.25, np.nan]}
    (said,) = describe_undetermined(contrasts(p_adjusted=[0.05, 0.01, 0.051], **ends), "others")
    assert said.startswith(
        "The share of truncated or unjudged responses differs significantly from the other personas in 2 of 3 "
        "comparisons (largest difference: b, -30.00 pp [-40.00, -20.00], shrunken -25.00, m, NLI)."
    )
    (said,) = describe_undetermined(
        contrasts(p_adjusted=[0.05, 0.01, 0.051], **ends | {"estimate_shrunken": np.nan}), "others"
    )
    assert "b, -30.00 pp [-40.00, -20.00], m, NLI" in said
    (said,) = describe_undetermined(contrasts(**ends), "neutral")
    assert said.endswith("differs significantly from neutral prompts in 0 of 3 comparisons.")
    assert list(describe_undetermined(contrasts().head(0), "neutral")) == []
