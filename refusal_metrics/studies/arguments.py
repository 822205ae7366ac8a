"""Checks of model and generation arguments that would otherwise fail only after a model has been loaded."""

import math
from collections.abc import Mapping
from typing import Any

COUNTS = ("num_concurrent", "max_retries")
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


def wrong_argument(args: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first invalid model argument and what it must be; None if all are valid.

    Parameters
    ----------
    args : mapping
        What ``--model_args`` takes.

    Returns
    -------
    tuple of str and str, or None

    Examples
    --------
    >>> wrong_argument({"timeout": 0})
    ('timeout', 'must be a number of seconds above 0')
    """
    for name in COUNTS:
        if name in args and not _is_count(args[name]):
            return name, "must be a whole number from 1"
    # 0 would be no limit at all.
    if "timeout" in args and not _is_positive(args["timeout"]):
        return "timeout", "must be a number of seconds above 0"
    url = args.get("base_url", "http://")
    if not isinstance(url, str | list) or not url:
        return "base_url", "must be an address, or a list of addresses"
    header = args.get("header") or {}
    if not isinstance(header, Mapping) or not all(isinstance(value, str) for value in header.values()):
        return "header", "must be names with texts"
    return None


def wrong_generation(arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first invalid generation argument and what it must be; None if all are valid.

    Parameters
    ----------
    arguments : mapping
        What ``--gen_kwargs`` takes.

    Returns
    -------
    tuple of str and str, or None
    """
    for name in _LENGTHS:
        if name in arguments and not (isinstance(arguments[name], int) and _is_count(arguments[name])):
            return name, "must be a whole number from 1"
    until = arguments.get("until", [])
    if not isinstance(until, str) and not (isinstance(until, list) and all(isinstance(end, str) for end in until)):
        return "until", "must be a text or a list of texts"
    top_p = arguments.get("top_p", 1)
    if isinstance(top_p, bool) or not isinstance(top_p, int | float) or not 0 < top_p <= 1:
        return "top_p", "must be a number above 0 and at most 1"
    return None


def _is_count(value: object) -> bool:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_positive(value: object) -> bool:
    if isinstance(value, str):
        return _is_count(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0
