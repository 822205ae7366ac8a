"""Layout of a report's tables: detectors side by side, factors in rows and columns."""

from collections.abc import Iterable

import pandas as pd

from ..columns import RESPONSE_TYPES, SETTINGS, STANDARDISED, TASKS, name_level, name_rule
from ..display import interval, name_levels, percent, plain

_ORDER = {"task": tuple(TASKS), "response_type": RESPONSE_TYPES, "setting": SETTINGS}


def are_standardised(rates: pd.DataFrame) -> bool:
    """Return whether every rate of a table has a class-standardised one with an interval."""
    known = {*STANDARDISED} <= {*rates} and bool(rates[[*STANDARDISED]].notna().to_numpy().all())
    return len(rates) > 0 and known


def headline_rates(rates: pd.DataFrame) -> pd.DataFrame:
    """Return rates with the class-standardised ones as ``estimate, ci_low, ci_high`` if every row has one.

    Otherwise all rates stay raw, so that one table never mixes both; see `are_standardised`.
    """
    if not are_standardised(rates):
        return rates
    standardised = dict(zip(("estimate", "ci_low", "ci_high"), STANDARDISED, strict=True))
    return rates.assign(**{name: rates[of] for name, of in standardised.items()})


def side_by_side(table: pd.DataFrame, by: list[str], *, signed: bool = False) -> pd.DataFrame:
    """Arrange the detectors' estimates side by side, one row for each combination of `by`.

    A detector may lack some rows, and its `n` may differ if it has not judged all responses.
    """
    if table.empty:
        return pd.DataFrame(columns=[*by, "n", "texts"])
    wide = table[by].drop_duplicates(ignore_index=True)
    for rule, part in table.groupby("rule", sort=False):
        ends = zip(part["ci_low"], part["ci_high"], strict=True)
        name, unit = name_rule(str(rule)), "pp" if signed else "%"
        shown = {
            f"{name} ({unit})": [percent(value, signed=signed) for value in part["estimate"]],
            f"{name} 95% CI": [interval(low, high, signed=signed) for low, high in ends],
        }
        wide = wide.merge(part[by].assign(**shown), how="left", on=by)
    for column, heading in {"n": "n", "n_texts": "texts"}.items():
        sizes = table.groupby(by, sort=False, dropna=False, as_index=False)[column].agg(["min", "max"])
        wide = wide.merge(sizes[by].assign(**{heading: _range(sizes)}), how="left", on=by)
    return name_levels(wide).fillna("").rename(columns=lambda name: str(name).replace("_", " ") if name in by else name)


def grid(table: pd.DataFrame, rows: list[str], column: str, rule: str) -> pd.DataFrame:
    """Arrange rates in rows and columns, each with its confidence interval."""
    part = table[table["rule"] == rule]
    cells = [
        f"{percent(value)} {interval(low, high)}".strip()
        for value, low, high in zip(part["estimate"], part["ci_low"], part["ci_high"], strict=True)
    ]
    return _spread(part.assign(cell=cells), rows, column, "cell")


def _spread(table: pd.DataFrame, rows: list[str], column: str, value: str) -> pd.DataFrame:
    found = list(table[column].dropna().unique())
    levels = [c for c in _ORDER.get(column, ()) if c in found]
    levels += [c for c in found if c not in levels]
    # Rows without a level are kept; pivoting would drop them.
    named = table.assign(**{row: table[row].astype(object).where(table[row].notna(), "") for row in rows})
    wide = named.pivot_table(index=rows, columns=column, values=value, aggfunc="first")[levels]
    wide = wide.rename(columns=lambda level: name_level(column, str(level))).reset_index()
    return name_levels(wide).rename(columns=lambda name: str(name).replace("_", " ")).fillna("")


def drawn(counts: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Tabulate how often each level was drawn; a range if the models differ."""
    asked = counts[counts["setting"] == "persona"]
    drawn = asked.groupby([factor, "task"], as_index=False)["n"].agg(["min", "max"])
    drawn["cell"] = _range(drawn)
    return _spread(drawn, [factor], "task", "cell")


def _range(sizes: pd.DataFrame) -> list[str]:
    """Format whole numbers or ranges from ``min`` to ``max``."""
    ends = zip(sizes["min"], sizes["max"], strict=True)
    return [f"{low:,}" if low == high else f"{low:,}-{high:,}" for low, high in ends]


def cell_list(names: Iterable[str]) -> str:
    """List names in Markdown, as code."""
    return ", ".join(f"`{plain(name).replace('`', '')}`" for name in names)
