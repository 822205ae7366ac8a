"""The differences that somebody claimed, in percentage points."""

import math
from collections.abc import Collection, Mapping, Sequence

from refusal_metrics.errors import InputError, unknown_name


def read_claims(given: Sequence[str]) -> dict[str, float]:
    """Read the claims of the command line: ``15`` for all conditions, or ``a black person=15`` for one.

    Parameters
    ----------
    given : sequence of str

    Returns
    -------
    dict of str to float
        The difference of proportions by condition; that of an empty text is for all others.

    Raises
    ------
    InputError
        If a claim has no number of points, or a condition has two.

    Examples
    --------
    >>> read_claims(["a black person=+15pp", "2"])
    {'a black person': 0.15, '': 0.02}
    """
    claims: dict[str, float] = {}
    for claim in given:
        condition, _, size = claim.rpartition("=")
        try:
            points = float(size.strip().removesuffix("pp").strip().removesuffix("%").replace("\N{MINUS SIGN}", "-"))
        except ValueError:
            points = math.nan
        if not -100 <= points <= 100:
            raise InputError(
                f"--claimed {claim[:80]}: is no difference in percentage points; write it as 15, or as 'CONDITION=15'"
            )
        if condition.strip() in claims:
            raise InputError(f"--claimed {claim[:80]}: is a second claim for the same condition; give one")
        claims[condition.strip()] = points / 100
    return claims


def check_claims(claims: Mapping[str, float], conditions: Collection[str]) -> None:
    """Check that the conditions of claims occur.

    Raises
    ------
    InputError
        For a condition that does not, or is not compared.
    """
    for condition in claims:
        if condition and condition not in conditions:
            raise unknown_name("condition in --claimed", condition, conditions)
