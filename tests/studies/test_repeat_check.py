from pathlib import Path

import pytest
import yaml

from refusal_metrics.errors import InputError
from refusal_metrics.studies import repeat_check as study_check
from refusal_metrics.studies.once_per_prompt import OncePerPrompt
from refusal_metrics.studies.repeat_check import RepeatCheck, check_repeats, compare_answers
from refusal_metrics.studies.spec import load_study

LABELS = ("offensive", "not offensive")
REFUSED = "I'm sorry, but I cannot do that."


def compare(*pairs):
    once, again = zip(*pairs, strict=True)
    return compare_answers("parrot", once, again, [LABELS] * len(pairs))


# Comparing answers.


def test_equal_answers_have_not_changed():
    assert compare(("Offensive.", "Offensive."), (REFUSED, REFUSED), ("", "")) == RepeatCheck("parrot", 3, 0, 0, 0)


@pytest.mark.parametrize(
    ("once", "again", "n_texts", "n_outcomes", "n_refusals"),
    [
        pytest.param("Offensive.", "Not offensive.", 1, 0, 0, id="another answer is an answer still"),
        pytest.param(REFUSED, "I cannot help with that.", 1, 0, 0, id="refused in other words"),
        pytest.param("Offensive.", "lol", 1, 1, 0, id="no answer any more, and no refusal"),
        pytest.param("lol", "", 1, 1, 0, id="nothing at all"),
        pytest.param("Offensive.", REFUSED, 1, 1, 1, id="refused at the second time"),
        pytest.param(REFUSED, "", 1, 1, 1, id="refused at the first time"),
    ],
)
def test_a_change_counts_by_what_it_changes(once, again, n_texts, n_outcomes, n_refusals):
    check = compare((once, again), ("Offensive.", "Offensive."))
    assert check == RepeatCheck("parrot", 2, n_texts, n_outcomes, n_refusals)


def test_each_answer_is_judged_by_what_its_own_prompt_offered():
    # To the one prompt "neutral" is an answer, to the other a word.
    check = compare_answers("parrot", ["neutral"] * 2, ["lol"] * 2, [("entailment", "neutral"), LABELS])
    assert (check.n_texts_changed, check.n_outcomes_changed, check.n_refusals_changed) == (2, 1, 0)


def test_the_counts_have_names():
    assert RepeatCheck("parrot", 5, 4, 3, 2).as_dict() == {
        "model": "parrot",
        "n": 5,
        "n_texts_changed": 4,
        "n_outcomes_changed": 3,
        "n_refusals_changed": 2,
    }


# Asking twice.


class Parrot:
    """A model that answers as it is told from the prompt, and how often it was asked before."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def generate_until(self, requests, disable_tqdm):
        assert disable_tqdm
        n_before = len(self.calls)
        self.calls.append([request.args[0] for request in requests])
        return [self.answer(prompt, n_before) for prompt in self.calls[-1]]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two tasks of 30 prompts each: 2 rows of 5 classes, 3 times."""
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    spec = {
        "out": "results",
        "tasks": ["persona_refusal_offensiveness", "persona_refusal_politeness"],
        "settings": {"source": "sample", "rows_per_class": 2, "variations": 3},
        "system_prompt": None,
        "models": {"parrot": {"backend": "dummy", "chat_template": False}},
    }
    path.write_text(yaml.safe_dump({name: value for name, value in spec.items() if value}), encoding="utf-8")
    return load_study(Path(path))


@pytest.fixture
def check(study, monkeypatch):
    """Check a model that answers so; gives what came out and the parrot."""

    def ask(n_prompts, answer):
        parrot = Parrot(answer)
        monkeypatch.setattr(study_check, "load_model", lambda _: OncePerPrompt(parrot))
        return check_repeats(study, study.models[0], n_prompts), parrot

    return ask


def test_the_prompts_are_asked_again_all_of_them_in_other_company(check):
    result, parrot = check(20, lambda *_: "Offensive.")
    assert result == RepeatCheck("parrot", 20, 0, 0, 0)
    once, *again = parrot.calls
    # Some prompts may be equal, and those of a call are asked once.
    assert [len(call) for call in again] == [10, 10]
    assert sorted([*again[0], *again[1]]) == sorted(once)
    # The first ten are of one task, the others of another.
    assert 0 < sum("offensive" in prompt for prompt in again[0]) < 10


def test_the_prompts_come_from_all_tasks(check):
    _, parrot = check(20, lambda *_: "Offensive.")
    assert [sum("offensive" in prompt for prompt in parrot.calls[0]), len(parrot.calls[0])] == [10, 20]


def test_a_model_that_changes_its_mind_is_found_out(check):
    # Refuses every prompt at the first time; of the second, the first half. 20 prompts: 10 + 10.
    result, _ = check(20, lambda _, n_before: REFUSED if n_before < 2 else "Offensive or polite?")
    assert (result.n, result.n_texts_changed, result.n_refusals_changed) == (20, 10, 10)


def test_answers_are_compared_prompt_by_prompt(check):
    # The same answers in another order would differ from each other.
    result, parrot = check(20, lambda prompt, _: prompt)
    assert len(set(parrot.calls[0])) > 1
    assert result.n_texts_changed == 0


@pytest.mark.parametrize(("n_prompts", "n_asked"), [(1, 1), (3, 3), (60, 60), (1000, 60)])
def test_no_more_prompts_are_asked_than_wanted_or_there(check, n_prompts, n_asked):
    result, _ = check(n_prompts, lambda *_: "Offensive.")
    assert result.n == n_asked


def test_a_model_that_cannot_be_loaded_is_a_mistake_in_the_study(study):
    (model,) = study.models
    unknown = type(model)(model.name, "nosuch")
    with pytest.raises(InputError, match="parrot: the harness knows no backend 'nosuch'"):
        check_repeats(study, unknown, 5)
