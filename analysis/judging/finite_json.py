"""Columns without NaN and Infinity, which strict JSON has not, though DuckDB and Python read and write them."""

import json
from collections.abc import Sequence

import duckdb
from duckdb.sqltypes import VARCHAR, DuckDBPyType

from ..responses import identifier, quoted

_FUNCTION = "finite_json"


def finite_columns(connection: duckdb.DuckDBPyConnection, scan: str, as_json: Sequence[str] = ()) -> dict[str, str]:
    """Return the columns of a table that are to be written otherwise, so that its JSON is strict.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Gets a function of its own if there is JSON.
    scan : str
        The table, as SQL.
    as_json : sequence of str
        Columns with JSON as text.

    Returns
    -------
    dict of str to str
        By name, SQL with null in place of each number that is not finite, also in lists, structures and maps.
    """
    if as_json:
        connection.create_function(_FUNCTION, _finite_text, [VARCHAR], VARCHAR)
    texts = {name: f"{_if_needed(identifier(name))}::JSON" for name in as_json}
    read = connection.sql(f"SELECT * FROM {scan}")
    kinds = [(name, kind) for name, kind in zip(read.columns, read.types, strict=True) if name not in texts]
    return texts | {name: sql for name, kind in kinds if (sql := _finite(identifier(name), kind)) is not None}


def _if_needed(text: str) -> str:
    """Return JSON as SQL that calls Python only for what may be a number that is not finite."""
    return f"(CASE WHEN regexp_matches({text}, 'NaN|Infinity') THEN {_FUNCTION}({text}) ELSE {text} END)"


def _finite_text(text: str) -> str:
    return json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)


def _finite(value: str, kind: DuckDBPyType | int | list[str], depth: int = 0) -> str | None:
    """Return a value as SQL with null in place of NaN and Infinity, which strict JSON has not; None if it has none."""
    if not isinstance(kind, DuckDBPyType):
        # The size of an array, or the names of an enumeration.
        return None
    if kind.id in {"float", "double"}:
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    inner = None
    if kind.id == "list":
        ((_, of_item),) = kind.children
        item = _finite(f"x{depth}", of_item, depth + 1)
        inner = item and f"list_transform({value}, lambda x{depth}: {item})"
    elif kind.id == "struct":
        fields = {name: (f"struct_extract({value}, {quoted(name)})", of_field) for name, of_field in kind.children}
        finite = {name: _finite(sql, of_field, depth) for name, (sql, of_field) in fields.items()}
        if any(finite.values()):
            packed = ", ".join(f"{identifier(name)} := {finite[name] or sql}" for name, (sql, _) in fields.items())
            inner = f"struct_pack({packed})"
    elif kind.id == "map":
        (_, (_, of_value)) = kind.children
        one = _finite(f"x{depth}.value", of_value, depth + 1)
        entry = f"lambda x{depth}: struct_pack(key := x{depth}.key, value := {one})"
        inner = one and f"map_from_entries(list_transform(map_entries({value}), {entry}))"
    # What is missing stays so.
    return inner and f"CASE WHEN {value} IS NOT NULL THEN {inner} END"
