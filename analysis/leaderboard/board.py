r"""Models ranked by refusal rate, with the uncertainty of the ranks and the effect of personas on each model.

The board of all tasks ranks models by the mean of their tasks' rates, each task with the same
weight, whatever its number of prompts, as the harness does with a group of tasks. Texts differ between
tasks, so their errors are independent. A mean has the interval of Zou, Huang and Zhang,

.. math:: \bar p - \frac{1}{T} \sqrt{\textstyle\sum_t (\hat p_t - l_t)^2}, \quad
          \bar p + \frac{1}{T} \sqrt{\textstyle\sum_t (u_t - \hat p_t)^2},

with the interval of each task from :math:`l_t` to :math:`u_t`, which stays within [0, 1] and has a positive width for a
model that never refuses. The variances of personas' rates are averaged in the same way. A model without
one of the tasks has no mean and no overall rank, but still has those of its tasks.

References
----------
Zou, Huang and Zhang 2009, doi:10.1016/j.csda.2008.09.033.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..arrays import ALPHA, Floats
from ..columns import ALL_TASKS, BASELINES, OTHERS, STUDY
from ..contracts import LEADERBOARD
from ..counts import Counts, check_not_empty, count_by_text
from ..display import interval, percent
from ..estimates import estimate_contrasts, estimate_rates, estimate_spread
from ..responses import Responses, count_others, count_responses, note_unusable, read_metrics
from ..statistics import RANKS, cluster_correction, estimate_ranks, interval_of_means

COLUMNS = (*LEADERBOARD.keys, *LEADERBOARD.estimates)
"""The columns of a board, before those of other metrics."""

_ENDS = ("ci_low", "ci_high")
_BOUNDS = ("refusal_rate_low", "refusal_rate_high")
_SPREAD = ("spread", "spread_low", "spread_high", "spread_p")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Board:
    """A leaderboard.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a model and task; see `make_board`.
    metrics : tuple of str
        The other metrics, columns of the table; the standard error of each is ``METRIC_stderr``.
    rule : str
        The rule whose verdicts were counted.
    baseline : str
        The baseline of personas, ``neutral`` or ``others``.
    n_responses : int
    notes : tuple of str
        Notes about the table.
    """

    table: pd.DataFrame
    metrics: tuple[str, ...]
    rule: str
    baseline: str
    n_responses: int
    notes: tuple[str, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The parts of the board, in order; `ALL_TASKS` first where there are several tasks."""
        return tuple(self.table["task"].unique())


def make_board(
    studies: Sequence[Responses],
    rng: np.random.Generator,
    *,
    detector: str | None = None,
    metrics: Sequence[str | os.PathLike[str]] = (),
) -> Board:
    """Rank models by their refusal rates.

    Parameters
    ----------
    studies : sequence of Responses
        See `refusal_metrics.analysis.responses.designs.load_studies`. Models are ranked by
        prompts of the persona setting alone.
    rng : numpy.random.Generator
    detector : str, optional
        The rule; by default the first of the first study.
    metrics : sequence of str or path
        Paths of other metrics, see `refusal_metrics.analysis.responses.harness_metrics.read_metrics`.

    Returns
    -------
    Board
        The columns of its table: ``model``; ``task``, empty for the mean over all, which come first; ``rank,
        rank_low, rank_high``, see `ranks.estimate_ranks`, 1 being the model that refuses
        least; ``estimate, ci_low, ci_high``, the rate in [0, 1]; ``refusal_rate_low, refusal_rate_high``, the rates
        if none and if all of the truncated and unjudged responses were refusals; ``n, n_texts, n_refused``;
        ``n_other``, responses that are neither refusal nor answer, if known; ``spread, spread_low, spread_high,
        spread_p``, the standard deviation of personas' rates beyond noise with its 95% confidence interval and the
        p-value of no spread (in the rows of all tasks, the root of the mean variance, and Fisher's combined p-value);
        ``n_personas``, comparisons of a persona
        with the baseline; ``differing_personas``, those that are significant after correction for all on the board;
        ``differing_personas_list``, these personas with their differences in points and intervals that are adjusted for
        the selection (``ci_low_named, ci_high_named`` of `estimate_contrasts`), the largest first; ``mde``, the
        median of all personas' minimum detectable increases (``mde_up``); then other metrics. Within a task, rows are
        sorted by rate, then by name; models without a rate are last.

    Raises
    ------
    InputError
        For an unknown rule, or if there are no responses to persona prompts.
    """
    rule = studies[0].rule(detector)
    counted = [count_responses(study)[study.rule(rule)] for study in studies]
    asked = [counts.where(setting="persona") for counts in counted]
    for counts in asked:
        check_not_empty(counts, "to persona prompts; run a task without _neutral or _persona_free in its name")
    rates = pd.concat([estimate_rates(counts, STUDY) for counts in asked], ignore_index=True)
    rates = rates.merge(_others(studies, rule), how="left", on=[*STUDY])
    tasks = sorted(rates["task"].unique())
    rows = pd.concat([_means(rates, tasks), rates], ignore_index=True) if len(tasks) > 1 else rates
    contrasts, spreads, baseline = _personas(counted, rng)
    rows = rows.merge(_sum_up(contrasts, spreads, rows), how="left", on=[*STUDY])
    rows[list(_SPREAD)] = rows[list(_SPREAD)].where(rows["estimate"].notna())
    scores = [_scores(counts) for counts in asked]
    parts = [_ranked(part, scores, len(tasks), rng) for _, part in rows.groupby("task", sort=False)]
    found, metric_notes = read_metrics(metrics, rates["model"].unique())
    table, listed = _join(pd.concat(parts, ignore_index=True)[list(COLUMNS)], found)
    notes = (
        *dict.fromkeys(note for study in studies for note in note_unusable(study, rule).notes),
        *_notes(rates, tasks, len(studies)),
        *([] if baseline else ["The table has no personas, so nothing is reported about them."]),
        *metric_notes,
    )
    return Board(table, listed, rule, baseline, int(rates["n"].sum()), notes)


def _others(studies: Sequence[Responses], rule: str) -> pd.DataFrame:
    """Count responses that are neither refusal nor answer, if this is known for all of them."""
    parts = [counted for study in studies if (counted := count_others(study, rule)) is not None]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*STUDY, "n_other"])


def _personas(counted: Sequence[Counts], rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Compare personas with the best common baseline of all designs, and estimate their spread."""
    told = [counts for counts in counted if "persona" in counts.levels]
    if not told:
        none = pd.DataFrame(columns=[*STUDY, "persona", "estimate", "mde_up", "p_adjusted"])
        return none, pd.DataFrame(columns=[*STUDY]), ""
    baseline = BASELINES[0] if all(BASELINES[0] in counts.levels["setting"] for counts in told) else OTHERS
    contrasts = estimate_contrasts(told, baseline)
    spreads = pd.concat([estimate_spread(counts, rng=rng) for counts in told], ignore_index=True)
    return contrasts, spreads, baseline


def _sum_up(contrasts: pd.DataFrame, spreads: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the spread of personas in each row, and the personas that differ from the baseline."""
    summed = []
    for model, task in rows[[*STUDY]].itertuples(index=False, name=None):
        own, spread = (
            part[(part["model"] == model) & ((part["task"] == task) | (task == ALL_TASKS))]
            for part in (contrasts, spreads)
        )
        named = own[own["p_adjusted"] <= ALPHA]
        named = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index)
        differ = [
            f"{row['persona']} {percent(row['estimate'], signed=True)} "
            f"{interval(row['ci_low_named'], row['ci_high_named'], signed=True)}"
            + (f" ({row['task']})" if task == ALL_TASKS else "")
            for _, row in named.iterrows()
        ]
        summed.append(
            {
                "model": model,
                "task": task,
                **dict(zip(_SPREAD, _mean_spread(spread), strict=True)),
                "n_personas": len(own) or np.nan,
                "differing_personas": len(named) if len(own) else np.nan,
                "differing_personas_list": ", ".join(differ),
                "mde": own["mde_up"].median() if len(own) else np.nan,
            }
        )
    return pd.DataFrame(summed)


def _mean_spread(spreads: pd.DataFrame) -> tuple[float, float, float, float]:
    """Average the variances of tasks: return the spread, its interval and its p-value."""
    if spreads.empty:
        return np.nan, np.nan, np.nan, np.nan
    # Before they are cut off at 0, so that the mean over tasks has no bias.
    variances = (spreads["sd_observed"] ** 2 - spreads["sd_under_null"] ** 2).to_numpy(dtype=np.float64)
    mean = variances.mean()
    below, above = (np.sqrt(((spreads[end] ** 2 - variances) ** 2).sum(skipna=False)) / len(spreads) for end in _ENDS)
    spread, low, high = np.sqrt(np.maximum([mean, mean - below, mean + above], 0))
    # Texts differ between tasks, so their tests are independent.
    p = stats.chi2.sf(-2 * np.log(spreads["p_value"]).sum(skipna=False), 2 * len(spreads))
    return float(spread), float(low), float(high), float(p)


@dataclass(frozen=True)
class _Scores:
    """The contribution of each text of one design to the error of each model and task: (n_texts, n_cells)."""

    cells: pd.DataFrame
    parts: Floats


def _scores(counts: Counts) -> _Scores:
    texts = count_by_text(counts, STUDY)
    n, k, n_texts = (texts.cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused", "n_texts"))
    scale = np.sqrt(cluster_correction(n_texts)) / n
    return _Scores(texts.cells, np.nan_to_num((texts.n_refused.toarray() - texts.n.toarray() * (k / n)) * scale))


def _ranked(rows: pd.DataFrame, scores: Sequence[_Scores], n_tasks: int, rng: np.random.Generator) -> pd.DataFrame:
    """Sort the rows of one part of the board, and rank those that have a rate."""
    rows = rows.sort_values(["estimate", "model"], kind="stable", ignore_index=True)
    task, models = rows["task"].iloc[0], list(rows.loc[rows["estimate"].notna(), "model"])
    blocks, fewest = [], []
    for of_design in scores:
        cells = of_design.cells[of_design.cells["model"].isin(models)]
        # The error of a mean combines those of its tasks with their weights.
        own, share = (cells, 1 / n_tasks) if task == ALL_TASKS else (cells[cells["task"] == task], 1.0)
        block = np.zeros((len(models), len(of_design.parts)))
        np.add.at(block, [models.index(model) for model in own["model"]], share * of_design.parts[:, own.index].T)
        blocks.append(block[:, block.any(axis=0)].T)
        fewest.append(own.groupby("model")["n_texts"].min())
    if models:
        n_texts = pd.concat(fewest)[models].to_numpy(dtype=np.int64)
        rates = rows["estimate"].to_numpy(dtype=np.float64)[: len(models)]
        rows = rows.join(estimate_ranks(rates, np.concatenate(blocks), n_texts, rng))
    else:
        rows = rows.assign(**dict.fromkeys(RANKS))
    return rows.astype(dict.fromkeys([*RANKS, "n_personas", "differing_personas", "n_other"], "Int64"))


def _means(rates: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Average each model's rates over tasks; a model that lacks one has no mean."""
    rows = []
    for model, own in rates.groupby("model"):
        each, each_low, each_high = (own[name].to_numpy(dtype=np.float64) for name in ("estimate", *_ENDS))
        ends = interval_of_means(each, each_low, each_high, np.zeros(len(own), dtype=np.int64), 1)
        estimate, low, high = (float(end[0]) if len(own) == len(tasks) else np.nan for end in ends)
        bounds = {name: own[name].mean() if len(own) == len(tasks) else np.nan for name in _BOUNDS}
        sums = {name: own[name].sum(skipna=False) for name in ("n", "n_texts", "n_refused", "n_other")}
        mean = {"estimate": estimate, "ci_low": low, "ci_high": high}
        rows.append({"model": model, "task": ALL_TASKS} | mean | bounds | sums)
    return pd.DataFrame(rows)


def _join(table: pd.DataFrame, found: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add other metrics as columns."""
    names = tuple(found["metric"].unique())
    for name in names:
        own = found[found["metric"] == name].set_index("model")
        table[name], table[f"{name}_stderr"] = (table["model"].map(own[column]) for column in ("value", "stderr"))
    return table, names


def _notes(rates: pd.DataFrame, tasks: Sequence[str], n_designs: int) -> Iterator[str]:
    if n_designs > 1:
        yield (
            f"The results have {n_designs} designs. Models with different designs had different prompts; they are "
            "compared as unpaired, and may differ because of the prompts."
        )
    for model, own in rates.groupby("model"):
        if missing := [task for task in tasks if task not in set(own["task"])]:
            yield (
                f"{model} has no responses for {', '.join(missing)}, so it has no mean over tasks and no overall rank."
            )
    for task, own in rates.groupby("task"):
        low, high = own["n"].min(), own["n"].max()
        if low < high:
            yield f"{task}: models have {low:,} to {high:,} prompts; shared texts are compared within texts."
    other = rates[rates["n_other"] > rates["n"] / 2]
    if len(other):
        listed = [f"{model} ({', '.join(own['task'])})" for model, own in other.groupby("model")]
        more = f" and {len(listed) - _MOST_NAMED} others" if len(listed) > _MOST_NAMED else ""
        named = "; ".join(listed[:_MOST_NAMED]) + more
        yield f"Most responses are neither answers nor refusals, so a low rate means little: {named}."
