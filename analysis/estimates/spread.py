"""The spread of personas' refusal rates beyond sampling noise."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import CONFIDENCE, Floats
from ..columns import STUDY
from ..contracts import SPREAD
from ..counts import Counts, count_by_text
from ..statistics import clustered_variance, flip_texts, monte_carlo_p, scatter_interval
from .compared import personas_only

_Scatter: TypeAlias = tuple[tuple[int, int], NDArray[np.float32], float]
"""A model and task: the range of its texts, their contributions to the personas' deviations, and the observed
spread."""

_ROUNDING = 1e-5
"""The largest relative error of single precision."""


def estimate_spread(
    counts: Counts, run_factors: Sequence[str] = (), *, rng: np.random.Generator, n_flips: int = 1000
) -> pd.DataFrame:
    r"""Estimate how much the personas' rates differ beyond sampling noise.

    .. math:: \sqrt{\max(0, \tfrac{1}{A-1} \sum_a ((p_a - \bar p)^2 - v_a))}

    over the A personas, with v_a the text-clustered variance of :math:`p_a - \bar p`. The largest rate minus the
    smallest is mostly noise if there are few responses.

    Parameters
    ----------
    counts : Counts
    run_factors : sequence of str
        Each combination of their levels has a spread of its own.
    rng : numpy.random.Generator
        Draws the signs of the test.
    n_flips : int
        How often they are drawn.

    Returns
    -------
    pandas.DataFrame
        One row a model and task. Columns: ``model, task``, the run factors, then ``estimate`` (standard deviation of
        rates, 0 if noise explains it all) with its 95% confidence interval ``ci_low, ci_high`` (see
        `refusal_metrics.analysis.statistics.scatter.scatter_interval`; missing if nothing or everything was refused),
        ``sd_observed`` (without subtracting the noise), ``sd_under_null`` (its mean
        under the null hypothesis), ``p_value`` (of a sign-flip test by text, which flips all deviations of a text from
        the model's rates together), ``n_levels`` (personas), ``n, n_texts, n_refused``.
        Estimates are missing for fewer than two personas or texts.

    Raises
    ------
    InputError
        For an unknown factor, or counts without personas.

    References
    ----------
    The variance component of Hedges 1983, doi:10.1037/0033-2909.93.2.388. Sign flips of clusters:
    Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060.
    """
    counts.check_factors(["persona"])
    names = [*STUDY, *dict.fromkeys(run_factors)]
    cells = count_by_text(personas_only(counts), [*names, "persona"])
    n_of, k_of = cells.n.tocsc(), cells.n_refused.tocsc()
    rows, scattered = [], []
    # Cells are in the order of levels, so that those of one study are adjacent.
    for study, of_study in cells.cells.groupby(names, sort=False, dropna=False):
        places = of_study.index.to_numpy()
        own, refused = n_of[:, places], k_of[:, places]
        # Texts of one task have neighbouring numbers: a slice of the signs is no copy.
        first, end = int(own.indices.min()), int(own.indices.max()) + 1
        n, k = own[first:end].toarray(), refused[first:end].toarray()
        n_texts = int(n.any(axis=1).sum())
        spread, deviations, between = _spread(n, k, n_texts)
        scattered.append(None if deviations is None else ((first, end), deviations, between))
        sizes = {"n_levels": len(places), "n": int(n.sum()), "n_texts": n_texts, "n_refused": int(k.sum())}
        rows.append(dict(zip(names, study, strict=True)) | spread | sizes)
    p_values = _flip(scattered, counts.n_texts, rng, n_flips)
    return pd.DataFrame(
        [row | {"p_value": p} for row, p in zip(rows, p_values, strict=True)], columns=[*names, *SPREAD.estimates]
    )


def _spread(n: Floats, k: Floats, n_texts: int) -> tuple[dict[str, float], NDArray[np.float32] | None, float]:
    """Estimate the spread of one model and task; return the contribution of each text, and the observed spread.

    Both arrays are (n_rows, n_personas): responses and refusals of a text, or none.
    """
    n_personas = n.shape[1]
    if n_texts < 2 or n_personas < 2:
        return dict.fromkeys(SPREAD.estimates[:5], np.nan), None, np.nan
    rates, rate = k.sum(axis=0) / n.sum(axis=0), k.sum() / n.sum()
    common = (k - rate * n).sum(axis=1, keepdims=True) / n.sum()
    scores = (k - rates * n) / n.sum(axis=0)
    scores -= scores.mean(axis=1, keepdims=True)
    covariance = clustered_variance(scores.T @ scores, n_texts)
    noise, between = float(np.trace(covariance)), np.sum((rates - rates.mean()) ** 2)
    low, high = scatter_interval(rates - rates.mean(), covariance, CONFIDENCE)
    deviations = (k - rate * n) / n.sum(axis=0) - common
    deviations -= deviations.mean(axis=1, keepdims=True)
    estimates = {
        "estimate": np.sqrt(max(0.0, between - noise) / (n_personas - 1)),
        "ci_low": low,
        "ci_high": high,
        "sd_observed": np.sqrt(between / (n_personas - 1)),
        "sd_under_null": np.sqrt(noise / (n_personas - 1)),
    }
    return estimates, deviations.astype(np.float32), between


def _flip(scattered: Sequence[_Scatter | None], n_texts: int, rng: np.random.Generator, n_flips: int) -> list[float]:
    """Count how often the spread under sign flips of texts is as large as observed, with the same flips for all."""
    n_as_far = np.zeros(len(scattered))
    # Models with the same texts are flipped in one matrix product.
    alike: dict[tuple[int, int], list[tuple[int, NDArray[np.float32], float]]] = {}
    for i, scatter in enumerate(scattered):
        if scatter:
            texts, deviations, between = scatter
            # Flipping no text, or all of them, gives the observed spread up to rounding.
            alike.setdefault(texts, []).append((i, deviations, between * (1 - _ROUNDING)))
    jobs = []
    for texts, parts in alike.items():
        places, turned, least = (list(part) for part in zip(*parts, strict=True))
        starts = np.cumsum([0, *(deviations.shape[1] for deviations in turned[:-1])])
        jobs.append((texts, places, np.hstack(turned), starts, least))
    for signs in flip_texts(rng, n_flips, n_texts):
        for (first, end), places, deviations, starts, least in jobs:
            spread = np.add.reduceat((signs[:, first:end] @ deviations) ** 2, starts, axis=1)
            n_as_far[places] += np.count_nonzero(spread >= least, axis=0)
    p_values = monte_carlo_p(n_as_far, n_flips)
    return [float(p) if scatter else np.nan for p, scatter in zip(p_values, scattered, strict=True)]
