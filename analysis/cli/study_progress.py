"""The progress of a study on a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..display import plain
from .console import say
from .stopping import describe_look

if TYPE_CHECKING:
    from refusal_metrics.studies import StudyModel


def describe_journal(model: "StudyModel", what: Mapping[str, Any]) -> str:
    """Describe in one sentence the responses that an earlier run left."""
    shard = what["shard"]
    parts = [f"{what['n_found']:,} responses of an earlier run are used"]
    if what["n_foreign"]:
        parts.append(f"{what['n_foreign']:,} belong to another model, software or study and are not used")
    if what["n_damaged"]:
        parts.append(f"{what['n_damaged']:,} lines are damaged, so their prompts are sent again")
    return f"{model.name}, {shard.task}, shard {shard.number}: {'; '.join(parts)}."


class ProgressBars:
    """The progress of each model, with rates and the remaining time."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            # Names are escaped for markup and terminals.
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, model: "StudyModel", kind: str, what: Mapping[str, Any]) -> None:
        """Show an event."""
        if kind == "look":
            say([describe_look(model.name, what)])
        elif kind == "begins":
            self._bars[model.name] = self._progress.add_task(plain(model.name), total=what["n_shards"], rate="loading")
        elif kind == "loaded":
            self._progress.update(self._bars[model.name], rate=f"loaded in {what['seconds']:.0f} s")
        elif kind in ("shard", "busy", "others"):
            rate = f"{what['n_prompts'] / what['seconds']:.1f} prompts/s" if kind == "shard" else "another run's"
            self._progress.update(self._bars[model.name], advance=1, rate=rate)
            if kind == "shard" and not self._console.is_terminal:
                shard = what["shard"]
                say([f"{model.name}, {shard.task}, shard {shard.number}: {rate}"])
        elif kind == "journal":
            say([describe_journal(model, what)])
        elif kind == "damaged":
            shard = what["shard"]
            say([f"{model.name}, {shard.task}, shard {shard.number}: damaged; its prompts are sent again."])
