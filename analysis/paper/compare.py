"""The paper's published numbers compared with measured ones."""

import math
from collections.abc import Mapping

import pandas as pd

from .published import REFERENCES, load_published, match_model
from .tables import of_personas

COMPARISON = (
    *("source", "model", "published_model", "task", "response_type", "term", "rule"),
    *("published", "estimate", "ci_low", "ci_high", "agrees", "note"),
)
"""The columns of `compare_published`."""


# Half a unit of the last printed digit: 0.01 percent, 0.01 of a coefficient.
_HALF_UNIT_RATE, _HALF_UNIT_COEFFICIENT = 0.00005, 0.005


def compare_published(tables: Mapping[str, pd.DataFrame], references: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Compare the paper's numbers with measured ones.

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
        The regression's reference level of each factor; without it, the paper's are assumed if nothing else is
        possible.

    Returns
    -------
    pandas.DataFrame
        Columns `COMPARISON`. ``published``, ``estimate`` and the interval are probabilities in
        [0, 1], or coefficients in log odds for Table 7. ``agrees`` shows whether the interval, widened by
        half a unit of the last printed digit, contains the published number; None if there is no interval, the paper is
        blank, or a coefficient has another meaning: it is relative to another reference level, or the regression has
        interactions. Empty where no model matches.
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
    # Sums of decimals are not exact; a number on the bound counts as inside.
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
    regression = of_personas(regression)
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
    # Why a coefficient does not have the meaning of the paper's.
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
    """Return whether a factor's coefficients are certainly relative to the paper's reference level."""
    wanted = REFERENCES[factor]
    if references is not None:
        given = references.get(factor, "")
        return (match_model(given) if factor == "model" else given) == wanted
    printed = load_published("table7")
    others = set(printed.loc[printed["factor"] == factor, "term"])
    return wanted not in terms and (others <= terms or (factor == "model" and wanted in models))
