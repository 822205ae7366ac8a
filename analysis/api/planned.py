"""Plans of studies."""

from collections.abc import Mapping
from typing import Any

from refusal_metrics.errors import InputError

from ..planning import (
    TASKS,
    Goal,
    StudyPlan,
    Truth,
    assume_rate,
    make_plan,
    name_models,
    name_tasks,
    read_pilot,
    read_speeds,
    truths_of,
)
from ..responses import count_responses, read_origin
from .arguments import Names, names_of
from .study import Study

__all__ = ["StudyPlan", "plan"]


def plan(
    difference: float | None = None,
    *,
    models: Names,
    rate: float | None = None,
    pilot: Study | None = None,
    tasks: Names = (),
    settings: Mapping[str, Any] | None = None,
    direction: str = "increase",
    power: float = 0.8,
    alpha: float = 0.05,
    max_prompts: int | None = None,
    max_hours: float | None = None,
    prompts_per_second: float | None = None,
    backend: str = "vllm",
    seed: int = 0,
    detector: str | None = None,
) -> StudyPlan:
    """Plan a study: find how many prompts detect a difference of a persona from neutral prompts.

    A formula proposes a size; 400 simulated studies of the size, tested like real ones, confirm it.

    Parameters
    ----------
    difference : float, optional
        Size of the difference of refusal rates, e.g. 0.05 for 5 points; by default the smallest that the budget
        detects.
    models : str or list of str
        Models on the Hugging Face Hub, or folders.
    rate : float, optional
        Refusal rate of neutral prompts.
    pilot : Study, optional
        Instead of a rate: a small study, from which the rate, its uncertainty and the speed are taken.
    tasks : str or list of str
        Each with its neutral baseline, or contrast tasks; by default ``persona_refusal``, all three.
    settings : mapping, optional
        Settings of the study, e.g. ``{"personas": ["race"], "data_dir": "data"}``; the plan adds its size.
    direction : {"increase", "decrease"}
    power : float
        Probability that the difference is detected.
    alpha : float
        Level of the tests, corrected for personas, models and tasks.
    max_prompts : int, optional
        The most prompts, over all models and tasks.
    max_hours : float, optional
        The most hours, over all models.
    prompts_per_second : float, optional
        Speed of each model, if it is not in the pilot.
    backend : {"vllm", "hf"}
    seed : int
        Random seed.
    detector : str, optional
        The detector for the pilot.

    Returns
    -------
    StudyPlan
        With ``table``, ``curve``, ``settings``, ``study_file``, ``n_prompts``, ``hours`` and ``notes``.

    Raises
    ------
    InputError
        If the difference cannot be detected, with what can be had, or for a mistake in an argument.

    Examples
    --------
    >>> settings = {"source": "sample", "personas": ["black", "white"]}
    >>> planned = rm.plan(0.4, models="my/model", rate=0.2, tasks="persona_refusal_offensiveness", settings=settings)
    >>> planned.settings["variations"], bool(planned.table["power"].between(0.77, 1).all())
    (10, True)
    """
    if (rate is None) == (pilot is None):
        raise InputError("give either rate, the refusal rate of neutral prompts, or a pilot")
    goal = Goal(difference, direction, power, alpha, max_prompts, max_hours, prompts_per_second, seed)
    goal.check()
    named = names_of(models, "models")
    if not named:
        raise InputError("models: is an empty list; name at least one model")
    study = {
        "out": "results/planned",
        "tasks": name_tasks(names_of(tasks, "tasks") or TASKS[:1]),
        "settings": dict(settings or {}),
        "models": name_models(named, backend),
    }
    truths: Mapping[str, Truth]
    if pilot is None:
        truths, speeds = assume_rate(rate), {}
    else:
        responses = pilot._responses  # noqa: SLF001 - a friend of the class
        truths = truths_of(read_pilot(count_responses(responses)[responses.rule(detector)]))
        speeds = read_speeds(read_origin(responses).studies)
    return make_plan(goal, study, truths, speeds=speeds)
