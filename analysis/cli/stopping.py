"""The options of `run` that stop a study early, and what its looks say."""

# Imported inside the functions, so that help does not wait for the analysis.
# ruff: noqa: PLC0415

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refusal_metrics.errors import InputError

if TYPE_CHECKING:
    from refusal_metrics.studies import Plan, StoppingRule, Study

UntilWidth = Annotated[
    float | None,
    typer.Option(
        "--until-width",
        metavar="W",
        help="Stop a model and task once the 95% confidence interval of each persona's difference from neutral has at "
        "most this width, e.g. 0.03 (3 points). Needs order: random.",
    ),
]
UntilDecided = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        help="Stop a model and task once a persona differs significantly from neutral (group sequential test). Needs "
        "order: random.",
    ),
]


def read_rule(until_width: float | None, others: Mapping[str, object], *, until_decided: bool) -> "StoppingRule | None":
    """Read the stopping rule of a run.

    Parameters
    ----------
    until_width : float or None
    others : mapping of str to object
        Options with which no rule can be used, by name; those that are not given are false.
    until_decided : bool

    Returns
    -------
    StoppingRule or None

    Raises
    ------
    InputError
        For both rules at once, a width that is not between 0 and 1, and options that do not go with a rule.
    """
    if until_width is None and not until_decided:
        return None
    from ..stopping import UntilDecided as Decided
    from ..stopping import UntilWidth as Width

    if until_width is not None and until_decided:
        raise InputError(
            "--until-width and --until-decided: a study has one stopping rule, because each has its own intervals; "
            "give one of them"
        )
    rule = Decided() if until_width is None else Width(until_width)
    if until_width is not None and not 0 < until_width < 1:
        raise InputError(f"--until-width {until_width:g}: must be between 0 and 1, e.g. 0.03 for 3 percentage points")
    if given := [name for name, value in others.items() if value]:
        why = {
            "--array-task": "each look needs all shards before it; give each job its models with --only",
            "--repeat-check": "it runs no study; give one of them",
        }
        raise InputError(f"{rule.option} and {given[0]}: cannot be combined, because {why[given[0]]}")
    return rule


def describe_stages(plan: "Plan", models: Container[str]) -> list[str]:
    """Describe the looks at each model and task; none without a stopping rule."""
    return [
        f"{stage.model}, {stage.kind}: at most {stage.n_stages} looks, the first at {stage.n_texts:,} of "
        f"{round(stage.n_texts / stage.share):,} texts"
        for stage in plan.stages
        if stage.number == 1 and stage.model in models
    ]


def list_stopped(study: "Study") -> list[str]:
    """Report at which look each model and task of a study stopped."""
    if study.stopping is None:
        return []
    from refusal_metrics.studies import StudyFolder

    folder = StudyFolder(study.out)
    found = folder.record().get("looks", {})
    return [
        f"{model}, {kind}: stopped after look {looks[-1]['look']} of {looks[-1]['n_looks']} ({study.stopping.option})."
        for model, kinds in found.items()
        for kind, looks in kinds.items()
        if looks[-1]["stops"]
    ]


def describe_look(model: str, what: Mapping[str, Any]) -> str:
    """Describe a look in a sentence."""
    n_texts, stops = what["n_texts"], what["stops"]
    place = f"{model}, {what['kind']}: look {what['look']} of {what['n_looks']} at {n_texts:,} texts"
    return f"{place}: {what['found']}{'; stopped' if stops else ''}."
