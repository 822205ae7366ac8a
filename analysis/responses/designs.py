"""Results of several studies, grouped by design."""

import os
from collections.abc import Iterable

from refusal_metrics.errors import InputError

from .logs.load import load_responses
from .table import Responses


def load_studies(results: Iterable[str | os.PathLike[str]]) -> tuple[Responses, ...]:
    """Read the results of models, grouped by design.

    Parameters
    ----------
    results : iterable of str or path
        See `refusal_metrics.analysis.responses.logs.load.load_responses`.

    Returns
    -------
    tuple of Responses
        One for each design. Models of different ones were asked about different prompts.

    Raises
    ------
    InputError
        As `load_responses`; or if one of the paths holds several designs, or a model is in several.
    """
    paths = list(dict.fromkeys(os.fspath(path) for path in results))
    try:
        return (load_responses(paths),)
    except InputError:
        if len(paths) == 1:
            raise
        alone = {path: _designs(load_responses([path])) for path in paths}
        groups: list[tuple[dict[str, str], list[str]]] = []
        for path, designs in alone.items():
            for known, members in groups:
                if all(known.get(task, design) == design for task, design in designs.items()):
                    known.update(designs)
                    members.append(path)
                    break
            else:
                groups.append((dict(designs), [path]))
        if len(groups) == 1:
            raise  # another error
    studies = tuple(load_responses(members) for _, members in groups)
    seen: set[str] = set()
    for study in studies:
        models = {str(model) for (model,) in study.query("SELECT DISTINCT model FROM responses").fetchall()}
        if both := sorted(seen & models):
            raise InputError(
                f"{both[0]} was asked about the prompts of two designs, in different results; give those of one design"
            )
        seen |= models
    return studies


def _designs(responses: Responses) -> dict[str, str]:
    """Return the mark of each task's sample."""
    if "design_id" not in responses.columns:
        return {}
    found = responses.query("SELECT DISTINCT task, split_part(design_id, '-', 1) FROM responses").fetchall()
    return {str(task): str(design) for task, design in found}
