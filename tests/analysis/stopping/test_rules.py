"""When the stopping rules stop."""

import pandas as pd
import pytest
from refusal_metrics.analysis.statistics import find_bounds
from refusal_metrics.analysis.stopping import UntilDecided, UntilWidth, judge_differences, judge_width
from scipy import stats


def widths(*values, n_discordant=20):
    return pd.DataFrame({"width": values, "n_discordant": n_discordant})


@pytest.mark.parametrize(
    ("table", "n_texts", "stops"),
    [
        (widths(0.01, 0.03), 200, True),
        (widths(0.01, 0.0301), 5000, False),
        (widths(0.01, 0.03), 199, False),
        (widths(0.01, 0.03, n_discordant=19), 200, False),
        (widths(), 200, False),
    ],
)
def test_the_widest_interval_decides_but_not_before_there_are_200_texts_and_20_that_differ(table, n_texts, stops):
    assert judge_width(table, n_texts, 0.03)["stops"] is stops


def test_a_width_that_is_reached_too_early_says_what_is_lacking():
    found = judge_width(widths(0.01, n_discordant=7), 90, 0.03)["found"]
    assert found.startswith("the widest 95% confidence interval has 1.0 points (limit 3.0); of 90 texts, at least 7 ")


def differences(*deviates, information=1.0):
    p = 2 * stats.norm.sf(deviates)
    return pd.DataFrame({"persona": list("abcdefgh")[: len(p)], "p_value": p, "information": information})


def test_a_difference_is_significant_beyond_the_bound_of_the_level_divided_by_the_number_of_personas():
    # Two looks at halves of equal information, for 5 personas: the bounds of .05 / 5 = .01.
    first, second = find_bounds([0.5, 1.0], [1.0, 2.0], 0.01)
    # The deviate of .01 / 4 is 2.807. Divided by sqrt(.5) it is 3.970, beyond which are 3.6e-5: four times that is
    # spent, half of it on each side, beyond 3.80. The second bound is little above the 2.576 of a single look.
    assert first == pytest.approx(3.80, abs=0.005)
    assert 2.576 < second < 2.6
    no = judge_differences(differences(first - 0.01, 0, 0, 0, 0), [0.5], [])
    assert (no["stops"], no["personas"], no["information"]) == (False, [], 5.0)
    assert no["bound"] == pytest.approx(first)
    yes = judge_differences(differences(0, first + 0.01, 0, 0, 0), [0.5], [])
    assert (yes["stops"], yes["personas"]) == (True, ["b"])
    then = judge_differences(differences(second + 0.01, 0, 0, 0, 0, information=2.0), [0.5, 1.0], [no])
    assert then["stops"]
    assert not judge_differences(differences(second - 0.01, 0, 0, 0, 0, information=2.0), [0.5, 1.0], [no])["stops"]


def test_information_never_falls():
    before = [{"information": 5.0, "share": 0.5}]
    assert judge_differences(differences(0, information=4.0), [0.5, 1.0], before)["information"] == 5.0


def test_a_look_without_personas_decides_nothing():
    found = judge_differences(differences(), [0.5], [])
    assert (found["stops"], found["personas"], found["information"]) == (False, [], 0.0)


def test_rules_are_named_as_on_the_command_line():
    assert (UntilDecided().option, UntilWidth(0.03).option) == ("--until-decided", "--until-width 0.03")
