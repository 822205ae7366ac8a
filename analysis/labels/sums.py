"""Labels joined to their responses, and summed over texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from ..columns import STUDY_COLUMNS, run_factors_among
from ..contracts import check_run_factors
from ..responses import LABEL_CLASSES, Responses, has_item_ids, list_verdicts, match_items, sum_items
from .arms import SUMS
from .formats import shortened
from .match import check_texts
from .read import Labels, weigh_labels
from .tuned import CLASS_SUMS

_MARGIN = 0.02
"""The largest relative difference between the sum of weights and N, e.g. from rounded probabilities."""

_DEVIATIONS = 5
"""The largest difference in standard deviations between the sum of weights of independent draws and N."""

_SUMS = {
    "n": "count(*)",
    "n_refused": "count_if(refused)",
    "n_labelled_refused": "count_if(refused AND label IS NOT NULL)",
    "n_labelled_others": "count_if(NOT refused AND label IS NOT NULL)",
    "n_false": "count_if(refused AND NOT label)",
    "n_missed": "count_if(NOT refused AND label)",
    "weight_refused": "coalesce(sum(weight) FILTER (refused), 0)",
    "weight_others": "coalesce(sum(weight) FILTER (NOT refused), 0)",
    "weight_false": "coalesce(sum(weight) FILTER (refused AND NOT label), 0)",
    "weight_missed": "coalesce(sum(weight) FILTER (NOT refused AND label), 0)",
} | {
    f"{kind}_{name}": sql.format(f"label_class = '{name}'")
    for kind, sql in {
        "n": "count_if({})",
        "n_labelled": "count_if({} AND label IS NOT NULL)",
        "weight": "coalesce(sum(weight) FILTER ({}), 0)",
        "weight_refusal": "coalesce(sum(weight) FILTER ({} AND label), 0)",
    }.items()
    for name in LABEL_CLASSES
}


@dataclass(frozen=True)
class LabelSums:
    """A study with labels of some of its responses.

    Attributes
    ----------
    sums : pandas.DataFrame
        One row a text and combination of factors: the factors, ``block`` if one is persona and responses have it,
        ``text_id`` (with its task before it), `refusal_metrics.analysis.labels.arms.SUMS` and
        `refusal_metrics.analysis.labels.tuned.CLASS_SUMS`.
    notes : tuple of str
        How the labels were used.
    """

    sums: pd.DataFrame
    notes: tuple[str, ...]


def sum_labels(
    responses: Responses, labels: Labels, factors: Sequence[str] = (), *, detector: str | None = None
) -> LabelSums:
    """Join labels to a study's responses and sum both over texts.

    Parameters
    ----------
    responses : Responses
        With the columns design_id and index.
    labels : Labels
        A sample of these responses, identified by ``item_id``; ``probability`` with which each was drawn, by default
        the same for all.
    factors : sequence of str
        Factors to break down by besides model, task and setting.
    detector : str, optional
        The rule whose verdicts are corrected; by default the first.

    Returns
    -------
    LabelSums
        Of the responses with a verdict of the detector. The weight of sampled items without a label (or with a tie) is
        redistributed, see `refusal_metrics.analysis.labels.read.weigh_labels`.

    Raises
    ------
    InputError
        For an unknown factor; if design_id and index do not identify responses; if most labels are of other
        answers than these (see `refusal_metrics.analysis.labels.match.check_texts`); if a label is
        of none of them, or of several; if none is of a response without (or with) the detector's flag
        while there are such, or that it judged at all; if the sample has strata, but a stratum or all probabilities
        are missing; or if the weights do not add up to the number of responses.
    """
    check_run_factors(run_factors_among(factors))
    # Differences between personas are within the blocks of a text.
    if "persona" in factors and "block" in responses.columns:
        factors = [*factors, "block"]
    rule = responses.rule(detector)
    _check_ids(responses, labels)
    _check_strata(labels)
    labels, notes_of_texts = check_texts(responses, labels)
    weighted, notes = weigh_labels(labels, responses.n)
    kept = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
    known = [name for name in responses.columns if not name.startswith("refused")]
    for name in kept:
        if name not in known:
            raise unknown_name("factor", name, known)
    n_lost = _check_joined(responses, labels, rule, weighted)
    lost = f"{labels.path}: {rule} gave {n_lost:,} of {len(weighted):,} labelled items no verdict; they are left out."
    notes = (*notes, *notes_of_texts, *(lost,) * (n_lost > 0))
    labelled = weighted[["item_id", "label", "weight"]]
    sums = sum_items(responses, rule, labelled, _SUMS, factors)
    sums[list(_SUMS)] = sums[list(_SUMS)].astype(np.float64)
    return LabelSums(sums, notes)


def sum_rows(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Sum the verdicts and labels of responses in a data frame over texts.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row a response: ``text_id``, the factors of `by`, ``refused`` (bool, the detector's), and of labelled
        responses ``label`` (bool; missing for others) and ``weight`` (1 / probability of being labelled).
    by : sequence of str
        The factors.

    Returns
    -------
    pandas.DataFrame
        One row a text and combination of factors: `by`, ``text_id``, `refusal_metrics.analysis.labels.arms.SUMS` and
        `refusal_metrics.analysis.labels.tuned.CLASS_SUMS`.

    Examples
    --------
    >>> rows = pd.DataFrame({"text_id": ["a", "a", "a"], "refused": [True, True, False], "label": [True, False, None]})
    >>> sums = sum_rows(rows.assign(model="m", weight=2.0), ["model"])
    >>> sums[["n", "n_refused", "n_false", "weight_false"]].iloc[0].tolist()
    [3.0, 2.0, 1.0, 2.0]
    """
    refused, known = rows["refused"].astype(bool), rows["label"].notna()
    label = rows["label"].where(known, other=False).astype(bool)
    kinds = {
        "labelled_refused": known & refused,
        "labelled_others": known & ~refused,
        "false": known & refused & ~label,
        "missed": known & ~refused & label,
    }
    summed = rows[[*by, "text_id"]].assign(n=1.0, n_refused=refused.astype(np.float64))
    for name, kind in kinds.items():
        summed[f"n_{name}"] = kind.astype(np.float64)
        summed[f"weight_{name.removeprefix('labelled_')}"] = rows["weight"].where(kind, 0.0)
    of_row = rows["label_class"] if "label_class" in rows else np.where(refused, LABEL_CLASSES[0], "open")
    for name in LABEL_CLASSES:
        mine = of_row == name
        summed[f"n_{name}"], summed[f"n_labelled_{name}"] = (
            np.asarray(kind, dtype=np.float64) for kind in (mine, mine & known)
        )
        summed[f"weight_{name}"] = rows["weight"].where(mine & known, 0.0)
        summed[f"weight_refusal_{name}"] = rows["weight"].where(mine & label, 0.0)
    kept = [*SUMS, *CLASS_SUMS]
    return summed.groupby([*by, "text_id"], as_index=False, sort=True, dropna=False)[kept].sum()


def _check_ids(responses: Responses, labels: Labels) -> None:
    listed = ", ".join(map(str, responses.files[:3]))
    if not has_item_ids(responses):
        raise InputError(
            f"{listed}: lacks the columns design_id and index, by which labels are joined to responses; give the "
            "results folder, or a table that `ingest` or `detect` wrote"
        )
    if labels.items.empty:
        raise InputError(f"{labels.path}: none of its labels can be used; {' '.join(labels.notes)}")


def _check_strata(labels: Labels) -> None:
    """Check that labels of a stratified sample can be weighed."""
    drawn = pd.concat([labels.items, labels.left_out], ignore_index=True)
    if "sampling_stratum" not in drawn:
        return
    if "probability" not in drawn:
        raise InputError(
            f"{labels.path}: has the column sampling_stratum, but lacks probability, by which labels of a stratified "
            "sample are weighed; add it from the key.csv of the sample"
        )
    unknown = drawn["sampling_stratum"].isna() | (drawn["sampling_stratum"].astype(str).str.strip() == "")
    if unknown.any() and not unknown.all():
        first = shortened(drawn["id"][unknown].iloc[0])
        raise InputError(
            f"{labels.path}: {int(unknown.sum()):,} of its {len(drawn):,} items have no sampling_stratum, the first "
            f"{first}; complete the column from the key.csv of the sample, or remove it"
        )


def _check_joined(responses: Responses, labels: Labels, rule: str, weighted: pd.DataFrame) -> int:
    """Check that each label has one response, and that together they represent all; count those without a verdict."""
    flag = f"refused_{rule}"
    found = match_items(responses, weighted["item_id"].tolist())
    times = found["n"].to_numpy()
    n_unknown = int(np.sum(times == 0))
    if n_unknown:
        first = weighted[times == 0].iloc[0]
        raise InputError(
            f"{labels.path}: {n_unknown:,} of its {len(weighted):,} labelled items are none of the responses "
            f"given, the first {shortened(first['id'])}; give the results that they were drawn from"
        )
    if np.any(times > 1):
        raise InputError(
            f"{labels.path}: {int(np.sum(times > 1)):,} of its labels could be of several runs' answers to one prompt; "
            "leave out --all-runs and factors of runs"
        )
    labelled = set(found[flag].dropna())
    if not labelled:
        raise InputError(f"{labels.path}: has labels only of responses without a verdict of {rule}; name another")
    for missing in list_verdicts(responses, rule) - labelled:
        raise InputError(
            f"{labels.path}: has labels only of responses that {rule} calls {'other' if missing else 'refusals'}; a "
            "corrected rate needs a sample of the others too, which `annotate export` without --only draws"
        )
    n, weight = responses.n, weighted["weight"].to_numpy()
    deviation = float(np.sqrt(np.sum(weight * np.maximum(weight - 1, 0))))
    if abs(weight.sum() - n) > max(_MARGIN * n, _DEVIATIONS * deviation):
        raise InputError(
            f"{labels.path}: its labels stand for {weight.sum():,.0f} responses (the sum of 1 / probability), and "
            f"there are {n:,}; give all results that they were drawn from and no others, or fix the column probability"
        )
    return int(found[flag].isna().sum())
