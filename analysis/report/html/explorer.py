"""A sample of responses for reading, drawn so that every kind of them is in it."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from refusal_metrics.detection.rules import ANSWERS_BY, RULES
from refusal_metrics.detection.verdict import EMPTY, REFUSAL

from ...display.html import clip, visible
from ...responses.detectors import read_offered
from ...responses.sql import identifier
from ...responses.table import Responses, count

MOST = 2000
"""How many responses a page holds."""
MOST_BYTES = 4_000_000
"""How many bytes of prompts and responses a page holds."""
MOST_OF_TEXT = 2000
"""How many characters of a prompt or response a page holds."""

_READ = 20_000
"""How many characters of a response are read again for its cause."""
_MILD = frozenset({"nli", "politeness"})
"""The tasks whose texts are not folded."""
_SHOWN = (
    *("model", "task", "setting", "persona", "template", "response_type", "stratum"),
    *("text_id", "row_id", "design_id", "index"),
)
_IDENTITY = ("model", "design_id", "index", "run")
"""What tells responses apart in sample logs, and in tables written from them."""
_ELSE = (
    *("model", "task", "setting", "persona", "template", "text_id", "row_id", "language", "temperature", "run"),
    *("response_type", "response"),
)
_ROLES = frozenset({"role", "content"})


@dataclass(frozen=True)
class Sample:
    """Responses to read.

    Attributes
    ----------
    columns : dict of str to dict
        What is known of each but its texts, as levels and codes: ``{"levels": [...], "codes": [...]}``.
    prompts, responses : list of str
        As texts to be shown, long ones cut.
    folded : list of int
        The codes of ``task`` whose texts are shown at a click alone.
    n, n_all : int
        How many responses are here, and how many there are.
    n_kinds : int
        Of how many kinds.
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
        """Give what the page's script reads."""
        texts = {"prompts": self.prompts, "responses": self.responses}
        return {"columns": self.columns, "folded": self.folded, "n": self.n, **texts}


def has_texts(responses: Responses) -> bool:
    """Tell whether the responses come with their texts."""
    return "response" in responses.columns and bool(
        count(responses.connection, "SELECT count(*) FROM (SELECT 1 FROM responses WHERE response IS NOT NULL LIMIT 1)")
    )


def draw_sample(responses: Responses, rule: str, *, most: int = MOST, seed: int = 0) -> Sample:
    """Draw responses to read: as many of each kind as of any other, as far as there are so many.

    A kind is a model, task, setting and outcome, and whether the rules disagree. Within a kind the order is that of
    the MD5 of the seed with what tells a response apart, so that the same are drawn again from
    the same responses. Bytes are limited too; kinds are then cut evenly.

    Parameters
    ----------
    responses : Responses
        With texts, see `has_texts`.
    rule : str
        The rule of the outcomes.
    most : int
    seed : int

    Returns
    -------
    Sample
    """
    columns = responses.columns
    n_all, n_kinds = _pick(responses, rule, most, seed)
    drawn = _read(responses, rule, most, seed)
    if "cause" not in columns:
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
    return Sample(coded, texts["prompt"].tolist(), texts["response"].tolist(), folded, n, n_all, n_kinds, seed)


def _outcome(responses: Responses, rule: str) -> str:
    """Say as SQL what a response is; without what says which are empty, refusals and others alone are told apart."""
    refused = identifier(f"refused_{rule}")
    if "empty" not in responses.columns:
        return f"CASE WHEN {refused} THEN 'refusal' WHEN NOT {refused} THEN 'no refusal' ELSE 'no verdict' END"
    # What a rule that knows no answers does not flag may be one.
    answered = "WHEN answered THEN 'answer' WHEN NOT empty THEN 'other'" if rule == ANSWERS_BY else ""
    known = f"WHEN {refused} IS NULL THEN 'no verdict' WHEN empty THEN 'empty' WHEN {refused} THEN 'refusal'"
    return f"CASE {known} {answered} ELSE 'no refusal' END"


def _disagree(responses: Responses) -> str:
    listed = ", ".join(identifier(f"refused_{rule}") for rule in responses.rules)
    return f"len(list_distinct([{listed}])) > 1"


def _key(responses: Responses, seed: int) -> str:
    names = _IDENTITY if {"design_id", "index"} <= set(responses.columns) else _ELSE
    known = [f"{identifier(name)}::VARCHAR" for name in names if name in responses.columns]
    return f"md5_number_lower(concat_ws(chr(31), '{seed:d}', {', '.join(known)}))"


def _pick(responses: Responses, rule: str, most: int, seed: int) -> tuple[int, int]:
    """Make the table ``picked`` of the keys that are drawn, and count the responses and their kinds."""
    kinds = [name for name in ("model", "task", "setting") if name in responses.columns]
    told = f"{', '.join(kinds)}, {_outcome(responses, rule)} AS outcome, {_disagree(responses)} AS disagree"
    responses.query(
        "CREATE OR REPLACE TEMP TABLE kinds AS "
        f"SELECT {', '.join(kinds)}, outcome, disagree, count(*) AS n, min(key, {most:d}) AS keys "
        f"FROM (SELECT {told}, {_key(responses, seed)} AS key FROM responses WHERE response IS NOT NULL) "
        f"GROUP BY {', '.join(kinds)}, outcome, disagree"
    )
    responses.query(
        # Responses that nothing tells apart have one key.
        "CREATE OR REPLACE TEMP TABLE picked AS SELECT key, min(place) AS place FROM (SELECT unnest(keys) AS key, "
        f"generate_subscripts(keys, 1) AS place FROM kinds) GROUP BY key ORDER BY place, key LIMIT {most:d}"
    )
    row = responses.query("SELECT sum(n)::BIGINT, count(*) FROM kinds").fetchall()[0]
    return int(row[0]), int(row[1])


def _read(responses: Responses, rule: str, most: int, seed: int) -> pd.DataFrame:
    """Read what was picked, in the order in which it was."""
    columns = responses.columns
    shown = [identifier(name) for name in _SHOWN if name in columns]
    shown += ["cause"] * ("cause" in columns)
    shown += [f"{_outcome(responses, rule)} AS outcome", f"{_disagree(responses)} AS disagree"]
    shown += [identifier(f"refused_{name}") for name in responses.rules]
    shown += [f"left(response, {_READ}) AS response", "length(response) AS n_response"]
    for name, sql in {"prompt": f"left(prompt, {_READ})", "labels": "labels"}.items():
        shown.append(f"{sql if name in columns else 'NULL::VARCHAR'} AS {name}")
    return responses.query(
        f"SELECT {', '.join(shown)} FROM responses JOIN picked ON picked.key = {_key(responses, seed)} "
        f"WHERE response IS NOT NULL ORDER BY place, picked.key LIMIT {most:d}"
    ).df()


def _causes(drawn: pd.DataFrame, rule: str) -> list[str | None]:
    """Find the causes of refusals, where the rule is one that can be asked again and says the same."""
    if rule not in RULES:
        return [None] * len(drawn)
    causes: list[str | None] = []
    for response, labels, outcome in zip(drawn["response"], drawn["labels"], drawn["outcome"], strict=True):
        cause = None
        if outcome in (REFUSAL, EMPTY):
            verdict = RULES[rule](response, (isinstance(labels, str) and read_offered(labels)) or ())
            cause = verdict.cause if verdict.outcome == outcome else None
        causes.append(cause)
    return causes


def _spoken(prompt: str) -> str:
    """Write the messages of a chat one after the other."""
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
    """Write a column as its levels and, for each row, the place of its level; -1 where there is none."""
    codes, levels = pd.factorize(values, sort=True)
    return {"levels": [_level(level) for level in levels], "codes": list(codes.tolist())}


def _level(level: object) -> object:
    if isinstance(level, bool):
        return "yes" if level else "no"
    return visible(str(level))
