"""A model that is asked each prompt once, whatever it is wrapped around, and never what a journal answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from refusal_metrics.reading import whole
from refusal_metrics.studies.calls import ApiCalls

if TYPE_CHECKING:
    from refusal_metrics.studies.journal import Journal

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
    calls : ApiCalls, optional
        Of a model that asks an API: then each answer is kept as it arrives.
    hide : callable, optional
        Takes keys out of an answer of a server that is not asked by `calls`.

    Attributes
    ----------
    journal : Journal or None
        Where answers are kept, and what an earlier run kept is taken from.
    n_prompts, n_asked : int
        Prompts that were to be answered so far, and different ones among them.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - they share no type
        calls: ApiCalls | None = None,
        hide: Callable[[str], str] | None = None,
    ) -> None:
        self.inner = model
        self.calls = calls
        self._hide = hide or str
        self.journal: Journal | None = None
        self.n_prompts = 0
        self.n_asked = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return everything else as the model does."""
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
        known = {place: self._known(first[place]) for place in range(len(places))}
        answers = {place: answer for place, answer in known.items() if answer is not None}
        asked = [place for place in range(len(places)) if place not in answers]
        if asked:
            new = self._ask([first[place] for place in asked], disable_tqdm=disable_tqdm)
            answers |= dict(zip(asked, new, strict=True))
        self.n_prompts += len(requests)
        self.n_asked += len(places)
        return [answers[place] for place in of_request]

    def _known(self, request: Any) -> str | None:  # noqa: ANN401
        return None if self.journal is None else self.journal.take(request.args[0], request.args[1])

    def _ask(self, requests: Sequence[Any], *, disable_tqdm: bool) -> list[str]:
        """Ask different prompts, and keep their answers before anything is made of them."""
        journal = self.journal
        if self.calls is not None:
            self.calls.keep = None if journal is None else journal.add
        answers = list(self.inner.generate_until(requests, disable_tqdm=disable_tqdm))
        answers = [self._hide(whole(answer)) if type(answer) is str else answer for answer in answers]
        if journal is not None:
            if self.calls is None and len(answers) == len(requests):
                for request, answer in zip(requests, answers, strict=True):
                    if answer is not None:
                        journal.add(request.args[0], request.args[1], answer)
            journal.close()
        if len(answers) != len(requests) or any(answer is None for answer in answers):
            n_none = len(requests) - sum(answer is not None for answer in answers)
            raise RuntimeError(f"the model left {n_none:,} of {len(requests):,} prompts without an answer")
        return answers


def _key(number: int, args: tuple[Any, ...]) -> object:
    """Return the identity of requests: equal prompts are one request, unless responses are sampled."""
    prompt, how = args[0], args[1]
    if isinstance(how, Mapping) and how.get("do_sample"):
        return number
    return str(prompt), repr(sorted(how.items()) if isinstance(how, Mapping) else how)
