"""A model that is asked each prompt once, whatever it is wrapped around, and what counts as an answer of a chat API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

CHARACTERS_A_TOKEN = 4
"""Of English, about."""


class OncePerPrompt:
    """A model of the harness, asked equal prompts once where its answers are no matter of chance.

    An i.i.d. design draws a prompt about a text again now and then, and different settings may come to the same words.
    In which order prompts are asked is left to the harness, which sorts them by length: engines find the beginnings
    that prompts share in any order.

    Parameters
    ----------
    model : lm_eval.api.model.LM
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - models of the harness share no type that tells
        self.inner = model
        self.n_prompts = 0
        self.n_asked = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Give everything else as the model does."""
        return getattr(self.inner, name)

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Count the tokens of texts, or, for a model without a tokenizer of its own, guess."""
        # Not looked for further: some models would fetch one from a hub.
        tokenizer = vars(self.inner).get("tokenizer")
        if texts and callable(tokenizer):
            return sum(len(ids) for ids in tokenizer(list(texts))["input_ids"])
        return sum(map(len, texts)) // CHARACTERS_A_TOKEN

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """Answer requests; the signature is the harness's.

        Parameters
        ----------
        requests : sequence of lm_eval.api.instance.Instance
            With ``args``, the prompt and its arguments of generation.
        disable_tqdm : bool

        Returns
        -------
        list of str
            (n_requests,)

        Raises
        ------
        RuntimeError
            If the model leaves a prompt without an answer.
        """
        places: dict[object, int] = {}
        of_request = [places.setdefault(_key(i, request.args), len(places)) for i, request in enumerate(requests)]
        first = dict(zip(reversed(of_request), reversed(requests), strict=True))
        asked = range(len(places))
        answers = self.inner.generate_until([first[place] for place in asked], disable_tqdm=disable_tqdm)
        if len(answers) != len(asked) or any(answer is None for answer in answers):
            n_none = len(asked) - sum(answer is not None for answer in answers)
            raise RuntimeError(f"the model left {n_none:,} of {len(asked):,} prompts without an answer")
        self.n_prompts += len(requests)
        self.n_asked += len(asked)
        answer_of = dict(zip(asked, answers, strict=True))
        return [answer_of[place] for place in of_request]


def check_replies(model: Any) -> None:  # noqa: ANN401
    """Let a chat API's replies without an answer be failed calls, which the harness tries again.

    It takes them for empty answers: errors that come with status 200, and answers without the ``index`` that some
    servers leave out. An answer that is empty, filtered or cut short is one.

    Parameters
    ----------
    model : lm_eval.models.openai_completions.LocalChatCompletion
        Changed in place.
    """
    parse = model.parse_generations

    def parse_generations(outputs: Any, **more: Any) -> Any:  # noqa: ANN401
        for reply in outputs if isinstance(outputs, list) else [outputs]:
            choice = _only_choice(reply)
            if choice is None:
                raise RuntimeError(f"the server sent no answer: {json.dumps(reply)[:200]}")
            choice["index"] = 0
        return parse(outputs=outputs, **more)

    model.parse_generations = parse_generations


def _only_choice(reply: object) -> dict[str, Any] | None:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    if not isinstance(choice, dict) or choice.get("error") or choice.get("finish_reason") == "error":
        return None
    message = choice.get("message")
    is_answer = isinstance(message, dict) and isinstance(message.get("content"), str | None)
    return choice if is_answer else None


def _key(number: int, args: tuple[Any, ...]) -> object:
    """Tell requests apart: by what they ask, or, where chance decides the answer, all of them."""
    prompt, how = args[0], args[1]
    if isinstance(how, Mapping) and how.get("do_sample"):
        return number
    return str(prompt), repr(sorted(how.items()) if isinstance(how, Mapping) else how)
