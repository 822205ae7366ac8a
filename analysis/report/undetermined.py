"""The part of the report in Markdown on truncated and unjudged responses."""

from collections.abc import Iterable

from ..arrays import ALPHA
from ..columns import STUDY_COLUMNS, UNDETERMINED, name_rule
from ..contracts import RATES, UNDETERMINED_CONTRASTS
from ..display import counted, escape, readable, show_selected, to_markdown
from .findings import of_rule
from .layout import cell_list, grid
from .study_tables import StudyEstimates

_MOST = 20
"""Rows shown of personas that differ."""


def undetermined_parts(estimates: StudyEstimates) -> Iterable[str]:
    """Write the rates with their bounds, and the share of these responses by persona with its differences.

    Parameters
    ----------
    estimates : StudyEstimates
        With the tables ``undetermined_by_persona`` and ``undetermined_contrasts``.

    Yields
    ------
    str
        Markdown.
    """
    tables = estimates.tables
    rates = of_rule(tables["rates"], estimates.rule)
    columns = [*STUDY_COLUMNS, *estimates.run_factors, "estimate", *UNDETERMINED, *RATES.estimates[-2:]]
    yield (
        f"Detector {escape(name_rule(estimates.rule))}. These responses count as not refused; **bounds** are the rates "
        "if none, or all, of them were refusals.\n"
    )
    yield to_markdown(readable(rates[columns], RATES))
    by_persona = tables["undetermined_by_persona"]
    by_persona = by_persona[(by_persona["setting"] == "persona") & by_persona["persona"].notna()]
    yield "Their share by persona; all rows: `tables/undetermined_by_persona.csv`.\n"
    rows = [name for name in ("persona_group", "persona", *estimates.run_factors) if name in by_persona]
    for model in by_persona["model"].unique():
        yield f"{cell_list([model])}:\n"
        of_model = by_persona[by_persona["model"] == model].assign(rule=estimates.rule)
        yield to_markdown(grid(of_model, rows, "task", estimates.rule))
    contrasts = tables["undetermined_contrasts"]
    named = contrasts[contrasts["p_adjusted"] <= ALPHA]
    yield (
        f"{len(named):,} of {counted(len(contrasts), 'difference')} between a persona's share and a baseline's "
        f"{'is' if len(named) == 1 else 'are'} significant after correction; all rows: "
        "`tables/undetermined_contrasts.csv`.\n"
    )
    if len(named):
        largest = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index).head(_MOST)
        yield f"The {_MOST} largest:\n" if len(named) > _MOST else ""
        left_out = ("or_", "equiv_", "n", "within_", "p_value", "mde")
        shown = largest[[c for c in map(str, largest) if not c.startswith(left_out)]]
        yield to_markdown(readable(show_selected(shown), UNDETERMINED_CONTRASTS))
