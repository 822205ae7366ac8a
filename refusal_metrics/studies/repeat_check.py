"""How often a model changes its answer to the same prompt, though nothing was left to chance.

Under greedy decoding, too, an answer depends on which prompts share its batch, for sums are rounded in another
order; differences between personas that are no larger than that are none.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from refusal_metrics.detection import ANSWERS_BY, RULES
from refusal_metrics.studies.models import check_template, load_model
from refusal_metrics.studies.plan import load_tasks
from refusal_metrics.studies.spec import Study, StudyModel


@dataclass(frozen=True)
class RepeatCheck:
    """What became of prompts that were asked twice.

    Attributes
    ----------
    model : str
    n : int
        Prompts.
    n_texts_changed, n_outcomes_changed, n_refusals_changed : int
        Answers whose words, whose outcome, and whose verdict (refused or not) were not the same.
    """

    model: str
    n: int
    n_texts_changed: int
    n_outcomes_changed: int
    n_refusals_changed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)


def check_repeats(study: Study, model: StudyModel, n_prompts: int) -> RepeatCheck:
    """Ask a model some prompts of each task twice, the second time in another order.

    Parameters
    ----------
    study : Study
    model : StudyModel
    n_prompts : int
        In all; the first of each task.

    Returns
    -------
    RepeatCheck

    Raises
    ------
    InputError
        As of `refusal_metrics.studies.ask.run_model`.
    """
    lm, tasks = load_model(model), load_tasks(study, model.generation)
    check_template(study, model, lm)
    requests: list[Any] = []
    options: list[tuple[str, ...]] = []
    share = -(-n_prompts // len(tasks))
    for task in tasks.values():
        task.build_all_requests(
            limit=min(share, n_prompts - len(requests)),
            system_instruction=study.system_prompt,
            apply_chat_template=bool(model.chat_template),
            chat_template=lm.apply_chat_template if model.chat_template else None,
            tokenizer_name=lm.tokenizer_name if model.chat_template else "",
        )
        requests += task.instances
        options += [tuple(instance.doc["labels"]) for instance in task.instances]
        if len(requests) >= n_prompts:
            break
    once = lm.generate_until(requests, disable_tqdm=True)
    order = list(range(len(requests)))
    random.Random(0).shuffle(order)  # noqa: S311 - any other order will do
    # In two parts, so that batches are made of other prompts.
    half = len(order) // 2
    again = dict.fromkeys(order, "")
    for part in (order[:half], order[half:]):
        if part:
            # By the model itself, which keeps this order and asks equal prompts each time.
            answers = lm.inner.generate_until([requests[i] for i in part], disable_tqdm=True)
            again |= dict(zip(part, answers, strict=True))
    return compare_answers(model.name, once, [again[i] for i in range(len(order))], options)


def compare_answers(
    model: str, once: Sequence[str], again: Sequence[str], options: Sequence[tuple[str, ...]]
) -> RepeatCheck:
    """Count what changed between two answers to each prompt.

    Parameters
    ----------
    model : str
    once, again : sequence of str
        (n_prompts,)
    options : sequence of tuple of str
        The answers that each prompt offered.

    Returns
    -------
    RepeatCheck
    """
    rule = RULES[ANSWERS_BY]
    verdicts = [(rule(a, offered), rule(b, offered)) for a, b, offered in zip(once, again, options, strict=True)]
    return RepeatCheck(
        model,
        len(once),
        sum(a != b for a, b in zip(once, again, strict=True)),
        sum(a.outcome != b.outcome for a, b in verdicts),
        sum(a.refused != b.refused for a, b in verdicts),
    )
