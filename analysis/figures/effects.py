"""Figures of differences between personas and a baseline, and of minimum detectable increases."""

from collections.abc import Iterator, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from ..columns import STUDY, name_rule
from ..display import percent
from .figure import Figure
from .heat_map import AGAINST, differences_of, find_significant, sort_personas
from .marks import VERDICTS, draw_points, draw_strips, facet, panels_of, stack, width_of, with_menu, wrap
from .rates import estimated_by
from .rows import describe, label_models, label_names, label_tasks, say_sizes, take

Tables = Mapping[str, pd.DataFrame]

_FEW_MODELS = 3
_ALL = "All tasks"


def draw_contrasts(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw each persona's difference from the neutral prompts or, without these, from the other personas.

    The differences of a task are in a column; those averaged over tasks come first if there are several. On a page,
    many models have a menu.
    """
    parts = [differences_of(tables, rule, over_tasks=over_tasks) for over_tasks in (True, False)]
    of_tasks = parts[1]
    if of_tasks is None:
        return
    tasks, kinds = label_tasks(of_tasks)
    is_several = len(kinds) > 1
    table = pd.concat([part for part in parts if part is not None], ignore_index=True) if is_several else of_tasks
    baseline = str(table["baseline"].iloc[0])
    against = AGAINST.get(baseline, baseline)
    personas = label_names("persona", sort_personas(tables, rule))
    models, levels = label_models(table, run_factors, tables)
    columns = pd.concat([pd.Series([_ALL] * (len(table) - len(of_tasks)), dtype=object), tasks], ignore_index=True)
    kinds = [_ALL, *kinds] if is_several else kinds
    verdicts = pd.Series(VERDICTS)[find_significant(table).astype(int)].to_numpy()
    rows = pd.DataFrame({"y": table["persona"].map(personas), "series": verdicts, "panel": models, "column": columns})
    rows = rows.assign(panel_at=models.map(levels.index), column_at=columns.map(kinds.index))
    rows = rows.assign(x=100 * table["estimate"], low=100 * table["ci_low"], high=100 * table["ci_high"])
    noise = _noise_bands(table, tables, rule, run_factors) if baseline == "neutral" else None
    if noise is not None:
        rows = rows.assign(null=100 * noise, null_low=-100 * noise)
    tips = describe(table, "difference", run_factors)
    tips["95% CI, simultaneous"] = tips.pop("95% CI")

    def draw(
        keep: "pd.Series[bool]", width: float, step: int, domain: tuple[float, float] | None = None
    ) -> alt.LayerChart:
        return draw_points(
            rows[keep],
            take(tips, np.flatnonzero(keep)),
            y=list(personas.values()),
            title="difference, points",
            series=VERDICTS,
            dodge=False,
            zero=True,
            width=width,
            step=step,
            domain=domain,
        )

    width = width_of(len(kinds))
    on_page: alt.FacetChart | None = None
    chart: alt.VConcatChart
    if len(levels) <= _FEW_MODELS:
        chart = stack({model: facet(draw(models == model, width, 15)) for model in levels}, shared=True)
    else:
        panels = panels_of(levels)
        chart = stack({kind: wrap(draw(columns == kind, width_of(panels), 11), panels) for kind in kinds})
        ends = (min(float(rows["low"].min()), 0.0), max(float(rows["high"].max()), 0.0))
        on_page = with_menu(facet(draw(models.notna(), width, 16, ends)), "Model", levels)
    caption = _contrast_caption(table, against, rule, has_band=noise is not None)
    title, name = f"Personas against {against}", f"personas_against_{baseline}"
    yield Figure(name, title, caption, chart, table, is_main=True, on_page=on_page)


def _noise_bands(
    table: pd.DataFrame, tables: Tables, rule: str, run_factors: Sequence[str]
) -> "pd.Series[float] | None":
    """Return the difference from neutral prompts that the spread of wordings explains; None without phrases."""
    wordings = estimated_by(tables.get("wordings"), [rule])
    if wordings is None:
        return None
    by = [*STUDY, *run_factors, "persona"]
    # Without a band nothing is drawn: it has no width.
    return table[by].merge(wordings[[*by, "noise_band"]], how="left", on=by)["noise_band"].fillna(0)


def _contrast_caption(table: pd.DataFrame, against: str, rule: str, *, has_band: bool) -> str:
    n_differ = int(find_significant(table).sum())
    band = " Grey bands: differences that the spread of wordings explains." if has_band else ""
    return (
        f"Refusal rate of each persona minus that of {against}, within texts ({name_rule(rule)}). Bars: 95% CIs, "
        "simultaneous over models and personas (of single tasks: and tasks); diamonds: significant, the interval "
        f"excludes 0 ({n_differ:,} of {len(table):,}).{band} {say_sizes(table)}"
    )


def draw_detectable(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the minimum detectable increase of each persona (80% power)."""
    table, baseline = against_best(tables, rule)
    if table is None or table["mde_up"].isna().all():
        return
    known = table[table["mde_up"].notna()].reset_index(drop=True)
    models, levels = label_models(known, run_factors, tables)
    tasks, kinds = label_tasks(known)
    places = pd.DataFrame({"y": models, "column": tasks, "column_at": tasks.map(kinds.index)})
    # A difference of 0.001 points is irrelevant, and 0 does not exist on this scale.
    rows = places.assign(x=(100 * known["mde_up"]).clip(0.001, 100))
    medians = rows.groupby(list(places.columns), sort=False)["x"].median().reset_index()
    tips = {
        title: texts
        for title, texts in describe(known, "difference", run_factors).items()
        if title in {"model", "task", "persona"}
    }
    tips["minimum detectable increase"] = [_detectable(value) for value in known["mde_up"]]
    tips |= {title: texts for title, texts in describe(known).items() if title in {"responses", "texts", "refused"}}
    for title, texts in tips.items():
        own = {"persona": "median of the personas"} | {"minimum detectable increase": ""}
        tips[title] = [*texts, *([own.get(title, "")] * len(medians))]
    at = range(len(known), len(known) + len(medians))
    for i, (_, row) in zip(at, medians.iterrows(), strict=True):
        tips["model"][i], tips["task"][i] = row["y"], row["column"]
        tips["minimum detectable increase"][i] = _detectable(row["x"] / 100)
    drawn = pd.concat([rows.assign(whole=0), medians.assign(whole=1)], ignore_index=True)
    width = width_of(len(kinds))
    title = "percentage points, logarithmic scale"
    chart = facet(draw_strips(drawn, tips, y=levels, title=title, width=width, log=True))
    n_left = len(table) - len(known)
    omitted = f"{n_left:,} comparison{'s' * (n_left > 1)} without refusals {'are' if n_left > 1 else 'is'} omitted"
    left_out = f" {omitted} (variance not estimable)." if n_left else ""
    caption = (
        f"Smallest increase compared with {AGAINST[baseline]} that the study detects with 80% power ({rule}). Dots: "
        "personas; "
        "diamonds: medians; at 100 points, no increase is detectable."
        f"{left_out} {say_sizes(known, 'Each dot')}"
    )
    yield Figure("detectable_differences", "Minimum detectable increases", caption, chart, known)


def _detectable(value: float) -> str:
    return "none detectable" if value >= 1 else f"{percent(value)} points"


def against_best(tables: Tables, rule: str) -> tuple[pd.DataFrame | None, str]:
    """Return the comparisons of personas with the best available baseline; None if there are none."""
    table = estimated_by(tables.get("contrasts_by_persona"), [rule])
    if table is None:
        return None, ""
    baseline = next((name for name in AGAINST if (table["baseline"] == name).any()), "")
    own = table[table["baseline"] == baseline].reset_index(drop=True)
    return (own, baseline) if len(own) else (None, "")
