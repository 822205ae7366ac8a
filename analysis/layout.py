"""How a report lays its tables out: rules side by side, factors in rows and columns."""

import pandas as pd

from .values import interval, percent

_TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
_ORDER = {
    "task": tuple(_TASKS),
    "response_type": ("unforced", "semi-forced", "forced"),
    "setting": ("persona", "neutral", "persona-free"),
}


def side_by_side(table: pd.DataFrame, by: list[str], *, signed: bool = False) -> pd.DataFrame:
    """Set the rules' estimates beside each other, one row for each combination of `by`."""
    parts = {rule: table[table["rule"] == rule].reset_index(drop=True) for rule in table["rule"].unique()}
    if not parts:
        return pd.DataFrame(columns=[*by, "n", "texts"])
    first = next(iter(parts.values()))
    wide: pd.DataFrame = first[by].rename(columns=lambda name: str(name).replace("_", " "))
    for rule, part in parts.items():
        wide[f"{rule} {'points' if signed else '%'}"] = [percent(v, signed=signed) for v in part["estimate"]]
        wide[f"{rule} 95 %"] = [
            interval(low, high, signed=signed) for low, high in zip(part["ci_low"], part["ci_high"], strict=True)
        ]
    for column, heading in {"n": "n", "n_texts": "texts"}.items():
        wide[heading] = first[column].map("{:,}".format)
    return wide


def grid(table: pd.DataFrame, rows: list[str], column: str, rule: str) -> pd.DataFrame:
    """Lay rates out in rows and columns, each with its interval."""
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
    # A row without a level is one too; pivoting would drop it.
    named = table.assign(**{row: table[row].astype(object).where(table[row].notna(), "") for row in rows})
    wide = named.pivot_table(index=rows, columns=column, values=value, aggfunc="first")[levels]
    wide = wide.rename(columns=_TASKS).reset_index()
    return wide.rename(columns=lambda name: str(name).replace("_", " ")).fillna("")


def drawn(counts: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Lay out how often each level was drawn; a range where the models differ."""
    asked = counts[counts["setting"] == "persona"]
    drawn = asked.groupby([factor, "task"], as_index=False)["n"].agg(["min", "max"])
    same = drawn["min"] == drawn["max"]
    drawn["cell"] = (
        drawn["min"].map("{:,}".format).where(same, [f"{a:,}-{b:,}" for a, b in drawn[["min", "max"]].to_numpy()])
    )
    return _spread(drawn, [factor], "task", "cell")
