"""How sure the findings of a study are, in a sentence."""

from collections.abc import Sequence

import pandas as pd

from ..columns import name_rule
from ..display import counted, plain, points
from ..labels import Validation

_MOST = 3
"""The number of models that are named."""


def describe_sure(
    contrasts: pd.DataFrame,
    detector: str,
    models: Sequence[str],
    validation: Validation | None,
    remarks: Sequence[str],
    n_cautions: int,
) -> str:
    """Describe how sure the findings are.

    Parameters
    ----------
    contrasts : pandas.DataFrame
        Differences of personas from one baseline in each model and task, with ``mde_up``.
    detector : str
    models : sequence of str
    validation : Validation or None
    remarks : sequence of str
        Parts of the sentence on labels.
    n_cautions : int

    Returns
    -------
    str
        The median minimum detectable effect, whether the detector was validated on these models, and the number of
        cautions.
    """
    parts = [_power(contrasts["mde_up"]), _validated(detector, models, validation), *remarks]
    if n_cautions:
        parts.append(f"the report lists {counted(n_cautions, 'caution')}")
    return f"How sure: {'; '.join(parts)}."


def _power(detectable: "pd.Series[float]") -> str:
    known = detectable.dropna()
    if known.empty:
        return "power could not be computed, because no prompt or every prompt was refused"
    median = float(known.median())
    if median >= 1:
        return "in most single models and tasks, no difference is detectable"
    return f"the median minimum detectable increase is {points(median)} pp in a single model and task (80% power)"


def _validated(detector: str, models: Sequence[str], validation: Validation | None) -> str:
    who, these = name_rule(detector), "this model" if len(models) == 1 else "these models"
    if validation is None or validation.n_matched == 0:
        return f"{who} was not validated on {these}"
    table = validation.table
    read = set(table.loc[table["factor"] == "model", "level"].astype(str))
    unread = [plain(model) for model in models if model not in read]
    # Without ids, it is unknown which labels are of these responses.
    n = "labels" if validation.n_matched is None else counted(validation.n_matched, "label")
    if not unread:
        return f"{who} was validated on {these} with {n}"
    if len(unread) == len(models):
        return f"{who} was validated with {n} that do not name their models"
    more = f" and {len(unread) - _MOST} more" if len(unread) > _MOST else ""
    return f"{who} was validated with {n}, but not on {', '.join(unread[:_MOST])}{more}"
