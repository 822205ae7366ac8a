"""Arguments in a notebook: lists or single texts, files or tables."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from refusal_metrics.errors import InputError, quoted

from ..labels import LabelMap, read_label_map
from ..responses import Folder

AnyPath: TypeAlias = str | os.PathLike[str]
"""A file or folder."""

Names: TypeAlias = str | Iterable[str]
"""One name, or several."""


def list_of(given: object, what: str) -> list[object]:
    """Return an argument as a list; one text becomes a list of one, and None an empty list."""
    if given is None:
        return []
    if isinstance(given, str | int | float | os.PathLike):
        return [given]
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InputError(f"{what}: is of type {type(given).__name__}; give a text or a list of texts")
    return list(given)


def names_of(given: object, what: str) -> list[str]:
    """Return names, each once; a text may contain several, separated by commas, as in the commands' options."""
    names: list[str] = []
    for name in list_of(given, what):
        if not isinstance(name, str):
            raise InputError(f"{what}: contains {quoted(name)}; give names as texts")
        names += [part.strip() for part in name.split(",") if part.strip()]
    return list(dict.fromkeys(names))


def label_map(columns: str | Mapping[str, str], values: str | Mapping[str, str]) -> LabelMap:
    """Read the names of a label file's columns and values: mappings, or texts as in the commands."""
    return read_label_map(
        *(given if isinstance(given, str) else json.dumps(dict(given)) for given in (columns, values))
    )


def write_parquet(table: pd.DataFrame, path: Path, what: str) -> None:
    """Write a data frame as Parquet.

    Raises
    ------
    InputError
        If two columns have one name, or one has values that cannot be written; the error names it `what`.
    """
    if not len(table.columns):
        raise InputError(f"{what}: has no columns; give one row per response")
    named = table.set_axis([str(name) for name in table.columns], axis=1)
    if named.columns.has_duplicates:
        raise InputError(f"{what}: has two columns {named.columns[named.columns.duplicated()][0]!r}; rename one")
    for name in named.columns:
        try:
            pa.array(named[name], from_pandas=True)
        except (pa.ArrowException, OverflowError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"{what}: the column {quoted(name)} has values of different types ({said}); convert it to one type"
            ) from error
    named.to_parquet(path, index=False)


@contextmanager
def as_file(given: AnyPath | pd.DataFrame, what: str, ending: str = ".parquet") -> Iterator[Path]:
    """Provide a table as a file, also if it is passed as a data frame; errors name it `what`.

    Parameters
    ----------
    given : path or pandas.DataFrame
    what : str
        What errors call the table, e.g. ``labels``.
    ending : {".parquet", ".csv"}

    Yields
    ------
    Path
    """
    if not isinstance(given, pd.DataFrame):
        if not isinstance(given, str | os.PathLike):
            raise InputError(f"{what}: is of type {type(given).__name__}; give a path or a pandas DataFrame")
        yield Path(given)
        return
    folder = Folder()
    path = folder.path / f"{what.replace(' ', '_')}{ending}"
    try:
        if ending == ".csv":
            given.to_csv(path, index=False)
        else:
            write_parquet(given, path, what)
        yield path
    except InputError as error:
        raise InputError(str(error).replace(str(path), what)) from error
