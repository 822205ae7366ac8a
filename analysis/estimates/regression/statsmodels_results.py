"""A regression as a results object of statsmodels; imported only if somebody asks for one."""

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM, GLMResults, GLMResultsWrapper

from ...arrays import Bools, Floats
from .design_matrix import Data


class ClusteredResults(GLMResults):  # type: ignore[misc] # statsmodels has no types
    """Results of a binomial GLM whose coefficients and text-clustered covariance were estimated here.

    A coefficient without a finite maximum likelihood estimate has no variance: its standard error is nan, and a Wald
    test that involves it is refused by statsmodels.
    """

    remarks: tuple[str, ...] = ()

    def cov_params(self, r_matrix: Any = None, **options: Any) -> Any:  # noqa: ANN401 - as in statsmodels
        """Return the covariance of coefficients, or of linear combinations of them.

        A coefficient without a variance matters only to the combinations that it is part of.
        """
        unknown = np.isnan(np.diag(self.normalized_cov_params))
        if r_matrix is None or not unknown.any():
            return super().cov_params(r_matrix=r_matrix, **options)
        rows = np.atleast_2d(np.asarray(r_matrix, dtype=np.float64))
        known = np.nan_to_num(self.normalized_cov_params)
        covariance = np.array(super().cov_params(r_matrix=rows, **{**options, "cov_p": known}))
        involved = (rows[:, unknown] != 0).any(axis=1)
        covariance[involved] = np.nan
        covariance[:, involved] = np.nan
        return covariance

    def summary(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - the same
        """Summarize the results, with notes on the standard errors."""
        summary = super().summary(*args, **options)
        summary.add_extra_txt(list(self.remarks))
        return summary


def build_results(
    data: Data, table: pd.DataFrame, covariance: Floats, freedom: int, estimator: str, *, converged: bool
) -> GLMResultsWrapper:
    """Build a results object of statsmodels around estimates.

    Parameters
    ----------
    data : Data
    table : pandas.DataFrame
        The coefficients, see `refusal_metrics.analysis.estimates.regression.fit.Fit`.
    covariance : (n_columns, n_columns) array of float
        Clustered by text.
    freedom : int
        Degrees of freedom of Student's t: texts minus 1.
    estimator : str
    converged : bool

    Returns
    -------
    statsmodels.genmod.generalized_linear_model.GLMResultsWrapper
        See `refusal_metrics.analysis.estimates.regression.fit.Fit.to_statsmodels`.
    """
    names = [_name(factors, levels) for factors, levels in data.columns]
    outcomes = pd.DataFrame({"refused": data.k, "other": data.n - data.k})
    model = GLM(outcomes, pd.DataFrame(data.x.toarray(), columns=names), family=Binomial())
    unknown: Bools = table["se"].isna().to_numpy()
    own = covariance.copy()
    own[unknown] = np.nan
    own[:, unknown] = np.nan
    results = ClusteredResults(model, table["coef"].to_numpy(), own, 1.0, use_t=True)
    results.df_resid_inference = freedom
    results.cov_type = "cluster"
    results.cov_kwds = {"description": "Standard errors are clustered by text."}
    results.method, results.converged = estimator, converged
    results.fit_history = {"iteration": 0, "params": [], "deviance": []}
    remarks = [f"Standard errors are clustered by text; t with {freedom:,} degrees of freedom."]
    if unknown.any():
        listed = ", ".join(name for name, is_unknown in zip(names, unknown, strict=True) if is_unknown)
        remarks.append(f"Not estimable, so without a standard error: {listed}.")
    results.remarks = tuple(remarks)
    return GLMResultsWrapper(results)


def _name(factors: tuple[str, ...], levels: tuple[str, ...]) -> str:
    """Return the name of a column as in formulaic and patsy: ``persona[T.Black]:task[T.nli]``."""
    return ":".join(f"{f}[T.{level}]" for f, level in zip(factors, levels, strict=True)) or "Intercept"
