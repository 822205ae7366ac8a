from functools import cached_property
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refusal_metrics.studies.journal import Journal
from refusal_metrics.studies.once_per_prompt import OncePerPrompt

GREEDY = {"until": [], "do_sample": False, "temperature": 0.0}
SAMPLED = {"until": [], "do_sample": True, "temperature": 0.7}


class Parrot:
    """A model of the harness that answers with the prompt, and how often it has answered before."""

    def __init__(self, answer=lambda prompt, _: prompt):
        self.asked = []
        self.answer = answer
        self.tokenizer_name = "acme/parrot"

    def generate_until(self, requests, disable_tqdm):
        assert disable_tqdm
        answers = []
        for prompt, _ in (request.args for request in requests):
            answers.append(self.answer(prompt, len(self.asked)))
            self.asked.append(prompt)
        return answers

    def shout(self, text):
        return text.upper()


def requests(*prompts, how=GREEDY):
    return [SimpleNamespace(args=(prompt, how)) for prompt in prompts]


# Asking once.


@given(prompts=st.lists(st.sampled_from(["a", "b", "c", "d", "ab", ""])))
def test_every_prompt_gets_its_own_answer_and_equal_ones_are_asked_once(prompts):
    parrot = Parrot(lambda prompt, _: f"{prompt}!")
    model = OncePerPrompt(parrot)
    assert model.generate_until(requests(*prompts), disable_tqdm=True) == [f"{prompt}!" for prompt in prompts]
    assert parrot.asked == list(dict.fromkeys(prompts))
    assert (model.n_prompts, model.n_asked) == (len(prompts), len(set(prompts)))


def test_where_answers_are_sampled_equal_prompts_are_asked_each():
    parrot = Parrot(lambda prompt, n: f"{prompt}{n}")
    answers = OncePerPrompt(parrot).generate_until(requests("b", "a", "b", how=SAMPLED))
    assert parrot.asked == ["b", "a", "b"]
    assert answers == ["b0", "a1", "b2"]


def test_equal_prompts_that_are_to_be_answered_otherwise_are_asked_each():
    short, long = GREEDY | {"max_gen_toks": 16}, GREEDY | {"max_gen_toks": 256}
    parrot = Parrot(lambda _, n: str(n))
    asked = [*requests("a", how=short), *requests("a", how=long), *requests("a", how=short)]
    assert OncePerPrompt(parrot).generate_until(asked) == ["0", "1", "0"]


def test_the_order_of_arguments_makes_no_other_request():
    parrot = Parrot()
    OncePerPrompt(parrot).generate_until([*requests("a"), *requests("a", how=dict(reversed(GREEDY.items())))])
    assert parrot.asked == ["a"]


def test_what_was_asked_adds_up_over_shards():
    model = OncePerPrompt(Parrot())
    for prompts in (["a", "a", "b"], ["a"]):
        model.generate_until(requests(*prompts))
    # A shard that was asked before is asked again, for its answers are on the disk and not here.
    assert (model.n_prompts, model.n_asked) == (4, 3)


@pytest.mark.parametrize(
    ("answers", "n_none"),
    [([None, "x", "x"], 1), ([None, None, None], 3), (["x", "x"], 1), ([], 3)],
)
def test_a_prompt_left_without_an_answer_is_an_error_and_never_an_empty_answer(answers, n_none):
    model = OncePerPrompt(SimpleNamespace(generate_until=lambda *_, **__: answers))
    with pytest.raises(RuntimeError, match=f"the model left {n_none} of 3 prompts without an answer"):
        model.generate_until(requests("a", "b", "c", "a"))


def test_empty_answers_are_answers():
    assert OncePerPrompt(Parrot(lambda *_: "")).generate_until(requests("a", "b")) == ["", ""]


def test_everything_else_is_the_models():
    model = OncePerPrompt(Parrot())
    assert model.tokenizer_name == "acme/parrot"
    assert model.shout("lol") == "LOL"
    with pytest.raises(AttributeError, match="'Parrot' object has no attribute 'apply_chat_template'"):
        _ = model.apply_chat_template


# Counting tokens.


def test_tokens_are_counted_by_the_models_own_tokenizer():
    parrot = Parrot()
    parrot.tokenizer = lambda texts: {"input_ids": [text.split() for text in texts]}
    assert OncePerPrompt(parrot).count_tokens(["one two", "", "three"]) == 3
    assert OncePerPrompt(parrot).count_tokens([]) == 0


def test_without_a_tokenizer_four_characters_are_a_token():
    # 8 characters and 3: 11 // 4.
    assert OncePerPrompt(Parrot()).count_tokens(["12345678", "123"]) == 2


def test_no_tokenizer_is_fetched_to_count():
    class Fetches(Parrot):
        @cached_property
        def tokenizer(self):
            pytest.fail("fetched from a hub")

    assert OncePerPrompt(Fetches()).count_tokens(["1234"]) == 1


# Answers that an earlier run kept.


@pytest.fixture
def journal(tmp_path):
    """A function that opens the same journal again."""
    return lambda: Journal(tmp_path / "answers.jsonl", "parrot")


def kept_model(parrot, journal):
    model = OncePerPrompt(parrot)
    model.journal = journal
    return model


@given(prompts=st.lists(st.sampled_from("abcd"), min_size=1), n_kept=st.integers(0, 4))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings.default.max_examples * 40 // 100
)
def test_what_a_journal_answers_is_not_asked_and_all_else_is(prompts, n_kept, tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "answers.jsonl"
    with Journal(path, "parrot") as before:
        for prompt in "abcd"[:n_kept]:
            before.add(prompt, GREEDY, f"{prompt} before")
    parrot = Parrot(lambda prompt, _: f"{prompt} now")
    with Journal(path, "parrot") as now:
        answers = kept_model(parrot, now).generate_until(requests(*prompts))
    assert answers == [f"{prompt} {'before' if prompt in 'abcd'[:n_kept] else 'now'}" for prompt in prompts]
    assert parrot.asked == [prompt for prompt in dict.fromkeys(prompts) if prompt not in "abcd"[:n_kept]]
    # All are kept now.
    silent = Parrot(lambda *_: pytest.fail("asked again"))
    with Journal(path, "parrot") as again:
        assert kept_model(silent, again).generate_until(requests(*prompts)) == answers


def test_where_answers_are_sampled_each_kept_answer_serves_once(journal):
    with journal() as first:
        kept_model(Parrot(lambda _, n: str(n)), first).generate_until(requests("a", "b", how=SAMPLED))
    parrot = Parrot(lambda *_: "new")
    with journal() as again:
        answers = kept_model(parrot, again).generate_until(requests("a", "a", "b", "b", how=SAMPLED))
    assert answers == ["0", "new", "1", "new"]
    assert parrot.asked == ["a", "b"]


def test_the_answers_that_came_are_kept_where_one_is_missing(journal):
    with journal() as first, pytest.raises(RuntimeError, match="without an answer"):
        kept_model(Parrot(lambda prompt, _: None if prompt == "b" else prompt), first).generate_until(requests(*"abc"))
    parrot = Parrot(lambda *_: "new")
    with journal() as again:
        assert kept_model(parrot, again).generate_until(requests(*"abc")) == ["a", "new", "c"]
    assert parrot.asked == ["b"]


def test_half_a_surrogate_pair_is_replaced_before_it_is_judged():
    model = OncePerPrompt(Parrot(lambda *_: "offensive \ud83d"))
    assert model.generate_until(requests("a")) == ["offensive \ufffd"]
