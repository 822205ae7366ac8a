"""Labels joined to the responses they are of, and summed over texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from .corrected import SUMS
from .label_forms import shortened
from .labels import Labels
from .responses import STUDY_COLUMNS, Responses, count, identifier

_MARGIN = 0.02
"""By how much of N the weights may miss it, as samples of rounded probabilities do."""

_DEVIATIONS = 5
"""By how many of its standard deviations the sum of weights of independent draws may miss N."""

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
}


@dataclass(frozen=True)
class LabelSums:
    """A study with labels of some of its responses.

    Attributes
    ----------
    sums : pandas.DataFrame
        One row a text and combination of factors: the factors, ``text_id`` (with its task before
        it), and `refusal_metrics.analysis.corrected.SUMS`.
    notes : tuple of str
        What was made of the labels.
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
        A sample of these responses, ``item_id`` saying which; ``probability`` with which each was
        drawn, by default the same for all.
    factors : sequence of str
        Factors to keep apart besides model, task and setting.
    detector : str, optional
        The rule whose verdicts are corrected; by default the first.

    Returns
    -------
    LabelSums
        Items drawn but not labelled (or divided over) give their weight to those that were drawn
        with the same probability, and ``sampling_stratum`` where there is one.

    Raises
    ------
    InputError
        For an unknown factor; if responses cannot be told apart by design_id and index; if a label is
        of none of them, or of several; if none is of a response without (or with) the detector's flag
        while there are such; or if the weights do not add up to the number of responses.
    """
    rule = responses.rule(detector)
    _check_ids(responses, labels)
    weighted, notes = _weigh(labels, count(responses.connection, "SELECT count(*) FROM responses"))
    kept = list(dict.fromkeys([*STUDY_COLUMNS, *factors]))
    known = [name for name in responses.columns if not name.startswith("refused")]
    for name in kept:
        if name not in known:
            raise unknown_name("factor", name, known)
    named = ", ".join(map(identifier, kept))
    connection = responses.connection
    connection.register("labels_frame", weighted)
    connection.execute("CREATE OR REPLACE TEMP TABLE given_labels AS SELECT * FROM labels_frame")
    connection.unregister("labels_frame")
    _check_joined(responses, labels, rule, weighted)
    as_text = ", ".join(f"{identifier(name)}::VARCHAR AS {identifier(name)}" for name in kept)
    judged = f"SELECT {as_text}, text_id, {identifier(f'refused_{rule}')} AS refused, {_item_id()} AS item_id"
    summed = ", ".join(f"{_SUMS[name]} AS {name}" for name in SUMS)
    sums = connection.execute(
        f"SELECT {named}, task || '/' || text_id AS text_id, {summed} FROM ({judged} FROM responses) "
        "LEFT JOIN given_labels USING (item_id) GROUP BY ALL ORDER BY ALL"
    ).df()
    sums[list(SUMS)] = sums[list(SUMS)].astype(np.float64)
    return LabelSums(sums, tuple(notes))


def _item_id() -> str:
    """Write `refusal_metrics.analysis.labels.item_id` as SQL."""
    return 'left(sha256(model || chr(0) || design_id || chr(0) || "index"::VARCHAR), 16)'


def _check_ids(responses: Responses, labels: Labels) -> None:
    listed = ", ".join(map(str, responses.files[:3]))
    if not {"design_id", "index"} <= set(responses.columns):
        raise InputError(
            f"{listed}: lacks the columns design_id and index, by which labels are joined to responses; give the "
            "results folder, or a table that `ingest` or `detect` wrote"
        )
    if labels.items.empty:
        raise InputError(f"{labels.path}: none of its labels can be used; {' '.join(labels.notes)}")


def _weigh(labels: Labels, n_responses: int) -> tuple[pd.DataFrame, list[str]]:
    """Give each labelled item the number of responses that it stands for."""
    drawn = pd.concat([labels.items.assign(used=True), labels.left_out.assign(used=False)], ignore_index=True)
    notes = []
    if "probability" not in drawn:
        drawn["probability"] = len(drawn) / n_responses
        notes.append(
            f"{labels.path}: has no column probability, so its {len(drawn):,} items count as drawn at random from all "
            f"{n_responses:,} responses."
        )
    used, weight = drawn["used"].to_numpy(), 1 / drawn["probability"].to_numpy(dtype=np.float64)
    number = pd.factorize(drawn["probability"])[0]
    if "sampling_stratum" in drawn:
        number = number * len(drawn) + pd.factorize(drawn["sampling_stratum"], use_na_sentinel=False)[0]
    number = np.unique(number, return_inverse=True)[1]
    whole = np.bincount(number, weight)
    of_used = np.bincount(number[used], weight[used], minlength=len(whole))
    reached = of_used > 0
    raised = np.divide(whole, of_used, out=np.zeros_like(whole), where=reached)
    # What a class without any label stands for falls to all others.
    raised *= whole.sum() / whole[reached].sum()
    n_lost = int(np.sum(~used))
    if n_lost:
        notes.append(
            f"{labels.path}: {n_lost:,} items were drawn and have no usable label; their weight falls to those drawn "
            "with the same probability."
        )
    weighted = drawn.assign(weight=weight * raised[number])[used]
    return weighted[["item_id", "label", "weight"]].astype({"label": bool}), notes


def _check_joined(responses: Responses, labels: Labels, rule: str, weighted: pd.DataFrame) -> None:
    """Check that each label is of one response, and that together they stand for all."""
    flag = identifier(f"refused_{rule}")
    found = responses.query(
        f"SELECT item_id, count(n), any_value(refused) FROM given_labels LEFT JOIN (SELECT {_item_id()} AS item_id, "
        f"{flag} AS refused, 1 AS n FROM responses) USING (item_id) GROUP BY item_id ORDER BY item_id"
    ).fetchnumpy()
    times = np.asarray(found["count(n)"])
    unknown = set(np.asarray(found["item_id"])[times == 0])
    if unknown:
        first = labels.items[labels.items["item_id"].isin(unknown)].iloc[0]
        raise InputError(
            f"{labels.path}: {len(unknown):,} of its {len(weighted):,} labelled items are none of the responses "
            f"given, the first {shortened(first['id'])}; give the results that they were drawn from"
        )
    if np.any(times > 1):
        raise InputError(
            f"{labels.path}: {int(np.sum(times > 1)):,} of its labels could be of several runs' answers to one prompt; "
            "leave out --all-runs and factors of runs"
        )
    flagged = {bool(value) for value in found["any_value(refused)"]}
    there = {bool(value) for (value,) in responses.query(f"SELECT DISTINCT {flag} FROM responses").fetchall()}
    for missing in there - flagged:
        raise InputError(
            f"{labels.path}: has labels only of responses that {rule} calls {'other' if missing else 'refusals'}; a "
            "corrected rate needs a sample of the others too, which `annotate export` without --only draws"
        )
    n, weight = count(responses.connection, "SELECT count(*) FROM responses"), weighted["weight"].to_numpy()
    deviation = float(np.sqrt(np.sum(weight * np.maximum(weight - 1, 0))))
    if abs(weight.sum() - n) > max(_MARGIN * n, _DEVIATIONS * deviation):
        raise InputError(
            f"{labels.path}: its labels stand for {weight.sum():,.0f} responses (the sum of 1 / probability), and "
            f"there are {n:,}; give all results that they were drawn from and no others, or mend the column probability"
        )
