"""Notes about sample logs: lines left out, judged again, pooled or changed since they were written."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb

from refusal_metrics.detection import RULES_VERSION

from ...columns import name_part
from ...display import plain
from ..run_results import differing_facts, settings_in_effect
from ..runs import Log, differing_settings
from ..sql import count_rows
from .forms import Plain
from .lines import INCOMPLETE
from .prompts import UNVERIFIED
from .scan import NO_OBJECT
from .sentences import JUDGED, LEFT_OUT, OF_FILES, WRONG

_FEWEST_ALIKE = 50
"""The number of equal answers of two models that cannot be a coincidence."""
_COMPARED = 1000
"""The number of prompts by which models are compared first."""
_SHOWN = 3
"""The largest number of files, tasks or models in a sentence."""


class LogNotes:
    """The sentences about logs, from the views ``lines`` and ``usable`` and the tables of their prompts.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    logs : sequence of Log
    labels : sequence of str
        What the logs are called.
    files : sequence of Plain
    run_factors : sequence of str
        The settings of runs that are factors.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        logs: Sequence[Log],
        labels: Sequence[str],
        files: Sequence[Plain],
        run_factors: Sequence[str],
    ) -> None:
        self._connection = connection
        self._logs = logs
        self._labels = labels
        self._files = files
        self._run_factors = run_factors
        self.filters: list[str] = []
        self.n_repeated = 0

    @property
    def by_run_factors(self) -> str:
        """The run factors, as further columns of a query."""
        return "".join(f', "{name}"' for name in self._run_factors)

    def of_files(self, repaired: Mapping[int, Counter[str]]) -> list[str]:
        """Report problems of the files."""
        ours = self._ours()
        found: Counter[str] = sum((counts for place, counts in repaired.items() if place in ours), Counter())
        notes = [said.format(lines=n_lines(found[what], _kind(what))) for what, said in OF_FILES.items() if found[what]]
        changed = self._changed()
        if changed:
            notes.append(
                f"{_listed(changed)}: not what was written (the checksum in the results file differs): edited or "
                "damaged since; restore it, or run the study again to repeat these prompts."
            )
        unreadable = [self._labels[place] for place in sorted(ours) if self._logs[place].facts.unreadable]
        if unreadable:
            notes.append(
                f"{_listed(unreadable)}: the results file of this run cannot be read; the model is named by its "
                "folder, and the run's settings are not known."
            )
        return notes

    def left_out(self) -> list[str]:
        """Report which lines are left out, and why."""
        # Docs of other tasks need not be objects.
        of_ours = f"left_out <> '{NO_OBJECT}' OR list_contains({sorted(self._ours())}::BIGINT[], log_number - 1)"
        reasons = self._counts(f"SELECT left_out, count(*) FROM lines WHERE {of_ours} GROUP BY ALL")
        ours = count_rows(self._connection, "SELECT count(*) FROM lines WHERE left_out IS NULL") > 0
        if not ours and set(reasons) == {NO_OBJECT}:
            return []
        notes = [said.format(lines=n_lines(reasons[why])) for why, said in LEFT_OUT.items() if why in reasons]
        notes += self._of_prompts()
        filters = "SELECT DISTINCT filter FROM usable ORDER BY filter <> 'none', filter"
        self.filters = [name for (name,) in self._rows(filters)]
        if len(self.filters) > 1:
            names = ", ".join(map(plain, self.filters))
            notes.append(f"The logs contain several filters ({names}); the filter '{plain(self.filters[0])}' was used.")
        self.n_repeated = self._count_repeated()
        if self.n_repeated:
            notes.append(f"{n_lines(self.n_repeated)} repeated a doc; the newest of each was used.")
        return notes

    def judged(self) -> list[str]:
        """Report which lines were judged again."""
        needs = self._counts("SELECT need, count(*) FROM usable WHERE need IS NOT NULL GROUP BY ALL")
        notes = [
            said.format(lines=n_lines(needs[why]), version=RULES_VERSION)
            for why, said in JUDGED.items()
            if why in needs
        ]
        kept = self._counts("SELECT rules IS NULL, count(*) FROM usable WHERE need IS NULL GROUP BY ALL")
        others = kept.get(False, 0) + sum(needs.values())
        if kept.get(True) and others:
            notes.append(
                f"{n_lines(kept[True])} judged by an earlier version of the rules, {others} by version "
                f"{RULES_VERSION}; persona-refusal detect RESULTS --out FILE judges all of them by one version."
            )
        return notes

    def runs(self, *, compared: bool) -> list[str]:
        """Report how runs differ, which prompts are missing, and which models answered alike."""
        notes = [*self._differing(), *self._asked(), *self._unused(), *self._facts(), *self._missing()]
        return [*notes, *self._alike()] if compared else notes

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def _counts(self, sql: str) -> dict[Any, int]:
        return {row[0]: int(row[1]) for row in self._rows(sql)}

    def _ours(self) -> set[int]:
        """List the positions of logs with a line of our tasks, or with such a name."""
        named = {place for place, log in enumerate(self._logs) if log.task.startswith("persona_refusal")}
        rows = self._rows("SELECT DISTINCT log_number FROM lines WHERE left_out IS NULL")
        return named | {int(number) - 1 for (number,) in rows}

    def _changed(self) -> list[str]:
        """List the logs whose checksum has changed since they were written."""

        def is_changed(place: int) -> bool:
            with self._files[place].path.open("rb") as file:
                return hashlib.file_digest(file, "blake2b").hexdigest() != self._logs[place].facts.checksum

        places = [place for place, log in enumerate(self._logs) if log.facts.checksum]
        if not places:
            return []
        with ThreadPoolExecutor() as pool:
            return [
                self._labels[place]
                for place, is_one in zip(places, pool.map(is_changed, places), strict=True)
                if is_one
            ]

    def _of_prompts(self) -> Iterator[str]:
        for state, what in WRONG.items():
            rows = self._connection.execute(
                "SELECT model, task, setting, count(*) FILTER (state = $1), count(*) FROM lines LEFT JOIN wrong "
                "ON file_row_number = wrong.row WHERE left_out IS NULL GROUP BY ALL "
                "HAVING count(*) FILTER (state = $1) > 0 ORDER BY ALL",
                [state],
            ).fetchall()
            if n := sum(row[3] for row in rows):
                listed = _listed([f"{name_part(m, t, s)}: {k:,} of {every:,}" for m, t, s, k, every in rows], "; ")
                yield (
                    f"{n:,} prompt{'s' * (n != 1)} {what}: left out ({listed}). "
                    "lm_eval --cache_requests serves the prompts of an earlier run; run these tasks again without it."
                )
        n = count_rows(
            self._connection, f"SELECT sum(n) FROM frames JOIN states USING (id) WHERE state = '{UNVERIFIED}'"
        )
        if n:
            yield (
                f"{n:,} prompt{'s' * (n != 1)} could not be compared with {'its doc' if n == 1 else 'their docs'}: the "
                "log has no prompt, or its persona, template, language or wording is not known here. Kept, unverified."
            )

    def _count_repeated(self) -> int:
        """Count the lines of docs that have another line."""
        span = self._connection.execute("SELECT min(index), max(index) FROM usable").fetchone()
        low, high = span if span and span[0] is not None else (0, 0)
        # Bits take a tenth of the time that a hash table takes, but as much room as the span asks for.
        bits = f"bit_count(bitstring_agg(index, {low}, {high}))"
        distinct = bits if high - low < 1 << 22 else "count(DISTINCT index)"
        return count_rows(
            self._connection,
            f"SELECT sum(n) FROM (SELECT count(*) - {distinct} AS n FROM usable "
            f"GROUP BY model, design_id, filter{self.by_run_factors})",
        )

    def _differing(self) -> Iterable[str]:
        """Report which runs of one task were asked differently."""
        tasks = self._connection.execute(
            "SELECT model, task, setting, list(DISTINCT log_number) AS logs FROM usable GROUP BY ALL "
            "HAVING len(logs) > 1 ORDER BY ALL"
        ).fetchall()
        for model, task, setting, numbers in tasks:
            differ = [
                name
                for name in differing_settings([self._logs[number - 1] for number in sorted(numbers)])
                if name not in self._run_factors
            ]
            if differ and "run" not in self._run_factors:
                # Repeats are the most likely intended factor.
                best = "repeat" if "repeat" in differ else differ[0]
                yield (
                    f"{name_part(plain(model), plain(task), plain(setting))}: runs that differ in "
                    f"{', '.join(differ)} were pooled, using the newest response to each prompt. If this is not "
                    "intended: ingest, rates, sensitivity, regression "
                    f"and report keep them separate with --factors {best}."
                )

    def _asked(self) -> Iterator[str]:
        """Report in which logs the lines were not all asked with the same arguments."""
        sql = "SELECT log_number, list(DISTINCT asked)[:20] FROM usable GROUP BY 1 HAVING count(DISTINCT asked) > 1"
        differ: dict[str, set[str]] = {}
        logs = []
        for number, asked in sorted(self._connection.execute(sql).fetchall()):
            log = self._logs[number - 1]
            ways = [settings_in_effect(log.facts, _arguments(text)) for text in asked]
            unknown = {name: "none" for way in ways for name in way}
            found = differing_facts([unknown | way for way in ways])
            if found:
                logs.append(self._labels[number - 1])
            for name, values in found.items():
                differ.setdefault(name, set()).update(values)
        if logs:
            told = "; ".join(f"{name}: {', '.join(map(plain, sorted(values)))}" for name, values in differ.items())
            yield (
                f"{_listed(logs)}: lines of one log were asked with different arguments ({told}); all are counted "
                "under the first line's."
            )

    def _unused(self) -> Iterator[str]:
        """Report which temperatures were given and not used."""
        given = {
            str(log.facts.generation.get("temperature"))
            for log in self._logs
            if log.settings.get("temperature") == "0"
            and str(log.facts.generation.get("temperature", "0")) not in ("0", "0.0")
        }
        if given:
            yield (
                f"temperature={', '.join(map(plain, sorted(given)))} was given and not used: with do_sample=false the "
                "harness decodes greedily, so that the temperature is 0; add do_sample=true to --gen_kwargs to sample."
            )

    def _facts(self) -> Iterator[str]:
        """Report which models were run with more than one set of weights or software."""
        models: dict[str, list[Log]] = {}
        for log in self._logs:
            models.setdefault(log.model, []).append(log)
        for model, logs in models.items():
            for what, facts in (
                ("sets of weights", [log.facts.weights for log in logs]),
                ("versions of software", [log.facts.software for log in logs]),
            ):
                if differ := differing_facts(facts):
                    told = "; ".join(f"{name} {' and '.join(map(plain, found))}" for name, found in differ.items())
                    yield f"{plain(model)}: its runs used different {what} ({told}); their responses are pooled."

    def _missing(self) -> Iterable[str]:
        """Report missing prompts before the last one, which --limit cannot explain."""
        distinct = "DISTINCT index" if self.n_repeated or len(self.filters) > 1 else "*"
        gaps = self._connection.execute(
            # Prompts of a contrast task are of two settings, and numbered together.
            "SELECT model, task, string_agg(DISTINCT setting, ' and ' ORDER BY setting) AS settings, "
            f"max(index) + 1 AS n, n - count({distinct}) AS n_missing FROM usable "
            f"GROUP BY model, task, CASE WHEN block IS NULL THEN setting END{self.by_run_factors} "
            "HAVING n_missing > 0 ORDER BY ALL"
        ).fetchall()
        for model, task, setting, n, n_missing in gaps:
            yield (
                f"{name_part(plain(model), plain(task), plain(setting))}: {n_missing:,} of the first {n:,} prompts are "
                "missing: a shard not run, or lost lines?"
            )

    def _alike(self) -> Iterator[str]:
        """Report which models gave the same responses to all prompts that both were asked."""
        answers: dict[str, dict[tuple[object, ...], object]] = {}
        # Some prompts are enough to distinguish most models.
        step = max(1, count_rows(self._connection, "SELECT max(index) FROM usable") // _COMPARED)
        rows = self._connection.execute(
            "SELECT model, design_id, index, said FROM usable WHERE outcome <> 'empty' AND index % ? = 0 ORDER BY ALL",
            [step],
        ).fetchall()
        for model, design, index, said in rows:
            answers.setdefault(str(model), {})[design, index] = said
        models = list(answers)
        for place, one in enumerate(models):
            for other in models[place + 1 :]:
                shared = answers[one].keys() & answers[other].keys()
                if shared and all(answers[one][key] == answers[other][key] for key in shared):
                    yield from self._same(one, other)

    def _same(self, one: str, other: str) -> Iterator[str]:
        """Compare all answers of two models."""
        of = 'SELECT design_id, "index", max(said) AS said FROM usable WHERE model = ? GROUP BY ALL'
        rows = self._connection.execute(
            f"SELECT count(*), count(*) FILTER (a.said IS NOT DISTINCT FROM b.said) FROM ({of}) AS a JOIN ({of}) AS b "
            'USING (design_id, "index")',
            [one, other],
        ).fetchall()
        n, n_same = rows[0]
        if n == n_same and n >= _FEWEST_ALIKE:
            yield (
                f"{plain(one)} and {plain(other)} gave identical responses to all {n:,} prompts: was one --use_cache "
                "file shared by two models, or one model run under two names?"
            )


def n_lines(n: int, kind: str = "") -> str:
    """Format a number of lines."""
    return f"{n} {kind} line{'s' * (n != 1)}".replace("  ", " ")


def _kind(what: str) -> str:
    return "incomplete" if what == INCOMPLETE else ""


def _listed(names: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return between.join(map(plain, names[:_SHOWN])) + more


def _arguments(text: str | None) -> dict[str, object] | None:
    try:
        given = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None
