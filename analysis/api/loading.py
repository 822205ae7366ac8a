"""Results as a study."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from refusal_metrics.errors import InputError

from ..columns import FACTORS, STUDY_COLUMNS
from ..responses import Folder, Responses, is_table, load_responses
from ..responses import exclude_provider as without_provider
from .arguments import AnyPath, Names, list_of, names_of, write_parquet
from .study import Study

_FRAME = "the data frame"


def load(
    results: AnyPath | Iterable[AnyPath] | pd.DataFrame,
    *,
    factors: Names = (),
    texts: bool = True,
    all_runs: bool = False,
    exclude_provider: bool = False,
) -> Study:
    """Read the responses of a study.

    Parameters
    ----------
    results : path, list of paths, or pandas.DataFrame
        Folders that ``lm_eval`` wrote with ``--output_path`` and ``--log_samples``; or responses tables (Parquet,
        CSV or JSON records, as ``persona-refusal ingest`` writes them); or a data frame with the columns of such a
        table: at least ``model, task, text_id, refused``.
    factors : str or list of str
        Settings of runs (``temperature``, ...) whose levels are studied. Without them only the newest answer
        to each prompt counts.
    texts : bool
        Whether to read prompts and responses too, which `Study.to_pandas` and `Study.report` then contain.
    all_runs : bool
        Whether to count every run of a task, not only the newest answer to each prompt.
    exclude_provider : bool
        Whether to leave out responses that the provider refused (content filter, refusal field).

    Returns
    -------
    Study
        All responses, read once. Its ``notes`` say what was left out.

    Raises
    ------
    InputError
        If there is nothing to read, a table lacks a column or has a wrong value, a factor is unknown, or if one
        task was run with different designs.

    Examples
    --------
    >>> import pandas as pd
    >>> import refusal_metrics as rm
    >>> rows = [("parrot", "nli", f"text {i}", i < 2) for i in range(20)]
    >>> study = rm.load(pd.DataFrame(rows, columns=["model", "task", "text_id", "refused"]))
    >>> len(study), study.models
    (20, ('parrot',))
    """
    run_factors = [name for name in names_of(factors, "factors") if name not in {*STUDY_COLUMNS, *FACTORS}]
    if isinstance(results, pd.DataFrame):
        responses = _read_frame(results, run_factors, all_runs=all_runs)
        are_logs = False
    else:
        paths = _paths(results)
        responses = load_responses(paths, all_runs=all_runs, run_factors=run_factors, texts=texts)
        are_logs = not any(map(is_table, paths))
    if exclude_provider:
        responses = without_provider(responses)
    return Study(responses, tuple(run_factors), all_runs=all_runs, are_logs=are_logs)


def _paths(results: object) -> list[str]:
    allowed = "give a path, a list of paths or a pandas DataFrame"
    if results is None or isinstance(results, Mapping):
        raise InputError(f"results: is of type {type(results).__name__}; {allowed}")
    paths = list_of(results, "results")
    if not paths:
        raise InputError("results: is an empty list; give a folder of results or a responses table")
    for path in paths:
        if isinstance(path, pd.DataFrame):
            raise InputError("results: is a list that contains a data frame; join them with pandas.concat and give one")
        if not isinstance(path, str | os.PathLike):
            raise InputError(f"results: is of type {type(path).__name__}; {allowed}")
    return [str(path) for path in paths]


def _read_frame(frame: pd.DataFrame, run_factors: list[str], *, all_runs: bool) -> Responses:
    folder = Folder()
    path = folder.path / "data_frame.parquet"
    write_parquet(frame, path, _FRAME)
    try:
        responses = load_responses([path], all_runs=all_runs, run_factors=run_factors)
    except InputError as error:
        raise InputError(str(error).replace(str(path), _FRAME)) from error
    notes = tuple(note.replace(str(path), _FRAME) for note in responses.notes)
    return replace(responses, notes=notes, keep=(folder, responses.keep))
