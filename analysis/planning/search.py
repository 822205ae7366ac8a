"""The smallest study that detects a difference: proposed by the formula, confirmed by simulated studies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import BLOCK_DESIGNS

from .formula import predict_power
from .layout import Layout, Size, Source, lay_out
from .simulate import N_STUDIES, Question, Simulated, simulate_studies
from .sizes import list_sizes, study_rng
from .truth import Truth, in_points

BELOW, ABOVE = 0.03, 0.05
"""How far below and above the wanted power the simulated one may be."""

_TRIALS = 2
"""Simulations that correct the formula before a size can be accepted."""
_MOST_TRIES = 12
_NEAR = 0.15
"""Simulated powers this close to the wanted one correct the formula together; one further away only by itself."""
_CURVE = (1.0, 0.25, 0.5, 0.75, 1.25, 1.5, 2.0)
"""The differences of the power curve, relative to the wanted one, which comes first."""

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Wish:
    """What a study shall detect.

    Attributes
    ----------
    difference : float or None
        Of a persona's rate from the neutral rate, with its sign; None for the smallest that the budget detects.
    truths : mapping of str to Truth
        By task.
    n_models : int
    power, alpha : float
    most_prompts : float
        The most prompts that all models together may get.
    design : str
        A name in `refusal_metrics.analysis.planning.layout.LAYOUTS`.
    direction : int
        1 for an increase, -1 for a decrease.
    n_studies : int
        Simulated at each size.
    design_seed : int
        Of the study, which decides its texts.
    neutral_variations : int or None
        Neutral prompts per row; None for the best number.
    """

    difference: float | None
    truths: Mapping[str, Truth]
    n_models: int
    power: float
    alpha: float
    most_prompts: float
    design: str = "balanced"
    direction: int = 1
    n_studies: int = N_STUDIES
    design_seed: int = 0
    neutral_variations: int | None = None

    def level_in(self, source: Source) -> float:
        """Return the level of the first step of Holm's procedure."""
        return self.alpha / (self.n_models * len(self.truths) * source.n_personas)

    def name(self, difference: float) -> str:
        """Describe a difference, e.g. ``an increase of 5.0 points``."""
        return f"{'an increase' if self.direction > 0 else 'a decrease'} of {in_points(difference)} points"


@dataclass(frozen=True)
class Found:
    """A size, and what simulated studies of it found.

    Attributes
    ----------
    size : Size
    differences : tuple of float
        The wanted difference, then the others of the power curve.
    layouts : mapping of str to Layout
        By task.
    simulated : mapping of str to Simulated
        By task.
    """

    size: Size
    differences: tuple[float, ...]
    layouts: Mapping[str, Layout]
    simulated: Mapping[str, Simulated]

    @property
    def power(self) -> float:
        """The simulated power for the wanted difference, in the task with the least."""
        return min(float(found.power[0]) for found in self.simulated.values())


def find_size(sources: Mapping[str, Source], wish: Wish, seed: int, progress: Progress) -> Found:
    """Find the size of a study.

    Rows are added first, since each new text adds information on rates too; if all rows are used, prompts per row.

    Parameters
    ----------
    sources : mapping of str to Source
        By task.
    wish : Wish
    seed : int
        Random seed.
    progress : callable
        Receives the number of tries, and the most.

    Returns
    -------
    Found
        Of a size whose simulated power was within .03 below and .05 above the wanted one, or higher if sizes are too
        coarse, as in the smallest studies. What is returned are new simulated studies of this size, so that the choice
        of the size does not bias their power.

    Raises
    ------
    InputError
        If the difference is impossible, or neither all texts nor the budget suffices: with what can be had.
    """
    search = _Search(sources, wish, seed)
    top = search.affordable()
    if wish.difference is None:
        return search.use_budget(top)
    _check_difference(wish, wish.difference)
    at = search.propose(top)
    for tried in range(_MOST_TRIES):
        progress(tried, _MOST_TRIES)
        found = search.simulate(at, wish.difference)
        lacking = found.power < wish.power - BELOW
        if at == top and lacking:
            raise search.too_small(found, wish.difference)
        # The first sizes are trials, which correct the formula.
        is_confirmed = tried >= _TRIALS and not lacking
        if is_confirmed and (at == 0 or found.power <= wish.power + ABOVE):
            return search.simulate(at, wish.difference)
        again = search.propose(top)
        if is_confirmed and again == at and search.is_coarse(at):
            return search.simulate(at, wish.difference)
        at = again
    if not lacking:
        return search.simulate(search.sizes.index(found.size), wish.difference)
    raise InputError(
        f"no size with a simulated power of {wish.power:.0%} was found in {_MOST_TRIES} tries; ask for a power further "
        "from 100%, or a larger difference"
    )


class _Search:
    """The sizes in their order, and what is known of them."""

    def __init__(self, sources: Mapping[str, Source], wish: Wish, seed: int) -> None:
        self._sources, self._wish = sources, wish
        self._rng = np.random.default_rng((seed, 1))
        self.sizes = list_sizes(wish.design, sources, wish.design_seed, wish.neutral_variations)
        self._layouts: dict[tuple[int, str], Layout] = {}
        self._offsets: dict[str, list[tuple[float, float]]] = {task: [] for task in sources}

    def layout(self, at: int, task: str) -> Layout:
        """Return the layout of a size with the texts that the study will have."""
        if (at, task) not in self._layouts:
            rng = study_rng(self._wish.design_seed)
            self._layouts[at, task] = lay_out(self._wish.design, self._sources[task], self.sizes[at], rng)
        return self._layouts[at, task]

    def n_prompts(self, at: int) -> int:
        """Count the prompts of all models and tasks."""
        return self._wish.n_models * sum(self.layout(at, task).n_prompts for task in self._sources)

    def affordable(self) -> int:
        """Find the largest size within the budget."""
        if (least := self.n_prompts(0)) > self._wish.most_prompts:
            raise InputError(
                f"the budget is {self._wish.most_prompts:,.0f} prompts, but the smallest study of these models and "
                f"tasks has {least:,}; allow more, or name fewer models or tasks"
            )
        return _last(lambda at: self.n_prompts(at) <= self._wish.most_prompts, len(self.sizes))

    def propose(self, top: int) -> int:
        """Find the size with the power nearest to the wanted one by the corrected formula, at most `top`."""
        # The middle of what is accepted.
        aim = min(self._wish.power + (ABOVE - BELOW) / 2, (1 + self._wish.power) / 2)
        at = min(top, _last(lambda at: self._shortfall(at, aim) > 0, len(self.sizes)) + 1)
        if self.is_coarse(at):
            return at
        below, above = (abs(self._power(size) - aim) for size in (at - 1, at))
        return at - 1 if below < above else at

    def _shortfall(self, at: int, power: float) -> float:
        """Return by how much the power is smaller than another, as normal deviates, in the task with the least."""
        wanted = float(special.ndtri(power))
        return max(wanted - self._deviate(at, task) - self._correction(task) for task in self._wish.truths)

    def _power(self, at: int) -> float:
        """Return the power by the corrected formula."""
        return float(special.ndtr(-self._shortfall(at, 0.5)))

    def _deviate(self, at: int, task: str) -> float:
        wish, source = self._wish, self._sources[task]
        level = wish.level_in(source)
        power = predict_power(self.layout(at, task), wish.truths[task], float(wish.difference or 0), level)
        return float(special.ndtri(np.clip(power, 1e-9, 1 - 1e-9)))

    def _correction(self, task: str) -> float:
        offsets = self._offsets[task]
        near = [offset for power, offset in offsets if abs(power - self._wish.power) <= _NEAR]
        return float(np.mean(near)) if near else offsets[-1][1] if offsets else 0.0

    def simulate(self, at: int, difference: float) -> Found:
        """Simulate studies of a size, with new random numbers; correct the formula by them."""
        wish = self._wish
        differences = _curve(difference, list(wish.truths.values()))
        question = Question(differences, wish.alpha, wish.n_models * len(self._sources), wish.power)
        simulated = {}
        for task, source in self._sources.items():
            truth = wish.truths[task]
            found = simulate_studies(wish.design, source, self.sizes[at], truth, question, self._rng, wish.n_studies)
            simulated[task] = found
            power, least = float(found.power[0]), 0.5 / wish.n_studies
            if wish.difference is not None:
                offset = float(special.ndtri(np.clip(power, least, 1 - least))) - self._deviate(at, task)
                self._offsets[task].append((power, offset))
        return Found(self.sizes[at], differences, {task: self.layout(at, task) for task in self._sources}, simulated)

    def is_coarse(self, at: int) -> bool:
        """Return whether the next smaller size has too little power, so that none has the wanted one."""
        return at == 0 or self._shortfall(at - 1, self._wish.power - BELOW) > 0

    def use_budget(self, top: int) -> Found:
        """Simulate the largest study, and find the smallest difference that it detects in all tasks."""
        wish = self._wish
        rates = [truth.rate for truth in wish.truths.values()]
        # Any difference will do to find the detectable one.
        trial = self.simulate(top, wish.direction * min(*rates, *(1 - rate for rate in rates)) / 2)
        name = "mde_up" if wish.direction > 0 else "mde_down"
        size = max(float(getattr(found, name)) for found in trial.simulated.values())
        kind = "increase" if wish.direction > 0 else "decrease"
        if not 0 < size < 1 or any(size > truth.room(wish.direction) for truth in wish.truths.values()):
            raise InputError(
                f"a study of {self.n_prompts(top):,} prompts detects no {kind} at all with {wish.power:.0%} power; "
                "allow more prompts"
            )
        return self.simulate(top, wish.direction * size)

    def too_small(self, found: Found, difference: float) -> InputError:
        """Build the error for a difference that the largest study does not detect."""
        wish, at = self._wish, self.sizes.index(found.size)
        up = max(one.mde_up for one in found.simulated.values())
        down = max(one.mde_down for one in found.simulated.values())
        can = [f"increases of {in_points(up)} points"] * (0 < up < 1)
        can += [f"decreases of {in_points(down)} points"] * (down > 0)
        whole = at == len(self.sizes) - 1
        limit = "of these texts" if whole else "within the budget"
        detects = f"detects {' and '.join(can)}" if can else "detects no difference"
        instead = "name fewer personas, models or tasks, or add texts" if whole else "allow more prompts"
        if whole and wish.design in BLOCK_DESIGNS:
            instead += ", or plan tasks that are not contrast tasks, which use a text more often"
        return InputError(
            f"{wish.name(difference)} is detected with a power of {found.power:.0%}, not {wish.power:.0%}, by the "
            f"largest study {limit} ({self.n_prompts(at):,} prompts), which {detects} with {wish.power:.0%} power; "
            f"ask for a larger difference, or {instead}"
        )


def count_prompts_in(design: str, found: Found, sources: Mapping[str, Source], wish: Wish) -> int | None:
    """Count the prompts with which another design has the power of a planned study, both by the formula.

    Parameters
    ----------
    design : str
        A name in `refusal_metrics.analysis.planning.layout.LAYOUTS`.
    found : Found
    sources : mapping of str to Source
    wish : Wish

    Returns
    -------
    int or None
        Of all models and tasks; None if no size has the power.
    """
    other = _Search(sources, replace(wish, design=design, neutral_variations=None), 0)

    def power_of(layouts: Mapping[str, Layout]) -> float:
        return min(
            predict_power(layouts[task], truth, found.differences[0], wish.level_in(sources[task]))
            for task, truth in wish.truths.items()
        )

    wanted = power_of(found.layouts)
    at = _last(lambda at: power_of({task: other.layout(at, task) for task in sources}) < wanted, len(other.sizes)) + 1
    return other.n_prompts(at) if at < len(other.sizes) else None


def _check_difference(wish: Wish, difference: float) -> None:
    """Check that rates with the difference are possible."""
    for truth in wish.truths.values():
        room = truth.room(wish.direction)
        if abs(difference) <= room:
            continue
        rate = room if difference < 0 else 1 - room
        side = "lower" if difference < 0 else "upper"
        limit = f" ({side} 80% confidence limit of the pilot)" if truth.limits else ""
        most = (
            f"at most {in_points(room)} points" if room > 0 else f"{'an increase' if difference < 0 else 'a decrease'}"
        )
        raise InputError(
            f"{wish.name(difference)} from a rate of {in_points(rate)}%{limit} is impossible; ask for {most}"
            + (", or run a larger pilot" if truth.limits else "")
        )


def _curve(difference: float, truths: Sequence[Truth]) -> tuple[float, ...]:
    """Return the differences of the power curve that are possible in all tasks, the wanted one first."""
    wanted = [difference * factor for factor in _CURVE]
    return tuple(d for d in wanted if all(0 <= truth.rate + d <= 1 for truth in truths))


def _last(is_so: Callable[[int], bool], n: int) -> int:
    """Find the last of n numbers for which something is so that ends being so; -1 if it is for none."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_so(middle) else (low, middle)
    return low
