"""The paper's printed numbers beside measured ones, and measured numbers in the layout of its tables."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import pandas as pd

from refusal_metrics.errors import unknown_name

from ..columns import TASKS
from ..display.numbers import percent
from . import data as published

COMPARISON = (
    *("source", "model", "published_model", "task", "response_type", "term", "rule"),
    *("published", "estimate", "ci_low", "ci_high", "agrees", "note"),
)
"""The columns of `compare_published`."""

REFERENCES = {"persona": "atheist", "template": "p1", "task": "nli", "model": "Llama2-13B"}
"""Table 7's reference level of each factor, in the order of the table."""

# Half a unit of the last printed digit: 0.01 of a percentage, 0.01 of a coefficient.
_HALF_UNIT_RATE, _HALF_UNIT_COEFFICIENT = 0.00005, 0.005


def load_published(name: str) -> pd.DataFrame:
    """Load a table of the paper as it is printed.

    Parameters
    ----------
    name : {"figures_4_10_11", "models", "table1", "table5", "table6", "table7"}

    Returns
    -------
    pandas.DataFrame
        Rates (``refusal_pct``) in percent, nan where the paper is blank; coefficients in log odds.
        The column ``note`` says what is doubtful about a number and is otherwise empty.

    Raises
    ------
    InputError
        For any other name.

    References
    ----------
    Plaza-del-Arco et al. 2025, arXiv:2509.08075; ``published/README.md`` says what each file is.
    """
    folder = files(published)
    names = sorted(file.name.removesuffix(".csv") for file in folder.iterdir() if file.name.endswith(".csv"))
    if name not in names:
        raise unknown_name("published table", name, names)
    with folder.joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype={"version": str, "released": str, "note": str})
    return table.fillna({"note": ""}) if "note" in table else table


def match_model(name: str) -> str | None:
    """Find which of the paper's models a logged name stands for.

    Parameters
    ----------
    name : str
        A name on the hub, the path or name of a folder called like one, or the paper's own name.

    Returns
    -------
    str or None
        The paper's name, e.g. ``"Llama2-7B"``. None for other sizes and versions, quantised variants
        and base models. "Qwen2-7B" alone is the paper's name, "Qwen/Qwen2-7B" a base model; the
        paper's names match only as they are written, because "gemma-2b" is a base model too.
    """
    name = name.strip()
    patterns = _hub_patterns()
    if name in patterns:
        return name
    # A cache folder of the hub: models--google--gemma-2b-it/snapshots/<commit>.
    folder = re.sub(r"(?:[/\\]|__)snapshots(?:[/\\]|__)\w+$", "", name.rstrip("/\\"))
    # The harness writes "__" for "/" where it names a folder after a model.
    last = re.split(r"[/\\]|__|--", folder)[-1].lower().replace("_", "-")
    return next((model for model, pattern in patterns.items() if pattern.fullmatch(last)), None)


@cache
def _hub_patterns() -> dict[str, re.Pattern[str]]:
    patterns = {}
    for row in load_published("models").astype(str).to_dict("records"):
        maker = "(?:meta-)?" if row["family"] == "Llama" else ""
        # The first Gemma bears no version.
        version = "" if row["model"].startswith("Gemma-") else f"-?{re.escape(row['version'])}"
        tuned = row["hub"].lower().removesuffix("-hf").rpartition("-")[2]
        pattern = f"{maker}{row['family'].lower()}{version}-{row['parameters_b']}b-{tuned}(?:-hf)?"
        patterns[row["model"]] = re.compile(pattern)
    return patterns


def compare_published(tables: Mapping[str, pd.DataFrame], references: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Set the paper's numbers beside measured ones.

    Only the persona setting is compared, and only models that `match_model` knows. Two measured
    models that match the same one are both shown.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Any of ``rates`` (``model, task, setting, rule, estimate, ci_low, ci_high, ...``, for Table 1),
        ``rates_by_response_type`` (the same with ``response_type``, for Figures 4, 10 and 11) and
        ``regression`` (``factor, level, coef, ci_low, ci_high, ...``, for Table 7). Others are passed
        over.
    references : mapping of str to str, optional
        The regression's reference level of each factor; without it, the paper's are taken for them
        where nothing else is possible.

    Returns
    -------
    pandas.DataFrame
        Columns `COMPARISON`. ``published``, ``estimate`` and the interval are probabilities in
        [0, 1], or coefficients in log odds for Table 7. ``agrees`` tells whether the interval, widened by
        half a unit of the last printed digit, holds the published number; None where there is no
        interval, the paper is blank, or a coefficient means something else: it is relative to another
        reference level, or the regression has interactions. Empty where no model matches.
    """
    models = {match_model(m) for name in ("rates", "rates_by_response_type") for m in _models(tables.get(name))}
    parts = []
    if "rates" in tables:
        printed = load_published("table1").assign(source="Table 1")
        parts.append(_rates_beside(printed, tables["rates"], ["published_model", "task"]))
    if "rates_by_response_type" in tables:
        printed = load_published("figures_4_10_11").rename(columns={"figure": "source"})
        keys = ["published_model", "task", "response_type"]
        parts.append(_rates_beside(printed, tables["rates_by_response_type"], keys))
    if "regression" in tables:
        parts.append(_coefficients_beside(tables["regression"], models, references))
    rows = [row for part in parts for row in part.reindex(columns=list(COMPARISON)).to_dict("records")]
    table = pd.DataFrame(rows, columns=list(COMPARISON))
    texts = ["model", "published_model", "task", "response_type", "term", "rule", "agrees"]
    return table.astype(dict.fromkeys(texts, object)).where(table.notna() | ~table.columns.isin(texts), None)


def _models(rates: pd.DataFrame | None) -> list[str]:
    return [] if rates is None else list(rates.loc[rates["setting"] == "persona", "model"].unique())


def _agrees(published: float, low: float, high: float, half_unit: float) -> bool | None:
    if math.isnan(published) or math.isnan(low) or math.isnan(high):
        return None
    # Sums of decimals are not exact; a bound that is hit counts as inside.
    slack = half_unit + 1e-9
    return low - slack <= published <= high + slack


def _judge(table: pd.DataFrame, half_unit: float) -> list[bool | None]:
    published, low, high = (table[name].astype(float) for name in ("published", "ci_low", "ci_high"))
    return [_agrees(*values, half_unit) for values in zip(published, low, high, strict=True)]


def _rates_beside(printed: pd.DataFrame, rates: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    measured = rates[rates["setting"] == "persona"]
    measured = measured.assign(published_model=measured["model"].map(match_model).astype(object))
    columns = [*keys, "model", "rule", "estimate", "ci_low", "ci_high"]
    printed = printed.rename(columns={"model": "published_model"}).assign(published=printed["refusal_pct"] / 100)
    both = printed.merge(measured.reindex(columns=columns).dropna(subset=["published_model"]), on=keys)
    return both.assign(agrees=pd.Series(_judge(both, _HALF_UNIT_RATE), both.index, dtype=object))


def _coefficients_beside(
    regression: pd.DataFrame, models: set[str | None], references: Mapping[str, str] | None
) -> pd.DataFrame:
    regression = _of_personas(regression)
    levels = list(zip(regression["factor"], regression["level"], strict=True))
    terms = [match_model(str(level)) if factor == "model" else level for factor, level in levels]
    paper = set(load_published("models")["model"])
    models = models | {term for (factor, _), term in zip(levels, terms, strict=True) if factor == "model"}
    if references and "model" in references:
        models = models | {match_model(references["model"])}
    if not models & paper:
        return pd.DataFrame()
    measured = regression.assign(term=pd.Series(terms, regression.index, dtype=object)).dropna(subset=["term"])
    measured = measured.reindex(columns=["factor", "level", "term", "rule", "coef", "ci_low", "ci_high"])
    printed = load_published("table7").assign(source="Table 7").rename(columns={"coef": "published"})
    both = printed.merge(measured.rename(columns={"coef": "estimate"}), on=["factor", "term"])
    is_model = both["factor"] == "model"
    both = both.assign(model=both["level"].where(is_model), published_model=both["term"].where(is_model))
    of_factor = {
        name: {term for (factor, _), term in zip(levels, terms, strict=True) if factor == name} for name in REFERENCES
    }
    # What keeps a coefficient from meaning what the paper's means.
    bars = {
        f: "" if _shares_reference(f, of_factor[f], models, references) else f"the reference here may not be {level}"
        for f, level in REFERENCES.items()
    }
    if any(":" in factor for factor, _ in levels):
        bars = dict.fromkeys(REFERENCES, "fitted with interactions")
    agrees = zip(both["factor"], _judge(both, _HALF_UNIT_COEFFICIENT), strict=True)
    both["agrees"] = pd.Series([None if bars[f] else verdict for f, verdict in agrees], both.index, dtype=object)
    mixture = "" if models == paper else "fitted to other models than the paper's 16"
    notes = zip(both["note"], both["factor"].map(bars), strict=True)
    return both.assign(note=["; ".join(filter(None, (*note, mixture))) for note in notes])


def _shares_reference(
    factor: str, terms: set[str | None], models: set[str | None], references: Mapping[str, str] | None
) -> bool:
    """Tell whether a factor's coefficients are certainly relative to the paper's reference level."""
    wanted = REFERENCES[factor]
    if references is not None:
        given = references.get(factor, "")
        return (match_model(given) if factor == "model" else given) == wanted
    printed = load_published("table7")
    others = set(printed.loc[printed["factor"] == factor, "term"])
    return wanted not in terms and (others <= terms or (factor == "model" and wanted in models))


def paper_tables(
    rates_tables: Mapping[str, pd.DataFrame],
    counts_tables: Mapping[str, pd.DataFrame],
    regression: pd.DataFrame | None = None,
) -> dict[str, pd.DataFrame]:
    """Lay measured numbers out as the paper does, the persona setting only.

    Parameters
    ----------
    rates_tables : mapping of str to pandas.DataFrame
        ``rates`` (``model, task, setting, rule, estimate, ...``).
    counts_tables : mapping of str to pandas.DataFrame
        ``counts_by_persona`` (``model, task, setting, persona, n``) and ``counts_by_template`` (the
        same with ``template``).
    regression : pandas.DataFrame, optional
        ``factor, level, coef, p_value, ...``.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables of texts, for what was given: ``table1_<rule>`` (models by tasks in percent; the last row
        is the unweighted mean over models), ``table5`` and ``table6`` (how often each persona and
        template was drawn for each task; a range where models differ), ``table7_<rule>`` (coefficients,
        the largest in size first, with a star at p < .01). Without a column ``rule`` the name has none.
        Blank where nothing was measured.
    """
    tables: dict[str, pd.DataFrame] = {}
    if "rates" in rates_tables:
        tables |= _per_rule("table1", _of_personas(rates_tables["rates"]), _table1)
    for name, factor in (("table5", "persona"), ("table6", "template")):
        counts = counts_tables.get(f"counts_by_{factor}")
        if counts is not None:
            tables[name] = _count_table(_of_personas(counts), factor, _printed_order(name, factor))
    if regression is not None:
        tables |= _per_rule("table7", _of_personas(regression), _table7)
    return tables


def _of_personas(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["setting"] == "persona"] if "setting" in table else table


def _per_rule(
    name: str, table: pd.DataFrame, lay_out: Callable[[pd.DataFrame], pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    if "rule" not in table:
        return {name: lay_out(table)}
    return {f"{name}_{rule}": lay_out(part) for rule, part in table.groupby("rule", sort=False)}


def _printed_order(name: str, column: str) -> list[str]:
    return list(load_published(name)[column].unique())


def _in_order(names: Iterable[str], printed: Sequence[str], known: Callable[[str], str | None] = str) -> list[str]:
    place = {name: i for i, name in enumerate(printed)}
    return sorted(names, key=lambda name: (place.get(known(name) or "", len(place)), name))


def _table1(rates: pd.DataFrame) -> pd.DataFrame:
    # Unlike pivot_table, pivot refuses a second rate for one cell.
    wide = rates.pivot(index="model", columns="task", values="estimate").reindex(columns=list(TASKS))  # noqa: PD010
    wide = wide.loc[_in_order(wide.index, _printed_order("models", "model"), match_model)]
    wide.loc["Mean"] = wide.mean()
    shown = wide.map(percent).rename(columns=TASKS)
    return shown.rename_axis(index="Model", columns=None).reset_index()


def _count_table(counts: pd.DataFrame, factor: str, printed: Sequence[str]) -> pd.DataFrame:
    levels = _in_order(counts[factor].dropna().unique(), printed)
    columns = {factor.capitalize(): levels}
    for task, heading in TASKS.items():
        of_task = counts[counts["task"] == task]
        # A model that was asked about the task but never with this level counts as 0.
        wide = of_task.pivot_table(index=factor, columns="model", values="n", aggfunc="sum").reindex(levels).fillna(0)
        columns[heading] = [_range(row.min(), row.max()) if len(row) else "" for _, row in wide.iterrows()]
    return pd.DataFrame(columns)


def _range(low: float, high: float) -> str:
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def _table7(regression: pd.DataFrame) -> pd.DataFrame:
    # The paper's table has no intercept.
    terms = regression[regression["factor"].isin(list(REFERENCES))]
    order = {factor: place for place, factor in enumerate(REFERENCES)}
    terms = terms.assign(place=terms["factor"].map(order), size=terms["coef"].abs())
    terms = terms.sort_values(["place", "size", "level"], ascending=[True, False, True])
    values = [
        "" if math.isnan(coef) else f"{round(coef, 2) + 0.0:.2f}{'*' if p < 0.01 else ''}"
        for coef, p in zip(terms["coef"], terms["p_value"], strict=True)
    ]
    factors = ["prompt" if factor == "template" else factor for factor in terms["factor"]]
    return pd.DataFrame({"Factor": factors, "Term": list(terms["level"]), "Coefficient": values})
