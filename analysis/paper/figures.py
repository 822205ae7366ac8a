"""Measured data of the paper's figures, one tidy table per figure."""

from collections.abc import Mapping

import pandas as pd

_KEPT = ["rule", "estimate", "ci_low", "ci_high", "n", "n_refused"]


def paper_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the measured data of the paper's figures.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `refusal_metrics.analysis.report.study_tables.StudyEstimates`.

    Returns
    -------
    dict of str to pandas.DataFrame
        For those that were measured: ``figure1`` (persona against persona-free prompts, by model and
        task), ``figure2`` (each persona's rate, the mean over tasks: its mean, smallest and largest over
        models), ``figures3_7_8_9`` (models by personas), ``figures4_10_11`` (models by response types),
        ``figure5`` (sensitivity indices of the whole study) and ``figure6`` (regression coefficients).
        Rates are probabilities in [0, 1].
    """
    figures = {
        "figure1": _against_persona_free(tables["contrasts"]),
        "figures4_10_11": _persona_setting(tables.get("rates_by_response_type"), ["model", "task", "response_type"]),
    }
    by_persona = _persona_setting(tables.get("rates_by_persona"), ["model", "task", "persona"])
    if by_persona is not None:
        figures |= {"figure2": _over_models(by_persona), "figures3_7_8_9": by_persona}
    if "sensitivity" in tables:
        whole = tables["sensitivity"]
        figures["figure5"] = whole[whole["model"] == ""].drop(columns=["model", "task"])
    figures["figure6"] = tables.get("regression")
    measured = {name: table for name, table in figures.items() if table is not None and len(table)}
    return dict(sorted(measured.items()))


def _against_persona_free(contrasts: pd.DataFrame) -> pd.DataFrame:
    own = contrasts[contrasts["baseline"] == "persona-free"]
    rates = {
        "rate_persona": own["n_refused"] / own["n"],
        "rate_persona_free": own["n_refused_baseline"] / own["n_baseline"],
    }
    kept = [*_KEPT, "n_baseline", "n_refused_baseline"]
    return own[["model", "task", *kept]].assign(**rates).reset_index(drop=True)


def _persona_setting(rates: pd.DataFrame | None, by: list[str]) -> pd.DataFrame | None:
    if rates is None:
        return None
    asked = rates[rates["setting"] == "persona"].dropna(subset=by[-1])
    return asked[[*by, *_KEPT]].reset_index(drop=True)


def _over_models(by_persona: pd.DataFrame) -> pd.DataFrame:
    """Average over tasks, then summarize over models."""
    of_model = by_persona.groupby(["rule", "persona", "model"], sort=True)["estimate"].mean()
    over = of_model.groupby(["persona", "rule"], sort=True).agg(["mean", "min", "median", "max", "size"])
    return over.rename(columns={"size": "n_models"}).reset_index()
