"""Tidy tables in, figures out.

Call `draw_figures` for all figures of a report, or one of the functions ``draw_...`` for one kind; each gives `Figure`
objects, which `write_figures` writes to files.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .effects import draw_contrasts, draw_detectable
    from .every import draw_figures
    from .export import VEGA_LITE, to_spec, write_figures
    from .factors import draw_effects, draw_regression
    from .figure import Figure, check_formats, theme
    from .heat_map import draw_heat_map
    from .marks import MENU, legend_of, make_data, tooltips
    from .power import draw_power
    from .rates import draw_personas, draw_rates, draw_settings
    from .rows import count_range, label_levels, label_tasks, natural, short_names
    from .runs import draw_runs
    from .sensitivity import draw_sensitivity
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "effects": ["draw_contrasts", "draw_detectable"],
            "every": ["draw_figures"],
            "export": ["VEGA_LITE", "to_spec", "write_figures"],
            "factors": ["draw_effects", "draw_regression"],
            "figure": ["Figure", "check_formats", "theme"],
            "heat_map": ["draw_heat_map"],
            "marks": ["MENU", "legend_of", "make_data", "tooltips"],
            "power": ["draw_power"],
            "rates": ["draw_personas", "draw_rates", "draw_settings"],
            "rows": ["count_range", "label_levels", "label_tasks", "natural", "short_names"],
            "runs": ["draw_runs"],
            "sensitivity": ["draw_sensitivity"],
        },
    )

__all__ = [
    "MENU",
    "VEGA_LITE",
    "Figure",
    "check_formats",
    "count_range",
    "draw_contrasts",
    "draw_detectable",
    "draw_effects",
    "draw_figures",
    "draw_heat_map",
    "draw_personas",
    "draw_power",
    "draw_rates",
    "draw_regression",
    "draw_runs",
    "draw_sensitivity",
    "draw_settings",
    "label_levels",
    "label_tasks",
    "legend_of",
    "make_data",
    "natural",
    "short_names",
    "theme",
    "to_spec",
    "tooltips",
    "write_figures",
]
