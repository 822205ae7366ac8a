"""Cautions that readers must know before they quote a number of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY

from ..arrays import ALPHA
from ..columns import OTHERS, name_rule
from ..display import counted, name_levels
from ..labels import Validation
from ..responses import Origin
from .findings import describe_undetermined, of_rule
from .study_tables import StudyEstimates

FEW_TEXTS = 30
"""With fewer texts, intervals may be inaccurate; a convention, not a result."""
MUCH_OTHER = 0.2
"""With a larger share of responses that are neither answers nor refusals, a refusal rate means little; a convention."""

_VERSIONED = {
    "lm_eval_version": "versions of lm-evaluation-harness",
    "transformers_version": "versions of transformers",
    "persona_refusal": "versions of persona-refusal",
    "rules": "versions of the detection rules",
    "vllm": "versions of vLLM",
    "torch": "versions of PyTorch",
    "git_hash": "Git commits",
    "task_version": "versions of a task",
}
_WEIGHTS = {"model_revision": "revisions", "model_sha": "weights", "model_dtype": "data types"}
"""Models can differ in these, but each model should have only one."""
_MOST = 5
"""The number of names in a caution."""


@dataclass(frozen=True)
class Caution:
    """A sentence, and its place on the page.

    Attributes
    ----------
    place : {"rates", "differences", "regression", "detector", "origin"}
    text : str
        Plain text, with unescaped names.
    """

    place: str
    text: str


def list_cautions(estimates: StudyEstimates, origin: Origin, validation: Validation | None = None) -> list[Caution]:
    """List the cautions of a report.

    Parameters
    ----------
    estimates : StudyEstimates
    origin : Origin
    validation : Validation, optional
        The detectors compared with labels, if there are any.

    Returns
    -------
    list of Caution
    """
    tables = estimates.tables
    rates = of_rule(tables["rates"], estimates.rule)
    return [
        *(Caution("rates", note) for note in origin.notes),
        *_of_texts(rates),
        *_of_sizes(rates),
        # With a detector that does not recognise answers, all other responses would be neither.
        *(_of_outcomes(tables.get("outcomes")) if estimates.rule == ANSWERS_BY else ()),
        *_of_baselines(estimates),
        *_of_undetermined(tables.get("undetermined_contrasts")),
        *_of_separation(tables.get("regression")),
        *_of_detector(estimates, validation),
        *_of_versions(origin),
        *_of_weights(origin),
        *_of_designs(origin.designs),
    ]


def _of_texts(rates: pd.DataFrame) -> Iterable[Caution]:
    few = rates[rates["n_texts"] < FEW_TEXTS]
    if len(few):
        yield Caution(
            "rates",
            f"Few texts: {_listed(few)} are based on fewer than {FEW_TEXTS} texts; their confidence intervals are "
            "wide and "
            "may be inaccurate.",
        )


def _of_sizes(rates: pd.DataFrame) -> Iterable[Caution]:
    sizes = rates.groupby(["task", "setting"], sort=False, as_index=False)["n"].agg(["min", "max"])
    uneven = [
        f"{row['task']} ({row['setting']})" for _, row in name_levels(sizes).iterrows() if row["min"] < row["max"]
    ]
    if uneven:
        yield Caution(
            "rates",
            f"Models have different numbers of prompts in {', '.join(uneven[:_MOST])}{_more(len(uneven))}, so their "
            "rates are not based on the same prompts.",
        )


def _of_outcomes(outcomes: pd.DataFrame | None) -> Iterable[Caution]:
    if outcomes is None:
        return
    share = (outcomes["n"] - outcomes["n_answer"] - outcomes["n_refused"]) / outcomes["n"]
    much = outcomes[share > MUCH_OTHER]
    if len(much):
        yield Caution(
            "rates",
            f"More than {100 * MUCH_OTHER:.0f}% of the responses are neither answers nor refusals in {_listed(much)}: "
            "read some before you report a rate.",
        )


def _of_baselines(estimates: StudyEstimates) -> Iterable[Caution]:
    rates, contrasts = estimates.tables["rates"], estimates.tables["contrasts"]
    if not (rates["setting"] == "persona").any():
        yield Caution("differences", "No persona task was run, so there are no results on personas.")
    elif not (contrasts["baseline"] == "neutral").any():
        yield Caution(
            "differences",
            "No neutral task was run: personas are compared with one another, and the effect of naming any person is "
            "unknown.",
        )


def _of_undetermined(contrasts: pd.DataFrame | None) -> Iterable[Caution]:
    """Report the differences that may be due to responses without a verdict."""
    if contrasts is None:
        return
    baseline = next((b for b in ("neutral", OTHERS) if (contrasts["baseline"] == b).any()), OTHERS)
    own = contrasts[contrasts["baseline"] == baseline]
    if (own["p_adjusted"] <= ALPHA).any():
        yield from (Caution("differences", text) for text in describe_undetermined(own, baseline))


def _of_separation(regression: pd.DataFrame | None) -> Iterable[Caution]:
    if regression is None or "separated" not in regression:
        return
    separated = regression[regression["separated"].astype(bool) & (regression["factor"] != "(Intercept)")]
    if len(separated):
        named = [f"{row['factor']} {row['level']}" for _, row in name_levels(separated.head(_MOST)).iterrows()]
        yield Caution(
            "regression",
            f"Complete separation: {', '.join(named)}{_more(len(separated))} never refuse or always refuse (or their "
            "reference level does), so their log-odds are not estimable; Firth estimates are shown without standard "
            "errors.",
        )


def _of_detector(estimates: StudyEstimates, validation: Validation | None) -> Iterable[Caution]:
    models = list(estimates.tables["rates"]["model"].unique())
    if estimates.rule != ANSWERS_BY:
        yield Caution(
            "detector",
            f"Refusals come from {name_rule(estimates.rule)}, not from the validated detector {ANSWERS_BY}; "
            "non-refusals may include "
            "unusable responses.",
        )
    if validation is None or validation.n_matched == 0:
        lack = "" if validation is None else " (none of the labels is for these responses)"
        yield Caution(
            "detector",
            f"The detector's accuracy on {'this model' if len(models) == 1 else 'these models'} is unknown{lack}. "
            "Label a "
            "sample with `persona-refusal annotate` and pass it with --labels.",
        )
        return
    table = validation.table
    read = set(table.loc[table["factor"] == "model", "level"].astype(str)) if "factor" in table else set()
    if not read:
        yield Caution("detector", "The labels do not name their models.")
    elif unread := [model for model in models if model not in read]:
        yield Caution(
            "detector",
            f"Not validated on {', '.join(unread[:_MOST])}{_more(len(unread))}: the labels contain no responses "
            "of theirs.",
        )


def _of_versions(origin: Origin) -> Iterable[Caution]:
    for name, what in _VERSIONED.items():
        if name not in origin.runs:
            continue
        by = origin.runs.groupby("task")[name] if name == "task_version" else [("", origin.runs[name])]
        # Versions are compared within tasks, which can have different ones.
        mixed = sorted({value for _, values in by if len(found := set(values.dropna())) > 1 for value in found})
        if mixed:
            yield Caution(
                "origin",
                f"Runs of different {what} are mixed ({', '.join(mixed[:_MOST])}{_more(len(mixed))}): differences "
                "between models may be due to versions.",
            )


def _of_weights(origin: Origin) -> Iterable[Caution]:
    for name, what in _WEIGHTS.items():
        for model, values in origin.runs.groupby("model")[name] if name in origin.runs else ():
            if len(found := sorted(set(values.dropna()))) > 1:
                yield Caution(
                    "origin",
                    f"{model} was run with {len(found)} {what} ({', '.join(found[:_MOST])}{_more(len(found))}): its "
                    "rates describe more than one model.",
                )


def _of_designs(designs: pd.DataFrame) -> Iterable[Caution]:
    if "design_id" not in designs or designs["design_id"].isna().all():
        yield Caution("origin", "The input has no design ID, so we cannot check that all models saw the same prompts.")
        return
    if designs["design_id"].isna().any():
        yield Caution(
            "origin", "Some responses have no design ID, so we cannot check that they belong to the same study."
        )
    several = designs.dropna(subset="design_id").groupby(["task", "setting"])["design_id"].nunique()
    if (several > 1).any():
        yield Caution("origin", f"Several designs are pooled in {counted(int((several > 1).sum()), 'task')}.")


def _listed(rows: pd.DataFrame) -> str:
    named = [f"{row['model']}, {row['task']} ({row['setting']})" for _, row in name_levels(rows.head(_MOST)).iterrows()]
    return "; ".join(named) + _more(len(rows))


def _more(n: int) -> str:
    return f" and {n - _MOST} more" if n > _MOST else ""
