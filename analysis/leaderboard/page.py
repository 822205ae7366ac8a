"""Pages of a leaderboard and of a comparison of two runs, in Markdown and HTML."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from rich.cells import cell_len

from ..arrays import ALPHA
from ..columns import ALL_TASKS, NAMED, name_level
from ..contracts import CHANGES, RUN_COMPARISON
from ..display import (
    escape,
    interval,
    load_template,
    number,
    p_text,
    percent,
    plain,
    readable,
    show_selected,
    to_markdown,
    visible,
)
from ..figures import Figure
from ..statistics import RANKS
from .board import Board
from .comparison import Comparison

_TEMPLATES = Path(__file__).with_name("templates")
_WIDTH = 78
_MOST = 20
"""Rows shown of personas whose rates changed."""
_MANY = 120
"""Characters of a response shown on screen; prompts and longer responses are on the page."""

RANKING = (
    "Rank 1 refuses least. Rank intervals are simultaneous 95% confidence sets "
    "(Mogstad, Romano, Shaikh and Wilhelm 2024, doi:10.1093/restud/rdad006)."
)


@dataclass(frozen=True)
class Part:
    """A part of a page.

    Attributes
    ----------
    heading : str
        Plain text, like the following.
    said : tuple of str
        Sentences before the table.
    table : pandas.DataFrame, optional
        Of texts.
    figure : str, optional
        SVG.
    folded : tuple of (str, str)
        Long texts with their headings.
    """

    heading: str
    said: tuple[str, ...] = ()
    table: pd.DataFrame | None = None
    figure: str | None = None
    folded: tuple[tuple[str, str], ...] = ()

    @property
    def numeric(self) -> frozenset[str]:
        """The columns of the table that hold numbers alone."""
        if self.table is None:
            return frozenset()
        columns = {str(name): self.table[name].astype(str) for name in self.table.columns}
        return frozenset(name for name, values in columns.items() if values.str.match(r"^([-+<.∞\[\d].*)?$").all())


def name_task(task: str) -> str:
    """Return the heading of a part of a board."""
    return "Mean over tasks" if task == ALL_TASKS else name_level("task", task)


def lay_out_board(board: Board, task: str, *, short: bool = False) -> pd.DataFrame:
    """Tabulate the models of one task, or of the mean over all, as texts in order of rank.

    Parameters
    ----------
    board : Board
    task : str
    short : bool
        Whether to fit a screen: no bounds, and only the part of model names after the last slash, if these are
        distinct.
    """
    rows = board.table[board.table["task"] == task]
    shown = {
        "rank, 95% CI": [
            "" if pd.isna(rank) else f"{rank} [{low}, {high}]"
            for rank, low, high in zip(*(rows[name] for name in RANKS), strict=True)
        ],
        "model": _name(rows["model"], short=short),
        "rate (%)": [percent(value) for value in rows["estimate"]],
        "95% CI": [interval(*ends) for ends in zip(rows["ci_low"], rows["ci_high"], strict=True)],
    }
    if not short and has_bounds(rows):
        bounds = zip(rows["refusal_rate_low"], rows["refusal_rate_high"], strict=True)
        shown["bounds (%)"] = [interval(*ends) for ends in bounds]
    if rows["n_other"].notna().any():
        shown["other (%)"] = [
            "" if pd.isna(n_other) else f"{100 * n_other / n:.1f}"
            for n_other, n in zip(rows["n_other"], rows["n"], strict=True)
        ]
    if board.baseline:
        shown["spread (pp)"] = [percent(value) for value in rows["spread"]]
        if not short:
            spreads = zip(rows["spread_low"], rows["spread_high"], strict=True)
            shown["95% CI of spread"] = [interval(*ends) for ends in spreads]
            shown["p of spread"] = [p_text(value) for value in rows["spread_p"]]
        shown["differing"] = [
            "" if pd.isna(n) else f"{k}/{n}"
            for k, n in zip(rows["differing_personas"], rows["n_personas"], strict=True)
        ]
    return pd.DataFrame(shown)


def has_bounds(rows: pd.DataFrame) -> bool:
    """Return whether some rate has bounds, because responses were truncated or unjudged."""
    return bool((rows["refusal_rate_low"] < rows["refusal_rate_high"]).any())


def _name(models: Iterable[str], *, short: bool) -> list[str]:
    whole = list(models)
    last = [model.rpartition("/")[2] for model in whole]
    return last if short and len(set(last)) == len(last) and all(last) else whole


def lay_out_tasks(board: Board, *, short: bool = False) -> pd.DataFrame:
    """Tabulate the rates of all tasks, ranks in brackets, with models in the order of the board."""
    order = board.table.loc[board.table["task"] == board.tasks[0], "model"]
    shown = pd.DataFrame({"model": _name(order, short=short)})
    for task in board.tasks[1:]:
        rows = board.table[board.table["task"] == task].set_index("model")
        cells = zip(rows["estimate"], rows["rank"], strict=True)
        written = dict(zip(rows.index, (f"{percent(rate)} ({rank})" for rate, rank in cells), strict=True))
        shown[name_task(task)] = [written.get(model, "") for model in order]
    return shown


def lay_out_metrics(board: Board, *, short: bool = False) -> Iterator[pd.DataFrame]:
    """Tabulate other metrics with their standard errors, in tables that fit a screen."""
    rows = board.table[board.table["task"] == board.tasks[0]]
    models = [plain(model) for model in _name(rows["model"], short=short)]
    room = _WIDTH - min(max(map(cell_len, models)), _WIDTH // 3)
    shown, left = pd.DataFrame({"model": models}), room
    for name in board.metrics:
        ends = zip(rows[name], rows[f"{name}_stderr"], strict=True)
        cells = [number(value) + ("" if math.isnan(error) else f" ± {number(error)}") for value, error in ends]
        heading = plain(name).replace("/", " ").replace(",", ", ")
        width = 1 + max(*map(cell_len, cells), *map(cell_len, heading.split()))
        if width > left and shown.shape[1] > 1:
            yield shown
            shown, left = pd.DataFrame({"model": models}), room
        shown[heading], left = cells, left - width
    if board.metrics:
        yield shown


def board_parts(board: Board, figure: Figure | None = None, svg: str | None = None) -> list[Part]:
    """Write the parts of a leaderboard's page."""
    first = board.tasks[0]
    against = "the neutral prompts" if board.baseline == "neutral" else "all other personas"
    reading = [
        "The rate is the refusal rate of persona prompts, with its 95% confidence interval, clustered by text.",
        RANKING,
    ]
    if first == ALL_TASKS:
        reading.append("The mean over tasks uses equal weights.")
    if has_bounds(board.table):
        reading.append("Bounds are the rates if none, or all, of the truncated and unjudged responses were refusals.")
    if board.table["n_other"].notna().any():
        reading.append(
            "Other is the share of responses that are neither a refusal nor an answer, including empty, truncated and "
            "unjudged ones; for the "
            "mean over tasks, the share in the responses of all tasks."
        )
    if board.baseline:
        reading.append(
            "The spread is the standard deviation of the personas' rates beyond sampling noise, with its 95% CI and "
            "p-value; "
            f"differing is the number of significant differences between a persona and {against} (p adjusted for all "
            f"on the board, at most {ALPHA})."
        )
    parts = [Part(name_task(first), table=lay_out_board(board, first))]
    parts += [Part(name_task(task), table=lay_out_board(board, task)) for task in board.tasks[1:]]
    if figure is not None:
        parts.insert(1, Part(figure.title, (figure.caption,), figure=svg))
    parts += [Part("Other metrics" if not n else "", table=table) for n, table in enumerate(lay_out_metrics(board))]
    named = board.table[(board.table["differing_personas_list"] != "") & (board.table["task"] != ALL_TASKS)]
    if len(named):
        said = f"Significant differences from {against} in percentage points, with 95% CIs adjusted for selection."
        listed = [_name_personas(text) for text in named["differing_personas_list"]]
        table = pd.DataFrame({"task": [name_task(task) for task in named["task"]], "model": list(named["model"])})
        table = table.assign(personas=listed)
        parts.append(Part("Personas that differ", (said,), table=table))
    parts.append(Part("How to read it", tuple(reading)))
    return parts


def _name_personas(listed: str) -> str:
    """Replace the ids of personas in a list of differences by their names."""
    return re.sub(r"(^|, )(\w+)(?= [+-])", lambda found: found[1] + name_level("persona", found[2]), listed)


def lay_out_comparison(comparison: Comparison) -> pd.DataFrame:
    """Tabulate the changes of whole tasks' rates, as texts."""
    table = comparison.table
    return _differences(table[table["persona_group"].isna() & table["persona"].isna()], ["model", "task", "setting"])


def lay_out_named(comparison: Comparison) -> tuple[str, pd.DataFrame]:
    """Report the personas and groups whose rates changed: a sentence, and a table of texts."""
    table = comparison.table
    of_some = table[table["persona"].notna() | table["persona_group"].notna()]
    named = of_some[of_some["p_adjusted"] <= ALPHA]
    largest = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index)
    said = (
        f"{len(named)} of {len(of_some)} changes of a persona or persona group are significant (adjusted p at most "
        f"{ALPHA}){f'; the {_MOST} largest' if len(named) > _MOST else ''}."
    )
    of_group = largest.assign(persona=largest["persona"].astype(object).where(largest["persona"].notna(), "(all)"))
    of_group = of_group.head(_MOST)
    return said, _differences(of_group, ["model", "persona_group", "persona", "task"], NAMED)


def _differences(table: pd.DataFrame, by: list[str], selected: Sequence[str] = ()) -> pd.DataFrame:
    columns = [*by, "estimate", "ci_low", "ci_high", *selected, "p_adjusted", "n_newly_refused", "n_no_longer_refused"]
    return readable(show_selected(table[columns]) if selected else table[columns], RUN_COMPARISON)


def comparison_parts(comparison: Comparison, examples: pd.DataFrame) -> list[Part]:
    """Write the parts of a comparison's page."""
    said, named = lay_out_named(comparison)
    parts = [
        Part(
            "Refusal rates: new run minus baseline",
            ("In percentage points, paired by prompt, with 95% confidence intervals clustered by text.",),
            lay_out_comparison(comparison),
        ),
        Part("Personas and persona groups", (said,), named if len(named) else None),
    ]
    if len(comparison.changes):
        parts.append(Part("Changes of outcomes", table=readable(comparison.changes, CHANGES)))
    if len(examples):
        table = lay_out_examples(examples)
        prompts = examples["prompt"].astype(object).where(examples["prompt"].notna(), "")
        folded = tuple(
            (f"Prompt {index} ({task}, {setting})", str(prompt))
            for index, task, setting, prompt in zip(
                examples["index"], examples["task"], examples["setting"], prompts, strict=True
            )
            if prompt
        )
        parts.append(Part("Examples", ("A random sample of the responses that changed.",), table, folded=folded))
    return parts


def lay_out_examples(examples: pd.DataFrame, longest: int = _MANY) -> pd.DataFrame:
    """Tabulate examples of responses that changed, shortened to a number of characters."""
    shown = examples[["task", "setting", "persona", "index"]].astype(object)
    shown = shown.where(shown.notna(), "").astype(str)
    for heading, column in {"before": "response_before", "now": "response"}.items():
        outcome = examples["outcome" if heading == "now" else "outcome_before"]
        kinds = ["" if pd.isna(kind) else str(kind) for kind in outcome]
        if examples[column].notna().any():
            texts = (_shorten(text, longest) for text in examples[column])
            kinds = [": ".join(filter(None, both)) for both in zip(kinds, texts, strict=True)]
        shown[heading] = kinds
    return shown


def _shorten(text: object, longest: int) -> str:
    if not isinstance(text, str):
        return "(not read)"
    line = plain(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[:longest]}\N{HORIZONTAL ELLIPSIS}"


def write_markdown(title: str, said: Sequence[str], parts: Sequence[Part], figure: str | None = None) -> str:
    """Write a page in Markdown; `figure` is the path of the figure's file."""
    lines = [f"# {escape(title)}\n", *(f"- {escape(sentence)}" for sentence in said), ""]
    for part in parts:
        lines += [f"## {escape(part.heading)}\n"] if part.heading else []
        lines += [f"{escape(sentence)}\n" for sentence in part.said]
        if part.figure and figure:
            lines.append(f"![{escape(part.heading)}](<{figure}>)\n")
        if part.table is not None:
            lines.append(to_markdown(part.table))
        lines += [f"**{escape(heading)}**: {escape(text)}\n" for heading, text in part.folded]
    return "\n".join(lines)


def write_html(title: str, said: Sequence[str], parts: Sequence[Part]) -> str:
    """Write a page in HTML: one file without scripts or external resources."""
    template = load_template(_TEMPLATES, "leaderboard.html.jinja", filters={"plain": plain, "visible": visible})
    # The SVG is generated here and contains names only as text; all else is escaped.
    drawn = [Markup(part.figure) if part.figure else None for part in parts]  # noqa: S704
    return template.render(
        title=title, said=said, parts=list(zip(parts, drawn, strict=True)), version=version("persona-refusal")
    )
