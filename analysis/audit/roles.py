"""What each column of a table is: named by the user, or guessed from its name and its values.

A guess must be the only one. The names by which a column is known are in tiers, and the first tier with a column
counts. Two columns of one tier that differ are an error, which names the option to give. A column of texts must pair
conditions.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from .baseline import NO_PERSONA
from .rows import Rows, listed


@dataclass(frozen=True)
class Roles:
    """The columns of a table of answers by what they are; None for those that it lacks, or that are to be guessed.

    Attributes
    ----------
    response : str or None
        What the model answered.
    persona : str or None
        The condition: whom the prompt names, or another name of what differs between prompts.
    text : str or None
        The text that the prompt is about, or any id of it; it serves only to pair responses.
    model, task, prompt : str or None
    labels : str or None
        The answers offered: texts between bars, or a column of such texts or lists.
    verdict : str or None
        Whether a response is a refusal.
    """

    response: str | None = None
    persona: str | None = None
    text: str | None = None
    model: str | None = None
    task: str | None = None
    prompt: str | None = None
    labels: str | None = None
    verdict: str | None = None

    @property
    def labels_column(self) -> str | None:
        """The column of labels, if they are not the same for all responses."""
        return None if self.labels is None or is_offered(self.labels) else self.labels

    def columns(self) -> dict[str, str]:
        """Return the columns that have a role."""
        named = {of.name: getattr(self, of.name) for of in fields(self)} | {"labels": self.labels_column}
        return {role: name for role, name in named.items() if name is not None}


_Tiers = Sequence[Sequence[str]]
_RESPONSES: _Tiers = (
    ("response", "completion", "model_response", "model_output", "model_answer", "llm_response", "generated_text"),
    ("output", "reply", "answer", "generation", "generated", "raw_response", "prediction"),
)
_PERSONAS: _Tiers = (
    ("persona", "condition", "cond"),
    ("persona_name", "persona_id", "persona_text", "role", "identity", "character", "demographic", "arm", "variant"),
)
_TEXTS: _Tiers = (
    ("text_id", "item_id", "question_id", "instance_id", "doc_id", "example_id", "sample_id", "pair_id"),
    ("text", "question", "item", "premise", "statement", "comment", "passage", "base", "original_prompt"),
    ("row", "row_id", "instance", "idx", "index", "id", "qid", "uid", "prompt_id", "prompt", "input", "instruction"),
)
_MODELS: _Tiers = (("model", "model_name", "model_id", "llm"),)
_TASKS: _Tiers = (("task",),)
_PROMPTS: _Tiers = (("prompt",), ("full_prompt",), ("input",), ("instruction",), ("query",))
_LABELS: _Tiers = (("labels",), ("options",), ("choices",))
_VERDICTS: _Tiers = (("refused", "refusal", "is_refusal", "is_refused", "verdict"),)

LONG = "the table needs one row per response, with a column that names the condition"
_WIDE = f"{LONG}; if each condition has a column of its own, reshape it first (pandas.DataFrame.melt)"
_ENOUGH = 0.5
"""The share of the values of a guessed text column that have to occur under two conditions."""


def is_offered(labels: str) -> bool:
    """Return whether labels are the answers themselves, rather than the name of a column."""
    return "|" in labels or labels.lstrip().startswith("[")


def find_roles(rows: Rows, given: Roles) -> tuple[Roles, list[str]]:
    """Find what each column is.

    Parameters
    ----------
    rows : Rows
    given : Roles
        What the user named; the rest is guessed.

    Returns
    -------
    Roles
    list of str
        A sentence about each guess.

    Raises
    ------
    InputError
        If a named column does not exist, a needed one cannot be found, or two columns could be the same.
    """
    for name in given.columns().values():
        if name not in rows.columns:
            raise unknown_name(f"column in {rows.name}:", name, rows.columns)
    finder = _Finder(rows, given)
    response = given.response or finder.find("response", _RESPONSES)
    verdict = given.verdict or (None if response else finder.find("verdict", _VERDICTS))
    if response is None and verdict is None:
        raise finder.lacks("response", "no column of responses", _WIDE)
    persona = given.persona or finder.find("persona", _PERSONAS)
    if persona is None:
        raise finder.lacks("persona", "no column of conditions", _WIDE)
    check_conditions(rows, persona, rows.column(persona))
    text = given.text or finder.find("text", _TEXTS, lambda name: pairs(rows, persona, name) >= _ENOUGH)
    if text is None:
        raise finder.lacks("text", *_unpaired(rows, persona))
    # The text may be the prompt.
    prompt = given.prompt or finder.find("prompt", _PROMPTS, again={text})
    labels = given.labels or finder.find("labels", _LABELS, lambda name: _are_lists(rows.column(name)))
    found = Roles(
        response,
        persona,
        text,
        given.model or finder.find("model", _MODELS),
        given.task or finder.find("task", _TASKS),
        prompt,
        labels,
        verdict,
    )
    return found, list(finder.said(given, found))


def check_conditions(rows: Rows, persona: str, conditions: "pd.Series[str]") -> None:
    """Check that there are two conditions to compare; rows without one count as a condition.

    Raises
    ------
    InputError
    """
    found = sorted(conditions.dropna().unique())
    if conditions.nunique(dropna=False) < 2:
        raise InputError(
            f"{rows.name}: the column {persona} has one condition only ({listed(found) or 'none is named'}), so there "
            "is nothing to compare; give a table with two, or name the column of conditions with --persona"
        )


def pairs(rows: Rows, persona: str, text: str) -> float:
    """Return the share of a column's values that occur under two or more conditions; 0 if all values are the same."""
    both = pd.DataFrame({"text": rows.column(text), "persona": rows.column(persona).fillna(NO_PERSONA)})
    both = both.dropna().drop_duplicates()
    times = both["text"].value_counts()
    return float((times > 1).mean()) if len(times) > 1 else 0.0


def _unpaired(rows: Rows, persona: str) -> tuple[str, str]:
    """Explain why no column pairs the conditions: what was found, and what to do."""
    n = rows.column(persona).value_counts()
    largest = ", ".join(f"{count:,} of {listed([level])}" for level, count in n.head(3).items())
    candidates = [name for name in rows.columns if _fold(name) in {n for tier in _TEXTS for n in tier}]
    tried = f" ({', '.join(candidates)}: no value, or few, occur under two conditions)" if candidates else ""
    return (
        f"no column names the text that a response is about{tried}, so responses ({largest}) cannot be paired",
        "all responses about one text need the same value in it",
    )


def _are_lists(values: "pd.Series[str]") -> bool:
    some = values.dropna()
    return bool(len(some)) and all(is_offered(value) for value in some.unique())


def _fold(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


class _Finder:
    """Guesses of columns that the user did not name."""

    def __init__(self, rows: Rows, given: Roles) -> None:
        self._rows = rows
        self._taken = set(given.columns().values())

    def find(
        self,
        role: str,
        tiers: _Tiers,
        fits: Callable[[str], bool] = lambda _: True,
        again: Iterable[str] = (),
    ) -> str | None:
        """Find the only column of the first tier that has one; None if there is none."""
        free = [name for name in self._rows.columns if name in {*again} or name not in self._taken]
        for tier in tiers:
            candidates = sorted(
                (name for name in free if _fold(name) in tier), key=lambda name: tier.index(_fold(name))
            )
            candidates = [name for name in candidates if fits(name)]
            if not candidates:
                continue
            first = candidates[0]
            if others := [name for name in candidates[1:] if not self._alike(first, name)]:
                raise InputError(
                    f"{self._rows.name}: {' and '.join([first, *others])} could be the column of the {_SAID[role]}; "
                    f"name it with --{role}"
                )
            self._taken.add(first)
            return first
        return None

    def _alike(self, one: str, other: str) -> bool:
        """Return whether two columns divide the rows into the same groups."""
        codes = [pd.factorize(self._rows.column(name))[0] for name in (one, other)]
        n = len(pd.DataFrame(codes).T.drop_duplicates())
        return n == len(set(codes[0])) == len(set(codes[1]))

    def lacks(self, role: str, found: str, advice: str) -> InputError:
        """Build the error for a column that is needed and was not found."""
        return InputError(
            f"{self._rows.name}: {found} (columns: {listed(self._rows.columns)}); name it with --{role}; {advice}"
        )

    def said(self, given: Roles, found: Roles) -> Iterator[str]:
        """Report the guesses."""
        guessed = {role: name for role, name in found.columns().items() if getattr(given, role) is None}
        if guessed:
            named = ", ".join(f"{_SAID[role]} = {name}" for role, name in guessed.items())
            options = " ".join(f"--{role}" for role in guessed)
            yield f"Columns guessed by their names: {named}. Name others with {options}."


_SAID = {
    "response": "response",
    "persona": "condition",
    "text": "text",
    "model": "model",
    "task": "task",
    "prompt": "prompt",
    "labels": "answers offered",
    "verdict": "verdict",
}
