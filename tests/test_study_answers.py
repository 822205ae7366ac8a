from functools import cached_property
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refusal_metrics.study_answers import OncePerPrompt, check_replies

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


def test_where_chance_decides_equal_prompts_are_asked_each():
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


# Replies of a chat API.


def choice(content="Offensive.", **more):
    return {"message": {"role": "assistant", "content": content}, "index": 0} | more


def replies(*outputs, one=False):
    """Parse replies as the harness does once they have been checked; gives what it is handed."""
    model = SimpleNamespace(parse_generations=lambda outputs, **more: (outputs, more))
    check_replies(model)
    parsed, more = model.parse_generations(outputs=outputs[0] if one else list(outputs), contexts=["a"])
    assert more == {"contexts": ["a"]}
    return parsed


@pytest.mark.parametrize(
    "given",
    [
        choice(),
        choice(""),
        choice(None, finish_reason="content_filter"),
        choice("Offens", finish_reason="length"),
        choice(finish_reason="stop", error=None),
    ],
)
def test_an_answer_passes_be_it_empty_filtered_or_cut_short(given):
    reply = {"id": "1", "choices": [given]}
    assert replies(reply) == [reply]
    assert replies(reply, one=True) == reply


def test_an_answer_without_its_index_gets_it():
    nameless = {"message": {"content": "Offensive."}}
    assert replies({"choices": [nameless]}) == [{"choices": [nameless | {"index": 0}]}]


@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"message": "overloaded"}},
        {"choices": []},
        {"choices": None},
        {"choices": [choice(), choice()]},
        {"choices": ["Offensive."]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "message": None}]},
        {"choices": [choice(["Offensive."])]},
        {"choices": [choice("", error={"code": 502})]},
        {"choices": [choice("Offens", finish_reason="error")]},
        "overloaded",
        None,
    ],
)
def test_a_reply_without_an_answer_is_a_failed_call(reply):
    good = {"choices": [choice()]}
    for outputs, one in (([reply], False), ([good, reply], False), ([reply], True)):
        with pytest.raises(RuntimeError, match="the server sent no answer: "):
            replies(*outputs, one=one)
