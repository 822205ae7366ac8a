r"""How well a detector's refusals are the refusals that people see.

Precision and recall are ratios :math:`r = \sum_i w_i a_i / \sum_i w_i b_i` over labelled items, w
being 1 / inclusion probability, with the linearised variance
:math:`v = \tfrac{G}{G-1} \sum_g z_g^2`, :math:`z_g = \sum_{i \in g} w_i (a_i - r b_i) / \sum_i w_i b_i`,
over the G texts with b. Linearisation and not resampling, because what was never seen is in no
bootstrap sample: a detector without an error would have an interval of width 0. Here the variance
becomes a number of independent items, which has an exact interval (Korn and Graubard); where there is
no error, texts alone count and the interval is one-sided, as that of a rate is. Degrees of freedom are
G - 1: labelled errors are few and far apart, and the exact interval knows how few they are.

F1 is 2 J / (1 + J), J = tp / (tp + fp + fn) being such a ratio, and has its ends. Kappa is 1 - D / E,
D being the share of disagreement and E what chance makes of it: its ends are those of D with the
variance of kappa times E squared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.verdict import OUTCOMES, Verdict

from .agreement import cohen_kappa, wilson
from .batch import Detector, Item
from .effective import clustered, effective_units, proportion_interval, totals, unseen_share
from .labels import Labels, number_texts, read_labels
from .persona_gap import GAP, estimate_persona_gap
from .rates import LEVEL

SLICES = ("model", "task", "template", "response_type", "persona")
"""What errors are told apart by, where labels say it."""

MEASURES = ("precision", "recall", "f1", "kappa")

VALIDATION = (
    *("factor", "level", "n", "n_texts", "n_refusals", "tp", "fp", "fn", "tn"),
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    *("precision_low_wilson", "recall_low_wilson"),
)
"""The columns of a table of detection errors, after the detector."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Validation:
    """Detectors against the labels of one file.

    Attributes
    ----------
    table : pandas.DataFrame
        ``detector``, then the columns of `estimate_validation`.
    confusion : pandas.DataFrame
        ``detector, label`` (refusal, none), ``outcome`` (the detector's), ``n``, and ``share``, the
        weighted share of that label's items.
    gaps : pandas.DataFrame
        ``detector``, then those of `refusal_metrics.analysis.persona_gap.estimate_persona_gap`;
        empty where labels name fewer than two personas.
    notes : tuple of str
    """

    table: pd.DataFrame
    confusion: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...]


def validate(
    path: Path,
    detectors: Sequence[Detector],
    *,
    by: Sequence[str] | None = None,
    preset: str | None = None,
    seed: int = 0,
) -> Validation:
    """Set detectors beside the labels of a file.

    Parameters
    ----------
    path : Path
        See `refusal_metrics.analysis.labels.read_labels`.
    detectors : sequence of Detector
    by : sequence of str, optional
        Columns of the file to tell errors apart by; by default those of `SLICES` that it has.
    preset : str, optional
        Whose label file it is, where its columns do not tell.
    seed : int
        Of the permutations of personas.

    Returns
    -------
    Validation
        Items that a detector gave no verdict are left out of its rows and counted in a note.

    Raises
    ------
    InputError
        If the file has no responses, none of its labels can be used, or it lacks a column of `by`.
    """
    labels = read_labels(path, preset=preset, fields=by or ())
    _check(labels, by)
    slices = list(by) if by is not None else [name for name in SLICES if name in labels.items]
    notes = list(labels.notes)
    notes += [f"{path}: has no column text_id, so each item is a text of its own."] * ("text_id" not in labels.items)
    notes += ["Items count by 1 / probability."] * ("probability" in labels.items)
    tables, confusions, gaps = [], [], []
    given = list(_items(labels))
    for detector in detectors:
        verdicts: list[Verdict | None] = []
        for start in range(0, len(given), detector.at_once):
            verdicts += detector.detect(given[start : start + detector.at_once])
        scored, n_unscored = _score(labels.items, verdicts)
        notes += detector.remarks()
        if n_unscored:
            notes.append(f"{detector.name}: gave {n_unscored:,} of {len(given):,} items no verdict; they are left out.")
        if scored.empty:
            continue
        named = {"detector": detector.name}
        tables.append(_named(estimate_validation(scored, slices), **named))
        confusions.append(_named(_confusion(scored), **named))
        if "persona" in scored and len(scored["persona"].dropna().unique()) > 1:
            gaps.append(_named(estimate_persona_gap(scored, rng=np.random.default_rng(seed)), **named))
    table = _joined(tables, VALIDATION)
    if frames := _partial_frames(labels):
        # What is not flagged had no chance to be read, so that nothing is known of what was missed.
        notes.append(
            f"Labels are of responses {' and '.join(frames)} alone: they tell precision, and nothing of recall."
        )
        table[[name for name in table.columns if name.startswith(("recall", "f1", "kappa"))]] = np.nan
        gaps = []
    return Validation(
        table=table,
        confusion=_joined(confusions, ("label", "outcome", "n", "share")),
        gaps=_joined(gaps, GAP),
        notes=tuple(notes),
    )


def estimate_validation(items: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Estimate how well verdicts agree with labels, over all items and by the levels of factors.

    Parameters
    ----------
    items : pandas.DataFrame
        One row an item: ``label, refused`` (bool), the factors of `by`, and where known ``text_id``
        (else each item is a text of its own) and ``weight`` (1 / probability; else all count alike).
    by : sequence of str
        Factors; each gives a row a level, ``None`` for items without one.

    Returns
    -------
    pandas.DataFrame
        Columns `VALIDATION`: ``factor, level`` (empty for all items); ``n, n_texts, n_refusals``
        (labelled so) and ``tp, fp, fn, tn``, items not weighted; ``precision, recall, f1, kappa``
        weighted, each with its 95 % interval ``_low, _high`` as told above; and the lower ends of
        Wilson's intervals of precision and recall of the counts, which know neither weights nor
        texts. A measure is missing where nothing is flagged, or nothing labelled a refusal.

    Raises
    ------
    InputError
        For an unknown factor, or without items.

    References
    ----------
    Korn and Graubard 1998, Survey Methodology 24, 193-201. Särndal, Swensson and Wretman 1992,
    doi:10.1007/978-1-4612-4378-6, section 5.5, for the variance of a ratio.
    """
    if items.empty:
        raise InputError("there are no items with a label and a verdict")
    for name in by:
        if name not in items:
            raise unknown_name("factor", name, items.columns)
    rows: list[dict[str, object]] = [{"factor": "", "level": "", **_row(items)}]
    for name in by:
        for level, part in items.groupby(name, sort=True, dropna=False):
            named = {"factor": name, "level": None if pd.isna(level) else level}
            rows.append({**named, **_row(part)})
    table = pd.DataFrame(rows, columns=list(VALIDATION))
    # As objects, because pandas' own texts know no None.
    return table.assign(level=pd.Series([row["level"] for row in rows], dtype=object))


def _check(labels: Labels, by: Sequence[str] | None) -> None:
    if labels.items.empty:
        raise InputError(f"{labels.path}: none of its labels can be used; {' '.join(labels.notes)}")
    if "response" not in labels.items:
        raise InputError(f"{labels.path}: has no column response, which detectors read; add it")
    for name in by or ():
        if name not in labels.items:
            raise unknown_name(f"column in {labels.path}:", name, labels.items.columns)


def _partial_frames(labels: Labels) -> list[str]:
    """List what labels were drawn from, where that is not all responses: ``flagged by prefix``."""
    if "frame" not in labels.items:
        return []
    frames = labels.items["frame"].dropna().astype(str).unique()
    return sorted(set(frames) - {"", "all"})


def _items(labels: Labels) -> Iterator[Item]:
    known = labels.items
    nothing = [None] * len(known)
    columns = (known.get(name, nothing) for name in ("response", "labels", "prompt", "persona"))
    for response, offered, prompt, persona in zip(*columns, strict=True):
        yield Item(response, offered or (), prompt, persona)


def _score(items: pd.DataFrame, verdicts: Sequence[Verdict | None]) -> tuple[pd.DataFrame, int]:
    """Add the verdicts to the items that have one; count the others."""
    outcomes = pd.Series([None if verdict is None else verdict.outcome for verdict in verdicts], dtype=object)
    weight = 1 / items["probability"] if "probability" in items else 1.0
    scored = items.assign(outcome=outcomes, weight=weight)[outcomes.notna().to_numpy()]
    refused = [verdict.refused for verdict in verdicts if verdict is not None]
    return scored.assign(refused=np.array(refused, dtype=bool)), int(outcomes.isna().sum())


def _named(table: pd.DataFrame, *, detector: str) -> pd.DataFrame:
    table.insert(0, "detector", detector)
    return table


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["detector", *columns])


def _confusion(items: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, label in (("refusal", True), ("none", False)):
        part = items[items["label"] == label]
        for outcome in OUTCOMES:
            found = part[part["outcome"] == outcome]
            share = found["weight"].sum() / part["weight"].sum() if len(part) else np.nan
            rows.append({"label": name, "outcome": outcome, "n": len(found), "share": share})
    return pd.DataFrame(rows)


def _row(items: pd.DataFrame) -> dict[str, float]:
    label, refused = (items[name].to_numpy(dtype=bool) for name in ("label", "refused"))
    weight = items["weight"].to_numpy(dtype=np.float64) if "weight" in items else np.ones(len(items))
    text = number_texts(items)
    counts = {
        "tp": int(np.sum(label & refused)),
        "fp": int(np.sum(~label & refused)),
        "fn": int(np.sum(label & ~refused)),
        "tn": int(np.sum(~label & ~refused)),
    }
    sizes = {"n": len(items), "n_texts": int(text.max()) + 1, "n_refusals": int(label.sum())}
    hit = label & refused
    ends = {
        "precision": _ratio(hit, refused, weight, text),
        "recall": _ratio(hit, label, weight, text),
        "f1": tuple(2 * j / (1 + j) for j in _ratio(hit, label | refused, weight, text)),
        "kappa": _kappa(label, refused, weight, text),
    }
    measures = {
        f"{name}{end}": value
        for name, values in ends.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    # Without items to judge by, there is nothing but nan.
    low = {
        f"{name}_low_wilson": float(wilson(counts["tp"], n)[0])
        for name, n in (("precision", refused.sum()), ("recall", label.sum()))
    }
    return sizes | counts | measures | low


def _ratio(
    a: NDArray[np.bool_], b: NDArray[np.bool_], weight: Floats, text: NDArray[np.integer]
) -> tuple[float, float, float]:
    """Estimate the share of a among b: the estimate and the ends of its interval."""
    a, weight, text = a[b], weight[b], np.unique(text[b], return_inverse=True)[1]
    if not len(a):
        return np.nan, np.nan, np.nan
    total = weight.sum()
    # Whole where all are a, so that no rounding hides it.
    share = 1.0 if a.all() else float(weight[a].sum() / total)
    return share, *_interval(share, totals(text, weight * (a - share) / total), len(a), totals(text, weight))


def _kappa(
    label: NDArray[np.bool_], refused: NDArray[np.bool_], weight: Floats, text: NDArray[np.integer]
) -> tuple[float, float, float]:
    """Estimate kappa: the estimate and the ends of its interval."""
    kappa = cohen_kappa(label, refused, weight)
    if np.isnan(kappa):
        return np.nan, np.nan, np.nan
    share = weight / weight.sum()
    p, q = (float(share[part].sum()) for part in (label, refused))
    by_chance, differ = p + q - 2 * p * q, label != refused
    disagreement = float(share[differ].sum())
    score = differ - disagreement / by_chance * ((1 - 2 * q) * (label - p) + (1 - 2 * p) * (refused - q))
    scores = totals(text, share * (score - disagreement))
    low, high = _interval(disagreement, scores, len(label), totals(text, weight))
    return kappa, max(1 - high / by_chance, -1.0), 1 - low / by_chance


def _interval(share: float, scores: Floats, n: int, weights: Floats) -> tuple[float, float]:
    # Items of unequal weight know less than as many equal ones, however light those are that erred.
    units = effective_units(weights)
    unseen = unseen_share(units, 1 - LEVEL)
    low, high = proportion_interval(share, clustered(scores)[0], min(n, units), unseen, freedom=len(scores) - 1)
    return float(low), float(high)
