"""The responses of a study in a notebook: contents, selection and counts."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from markupsafe import escape

from refusal_metrics.errors import InputError, unknown_name

from ..columns import check_run_factors_only, run_factors_among
from ..counts import Counts
from ..display import percent, plain
from ..responses import Responses, count_responses, note_unusable, select_responses, to_frame
from .arguments import Names, list_of, names_of
from .results import list_notes

_MOST_NAMES = 6


class Selection:
    """Immutable responses."""

    def __init__(
        self, responses: Responses, factors: Sequence[str] = (), *, all_runs: bool = False, are_logs: bool = False
    ) -> None:
        self._responses, self._factors = responses, tuple(factors)
        self._all_runs, self._are_logs = all_runs, are_logs
        self._known_counts: dict[tuple[str, ...], dict[str, Counts]] = {}

    def filter(
        self,
        *,
        model: Names | None = None,
        task: Names | None = None,
        persona: Names | None = None,
        setting: Names | None = None,
        **levels: Names | float,
    ) -> Self:
        """Select the responses of some models, tasks, personas, settings or levels of another factor.

        Parameters
        ----------
        model, task, setting : str or list of str
        persona : str or list of str
            Of the prompts that name a persona. Neutral and persona-free prompts stay as baselines; leave them out
            with ``setting="persona"``.
        **levels : str, number, or list of them
            Levels of other columns: ``persona_group``, ``template``, ``response_type``, ``stratum``, ``temperature``,
            ...

        Returns
        -------
        Study

        Raises
        ------
        InputError
            For an unknown column or level, or if no response is left.

        Examples
        --------
        >>> study.filter(persona=["nurse", "pilot"], task="nli").personas
        ('nurse', 'pilot')
        >>> study.filter(model="parot")
        Traceback (most recent call last):
            ...
        refusal_metrics.errors.InputError: unknown model 'parot': allowed are owl, parrot; did you mean 'parrot'?
        """
        named: dict[str, object] = {"model": model, "task": task, "persona": persona, "setting": setting, **levels}
        given = {name: levels_of for name, levels_of in named.items() if levels_of is not None}
        chosen = {name: [str(level) for level in list_of(names, name)] for name, names in given.items()}
        selected = select_responses(self._responses, chosen)
        return type(self)(selected, self._factors, all_runs=self._all_runs, are_logs=self._are_logs)

    def to_pandas(self, *, detector: str | None = None) -> pd.DataFrame:
        """Return the responses as a table, one row a response.

        Parameters
        ----------
        detector : str, optional
            The rule whose verdicts are the column ``refused``; by default the first, which is ``answer_aware`` if
            responses were judged by it.

        Returns
        -------
        pandas.DataFrame
            The columns that ``persona-refusal ingest`` writes. `load` reads such a table again.

        Raises
        ------
        InputError
            For an unknown detector.

        Examples
        --------
        >>> study.to_pandas()[["model", "persona", "refused"]].head(2).values.tolist()
        [['owl', 'farmer', False], ['owl', 'nurse', False]]
        """
        return to_frame(self._responses, detector)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out when the responses were read, and what is missing."""
        return self._noted.notes

    @cached_property
    def _noted(self) -> Responses:
        """The responses with notes on unusable ones, which depend on the selection."""
        return note_unusable(self._responses)

    @property
    def models(self) -> tuple[str, ...]:
        """The models."""
        return self._levels("model")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks."""
        return self._levels("task")

    @property
    def personas(self) -> tuple[str, ...]:
        """The personas that prompts name."""
        return self._levels("persona")

    @property
    def detectors(self) -> tuple[str, ...]:
        """The available detectors; the first one is the default."""
        return self._responses.rules

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that rates can be broken down by."""
        return tuple(self._any_counts().levels)

    def __len__(self) -> int:
        return len(self._any_counts().n)

    def __repr__(self) -> str:
        lines = [f"Study of {len(self):,} responses", *(f"  {name:11}{text}" for name, text in self._rows())]
        return "\n".join([*lines, *(f"  - {plain(note)}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self._rows())
        return f"<p><strong>Study of {len(self):,} responses</strong></p><table>{rows}</table>{list_notes(self.notes)}"

    def _rows(self) -> Iterable[tuple[str, str]]:
        """List the contents of a study for its overview."""
        counts = self._any_counts()
        for title, name in (("models", "model"), ("tasks", "task"), ("settings", "setting"), ("personas", "persona")):
            if levels := self._levels(name):
                yield title, _some(levels)
        yield "texts", f"{len(np.unique(counts.text)):,}"
        n_refused = int(counts.n_refused.sum())
        yield "refusals", f"{n_refused:,} ({percent(n_refused / len(counts.n))}%) by {self.detectors[0]}"
        if len(self.detectors) > 1:
            yield "detectors", ", ".join(self.detectors)

    def _levels(self, factor: str) -> tuple[str, ...]:
        counts = self._any_counts()
        if factor not in counts.levels:
            return ()
        codes = counts.codes[factor] if factor != "persona" else counts.where(setting="persona").codes[factor]
        return tuple(counts.levels[factor][code] for code in np.unique(codes) if code >= 0)

    def _any_counts(self) -> Counts:
        """Return the counts of the first detector."""
        return self._all_counts(())[self.detectors[0]]

    def _counts(self, factors: Sequence[str], detector: str | None) -> Counts:
        """Count refusals by one detector; check that there is each factor."""
        rule = self._responses.rule(detector)
        counts = self._all_counts(self._added(factors))[rule]
        counts.check_factors(factors)
        return counts

    def _all_counts(self, added: Sequence[str]) -> dict[str, Counts]:
        run = ["run"] * self._all_runs
        wanted = tuple(dict.fromkeys([*self._factors, *added, *run]))
        if wanted not in self._known_counts:
            self._known_counts[wanted] = count_responses(self._responses, wanted)
        return self._known_counts[wanted]

    def _added(self, factors: Sequence[str]) -> list[str]:
        """List run factors in the responses that were not named when they were read."""
        added = [name for name in run_factors_among(factors) if name not in self._factors]
        columns = self._responses.columns
        for name in added:
            if name not in columns:
                raise unknown_name("factor", name, self.factors)
            if self._are_logs and not (name == "run" and self._all_runs):
                raise InputError(
                    f"{name}: was not named when the results were read, so only the newest answer to each prompt is "
                    f"here; load them with factors={name!r}"
                )
        return added

    def _told(self, table: pd.DataFrame, detector: str | None, notes: Sequence[str] = ()) -> pd.DataFrame:
        """Store the notes about a table in its attributes."""
        table.attrs |= {"detector": self._responses.rule(detector), "notes": tuple(notes)}
        return table

    def _run_factors(self, by: object, comparing: str) -> list[str]:
        """Read run factors; other factors are errors, because personas cannot be compared within them."""
        factors = names_of(by, "by")
        check_run_factors_only("by", factors, f"{comparing} personas within each model")
        return factors


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(plain, names[:_MOST_NAMES]))
    return f"{len(names)}: {shown}, ..." if len(names) > _MOST_NAMES else shown
