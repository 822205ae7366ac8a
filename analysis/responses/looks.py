"""The looks of stopping rules at running studies, from the studies' records."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from refusal_metrics.errors import InputError

from .runs import Log, is_remote
from .sql import quoted
from .study_records import DEPTH, find_studies, mapping, read_asked

LOOKS = "looks"
"""The column of a responses table with the looks at its model and task."""
RULES = ("until-width", "until-decided")


@dataclass(frozen=True)
class StudyLooks:
    """The looks at a model's responses to a kind of task.

    Attributes
    ----------
    model, task : str
        The task is the kind, as in tables.
    rule : str
        ``until-width`` or ``until-decided``.
    limit : float or None
        The width.
    looks : tuple of mapping
        As `refusal_metrics.studies.stages` records them: ``look, n_looks, n_texts, share, stops``, and ``information``
        or ``width``.
    """

    model: str
    task: str
    rule: str
    limit: float | None
    looks: tuple[Mapping[str, Any], ...]

    @property
    def option(self) -> str:
        """How the command line names the rule."""
        return f"--{self.rule}" + ("" if self.limit is None else f" {self.limit:g}")

    def describe(self) -> str:
        """Describe in a sentence when the study stopped, and which intervals it has."""
        last = self.looks[-1]
        n_planned = round(last["n_texts"] / last["share"])
        if last["stops"]:
            how = (
                f"stopped after look {last['look']} of {last['n_looks']}, at {last['n_texts']:,} of {n_planned:,} texts"
            )
        elif last["look"] == last["n_looks"]:
            how = f"ran to its planned size of {n_planned:,} texts, with {last['n_looks']} looks"
        else:
            how = f"has had {last['look']} of {last['n_looks']} looks, at {last['n_texts']:,} of {n_planned:,} texts"
        if self.rule == "until-decided":
            used = "p-values and intervals of differences are those of repeated looks; other intervals ignore the looks"
        else:
            used = f"the widest interval of a difference from neutral had {100 * last['width']:.1f} points; all "
            used += "intervals are the usual ones"
        return f"{self.model}, {self.task}: {how} ({self.option}); {used}."


def read_looks(logs: Iterable[Log]) -> list[StudyLooks]:
    """Find the looks at the studies that some logs are of.

    Parameters
    ----------
    logs : iterable of Log

    Returns
    -------
    list of StudyLooks
        Of the models and kinds in the records of the logs' studies that have had a look.

    Raises
    ------
    InputError
        For looks that are not as `run` writes them.
    """
    places: dict[Path, Log] = {Path(log.path): log for log in logs if not is_remote(log.path)}
    found = []
    for folder in find_studies(places):
        record = read_asked(folder)
        rule = mapping(mapping(record.get("asked")).get("stopping"))
        if rule.get("rule") not in RULES:
            continue
        names = {
            place.relative_to(folder).parts[0]: log.model
            for place, log in places.items()
            if folder in place.parents and len(place.relative_to(folder).parts) == DEPTH
        }
        limit = rule.get("limit")
        for model, kinds in mapping(record.get("looks")).items():
            for kind, looks in mapping(kinds).items() if model in names else ():
                if not (isinstance(looks, list) and all(_is_look(look, rule["rule"]) for look in looks)):
                    raise InputError(
                        f"{folder}/study.json: the looks of {model}, {kind} are not those that run wrote; restore the "
                        "file, because the p-values of a study that may have stopped depend on them"
                    )
                if looks:
                    of_rule = limit if isinstance(limit, float) else None
                    found.append(StudyLooks(names[model], kind, rule["rule"], of_rule, tuple(looks)))
    return found


def _is_look(look: object, rule: str) -> bool:
    known = mapping(look)
    measured = "information" if rule == "until-decided" else "width"
    numbers = ("look", "n_looks", "n_texts", "share", measured)
    return all(isinstance(known.get(name), int | float) for name in numbers) and isinstance(known.get("stops"), bool)


def looks_column(looks: Sequence[StudyLooks]) -> str:
    """Write as SQL the column ``looks``, which keeps the looks in a table of responses with `model` and `task`."""
    cases = [
        f"WHEN usable.model = {quoted(of.model)} AND usable.task = {quoted(of.task)} "
        f"THEN {quoted(json.dumps([of.rule, of.limit, of.looks]))}"
        for of in looks
    ]
    return f"CASE {' '.join(cases)} END AS {LOOKS}"


def find_looks(connection: duckdb.DuckDBPyConnection) -> list[StudyLooks]:
    """Read the looks that the view ``responses`` has in the column ``looks``.

    Raises
    ------
    InputError
        If they are not as `looks_column` writes them, or a model and task has several.
    """
    rows = connection.execute(
        f"SELECT DISTINCT model, task, {LOOKS}::VARCHAR FROM responses WHERE trim({LOOKS}::VARCHAR) <> '' ORDER BY ALL"
    ).fetchall()
    found: dict[tuple[str, str], StudyLooks] = {}
    for model, task, written in rows:
        try:
            rule, limit, looks = json.loads(written)
        except (ValueError, TypeError) as error:
            raise _unreadable(model, task) from error
        if (model, task) in found or not isinstance(looks, list) or not looks:
            raise _unreadable(model, task)
        if rule not in RULES or not all(_is_look(look, rule) for look in looks):
            raise _unreadable(model, task)
        found[model, task] = StudyLooks(model, task, rule, limit if isinstance(limit, float) else None, tuple(looks))
    return list(found.values())


def _unreadable(model: str, task: str) -> InputError:
    return InputError(
        f"the column {LOOKS} of {model}, {task} is not the one that persona-refusal wrote; write the table again with "
        "ingest, or remove the column if no stopping rule was used"
    )


def looks_by_study(looks: Sequence[StudyLooks]) -> dict[tuple[str, str], tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return the shares and the information at the looks of group sequential studies, by model and task.

    Parameters
    ----------
    looks : sequence of StudyLooks

    Returns
    -------
    dict
        See `refusal_metrics.analysis.counts.Counts.looks`.
    """
    return {
        (of.model, of.task): (
            tuple(float(look["share"]) for look in of.looks),
            tuple(float(look["information"]) for look in of.looks),
        )
        for of in looks
        if of.rule == "until-decided"
    }
