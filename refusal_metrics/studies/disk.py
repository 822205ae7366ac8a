"""Errors of writing a study's folder, and strict JSON."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refusal_metrics.errors import InputError
from refusal_metrics.reading import whole


def unwritable(path: Path, error: OSError) -> InputError:
    """Build the error for a file or folder of a study that cannot be written.

    Parameters
    ----------
    path : Path
        Named where the error names no file.
    error : OSError

    Returns
    -------
    InputError
        To be raised by the caller.
    """
    return InputError(
        f"{error.filename or path}: cannot be written ({error.strerror}); fix this and re-run the same command "
        "to resume"
    )


def strict_json(what: object, *, indent: int | None = None) -> str:
    """Write a value as strict JSON: no NaN, no infinity, no half of a surrogate pair.

    Parameters
    ----------
    what : object
        What JSON does not know is written as text.
    indent : int, optional

    Returns
    -------
    str

    Examples
    --------
    >>> strict_json({"rate": float("nan"), "n": 1})
    '{"rate": null, "n": 1}'
    """
    try:
        text = json.dumps(what, indent=indent, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(what), indent=indent, ensure_ascii=False, default=str)
    return whole(text)


def _finite(what: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(what, float):
        return what if math.isfinite(what) else None
    if isinstance(what, Mapping):
        return {_finite_name(name): _finite(value) for name, value in what.items()}
    if isinstance(what, list | tuple):
        return [_finite(value) for value in what]
    return what


def _finite_name(name: Any) -> Any:  # noqa: ANN401
    return str(name) if isinstance(name, float) else name
