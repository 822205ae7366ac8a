"""What arguments of models are: which change no answer, and which nobody else should read."""

import re
from collections.abc import Mapping
from typing import Any

MACHINERY = frozenset(
    {
        *("device", "device_map", "batch_size", "max_batch_size", "parallelize", "num_concurrent", "max_retries"),
        *("timeout", "tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization", "metadata"),
    }
)
"""Arguments of models that are meant to change no answer."""

SECRET = re.compile(r"(?i)auth|header|passw|secret|credential|(^|_)key$|apikey|(^|(api|access|hf|hub|bearer)_)token$")
"""Matches the names of arguments that are not to be shown."""


def harmless(args: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a model's arguments what nobody else should read: keys, headers, passwords.

    Parameters
    ----------
    args : mapping

    Returns
    -------
    dict
    """
    return {
        name: harmless(value) if isinstance(value, Mapping) else value
        for name, value in args.items()
        if not SECRET.search(str(name))
    }
