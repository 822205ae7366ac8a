"""Each condition compared with the baseline within texts, and what the difference amounts to."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..arrays import ALPHA
from ..columns import STUDY
from ..contracts import AUDIT, CONTRASTS
from ..estimates import estimate_contrasts
from ..labels import explain_difference
from ..responses import count_responses
from .decide import UNDECIDED, decide
from .judged import Judged
from .pairing import Paired

_KEYS = [*STUDY, "persona", "baseline"]


def compare(paired: Paired, judged: Judged, claims: Mapping[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare all conditions with the baseline.

    Parameters
    ----------
    paired : Paired
    judged : Judged
    claims : mapping of str to float
        The claimed difference of each condition, in [-1, 1]; that of an empty text is for all others.

    Returns
    -------
    differences : pandas.DataFrame
        One row a model, task and condition, the conditions that cannot be paired last: ``model, task, persona,
        baseline``, then the estimates of `AUDIT`.
    by_rule : pandas.DataFrame
        The differences of each detector, as of `refusal_metrics.analysis.estimates.contrasts.estimate_contrasts`, with
        ``rule``.
    """
    counts = count_responses(judged.responses(paired.baseline))
    of_rule = []
    for rule in judged.detectors:
        table = estimate_contrasts(counts[rule], "neutral")
        of_rule.append(table.assign(baseline=paired.baseline, rule=rule))
    by_rule = pd.concat(of_rule, ignore_index=True)[[*_KEYS, "rule", *CONTRASTS.estimates]]
    table = of_rule[0].reset_index(drop=True)
    is_named = (table["p_adjusted"] <= ALPHA) & table["ci_low_named"].notna()
    ends = [np.where(is_named, table[f"{end}_named"], table[end]).astype(np.float64) for end in ("ci_low", "ci_high")]
    anyone = claims.get("", math.nan)
    claimed = [claims.get(persona, anyone) for persona in table["persona"]]
    measured = judged.measured
    explained = [explain_difference(low, high, measured) for low, high in zip(*ends, strict=True)]
    decided = [
        decide(low, high, p, may_be_detector=explanation.may_be_detector, claimed=claim)
        for low, high, p, explanation, claim in zip(*ends, table["p_adjusted"], explained, claimed, strict=True)
    ]
    table = table.assign(
        shown_low=ends[0],
        shown_high=ends[1],
        claimed=claimed,
        error_to_explain=[explanation.needed for explanation in explained],
        error_measured=measured.limit if measured else math.nan,
        decision=decided,
    )
    unpaired = paired.unpaired.assign(baseline=paired.baseline, decision=UNDECIDED)
    if len(unpaired):
        table = pd.concat([table, unpaired.assign(claimed=[claims.get(p, anyone) for p in unpaired["persona"]])])
    return _ordered(table)[[*_KEYS, *AUDIT.estimates]], by_rule


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Order differences: significant ones first, the largest first, and those without an estimate last."""
    table = table.reset_index(drop=True)
    is_significant = (table["p_adjusted"] <= ALPHA).fillna(value=False)
    order = pd.DataFrame({"significant": ~is_significant, "size": -table["estimate"].abs()})
    return table.loc[order.sort_values(["significant", "size"], kind="stable", na_position="last").index].reset_index(
        drop=True
    )


def count_conditions(judged: Judged) -> pd.DataFrame:
    """Count the responses of each model, task and condition by outcome.

    Parameters
    ----------
    judged : Judged

    Returns
    -------
    pandas.DataFrame
        ``model, task, persona, n, n_texts, n_refused`` (by the detector that decides), then ``refused_RULE`` for the
        others, and, where responses were judged, ``n_answer, n_other, n_empty, n_truncated, n_unjudged``.
    """
    table, (first, *others) = judged.table, judged.detectors
    groups = table.groupby([*STUDY, "persona"], sort=True)
    found = groups.agg(n=("row", "size"), n_texts=("text_id", "nunique"), n_refused=(f"refused_{first}", "sum"))
    for name in others:
        found[f"n_refused_{name}"] = groups[f"refused_{name}"].sum()
    if table["outcome"].notna().any():
        for outcome in ("answer", "other", "empty", "truncated", "unjudged"):
            found[f"n_{outcome}"] = table["outcome"].eq(outcome).groupby([table[n] for n in (*STUDY, "persona")]).sum()
    return found.astype(int).reset_index()
