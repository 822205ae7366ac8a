"""Properties of models: family, release date, size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from ..arrays import Floats
from ..files import reason
from ..paper import load_published, match_model

_FEW = 5


def read_properties(column: str, file: Path | None = None) -> pd.DataFrame:
    """Read a property of models.

    Parameters
    ----------
    column : str
        A date or a number.
    file : Path, optional
        A CSV file with the columns ``model, family`` and `column`. By default the paper's models
        with ``released`` and ``parameters_b``.

    Returns
    -------
    pandas.DataFrame
        Columns ``model, family, value``, a date in years.

    Raises
    ------
    InputError
        If the file or column cannot be read.
    """
    table = load_published("models") if file is None else _read(file)
    where = _describe(file)
    for name in ("model", "family", column):
        if name not in table:
            raise unknown_name(f"column in {where}", name, map(str, table.columns))
    values = _numbers(table[column], column, where)
    return table[["model", "family"]].astype({"model": str}).assign(value=values)


def look_up(
    models: Sequence[str], column: str, file: Path | None = None
) -> tuple[dict[str, tuple[str, float]], list[str]]:
    """Look up models' families and one property of theirs.

    Parameters
    ----------
    models : sequence of str
        As the results name them.
    column : str
        A date or a number.
    file : Path, optional
        See `read_properties`.

    Returns
    -------
    found : dict of str to tuple of str and float
        Family and property, a date in years, of the models that have both.
    notes : list of str
        A sentence about the others.

    Raises
    ------
    InputError
        If the file or column cannot be read.
    """
    table = read_properties(column, file)
    names, values = table["model"], table["value"].to_numpy()
    found = {}
    missing = []
    for model in models:
        # A file names models as the results do; the table of the paper's models also has their hub names.
        row = np.flatnonzero(names == (match_model(model) if file is None else model))
        if len(row) and np.isfinite(values[row[0]]) and pd.notna(table["family"].iloc[row[0]]):
            found[model] = (str(table["family"].iloc[row[0]]), float(values[row[0]]))
        else:
            missing.append(model)
    named = ", ".join(missing[:_FEW]) + (f" and {len(missing) - _FEW} more" if len(missing) > _FEW else "")
    of_them = "it" if len(missing) == 1 else "them"
    unknown = f"left out of what goes by {column}: {_describe(file)} has no family and {column} of {of_them}"
    return found, [f"{named} {unknown}; give --models FILE."] if missing else []


def look_up_families(models: Sequence[str], file: Path | None = None) -> dict[str, str]:
    """Look up models' families.

    Parameters
    ----------
    models : sequence of str
        As the results name them.
    file : Path, optional
        A CSV file with the columns ``model, family``. By default the paper's models.

    Returns
    -------
    dict of str to str
        Of the models whose family is known.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    table = load_published("models") if file is None else _read(file)
    for name in ("model", "family"):
        if name not in table:
            raise unknown_name(f"column in {_describe(file)}", name, map(str, table.columns))
    named = table.dropna(subset="family").astype({"model": str, "family": str})
    families = dict(zip(named["model"], named["family"], strict=True))
    found = {model: families.get((match_model(model) or "") if file is None else model) for model in models}
    return {model: family for model, family in found.items() if family is not None}


def _describe(file: Path | None) -> str:
    return "the table of the paper's models" if file is None else str(file)


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: cannot be read as CSV ({reason(error)}); give a file with model, family and the property"
        ) from error
    if "model" in table and table["model"].duplicated().any():
        repeated = table.loc[table["model"].duplicated(), "model"].iloc[0]
        raise InputError(f"{file}: has more than one row for {repeated}; give one row a model")
    return table


def _numbers(column: "pd.Series[str]", name: str, where: str) -> Floats:
    """Read numbers, or dates as years."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().equals(column.isna()):
        return numbers.to_numpy(dtype=np.float64)
    dates = pd.to_datetime(column, errors="coerce", format="ISO8601")
    if not dates.isna().equals(column.isna()):
        wrong = column[dates.isna() & column.notna()].iloc[0]
        raise InputError(f"{where}: {name} contains {wrong!r}; give numbers, or dates as 2024-07-31")
    days = dates.to_numpy().astype("datetime64[D]")
    starts = days.astype("datetime64[Y]")
    since = (days - starts.astype("datetime64[D]")) / np.timedelta64(1, "D")
    return np.where(np.isnat(days), np.nan, 1970 + starts.astype(np.int64) + since / 365.25)
