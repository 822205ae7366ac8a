"""What the simulations of `calibrate_...` have in common: the texts of their studies, and shares and their marks."""
# ruff: noqa: INP001, TID251 - beside the scripts that import it, and which measure the analysis

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from refusal_metrics.analysis.statistics import find_shift

from refusal_metrics.prompts import number_labels

Ints = NDArray[np.int64]

RATINGS_OF_TEXTS = {5: 1, 6: 10, 7: 123, 8: 461, 9: 628, 10: 277}
CLASS_SIZES = (7516, 2190, 1590, 1039, 701)


@lru_cache(maxsize=1)
def read_texts(file: str | None) -> tuple[Ints, Ints]:
    """Return the text and the class of each rating, read or simulated."""
    if file:
        table = pd.read_csv(file, usecols=["instance_id", "offensiveness"])
        return number_labels(table["instance_id"]), table["offensiveness"].to_numpy(dtype=np.int64)
    rng = np.random.default_rng(0)
    text = np.repeat(np.arange(sum(RATINGS_OF_TEXTS.values())), np.repeat(*zip(*RATINGS_OF_TEXTS.items(), strict=True)))
    # The harshest texts get the highest ratings, with noise.
    leaning = rng.normal(size=text.max() + 1)[text] + rng.normal(size=len(text))
    stratum = np.empty(len(text), dtype=np.int64)
    stratum[np.argsort(leaning)] = np.repeat(np.arange(1, 6), CLASS_SIZES)
    return text, stratum


def find_log_odds(rate: float, sd: float, added: Sequence[float] | NDArray[np.float64] = (0.0,)) -> float:
    """Find the log odds that give a mean rate over normal effects with a standard deviation, and over `added` ones."""
    points, weights = np.polynomial.hermite_e.hermegauss(61)
    log_odds = sd * points[:, None] + np.asarray(added)
    return find_shift(log_odds.ravel(), np.repeat(weights, log_odds.shape[1]), rate)


def share(values: Sequence[float]) -> str:
    """Write a mean over studies with its Monte Carlo error."""
    error = np.std(values) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ({error:.3f})"


def mark(values: Sequence[float], bounds: tuple[float, float]) -> str:
    """Return an exclamation mark for a share that is not within its bounds, beyond three Monte Carlo errors.

    These are the standard errors of shares as large as the bounds, so a share of 0 or 1 has them too. A mean of several
    shares of each study has a smaller error, and is marked too seldom rather than too often.
    """
    low, high = (
        bound + sign * 3 * np.sqrt(bound * (1 - bound) / len(values))
        for bound, sign in zip(bounds, (-1, 1), strict=True)
    )
    return "" if low <= np.mean(values) <= high else "!"
