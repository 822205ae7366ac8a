"""Which model refuses most, in a sentence."""

from collections.abc import Iterator

import pandas as pd

from ..arrays import simultaneous_level
from ..display import counted, plain, points
from ..estimates import average_estimates
from ..responses import MUCH
from .average import ratio_of, widen


def describe_models(rates: pd.DataFrame, outcomes: pd.DataFrame | None = None) -> Iterator[str]:
    """Describe the model that refuses most, with simultaneous intervals.

    Parameters
    ----------
    rates : pandas.DataFrame
        Of persona prompts by model and task, by one detector.
    outcomes : pandas.DataFrame, optional
        Outcomes of the responses by the same detector.

    Yields
    ------
    str
        A sentence, and which responses count as not refused though nothing is known of them.
    """
    ratio = ratio_of(simultaneous_level(rates["model"].nunique()))
    models = widen(average_estimates(rates, ["model"]), ratio).sort_values("estimate", ascending=False, kind="stable")
    top, n_tasks = models.iloc[0], rates["task"].nunique()
    averaged = f", averaged over {counted(n_tasks, 'task')}" if n_tasks > 1 else ""
    share = f"{points(top['estimate'])}%{_interval(top)} of persona prompts{averaged}"
    if top["estimate"] == 0:
        who = plain(top["model"]) if len(models) == 1 else f"None of the {len(models)} models"
        sentence = f"{who} refused {'no' if len(models) == 1 else 'a'} persona prompt"
        upper = models["ci_high"].max()
        sentence += "" if pd.isna(upper) else f" (at most {points(upper)}% are refused{averaged})"
    elif len(models) == 1:
        sentence = f"{plain(top['model'])} refuses {share}"
    else:
        others = models.iloc[1:]
        sentence = f"{plain(top['model'])} refuses most often: {share}; {_describe_others(others)}"
        near = others[~(others["ci_high"] < top["ci_low"])]
        if len(near):
            who = f", and {_name_near(near)}" if len(others) > 1 else " and"
            sentence += f"{who} may refuse as often"
    yield f"{sentence}.{_unread(rates, outcomes)}"


def _interval(row: "pd.Series[float]") -> str:
    ends = row["ci_low"], row["ci_high"]
    return "" if any(pd.isna(end) for end in ends) else f" [{points(ends[0])}, {points(ends[1])}]"


def _describe_others(others: pd.DataFrame) -> str:
    low, high = points(others["estimate"].min()), points(others["estimate"].max())
    if len(others) == 1:
        return f"{plain(others.iloc[0]['model'])} refuses {low}%"
    return f"the other {len(others)} models refuse {low}%" + (f" to {high}%" if low != high else "")


def _name_near(near: pd.DataFrame) -> str:
    return plain(near.iloc[0]["model"]) if len(near) == 1 else f"{len(near)} of them"


def _unread(rates: pd.DataFrame, outcomes: pd.DataFrame | None) -> str:
    """Describe the share of empty, unjudged or truncated responses to persona prompts, if it is large."""
    counts = {name: rates[f"n_{name}"].sum() for name in ("unjudged", "truncated") if f"n_{name}" in rates}
    if outcomes is not None:
        counts = {"empty": outcomes.loc[outcomes["setting"] == "persona", "n_empty"].sum()} | counts
    shares = {name: n / rates["n"].sum() for name, n in counts.items()}
    many = [f"{points(share)}% of the responses are {name}" for name, share in shares.items() if share > MUCH]
    text = " and ".join(many)
    return f" {text} and count as not refused." if many else ""
