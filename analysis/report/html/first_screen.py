"""The rates of a page's first screen, by model and task."""

import pandas as pd

from ...columns import STUDY_COLUMNS, TASKS
from ...display import interval, percent
from ..findings import of_rule
from ..layout import are_standardised, headline_rates
from ..study_tables import StudyEstimates


def headline(estimates: StudyEstimates) -> pd.DataFrame:
    """Return the rates of the first screen.

    Parameters
    ----------
    estimates : StudyEstimates

    Returns
    -------
    pandas.DataFrame
        One row per model, task and setting, and level of the run factors: only the persona setting if it was run.
        Columns: those, ``estimate, ci_low, ci_high`` of the report's detector, class-standardised if every row has a
        class-standardised rate, which ``standardised`` says, and ``refusal_rate_low, refusal_rate_high``, always raw;
        ``others`` (dict of the other detectors' names to rate and interval, as texts), ``other`` and ``empty``
        (shares of responses that are neither answer nor refusal, and of empty responses; nan if unknown),
        ``n, n_texts``.
    """
    rates = estimates.tables["rates"]
    by = [*STUDY_COLUMNS, *estimates.run_factors]
    if (rates["setting"] == "persona").any():
        rates = rates[rates["setting"] == "persona"]
    standardised = are_standardised(rates)
    rates = headline_rates(rates)
    table = of_rule(rates, estimates.rule)
    # Tasks in the order of the paper, within models in their given order.
    order = {task: place for place, task in enumerate(TASKS)}
    places = table["task"].map(order).fillna(len(order))
    models = table["model"].map({model: place for place, model in enumerate(table["model"].unique())})
    table = table.loc[pd.DataFrame({"m": models, "t": places}).sort_values(["m", "t"], kind="stable").index]
    table = table.reset_index(drop=True)
    keys = [tuple(row) for row in table[by].astype(object).itertuples(index=False)]
    others: list[dict[str, str]] = [{} for _ in keys]
    for rule in estimates.rules:
        if rule == estimates.rule:
            continue
        shown = {tuple(row[name] for name in by): _shown(row) for _, row in of_rule(rates, rule).iterrows()}
        for place, key in enumerate(keys):
            others[place][rule] = shown.get(key, "")
    table["others"] = pd.Series(others, index=table.index, dtype=object)
    table["standardised"] = standardised
    return _with_outcomes(table, estimates.tables.get("outcomes"))


def _shown(row: "pd.Series[float]") -> str:
    return f"{percent(row['estimate'])} {interval(row['ci_low'], row['ci_high'])}".strip()


def _with_outcomes(table: pd.DataFrame, outcomes: pd.DataFrame | None) -> pd.DataFrame:
    if outcomes is None:
        return table.assign(other=float("nan"), empty=float("nan"))
    study = list(STUDY_COLUMNS)
    if table.duplicated(study).any():
        # The rates are broken down by run factors, the outcomes are not.
        return _with_outcomes(table, None)
    shares = outcomes[study].assign(
        other=outcomes["n_other"] / outcomes["n"], empty=outcomes["n_empty"] / outcomes["n"]
    )
    return table.merge(shares, how="left", on=study)
