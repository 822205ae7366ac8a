"""The power curve of a planned study."""

import altair as alt
import pandas as pd

from ..columns import name_level
from ..display import percent
from .figure import Figure
from .marks import WIDTH, legend_of, make_data, tooltips


def draw_power(curve: pd.DataFrame, power: float, n_studies: int) -> Figure:
    """Draw the simulated power by the size of the difference.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns: ``task, difference, power, power_error``.
    power : float
        The wanted power, a line.
    n_studies : int
        Simulated studies of each point.

    Returns
    -------
    Figure
    """
    names = [name_level("task", task) for task in curve["task"]]
    rows = pd.DataFrame(
        {
            "series": names,
            "x": 100 * curve["difference"],
            "y": 100 * curve["power"],
            "low": 100 * (curve["power"] - curve["power_error"]).clip(0, 1),
            "high": 100 * (curve["power"] + curve["power_error"]).clip(0, 1),
        }
    )
    tips = {
        "task": names,
        "difference (pp)": [percent(value, signed=True) for value in curve["difference"]],
        "power (%)": [
            f"{percent(value)} (MC error {percent(error)})"
            for value, error in zip(curve["power"], curve["power_error"], strict=True)
        ],
    }
    series = list(dict.fromkeys(names))
    looks = legend_of(series) if len(series) > 1 else {}
    colour = {name: look for name, look in looks.items() if name == "color"}
    y = alt.Y("y:Q", title="power (%)", scale=alt.Scale(domain=[0, 100], nice=False))
    base = alt.Chart().encode(x=alt.X("x:Q", title="difference from neutral (pp)", scale=alt.Scale(zero=True)))
    wanted = alt.Chart(alt.InlineData(values=[{"wanted": 100 * power}])).mark_rule(style="zero")
    layers = [
        wanted.encode(y=alt.Y("wanted:Q", title="power (%)")),
        base.mark_line().encode(y=y, **colour),
        base.mark_rule(style="interval").encode(y=alt.Y("low:Q", title="power (%)"), y2="high", **colour),
        base.mark_point(style="estimate").encode(y=y, tooltip=tooltips(tips), **looks),
    ]
    chart = alt.LayerChart(layer=layers, data=make_data(rows, tips)).properties(width=WIDTH * 0.75, height=260)
    caption = (
        f"Share of {n_studies} simulated studies in which the difference of one persona is significant after "
        "correction; bars: plus and minus one Monte Carlo error. The dashed line is the planned power."
    )
    return Figure("power", "Statistical power by the size of the difference", caption, chart, curve)
