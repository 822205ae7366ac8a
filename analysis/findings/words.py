"""The words of findings: how strong a difference is, and what a persona, a baseline and a model are called."""

from enum import StrEnum
from functools import cache

from refusal_metrics.prompts import load_design

from ..columns import OTHERS, name_level
from ..display import plain, points

SLIGHT, MUCH = 0.01, 0.05
"""The smallest differences that are called clear and large; conventions, not results."""


class Strength(StrEnum):
    """How strong a difference is, in words."""

    NOT_SHOWN = "not shown to differ"
    SLIGHT = "slightly"
    CLEAR = "clearly"
    MUCH = "much"


def strength_of(ci_low: float, ci_high: float) -> Strength:
    """Return how strong a difference is, by the end of its simultaneous interval that is nearer to 0.

    Parameters
    ----------
    ci_low, ci_high : float
        Simultaneous 95% confidence interval, in [-1, 1]; nan if there is none.

    Returns
    -------
    Strength

    Examples
    --------
    >>> strength_of(0.001, 0.2).value, strength_of(-0.2, -0.01).value, strength_of(0.05, 0.06).value
    ('slightly', 'clearly', 'much')
    >>> strength_of(0, 0.2).value
    'not shown to differ'
    """
    near = max(ci_low, -ci_high)
    if not near > 0:
        return Strength.NOT_SHOWN
    if near < SLIGHT:
        return Strength.SLIGHT
    return Strength.CLEAR if near < MUCH else Strength.MUCH


def compare(ci_low: float, ci_high: float) -> str:
    """Return the strength and direction of a difference, e.g. ``much more often``."""
    return f"{strength_of(ci_low, ci_high).value} {'more' if ci_low > 0 else 'less'} often"


def name_asked(persona: str) -> str:
    """Return what a model is asked as, in quotation marks.

    Examples
    --------
    >>> name_asked("black"), name_asked("my_uncle")
    ("'a Black person'", "'my_uncle'")
    """
    return f"'{plain(_asked().get(persona, persona))}'"


@cache
def _asked() -> dict[str, str]:
    """Name the built-in personas by their ids, and by the names under which they are shown."""
    by_id = {persona.id: str(persona) for persona in load_design().personas}
    return {name_level("persona", name): asked for name, asked in by_id.items()} | by_id


def name_baseline(baseline: str) -> str:
    """Return what personas are compared with, after "than"."""
    return "when asked as the other personas" if baseline == OTHERS else "with neutral prompts"


def points_with_interval(estimate: float, ci_low: float, ci_high: float) -> str:
    """Format the size of a difference with its interval, without a sign.

    Examples
    --------
    >>> points_with_interval(-0.057, -0.065, -0.049)
    '5.7 pp [4.9, 6.5]'
    """
    low, high = (ci_low, ci_high) if estimate >= 0 else (-ci_high, -ci_low)
    return f"{points(abs(estimate))} pp [{points(low)}, {points(high)}]"


def listed(names: list[str]) -> str:
    """Join names: ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
