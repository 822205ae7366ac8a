"""Conversion of a file's columns to the columns of responses."""

from collections.abc import Mapping

import duckdb

from refusal_metrics.detection import EMPTY, RULES, TRUNCATED, UNJUDGED
from refusal_metrics.errors import InputError

from ...columns import FACTORS, FLAGS, GIVEN, PHRASE, REQUIRED, STUDY_COLUMNS, is_verdict
from ..sql import as_index, as_text, as_verdict, check_verdicts, identifier
from .checks import check_values

_BLANK_IS_NONE = frozenset({*STUDY_COLUMNS, *FACTORS, "text_id", "row_id", "block", "design_id", "refused_by"})


def fill_responses(
    connection: duckdb.DuckDBPyConnection, listed: str, types: Mapping[str, str], *, trusted: bool = False
) -> list[str]:
    """Create the view ``responses`` from the view ``given``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    listed : str
        The files, for errors.
    types : mapping of str to str
        The columns of ``given`` and their types.
    trusted : bool
        Whether the values need not be checked.

    Returns
    -------
    list of str
        A sentence for each thing that is missing or left out.

    Raises
    ------
    InputError
        If a required column is missing, or a value or name is invalid.
    """
    # The package's own rules come first, in their order: the first one is the default.
    own = {f"refused_{rule}": place for place, rule in enumerate(RULES)}
    given = [name for name in types if is_verdict(name)]
    verdicts = {name: name for name in sorted(given, key=lambda name: own.get(name, len(own)))}
    if not verdicts and "refused" in types:
        verdicts = {"refused": f"refused_{GIVEN}"}
    missing = [name for name in REQUIRED if name not in types] + ([] if verdicts else ["refused"])
    if missing:
        raise InputError(
            f"{listed}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)} (it has {', '.join(types)}); "
            "a responses table has model, task, text_id and refused, and for more than overall rates setting, persona, "
            "persona_group, template, response_type, stratum, language and row_id"
        )
    check_verdicts(connection, listed, {name: types[name] for name in verdicts})
    said = [] if trusted else check_values(connection, listed, types)
    # An outcome shows whether a response was empty; a column of that name would conflict.
    replaced = {*verdicts, "refused", "index", "outcome", *FLAGS}
    kept = [f"{_written(name, kind)} AS {identifier(name)}" for name, kind in types.items() if name not in replaced]
    kept += ["'persona' AS setting"] * ("setting" not in types)
    kept += [f'{as_index(types["index"])} AS "index"'] if "index" in types else []
    kept += [f"{sql} AS {name}" for name, sql in _flags(types).items()]
    kept += [f"{as_verdict(name, types[name])} AS {identifier(as_name)}" for name, as_name in verdicts.items()]
    connection.execute(f"CREATE VIEW typed AS SELECT {', '.join(kept)} FROM given")
    named = {name.removeprefix("refused_"): identifier(name) for name in verdicts.values()}
    usable = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in (*REQUIRED, "setting"))
    usable += f" AND ({' OR '.join(f'{column} IS NOT NULL' for column in named.values())})"
    of_rules = ", ".join(f"count({column}) FILTER ({usable})" for column in named.values())
    counted = f"SELECT count(*) FILTER (NOT ({usable})), count(*) FILTER ({usable}), {of_rules} FROM typed"
    n_lost, n, *n_judged = connection.execute(counted).fetchall()[0]
    silent = [column for column, n_verdicts in zip(named.values(), n_judged, strict=True) if not n_verdicts]
    columns = f"* EXCLUDE ({', '.join(silent)})" if silent and n else "*"
    # Read again by each query, which needs less memory than keeping the texts.
    connection.execute(f"CREATE VIEW responses AS SELECT {columns} FROM typed WHERE {usable}")
    lost = f"{n_lost:,} row{'s' * (n_lost != 1)} without a model, task, setting, text_id or verdict left out."
    unjudged = [
        f"{rule} gave no verdict for {n - n_verdicts:,} of {n:,} responses: left out of its numbers."
        if n_verdicts
        else f"{rule} gave no verdict for any of the {n:,} responses: left out."
        for rule, n_verdicts in zip(named, n_judged, strict=True)
        if n_verdicts < n
    ]
    return [*_lacking(types), *said, *[lost] * (n_lost > 0), *unjudged]


def _written(name: str, kind: str) -> str:
    """Return a column as text; blanks are missing."""
    text = as_text(name, kind)
    return f"CASE WHEN trim({text}) <> '' THEN {text} END" if name in _BLANK_IS_NONE else text


def _flags(types: Mapping[str, str]) -> dict[str, str]:
    """Return the flags of a response from its outcome, as SQL, if there is one."""
    if "outcome" not in types:
        return {}
    outcome = "nullif(outcome::VARCHAR, '')"
    cut = f"{outcome} = '{TRUNCATED}'"
    # A thought without an end is empty; its cause shows this.
    if "cause" in types:
        cut += f" OR ({outcome} = '{EMPTY}' AND coalesce(cause::VARCHAR = '{TRUNCATED}', false))"
    said = (f"{outcome} = '{EMPTY}'", f"{outcome} = 'answer'", f"{outcome} = '{UNJUDGED}'", cut)
    return dict(zip(FLAGS, said, strict=True))


def _lacking(columns: Mapping[str, str]) -> list[str]:
    notes = [
        f"No column {name}, so there are no results by it."
        for name in FACTORS
        if name not in columns and name not in {"language", *PHRASE}
    ]
    if "setting" not in columns:
        notes.append("No column setting: all responses count as persona prompts.")
    if "row_id" not in columns:
        by = "the strata of a text count as its rows" if "stratum" in columns else "each text counts as one row"
        notes.append(f"No column row_id: {by}.")
    return notes
