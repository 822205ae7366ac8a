"""Figures of differences between personas and a baseline, and of minimum detectable increases."""

import re
from collections.abc import Iterator, Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from ..arrays import ALPHA
from ..columns import STUDY
from ..display import percent
from .figure import Figure
from .marks import VERDICTS, draw_points, draw_strips, facet, panels_of, stack, width_of, wrap
from .rates import estimated_by
from .rows import describe, label_models, label_names, label_tasks, order_personas, say_sizes, take

Tables = Mapping[str, pd.DataFrame]

_FEW_MODELS = 3
_AGAINST = {"neutral": "neutral prompts", "others": "the other personas"}


def draw_contrasts(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw each persona's difference from the neutral prompts or, without these, from the other personas.

    One figure for few models; for more, one figure per task with one panel per model.
    """
    table, baseline = against_best(tables, rule)
    if table is None:
        return
    personas = label_names("persona", order_personas(tables, table["persona"].unique()))
    models, levels = label_models(table, run_factors)
    tasks, kinds = label_tasks(table)
    verdicts = pd.Series(VERDICTS)[(table["p_adjusted"] <= ALPHA).astype(int)].to_numpy()
    rows = pd.DataFrame({"y": table["persona"].map(personas), "series": verdicts, "panel": models, "column": tasks})
    rows = rows.assign(panel_at=models.map(levels.index), column_at=tasks.map(kinds.index))
    differ = table["ci_low_named"].notna()
    ends = {name: table[f"ci_{name}_named"].where(differ, table[f"ci_{name}"]) for name in ("low", "high")}
    rows = rows.assign(x=100 * table["estimate"], low=100 * ends["low"], high=100 * ends["high"])
    noise = _noise_bands(table, tables, rule, run_factors) if baseline == "neutral" else None
    if noise is not None:
        rows = rows.assign(null=100 * noise, null_low=-100 * noise)
    tips = describe(table.assign(ci_low=ends["low"], ci_high=ends["high"]), "difference", run_factors)
    against = _AGAINST[baseline]
    title, name = f"Personas against {against}", f"personas_against_{baseline}"

    def draw(keep: "pd.Series[bool]", width: float, step: int) -> alt.LayerChart:
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
        )

    if len(levels) <= _FEW_MODELS:
        charts = {model: facet(draw(models == model, width_of(len(kinds)), 15)) for model in levels}
        chart = stack(charts, shared=True)
        yield Figure(name, title, _contrast_caption(table, against, rule, has_band=noise is not None), chart, table)
        return
    columns = panels_of(levels)
    for task, stem in zip(kinds, _stems(name, kinds), strict=True):
        own = tasks == task
        panels = wrap(draw(own, width_of(columns), 11), columns)
        drawn = table[own].reset_index(drop=True)
        caption = _contrast_caption(drawn, against, rule, has_band=noise is not None)
        yield Figure(stem, f"{title}: {task}", caption, panels, drawn)


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
    n_differ = int((table["p_adjusted"] <= ALPHA).sum())
    band = "Grey bands: differences that the spread of wordings explains. " if has_band else ""
    return (
        f"Refusal rate of each persona minus that of {against}, within texts ({rule}). Diamonds: significant after "
        f"correction ({n_differ:,} of {len(table):,}), with 95% CIs adjusted for selection; other bars: unadjusted 95% "
        f"CIs. {band}{say_sizes(table)}"
    )


def draw_detectable(tables: Tables, rule: str, run_factors: Sequence[str] = ()) -> Iterator[Figure]:
    """Draw the minimum detectable increase of each persona (80% power)."""
    table, baseline = against_best(tables, rule)
    if table is None or table["mde_up"].isna().all():
        return
    known = table[table["mde_up"].notna()].reset_index(drop=True)
    models, levels = label_models(known, run_factors)
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
        f"Smallest increase compared with {_AGAINST[baseline]} that the study detects with 80% power ({rule}). Dots: "
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
    baseline = next((name for name in _AGAINST if (table["baseline"] == name).any()), "")
    own = table[table["baseline"] == baseline].reset_index(drop=True)
    return (own, baseline) if len(own) else (None, "")


def _stems(name: str, kinds: list[str]) -> list[str]:
    """Return distinct names of the figures, one per task."""
    stems: list[str] = []
    for kind in kinds:
        stem = re.sub(r"[^a-z0-9]+", "_", f"{name}_{kind}".lower()).strip("_")
        stems.append(stem if stem not in stems and stem != name else f"{stem}_{len(stems) + 1}")
    return stems
