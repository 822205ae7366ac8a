"""From a question to a study that can answer it: texts, prompts, power and cost.

Call `make_plan` with a `Goal`, a study and a `Truth` for each task; `read_pilot` estimates truths from responses.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .formula import find_texts
    from .layout import LAYOUTS, Layout, Size, Source, lay_out, load_source
    from .pilot import Pilot, assume_rate, read_pilot, read_speeds, truths_of
    from .plan import POWER, Goal, StudyPlan, make_plan
    from .search import Wish, find_size
    from .simulate import N_STUDIES, Question, Simulated, simulate_studies
    from .study_block import BACKENDS, TASKS, name_models, name_tasks, read_study
    from .truth import OVERDISPERSION, TEXT_SD, Truth
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "formula": ["find_texts"],
            "layout": ["LAYOUTS", "Layout", "Size", "Source", "lay_out", "load_source"],
            "pilot": ["Pilot", "assume_rate", "read_pilot", "read_speeds", "truths_of"],
            "plan": ["POWER", "Goal", "StudyPlan", "make_plan"],
            "search": ["Wish", "find_size"],
            "simulate": ["N_STUDIES", "Question", "Simulated", "simulate_studies"],
            "study_block": ["BACKENDS", "TASKS", "name_models", "name_tasks", "read_study"],
            "truth": ["OVERDISPERSION", "TEXT_SD", "Truth"],
        },
    )

__all__ = [
    "BACKENDS",
    "LAYOUTS",
    "N_STUDIES",
    "OVERDISPERSION",
    "POWER",
    "TASKS",
    "TEXT_SD",
    "Goal",
    "Layout",
    "Pilot",
    "Question",
    "Simulated",
    "Size",
    "Source",
    "StudyPlan",
    "Truth",
    "Wish",
    "assume_rate",
    "find_size",
    "find_texts",
    "lay_out",
    "load_source",
    "make_plan",
    "name_models",
    "name_tasks",
    "read_pilot",
    "read_speeds",
    "read_study",
    "simulate_studies",
    "truths_of",
]
