"""Estimates of a study in a notebook, as one table each."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TypeAlias

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ..columns import STUDY_COLUMNS
from ..estimates import (
    describe_detectors,
    describe_missing,
    describe_no_interactions,
    estimate_contrasts,
    estimate_interactions,
    estimate_rates,
    estimate_spread,
    estimate_trend,
    estimate_undetermined,
    estimate_undetermined_contrasts,
    estimate_variance_components,
    estimate_wordings,
)
from ..responses import count_responses
from .arguments import Names, as_file, label_map, list_of, names_of
from .corrected import corrected_contrasts, corrected_rates
from .pooled import AnyTable, Pooled

AnyMap: TypeAlias = str | Mapping[str, str]


class Tables(Pooled):
    """Responses, and the estimates that are one table each."""

    def rates(
        self,
        by: Names = (),
        *,
        labels: AnyTable | None = None,
        columns: AnyMap = "",
        values: AnyMap = "",
        detector: str | None = None,
        undetermined: bool = False,
        class_weights: Mapping[str, float] | None = None,
        population: Mapping[str, int] | None = None,
    ) -> pd.DataFrame:
        """Estimate refusal rates with 95% confidence intervals clustered by text.

        Parameters
        ----------
        by : str or list of str
            Factors to break rates down by besides model, task and setting.
        labels : path or pandas.DataFrame, optional
            People's labels of a sample of the responses, by which the rates are corrected.
        columns, values : str or mapping, optional
            What a label file of another tool calls its columns, and what its values mean.
        detector : str, optional
            By default the first of `detectors`.
        undetermined : bool
            Whether to estimate the share of responses that are truncated or unjudged instead.
        class_weights : mapping of str to float, optional
            The weights of the classes (``stratum``) in class-standardised rates; by default equal.
        population : mapping of str to int, optional
            The number of texts in the source of each task; intervals then are for the rate over these texts.

        Returns
        -------
        pandas.DataFrame
            One row a model, task, setting and level: ``estimate, ci_low, ci_high, n, n_texts, n_refused, ...``;
            ``refusal_rate_low`` and ``refusal_rate_high`` are the rates if none, or all, of the truncated and unjudged
            responses were refusals. ``estimate_standardised, ci_low_standardised, ci_high_standardised`` are the
            class-standardised rate and its interval, where the classes are known.

        Raises
        ------
        InputError
            For an unknown factor or detector, labels that cannot be used, or options that do not fit each other.

        Examples
        --------
        >>> study.rates(by="persona").query("model == 'owl' and task == 'nli' and setting == 'persona'")[
        ...     ["persona", "estimate", "n"]
        ... ].round(2).values.tolist()
        [['farmer', 0.1, 10], ['nurse', 0.4, 10], ['pilot', 0.3, 10]]
        """
        _check_labels(labels, undetermined=undetermined)
        for name, given in {"class_weights": class_weights, "population": population}.items():
            if given is not None and (undetermined or labels is not None):
                raise InputError(
                    f"{name}: is for refusal rates without labels; leave out {name}, undetermined and labels"
                )
        factors = names_of(by, "by")
        broken_down = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
        if labels is not None:
            self._added(factors)
            names = label_map(columns, values)
            return corrected_rates(self._responses, labels, names, broken_down, detector)
        counts = self._counts(factors, detector)
        if undetermined:
            return self._told(estimate_undetermined(counts, broken_down), detector)
        table = estimate_rates(counts, broken_down, class_weights=class_weights, population=population)
        return self._told(table, detector)

    def contrasts(
        self,
        against: Names = "neutral",
        by: Names = (),
        *,
        labels: AnyTable | None = None,
        columns: AnyMap = "",
        values: AnyMap = "",
        detector: str | None = None,
        undetermined: bool = False,
    ) -> pd.DataFrame:
        """Estimate each persona's difference from a baseline, compared within texts.

        Parameters
        ----------
        against : str or list of str
            The baseline: ``neutral`` or ``persona-free`` prompts, ``others`` (all other personas), or a persona.
        by : str or list of str
            Settings of runs (``temperature``, ...) whose levels are compared separately.
        labels, columns, values, detector, undetermined
            As of `rates`.

        Returns
        -------
        pandas.DataFrame
            One row a model, task, persona and baseline: ``estimate`` (a difference of proportions), its 95%
            confidence interval, ``odds_ratio``, ``p_value``, ``p_adjusted`` (corrected for multiple comparisons within
            the baseline), ``mde_up``, .... Models and tasks without the baseline are left out.

        Raises
        ------
        InputError
            For an unknown baseline, factor or detector.

        Examples
        --------
        >>> study.contrasts(against="neutral").query("model == 'owl' and task == 'nli'")[
        ...     ["persona", "estimate", "n_texts"]
        ... ].round(2).values.tolist()
        [['farmer', 0.0, 10], ['nurse', 0.3, 10], ['pilot', 0.2, 10]]
        """
        _check_labels(labels, undetermined=undetermined)
        factors = self._run_factors(by, "contrasts compare")
        baselines = [str(name) for name in list_of(against, "against")]
        if labels is not None:
            if factors:
                raise InputError("by: corrected differences are not broken down; leave out by, or labels")
            names = label_map(columns, values)
            return corrected_contrasts(self._responses, labels, names, baselines, detector)
        counts = self._counts([*factors, "persona"], detector)
        estimate = estimate_undetermined_contrasts if undetermined else estimate_contrasts
        table = estimate(counts, *baselines, run_factors=factors)
        return self._told(table, detector, [describe_missing(baselines)] * table.empty)

    def wordings(self, by: Names = (), *, detector: str | None = None) -> pd.DataFrame:
        """Estimate each persona's difference from neutral prompts beyond the spread of wordings.

        The study's personas and neutral prompts must have phrases.

        Parameters
        ----------
        by : str or list of str
            Settings of runs (``temperature``, ...) whose levels are compared separately.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a model, task and persona: ``estimate`` (a difference of proportions), its 95% confidence interval,
            ``noise_band`` (the difference that wordings explain), ``p_value``, ``p_adjusted``, ``sd_wordings``,
            ``estimate_in_sd``, .... Models and tasks without neutral prompts are left out.

        Raises
        ------
        InputError
            For an unknown factor or detector, or if the personas have no phrases.

        Examples
        --------
        >>> study.wordings()
        Traceback (most recent call last):
            ...
        refusal_metrics.errors.InputError: the responses have no phrases of personas, so an effect of a persona...
        """
        factors = self._run_factors(by, "wordings compares")
        counts = self._counts([*factors, "persona"], detector)
        table = estimate_wordings(counts, factors)
        return self._told(table, detector, [describe_missing(["neutral"])] * table.empty)

    def spread(self, by: Names = (), *, seed: int = 0, detector: str | None = None) -> pd.DataFrame:
        """Estimate the variation between personas' refusal rates beyond sampling noise.

        Parameters
        ----------
        by : str or list of str
            Settings of runs whose levels are estimated separately.
        seed : int
            Random seed of the permutation test.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a model and task: ``estimate``, a standard deviation over personas, and its ``p_value``.

        Raises
        ------
        InputError
            For an unknown factor or detector.

        Examples
        --------
        >>> study.spread()[["model", "task", "n"]].values.tolist()[0]
        ['owl', 'nli', 30]
        """
        factors = self._run_factors(by, "spread compares")
        counts = self._counts([*factors, "persona"], detector)
        table = estimate_spread(counts, factors, rng=np.random.default_rng(seed))
        return self._told(table, detector, ["No persona task was run."] * table.empty)

    def trend(
        self,
        column: str = "released",
        models: AnyTable | None = None,
        by: Names = (),
        *,
        each: bool = False,
        detector: str | None = None,
    ) -> pd.DataFrame:
        """Estimate whether personas matter less to newer (or larger, ...) models.

        Parameters
        ----------
        column : str
            The property of models: a date or a number.
        models : path or pandas.DataFrame, optional
            A table with the columns ``model``, ``family`` and the property. By default the paper's models, with
            ``released`` and ``parameters_b``.
        by : str or list of str
            Settings of runs: a trend for each of their levels.
        each : bool
            Whether to return each model's spread of persona effects instead of the slopes.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a regression: ``outcome``, ``family`` (empty for all models), ``slope`` and its errors.

        Raises
        ------
        InputError
            If fewer than three models can be compared, or the table cannot be read.

        Examples
        --------
        >>> sizes = pd.DataFrame({"model": ["owl", "parrot"], "family": ["birds", "birds"], "size": [7, 13]})
        >>> study.trend("size", sizes)
        Traceback (most recent call last):
            ...
        refusal_metrics.errors.InputError: a trend over size needs at least 3 models, and 2 can be used...
        """
        factors = self._run_factors(by, "trend compares")
        counts = self._counts(factors, detector).where(setting="persona")
        with ExitStack() as stack:
            path = None if models is None else stack.enter_context(as_file(models, "models", ".csv"))
            found = estimate_trend(counts, column, path, factors)
        return self._told(found.models if each else found.trends, detector, found.notes)

    def interactions(self, factors: Names, *, detector: str | None = None) -> pd.DataFrame:
        """Estimate how far each combination of two factors differs from their sum.

        Parameters
        ----------
        factors : str or list of str
            Two factors, e.g. ``"model,response_type"``.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a combination: a difference of differences of refusal rates among the prompts with personas. Empty
            if a factor has one level, or some combination was not asked.

        Raises
        ------
        InputError
            If not two factors are named, or for an unknown factor or detector.

        Examples
        --------
        >>> study.interactions(["model", "persona"])[["level", "other_level", "estimate"]].round(2).values.tolist()[0]
        ['owl', 'farmer', -0.04]
        """
        named = names_of(factors, "factors")
        if len(named) != 2:
            raise InputError(f"factors: are {len(named)}; give two, e.g. ['model', 'persona']")
        counts = self._counts(named, detector).where(setting="persona")
        table = estimate_interactions(counts, named[0], named[1])
        return self._told(table, detector, [describe_no_interactions(*named)] * table.empty)

    def variance_components(self, by: Names = (), *, detector: str | None = None) -> pd.DataFrame:
        """Divide the variance of refusals among texts, personas, wordings, templates and sampling.

        Parameters
        ----------
        by : str or list of str
            Settings of runs whose levels are divided separately. With ``repeat``, repeated answers to a prompt are the
            component ``seed`` instead.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a model, task and ``component``: ``estimate`` (share of the total variance), its 95% confidence
            interval, and ``variance``. A share below 0 means that the component cannot be distinguished from noise.

        Raises
        ------
        InputError
            For an unknown factor or detector, or a study without personas.

        Examples
        --------
        >>> study.variance_components()[["component", "note"]].values.tolist()[:3]
        [['text', ''], ['persona', 'includes wording'], ['wording', 'one neutral phrase']]
        """
        factors = self._run_factors(by, "variance_components compares")
        table = estimate_variance_components(self._counts([*factors, "persona"], detector), factors)
        return self._told(table, detector, describe_detectors(count_responses(self._responses)))


def _check_labels(labels: object, *, undetermined: bool) -> None:
    if undetermined and labels is not None:
        raise InputError("undetermined: shares are not corrected by labels; leave out undetermined, or labels")
