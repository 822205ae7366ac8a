"""Stratified samples of responses for annotation."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refusal_metrics.errors import InputError

from ..labels import item_id, label_deviation
from ..responses import Responses, count_flagged, count_strata, find_ambiguous, has_item_ids, read_places

FEWEST = 5
"""The smallest number of items from each stratum; all items of a smaller one."""

_DISAGREEMENT = 2.0


class Aim(StrEnum):
    """What a sample is drawn for."""

    GROUPS = "groups"
    RATE = "rate"


@dataclass(frozen=True)
class Sample:
    """A sample of items.

    Attributes
    ----------
    items : pandas.DataFrame
        One row per item: ``id``, data of the response, its verdicts ``refused_R``,
        ``sampling_stratum`` (from 1), ``probability`` of being drawn, in (0, 1], and ``frame``
        (the population: ``all``, or ``flagged by R``).
    factors : tuple of str
        The factors of the strata besides the verdicts.
    n_responses : int
        The size of the population: the sum of 1 / probability.
    notes : tuple of str
    """

    items: pd.DataFrame
    factors: tuple[str, ...]
    n_responses: int
    notes: tuple[str, ...]


def allocate(sizes: ArrayLike, weights: ArrayLike, n: int) -> NDArray[np.int64]:
    """Allocate items to strata in proportion to weights, within bounds.

    Parameters
    ----------
    sizes : (n_strata,) array of int
        Responses of each, at least 1.
    weights : (n_strata,) array of float
        Greater than 0.
    n : int
        Items in all, from the sum of min(size, `FEWEST`) to that of the sizes.

    Returns
    -------
    (n_strata,) array of int
        From min(size, `FEWEST`) to the size of each stratum; their sum is `n`.
    """
    most, weight = np.asarray(sizes, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    least = np.minimum(most, FEWEST)
    low, high = 0.0, float(np.max(most / weight))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if np.clip(middle * weight, least, most).sum() > n else (middle, high)
    share = np.clip(low * weight, least, most)
    whole = np.floor(share)
    # Integer parts first, then one more for the largest fractions.
    more = np.argsort(whole - share, kind="stable")[: int(n - whole.sum())]
    whole[more] += 1
    return whole.astype(np.int64)


def draw_items(
    responses: Responses,
    n: int,
    rng: np.random.Generator,
    *,
    flagged_by: str | None = None,
    aim: Aim = Aim.GROUPS,
    detector: str | None = None,
) -> Sample:
    r"""Draw responses for annotation, more of them where labels are more informative.

    Strata are the combined verdicts of all detectors, by persona, model and task if `n` is large enough: a factor is
    added if `FEWEST` items of each stratum are still no more than `n`, and persona_group replaces persona if that has
    too many levels. Additional items of stratum h are in proportion to :math:`c_h \sqrt{N_h}` of its :math:`N_h`
    responses. Neyman's allocation, in proportion to :math:`N_h S_h`, is optimal for the whole study, and an equal
    allocation for each stratum; the root is a power allocation between the two. :math:`c_h = 2` if detectors
    disagree, because :math:`S_h`, the standard deviation of a label, is .50 if yes and no are equally likely, and .25
    if one in 15 differs from the rest.

    With the aim of one corrected rate, strata are the classes in which a detector errs often or seldom
    (`refusal_metrics.analysis.responses.label_classes`), and items are in proportion to :math:`N_h S_h`, with the
    :math:`S_h` to anticipate.

    Within strata, the draw is simple random without replacement.

    Parameters
    ----------
    responses : Responses
        With texts, ``design_id`` and ``index``.
    n : int
        Items to draw; all responses if there are fewer.
    rng : numpy.random.Generator
    flagged_by : str, optional
        Draw only from responses that this rule calls refusals.
    aim : Aim
        Whether errors are to be compared between personas, models and tasks, or one rate is to be corrected.
    detector : str, optional
        The rule whose rate is to be corrected; by default the first.

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        If a column is missing, a model answered a prompt twice, nothing is flagged, or `n` is too small.

    References
    ----------
    Neyman 1934, doi:10.2307/2342192. Bankier 1988, doi:10.1080/00031305.1988.10475556, for the power
    allocation. Särndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, section 3.7.
    """
    source = ", ".join(str(file) for file in responses.files[:3]) + ", ..." * (len(responses.files) > 3)
    _check(responses, source)
    flagged_by = responses.rule(flagged_by) if flagged_by else None
    n_responses = count_flagged(responses, flagged_by)
    if not n_responses:
        raise InputError(f"{source}: {flagged_by} flags no response as a refusal; leave out --only flagged")
    notes = [f"There are only {n_responses:,} such responses; all of them were drawn."] * (n_responses < n)
    if "prompt" not in responses.columns:
        notes.append("There is no column prompt, so annotators do not see the prompts.")
    drawn = min(n, n_responses)
    classes_of = responses.rule(detector) if aim == Aim.RATE else None
    factors, strata = _stratify(responses, flagged_by, drawn, classes_of)
    sizes = strata["n"].to_numpy(dtype=np.int64)
    n_drawn = allocate(sizes, _weights(strata, aim), drawn)
    starts = np.cumsum(sizes) - sizes
    places = [start + rng.choice(size, k, replace=False) for start, size, k in zip(starts, sizes, n_drawn, strict=True)]
    stratum = np.repeat(np.arange(len(sizes)), n_drawn)
    items = read_places(responses, np.concatenate(places).tolist(), factors, flagged_by, classes_of)
    ids = [item_id(m, d, i) for m, d, i in zip(items["model"], items["design_id"], items["index"], strict=True)]
    items.insert(0, "id", ids)
    probability = (n_drawn / sizes)[stratum]
    frame = f"flagged by {flagged_by}" if flagged_by else "all"
    items = items.assign(sampling_stratum=stratum + 1, probability=probability, frame=frame)
    return Sample(items, tuple(factors), n_responses, tuple(notes))


def _check(responses: Responses, source: str) -> None:
    """Check that responses have texts and unique item ids."""
    if "response" not in responses.columns:
        raise InputError(
            f"{source}: lacks the column response, which annotators need; give the folder named in "
            "lm_eval --output_path, or the table that ingest --texts or detect wrote"
        )
    if not has_item_ids(responses):
        raise InputError(
            f"{source}: lacks the columns design_id and index, which match labels to responses; give the "
            "folder named in lm_eval --output_path, or a table made from it"
        )
    wrong = find_ambiguous(responses)
    if wrong:
        raise InputError(
            f"{source}: {wrong[0]} has several responses of design_id {wrong[1]} and index {wrong[2]}, or one without "
            "them, so labels cannot be matched; give one run of each model"
        )


def _weights(strata: pd.DataFrame, aim: Aim) -> NDArray[np.float64]:
    """Return to what the items of each stratum are in proportion."""
    sizes = strata["n"].to_numpy(dtype=np.float64)
    if aim == Aim.RATE:
        return np.asarray(sizes * strata["pattern"].map(label_deviation).to_numpy(dtype=np.float64), dtype=np.float64)
    # Among patterns like "010", one with both digits is a disagreement.
    disagree = strata["pattern"].str.contains("0") & strata["pattern"].str.contains("1")
    return np.asarray(np.where(disagree, _DISAGREEMENT, 1.0) * np.sqrt(sizes), dtype=np.float64)


def _stratify(
    responses: Responses, flagged_by: str | None, n: int, classes_of: str | None
) -> tuple[list[str], pd.DataFrame]:
    """Choose the factors of strata, and count their responses."""
    factors: list[str] = []
    strata = count_strata(responses, factors, flagged_by, classes_of)
    needed = int(strata["n"].clip(upper=FEWEST).sum())
    if needed > n:
        kind = "class" if classes_of else "combination"
        kinds = kind + ("es" if classes_of else "s") * (len(strata) != 1)
        raise InputError(
            f"--n {n}: is too few for {len(strata)} {kinds} of the detectors' verdicts, which "
            f"need {FEWEST} items each, or all that exist; draw at least {needed}"
        )
    if classes_of:
        return factors, strata
    for names in (("persona", "persona_group"), ("model",), ("task",)):
        for name in names:
            finer = count_strata(responses, [*factors, name], flagged_by) if name in responses.columns else None
            if finer is not None and len(finer) > len(strata) and finer["n"].clip(upper=FEWEST).sum() <= n:
                factors, strata = [*factors, name], finer
                break
    return factors, strata
