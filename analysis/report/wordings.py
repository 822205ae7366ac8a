"""What a report says about personas beyond their wordings."""

import pandas as pd

from ..arrays import ALPHA
from ..columns import STUDY
from ..display import counted, percent
from .study_tables import StudyEstimates

ONE_WORDING = (
    "Without several phrases of each persona, a difference is one of this wording of the persona and may not occur "
    "with another."
)
"""What is said of differences from neutral prompts in a study without phrases."""
BEYOND = "beyond wording"
"""The heading of the column that says whether a difference is beyond the spread of wordings."""


def describe_wordings(estimates: StudyEstimates) -> str:
    """Describe which personas differ from neutral prompts beyond the spread of wordings, in a sentence.

    Parameters
    ----------
    estimates : StudyEstimates

    Returns
    -------
    str
        Plain text; empty if there are no differences from neutral prompts.
    """
    contrasts = estimates.tables.get("contrasts_by_persona")
    if contrasts is None or not (contrasts["baseline"] == "neutral").any():
        return ""
    table = estimates.tables.get("wordings")
    if table is None:
        return next(iter(estimates.notes.get("wordings", ())), ONE_WORDING)
    own = table[table["rule"] == estimates.rule]
    n_beyond = int((own["p_adjusted"] <= ALPHA).sum())
    low, high = (percent(end) for end in (own["sd_wordings"].min(), own["sd_wordings"].max()))
    spread = low if low == high else f"{low} to {high}"
    return (
        f"Beyond the spread of wordings, {n_beyond} of {counted(len(own), 'difference')} between a persona and the "
        f"neutral baseline {'is' if n_beyond == 1 else 'are'} significant after correction ({estimates.rule}; standard "
        f"deviation of wordings of one persona: {spread} pp)."
    )


def mark_beyond(named: pd.DataFrame, estimates: StudyEstimates, rule: str) -> pd.DataFrame:
    """Add whether named differences from neutral prompts are beyond the spread of wordings.

    Parameters
    ----------
    named : pandas.DataFrame
        Rows of the table ``contrasts_by_persona``.
    estimates : StudyEstimates
    rule : str
        Their detector.

    Returns
    -------
    pandas.DataFrame
        With the column ``beyond wording`` (yes or no), if the study has phrases.
    """
    table = estimates.tables.get("wordings")
    if table is None or not (named["baseline"] == "neutral").all():
        return named
    by = [*STUDY, *estimates.run_factors, "persona"]
    own = table.loc[table["rule"] == rule, [*by, "p_adjusted"]]
    is_beyond = named[by].merge(own, how="left", on=by)["p_adjusted"].to_numpy() <= ALPHA
    return named.assign(**{BEYOND: ["yes" if beyond else "no" for beyond in is_beyond]})
