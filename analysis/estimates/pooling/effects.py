"""Each model's log odds ratios of personas against neutral prompts, averaged over tasks, and their joint covariance."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse, special

from refusal_metrics.errors import InputError

from ...arrays import Bools, Floats, Integers
from ...columns import OTHERS, STUDY, name_level
from ...counts import Counts, TextCounts, count_units_by_text
from ...statistics import cluster_correction, variance_of_scores
from ..blocks import split_texts
from .log_odds import SIZES, LogOdds, compare_with_baselines

FEW = 2.0
"""With fewer refusals (or other responses) to expect of a persona, the log odds are biased."""
NEUTRAL = "neutral"

_STUDY = list(STUDY)
_MOST_NAMED = 6


@dataclass(frozen=True)
class Effects:
    r"""Log odds ratios of personas, by model.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a model and persona: ``model``, the level, ``estimate`` and `SIZES`.
    scores : (n_texts, n_effects) array of float
        :math:`\varphi`.
    extra : (n_effects,) array of float
        What is added to each text-clustered variance.
    neutral : (n_effects, n_tasks) array of float
        The log odds of refusal of the neutral prompts; nan for the tasks that are not in the effect.
    tasks : tuple of str
    notes : tuple of str
        What was left out.
    """

    table: pd.DataFrame
    scores: Floats
    extra: Floats
    variances: Floats
    neutral: Floats
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def estimates(self) -> Floats:
        """The log odds ratios."""
        return self.table["estimate"].to_numpy(dtype=np.float64)

    @property
    def n_texts(self) -> int:
        """The number of texts that add to the error of an effect."""
        return int(np.count_nonzero(np.any(self.scores, axis=1)))

    def take(self, keep: Bools) -> "Effects":
        """Select the marked effects."""
        table = self.table[keep].reset_index(drop=True)
        return Effects(
            table,
            self.scores[:, keep],
            self.extra[keep],
            self.variances[keep],
            self.neutral[keep],
            self.tasks,
            self.notes,
        )

    def points(self, rows: Integers, log_odds_ratio: float) -> float:
        """Return the mean difference of rates that a log odds ratio makes at the neutral rates of some effects."""
        if np.isnan(log_odds_ratio):
            return np.nan
        base = self.neutral[rows]
        by_task = special.expit(base + log_odds_ratio) - special.expit(base)
        return float(np.mean(np.nanmean(by_task, axis=1)))

    def neutral_rate(self, rows: Integers) -> float:
        """Return the mean of the neutral rates of some effects."""
        return float(np.mean(np.nanmean(special.expit(self.neutral[rows]), axis=1)))

    def mean(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return weighted sums of the effects, with their variances and degrees of freedom.

        Parameters
        ----------
        weights : (n_sums, n_effects) array of float

        Returns
        -------
        estimates, variances, freedom : (n_sums,) array of float
        """
        variance, freedom = variance_of_scores(self.scores @ weights.T, self.n_texts)
        return weights @ self.estimates, variance + weights**2 @ self.extra, freedom

    def covariance(self) -> Floats:
        r"""Return a covariance of all effects that can be inverted: with shrunken correlations.

        There are more correlations than texts to estimate them. Each is moved towards the mean of its class (the same
        model; the same persona in two models; neither) by the share :math:`\lambda` that makes the expected squared
        error smallest, :math:`\lambda = \sum \widehat{Var}(r_{jk}) / \sum (r_{jk} - \bar r)^2`, at most 1.

        Returns
        -------
        (n_effects, n_effects) array of float

        References
        ----------
        Schaefer and Strimmer 2005, Statistical Applications in Genetics and Molecular Biology 4(1), 32.
        """
        n_texts = self.n_texts
        factor = float(cluster_correction(n_texts))
        scaled = self.scores * np.sqrt(factor / (factor * np.sum(self.scores**2, axis=0) + self.extra))
        r = scaled.T @ scaled
        squares = scaled**2
        total = squares.sum(axis=1)
        # Of all pairs j != k: sums over texts of squared products, and squared correlations.
        products = float(total @ total - np.sum(squares**2))
        off = ~np.eye(len(r), dtype=bool)
        noise = max(factor * (products - float(np.sum(r[off] ** 2)) / n_texts), 0.0)
        target = self._class_means(r)
        apart = float(np.sum((r - target)[off] ** 2))
        share = 1.0 if apart <= noise else noise / apart
        r = np.where(off, share * target + (1 - share) * r, 1.0)
        sds = np.sqrt(self.variances)
        return np.asarray(sds[:, None] * r * sds)

    def _class_means(self, r: Floats) -> Floats:
        """Replace each correlation by the mean of its class."""
        model, level = (pd.factorize(self.table[name])[0] for name in self.table.columns[:2])
        of_pair = 2 * (model[:, None] == model[None, :]) + (level[:, None] == level[None, :])
        means = np.ones(4)
        for at in range(3):
            if (members := of_pair == at).any():
                means[at] = r[members].mean()
        return np.asarray(means[of_pair], dtype=np.float64)


def estimate_effects(counts: Counts, level: str, baseline: str = NEUTRAL) -> Effects:
    """Estimate the log odds ratio of each persona, or group of personas, against a baseline in each model.

    Parameters
    ----------
    counts : Counts
        Of one setting of runs.
    level : {"persona", "persona_group"}
    baseline : {"neutral", "others"}
        Neutral prompts, or all other personas of the same model and task, which then stand for the neutral prompts.

    Returns
    -------
    Effects
        Without models, tasks and personas of which fewer than 2 refusals, or other responses, are to be expected.

    Raises
    ------
    InputError
        If there are no personas or no neutral prompts, or no model can be used.
    """
    cells, compared, at = compare_cells(counts, level, baseline)
    kept = (at >= 0) & (compared.expected >= FEW)
    notes = _describe_left_out(cells, at >= 0, kept, level)
    if not kept.any():
        raise InputError(f"pool: no model can be used; {' '.join(notes)}")
    return _average(cells[kept].reset_index(drop=True), compared.take(kept), level, notes)


def compare_cells(counts: Counts, level: str, baseline: str) -> tuple[pd.DataFrame, LogOdds, Integers]:
    """Compare each persona, or group of personas, of each model and task with a baseline.

    Parameters
    ----------
    counts, level, baseline
        As of `estimate_effects`.

    Returns
    -------
    cells : pandas.DataFrame
        One row a cell: ``model, task``, the level, ``n, n_refused, n_texts``.
    compared : LogOdds
    at : (n_cells,) array of int
        -1 for a cell without a baseline, whose numbers mean nothing.

    Raises
    ------
    InputError
        If there are no personas, or no neutral prompts for the neutral baseline.
    """
    counts.check_factors([level])
    counts, of_row = split_texts(counts)
    asked = counts.where(setting="persona")
    asked = asked.take(asked.codes[level] >= 0)
    if not len(asked.n):
        raise InputError(f"pool compares personas with neutral prompts, and no response has a {level}")
    arms = count_units_by_text(asked, [*_STUDY, level])
    if baseline == OTHERS:
        baselines, at = _others_of(arms, count_units_by_text(asked, _STUDY))
    else:
        baselines, at = _neutral_of(arms, counts)
    return arms.cells, compare_with_baselines(arms, baselines, at, of_row), at


def _neutral_of(arms: TextCounts, counts: Counts) -> tuple[TextCounts, Integers]:
    """Return the neutral prompts of each model and task, and those of each cell; -1 if it has none."""
    reference = counts.where(setting=NEUTRAL)
    if not len(reference.n):
        raise InputError(
            "pool compares personas with neutral prompts, and there is no response to a neutral prompt; add "
            "persona_refusal_neutral to lm_eval --tasks"
        )
    baselines = count_units_by_text(reference, _STUDY)
    return baselines, _places(arms, baselines)


def _others_of(arms: TextCounts, every: TextCounts) -> tuple[TextCounts, Integers]:
    """Return the other personas of each cell, and their numbers; -1 if there is no other persona."""
    at = _places(arms, every)
    n, n_refused = (
        sparse.csr_array(every.n[:, at] - arms.n),
        sparse.csr_array(every.n_refused[:, at] - arms.n_refused),
    )
    has_others = np.asarray(n.sum(axis=0)).ravel() > 0
    return TextCounts(arms.cells, n, n_refused), np.where(has_others, np.arange(len(at)), -1)


def _places(arms: TextCounts, baselines: TextCounts) -> Integers:
    """Return the baseline with the model and task of each cell; -1 if there is none."""
    places = baselines.cells[_STUDY].assign(place=np.arange(len(baselines.cells)))
    return arms.cells[_STUDY].merge(places, on=_STUDY, how="left")["place"].fillna(-1).to_numpy(dtype=np.int64)


def _average(cells: pd.DataFrame, compared: LogOdds, level: str, notes: list[str]) -> Effects:
    """Average the effects of each model over its tasks."""
    groups = cells.groupby(["model", level], sort=True)
    row, n_tasks = groups.ngroup().to_numpy(), groups["task"].transform("size").to_numpy(dtype=np.float64)
    of_row = sparse.csr_array((1 / n_tasks, (np.arange(len(cells)), row)))
    table = groups.size().index.to_frame(index=False)
    table["estimate"] = np.asarray(of_row.T @ compared.estimates, dtype=np.float64)
    for name in SIZES:
        table[name] = np.rint(np.bincount(row, compared.sizes[name])).astype(np.int64)
    task, tasks = pd.factorize(cells["task"], sort=True)
    neutral = np.full((len(table), len(tasks)), np.nan)
    neutral[row, task] = compared.neutral
    # At the mean effects of persona and model, because an error that depends on the estimate biases what is pooled.
    estimates = cells.assign(d=compared.estimates)
    by_level, by_model = (estimates.groupby(names)["d"].transform("mean") for names in ([level], _STUDY))
    usual = (by_level + by_model - estimates["d"].mean()).to_numpy(dtype=np.float64)
    extra, variances = (
        np.asarray((of_row**2).T @ values, dtype=np.float64) for values in (compared.extra, compared.variances(usual))
    )
    scores = (compared.scores @ of_row).toarray()
    notes += _describe_tasks(table, neutral, list(tasks))
    return Effects(table, scores, extra, variances, neutral, tuple(tasks), tuple(notes))


def _describe_left_out(cells: pd.DataFrame, has_neutral: Bools, kept: Bools, level: str) -> list[str]:
    """Report the models and tasks without neutral prompts or with too few refusals, and single personas."""
    without, few, single = [], [], 0
    for key, own in cells.assign(has_neutral=has_neutral, kept=kept).groupby(_STUDY, sort=True):
        if not own["has_neutral"].any():
            without.append(_part(*map(str, key)))
        elif own["kept"].any():
            single += int((~own["kept"]).sum())
        else:
            few.append(f"{_part(*map(str, key))} ({int(own['n_refused'].sum()):,} of {int(own['n'].sum()):,} refused)")
    what = f"fewer than {FEW:g} refusals, or other responses, are to be expected of a {level.replace('_', ' ')}"
    notes = [f"Left out, because there are no neutral prompts: {_list(without)}."] if without else []
    notes += [f"Left out, because {what}: {_list(few)}."] if few else []
    return notes + [f"Left out {single} effects, because {what} in that model and task."] * bool(single)


def _describe_tasks(table: pd.DataFrame, neutral: Floats, tasks: Sequence[str]) -> list[str]:
    """Report the models that are averaged over fewer tasks than others."""
    has = pd.DataFrame(np.isfinite(neutral), columns=list(tasks)).groupby(table["model"]).any()
    fewer = [
        f"{model} over {' and '.join(name_level('task', task) for task in tasks if own[task])}"
        for model, own in has.iterrows()
        if not own.all()
    ]
    return [f"Models are averaged over different tasks: {_list(fewer)}."] if fewer else []


def _part(model: str, task: str) -> str:
    return f"{model}, {name_level('task', task)}"


def _list(named: Sequence[str]) -> str:
    return "; ".join(named[:_MOST_NAMED]) + (
        f"; and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    )
