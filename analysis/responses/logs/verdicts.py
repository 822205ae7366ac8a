"""Verdicts for the lines of logs that have none of these rules: judged from their responses."""

from pathlib import Path

import duckdb

from refusal_metrics.detection import ANSWERS_BY, RULES

from ..rules import RuleDetector
from ..sql import count_rows
from ..verdicts import Source, judge_rows

_OFFERED = (
    "CASE WHEN json_valid(offered) THEN "
    "to_json(list_filter(CAST(offered::JSON AS VARCHAR[]), lambda label: label IS NOT NULL))::VARCHAR END"
)
"""The labels, whatever they are, as a JSON list of texts."""


def judge_again(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Judge the lines of the view ``usable`` whose column ``need`` says why they have to be.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    folder : Path
        For the verdicts.

    Returns
    -------
    dict of str to Path
        For each rule a Parquet file with the columns ``row`` (the line's number) and ``refused_R``; for
        `answer_aware` also ``outcome, refused_by, cause``. Empty if there is nothing to judge.
    """
    needy = "FROM usable WHERE need IS NOT NULL"
    n = count_rows(connection, f"SELECT count(*) {needy}")
    if not n:
        return {}
    files = {}
    for rule in RULES:
        texts = ["response_again", _OFFERED, "NULL", "persona"]
        scan = f"(SELECT * {needy})"
        # As in the run: with the words of the persona, in its language, knowing whether the response was cut off.
        known = ("provider_reason", "words_again", "language", "stop_again")
        source = Source(connection, "sample", scan, {"row": "file_row_number"}, texts, n, *known)
        added = (f"refused_{rule}", *(("outcome", "refused_by", "cause") if rule == ANSWERS_BY else ()))
        files[rule] = folder / f"judged_{rule}.parquet"
        judge_rows(source, added, files[rule], RuleDetector(rule), None)
    return files
