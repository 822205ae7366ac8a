"""Responses counted by prompt and run, by one query of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from refusal_metrics.errors import unknown_name

from ..arrays import Integers, count_before, first_entries, from_zero, number_combinations, smallest
from ..columns import FACTORS, ONE_TEXT, STUDY_COLUMNS, states_of
from ..contracts import check_run_factors
from ..counts import Counts
from .looks import looks_by_study
from .sql import identifier
from .table import Responses

_ASKED = ("setting", *FACTORS)
"""The columns in which prompts about one row can differ in a table without `index`."""


def count_responses(responses: Responses, run_factors: Sequence[str] = ()) -> dict[str, Counts]:
    """Count a study's refusals by each of its detectors.

    Parameters
    ----------
    responses : Responses
    run_factors : sequence of str
        Columns of `responses` beyond the usual factors that are factors too.

    Returns
    -------
    dict of str to Counts
        By the name of the detector. They share all arrays but the refusals, where each has all verdicts.

    Raises
    ------
    InputError
        For a run factor that is not a column, or has a reserved name.
    """
    check_run_factors(run_factors)
    # Each access is a query.
    known, rules = responses.columns, responses.rules
    for name in run_factors:
        if name not in known:
            raise unknown_name("factor", name, [name for name in known if not name.startswith("refused")])
    factors = [name for name in (*STUDY_COLUMNS, *FACTORS, *run_factors) if name in known]
    ids = [name for name in ("text_id", "row_id", "block") if name in known]
    levels = {name: _number_levels(responses, name) for name in (*factors, *ids)}
    codes = [
        f"coalesce(enum_code({identifier(name)}::VARCHAR::{_kind(name)})::INTEGER, -1) AS {identifier(name)}"
        for name in levels
    ]
    others = [name for name in ("index", *(f"refused_{rule}" for rule in rules)) if name in known]
    states = states_of(known)
    marked = [f"coalesce({sql}, false) AS {name}" for name, sql in states.items()]
    read = ", ".join([*codes, *map(identifier, others), *marked])
    columns = responses.query(f"SELECT {read} FROM responses").fetchnumpy()
    code = {name: smallest(np.asarray(columns[name])) for name in levels}
    text = number_combinations([code["task"], code["text_id"]])
    row = number_combinations([text, code["row_id"] if "row_id" in code else code.get("stratum", text)])
    block = _number_blocks(text, code["block"]) if "block" in code else None
    by_run = [code[name] for name in ("model", *run_factors)]
    # Without a design, an index is the user's own row number.
    if "index" in columns and "design_id" in known and not np.ma.is_masked(columns["index"]):
        prompt = number_combinations([code["task"], code["setting"], from_zero(np.asarray(columns["index"]))])
    else:
        alike = number_combinations([row, *(code[name] for name in _ASKED if name in code)])
        prompt = number_combinations([alike, count_before(number_combinations([alike, *by_run]))])
    shared = Counts(
        levels={name: levels[name] for name in factors},
        codes={name: code[name] for name in factors},
        text=text,
        row=row,
        prompt=prompt,
        n=np.ones(len(text), dtype=np.uint8),
        n_refused=np.zeros(0, dtype=np.uint8),
        n_texts=int(text.max(initial=-1)) + 1,
        looks=looks_by_study(responses.looks),
        states={name: marks for name in states if (marks := np.asarray(columns[name], dtype=bool)).any()},
        unit=_number_units(prompt, code, levels["task"], text, row, by_run),
        block=block,
    )
    verdicts = {rule: np.ma.asarray(columns[f"refused_{rule}"]) for rule in rules}
    counts = {rule: replace(shared, n_refused=given.data.astype(np.uint8)) for rule, given in verdicts.items()}
    lacking = {rule: np.ma.getmaskarray(given) for rule, given in verdicts.items() if np.ma.is_masked(given)}
    return counts | {rule: counts[rule].take(~none) for rule, none in lacking.items()}


def _number_blocks(text: Integers, code: Integers) -> Integers | None:
    """Assign numbers to the blocks of texts; return None if no text has several."""
    is_whole = np.zeros(int(text.max(initial=-1)) + 1, dtype=bool)
    is_whole[text[code < 0]] = True
    block = number_combinations([text, np.where(is_whole[text], -1, code)])
    return block if int(block.max(initial=-1)) + 1 > len(is_whole) else None


def _number_units(
    prompt: Integers,
    code: Mapping[str, Integers],
    tasks: Sequence[str],
    text: Integers,
    row: Integers,
    by_run: Sequence[Integers],
) -> Integers | None:
    """Assign numbers to the distinct prompts of each model and run; return None if none was repeated.

    Without a template, responses about a text may belong to different prompts, and each is a unit of its own.
    """
    if "template" not in code:
        return None
    # Much is the same for all models that were asked a prompt.
    first = first_entries(prompt)
    of = {name: code[name][first] for name in ("task", *_ASKED) if name in code and name != "stratum"}
    is_one_text = np.isin(of["task"], [number for number, task in enumerate(tasks) if task in ONE_TEXT])
    same = [text[first], np.where(is_one_text, -1, row[first]), *of.values()]
    same.append(np.where(of["template"] >= 0, -1, np.arange(len(first))))
    unit = number_combinations([number_combinations(same)[prompt], *by_run])
    return unit if int(unit.max(initial=-1)) + 1 < len(unit) else None


def _kind(name: str) -> str:
    return identifier(f"level of {name}")


def _number_levels(responses: Responses, name: str) -> tuple[str, ...]:
    """Create the type ``level of NAME`` from a column's sorted values, and list them."""
    responses.query(f"DROP TYPE IF EXISTS {_kind(name)}")
    responses.query(
        f"CREATE TYPE {_kind(name)} AS ENUM (SELECT DISTINCT {identifier(name)}::VARCHAR AS level FROM responses "
        "WHERE level IS NOT NULL ORDER BY 1)"
    )
    found = responses.query(f"SELECT unnest(enum_range(NULL::{_kind(name)}))::VARCHAR").fetchall()
    return tuple(level for (level,) in found)
