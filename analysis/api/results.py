"""Estimates of a study in a notebook that are more than one table."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import escape

from ..display import plain
from ..estimates import Fit, Sensitivity
from ..labels import Validation

if TYPE_CHECKING:
    import altair as alt

_MOST_ROWS = 30


class _Result:
    """A table with its notes."""

    title: str
    table: pd.DataFrame
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        shown = self.table.to_string(max_rows=_MOST_ROWS, index=False, float_format="{:.4g}".format)
        notes = [f"- {plain(note)}" for note in self.notes]
        return "\n".join([self.title, "", shown, *[""] * bool(notes), *notes])

    def _repr_html_(self) -> str:
        shown = self.table.to_html(max_rows=_MOST_ROWS, index=False, border=0, float_format="{:.4g}".format)
        return f"<p><strong>{escape(self.title)}</strong></p>{shown}{list_notes(self.notes)}"


def list_notes(notes: Sequence[str]) -> str:
    """Write notes as an HTML list."""
    return f"<ul>{''.join(f'<li>{escape(plain(note))}</li>' for note in notes)}</ul>" if notes else ""


class RegressionFit(_Result):
    """The logistic regression of refusal on factors, errors clustered by text; from `Study.regression`.

    Attributes
    ----------
    table : pandas.DataFrame
        Log odds ratios, one row a coefficient: ``factor, level, coef, se, ci_low, ci_high, p_value, p_adjusted,
        estimator, separated``.
    wald : pandas.DataFrame
        A test of each factor: ``factor, statistic, df, p_value``.
    effects : pandas.DataFrame
        Average marginal effects, differences of probabilities: ``factor, level, estimate, ci_low, ci_high``.
    notes : tuple of str
        Notes about the estimates.

    Examples
    --------
    >>> fit = study.regression("persona + task")
    >>> fit.table[["factor", "level"]].values.tolist()[:3]
    [['(Intercept)', ''], ['persona', 'nurse'], ['persona', 'pilot']]
    >>> fit.references
    {'persona': 'farmer', 'task': 'nli'}
    """

    def __init__(self, fit: Fit, draw: "Callable[..., alt.VConcatChart]") -> None:
        self._fit, self._draw = fit, draw
        self.table, self.wald, self.effects, self.notes = fit.table, fit.wald, fit.effects, fit.notes
        compared = ", ".join(f"{factor} {plain(level)}" for factor, level in fit.references.items())
        self.title = (
            f"Logistic regression of refusal: {fit.n:,} responses, {fit.n_texts:,} texts, pseudo R2 "
            f"{fit.pseudo_r2:.4f}; compared with {compared}"
        )

    @property
    def references(self) -> Mapping[str, str]:
        """The reference level of each factor."""
        return self._fit.references

    @property
    def pseudo_r2(self) -> float:
        """McFadden's pseudo R2, from the log-likelihood of single responses."""
        return self._fit.pseudo_r2

    @property
    def estimator(self) -> str:
        """The estimator: ``mle``, ``firth`` or ``ridge``."""
        return self._fit.estimator

    def to_statsmodels(self) -> Any:  # noqa: ANN401 - the type is statsmodels', which has none
        """Return the coefficients and their covariance as a results object of statsmodels.

        Returns
        -------
        statsmodels results
            With ``params``, ``bse``, ``cov_params()``, ``conf_int()``, ``wald_test()`` and ``summary()``.

        Examples
        --------
        >>> fit = study.regression("persona")
        >>> results = fit.to_statsmodels()
        >>> bool(abs(results.params - fit.table["coef"].to_numpy()).max() < 1e-12)
        True
        """
        return self._fit.to_statsmodels()

    def plot(self, *, effects: bool = False) -> "alt.VConcatChart":
        """Draw the coefficients, a panel a factor.

        Parameters
        ----------
        effects : bool
            Whether to draw average marginal effects, in percentage points, instead of log odds ratios.

        Returns
        -------
        altair.VConcatChart

        Raises
        ------
        InputError
            If nothing was estimated.

        Examples
        --------
        >>> chart = study.regression("persona").plot()
        >>> chart.save("coefficients.svg")  # doctest: +SKIP
        """
        return self._draw(effects=effects)


class SensitivityIndices(_Result):
    """How much refusals depend on each factor: the sensitivity index iota; from `Study.sensitivity`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an index, with its mean under permutation, interval and p-value; ``model`` and ``task`` are empty
        for the whole study.
    levels : pandas.DataFrame
        The deviation of each level's refusal rate from the overall rate.
    notes : tuple of str
        What could not be estimated.

    Examples
    --------
    >>> indices = study.sensitivity(replicates=100)
    >>> whole = indices.table[indices.table["model"] == ""]
    >>> whole["factor"].tolist()[:2]
    ['model', 'task']
    """

    def __init__(self, found: Sensitivity, factors: Sequence[str], draw: "Callable[[], alt.VConcatChart]") -> None:
        self._draw = draw
        self.table, self.levels = (_of(factors, table) for table in (found.indices, found.deviations))
        self.notes = found.notes
        self.title = "Sensitivity index (iota) of each factor: 0 if refusals do not depend on it, 1 if on nothing else"

    def plot(self) -> "alt.VConcatChart":
        """Draw the index of each factor with its permutation baseline and confidence interval.

        Returns
        -------
        altair.VConcatChart

        Raises
        ------
        InputError
            If no index could be estimated.

        Examples
        --------
        >>> chart = study.sensitivity(replicates=100).plot()
        >>> chart.save("sensitivity.svg")  # doctest: +SKIP
        """
        return self._draw()


def _of(factors: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of some factors and of their pairs; all rows if none is named."""
    if not factors:
        return table
    named = [set(factor.split(":")) <= set(factors) for factor in table["factor"]]
    return table[named].reset_index(drop=True)


class DetectorValidation(_Result):
    """How well detectors find the refusals that people see; from `Study.validate`.

    Attributes
    ----------
    table : pandas.DataFrame
        Precision, recall, F1 and kappa of each detector, over all items (``factor`` empty) and by slice.
    confusion : pandas.DataFrame
        How often a detector gave each outcome to refusals and to other responses.
    gaps : pandas.DataFrame
        How far a detector's error rates differ between personas.
    notes : tuple of str
        How the labels were read.

    Examples
    --------
    >>> import pandas as pd
    >>> labels = pd.DataFrame({"response": ["I'm sorry, I can't.", "Not offensive."], "refusal": ["yes", "no"]})
    >>> validation = study.validate(labels, detector="prefix")
    >>> validation.table.loc[validation.table["factor"] == "", ["detector", "precision", "recall"]].values.tolist()
    [['prefix', 1.0, 1.0]]
    """

    def __init__(self, found: Validation) -> None:
        self.table, self.confusion, self.gaps, self.notes = found.table, found.confusion, found.gaps, found.notes
        self.title = "Detectors compared with labels"
