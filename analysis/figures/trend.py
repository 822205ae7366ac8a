"""The figure of models by one of their properties."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ..display import number, plain
from .figure import Figure
from .marks import draw_points, facet, width_of
from .rows import count_range, describe, label_levels, label_models

Tables = Mapping[str, pd.DataFrame]

_NORMAL = 1.96
_COLUMNS = {"released": "date of release", "parameters_b": "billions of parameters"}


def draw_trend(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the spread of persona effects and the log-odds of refusal of models by a property."""
    models, trend = tables.get("trend_models"), tables.get("trend")
    if models is None or trend is None or models.empty or trend.empty:
        return
    table = models.sort_values(["value", "model"], kind="stable").reset_index(drop=True)
    given = plain(trend["column"].iloc[0])
    column = _COLUMNS.get(given, given)
    named, _ = label_models(table, run_factors)
    decimals = 0 if (table["value"] % 1 == 0).all() else 2
    labels = pd.Series([f"{name}, {value:.{decimals}f}" for name, value in zip(named, table["value"], strict=True)])
    family, families = label_levels(table["family"])
    half = _NORMAL * table["log_odds_se"]
    shown = {
        "spread of persona effects": (table["spread"], table["ci_low"], table["ci_high"]),
        "log-odds of refusal": (table["log_odds"], table["log_odds"] - half, table["log_odds"] + half),
    }
    # Both are drawn alike, so both are rows of one chart.
    rows = pd.concat(
        [
            pd.DataFrame({"y": labels, "series": family, "x": x, "low": low, "high": high, "column": title})
            for title, (x, low, high) in shown.items()
        ],
        ignore_index=True,
    )
    rows["column_at"] = rows["column"].map(list(shown).index)
    described = describe(table.drop(columns=["ci_low", "ci_high"]), run_factors=run_factors)
    tips = {title: texts * 2 for title, texts in described.items()}
    tips["estimate"] = [number(value) for value in rows["x"]]
    tips["95% CI"] = [f"[{number(a)}, {number(b)}]" for a, b in zip(rows["low"], rows["high"], strict=True)]
    chart = draw_points(
        rows, tips, y=labels.tolist(), title="log-odds", series=families, dodge=False, width=width_of(2)
    )
    slopes = " ".join(_say_slope(row, column) for _, row in trend[trend["family"] == ""].iterrows())
    caption = (
        f"Models sorted by {column} (in parentheses). Left: spread of persona effects (standard deviation of "
        "log-odds beyond "
        f"noise); right: log-odds of refusal ({rule}). Bars: 95% CIs. {slopes} "
        "Models differ in more than this property, so trends are not causal. Each model has "
        f"{count_range(table['n'], 'response')} about {count_range(table['n_texts'], 'text')}."
    )
    yield Figure("trend", f"Models by {column}", caption, facet(chart, scale="independent"), table)


def _say_slope(row: "pd.Series[float]", column: str) -> str:
    what = {"variance": "variance of persona effects", "log_odds": "log-odds of refusal"}[str(row["outcome"])]
    ends = f"[{number(row['ci_low'])}, {number(row['ci_high'])}]"
    return f"Per unit of {column} (a year for dates) the {what} changes by {number(row['slope'])} {ends}."
