"""Two runs on the same prompts, paired by prompt in one table of the database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError

from ..columns import name_level, name_part
from .sql import Folder, count_rows, identifier, quoted
from .table import Responses, outcome_of
from .tables.versions import describe_mixed_versions
from .usable import count_usable, say_unusable

PAIRED = "paired"
"""The table of prompts that both runs were asked."""

_KEYS = ("model", "task", "setting", "index")
_KEYED = ("model", "task", "setting", '"index"')
_DOC = ("text_id", "row_id", "persona", "persona_group", "template", "response_type", "stratum")


@dataclass(frozen=True)
class Overlap:
    """The number of prompts of a model, task and setting with a verdict in two runs.

    Attributes
    ----------
    model : str
        The name in the new run; the name in the baseline, if it is not in the new run.
    task, setting : str
    n_new, n_baseline, n_both : int
        Prompts with a verdict in the new run, in the baseline and in both.
    """

    model: str
    task: str
    setting: str
    n_new: int
    n_baseline: int
    n_both: int

    @property
    def named(self) -> str:
        """The model, task and setting, as people read them."""
        return name_part(self.model, self.task, self.setting)


@dataclass(frozen=True)
class Pairs:
    """Two runs on the same prompts.

    Attributes
    ----------
    responses : Responses
        Of the new run. Its database holds the table ``paired`` too, a row a prompt that both were asked: ``model``
        (as the new run names it), ``task, setting, index``, what there is of ``text_id, row_id, persona,
        persona_group, template, response_type, stratum``; ``refused, refused_before``; and ``outcome,
        outcome_before``, null if unknown.
    before : Path
        The old run's responses, Parquet: ``model`` (as the new run names it), ``task, setting, index``, and
        ``response`` where it was read.
    rule : str
        The rule whose verdicts they are.
    models : dict of str to str
        The models compared, as the new run names them, and as the old one does.
    notes : tuple of str
        Sentences about everything that was left out.
    overlaps : tuple of Overlap
        For each model, task and setting of either run.
    usable_before : pandas.DataFrame
        Usable responses of the old run, see `usable.count_usable`; its models are named as in the new run.
    keep : object
        An object that must live as long as the file.
    mixed : tuple of str
        A sentence if the runs were judged by different versions of the detection rules; it is among the notes too.
    """

    responses: Responses
    before: Path
    rule: str
    models: dict[str, str]
    notes: tuple[str, ...]
    overlaps: tuple[Overlap, ...]
    usable_before: pd.DataFrame
    keep: object
    mixed: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of ``paired``."""
        return tuple(str(name) for name, *_ in self.responses.query(f"DESCRIBE {PAIRED}").fetchall())

    def list_studies(self, by: Sequence[str] = ()) -> list[tuple[str, str, str]]:
        """List the models, tasks and settings; see `count_texts` for `by`."""
        where = " AND ".join(_asked(by)) or "true"
        return self.responses.query(
            f"SELECT DISTINCT model, task, setting FROM {PAIRED} WHERE {where} ORDER BY ALL"
        ).fetchall()

    def count_texts(self, study: tuple[str, str, str], by: Sequence[str] = ()) -> pd.DataFrame:
        """Count prompts and refusals of a model, task and setting, text by text.

        Parameters
        ----------
        study : tuple of (model, task, setting)
        by : sequence of str
            Factors to keep apart. With any, only prompts of the persona setting that have a level of each are counted.

        Returns
        -------
        pandas.DataFrame
            The factors, ``text_id``, ``n`` prompts, ``k`` of them refused in the new run and ``k_before`` in the old
            one, ``newly`` and ``no_longer`` refused.
        """
        where = " AND ".join([*_asked(by), "model = $1 AND task = $2 AND setting = $3"])
        return self.responses.query(
            f"SELECT {', '.join([*by, 'text_id'])}, count(*) AS n, count_if(refused) AS k, "
            "count_if(refused_before) AS k_before, count_if(refused AND NOT refused_before) AS newly, "
            f"count_if(refused_before AND NOT refused) AS no_longer FROM {PAIRED} WHERE {where} "
            "GROUP BY ALL ORDER BY ALL",
            study,
        ).df()

    def count_changes(self) -> pd.DataFrame:
        """Count the responses whose outcome changed: ``model, task, setting, outcome_before, outcome, n``."""
        return self.responses.query(
            f"SELECT model, task, setting, outcome_before, outcome, count(*) AS n FROM {PAIRED} "
            "WHERE outcome <> outcome_before GROUP BY ALL ORDER BY ALL"
        ).df()

    def find_changed(self, *, refused: bool) -> list[int]:
        """Return the places in ``paired`` of prompts that are refused now (or are not) and were not (or were)."""
        found = self.responses.query(
            f"SELECT rowid FROM {PAIRED} WHERE refused = $1 AND refused_before <> $1 ORDER BY {', '.join(_KEYED)}",
            [refused],
        ).fetchall()
        return [int(place) for (place,) in found]

    def read_places(self, places: Sequence[int]) -> pd.DataFrame:
        """Read prompts by their places in ``paired``, in the order given, with the texts of both runs if known."""
        columns = set(self.responses.columns)
        said = [name for name in ("response", "prompt") if name in columns]
        of_before = self.responses.query(f"DESCRIBE FROM read_parquet({quoted(self.before)})").fetchall()
        before = ", theirs.response AS response_before" if "response" in {name for name, *_ in of_before} else ""
        keys = ", ".join(_KEYED)
        return self.responses.query(
            f"SELECT paired.*{''.join(f', ours.{name}' for name in said)}{before} "
            f"FROM (SELECT unnest($1::BIGINT[]) AS place, generate_subscripts($1::BIGINT[], 1) AS nth) AS chosen "
            f"JOIN {PAIRED} ON {PAIRED}.rowid = place JOIN responses AS ours USING ({keys}) "
            f"JOIN read_parquet({quoted(self.before)}) AS theirs USING ({keys}) ORDER BY nth",
            [list(places)],
        ).df()


def _asked(by: Sequence[str]) -> list[str]:
    return [f"{name} IS NOT NULL" for name in by] + ["setting = 'persona'"] * bool(by)


def pair_runs(new: Responses, old: Responses, detector: str | None = None) -> Pairs:
    """Pair two runs by prompt.

    Parameters
    ----------
    new, old : Responses
        With ``design_id`` and ``index``, as logs have them. Where each is of one model these are compared,
        whatever they are called; else those of one name.
    detector : str, optional
        The rule; by default the first of the new run.

    Returns
    -------
    Pairs

    Raises
    ------
    InputError
        For an unknown rule; if the runs share no model, task or prompt; if a task was asked with
        different designs; or if prompts cannot be identified.
    """
    _check_told_apart({"the results": new, "the baseline": old})
    rule = new.rule(detector)
    if rule not in old.rules:
        raise InputError(
            f"the baseline has no verdicts by {rule}, only by {', '.join(old.rules)}; choose a --detector that "
            "both have"
        )
    models, notes = _match_models(new, old)
    notes += _check_designs(new, old)
    folder = Folder()
    before = folder.path / "before.parquet"
    named = " ".join(f"WHEN {quoted(theirs)} THEN {quoted(ours)}" for ours, theirs in models.items())
    keys, refused = ", ".join(map(identifier, _KEYS)), identifier(f"refused_{rule}")
    said = ", response" if "response" in old.columns else ""
    old.query(
        f"COPY (SELECT CASE model {named} END AS model, * EXCLUDE (model) FROM (SELECT model, task, setting, "
        f'"index", {refused} AS refused, {_outcome(old, rule)} AS outcome{said} FROM responses) '
        f"WHERE CASE model {named} END IS NOT NULL) TO {quoted(before)} (FORMAT parquet, COMPRESSION zstd)"
    )
    doc = "".join(f", ours.{name}" for name in _DOC if name in new.columns)
    new.query(
        f"CREATE OR REPLACE TEMP TABLE {PAIRED} AS SELECT {keys}{doc}, ours.{refused} AS refused, "
        f"theirs.refused AS refused_before, {_outcome(new, rule)} AS outcome, theirs.outcome AS outcome_before "
        f"FROM responses AS ours JOIN read_parquet({quoted(before)}) AS theirs USING ({keys}) "
        f"WHERE ours.{refused} IS NOT NULL AND theirs.refused IS NOT NULL"
    )
    if not count_rows(new.connection, f"SELECT count(*) FROM {PAIRED}"):
        raise InputError(
            "the results and the baseline have no common prompt with verdicts; give runs on the same prompts"
        )
    overlaps = _overlaps(new, old, rule, models)
    notes += _missing(overlaps, models)
    of_new, of_old = count_usable(new, rule), count_usable(old, rule)
    of_baseline = (f"The baseline: {note}" for note in (*old.notes, *say_unusable(of_old)))
    mixed = describe_mixed_versions(new.connection, old.connection) if rule in RULES else ()
    every = [*new.notes, *say_unusable(of_new), *of_baseline, *notes, *mixed]
    of_old["model"] = of_old["model"].replace({theirs: ours for ours, theirs in models.items()})
    return Pairs(new, before, rule, models, tuple(every), overlaps, of_old, folder, mixed)


def _outcome(run: Responses, rule: str) -> str:
    """Return the outcome of a response as SQL, if known."""
    return outcome_of(rule) if "empty" in run.columns else "NULL::VARCHAR"


def _check_told_apart(runs: Mapping[str, Responses]) -> None:
    for which, run in runs.items():
        lacking = [name for name in ("design_id", "index") if name not in run.columns]
        if lacking:
            raise InputError(
                f"{which} ({_files(run)}): lacks the column {lacking[0]}, which is needed to match the prompts of "
                "two runs; give "
                "the folders that lm_eval wrote, or tables that `ingest` made from them"
            )
        repeated = run.query(
            'SELECT model, task, setting FROM responses GROUP BY 1, 2, 3, "index" HAVING count(*) > 1 LIMIT 1'
        ).fetchone()
        if repeated:
            raise InputError(
                f"{which} ({_files(run)}): contains several responses of {repeated[0]} to one prompt ({repeated[1]}, "
                f"{repeated[2]}); give one run"
            )


def _files(run: Responses) -> str:
    return f"{run.files[0]}{' ...' * (len(run.files) > 1)}" if run.files else "nothing read"


def _match_models(new: Responses, old: Responses) -> tuple[dict[str, str], list[str]]:
    ours, theirs = (
        [str(model) for (model,) in run.query("SELECT DISTINCT model FROM responses ORDER BY 1").fetchall()]
        for run in (new, old)
    )
    if len(ours) == len(theirs) == 1:
        note = [f"{ours[0]} is compared with {theirs[0]}."] if ours != theirs else []
        return {ours[0]: theirs[0]}, note
    shared = {model: model for model in ours if model in theirs}
    if not shared:
        raise InputError(
            f"the results ({', '.join(ours)}) and the baseline ({', '.join(theirs)}) share no model; give runs of one"
        )
    alone = {
        "the results": [m for m in ours if m not in shared],
        "the baseline": [m for m in theirs if m not in shared],
    }
    return shared, [f"Only in {which}: {', '.join(models)}." for which, models in alone.items() if models]


def _check_designs(new: Responses, old: Responses) -> list[str]:
    """Check that shared tasks have one design, and report which are not shared."""
    ours, theirs = (
        {
            (str(task), str(setting)): str(design)
            for task, setting, design in run.query(
                "SELECT DISTINCT task, setting, design_id FROM responses ORDER BY ALL"
            ).fetchall()
        }
        for run in (new, old)
    )
    for key in ours.keys() & theirs.keys():
        if ours[key] != theirs[key]:
            raise InputError(
                f"{_task(key)} has the design {ours[key]} in the results and {theirs[key]} in the baseline, so the "
                "prompts differ and cannot be compared one by one; give two runs of the same design"
            )
    if not ours.keys() & theirs.keys():
        raise InputError(
            f"the results ({', '.join(map(_task, ours))}) and the baseline ({', '.join(map(_task, theirs))}) share no "
            "task; give runs of the same tasks"
        )
    alone = {"the results": ours.keys() - theirs.keys(), "the baseline": theirs.keys() - ours.keys()}
    return [f"Only in {which}: {', '.join(map(_task, sorted(keys)))}." for which, keys in alone.items() if keys]


def _task(key: tuple[str, str]) -> str:
    return f"{name_level('task', key[0])} ({key[1]})"


def _overlaps(new: Responses, old: Responses, rule: str, models: Mapping[str, str]) -> tuple[Overlap, ...]:
    """Count the prompts that have a verdict in either run and in both."""
    refused = identifier(f"refused_{rule}")
    names = {theirs: ours for ours, theirs in models.items()}
    counted: list[dict[tuple[str, str, str], int]] = []
    for run, verdict, source in ((new, refused, "responses"), (old, refused, "responses"), (new, "refused", PAIRED)):
        rows = run.query(
            f"SELECT model, task, setting, count({verdict}) FROM {source} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        of_run = names if run is old else {}
        counted.append({(of_run.get(model, model), task, setting): int(n) for model, task, setting, n in rows})
    ours, theirs, both = counted
    return tuple(Overlap(*key, *(n.get(key, 0) for n in counted)) for key in sorted({*ours, *theirs, *both}))


def _missing(overlaps: Iterable[Overlap], models: Mapping[str, str]) -> Iterator[str]:
    """List the shared tasks in which one run lacks prompts or verdicts of the other, in sentences."""
    every = list(overlaps)
    ours = {(each.task, each.setting) for each in every if each.n_new}
    theirs = {(each.task, each.setting) for each in every if each.n_baseline}
    for each in every:
        alone = (each.task, each.setting) not in ours & theirs or each.model not in models
        if alone or each.n_new == each.n_baseline == each.n_both:
            continue
        yield (
            f"{each.named}: {each.n_both:,} prompts have a verdict in both runs and are compared, of {each.n_new:,} in "
            f"the results and {each.n_baseline:,} in the baseline."
        )
