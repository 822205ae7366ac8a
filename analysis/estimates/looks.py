"""What a stopping rule sees of a running study: each persona's difference from the neutral prompts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..arrays import CONFIDENCE
from ..columns import STUDY
from ..counts import Counts, count_units_by_text
from ..statistics import Strata, compare_within, pool_overdispersion, score_interval, score_p
from .arms import list_entries
from .blocks import split_texts
from .compared import personas_only


def look_at_contrasts(counts: Counts, baseline: str = "neutral", *, intervals: bool = True) -> pd.DataFrame:
    """Test each persona's difference from a baseline within texts, as if this were the only look.

    Parameters
    ----------
    counts : Counts
    baseline : {"neutral", "persona-free"}
    intervals : bool
        Whether to compute the intervals, which takes most of the time.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and persona that has texts in common with the baseline. Columns: ``model, task,
        persona``, then those of `look_at_strata`.
    """
    counts, text = split_texts(counts)
    cells = count_units_by_text(personas_only(counts), [*STUDY, "persona"])
    reference = count_units_by_text(counts.where(setting=baseline), STUDY)
    entries, _, named = list_entries(cells, reference, STUDY, text, minus_own=False)
    named = named[[*STUDY, "persona"]].reset_index(drop=True)
    family = named.groupby(list(STUDY), sort=False).ngroup().to_numpy()
    pairs = entries.take((entries.n > 0) & (entries.n_baseline > 0))
    table = look_at_strata(pairs, family, intervals=intervals)
    table = pd.concat([named, table], axis=1)
    return table[table["n_texts"] > 0].reset_index(drop=True)


def look_at_strata(strata: Strata, family: NDArray[np.integer], *, intervals: bool = True) -> pd.DataFrame:
    """Test differences within texts, see `look_at_contrasts`.

    Parameters
    ----------
    strata : Strata
        Each entry has responses in both arms.
    family : (n_contrasts,) array of int
        The family of each contrast, numbered from 0.
    intervals : bool

    Returns
    -------
    pandas.DataFrame
        One row a contrast. Columns:

        ``estimate, p_value``
            Of the score test.
        ``n_texts, n_discordant``
            Texts with both arms, and those among them whose responses do not all have the same verdict.
        ``information``
            The variance of the score under no difference.
        ``low, high, width``
            Of the 95% confidence interval, if requested; the width is 2 if no text has different verdicts.
    """
    found, phi = pool_overdispersion(compare_within(strata), family)
    score = found.score
    table = pd.DataFrame(
        {
            "estimate": score.estimate,
            "p_value": score_p(score, phi),
            "n_texts": found.n_texts.astype(np.int64),
            "n_discordant": score.n_informative.astype(np.int64),
            "information": score.variance,
        }
    )
    if not intervals:
        return table
    low, high = score_interval(score, phi, CONFIDENCE)
    return table.assign(low=low, high=high, width=np.where(score.variance > 0, high - low, 2.0))
