"""Counts of a study, summed over its shards, so that a killed run loses or doubles none."""

import json
from collections import Counter
from glob import escape
from pathlib import Path

COUNTED = "asked"
"""The key of a shard's results that holds its counts."""


class ShardCounts:
    """Sums the counts of shards by model.

    Files are read once, and again if they change.

    Parameters
    ----------
    path : Path
        The study's folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[Path, tuple[tuple[int, int], dict[str, float]]] = {}

    def of_model(self, model: str, began: str) -> dict[str, float]:
        """Add up the counts of a model's shards.

        Parameters
        ----------
        model : str
        began : str
            The study's date.

        Returns
        -------
        dict of str to float
            As `studies.ask` wrote them: ``n_prompts``, ``n_asked``, ``seconds``, ...; empty if nothing has
            been written.
        """
        total: Counter[str] = Counter()
        for results in sorted((self._path / model).glob(f"*/results_{escape(began)}.*.json")):
            samples = results.with_name(f"samples_{results.parent.name}_{results.stem.removeprefix('results_')}.jsonl")
            total.update(self._of_shard(results, samples))
        return {name: round(number, 3) for name, number in total.items()}

    def _of_shard(self, results: Path, samples: Path) -> dict[str, float]:
        try:
            there, state = samples.stat(), results.stat()
        except OSError:
            return {}
        stamp = (state.st_mtime_ns, there.st_mtime_ns)
        known = self._known.get(results)
        if known is None or known[0] != stamp:
            known = self._known[results] = (stamp, _read(results, samples))
        return known[1]


def _read(results: Path, samples: Path) -> dict[str, float]:
    try:
        counted = json.loads(results.read_text(encoding="utf-8")).get(COUNTED)
        if isinstance(counted, dict):
            return {name: number for name, number in counted.items() if isinstance(number, int | float)}
        # Of an earlier version of this software.
        return {"n_prompts": samples.read_bytes().count(b"\n")}
    except (OSError, ValueError, AttributeError):
        return {}
