"""The files of an audit: a page, Markdown, tables and all responses."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..columns import STUDY
from ..contracts import AUDIT, CONTRASTS
from ..display import readable, to_csv
from ..files import check_folder, replace_folder
from ..leaderboard import Part, write_html, write_markdown
from .decide import DECISIONS
from .examples import pair_examples
from .result import Audit
from .sentences import explain, has_tasks, name_condition, say_difference, word_of

PAGE, MARKDOWN, JSON = "audit.html", "audit.md", "audit.json"
_MOST = 24
"""Differences whose responses are on the page."""

SHOWN = (
    "model",
    "task",
    "persona",
    "estimate",
    "shown_low",
    "shown_high",
    "decision",
    "claimed",
    "p_adjusted",
    "n_texts",
)
_OF_RULE = ("model", "task", "persona", "rule", "estimate", "ci_low", "ci_high", "n_refused", "n_refused_baseline", "n")

_RULE = (
    (
        "Holds: significant after correction, and only a larger difference of the detector's errors than was ever "
        "measured would explain it."
    ),
    "Hangs on the detector: significant, but errors of a size that was measured would explain it.",
    "Falls: the interval excludes the claimed difference.",
    "Undecided: not significant after correction, or not to be paired.",
    (
        "Responses are compared within texts. The interval of a significant difference is adjusted for selection. The "
        "prefix rules are shown and do not decide."
    ),
)


def _no_earlier(_: Path) -> None:
    """Find nothing: every audit's folder has a manifest."""


def check_out(out: Path, *, force: bool) -> None:
    """Check that the folder of an audit can be written.

    Raises
    ------
    InputError
        If it exists and `force` is not set, or contains other files.
    """
    check_folder(out, force=force, find_ours=_no_earlier)


def write_audit(audit: Audit, out: Path, *, force: bool = False) -> list[Path]:
    """Write ``audit.html``, ``audit.md``, ``audit.json``, three tables and ``responses.parquet``.

    Parameters
    ----------
    audit : Audit
    out : Path
        The folder, which is written whole or not at all.
    force : bool
        Whether to replace an audit in the folder.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the folder cannot be written, or contains something else.
    """
    title, parts = f"Audit of {Path(audit.name).name}", lay_out(audit)
    with replace_folder(out, force=force, find_ours=_no_earlier) as folder:
        (folder / PAGE).write_text(write_html(title, (), parts), encoding="utf-8", errors="replace")
        shown = [part for part in parts if not part.folded]
        (folder / MARKDOWN).write_text(write_markdown(title, (), shown), encoding="utf-8", errors="replace")
        (folder / JSON).write_text(as_json(audit), encoding="utf-8")
        tables = {"differences": audit.differences, "rules": audit.by_rule, "conditions": audit.conditions}
        for name, table in tables.items():
            (folder / f"{name}.csv").write_text(to_csv(table), encoding="utf-8", errors="replace")
        audit.responses.to_parquet(folder / "responses.parquet", index=False)
        names = sorted(path.name for path in folder.iterdir())
    return [out / name for name in names]


def as_json(audit: Audit) -> str:
    """Return an audit as strict JSON: findings, what each column was taken for, and the differences."""
    content: dict[str, Any] = {
        "file": audit.name,
        "columns": audit.columns,
        "baseline": audit.baseline,
        "detector": audit.detectors[0],
        "findings": audit.findings,
        "notes": list(audit.notes),
        "differences": json.loads(audit.differences.to_json(orient="records", double_precision=15)),
    }
    return json.dumps(content, indent=1, allow_nan=False)


def shown_columns(differences: pd.DataFrame) -> list[str]:
    """Return the columns of the differences that people see: without those that say nothing."""
    constant = {name for name in STUDY if (differences[name] == differences[name].iloc[0]).all()}
    kept = [name for name in SHOWN if name not in constant]
    return [name for name in kept if name != "claimed" or differences["claimed"].notna().any()]


def lay_out(audit: Audit) -> list[Part]:
    """Arrange an audit as parts of a page.

    Parameters
    ----------
    audit : Audit

    Returns
    -------
    list of Part
    """
    columns = shown_columns(audit.differences)
    than = name_condition(audit.baseline)
    parts = [
        Part("Findings", tuple(audit.findings)),
        Part(
            f"Differences from {than}",
            ("In percentage points, within texts. A positive difference is more refusals than under the baseline.",),
            _readable(audit.differences[columns], AUDIT),
        ),
    ]
    parts += list(_behind(audit))
    hidden = [name for name in STUDY if name not in columns]
    parts.append(
        Part(
            "By detection rule",
            (f"The decision uses {audit.detectors[0]}; the other rules are shown for comparison.",),
            _readable(audit.by_rule[list(_OF_RULE)].drop(columns=hidden), CONTRASTS),
        )
    )
    parts.append(Part("Responses", (), _readable(audit.conditions.drop(columns=hidden), AUDIT)))
    read = ", ".join(f"{role} = {name}" for role, name in audit.columns.items())
    parts.append(Part("How to read it", (*_RULE, f"Columns: {read}. Baseline: {audit.baseline}.", *audit.notes)))
    return parts


def _behind(audit: Audit) -> Sequence[Part]:
    """Arrange the responses behind each difference."""
    found = []
    own, in_task = audit.differences[audit.differences["estimate"].notna()], has_tasks(audit.differences)
    for _, row in own.head(_MOST).iterrows():
        pairs = pair_examples(audit.judged, row)
        if pairs and row["decision"] in DECISIONS:
            said = (
                f"{say_difference(row, in_task=in_task)}: this {word_of(row)}.",
                explain(row, audit.judged.measured),
            )
            found.append(Part(f"Responses under {name_condition(row['persona'])}", said, folded=pairs))
    return found


def _readable(table: pd.DataFrame, contract: Any) -> pd.DataFrame:  # noqa: ANN401 - a contract of any table
    shown = readable(table, contract)
    return shown.rename(columns={"persona": "condition"})
