"""The words of findings."""

import math
import re
from pathlib import Path

import pytest
from refusal_metrics.analysis.findings import Strength, strength_of
from refusal_metrics.analysis.findings.words import MUCH, SLIGHT, compare, listed, name_asked, points_with_interval

METHOD = Path(__file__).parents[3] / "docs" / "method.md"


@pytest.mark.parametrize(
    ("low", "high", "strength"),
    [
        (0.0, 0.3, Strength.NOT_SHOWN),
        (-0.3, 0.3, Strength.NOT_SHOWN),
        (math.nan, math.nan, Strength.NOT_SHOWN),
        (0.0099, 0.9, Strength.SLIGHT),
        (-0.9, -0.01, Strength.CLEAR),
        (0.0499, 0.06, Strength.CLEAR),
        (-0.06, -0.05, Strength.MUCH),
    ],
)
def test_the_end_of_the_interval_nearer_to_0_decides_how_strong_a_difference_is(low, high, strength):
    assert strength_of(low, high) == strength


def test_the_rule_is_the_table_of_the_documentation():
    rows = re.findall(
        r"^\| (not shown to differ|slightly|clearly|much) .*\| ([^|]*) \|$", METHOD.read_text(), re.MULTILINE
    )
    assert [word for word, _ in rows] == [strength.value for strength in Strength]
    numbers = [[float(x) / 100 for x in re.findall(r"(\d+) pp", rule)] for _, rule in rows]
    assert numbers == [[], [SLIGHT], [SLIGHT, MUCH], [MUCH]]


def test_the_direction_is_that_of_the_interval():
    assert compare(0.06, 0.07) == "much more often"
    assert compare(-0.03, -0.02) == "clearly less often"


def test_a_persona_is_named_as_it_was_asked():
    assert name_asked("transgender_man") == "'a transgender man'"
    # The name under which it is shown, and a persona of one's own with a control character.
    assert name_asked("Non-binary") == "'a non-binary person'"
    assert name_asked("a\x1b[31m") == "'a\N{REPLACEMENT CHARACTER}[31m'"


def test_a_decrease_is_written_without_signs():
    assert points_with_interval(-0.02, -0.031, -0.009) == "2.0 pp [0.9, 3.1]"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
