"""The versions of the detection rules that responses were judged by."""

import duckdb

from refusal_metrics.detection import RULES, RULES_VERSION

from ...display import counted, plain

RULES_COLUMN = "rules"
"""The column of the version, in sample logs and in the tables made from them."""


def count_versions(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the responses judged by each version of the rules of this package, as far as the version is known.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the table or view ``responses``.

    Returns
    -------
    dict of str to int
        Empty if no version is known, or no verdicts are of these rules.
    """
    columns = {str(name) for name, *_ in connection.execute("DESCRIBE responses").fetchall()}
    if RULES_COLUMN not in columns or not columns & {f"refused_{rule}" for rule in RULES}:
        return {}
    rows = connection.execute(
        f"SELECT {RULES_COLUMN}::VARCHAR, count(*) FROM responses WHERE {RULES_COLUMN} IS NOT NULL GROUP BY ALL "
        "ORDER BY ALL"
    ).fetchall()
    return {str(version): int(n) for version, n in rows}


def note_versions(connection: duckdb.DuckDBPyConnection, listed: str) -> list[str]:
    """Report responses in a table that another version of the rules has judged.

    Lines of sample logs are judged again when they are read; a table is read as it is.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    listed : str
        The files.

    Returns
    -------
    list of str
        At most one sentence.
    """
    found = count_versions(connection)
    if not set(found) - {RULES_VERSION}:
        return []
    versions = ", ".join(f"{counted(n, 'response')} by version {plain(version)}" for version, n in found.items())
    said = (
        f"{listed}: verdicts of the detection rules are of another version than this one ({RULES_VERSION}): {versions}."
        " Do not compare them with other results; persona-refusal detect judges all of them by one version, if the "
        "table has their texts, and results folders are judged again when they are read."
    )
    return [said]


def describe_mixed_versions(new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Report that two runs were judged by different versions of the rules.

    Parameters
    ----------
    new, old : duckdb.DuckDBPyConnection

    Returns
    -------
    tuple of str
        At most one sentence; none if a version is unknown.
    """
    versions, before = count_versions(new), count_versions(old)
    if not versions or not before or set(versions) == set(before):
        return ()
    of_new, of_old = (", ".join(map(plain, found)) for found in (versions, before))
    said = (
        f"The runs were judged by different versions of the detection rules (the results by {of_new}, the baseline by "
        f"{of_old}): persona-refusal detect judges both by one version."
    )
    return (said,)
