"""Rates and differences of a study, corrected by people's labels of a sample."""

from collections.abc import Sequence

import pandas as pd

from ..labels import LabelMap, estimate_corrected, estimate_corrected_contrasts, read_labels, sum_labels
from ..responses import Responses
from .arguments import AnyPath, as_file


def corrected_rates(
    responses: Responses,
    labels: AnyPath | pd.DataFrame,
    names: LabelMap,
    by: Sequence[str],
    detector: str | None,
) -> pd.DataFrame:
    """Estimate corrected rates by these factors."""
    sums, notes = _sum(responses, labels, names, by, detector)
    return _told(estimate_corrected(sums, by), notes, responses.rule(detector))


def corrected_contrasts(
    responses: Responses,
    labels: AnyPath | pd.DataFrame,
    names: LabelMap,
    baselines: Sequence[str],
    detector: str | None,
) -> pd.DataFrame:
    """Estimate corrected differences of personas from baselines."""
    sums, notes = _sum(responses, labels, names, ["persona"], detector)
    tables = [estimate_corrected_contrasts(sums, baseline) for baseline in baselines]
    table = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return _told(table, notes, responses.rule(detector))


def _sum(
    responses: Responses,
    labels: AnyPath | pd.DataFrame,
    names: LabelMap,
    factors: Sequence[str],
    detector: str | None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    with as_file(labels, "labels") as path:
        given = read_labels(path, names=names)
        summed = sum_labels(responses, given, factors, detector=detector)
    return summed.sums, (*given.notes, *summed.notes)


def _told(table: pd.DataFrame, notes: Sequence[str], rule: str) -> pd.DataFrame:
    table.attrs |= {"detector": rule, "notes": tuple(notes)}
    return table
