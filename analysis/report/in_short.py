"""The findings of a report, which come first on the page, in Markdown and on the terminal."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from refusal_metrics.errors import InputError

from ..counts import Counts
from ..findings import Evidence, list_findings
from ..labels import LabelMap, LabelSums, Validation, read_labels, sum_labels
from ..responses import Origin, Responses
from .cautions import list_cautions
from .findings import of_rule
from .layout import headline_rates
from .study_tables import StudyEstimates


@dataclass(frozen=True)
class Labelled:
    """Labels of a study's responses.

    Attributes
    ----------
    validation : Validation or None
        The detectors compared with them.
    sums : LabelSums or None
        The labels by text and persona, if they can correct differences.
    remarks : tuple of str
        Why they cannot.
    """

    validation: Validation | None = None
    sums: LabelSums | None = None
    remarks: tuple[str, ...] = ()


def read_labelled(
    responses: Responses,
    labels: Path | None,
    names: LabelMap | None,
    validation: Validation | None,
    detector: str | None,
) -> Labelled:
    """Join labels to the responses for the findings.

    Parameters
    ----------
    responses : Responses
    labels : Path or None
        The file of the labels.
    names : LabelMap or None
        Names of its columns and values.
    validation : Validation or None
        The detectors compared with them.
    detector : str or None
        Whose verdicts are corrected; by default the first.

    Returns
    -------
    Labelled
        With a remark if they identify no responses, or are no sample of them: they still validate detectors.
    """
    if labels is None:
        return Labelled(validation)
    try:
        sums = sum_labels(responses, read_labels(labels, names=names), ["persona"], detector=detector)
    except InputError as error:
        return Labelled(validation, None, (f"the labels cannot correct differences: {str(error).rstrip('.')}",))
    return Labelled(validation, sums)


def find_in_short(estimates: StudyEstimates, counts: Counts, origin: Origin, labelled: Labelled) -> tuple[str, ...]:
    """Return the findings of a report.

    Parameters
    ----------
    estimates : StudyEstimates
    counts : Counts
        By the report's detector.
    origin : Origin
    labelled : Labelled

    Returns
    -------
    tuple of str
    """
    tables, rule = estimates.tables, estimates.rule
    rates = of_rule(tables["rates"], rule)
    contrasts, wordings = (tables.get(name) for name in ("contrasts_by_persona", "wordings"))
    evidence = Evidence(
        counts=counts,
        detector=rule,
        rates=headline_rates(rates[rates["setting"] == "persona"]),
        contrasts=pd.DataFrame(columns=["baseline", "mde_up"]) if contrasts is None else of_rule(contrasts, rule),
        wordings=None if wordings is None else of_rule(wordings, rule),
        outcomes=tables.get("outcomes"),
        sums=labelled.sums,
        validation=labelled.validation,
        remarks=labelled.remarks,
        n_cautions=len(list_cautions(estimates, origin, labelled.validation)),
    )
    return list_findings(evidence)
