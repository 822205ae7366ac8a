"""Responses counted and read by strata: by the verdicts of all detectors together, and factors."""

from collections.abc import Sequence

import pandas as pd

from .label_classes import label_class
from .sql import count_rows, identifier
from .table import Responses

_KNOWN = (
    *("model", "task", "setting", "persona", "persona_group", "template", "response_type"),
    *("text_id", "row_id", "design_id", "index", "prompt", "response", "labels", "persona_words", "language"),
)


def count_flagged(responses: Responses, flagged_by: str | None = None) -> int:
    """Count responses.

    Parameters
    ----------
    responses : Responses
    flagged_by : str, optional
        A rule; only responses that it calls refusals are counted.

    Returns
    -------
    int
    """
    return count_rows(responses.connection, f"SELECT count(*) FROM responses {_where(flagged_by)}")


def count_strata(
    responses: Responses, factors: Sequence[str] = (), flagged_by: str | None = None, classes_of: str | None = None
) -> pd.DataFrame:
    """Count the responses of each stratum.

    Parameters
    ----------
    responses : Responses
    factors : sequence of str
        The factors of the strata besides the verdicts.
    flagged_by : str, optional
        See `count_flagged`.
    classes_of : str, optional
        A rule whose label classes take the place of the pattern of verdicts, see
        `refusal_metrics.analysis.responses.label_classes.label_class`.

    Returns
    -------
    pandas.DataFrame
        One row a stratum, in their order: ``pattern``, a sign for each rule (1, 0, or - for no verdict), or the label
        class (empty without a verdict); the factors (empty where missing), ``n``.
    """
    listed = ", ".join(f"{sql} AS {name}" for name, sql in _columns(responses, factors, classes_of).items())
    return responses.query(
        f"SELECT {listed}, count(*) AS n FROM responses {_where(flagged_by)} GROUP BY ALL ORDER BY ALL"
    ).df()


def read_places(
    responses: Responses,
    places: Sequence[int],
    factors: Sequence[str] = (),
    flagged_by: str | None = None,
    classes_of: str | None = None,
) -> pd.DataFrame:
    """Read the responses at places in the order of the strata.

    Parameters
    ----------
    responses : Responses
        With ``design_id`` and ``index``, which name each.
    places : sequence of int
        From 0; within a stratum by model, design and index.
    factors : sequence of str
        See `count_strata`.
    flagged_by : str, optional
        See `count_flagged`.
    classes_of : str, optional
        See `count_strata`.

    Returns
    -------
    pandas.DataFrame
        One row a place, in the order given: what is known of the response, its texts, and its verdicts ``refused_R``.
    """
    order = ", ".join([*_columns(responses, factors, classes_of).values(), "model", "design_id", '"index"'])
    # Texts are not sorted, which would need memory for all of them.
    keys = responses.query(
        f'SELECT * FROM (SELECT model, design_id, "index", row_number() OVER (ORDER BY {order}) - 1 AS place '
        f"FROM responses {_where(flagged_by)}) WHERE place IN (SELECT unnest($1))",
        [list(places)],
    ).df()
    keys["position"] = keys["place"].map({place: position for position, place in enumerate(places)})
    # CSV reads an empty response as missing.
    texts = {name: f"coalesce(responses.{name}, '') AS {name}" for name in ("response", "prompt")}
    known = [texts.get(name, f"responses.{identifier(name)}") for name in _KNOWN if name in responses.columns]
    verdicts = [f"{identifier(f'refused_{rule}')}::INT AS {identifier(f'refused_{rule}')}" for rule in responses.rules]
    responses.connection.register("drawn", keys)
    try:
        items: pd.DataFrame = responses.query(
            f"SELECT {', '.join([*known, *verdicts])} FROM responses JOIN drawn USING (model, design_id, "
            '"index") ORDER BY position'
        ).df()
        # Integers also if a verdict is missing.
        return items.astype({f"refused_{rule}": "Int64" for rule in responses.rules})
    finally:
        responses.connection.unregister("drawn")


def _where(flagged_by: str | None) -> str:
    return f"WHERE {identifier(f'refused_{flagged_by}')}" if flagged_by else ""


def _columns(responses: Responses, factors: Sequence[str], classes_of: str | None) -> dict[str, str]:
    """Return the SQL of the columns that define strata, by name."""
    named = {name: f"coalesce({name}, '')" for name in factors}
    if classes_of:
        return {"pattern": f"coalesce({label_class(responses, classes_of)}, '')"} | named
    verdicts = [f"{identifier(f'refused_{rule}')}::INT::VARCHAR" for rule in responses.rules]
    # Without a verdict: neither.
    pattern = " || ".join(f"coalesce({verdict}, '-')" for verdict in verdicts)
    return {"pattern": pattern} | named
