"""Rows of figures: short, distinct names, numbers in percent, and tooltips."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from ..columns import TASKS, name_level
from ..display import interval, name_levels, number, p_text, percent, plain

_LONGEST = 36
_HUB = re.compile(r"[\w.-]+/([\w.-]+)", re.ASCII)

# Fixed names for the fields of the chart: a user's names can contain dots and brackets, which Vega-Lite reads as paths.
_TITLES = {
    "model": "model",
    "task": "task",
    "setting": "setting",
    "persona": "persona",
    "persona_group": "group",
    "template": "template",
    "response_type": "response type",
    "stratum": "rating or class",
    "baseline": "compared with",
    "rule": "rule",
    "factor": "factor",
    "level": "level",
    "family": "family",
}


def natural(name: object) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts p2 before p10."""
    parts = re.split(r"(\d+)", plain(name), flags=re.ASCII)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part)


def in_order(names: Iterable[object], first: Sequence[str] = ()) -> list[str]:
    """Sort distinct names naturally, those of `first` before all."""
    found = {str(name) for name in names}
    return [name for name in first if name in found] + sorted(
        found - set(first), key=lambda name: (natural(name), name)
    )


def short_names(names: Sequence[str], longest: int = _LONGEST) -> dict[str, str]:
    """Shorten names to distinct labels of one printable line.

    Parameters
    ----------
    names : sequence of str
        Distinct.
    longest : int
        The largest number of characters; longer labels lose their middle, because names of models often differ at the
        end.

    Returns
    -------
    dict of str to str
        Name to label. The organisation before a model's name is left out if all models still differ.
    """
    bare = {name: match[1] if (match := _HUB.fullmatch(name)) else name for name in names}
    written = bare if len(set(bare.values())) == len(names) else {name: name for name in names}
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        label = wanted = _shorten(plain(written[name]), longest)
        again = 1
        while label in taken or not label:
            again += 1
            label = f"{wanted} ({again})".lstrip()
        taken.add(label)
        labels[name] = label
    return labels


def label_names(factor: str, levels: Sequence[str]) -> dict[str, str]:
    """Return distinct short labels of a factor's levels, with the names that people read."""
    names = [name_level(factor, level) for level in levels]
    distinct = names if len(set(names)) == len(names) else list(levels)
    labels = short_names(distinct)
    return {level: labels[name] for level, name in zip(levels, distinct, strict=True)}


def _shorten(name: str, longest: int) -> str:
    head = longest // 2
    return name if len(name) <= longest else f"{name[: head - 1]}\N{HORIZONTAL ELLIPSIS}{name[head - longest :]}"


def name_models(table: pd.DataFrame, run_factors: Sequence[str] = ()) -> "pd.Series[str]":
    """Return the full name of the model of each row, with its levels of the run factors: (n_rows,)."""
    named = table["model"].astype(str)
    for factor in run_factors:
        named = (
            named + f", {plain(factor)} " + table[factor].astype(object).where(table[factor].notna(), "none").map(str)
        )
    return named


def label_models(
    table: pd.DataFrame, run_factors: Sequence[str] = (), tables: Mapping[str, pd.DataFrame] | None = None
) -> tuple["pd.Series[str]", list[str]]:
    """Label the model of each row for an axis, with its levels of the run factors.

    Parameters
    ----------
    table : pandas.DataFrame
    run_factors : sequence of str
    tables : mapping of str to pandas.DataFrame, optional
        Of the study: with ``rates_by_model``, the model that refuses most comes first.

    Returns
    -------
    labels : pandas.Series
        (n_rows,) str.
    levels : list of str
        The distinct ones: by their mean rate on persona prompts, those without one last and in natural order.
    """
    models = short_names(in_order(table["model"].unique()))
    labelled = table["model"].astype(str).map(models)
    for factor in run_factors:
        values = table[factor].astype(object).where(table[factor].notna(), "none").map(str)
        labelled = labelled + f", {_shorten(plain(factor), 14)} " + values.map(short_names(in_order(values), 14))
    names = zip(*(table[name].astype(str) for name in ("model", *run_factors)), labelled, strict=True)
    rates = _mean_rates(tables or {}, run_factors)
    keys = {
        row[-1]: (-rates.get(row[:-1], -math.inf), [natural(name) for name in row]) for row in reversed(list(names))
    }
    return labelled, sorted(keys, key=keys.__getitem__)


def _mean_rates(tables: Mapping[str, pd.DataFrame], run_factors: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Return the mean rate of each model, and level of the run factors, on persona prompts."""
    rates = tables.get("rates_by_model")
    if rates is None:
        return {}
    asked = rates[(rates["setting"] == "persona") & rates["estimate"].notna()].drop_duplicates(["model", *run_factors])
    names = zip(*(asked[name].astype(str) for name in ("model", *run_factors)), strict=True)
    return dict(zip(names, asked["estimate"].astype(float), strict=True))


def label_tasks(table: pd.DataFrame) -> tuple["pd.Series[str]", list[str]]:
    """Label the task of each row; see `label_models`."""
    return label_levels(table["task"], tuple(TASKS), "task")


def label_levels(
    values: "pd.Series[str]", first: Sequence[str] = (), factor: str = ""
) -> tuple["pd.Series[str]", list[str]]:
    """Label the level of each row of another factor, with the names that people read if it has any."""
    labels = label_names(factor, in_order(values.unique(), first))
    return values.astype(str).map(labels), list(labels.values())


def order_personas(tables: Mapping[str, pd.DataFrame], found: Iterable[object]) -> list[str]:
    """Sort personas by group if it is known, so that related personas are adjacent."""
    names = in_order(found)
    rates = tables.get("rates_by_persona")
    if rates is None or "persona_group" not in rates:
        return names
    known = rates.drop_duplicates("persona").set_index("persona")["persona_group"].dropna()
    groups = {str(persona): natural(group) for persona, group in known.items()}
    return sorted(names, key=lambda name: (name not in groups, groups.get(name, ())))


def order_models(tables: Mapping[str, pd.DataFrame], found: Iterable[object]) -> list[str]:
    """Sort the names of models as `label_models` does."""
    rates = _mean_rates(tables, ())
    return sorted(in_order(found), key=lambda name: -rates.get((name,), -math.inf))


def write_factor(factor: str) -> str:
    """Return the name of a factor, or of two jointly, for people."""
    return plain(factor).replace("_", " ").replace(":", " \N{MULTIPLICATION SIGN} ")


# Tooltips.


def describe(table: pd.DataFrame, kind: str = "rate", run_factors: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the tooltips of rows.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy.
    kind : {"rate", "difference", "number"}
        The kind of its estimates: percentages, signed points, or numbers.
    run_factors : sequence of str
        Settings of runs that it is broken down by.

    Returns
    -------
    dict of str to list of str
        Heading to one text per row. Headings never contain a user's name.
    """
    table = name_levels(table)
    shown = {title: [plain(v) if pd.notna(v) else "" for v in table[c]] for c, title in _TITLES.items() if c in table}
    if "model" in table and run_factors:
        shown["model"] = [plain(name) for name in name_models(table, run_factors)]
    write, write_interval, heading = _WRITERS[kind]
    if "estimate" in table:
        shown[heading] = [write(value) for value in table["estimate"]]
        ends = zip(table["ci_low"], table["ci_high"], strict=True)
        shown["95% CI"] = [write_interval(low, high) or "none" for low, high in ends]
    for column, title in {"p_adjusted": "adjusted p", "p_value": "p"}.items():
        if column in table:
            shown[title] = [p_text(value) for value in table[column]]
    for column, title in _COUNTS.items():
        if column in table:
            shown[title] = [f"{int(n):,}" if pd.notna(n) else "" for n in table[column]]
    return shown


def take(shown: Mapping[str, Sequence[str]], at: Iterable[int]) -> dict[str, list[str]]:
    """Return the texts of some rows by position; position -1 returns empty texts."""
    places = list(at)
    return {title: ["" if i < 0 else texts[i] for i in places] for title, texts in shown.items()}


_COUNTS = {
    "n": "responses",
    "n_refused": "refused",
    "n_texts": "texts",
    "n_baseline": "baseline responses",
    "n_refused_baseline": "baseline refused",
}


def _percent(value: float) -> str:
    return f"{percent(value)}%" if not math.isnan(value) else "none"


def _points(value: float) -> str:
    return f"{percent(value, signed=True)} points" if not math.isnan(value) else "none"


def _point_interval(low: float, high: float) -> str:
    return interval(low, high, signed=True)


def _number_interval(low: float, high: float) -> str:
    if math.isnan(low) and math.isnan(high):
        return ""
    return f"[{number(low) or 'not known'}, {number(high) or 'not known'}]"


_Writer = tuple[Callable[[float], str], Callable[[float, float], str], str]
_WRITERS: dict[str, _Writer] = {
    "rate": (_percent, interval, "refused, %"),
    "difference": (_points, _point_interval, "difference"),
    "number": (number, _number_interval, "estimate"),
}


# Captions.


def count_range(values: "pd.Series[int]", name: str) -> str:
    """Return a range of counts: 12 texts, 3 to 1,200 texts."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,} {name}{'s' * (low != 1)}" if low == high else f"{low:,} to {high:,} {name}s"


def say_sizes(table: pd.DataFrame, what: str = "Each point") -> str:
    """Return a sentence on the number of responses and texts of each row of a table."""
    sizes = count_range(table["n"], "response")
    if "n_texts" in table:
        sizes += f" about {count_range(table['n_texts'], 'text')}"
    if "n_baseline" in table:
        sizes += f", compared with {count_range(table['n_baseline'], 'response')}"
    return f"{what} is based on {sizes}."
