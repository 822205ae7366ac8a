"""The logistic regression of refusal on the factors of a study, as in the paper's Table 7."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from scipy import special, stats

from refusal_metrics.errors import InputError, unknown_name

from ...arrays import CONFIDENCE, Floats
from ...counts import TextCounts
from ...statistics import (
    Estimator,
    Separation,
    find_separation,
    find_shift,
    holm,
    log_likelihood_of,
    maximise,
    student,
    zero_count_bound,
)
from .coefficients import Estimate, estimate_coefficients
from .design_matrix import Data, prepare
from .notes import estimate_notes, estimator_note, separation_notes

if TYPE_CHECKING:
    from statsmodels.genmod.generalized_linear_model import GLMResultsWrapper

COLUMNS = ("factor", "level", "coef", "se", "ci_low", "ci_high", "p_value", "p_adjusted", "estimator", "separated")
INTERCEPT = "(Intercept)"


@dataclass(frozen=True)
class Fit:
    r"""A logistic regression of refusal.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns `COLUMNS`: log odds ratios against the reference levels, text-clustered standard
        errors, 95% confidence intervals and p-values of t with G - 1 degrees of freedom, and p-values
        adjusted by Holm's method within the factor. The factor of an interaction reads
        ``persona:task`` and its level ``Black:nli``; the intercept's level is empty. Where
        `separated`, no finite maximum likelihood estimate exists; see `fit`.
    wald : pandas.DataFrame
        Columns ``factor, statistic, df, p_value``: whether all coefficients of a term are 0, but for
        the separated ones. The statistic is :math:`b^\top V^{-1} b`, compared like Hotelling's
        :math:`T^2` of G texts.
    effects : pandas.DataFrame
        Columns ``factor, level, estimate, ci_low, ci_high``: average marginal effects, differences
        of probabilities from the reference level in [-1, 1].
    pseudo_r2 : float
        McFadden's, from the log-likelihood of single responses.
    estimator : str
        ``mle``, ``firth`` or ``ridge``.
    penalty : float or None
        Of ridge.
    gradient : float
        The largest component of the score at the optimum, by response.
    references : dict of str to str
        The reference level of each factor.
    n, n_texts : int
        Responses, and texts they are about.
    notes : tuple of str
        Notes about the estimates, in sentences.
    data : Data
        What was fitted.
    estimated : Estimate
        The coefficients with their covariance; of separated ones the limit of maximum likelihood.
    """

    table: pd.DataFrame
    wald: pd.DataFrame
    effects: pd.DataFrame
    pseudo_r2: float
    estimator: Estimator
    penalty: float | None
    gradient: float
    references: dict[str, str]
    n: int
    n_texts: int
    notes: tuple[str, ...]
    data: Data = field(repr=False, compare=False)
    estimated: Estimate = field(repr=False, compare=False)

    def to_statsmodels(self) -> "GLMResultsWrapper":
        """Return the regression as a results object of statsmodels.

        Returns
        -------
        statsmodels.genmod.generalized_linear_model.GLMResultsWrapper
            A binomial GLM of the counts of the cells with the coefficients of `table` and their text-clustered
            covariance, so that ``summary()``, ``params``, ``bse``, ``conf_int()``, ``cov_params()``, ``t_test()`` and
            ``wald_test()`` work. Its observations are cells. Columns are named ``persona[T.Black]``. A separated
            coefficient has a standard error of nan, and ``wald_test`` refuses it. Log-likelihoods are of counts, and
            so differ by a constant from those of single responses, which `pseudo_r2` uses. Tests of several
            coefficients are F with G - 1 denominator degrees of freedom; those of `wald` are Hotelling's.
        """
        from .statsmodels_results import build_results  # noqa: PLC0415 - statsmodels takes a second

        return build_results(
            self.data,
            self.table,
            self.estimated.covariance,
            max(self.estimated.n_texts - 1, 1),
            self.estimator,
            converged=self.estimated.converged,
        )


def fit(
    counts: TextCounts,
    formula: str | Sequence[str],
    *,
    estimator: Estimator | None = None,
    references: Mapping[str, str] | None = None,
    penalty: float = 1.0,
) -> Fit:
    r"""Fit a logistic regression of refusal, with errors clustered by text.

    If a level never (or always) refuses, or more generally if the data are separated, some
    coefficients have no finite maximum likelihood estimate. Such a coefficient is Firth's (under
    ridge: ridge's), without standard error and p-value. Its interval is open to one side; to the
    other it ends where the mean rate of its G texts would be :math:`1 - .05^{1/G}`, the one-sided
    95% bound for no refusals in G independent texts, given the other coefficients.

    Parameters
    ----------
    counts : TextCounts
        Of the persona setting, by the factors of the formula or more.
    formula : str or sequence of str
        E.g. ``"persona * task + model"``, see `design_matrix.parse_formula`.
    estimator : {"mle", "firth", "ridge"}, optional
        By default maximum likelihood, or Firth's penalised likelihood if there is no finite estimate. If maximum
        likelihood is requested nevertheless, finite coefficients are its limit.
    references : mapping of str to str, optional
        Reference levels; by default the paper's, else the most frequent.
    penalty : float
        For ridge: half of it times the sum of squared coefficients, without the intercept, is subtracted from the
        log-likelihood; 1/C in scikit-learn.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        For a malformed formula, unknown names, a penalty that is not positive, or data without
        any, or with nothing but, refusals.

    References
    ----------
    Firth 1993, doi:10.1093/biomet/80.1.27. Kosmidis and Firth 2021, doi:10.1093/biomet/asaa052.
    Konis 2007, DPhil thesis, Oxford. Albert and Anderson 1984, doi:10.1093/biomet/71.1.1. Liang and
    Zeger 1986, doi:10.1093/biomet/73.1.13. McFadden 1974, Conditional logit analysis of qualitative
    choice behavior, in Zarembka (ed.), Frontiers in Econometrics.
    """
    if estimator is not None and estimator not in get_args(Estimator):
        raise unknown_name("estimator", estimator, get_args(Estimator))
    if not 0 < penalty < math.inf:
        raise InputError(f"the penalty is {penalty}: it must be a positive number")
    data, notes = prepare(counts, formula, references or {})
    separation = find_separation(data.x, data.n, data.k)
    used: Estimator = estimator or ("firth" if separation.coefficients.any() else "mle")
    estimate = estimate_coefficients(data, separation, used, penalty)
    table = _table(data, separation, estimate, used)
    effects = _effects(data, separation, estimate)
    total, refused = data.n.sum(), data.k.sum()
    null = log_likelihood_of(np.full(1, special.logit(refused / total)), np.array([total]), np.array([refused]))
    notes = [
        estimator_note(used, penalty, chosen=estimator is not None),
        *notes,
        *estimate_notes(estimate),
        *separation_notes(data, separation, table, used),
    ]
    if effects["estimate"].isna().any():
        notes.append("Effects are missing where they would need combinations of levels that do not occur.")
    return Fit(
        table=table,
        wald=_wald(data, separation, estimate),
        effects=effects,
        pseudo_r2=1 - estimate.log_likelihood / null,
        estimator=used,
        penalty=penalty if used == "ridge" else None,
        gradient=estimate.gradient,
        references={factor: levels[0] for factor, levels in data.design.levels.items()},
        n=int(total),
        n_texts=int(np.count_nonzero(data.text_n.sum(axis=1))),
        notes=tuple(notes),
        data=data,
        estimated=estimate,
    )


def _table(data: Data, separation: Separation, estimate: Estimate, estimator: Estimator) -> pd.DataFrame:
    separated = separation.coefficients
    variance = np.diag(estimate.covariance)
    # A variance of 0, up to rounding, cannot be used.
    se = np.sqrt(np.where(separated | (variance < 1e-20), np.nan, variance))
    coef = estimate.coef.copy()
    if estimator == "mle" and separated.any():
        firth = maximise(data.x, data.n, data.k, estimator="firth")
        coef[separated] = firth.coef[separated] if firth.converged else np.nan
    freedom = max(estimate.n_texts - 1, 1)
    half = student(CONFIDENCE, freedom) * se
    low, high = coef - half, coef + half
    for j in np.flatnonzero(separated):
        bound, sign = _bound(data, separation, estimate.coef, int(j)), separation.sign[j]
        low[j], high[j] = (-np.inf, bound) if sign < 0 else (bound, np.inf) if sign > 0 else (np.nan, np.nan)
    table = pd.DataFrame(
        {
            "factor": [":".join(term) or INTERCEPT for term, _ in data.columns],
            "level": [":".join(levels) for _, levels in data.columns],
            "coef": coef,
            "se": se,
            "ci_low": low,
            "ci_high": high,
            "p_value": 2 * stats.t.sf(np.abs(coef / se), freedom),
        }
    )
    table["p_adjusted"] = table.groupby("factor", sort=False)["p_value"].transform(holm)
    table["estimator"] = np.where(separated & (estimator == "mle"), "firth", estimator)
    table["separated"] = separated
    return table[list(COLUMNS)]


def _bound(data: Data, separation: Separation, coef: Floats, j: int) -> float:
    """Convert the bound on the rate of a level that never (or always) refuses to a bound on its coefficient."""
    cells = data.x[:, [j]].toarray()[:, 0] > 0
    n, k = data.n[cells], data.k[cells]
    pure = (k == 0) if separation.sign[j] < 0 else (k == n)
    term = data.columns[j][0]
    x = data.x[cells]
    rivals = separation.coefficients & (x.sum(axis=0) > 0)
    rivals[j] = False
    # Another separated coefficient of the same factor in these cells would share the bound with this one.
    shared = any(set(term) & set(data.columns[i][0]) for i in np.flatnonzero(rivals))
    if not separation.sign[j] or not term or not pure.all() or shared:
        return math.nan
    eta = x @ coef - coef[j]
    n_texts = np.count_nonzero(data.text_n @ cells.astype(np.float64))
    rate = float(zero_count_bound(n_texts, 1 - CONFIDENCE))
    return find_shift(eta, n, rate if separation.sign[j] < 0 else 1 - rate)


def _wald(data: Data, separation: Separation, estimate: Estimate) -> pd.DataFrame:
    rows = []
    for term in data.design.terms:
        tested = np.array([column[0] == term for column in data.columns]) & ~separation.coefficients
        df = int(tested.sum())
        statistic = p_value = math.nan
        covariance = estimate.covariance[np.ix_(tested, tested)]
        if 0 < df < estimate.n_texts and np.linalg.matrix_rank(covariance, hermitian=True) == df:
            coef = estimate.coef[tested]
            statistic = float(coef @ np.linalg.solve(covariance, coef))
            rest = estimate.n_texts - df
            p_value = float(stats.f.sf(statistic / df * rest / (estimate.n_texts - 1), df, rest))
        rows.append({"factor": ":".join(term), "statistic": statistic, "df": df, "p_value": p_value})
    return pd.DataFrame(rows, columns=["factor", "statistic", "df", "p_value"])


def _effects(data: Data, separation: Separation, estimate: Estimate) -> pd.DataFrame:
    """Average the effect of a level compared with the reference over the observed cells; delta method."""
    quantile = float(student(CONFIDENCE, max(estimate.n_texts - 1, 1)))
    separated = {column for column, is_so in zip(data.columns, separation.coefficients, strict=True) if is_so}
    rows = []
    for factor in data.design.factors:
        base, base_slope = _mean_rate(data, estimate.coef, factor, 0)
        for code, level in enumerate(data.design.levels[factor][1:], start=1):
            mean, slope = _mean_rate(data, estimate.coef, factor, code)
            slope = slope - base_slope
            variance = float(slope @ estimate.covariance @ slope)
            known = ((factor,), (level,)) not in separated and variance > 1e-20
            half = quantile * math.sqrt(variance) if known else math.nan
            effect = mean - base
            rows.append((factor, level, effect, effect - half, effect + half))
    return pd.DataFrame(rows, columns=["factor", "level", "estimate", "ci_low", "ci_high"])


def _mean_rate(data: Data, coef: Floats, factor: str, code: int) -> tuple[float, Floats]:
    """Compute the mean rate if all cells had one level, and its gradient; nan if it is not identified."""
    x = data.design.matrix({**data.codes, factor: np.full(len(data.n), code)})
    inside = x[:, data.kept]
    if abs(x[:, ~data.kept].toarray() - inside @ data.combination).max(initial=0.0) > 1e-7:
        return math.nan, np.full(len(coef), np.nan)
    eta = inside @ coef
    weight = data.n / data.n.sum()
    mu = special.expit(eta)
    return float(weight @ mu), inside.T @ (weight * mu * special.expit(-eta))


# Sentences.
