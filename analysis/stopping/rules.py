"""The two stopping rules: on the precision of the differences, or on their significance.

Each looks at the differences between personas and neutral prompts of one model and kind of task. The rules are handed
to the process of a model, which imports them there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..arrays import ALPHA
from ..counts import Counts
from ..estimates import look_at_contrasts
from ..responses import count_responses, load_responses
from ..statistics import find_bounds

LEAST_TEXTS = 200
"""The precision of fewer texts is not known well enough to stop on it."""
LEAST_DISCORDANT = 20
"""Nor is it if responses differ in fewer texts, for any persona."""


@dataclass(frozen=True)
class UntilWidth:
    """Stop once the 95% confidence interval of each persona's difference is narrow enough.

    Attributes
    ----------
    limit : float
        The largest width, as a difference of rates in (0, 1).

    References
    ----------
    Chow and Robbins 1965, doi:10.1214/aoms/1177700156.
    """

    limit: float

    @property
    def option(self) -> str:
        """How the command line names the rule."""
        return f"--until-width {self.limit:g}"

    @property
    def least_texts(self) -> int:
        """The number of texts before which it never stops."""
        return LEAST_TEXTS

    def describe(self) -> dict[str, Any]:
        """Return what the record of the study says of the rule."""
        return {"rule": "until-width", "limit": self.limit}

    def look(self, files: Sequence[Path], share: float, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Look at logs; see `refusal_metrics.studies.stages.StoppingRule`."""
        del share, before
        counts = _count(files)
        return judge_width(look_at_contrasts(counts), len(np.unique(counts.text)), self.limit)


@dataclass(frozen=True)
class UntilDecided:
    """Stop once a persona differs significantly from neutral prompts, by a group sequential test.

    The level is spent by the share of the planned texts as O'Brien and Fleming's bounds do, for each persona at a level
    of .05 divided by their number: the first step of Holm's procedure.
    """

    @property
    def option(self) -> str:
        """How the command line names the rule."""
        return "--until-decided"

    @property
    def least_texts(self) -> int:
        """The number of texts before which it never stops."""
        return 1

    def describe(self) -> dict[str, Any]:
        """Return what the record of the study says of the rule."""
        return {"rule": "until-decided"}

    def look(self, files: Sequence[Path], share: float, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Look at logs; see `refusal_metrics.studies.stages.StoppingRule`."""
        return judge_differences(
            look_at_contrasts(_count(files), intervals=False), [*(look["share"] for look in before), share], before
        )


def judge_width(table: pd.DataFrame, n_texts: int, limit: float) -> dict[str, Any]:
    """Decide from the differences at a look whether all of them are known precisely enough.

    Parameters
    ----------
    table : pandas.DataFrame
        See `refusal_metrics.analysis.estimates.looks.look_at_contrasts`.
    n_texts : int
        In the study so far.
    limit : float

    Returns
    -------
    dict
        ``stops``, ``found`` (a sentence), ``width`` (of the widest interval) and ``n_discordant`` (texts whose
        responses differ, for the persona with the fewest).
    """
    width = float(table["width"].max()) if len(table) else 2.0
    fewest = int(table["n_discordant"].min()) if len(table) else 0
    stops = width <= limit and n_texts >= LEAST_TEXTS and fewest >= LEAST_DISCORDANT
    found = f"the widest 95% confidence interval has {100 * width:.1f} points (limit {100 * limit:.1f})"
    if width <= limit and not stops:
        found += (
            f"; of {n_texts:,} texts, at least {fewest} have different verdicts for each persona ({LEAST_TEXTS} texts "
            f"and {LEAST_DISCORDANT} with different verdicts are needed)"
        )
    return {"stops": bool(stops), "found": found, "width": width, "n_discordant": fewest}


def judge_differences(
    table: pd.DataFrame, shares: Sequence[float], before: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Decide from the differences at a look whether one is significant.

    Parameters
    ----------
    table : pandas.DataFrame
        See `refusal_metrics.analysis.estimates.looks.look_at_contrasts`.
    shares : sequence of float
        Of the planned texts, up to this look.
    before : sequence of mapping
        What this function returned at the earlier looks.

    Returns
    -------
    dict
        ``stops``, ``found`` (a sentence), ``information`` (of all personas together), ``bound`` (of absolute deviates;
        missing if the look cannot reject) and ``personas`` (those beyond it).
    """
    earlier = [look["information"] for look in before]
    information = [*earlier, max([*earlier, float(table["information"].sum())])]
    bound = float(find_bounds(shares, information, ALPHA / max(len(table), 1))[-1])
    deviates = stats.norm.isf(table["p_value"].to_numpy(dtype=np.float64) / 2)
    decided = table["persona"][deviates >= bound].tolist()
    largest = float(np.nanmax(deviates, initial=0.0))
    allowed = "no difference can be significant yet" if np.isinf(bound) else f"the bound is {bound:.2f}"
    found = f"the largest deviate of {len(table)} personas is {largest:.2f}, and {allowed}"
    if decided:
        found += f"; significant: {', '.join(decided)}"
    reached = {} if np.isinf(bound) else {"bound": bound}
    return {"stops": bool(decided), "found": found, "information": information[-1], **reached, "personas": decided}


def _count(files: Sequence[Path]) -> Counts:
    responses = load_responses(files)
    return count_responses(responses)[responses.rule(None)]
