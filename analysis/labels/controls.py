"""Controls of a detector: responses of a model that was told to decline, and told to answer.

A model may not obey, so the control is not the rate of refusals: it is the share of refusals that the detector finds
among the responses that did as told, according to people's labels.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refusal_metrics.detection import ANSWER, REFUSAL
from refusal_metrics.errors import InputError, unknown_name

from ..arrays import Floats
from ..columns import FACTORS
from ..contracts import Contract
from ..display import interval, percent
from .detection_errors import ratio
from .read import item_id, number_texts

_CONTROLS = ("estimate", "ci_low", "ci_high", "answered", "answered_low", "answered_high")
CONTROLS = Contract(
    keys=("condition", "factor", "level"),
    estimates=("n", "n_texts", "n_refused", "n_answer", *_CONTROLS),
    shares=frozenset(_CONTROLS),
    headings={"estimate": "refused", "n_refused": "n refused", "n_answer": "n answered"},
)
_READINGS = tuple(f"{name}{end}" for name in ("obeyed", "reading") for end in ("", "_low", "_high"))
LABELLED_CONTROLS = Contract(
    keys=CONTROLS.keys,
    estimates=(*CONTROLS.estimates, "n_labelled", "n_obeyed", "n_obeyed_refused", *_READINGS),
    shares=frozenset({*_CONTROLS, *_READINGS}),
    headings={**CONTROLS.headings, "n_obeyed": "n obeyed", "n_obeyed_refused": "refused among these"},
)

EXPECTED = {"decline": 1.0, "answer": 0.0}
"""The share of refusals that a detector without errors finds among the responses that did as told, by condition."""

TOLERANCE = 0.05
"""The distance from 0 or 1 that still counts as about 0 or 1."""

_FEW = 30
_HALF = 0.5


def add_labels(responses: pd.DataFrame, items: pd.DataFrame, source: str) -> pd.DataFrame:
    """Add the labels of people to the responses of the controls.

    Parameters
    ----------
    responses : pandas.DataFrame
        Columns ``model, design_id, index``.
    items : pandas.DataFrame
        Columns ``item_id, label, weight``, as `refusal_metrics.analysis.labels.read.weigh_labels` returns them.
    source : str
        The file of the labels, for the error.

    Returns
    -------
    pandas.DataFrame
        The responses with the columns ``label`` (True, False or None) and ``weight`` (nan without a label).

    Raises
    ------
    InputError
        If none of the labels belongs to these responses.
    """
    named = zip(responses["model"], responses["design_id"], responses["index"], strict=True)
    ids = [item_id(str(model), str(design), int(index)) for model, design, index in named]
    known = items.set_index("item_id")
    if not set(ids) & set(known.index):
        raise InputError(
            f"{source}: none of its {len(items):,} labelled items is among the responses of the controls; label these"
        )
    label, weight = dict(known["label"]), dict(known["weight"])
    return responses.assign(
        label=pd.Series([label.get(i) for i in ids], responses.index, dtype=object),
        weight=[weight.get(i, np.nan) for i in ids],
    )


def estimate_controls(responses: pd.DataFrame, by: Sequence[str] = ("persona",)) -> pd.DataFrame:
    """Estimate how often a detector calls responses refusals and answers, by condition.

    Parameters
    ----------
    responses : pandas.DataFrame
        One row a response: ``condition`` (a key of `EXPECTED`), ``outcome`` (of the detector), ``text_id`` and the
        factors of `by`; with labels also ``label`` and ``weight``, see `add_labels`.
    by : sequence of str
        Factors; each gives a row per level and condition.

    Returns
    -------
    pandas.DataFrame
        The columns of `CONTROLS`, with labels those of ``LABELLED_CONTROLS``.
        ``estimate`` is the share of responses that the detector calls refusals, and ``answered`` the share that it
        calls answers. ``obeyed`` is the share of the labelled responses that did as told: were labelled a refusal if
        told to decline, and were not if told to answer. ``reading`` is the share of these that the detector calls
        refusals, which is 1 and 0 for a detector without errors. All with 95% confidence intervals clustered by text.

    Raises
    ------
    InputError
        For an unknown factor.
    """
    known = [name for name in FACTORS if name in responses]
    for name in by:
        if name not in known:
            raise unknown_name("factor", name, known)
    contract = LABELLED_CONTROLS if "label" in responses else CONTROLS
    rows = []
    for condition, expected in EXPECTED.items():
        part = responses[responses["condition"] == condition]
        rows.append({"condition": condition, "factor": "", "level": ""} | _row(part, expected))
        for name in by:
            for level, of_level in part.groupby(name, sort=True):
                rows.append({"condition": condition, "factor": name, "level": str(level)} | _row(of_level, expected))
    return pd.DataFrame(rows, columns=[*contract.keys, *contract.estimates])


def _row(responses: pd.DataFrame, expected: float) -> dict[str, float]:
    refused = (responses["outcome"] == REFUSAL).to_numpy(dtype=bool)
    answered = (responses["outcome"] == ANSWER).to_numpy(dtype=bool)
    text, every, alike = number_texts(responses), np.ones(len(responses), dtype=bool), np.ones(len(responses))
    row: dict[str, float] = {
        "n": len(responses),
        "n_texts": len(np.unique(text)),
        "n_refused": int(refused.sum()),
        "n_answer": int(answered.sum()),
        **_share(("estimate", "ci_low", "ci_high"), refused, every, alike, text),
        **_share(("answered", "answered_low", "answered_high"), answered, every, alike, text),
    }
    if "label" in responses:
        labelled = responses["label"].notna().to_numpy(dtype=bool)
        obeyed = labelled & (responses["label"] == bool(expected)).to_numpy(dtype=bool)
        weight = responses["weight"].to_numpy(dtype=np.float64)
        row |= {
            "n_labelled": int(labelled.sum()),
            "n_obeyed": int(obeyed.sum()),
            "n_obeyed_refused": int(np.sum(obeyed & refused)),
            **_share(("obeyed", "obeyed_low", "obeyed_high"), obeyed, labelled, weight, text),
            **_share(("reading", "reading_low", "reading_high"), obeyed & refused, obeyed, weight, text),
        }
    return row


def _share(
    names: Sequence[str], a: NDArray[np.bool_], b: NDArray[np.bool_], weight: Floats, text: NDArray[np.integer]
) -> dict[str, float]:
    return dict(zip(names, ratio(a, b, weight, text), strict=True))


def describe_controls(table: pd.DataFrame, detector: str) -> Iterator[str]:
    """Report whether a detector reads about 1 and about 0, in sentences.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `estimate_controls`.
    detector : str

    Yields
    ------
    str
    """
    whole = table[table["factor"] == ""]
    rows = {str(row["condition"]): row for row in whole.to_dict("records")}
    for condition, expected in EXPECTED.items():
        yield from _describe(rows[condition], detector, condition, expected)
    if "reading" in whole:
        if (whole["obeyed"] < _HALF).any():
            yield "The model did not obey in most responses of a condition; only those in which it did are a control."
    else:
        yield (
            "These rates depend on how often the model obeys, not only on the detector. Label the responses, and add "
            "--labels to measure the detector alone."
        )


def _describe(row: Mapping[Hashable, Any], detector: str, condition: str, expected: float) -> Iterator[str]:
    """Report what a detector reads in one condition."""
    if "reading" not in row:
        share, low, high = row["estimate"], row["ci_low"], row["ci_high"]
        yield (
            f"Told to {condition}: {detector} calls {row['n_refused']:,} of {row['n']:,} responses refusals "
            f"({percent(share)}% {interval(low, high)}): {_judge(share, low, high, expected)}."
        )
        return
    done = "declined" if expected else "did not decline"
    yield (
        f"Told to {condition}, the model {done} in {row['n_obeyed']:,} of {row['n_labelled']:,} labelled responses "
        f"({percent(row['obeyed'])}% {interval(row['obeyed_low'], row['obeyed_high'])})."
    )
    if not row["n_obeyed"]:
        yield f"So it is unknown whether {detector} reads {expected:.0f}; use a model that obeys."
        return
    share, low, high = row["reading"], row["reading_low"], row["reading_high"]
    yield (
        f"{detector} calls {row['n_obeyed_refused']:,} of these {row['n_obeyed']:,} refusals "
        f"({percent(share)}% {interval(low, high)}): {_judge(share, low, high, expected)}."
    )
    if row["n_obeyed"] < _FEW:
        yield f"Fewer than {_FEW} responses are too few for a control; use a model that obeys, or a larger --limit."


def _judge(share: float, low: float, high: float, expected: float) -> str:
    """Report whether a share is about what is expected, given its interval."""
    error, least, most = (1 - share, 1 - high, 1 - low) if expected else (share, low, high)
    if most <= TOLERANCE:
        return f"about {expected:.0f}"
    if least > TOLERANCE:
        return f"not about {expected:.0f}"
    side = "near" if error <= TOLERANCE else "not near"
    return f"{side} {expected:.0f}, but too few texts to be certain"
