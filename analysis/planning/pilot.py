r"""Assumptions of a plan from a pilot: the refusal rate and the overdispersion by their upper 80% confidence limits.

The estimates of a small pilot are too small about half of the time, and a study planned with them then has too little
power. With the upper limits it has at least the planned power after 80% or more of pilots of 300 prompts
(`scripts/calibrate_plan`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from refusal_metrics.errors import InputError

from ..arrays import Floats, Integers
from ..columns import STUDY
from ..counts import Counts, count_units_by_text
from ..estimates import personas_only, split_texts
from ..statistics import PRIOR_TEXTS, Strata, compare_within, overdispersion
from .truth import OVERDISPERSION, TEXT_SD, Truth, in_points, text_sd_of

CONFIDENCE_OF_LIMIT = 0.8
"""Of the one-sided limits: doi:10.1002/sim.4780141709 of Browne 1995."""

_PRIOR_TEXTS_OF_SD = 20.0
"""The same of the standard deviation of texts, and texts with a refusal."""


@dataclass(frozen=True)
class Pilot:
    """What a pilot says of one task.

    Attributes
    ----------
    truth : Truth
        The assumptions of the plan.
    model : str
        The model of the pilot that they are from: the one whose rate needs the largest study.
    rate, phi : float
        The estimates, of which the truth has the limits.
    n, n_refused, n_texts : int
        Of the responses that the rate is estimated from.
    setting : {"neutral", "persona"}
        Of these responses; the persona setting if there are no neutral ones.
    """

    truth: Truth
    model: str
    rate: float
    phi: float
    n: int
    n_refused: int
    n_texts: int
    setting: str

    def __str__(self) -> str:
        """Describe where the assumptions come from."""
        return (
            f"{self.n_refused:,} of {self.n:,} {self.setting} responses of {self.model} are refusals "
            f"({in_points(self.rate)}%); the plan assumes {in_points(self.truth.rate)}% (80% confidence limit), an "
            f"overdispersion of {self.truth.overdispersion:.2f} (estimated: {self.phi:.2f}) and a text SD "
            f"of {self.truth.text_sd:.1f}"
        )


def read_pilot(counts: Counts) -> dict[str, Pilot]:
    """Estimate the assumptions of a plan.

    Parameters
    ----------
    counts : Counts
        Of the pilot's responses. If its prompts were asked in blocks, verdicts are compared within blocks.

    Returns
    -------
    dict of str to Pilot
        By task. Of several models, the one that needs the largest study.

    Raises
    ------
    InputError
        If there are no responses in the neutral and the persona setting, or a task has only one text.
    """
    counts, text = split_texts(counts)
    personas = count_units_by_text(personas_only(counts), [*STUDY, "persona"])
    neutral = count_units_by_text(counts.where(setting="neutral"), [*STUDY])
    pilots: dict[str, Pilot] = {}
    every = {(str(a), str(b)) for part in (personas, neutral) for a, b in part.cells[[*STUDY]].to_numpy()}
    for model, task in sorted(every):
        own = ((personas.cells["model"] == model) & (personas.cells["task"] == task)).to_numpy()
        base = ((neutral.cells["model"] == model) & (neutral.cells["task"] == task)).to_numpy()
        n, k = (np.asarray(part[:, own].toarray(), dtype=np.float64) for part in (personas.n, personas.n_refused))
        n_neutral, k_neutral = (
            part[:, base].toarray().sum(axis=1).astype(np.float64) for part in (neutral.n, neutral.n_refused)
        )
        arms = _Arms(n, k, n_neutral, k_neutral, np.arange(counts.n_texts) if text is None else text)
        pilot = _read_one(model, task, arms)
        if task not in pilots or _spread(pilot) > _spread(pilots[task]):
            pilots[task] = pilot
    if not pilots:
        raise InputError("the pilot has no responses in the settings neutral or persona; run these tasks")
    return pilots


def assume_rate(rate: float | None) -> dict[str, Truth]:
    """Return the assumptions for all tasks without a pilot.

    Raises
    ------
    InputError
        If the rate is not between 0 and 1.
    """
    if rate is None or not 0 < rate < 1:
        raise InputError(f"rate: found {rate}; give a number between 0 and 1, e.g. 0.02 for 2%")
    return {"": Truth(rate)}


def read_speeds(runs: pd.DataFrame) -> dict[str, float]:
    """Return the prompts per second of models that `persona-refusal run` measured.

    Parameters
    ----------
    runs : pandas.DataFrame
        ``studies`` of `refusal_metrics.analysis.responses.origin.Origin`.
    """
    if not len(runs):
        return {}
    known = runs.loc[runs["prompts_per_second"].fillna(0) > 0, ["model", "prompts_per_second"]]
    return {str(model): float(speed) for model, speed in known.itertuples(index=False)}


def truths_of(pilots: Mapping[str, Pilot]) -> dict[str, Truth]:
    """Return the assumptions by task."""
    return {task: pilot.truth for task, pilot in pilots.items()}


@dataclass(frozen=True)
class _Arms:
    """Responses and refusals by text, or by block if a text has several: (n_rows, n_personas), and neutral (n_rows,).

    `text` is the text of each row.
    """

    n: Floats
    k: Floats
    n_neutral: Floats
    k_neutral: Floats
    text: Integers


def _spread(pilot: Pilot) -> float:
    return pilot.truth.rate * (1 - pilot.truth.rate)


def _read_one(model: str, task: str, arms: _Arms) -> Pilot:
    setting = "neutral" if arms.n_neutral.any() else "persona"
    n, k = (arms.n_neutral, arms.k_neutral) if setting == "neutral" else (arms.n.sum(axis=1), arms.k.sum(axis=1))
    n, k = (np.bincount(arms.text, weights=each).astype(np.float64) for each in (n, k))
    asked = n > 0
    n_texts = int(asked.sum())
    if n_texts < 2:
        raise InputError(f"{model}, {task}: the pilot has {setting} responses about one text only; use several texts")
    rate = float(k.sum() / n.sum())
    text_sd = _text_sd(arms)
    # At a rate that the pilot would show in one response, if it shows none.
    correlation = Truth(min(max(rate, 1 / n.sum()), 1 - 1 / n.sum()), text_sd).correlation
    # The rate within the limits that needs the largest study: verdicts vary most at one half.
    limits = _limits(rate, n[asked], correlation)
    phi, phi_limit = _overdispersion(arms)
    truth = Truth(float(np.clip(0.5, *limits)), text_sd, phi_limit, limits)
    return Pilot(truth, model, rate, phi, int(n.sum()), round(float(k.sum())), n_texts, setting)


def _limits(rate: float, n: Floats, correlation: float) -> tuple[float, float]:
    r"""Compute the lower and the upper 80% limit of a rate: Clopper and Pearson's for the effective sample size.

    The design effect is :math:`1 + \rho (\sum_g n_g^2 / N - 1)`, with the correlation of verdicts within texts.
    """
    total = float(n.sum())
    effective = total / (1 + correlation * (float((n**2).sum()) / total - 1))
    cases, tail = rate * effective, 1 - CONFIDENCE_OF_LIMIT
    low = float(special.betaincinv(cases, effective - cases + 1, tail)) if cases > 0 else 0.0
    high = float(special.betaincinv(cases + 1, effective - cases, 1 - tail)) if cases < effective else 1.0
    return low, high


def _overdispersion(arms: _Arms) -> tuple[float, float]:
    """Estimate the overdispersion of contrasts with neutral, and its upper limit.

    As a variance with a scaled chi-squared distribution, with the assumption without a pilot as its prior.
    """
    there = (arms.n > 0) & (arms.n_neutral > 0)[:, None]
    n_all, k_all = arms.n.sum(axis=1) + arms.n_neutral, arms.k.sum(axis=1) + arms.k_neutral
    phi, freedom = 1.0, 0.0
    if there.any():
        row, persona = np.nonzero(there)
        values = (arms.n[there], arms.k[there], arms.n_neutral[row], arms.k_neutral[row])
        score = compare_within(Strata(persona, *values, arms.n.shape[1], text=arms.text[row])).score
        phi = float(np.median(overdispersion(score, np.zeros(arms.n.shape[1], dtype=np.int64))))
        freedom = float(len(np.unique(arms.text[(k_all > 0) & (k_all < n_all) & there.any(axis=1)])))
    total = PRIOR_TEXTS + freedom
    mean = (PRIOR_TEXTS * OVERDISPERSION + freedom * phi) / total
    return phi, mean * total / float(stats.chi2.ppf(1 - CONFIDENCE_OF_LIMIT, total))


def _text_sd(arms: _Arms) -> float:
    """Estimate the standard deviation of texts' log-odds, shrunken to that without a pilot if few texts are refused."""
    n, k = arms.n.sum(axis=1) + arms.n_neutral, arms.k.sum(axis=1) + arms.k_neutral
    several = n > 1
    n, k = n[several], k[several]
    n_with = float(min((k > 0).sum(), (k < n).sum()))
    if n_with == 0:
        return TEXT_SD
    rate = float(k.sum() / n.sum())
    within = float((n / (n - 1) * (k / n) * (1 - k / n) * n).sum() / n.sum())
    own = text_sd_of(rate, float(np.clip(1 - within / (rate * (1 - rate)), 0, 1)))
    share = n_with / (n_with + _PRIOR_TEXTS_OF_SD)
    return share * own + (1 - share) * TEXT_SD
