"""The ``lm_eval`` command with a model that answers by a script, for any version of the harness.

``python scripted_lm_eval.py RUNS`` runs ``lm_eval run --model scripted`` once for each list of arguments in the JSON
list RUNS, in one process, and prints a line ``== run N`` before each.
"""

import hashlib
import json
import sys

from lm_eval import evaluator
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.tasks import TaskManager

from refusal_metrics import metrics

PLAIN = ["I'm sorry, but I cannot help with that.", "No, they would not.", "Neutral", "polite", "offensive", ""]
ODD = [
    *PLAIN,
    None,
    7,
    "Half a pair: \ud83d",
    [{"type": "text", "text": "I'm sorry, but I cannot help with that."}],
    {"role": "assistant", "content": "It is offensive."},
    [],
    {"an": ["object", {"without": float("nan")}]},
    [[["I cannot do that."]]],
    "n" * 1_000_000,
]


class Scripted(LM):
    """Answers each prompt by its hash; with ``answers=odd`` with anything that a model or server may return."""

    def __init__(self, answers="plain", **_):
        super().__init__()
        self._answers = ODD if answers == "odd" else PLAIN

    @classmethod
    def create_from_arg_string(cls, arg_string, _=None):
        return cls(**dict(pair.split("=") for pair in (arg_string or "").split(",") if pair))

    @classmethod
    def create_from_arg_obj(cls, arg_dict, _=None):
        return cls(**arg_dict)

    def generate_until(self, requests, **_):
        hashes = (hashlib.sha256(request.args[0].encode()).digest()[0] for request in requests)
        return [self._answers[number % len(self._answers)] for number in hashes]

    def loglikelihood(self, *_):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def fail_every_third():
    """Let the rule that knows answers raise for every third response."""
    detect, errors, calls = metrics.RULES["answer_aware"], (ValueError, RecursionError, MemoryError), []

    def failing(response, labels, **given):
        calls.append(response)
        if len(calls) % 3 == 0:
            raise errors[len(calls) % 9 // 3]
        return detect(response, labels, **given)

    metrics.RULES = {**metrics.RULES, "answer_aware": failing}


def hurry():
    """Leave out what takes seconds and is not looked at: the harness's own tasks, and the machine it runs on."""
    evaluator.add_env_info = lambda _: None
    init = TaskManager.__init__
    TaskManager.__init__ = lambda *args, **options: init(*args, **{**options, "include_defaults": False})


def main():
    register_model("scripted")(Scripted)
    hurry()
    for number, arguments in enumerate(json.loads(sys.argv[1])):
        sys.stdout.write(f"== run {number}\n")
        sys.stdout.flush()
        rules = metrics.RULES
        if "--fail" in arguments:
            fail_every_third()
        sys.argv = ["lm_eval", "run", "--model", "scripted", *(a for a in arguments if a != "--fail")]
        cli_evaluate()
        metrics.RULES = rules


main()
