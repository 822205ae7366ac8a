"""Shares of responses that were truncated or could not be judged, and their differences between personas.

Such a response counts as not refused. If a persona has more of them than the baseline, the difference between their
refusal rates is partly due to responses of which nobody knows whether they would have been refusals.
"""

from collections.abc import Sequence

import pandas as pd

from ..contracts import UNDETERMINED_SHARES
from ..counts import Counts, count_states, count_undetermined
from .contrasts import estimate_contrasts
from .rates import estimate_rates


def estimate_undetermined(counts: Counts, by: Sequence[str]) -> pd.DataFrame:
    """Estimate the share of undetermined responses of each cell.

    Parameters
    ----------
    counts : Counts
    by : sequence of str
        The factors that make the cells.

    Returns
    -------
    pandas.DataFrame
        Columns: `by`, then ``estimate, ci_low, ci_high`` (shares in [0, 1], with the interval of
        `refusal_metrics.analysis.estimates.rates.estimate_rates`), ``n, n_texts``; ``n_undetermined``, the responses
        that were truncated or unjudged and that the detector did not flag; ``n_unjudged, n_truncated``.

    Raises
    ------
    InputError
        For an unknown factor.
    """
    by = list(dict.fromkeys(by))
    table = estimate_rates(count_undetermined(counts), by).rename(columns=_rename)
    return table.assign(**count_states(counts, by))[[*by, *UNDETERMINED_SHARES.estimates]]


def estimate_undetermined_contrasts(counts: Counts, *baselines: str, run_factors: Sequence[str] = ()) -> pd.DataFrame:
    """Estimate the difference between each persona's share of undetermined responses and a baseline.

    Parameters
    ----------
    counts : Counts
    *baselines : str
    run_factors : sequence of str
        All as in `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`.

    Returns
    -------
    pandas.DataFrame
        As of that function, with ``n_undetermined, n_undetermined_baseline`` in place of the numbers of refusals.

    Raises
    ------
    InputError
        For an unknown baseline or factor, or counts without personas.
    """
    undetermined = count_undetermined(counts)
    return estimate_contrasts(undetermined, *baselines, run_factors=run_factors).rename(columns=_rename)


def _rename(column: str) -> str:
    return column.replace("n_refused", "n_undetermined")
