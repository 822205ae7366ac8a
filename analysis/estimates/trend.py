"""Whether personas matter less to newer or more capable models, with standard errors.

Models differ in more than the column they are compared by, and those of one family are alike in
more: the estimates describe the models studied, and identify no cause. The errors of
models that were asked about the same texts are taken as independent.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from refusal_metrics.errors import InputError

from ..arrays import CONFIDENCE, Floats
from ..counts import Counts, TextCounts, count_by_text
from ..statistics import cluster_correction, clustered_covariance, clustered_variance, maximise, student
from .arms import take_cells
from .model_properties import look_up
from .regression.design_matrix import prepare

MODELS = (
    "model", "family", "value", "variance", "se", "spread", "ci_low", "ci_high", "log_odds", "log_odds_se",
    "n", "n_texts", "n_refused",
)  # fmt: skip
TRENDS = (
    "outcome", "family", "column", "slope", "se", "ci_low", "ci_high", "p_value", "between_sd",
    "n_models", "n_families",
)  # fmt: skip
OUTCOMES = {"variance": "common_se", "log_odds": "log_odds_se"}
"""The regressed columns, and the columns of their errors."""

_FEW_FAMILIES = 10
"""With fewer clusters, cluster-robust errors are known to be too small."""

_FEWEST_MODELS = 3
_ROUNDS = 10
_FEW_REFUSALS = 5
"""With fewer refusals (or other responses) per persona, the spread is underestimated in simulations."""


@dataclass(frozen=True)
class Trend:
    """The relation between the spread of persona effects and a property of models.

    Attributes
    ----------
    models : pandas.DataFrame
        One row a model, columns `MODELS`: the property (``value``; a date in years), the variance of
        its persona effects on the log-odds scale without their sampling error (it can be negative),
        its standard error, its root ``spread`` (0 for a negative one) with a 95% confidence interval, and the log-odds
        of refusal. The run factors follow the model.
    trends : pandas.DataFrame
        One row a regression, columns `TRENDS`: how ``variance`` and ``log_odds`` change per unit of
        the property (dates: per year), over all models (``family`` empty) and within each family,
        for each combination of the run factors (after ``outcome``).
    notes : tuple of str
        Notes about the estimates.
    """

    models: pd.DataFrame
    trends: pd.DataFrame
    notes: tuple[str, ...]


def estimate_trend(
    counts: Counts, column: str = "released", properties: Path | None = None, run_factors: Sequence[str] = ()
) -> Trend:
    r"""Regress the spread of persona effects on a property of models.

    A model's persona effects are the coefficients of its own logistic regression on persona,
    template and task (Firth's, which are finite also where a persona was never refused), centred at
    their mean; models with fewer than 5 refusals a persona are left out. With V their covariance
    (the larger of text-clustered and model-based, because the former collapses where a persona was
    hardly ever refused), their variance is estimated as
    :math:`(e^\top e - \operatorname{tr} V) / (A - 1)` over A personas, and its sampling variance as
    :math:`(4 e^\top V e + 2 \operatorname{tr} V^2) / (A - 1)^2`. The regression weighs models by the
    variance between them (DerSimonian and Laird's moment estimate) and by the sampling variance they
    would have if all had the same spread, :math:`\sigma^2 \operatorname{tr} V` standing for
    :math:`e^\top V e`: a model's own error grows with its estimate, so that small estimates would count most. Errors of
    slopes are clustered by family, with one degree of freedom fewer than families; within a family, they follow from
    the weights.

    Log odds ratios are of rates over all texts. They are closer to 0 than those within texts, the more so the more
    texts differ and the closer the rate is to one half.

    Parameters
    ----------
    counts : Counts
        Of the persona setting.
    column : str
        A date or a number.
    properties : Path, optional
        See `read_properties`.
    run_factors : sequence of str
        A trend is estimated for each combination of their levels.

    Returns
    -------
    Trend

    Raises
    ------
    InputError
        If the file or column cannot be read, a factor is unknown, or there are no three models that can be
        compared.

    References
    ----------
    Hedges 1983, doi:10.1037/0033-2909.93.2.388. DerSimonian and Laird 1986,
    doi:10.1016/0197-2456(86)90046-2. Cameron and Miller 2015, doi:10.3368/jhr.50.2.317.
    """
    counts.check_factors(run_factors)
    known, notes = look_up(counts.levels["model"], column, properties)
    settings, of_entry = counts.cell(list(dict.fromkeys(run_factors)))
    models, trends, too_few = [], [], []
    for at, setting in enumerate(settings.to_dict("records")):
        compared, left_out = _effects_of_all(counts.take(of_entry == at), known)
        where = " and ".join(f"{factor} {level}" for factor, level in setting.items())
        notes += [f"With {where}: {note}" if where else note for note in left_out]
        if len(compared) < _FEWEST_MODELS:
            too_few.append(f"with {where} {len(compared)}" if where else f"{len(compared)}")
            continue
        models.append(_insert(compared[list(MODELS)], "model", setting))
        found = pd.DataFrame(list(_regress_all(compared, column)), columns=list(TRENDS))
        trends.append(_insert(found, "outcome", setting))
        if (n_families := compared["family"].nunique()) < _FEW_FAMILIES:
            families = f"{n_families} famil{'y' if n_families == 1 else 'ies'}"
            rough = f"with so few clusters intervals and p-values over all {'its' if where else ''} models are rough."
            notes.append(f"The models {f'with {where} ' if where else ''}come from {families}: {rough}")
    needed = (
        f"a trend over {column} needs at least {_FEWEST_MODELS} models, and {', '.join(too_few) or '0'} can be used"
    )
    if not models:
        raise InputError(f"{needed}; {' '.join(notes)}")
    if too_few:
        notes.append(f"{needed[0].upper()}{needed[1:]}.")
    notes.append(f"Models differ in more than {column}: this describes the models studied and identifies no cause.")
    return Trend(pd.concat(models, ignore_index=True), pd.concat(trends, ignore_index=True), tuple(notes))


def _effects_of_all(counts: Counts, known: Mapping[str, tuple[str, float]]) -> tuple[pd.DataFrame, list[str]]:
    """Estimate each model's variance of persona effects; report models without an estimate."""
    rows, notes = [], []
    factors = [name for name in ("persona", "template", "task") if name in counts.levels]
    counts = counts.take(np.all([counts.codes[name] >= 0 for name in ("model", *factors)], axis=0))
    whole = count_by_text(counts, ["model", *factors])
    for model, (family, value) in known.items():
        own = take_cells(whole, (whole.cells["model"] == model).to_numpy())
        row = _effects_of(own, factors) if len(own.cells) else "was not run"
        if isinstance(row, str):
            notes.append(f"{model} left out: it {row}.")
        else:
            rows.append({"model": model, "family": family, "value": value} | row)
    if not rows:
        return pd.DataFrame(columns=list(MODELS)), notes
    models = pd.DataFrame(rows).sort_values(["family", "value", "model"], ignore_index=True)
    return models.assign(common_se=_common_errors(models)), notes


def _insert(table: pd.DataFrame, after: str, setting: Mapping[Hashable, str | None]) -> pd.DataFrame:
    """Insert the levels of the run factors after a column."""
    table = table.copy()
    for at, (factor, level) in enumerate(setting.items(), start=list(table.columns).index(after) + 1):
        table.insert(at, factor, level)
    return table


def _effects_of(counts: TextCounts, factors: Sequence[str]) -> dict[str, float] | str:
    """Estimate the variance of one model's persona effects, and its log-odds of refusal; or report why not."""
    n, k, n_texts = int(counts.n.sum()), int(counts.n_refused.sum()), int((counts.n.sum(axis=1) > 0).sum())
    n_personas = counts.cells["persona"].nunique() if "persona" in factors else 1
    if n_personas < 2:
        return "was not asked as two personas"
    if n_texts < 2:
        return "was not asked about two texts"
    if min(k, n - k) < _FEW_REFUSALS * n_personas:
        what = "refusals" if k < n - k else "responses that are no refusals"
        return f"has {min(k, n - k):,} {what}, and {_FEW_REFUSALS} for each of {n_personas} personas are needed"
    data, _ = prepare(counts, factors, {})
    fitted = maximise(data.x, data.n, data.k, estimator="firth")
    if not fitted.converged:
        return "has persona effects whose estimation did not converge"
    covariance, _ = clustered_covariance(data.x, data.x @ fitted.coef, data.text_n, data.text_k, fitted.curvature)
    own = np.array([term == ("persona",) for term, _ in data.columns])
    # The reference persona's effect is 0 without error.
    centre = np.eye(n_personas) - 1 / n_personas
    effects = centre @ np.r_[0.0, fitted.coef[own]]
    inverse = np.linalg.inv(fitted.curvature)
    v = centre @ np.pad(_larger(covariance[np.ix_(own, own)], inverse[np.ix_(own, own)]), ((1, 0), (1, 0))) @ centre
    noise, noise_square = float(np.trace(v)), float(np.trace(v @ v))
    variance = float(effects @ effects - noise) / (n_personas - 1)
    se = float(np.sqrt(4 * effects @ v @ effects + 2 * noise_square)) / (n_personas - 1)
    low, high = variance + np.array([-1, 1]) * stats.norm.ppf((1 + CONFIDENCE) / 2) * se
    of_texts = (np.asarray(part.sum(axis=1), dtype=np.float64) for part in (data.text_n, data.text_k))
    log_odds, log_odds_se = _log_odds(*of_texts)
    return {
        "variance": variance,
        "se": se,
        "spread": float(np.sqrt(max(variance, 0))),
        "ci_low": float(np.sqrt(max(low, 0))),
        "ci_high": float(np.sqrt(max(high, 0))),
        "log_odds": log_odds,
        "log_odds_se": log_odds_se,
        "n": n,
        "n_texts": n_texts,
        "n_refused": k,
        "noise": noise / (n_personas - 1),
        "noise_square": noise_square / (n_personas - 1) ** 2,
        "n_personas": n_personas,
    }


def _larger(a: Floats, b: Floats) -> Floats:
    """Return the smallest covariance of this form that bounds both: a plus the positive part of b - a."""
    values, vectors = np.linalg.eigh(b - a)
    return np.asarray(a + (vectors * np.maximum(values, 0)) @ vectors.T)


def _log_odds(n: Floats, k: Floats) -> tuple[float, float]:
    """Estimate the log-odds of refusal and their text-clustered error, from counts of texts."""
    n, k = n[n > 0], k[n > 0]
    rate = k.sum() / n.sum()
    clustered = np.sqrt(clustered_variance(np.sum((k - rate * n) ** 2), len(n))) / n.sum()
    # If all texts were refused equally often, the first is 0.
    se = max(clustered, np.sqrt(rate * (1 - rate) / n.sum()))
    return float(np.log(rate / (1 - rate))), float(se / (rate * (1 - rate)))


def _common_errors(models: pd.DataFrame) -> Floats:
    """Compute the errors of the variances if all models had the average spread of persona effects.

    A model's own error grows with its estimate, so weights from own errors favour small estimates.
    """
    noise, noise_square = models["noise"].to_numpy(), models["noise_square"].to_numpy()
    variance = models["variance"].to_numpy()
    n_effects = models["n_personas"].to_numpy() - 1
    common, errors = 0.0, np.sqrt(2 * noise_square)
    for _ in range(_ROUNDS):
        errors = np.sqrt(4 * common * noise / n_effects + 2 * noise_square)
        common = max(0.0, float(np.average(variance, weights=1 / errors**2)))
    return np.asarray(errors)


def _regress_all(models: pd.DataFrame, column: str) -> Iterator[dict[str, object]]:
    for outcome, error in OUTCOMES.items():
        yield {"outcome": outcome, "family": "", "column": column} | _regress(models, outcome, error)
        for family, own in models.groupby("family", sort=True):
            if len(own) > 2 and np.ptp(own["value"]) > 0:
                yield {"outcome": outcome, "family": family, "column": column} | _regress(own, outcome, error)


def _regress(models: pd.DataFrame, outcome: str, error: str) -> dict[str, object]:
    """Fit a random-effects meta-regression on one property."""
    from statsmodels.regression.linear_model import WLS  # noqa: PLC0415 - only a trend needs it

    y, se = models[outcome].to_numpy(), models[error].to_numpy()
    value = models["value"].to_numpy()
    x = np.column_stack([np.ones(len(y)), value - value.mean()])
    family = pd.factorize(models["family"])[0]
    n_families = int(family.max()) + 1
    result: dict[str, object] = {"n_models": len(y), "n_families": n_families}
    if np.ptp(value) == 0:
        return result | dict.fromkeys(["slope", "se", "ci_low", "ci_high", "p_value", "between_sd"], np.nan)
    between = _variance_between(x, y, 1 / se**2)
    model = WLS(y, x, weights=1 / (se**2 + between))
    if n_families > 1:
        fitted = model.fit(cov_type="cluster", cov_kwds={"groups": family, "use_correction": False})
        # statsmodels' own correction has the factor (n - 1) / (n - 2) too, which few models would make large.
        variance, freedom = cluster_correction(n_families) * fitted.cov_params()[1, 1], n_families - 1
    else:
        # The weights are inverse variances, not proportional to them.
        fitted = model.fit(cov_type="fixed scale")
        variance, freedom = fitted.cov_params()[1, 1], len(y) - 2
    slope, slope_se = float(fitted.params[1]), float(np.sqrt(variance))
    half = float(student(CONFIDENCE, freedom)) * slope_se
    return result | {
        "slope": slope,
        "se": slope_se,
        "ci_low": slope - half,
        "ci_high": slope + half,
        "p_value": float(2 * stats.t.sf(abs(slope / slope_se), freedom)) if slope_se else np.nan,
        "between_sd": float(np.sqrt(between)),
    }


def _variance_between(x: Floats, y: Floats, weights: Floats) -> float:
    """Estimate the residual variance between models, given their errors and the property, by moments."""
    from statsmodels.regression.linear_model import WLS  # noqa: PLC0415 - only a trend needs it

    fitted = WLS(y, x, weights=weights).fit()
    excess = np.sum(weights * fitted.resid**2) - fitted.df_resid
    scale = weights.sum() - np.trace(fitted.normalized_cov_params @ (x.T @ (weights[:, None] ** 2 * x)))
    return max(0.0, float(excess / scale))
