"""Run many models, shard by shard, resumable.

Call `load_study`, `plan_study` and `run_study`; `StudyFolder` is the folder that they write.
"""

from typing import TYPE_CHECKING

from refusal_metrics.faces import lazy

if TYPE_CHECKING:
    from .controls import control_studies, read_model_args
    from .environment import installed_versions
    from .folder import ANSWERED_BY, Shard, StudyFolder
    from .model_args import MACHINERY, SECRET
    from .once_per_prompt import CHARACTERS_A_TOKEN
    from .plan import Plan, plan_study
    from .record import RECORD, read_record
    from .resumed import check_resumed
    from .run import Ended, deal_shards, missing_shards, run_checks, run_study, wanted_shards
    from .signals import Interruptions, name_of, raise_interrupt
    from .spec import Study, StudyModel, load_study
    from .stages import StoppingRule, check_same_rule, take_pending
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "controls": ["control_studies", "read_model_args"],
            "environment": ["installed_versions"],
            "folder": ["ANSWERED_BY", "Shard", "StudyFolder"],
            "model_args": ["MACHINERY", "SECRET"],
            "once_per_prompt": ["CHARACTERS_A_TOKEN"],
            "plan": ["Plan", "plan_study"],
            "record": ["RECORD", "read_record"],
            "resumed": ["check_resumed"],
            "run": ["Ended", "deal_shards", "missing_shards", "run_checks", "run_study", "wanted_shards"],
            "signals": ["Interruptions", "name_of", "raise_interrupt"],
            "spec": ["Study", "StudyModel", "load_study"],
            "stages": ["StoppingRule", "check_same_rule", "take_pending"],
        },
    )

__all__ = [
    "ANSWERED_BY",
    "CHARACTERS_A_TOKEN",
    "MACHINERY",
    "RECORD",
    "SECRET",
    "Ended",
    "Interruptions",
    "Plan",
    "Shard",
    "StoppingRule",
    "Study",
    "StudyFolder",
    "StudyModel",
    "check_resumed",
    "check_same_rule",
    "control_studies",
    "deal_shards",
    "installed_versions",
    "load_study",
    "missing_shards",
    "name_of",
    "plan_study",
    "raise_interrupt",
    "read_model_args",
    "read_record",
    "run_checks",
    "run_study",
    "take_pending",
    "wanted_shards",
]
