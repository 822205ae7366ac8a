"""Detectors compared with people's labels of responses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from refusal_metrics.detection import OTHER, OUTCOMES, REFUSAL, pattern_names
from refusal_metrics.errors import InputError, unknown_name

from ..judging import say_unknown
from ..responses import Detector, Item, Responses, has_item_ids, match_items, read_language, read_words
from .detection_errors import VALIDATION, estimate_validation
from .mapping import LabelMap
from .match import check_texts
from .patterns import PATTERNS, estimate_patterns
from .persona_gap import GAP, estimate_persona_gap
from .read import Labels, read_labels, weigh_labels

SLICES = ("model", "task", "template", "response_type", "persona")
"""Columns of labels that errors are broken down by, if they exist."""


@dataclass(frozen=True)
class _Judged:
    """A detector's outcomes of labelled items; None if it has no verdict."""

    name: str
    items: pd.DataFrame
    outcomes: Sequence[str | None]
    rules: Sequence[str | None] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Validation:
    """Detectors compared with the labels of one file.

    Attributes
    ----------
    table : pandas.DataFrame
        ``detector``, then the columns of `refusal_metrics.analysis.labels.detection_errors.estimate_validation`.
    confusion : pandas.DataFrame
        ``detector, label`` (refusal, none), ``outcome`` (the detector's), ``n``, and ``share``, the
        weighted share of that label's items.
    gaps : pandas.DataFrame
        ``detector``, then those of `refusal_metrics.analysis.labels.persona_gap.estimate_persona_gap`;
        empty if the labels name fewer than two personas.
    notes : tuple of str
    patterns : pandas.DataFrame
        ``detector``, then those of `refusal_metrics.analysis.labels.patterns.estimate_patterns`; empty unless
        requested.
    n_matched : int or None
        How many of the labels belong to the given responses; None if unknown.
    """

    table: pd.DataFrame
    confusion: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...]
    patterns: pd.DataFrame = field(default_factory=pd.DataFrame)
    n_matched: int | None = None


def validate(
    path: Path,
    detectors: Sequence[Detector],
    *,
    by: Sequence[str] | None = None,
    preset: str | None = None,
    seed: int = 0,
    responses: Responses | None = None,
    names: LabelMap | None = None,
    by_pattern: bool = False,
) -> Validation:
    """Compare detectors with the labels of a file.

    Parameters
    ----------
    path : Path
        See `refusal_metrics.analysis.labels.read.read_labels`.
    detectors : sequence of Detector
    by : sequence of str, optional
        Columns of the file to break errors down by; by default those of `SLICES` that it has.
    preset : str, optional
        The source of the label file, if its columns do not show it.
    seed : int
        Number of permutations of personas.
    responses : Responses, optional
        The responses that should be labelled. A note reports whether they are, and other detectors whose verdicts they
        contain are compared with the labels too. Labels of other answers to the same prompts are left out.
    names : LabelMap, optional
        What the file calls its columns and values.
    by_pattern : bool
        Whether to estimate the precision and recall of each pattern of the detectors too.

    Returns
    -------
    Validation
        Items without a verdict of a detector are left out of its rows and counted in a note. The weight of those
        without a usable label is redistributed, see
        `refusal_metrics.analysis.labels.read.weigh_labels`.

    Raises
    ------
    InputError
        If the file has no responses for `detectors`, none of its labels can be used, or it lacks a column of `by`.
    """
    labels = read_labels(path, preset=preset, fields=by or (), names=names)
    notes_of_texts: tuple[str, ...] = ()
    if responses is not None:
        labels, notes_of_texts = check_texts(responses, labels)
    _check(labels, by, detectors)
    slices = list(by) if by is not None else [name for name in SLICES if name in labels.items]
    items, notes_of_weights = weigh_labels(labels)
    notes = [*labels.notes, *notes_of_texts, *notes_of_weights]
    n_matched = None
    notes += [f"{path}: has no column text_id, so each item is a text of its own."] * ("text_id" not in items)
    notes += ["Items count by 1 / probability."] * ("probability" in items)
    judged = [_ask(detector, items) for detector in detectors]
    n_open = sum(not options for options in items.get("labels", [()] * len(items)))
    has_personas = "persona" in items or "persona_words" in items
    for detector in detectors:
        option = "--columns persona=NAME"
        notes += say_unknown(str(path), detector.name, len(items), n_open, has_personas=has_personas, option=option)
    if responses is not None:
        taken, notes_of_matches, n_matched = _take(responses, labels, items, {detector.name for detector in detectors})
        judged += taken
        notes += notes_of_matches
    tables, confusions, gaps = [], [], []
    patterns: list[pd.DataFrame] = []
    for of_detector in judged:
        name, n = of_detector.name, len(of_detector.items)
        scored = _score(of_detector)
        notes += of_detector.remarks
        if len(scored) < n:
            notes.append(f"{name}: gave {n - len(scored):,} of {n:,} items no verdict; they are left out.")
        if scored.empty:
            continue
        tables.append(_named(estimate_validation(scored, slices), detector=name))
        confusions.append(_named(_confusion(scored), detector=name))
        patterns += _estimate_patterns(of_detector, scored) * by_pattern
        if "persona" in scored and len(scored["persona"].dropna().unique()) > 1:
            gaps.append(_named(estimate_persona_gap(scored, rng=np.random.default_rng(seed)), detector=name))
    table = _joined(tables, VALIDATION)
    if frames := _partial_frames(labels):
        # Responses that were not flagged could not be drawn, so missed refusals are unknown.
        notes.append(f"Only responses {' and '.join(frames)} were labelled: precision is known, recall is not.")
        for known in (table, *patterns):
            known[[name for name in known.columns if name.startswith(("recall", "f1", "kappa"))]] = np.nan
        gaps = []
    return Validation(
        table=table,
        confusion=_joined(confusions, ("label", "outcome", "n", "share")),
        gaps=_joined(gaps, GAP),
        notes=tuple(notes),
        patterns=_joined(patterns, PATTERNS),
        n_matched=n_matched,
    )


def _check(labels: Labels, by: Sequence[str] | None, detectors: Sequence[Detector]) -> None:
    if labels.items.empty:
        raise InputError(f"{labels.path}: none of its labels can be used; {' '.join(labels.notes)}")
    if detectors and "response" not in labels.items:
        raise InputError(f"{labels.path}: has no column response, which detectors read; add it")
    for name in by or ():
        if name not in labels.items:
            raise unknown_name(f"column in {labels.path}:", name, labels.items.columns)


def _partial_frames(labels: Labels) -> list[str]:
    """List what labels were drawn from, if not from all responses: ``flagged by prefix``."""
    if "frame" not in labels.items:
        return []
    frames = labels.items["frame"].dropna().astype(str).unique()
    return sorted(set(frames) - {"", "all"})


def _ask(detector: Detector, items: pd.DataFrame) -> _Judged:
    """Judge the labelled responses with a detector."""
    given = list(_items(items))
    outcomes: list[str | None] = []
    rules: list[str | None] = []
    for start in range(0, len(given), detector.at_once):
        verdicts = detector.detect(given[start : start + detector.at_once])
        outcomes += [None if verdict is None else verdict.outcome for verdict in verdicts]
        rules += [None if verdict is None else verdict.rule for verdict in verdicts]
    return _Judged(detector.name, items, outcomes, rules, detector.remarks())


def _items(items: pd.DataFrame) -> Iterator[Item]:
    nothing = [None] * len(items)
    named = ("response", "labels", "prompt", "persona", "persona_words", "language")
    columns = (items.get(name, nothing) for name in named)
    for response, options, prompt, persona, words, language in zip(*columns, strict=True):
        yield Item(response, options or (), prompt, persona, read_words(words), read_language(language))


def _take(
    responses: Responses, labels: Labels, items: pd.DataFrame, known: set[str]
) -> tuple[list[_Judged], list[str], int | None]:
    """Return the verdicts of other detectors on the labelled responses; report how many there are."""
    names = [rule for rule in responses.rules if rule not in known]
    listed = ", ".join(names)
    if not has_item_ids(responses):
        unknown = f", and {listed} cannot be compared with its labels" * bool(names)
        return (
            [],
            [f"The responses have no design_id and index that show whether {labels.path} is of them{unknown}."],
            None,
        )
    found = match_items(responses, items["item_id"].tolist())
    times = found["n"].to_numpy()
    n, n_there, n_unclear = len(items), int(np.sum(times > 0)), int(np.sum(times > 1))
    if not n_there:
        others = "the labels are of others" + f" and say nothing of {listed}" * bool(names)
        return [], [f"{labels.path}: none of its {n:,} labelled items is among these responses; {others}."], 0
    notes = []
    if n_there < n:
        alone = f"; the numbers of {listed} are of these alone" * bool(names)
        notes.append(
            f"{labels.path}: {n_there:,} of its {n:,} labelled items {'is' if n_there == 1 else 'are'} among these "
            f"responses{alone}."
        )
    if not names:
        return [], notes, n_there
    if n_unclear:
        notes.append(
            f"{labels.path}: {n_unclear:,} of its labelled items could be of several runs' answers to one prompt; the "
            f"numbers of {listed} are without them."
        )
    notes.append(f"Verdicts of {listed} come from the responses and show only refusals; all else counts as other.")
    own, outcome = items[times == 1], {True: REFUSAL, False: OTHER, None: None}
    verdicts = found[times == 1]
    return [_Judged(name, own, [outcome[v] for v in verdicts[f"refused_{name}"]]) for name in names], notes, n_there


def _score(judged: _Judged) -> pd.DataFrame:
    """Add the verdicts to the items that have one."""
    scored = judged.items.assign(outcome=pd.Series(judged.outcomes, judged.items.index, dtype=object))
    if judged.rules:
        # Another detector's, if the file has a column of this name.
        scored = scored.assign(rule=pd.Series(judged.rules, judged.items.index, dtype=object))
    scored = scored[scored["outcome"].notna()]
    return scored.assign(refused=scored["outcome"] == REFUSAL)


def _estimate_patterns(judged: _Judged, scored: pd.DataFrame) -> list[pd.DataFrame]:
    """Estimate the precision and recall of a detector's patterns, if its verdicts name them."""
    if not judged.rules:
        return []
    return [_named(estimate_patterns(scored, pattern_names(judged.name)), detector=judged.name)]


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
