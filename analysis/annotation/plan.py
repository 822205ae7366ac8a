"""What a labelled sample will tell, before anyone labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ..labels import expect_width, label_deviation
from ..responses import LABEL_CLASSES, Responses, count_strata, sum_items
from ..statistics import clustered_interval
from .draw import FEWEST, allocate

PLAN = ("n_labelled", "width", "uncorrected_width")
"""The columns of `plan_labels`."""


def plan_labels(
    responses: Responses, numbers: Sequence[int], rng: np.random.Generator, *, detector: str | None = None
) -> pd.DataFrame:
    """Compute the width of a corrected rate's interval to expect, by the number of labels.

    Parameters
    ----------
    responses : Responses
        With texts, ``design_id`` and ``index``.
    numbers : sequence of int
        Numbers of labels.
    rng : numpy.random.Generator
        For the labels to expect.
    detector : str, optional
        The rule whose rate is to be corrected; by default the first.

    Returns
    -------
    pandas.DataFrame
        One row a number, with the columns `PLAN`: the mean width of the 95% confidence interval of the corrected rate
        of all responses with a verdict, if labels are drawn for this rate, and the width of the detector's own.

    Raises
    ------
    InputError
        For an unknown detector, or a number that is too small or larger than that of the responses.
    """
    rule = responses.rule(detector)
    strata = count_strata(responses, classes_of=rule)
    counted = dict(zip(strata["pattern"], strata["n"], strict=True))
    n = np.array([counted.get(name, 0) for name in LABEL_CLASSES], dtype=np.int64)
    nothing = pd.DataFrame({"item_id": pd.Series(dtype=object), "label": False, "weight": 0.0})
    of_text = sum_items(responses, rule, nothing, {"n": "count(*)", "n_refused": "count_if(refused)"})
    texts = of_text.groupby("text_id")[["n", "n_refused"]].sum().astype(np.float64)
    (low,), (high,) = clustered_interval(
        texts["n_refused"].to_numpy(), texts["n"].to_numpy(), np.zeros(len(texts), dtype=np.int64), 1
    )
    rate = texts["n_refused"].sum() / texts["n"].sum()
    there = n > 0
    weights = np.array([label_deviation(name) for name in LABEL_CLASSES]) * n
    least = int(np.minimum(n, FEWEST).sum())
    rows = []
    for number in numbers:
        if not least <= number <= n.sum():
            raise InputError(
                f"--n {number}: must be from {least:,} to {n.sum():,}, the number of responses with a verdict"
            )
        drawn = np.zeros(len(n), dtype=np.int64)
        drawn[there] = allocate(n[there], weights[there], number)
        width = expect_width(n.astype(np.float64), drawn, (rate - float(low), float(high) - rate), rng)
        rows.append([number, width, float(high - low)])
    return pd.DataFrame(rows, columns=list(PLAN))
