"""The tables of sensitivity indices and of levels' deviations."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ...arrays import Floats
from ...contracts import Contract
from ...statistics import holm, index_of, remove_noise, split_shares
from .families import Families
from .replicates import Index, Null, Tally

_CLEAR, _LOUD = 2, 0.1
"""An index has a two-sided interval if it is at least this many times its `null_mean`, and that is not above this."""


_Z = float(stats.norm.ppf(0.975))


_MAGNITUDE = math.sqrt(2 / math.pi)
"""The mean magnitude of a normal variable without mean, in standard deviations."""


def tabulate_index(study: Families, index: Index, null: Null, drawn: Tally) -> pd.DataFrame:
    """Tabulate an index with its null distribution and confidence interval."""
    share, distance, scale = split_shares(index.n, index.n_refused)
    iota, null_mean = index_of(share, distance, scale), null.mean
    is_defined, has_texts = np.isfinite(iota), study.has_texts(index)
    is_clear = (iota >= _CLEAR * null_mean) & (null_mean <= _LOUD)
    low, bound, high, higher = np.where(has_texts, drawn.quantiles([0.025, 0.95, 0.975, 0.99]), np.nan)
    noise = _noise(study, index, drawn)
    corrected = index_of(share, remove_noise(np.abs(distance), noise), scale)
    # If levels are closer to the overall rate than noise alone would put them, the bootstrap underestimates the noise.
    missing = index_of(share, np.maximum(_MAGNITUDE * noise - np.abs(distance), 0), scale)
    lower_end, upper_end = 2 * iota - higher - missing, np.maximum(2 * iota - low, corrected + (high - low) / 2)
    explained = np.maximum(np.sum(share * (distance**2 - noise**2), axis=-1), 0) if index.is_single else np.nan
    variance = np.where(is_defined, scale / 2, np.nan)
    columns = {
        "iota": iota,
        "ci_low": np.select([~is_defined | ~has_texts, is_clear], [np.nan, np.clip(lower_end, 0, 1)], 0.0),
        "ci_high": np.where(is_clear, np.clip(upper_end, 0, 1), bound),
        "null_mean": null_mean,
        "p_value": null.p_value(iota),
        "n_levels": (index.n > 0).sum(axis=-1),
        "iota_corrected": corrected,
        "upper_bound_only": ~is_clear & is_defined,
        "first_order": np.minimum(explained / variance, 1),
        "total": np.minimum(study.lose(index) / variance, 1),
    }
    # A family that was not asked is no row.
    table = _frame(study, index, columns)
    return table[table["n_levels"] > 0]


def tabulate_levels(study: Families, index: Index, null: Null, drawn: Tally) -> pd.DataFrame:
    """Tabulate the deviation of each level of a factor from the overall rate."""
    share, distance, scale = split_shares(index.n, index.n_refused)
    noise = _noise(study, index, drawn)
    # A level that never or always refuses does so in every bootstrap sample, which shows no noise.
    is_mixed = (index.n_refused > 0) & (index.n_refused < index.n)
    columns = {
        "ci_low": np.where(is_mixed, np.maximum(distance - _Z * noise, -1), np.nan),
        "ci_high": np.where(is_mixed, np.minimum(distance + _Z * noise, 1), np.nan),
        "null_mean": null.magnitude,
        "deviation_corrected": remove_noise(np.abs(distance), noise),
        "p_value": null.level_p_values,
        "p_adjusted": np.apply_along_axis(holm, -1, null.level_p_values),
    }
    # If nothing or everything was refused, the levels do not differ, and no error can be estimated.
    is_defined = np.isfinite(index_of(share, distance, scale))[..., None]
    columns = {name: np.where(is_defined, values, np.nan) for name, values in columns.items()}
    columns |= {"estimate": distance, "deviation": np.abs(distance), "n": index.n, "n_refused": index.n_refused}
    # A level that was not asked in a family is no row.
    table = _frame(study, index, columns, study.levels(index.factors[0]))
    return table[table["n"] > 0]


def _noise(study: Families, index: Index, drawn: Tally) -> Floats:
    """Return the standard error of the levels' distances from the overall rate; nan if texts cannot be resampled."""
    return np.where(study.has_texts(index)[..., None], drawn.spread, np.nan)


def _frame(
    study: Families, index: Index, columns: Mapping[str, NDArray[Any]], levels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Convert arrays over families and levels to rows."""
    families = [study.levels("model"), study.levels("task")] if index.in_families else [[""], [""]]
    keys = [*families, levels or [""]]
    model, task, level = zip(*product(*keys), strict=True)
    labels = {"model": model, "task": task, "factor": ":".join(index.factors), "level": level}
    return pd.DataFrame(labels | {name: np.ravel(values) for name, values in columns.items()})


def concatenate(tables: Sequence[pd.DataFrame], contract: Contract) -> pd.DataFrame:
    """Concatenate tables of one contract; without any, return an empty one."""
    columns = [*contract.keys, *contract.estimates]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    counts = {name: np.int64 for name in ("n", "n_refused") if name in columns}
    return table[columns].astype(counts)
