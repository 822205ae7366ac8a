"""Differences between cells and a baseline, before any correction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from refusal_metrics.errors import unknown_name

from ..arrays import Floats, Integers
from ..columns import BASELINES, OTHERS
from ..counts import Counts, TextCounts, count_units_by_text
from ..statistics import (
    Difference,
    compare_between,
    compare_within,
    join_strata,
    pool_overdispersion,
    text_scores,
)
from .arms import list_entries, take_cells
from .blocks import split_texts


@dataclass(frozen=True)
class Compared:
    """Differences between cells and a baseline, before any correction.

    Attributes
    ----------
    baseline : str
    named : pandas.DataFrame
        The levels of each difference's cell, one row a difference.
    family : list of tuple of str
        The family of each difference.
    differences : Difference
    within : (n_differences,) array of bool
        Whether a difference is within texts.
    by_text : callable
        Returns what each text adds to the error of each difference within texts: (n_texts, n_differences).
    """

    baseline: str
    named: pd.DataFrame
    family: list[tuple[str, ...]]
    differences: Difference
    within: NDArray[np.bool_]
    by_text: Callable[[], sparse.csc_array]


def compare_personas(designs: Sequence[Counts], baselines: Sequence[str], study: Sequence[str]) -> list[Compared]:
    """Compare each persona with baselines, before any correction.

    Parameters
    ----------
    designs : sequence of Counts
    baselines : sequence of str
        As of `estimate_contrasts`.
    study : sequence of str
        The factors that make a family.

    Returns
    -------
    list of Compared
        One for each baseline.

    Raises
    ------
    InputError
        For an unknown baseline or factor, or counts without personas.
    """
    for design in designs:
        design.check_factors(["persona"])
    arms = []
    for design in designs:
        split, text = split_texts(design)
        own = personas_only(split)
        arms.append((split, own, count_units_by_text(own, [*study, "persona"]), text))
    personas = dict.fromkeys(name for _, _, cells, _ in arms for name in cells.cells["persona"])
    allowed = [*BASELINES, OTHERS, *personas]
    found = []
    for baseline in baselines:
        if baseline not in allowed:
            raise unknown_name("baseline", baseline, allowed)
        compared = []
        for design, own, cells, text in arms:
            if baseline in BASELINES:
                compared.append((cells, count_units_by_text(design.where(setting=baseline), study), text))
            elif baseline == OTHERS:
                compared.append((cells, count_units_by_text(own, study), text))
            else:
                reference = count_units_by_text(own.where(persona=baseline), study)
                compared.append((take_cells(cells, (cells.cells["persona"] != baseline).to_numpy()), reference, text))
        found.append(compare_arms(compared, study, ["persona"], baseline))
    return found


def compare_arms(
    arms: Sequence[tuple[TextCounts, TextCounts, Integers | None]],
    study: Sequence[str],
    levels: Sequence[str],
    baseline: str,
) -> Compared:
    """Compare each cell of each design with the reference of the same model, task, ...; these form a family.

    With each cell and its reference comes the text of each block, if rows of the counts are blocks.
    """
    factors = [*study, *levels]
    parts = [
        list_entries(cells, reference, study, text, minus_own=baseline == OTHERS) for cells, reference, text in arms
    ]
    entries, named = join_strata([part for part, _, _ in parts]), pd.concat([names for *_, names in parts])
    starts = np.cumsum([0, *(cells.n.shape[0] for cells, *_ in arms)])
    text = np.concatenate([texts + start for (_, texts, _), start in zip(parts, starts, strict=False)])
    is_pair = (entries.n > 0) & (entries.n_baseline > 0)
    within = np.bincount(entries.contrast[is_pair], minlength=entries.n_contrasts) > 0
    between = compare_between(entries.take(~within[entries.contrast]))
    entries = entries.take(is_pair)
    within_texts = compare_within(entries)
    differences = within_texts.where(within, between)
    # A lone persona has no others.
    there = differences.n_baseline > 0
    named = named[factors][there].reset_index(drop=True)
    family = list(named[list(study)].itertuples(index=False, name=None))
    differences, within = differences.take(there), within[there]

    def by_text() -> sparse.csc_array:
        of_texts = (text_scores(entries, within_texts), (text[is_pair], entries.contrast))
        scores = sparse.coo_array(of_texts, shape=(int(starts[-1]), entries.n_contrasts))
        return scores.tocsc()[:, np.flatnonzero(there)]

    return Compared(baseline, named, family, differences, within, by_text)


def pool_by_family(
    differences: Difference, family: Sequence[tuple[str, ...]], within: NDArray[np.bool_]
) -> tuple[Difference, Floats]:
    """Estimate the overdispersion of each difference within its family, see `pool_overdispersion`."""
    kinds = pd.Series(list(zip(family, within, strict=True)), dtype=object)
    # Texts that both arms share, and texts that they do not share, have different overdispersion.
    return pool_overdispersion(differences, pd.factorize(kinds)[0])


def find_baseline(counts: Counts) -> str:
    """Return what personas are compared with by default: neutral prompts if there are any, or the other personas.

    Returns
    -------
    {"neutral", "others"}
    """
    return BASELINES[0] if len(counts.where(setting=BASELINES[0]).n) else OTHERS


def personas_only(counts: Counts) -> Counts:
    """Select the responses to prompts with a persona."""
    asked = counts.where(setting="persona")
    is_one = asked.codes["persona"] >= 0
    return asked if is_one.all() else asked.take(is_one)
