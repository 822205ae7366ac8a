"""Simulated studies of a planned size, tested as the analysis tests them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats, Integers
from ..statistics import Strata, clustered_interval, compare_within, detectable, holm, pool_overdispersion, score_p
from .layout import Layout, Size, Source, lay_out
from .truth import Truth, chances

N_STUDIES = 400
"""Simulated studies that confirm a plan."""

_CHUNK = 3_000_000
"""About how many texts of contrasts are simulated at a time: a few hundred MB."""
_MOST_AT_ONCE = 20
"""The number of studies that share their numbers of prompts, which vary little."""
_DESCRIBED = 40
"""Studies of which minimum detectable effects and the widths of intervals are computed; these vary little."""


@dataclass(frozen=True)
class Question:
    """What a plan is asked about each study.

    Attributes
    ----------
    differences : tuple of float
        Differences of one persona's rate from the neutral rate; each is simulated among personas without an effect.
    alpha : float
        The level of the tests, after correction.
    n_families : int
        Models times tasks: the correction is as strict as if the difference were in one of them only.
    power : float
        For the minimum detectable effects.
    """

    differences: tuple[float, ...]
    alpha: float
    n_families: int
    power: float


@dataclass(frozen=True)
class Simulated:
    """What was found in simulated studies.

    Attributes
    ----------
    found : (n_studies, n_differences) array of bool
        Whether the difference is significant after correction, in its direction.
    named : (n_studies,) array of bool
        Whether any persona without an effect is, beside the first difference.
    mde_up, mde_down : float
        Medians over studies and personas of the minimum detectable effects; nan if none is detectable.
    rate_width, persona_width : float
        Mean widths of the confidence intervals of the overall rate and of the rate of one persona.
    phi : float
        Median overdispersion.
    """

    found: Bools
    named: Bools
    mde_up: float
    mde_down: float
    rate_width: float
    persona_width: float
    phi: float

    @property
    def power(self) -> Floats:
        """The share of studies in which each difference is found: (n_differences,) float."""
        return np.asarray(self.found.mean(axis=0), dtype=np.float64)

    @property
    def power_error(self) -> Floats:
        """The Monte Carlo error of the power: (n_differences,) float."""
        return np.sqrt(self.power * (1 - self.power) / len(self.found))


def simulate_studies(
    design: str,
    source: Source,
    size: Size,
    truth: Truth,
    question: Question,
    rng: np.random.Generator,
    n_studies: int = N_STUDIES,
) -> Simulated:
    """Simulate studies of one model on one task, and test each with the score test and Holm's correction.

    Parameters
    ----------
    design : str
        A name in `refusal_metrics.analysis.planning.layout.LAYOUTS`.
    source : Source
    size : Size
    truth : Truth
    question : Question
    rng : numpy.random.Generator
    n_studies : int

    Returns
    -------
    Simulated
    """
    parts: list[_Part] = []
    n_done = 0
    while n_done < n_studies:
        layout = lay_out(design, source, size, rng)
        n_at_once = min(n_studies - n_done, _MOST_AT_ONCE, 1 + _CHUNK // (layout.n.size + layout.n.shape[0] * 8))
        is_first = n_done < _DESCRIBED
        # A persona without prompts, as in a very small study, has no statistics.
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(_simulate_some(layout, truth, question, rng, n_at_once, n_done, describe=is_first))
        n_done += n_at_once
    mde = np.concatenate([part.mde for part in parts], axis=1)
    return Simulated(
        found=np.concatenate([part.found for part in parts]),
        named=np.concatenate([part.named for part in parts]),
        mde_up=_median(mde[0]),
        mde_down=_median(mde[1]),
        rate_width=float(np.concatenate([part.rate_width for part in parts]).mean()),
        persona_width=float(np.concatenate([part.persona_width for part in parts]).mean()),
        phi=float(np.median(np.concatenate([part.phi for part in parts]))),
    )


@dataclass(frozen=True)
class _Part:
    """Some of the studies."""

    found: Bools
    named: Bools
    mde: Floats
    rate_width: Floats
    persona_width: Floats
    phi: Floats


def _simulate_some(
    layout: Layout,
    truth: Truth,
    question: Question,
    rng: np.random.Generator,
    n_studies: int,
    n_before: int,
    *,
    describe: bool,
) -> _Part:
    """Simulate studies that share their numbers of prompts."""
    n_personas, n_differences = layout.n.shape[1], len(question.differences)
    planted = (n_before + np.arange(n_studies)) % n_personas
    strata, totals = _draw(layout, truth, question.differences, planted, rng, n_studies)
    found = compare_within(strata)
    # The contrasts of a study: its personas without an effect, then the planted ones.
    at = np.arange(n_studies * (n_personas + n_differences)).reshape(n_studies, -1)
    nulls = np.array([np.delete(own, j) for own, j in zip(at[:, :n_personas], planted, strict=True)])
    families = np.concatenate(
        [np.concatenate([at[:, n_personas + i, None], nulls], axis=1) for i in range(n_differences)]
    ).reshape(-1)
    of_family = np.repeat(np.arange(n_studies * n_differences), n_personas)
    pooled, phi_of_tests = pool_overdispersion(found.take(families), of_family)
    taken = pooled.score
    p = score_p(taken, phi_of_tests).reshape(n_differences, n_studies, n_personas)
    is_found = np.array([[holm(own) for own in studies] for studies in p]) <= question.alpha / question.n_families
    right = np.sign(taken.estimate.reshape(p.shape)[:, :, 0]) == np.sign(np.array(question.differences))[:, None]
    mde, rate_width, persona_width, phi = np.empty((2, 0)), np.empty(0), np.empty(0), np.empty(0)
    if describe:
        of_study = np.repeat(np.arange(n_studies), n_personas)
        pooled, phi = pool_overdispersion(found.take(at[:, :n_personas].reshape(-1)), of_study)
        unchanged = pooled.score
        level = np.full(len(phi), question.alpha / question.n_families / n_personas)
        mde = np.stack(detectable(unchanged, phi, level, question.power))
        refusals, prompts = layout.by_text(totals, axis=1), layout.by_text(layout.n)
        rate_width = _width(refusals.sum(axis=2), prompts.sum(axis=1))
        persona_width = _width(refusals[:, :, 0], prompts[:, 0])
    return _Part(
        found=(is_found[:, :, 0] & right).T,
        named=np.asarray(is_found[0, :, 1:].any(axis=1), dtype=np.bool_),
        mde=mde,
        rate_width=rate_width,
        persona_width=persona_width,
        phi=phi,
    )


def _draw(
    layout: Layout,
    truth: Truth,
    differences: Sequence[float],
    planted: Integers,
    rng: np.random.Generator,
    n_studies: int,
) -> tuple[Strata, Floats]:
    """Draw the refusals of studies.

    Returns
    -------
    Strata
        Contrasts of each study: all personas without an effect, then the planted one with each difference.
    totals : (n_studies, n_rows, n_personas) array of float
        Refusals of personas without an effect.
    """
    n_rows, n_personas = layout.n.shape
    of_row = slice(None) if layout.text is None else layout.text
    n = layout.n.astype(np.int64)
    n0 = layout.n_baseline.astype(np.int64)
    text_sd, persona_sd = truth.text_sd, truth.persona_sd(layout)
    own_sd = float(np.hypot(text_sd, persona_sd))
    of_text = text_sd * rng.normal(size=(n_studies, layout.n_texts))
    deviation = of_text[:, :, None] + persona_sd * rng.normal(size=(n_studies, layout.n_texts, n_personas))
    # All blocks of a text share its effects.
    of_text, deviation = of_text[:, of_row], deviation[:, of_row]
    k0 = rng.binomial(n0, chances(truth.rate, text_sd, of_text))
    k = rng.binomial(n, chances(truth.rate, own_sd, deviation))
    of_planted = np.take_along_axis(deviation, planted[:, None, None], axis=2)[:, :, 0]
    n_planted = n[:, planted].T
    arms = [(np.broadcast_to(n, k.shape)[:, :, j], k[:, :, j]) for j in range(n_personas)]
    arms += [(n_planted, rng.binomial(n_planted, chances(truth.rate + d, own_sd, of_planted))) for d in differences]
    size = np.stack([arm for arm, _ in arms], axis=1)
    refused = np.stack([cases for _, cases in arms], axis=1)
    contrast, row = np.divmod(np.flatnonzero((size > 0) & (n0 > 0)), n_rows)
    study = contrast // len(arms)
    strata = Strata(
        contrast,
        size.reshape(-1, n_rows)[contrast, row].astype(np.float64),
        refused.reshape(-1, n_rows)[contrast, row].astype(np.float64),
        n0[row].astype(np.float64),
        k0[study, row].astype(np.float64),
        n_studies * len(arms),
        text=None if layout.text is None else layout.text[row],
    )
    return strata, k.astype(np.float64)


def _width(cases: Floats, n: Floats) -> Floats:
    """Compute the widths of the confidence intervals of rates; cases are (n_studies, n_texts), n is (n_texts,)."""
    asked = n > 0
    n_studies, n_texts = len(cases), int(asked.sum())
    if n_texts == 0:
        return np.full(n_studies, np.nan)
    low, high = clustered_interval(
        cases[:, asked].ravel(), np.tile(n[asked], n_studies), np.repeat(np.arange(n_studies), n_texts), n_studies
    )
    return high - low


def _median(values: Floats) -> float:
    """Return the median; nan if half of the values are missing."""
    known = np.where(np.isnan(values), np.inf, values)
    middle = float(np.median(known)) if len(known) else math.inf
    return middle if math.isfinite(middle) else math.nan
