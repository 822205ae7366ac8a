"""A plan of a study: its size, its power, its cost, and its study file."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import ANCHORED, CONTRAST

from ..arrays import ALPHA
from ..columns import name_level
from ..contracts import PLAN, POWER_CURVE
from .layout import LAYOUTS, Source, load_source
from .search import Found, Progress, Wish, count_prompts_in, find_size
from .simulate import N_STUDIES
from .study_block import find_kinds, name_contrast_tasks, write_block
from .truth import Truth, in_points

POWER = 0.8
"""The power of a study that is planned without another."""

_FEWER = 0.95
"""The share of the prompts below which the plan names the contrast tasks instead."""
_SECONDS_AN_HOUR = 3600
_MINUTES_BELOW = 2
"""Fewer hours are shown in minutes."""
_OF_TASK = ("mde_up", "mde_down", "rate_width", "persona_width")


@dataclass(frozen=True)
class Goal:
    """What a study is planned for.

    Attributes
    ----------
    difference : float or None
        The size of a persona's difference from the neutral rate, in (0, 1]; None for the smallest that the budget
        detects.
    direction : {"increase", "decrease"}
    power : float
        The probability that the difference is found.
    alpha : float
        The level of the tests, after correction.
    max_prompts : int or None
        The most prompts that all models together may get.
    max_hours : float or None
        The most hours that all models together may take.
    prompts_per_second : float or None
        Of models without a measured speed.
    seed : int
        Random seed.
    n_studies : int
        Simulated at each size.
    """

    difference: float | None
    direction: str = "increase"
    power: float = POWER
    alpha: float = ALPHA
    max_prompts: int | None = None
    max_hours: float | None = None
    prompts_per_second: float | None = None
    seed: int = 0
    n_studies: int = N_STUDIES

    def check(self) -> None:
        """Check the numbers.

        Raises
        ------
        InputError
            For one that is out of its range, or if neither a difference nor a budget is given.
        """
        if self.direction not in ("increase", "decrease"):
            raise InputError(f"direction: found {self.direction!r}; give increase or decrease")
        for name, value, low, high, example in (
            ("difference", self.difference, 0, 1, "0.05 for 5 points; for a decrease, set the direction"),
            ("power", self.power, 0.2, 1, "0.8"),
            ("alpha", self.alpha, 0, 0.5, "0.05"),
            ("max_prompts", self.max_prompts, 0, math.inf, "20000"),
            ("max_hours", self.max_hours, 0, math.inf, "2.5"),
            ("prompts_per_second", self.prompts_per_second, 0, math.inf, "10"),
        ):
            if value is not None and not low < value < high:
                shown = f"{low:g} and {high:g}" if math.isfinite(high) else f"{low:g} and infinity"
                raise InputError(f"{name}: found {value:g}; give a number between {shown}, e.g. {example}")
        if self.difference is None and self.max_prompts is None and self.max_hours is None:
            raise InputError("give a difference to detect, or a budget (prompts or hours), or both")


@dataclass(frozen=True)
class StudyPlan:
    """A planned study.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a task. Columns: ``task``; the assumed ``rate`` of neutral prompts; ``n_texts, n_persona, n_neutral``,
        texts and prompts of each model; the ``difference`` and its simulated ``power`` with the Monte Carlo error
        ``power_error``; ``mde_up, mde_down``, the minimum detectable increase and decrease; ``rate_width,
        persona_width``, the widths of the 95% confidence intervals of the overall refusal rate and of the rate of one
        persona.
    curve : pandas.DataFrame
        The power curve: ``task, difference, power, power_error``.
    settings : dict
        The settings of the study: ``rows_per_class, variations, neutral_variations, design`` and those given.
    study_file : str
        YAML for ``persona-refusal run``.
    n_prompts : int
        Of all models and tasks.
    hours : float or None
        Of all models, one after the other; None if the speed of one is unknown.
    notes : tuple of str
        What was assumed and simulated, and what the study costs.

    Examples
    --------
    >>> import refusal_metrics as rm
    >>> settings = {"source": "sample", "personas": ["woman"]}
    >>> planned = rm.plan(0.5, models="my/model", rate=0.1, tasks="persona_refusal_politeness", settings=settings)
    >>> planned.settings["design"], len(planned.table), planned.curve.columns.tolist()
    ('balanced', 1, ['task', 'difference', 'power', 'power_error'])
    >>> planned.n_prompts == sum(planned.table[["n_persona", "n_neutral"]].iloc[0].tolist())
    True
    """

    table: pd.DataFrame
    curve: pd.DataFrame
    settings: Mapping[str, Any]
    study_file: str
    n_prompts: int
    hours: float | None
    notes: tuple[str, ...]


def make_plan(
    goal: Goal,
    study: Mapping[str, Any],
    truths: Mapping[str, Truth],
    *,
    speeds: Mapping[str, float] | None = None,
    progress: Progress = lambda _done, _most: None,
) -> StudyPlan:
    """Plan a study of personas against neutral prompts.

    Parameters
    ----------
    goal : Goal
    study : mapping
        The study file, of which a plan replaces the size: ``tasks, models`` and, where need be, ``settings, out`` and
        others.
    truths : mapping of str to Truth
        The assumptions by kind of task; "" for all others.
    speeds : mapping of str to float, optional
        Prompts per second of models, measured in a pilot.
    progress : callable
        Receives the number of tries, and the most.

    Returns
    -------
    StudyPlan

    Raises
    ------
    InputError
        If the goal is impossible, with what can be had; or for a mistake in the study or its texts.
    """
    goal.check()
    if study.get("repeats", 1) != 1:
        raise InputError("repeats: a plan is for one response to each prompt; leave repeats out")
    kinds, setting = find_kinds(study["tasks"])
    settings = dict(study.get("settings") or {})
    design = str(settings.get("design", ANCHORED if setting == CONTRAST else next(iter(LAYOUTS))))
    sources = {kind: load_source(kind, settings, setting) for kind in kinds}
    for kind in kinds:
        if kind not in truths and "" not in truths:
            raise InputError(f"the pilot has no responses of {kind}; give a rate, or plan only {', '.join(truths)}")
    models = list(study["models"])
    seconds = _seconds(models, speeds or {}, goal.prompts_per_second)
    sign = 1 if goal.direction == "increase" else -1
    wish = Wish(
        difference=None if goal.difference is None else sign * goal.difference,
        truths={kind: truths.get(kind) or truths[""] for kind in kinds},
        n_models=len(models),
        power=goal.power,
        alpha=goal.alpha,
        most_prompts=_most_prompts(goal, len(models), seconds),
        design=design,
        direction=sign,
        n_studies=goal.n_studies,
        design_seed=int(settings.get("design_seed", 0)),
        neutral_variations=int(settings["neutral_variations"]) if "neutral_variations" in settings else None,
    )
    found = find_size(sources, wish, goal.seed, progress)
    n_each = sum(layout.n_prompts for layout in found.layouts.values())
    hours = None if seconds is None else n_each * seconds / _SECONDS_AN_HOUR
    study_file = write_block(study, found.size, design)
    size = found.size.as_settings() | {"design": design}
    return StudyPlan(
        table=_table(found, wish.truths),
        curve=_curve(found),
        settings=settings | size,
        study_file=study_file,
        n_prompts=n_each * len(models),
        hours=hours,
        notes=(
            *_describe(found, wish, hours),
            *(_name_cheaper(found, sources, wish) if setting != CONTRAST else ()),
            *_not_counted(study["tasks"]),
        ),
    )


def _seconds(models: Sequence[str], speeds: Mapping[str, float], otherwise: float | None) -> float | None:
    """Return the seconds that one prompt to each model takes, if all speeds are known."""
    known = [speeds.get(name, otherwise) for name in models]
    rates = [rate for rate in known if rate is not None and rate > 0]
    return sum(1 / rate for rate in rates) if len(rates) == len(models) else None


def _most_prompts(goal: Goal, n_models: int, seconds: float | None) -> float:
    """Return the most prompts of all models by the stricter budget."""
    most = math.inf if goal.max_prompts is None else float(goal.max_prompts)
    if goal.max_hours is not None:
        if seconds is None:
            raise InputError("a budget in hours needs the speed of every model; give the prompts per second")
        most = min(most, goal.max_hours * _SECONDS_AN_HOUR / seconds * n_models)
    return most


def _table(found: Found, truths: Mapping[str, Truth]) -> pd.DataFrame:
    rows = []
    for task, simulated in found.simulated.items():
        layout = found.layouts[task]
        rows.append(
            {
                "task": task,
                "rate": truths[task].rate,
                "n_texts": layout.n_texts,
                "n_persona": int(layout.n.sum()),
                "n_neutral": int(layout.n_baseline.sum()),
                "difference": found.differences[0],
                "power": float(simulated.power[0]),
                "power_error": float(simulated.power_error[0]),
                **{name: getattr(simulated, name) for name in _OF_TASK},
            }
        )
    return pd.DataFrame(rows, columns=[*PLAN.keys, *PLAN.estimates])


def _curve(found: Found) -> pd.DataFrame:
    order = np.argsort(np.abs(found.differences))
    return pd.DataFrame(
        [
            (task, found.differences[i], float(simulated.power[i]), float(simulated.power_error[i]))
            for task, simulated in found.simulated.items()
            for i in order
        ],
        columns=[*POWER_CURVE.keys, *POWER_CURVE.estimates],
    )


def _not_counted(tasks: Iterable[str]) -> Iterator[str]:
    """Name the tasks of a study that a plan is not about."""
    if others := [task for task in tasks if task.endswith("_persona_free")]:
        yield f"Not counted: {', '.join(others)}."


def _name_cheaper(found: Found, sources: Mapping[str, Source], wish: Wish) -> Iterator[str]:
    """Name the contrast tasks if they need fewer prompts."""
    n_prompts = wish.n_models * sum(layout.n_prompts for layout in found.layouts.values())
    needed = count_prompts_in(ANCHORED, found, sources, wish)
    if needed is not None and needed < _FEWER * n_prompts:
        yield (
            f"Contrast tasks need fewer prompts, about {needed:,} instead of {n_prompts:,}: --tasks "
            f"{name_contrast_tasks(list(sources))}."
        )


def _describe(found: Found, wish: Wish, hours: float | None) -> Iterator[str]:
    """Describe what was simulated, and what the study costs."""
    where = ", if only one model and task has it" if wish.n_models * len(found.layouts) > 1 else ""
    yield (
        f"{wish.n_studies} simulated studies of this size detect {wish.name(found.differences[0])} of one persona with "
        f"a power of {found.power:.1%}{where} (planned: {wish.power:.0%}; corrected for personas, models and tasks)."
    )
    for task, truth in wish.truths.items():
        yield (
            f"{name_level('task', task)}: assumed are a rate of {in_points(truth.rate)}%, a standard deviation of "
            f"texts of {truth.text_sd:.2f} (log-odds) and an overdispersion of {truth.overdispersion:.2f}."
        )
    n_each = sum(layout.n_prompts for layout in found.layouts.values())
    prompts = f"{n_each:,} prompts" + (f" for each of {wish.n_models} models" if wish.n_models > 1 else "")
    if hours is None:
        yield f"{prompts}; the time is unknown without a measured speed or --prompts-per-second."
    else:
        time = f"{hours:.1f} hours" if hours >= _MINUTES_BELOW else f"{max(1, round(60 * hours))} min"
        yield f"{prompts}; about {time} of a model's device."
