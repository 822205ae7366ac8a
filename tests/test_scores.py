"""Scores in the harness's arithmetic."""

import json
import math

import pytest

from refusal_metrics.scores import NOT_AVAILABLE, StandardError


def mean(scores, sizes):
    """Average as `lm_eval.api.metrics.aggregate_subtask_metrics` does on all versions."""
    return sum(score * size for score, size in zip(scores, sizes, strict=True)) / sum(sizes)


def test_the_error_of_a_mean_of_independent_tasks_is_the_root_of_the_sum_of_squares():
    # sqrt(.03^2 + .04^2 + .12^2) / 3 = .13 / 3.
    assert mean([*map(StandardError, (0.03, 0.04, 0.12))], [1, 1, 1]) == pytest.approx(0.13 / 3)


def test_sizes_weigh_an_error_as_they_weigh_its_rate():
    # Var((100 a + 300 b) / 400) = (100^2 * .06^2 + 300^2 * .01^2) / 400^2 = (36 + 9) / 160,000.
    assert mean([StandardError(0.06), StandardError(0.01)], [100, 300]) == pytest.approx(math.sqrt(45) / 400)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_group_of_a_task_without_an_error_has_none(place):
    errors = [StandardError(0.1), StandardError(0.2)]
    errors.insert(place, NOT_AVAILABLE)
    assert mean(errors, [3, 4, 5]) == "N/A"
    assert mean([NOT_AVAILABLE], [7]) == "N/A"


def test_scores_are_written_as_numbers_and_words():
    assert json.loads(json.dumps([StandardError(0.25), NOT_AVAILABLE])) == [0.25, "N/A"]
    assert f"{StandardError(0.25):.4f}" == "0.2500"


@pytest.mark.parametrize("operation", [lambda e: e * "a", lambda e: e / "a", lambda e: e + "a"])
def test_what_is_no_number_does_not_go_with_an_error(operation):
    with pytest.raises(TypeError):
        operation(StandardError(0.1))
