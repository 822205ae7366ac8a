"""Tables in which tasks and personas have names for people instead of ids."""

import pandas as pd

from ..columns import name_level

_FACTORS = {"task": "task", "persona": "persona", "baseline": "persona"}
"""The columns with levels, and the factor of each."""
_LEVELS = {"level": "factor", "other_level": "other_factor"}
"""The columns with levels of a factor that another column names."""


def name_levels(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the names of tasks and personas instead of their ids.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        A copy; other levels and columns are unchanged.

    Examples
    --------
    >>> name_levels(pd.DataFrame({"task": ["nli"], "factor": ["persona"], "level": ["able_bodied"]})).values.tolist()
    [['NLI', 'persona', 'Able-bodied']]
    """
    named = {
        column: [_name(factor, value) for value in table[column]]
        for column, factor in _FACTORS.items()
        if column in table
    }
    for column, of_factor in _LEVELS.items():
        if column in table and of_factor in table:
            named[column] = [_name(*pair) for pair in zip(table[of_factor], table[column], strict=True)]
    columns = {name: pd.Series(values, index=table.index, dtype=object) for name, values in named.items()}
    return table.assign(**columns)


def _name(factor: object, level: object) -> object:
    return name_level(factor, level) if isinstance(factor, str) and isinstance(level, str) else level
