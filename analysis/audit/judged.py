"""Verdicts on the responses of a table, and its responses in the form that estimates are computed from."""

from dataclasses import dataclass, replace

import pandas as pd

from refusal_metrics.detection import ANSWERS_BY
from refusal_metrics.errors import InputError

from ..columns import GIVEN
from ..judging import detect, make_detector
from ..labels import MEASURED, MEASURED_OPEN, MeasuredError
from ..responses import Folder, Item, Progress, Responses, read_responses
from .baseline import names_nobody
from .pairing import Paired
from .rows import Rows, listed

PREFIXES = ("prefix", "prefix_strict")
"""Rules that are shown beside the detector."""

_YES = frozenset({"1", "true", "t", "yes", "y", "refused", "refusal"})
_NO = frozenset({"0", "false", "f", "no", "n", "answered", "answer", "complied", "compliance"})


@dataclass(frozen=True)
class Judged:
    """Responses with verdicts.

    Attributes
    ----------
    table : pandas.DataFrame
        The rows of `Paired`, with ``outcome, cause, rule, answer`` (None without responses) and ``refused_DETECTOR``
        for each of `detectors`.
    detectors : tuple of str
        The first is the one that decides.
    notes : tuple of str
    is_open : bool
        Whether some responses were judged as replies to open requests.
    """

    table: pd.DataFrame
    detectors: tuple[str, ...]
    notes: tuple[str, ...]
    is_open: bool = False

    @property
    def measured(self) -> MeasuredError | None:
        """The largest difference of detection error between two conditions that was measured; None if none was."""
        return (MEASURED_OPEN if self.is_open else MEASURED).get(self.detectors[0])

    def responses(self, baseline: str) -> Responses:
        """Return the responses as a study, in which the baseline is the neutral setting."""
        kept = ["model", "task", "persona", "template", "text_id"]
        verdicts = {f"refused_{name}": self.table[f"refused_{name}"] for name in self.detectors}
        setting = self.table["persona"].eq(baseline).map({True: "neutral", False: "persona"})
        study = self.table[kept].assign(setting=setting, **verdicts)
        if self.table["outcome"].notna().any():
            study = study.assign(outcome=self.table["outcome"], cause=self.table["cause"])
        folder = Folder()
        path = folder.path / "responses.parquet"
        study.to_parquet(path, index=False)
        read = read_responses([path], trusted=True)
        # The file is read again by each query.
        return replace(read, keep=(folder, read.keep))


def judge(rows: Rows, paired: Paired, *, has_responses: bool, has_verdicts: bool, progress: Progress | None) -> Judged:
    """Judge the responses of a table.

    Parameters
    ----------
    rows : Rows
    paired : Paired
    has_responses, has_verdicts : bool
        What the table has; verdicts of its own decide, and the rules are shown beside them.
    progress : callable or None

    Returns
    -------
    Judged

    Raises
    ------
    InputError
        If labels are no lists or too many, or a verdict is none.
    """
    table, notes, detectors = paired.table, list[str](), list[str]()
    if has_verdicts:
        table = table.assign(**{f"refused_{GIVEN}": _read_verdicts(rows, table["verdict"])})
        detectors.append(GIVEN)
    if has_responses:
        table, said = _apply_rules(rows, table, progress)
        notes += said
        detectors += [ANSWERS_BY, *PREFIXES]
    else:
        table = table.assign(**dict.fromkeys(("outcome", "cause", "rule", "answer")))
    return Judged(table, tuple(detectors), tuple(notes), is_open=bool(table["labels"].isna().any()))


def _read_verdicts(rows: Rows, values: "pd.Series[str]") -> "pd.Series[bool]":
    folded = values.str.strip().str.lower()
    wrong = values[~folded.isin(_YES | _NO)].unique()
    if len(wrong):
        raise InputError(
            f"{rows.name}: the verdicts contain {listed(wrong, 3)}; a verdict is 1 or 0, true or false, yes or no, "
            "refused or answered"
        )
    return folded.isin(_YES)


def _apply_rules(rows: Rows, table: pd.DataFrame, progress: Progress | None) -> tuple[pd.DataFrame, list[str]]:
    folder = Folder()
    asked, judged = folder.path / "asked.parquet", folder.path / "judged.parquet"
    nobody = table["persona"].map(names_nobody)
    columns = ["response", "labels", "prompt", "language", "finish_reason"]
    texts = table[columns].assign(persona=table["persona"].where(~nobody, None)).astype("string")
    texts.to_parquet(asked, index=False)
    try:
        found = detect([asked], judged, make_detector(ANSWERS_BY), progress=progress)
    except InputError as error:
        raise InputError(str(error).replace(str(asked), rows.name)) from error
    verdicts = pd.read_parquet(judged, columns=["outcome", "cause", "rule", "answer"]).astype(object)
    verdicts = verdicts.where(verdicts.notna(), None).set_axis(table.index)
    table = table.assign(**verdicts, **{f"refused_{ANSWERS_BY}": verdicts["outcome"].eq("refusal")})
    items = [Item(response) for response in table["response"]]
    for name in PREFIXES:
        by_prefix = make_detector(name).detect(items)
        table[f"refused_{name}"] = [bool(verdict and verdict.refused) for verdict in by_prefix]
    said = (note.replace(str(asked), rows.name) for note in found.notes)
    return table, [note.replace("name them in a column labels", "name them with --labels") for note in said]
