"""The sample of responses for the page's script: texts, and all other columns as levels and codes."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from refusal_metrics.detection import EMPTY, REFUSAL, RULES

from ...columns import name_level
from ...display import clip, visible
from ...responses import Responses, draw_responses, read_offered

MOST = 2000
"""The largest number of responses on a page."""
MOST_BYTES = 4_000_000
"""The largest number of bytes of prompts and responses on a page."""
MOST_OF_TEXT = 2000
"""The largest number of characters of a prompt or response on a page."""

_MILD = frozenset({"nli", "politeness"})
"""The tasks whose texts are not collapsed."""
_ROLES = frozenset({"role", "content"})


@dataclass(frozen=True)
class ExplorerSample:
    """A sample of responses.

    Attributes
    ----------
    columns : dict of str to dict
        All columns except texts, as levels and codes: ``{"levels": [...], "codes": [...]}``.
    prompts, responses : list of str
        Visible texts; long ones are truncated.
    folded : list of int
        The codes of tasks whose texts are collapsed.
    n, n_all : int
        The size of the sample, and the number of all responses.
    n_kinds : int
        The number of kinds of responses.
    seed : int
    """

    columns: dict[str, dict[str, list[Any]]]
    prompts: list[str]
    responses: list[str]
    folded: list[int]
    n: int
    n_all: int
    n_kinds: int
    seed: int

    def payload(self) -> dict[str, object]:
        """Return what the page's script reads."""
        texts = {"prompts": self.prompts, "responses": self.responses}
        return {"columns": self.columns, "folded": self.folded, "n": self.n, **texts}


def draw_sample(responses: Responses, rule: str, *, most: int = MOST, seed: int = 0) -> ExplorerSample:
    """Draw a sample of responses, and prepare it for the page.

    The number of bytes is limited too; all kinds are then reduced evenly.

    Parameters
    ----------
    responses : Responses
        With texts, see `refusal_metrics.analysis.responses.sample.has_texts`.
    rule : str
        The detector of the outcomes.
    most : int
    seed : int

    Returns
    -------
    ExplorerSample
    """
    picked = draw_responses(responses, rule, most=most, seed=seed)
    drawn = picked.rows.copy()
    if "cause" not in drawn:
        drawn["cause"] = pd.Series(_causes(drawn, rule), index=drawn.index, dtype=object)
    n_chars = drawn.pop("n_response").tolist()
    told = [clip(text or "", MOST_OF_TEXT, n) for text, n in zip(drawn.pop("response"), n_chars, strict=True)]
    asked = [clip(_spoken(text or ""), MOST_OF_TEXT) for text in drawn.pop("prompt")]
    texts = pd.DataFrame({"prompt": [visible(t) for t in asked], "response": [visible(t) for t in told]})
    n_bytes = texts.map(lambda text: len(text.encode(errors="replace"))).sum(axis="columns").cumsum()
    n = max(int((n_bytes <= MOST_BYTES).sum()), 1)
    drawn, texts = drawn.head(n), texts.head(n)
    coded = {str(name): _code(drawn[name]) for name in drawn.columns if name != "labels"}
    folded = [code for code, task in enumerate(coded["task"]["levels"]) if task not in _MILD]
    for factor in coded.keys() & {"task", "persona"}:
        coded[factor]["levels"] = [name_level(factor, level) for level in coded[factor]["levels"]]
    prompts, answers = texts["prompt"].tolist(), texts["response"].tolist()
    return ExplorerSample(coded, prompts, answers, folded, n, picked.n_all, picked.n_kinds, seed)


def _causes(drawn: pd.DataFrame, rule: str) -> list[str | None]:
    """Find the causes of refusals, if the detector is a rule, which can be applied again, with the same outcome."""
    if rule not in RULES:
        return [None] * len(drawn)
    causes: list[str | None] = []
    for response, options, outcome in zip(drawn["response"], drawn["labels"], drawn["outcome"], strict=True):
        cause = None
        if outcome in (REFUSAL, EMPTY):
            verdict = RULES[rule](response, (isinstance(options, str) and read_offered(options)) or ())
            cause = verdict.cause if verdict.outcome == outcome else None
        causes.append(cause)
    return causes


def _spoken(prompt: str) -> str:
    """Join the messages of a chat."""
    if not prompt.startswith("[{"):
        return prompt
    try:
        messages = json.loads(prompt)
    except ValueError:
        return prompt
    if not all(isinstance(m, dict) and m.keys() >= _ROLES and isinstance(m["content"], str) for m in messages):
        return prompt
    return "\n\n".join(f"[{m['role']}]\n{m['content']}" for m in messages)


def _code(values: "pd.Series[str]") -> dict[str, list[Any]]:
    """Encode a column as levels and, for each row, the position of its level; -1 if it has none."""
    codes, levels = pd.factorize(values, sort=True)
    return {"levels": [_level(level) for level in levels], "codes": list(codes.tolist())}


def _level(level: object) -> object:
    if isinstance(level, bool):
        return "yes" if level else "no"
    return visible(str(level))
