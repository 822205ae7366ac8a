"""Personas and prompt templates: what a study asks. `refusal_metrics.prompts.design_files` loads them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from refusal_metrics.errors import InputError, unknown_name

KINDS = ("nli", "politeness", "offensiveness")
SETTINGS = ("persona", "neutral", "persona-free")
RESPONSE_TYPES = ("unforced", "semi-forced", "forced")
NEUTRAL_GROUP = "neutral"

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "nli": ("premise", "hypothesis"),
    "politeness": ("text",),
    "offensiveness": ("text",),
}
"""The text fields of a row, by kind; the first one identifies the text."""

N_LABELS: Mapping[str, int] = {"nli": 3, "politeness": 2, "offensiveness": 2}
"""How many answers the templates of a kind offer."""


@dataclass(frozen=True)
class Persona:
    """Somebody a prompt speaks of: ``"a man"``, ``"an Asian person"``."""

    id: str
    group: str
    noun_phrase: str
    article: str

    def __str__(self) -> str:
        return f"{self.article} {self.noun_phrase}"

    @property
    def neutral(self) -> bool:
        """Whether the persona is of no named group."""
        return fold_name(self.group) == NEUTRAL_GROUP


@dataclass(frozen=True)
class Template:
    """One paraphrase of an instruction, for one kind of task."""

    id: str
    kind: str
    response_type: str
    instruction: str
    input: str

    def render(self, persona: Persona | None, labels: list[str], text_fields: Mapping[str, str]) -> str:
        """Write the prompt: the instruction, a blank line, the text.

        Parameters
        ----------
        persona : Persona or None
            None for persona-free templates.
        labels : list of str
            The answers offered, in the order of the prompt.
        text_fields : mapping
            The text fields of the kind, see `TEXT_FIELDS`. Braces in them are plain text.

        Returns
        -------
        str
            The prompt, its first letter a capital.
        """
        names = {f"l{i}": label for i, label in enumerate(labels, start=1)}
        instruction = self.instruction.format(persona=persona, **names)
        instruction = instruction[:1].upper() + instruction[1:]
        return instruction + "\n\n" + self.input.format(**text_fields)


@dataclass(frozen=True)
class Design:
    """All personas and templates of a study.

    Attributes
    ----------
    personas : tuple of Persona
        Of every group, the neutral ones among them.
    templates : mapping
        ``(kind, "persona" | "persona-free")`` to a tuple of `Template`.
    """

    personas: tuple[Persona, ...]
    templates: Mapping[tuple[str, str], tuple[Template, ...]]

    def personas_for(self, setting: str, wanted: list[str] | None = None) -> tuple[Persona, ...]:
        """Choose the personas of a setting.

        Parameters
        ----------
        setting : {"persona", "persona-free", "neutral"}
        wanted : list of str, optional
            Ids or groups; case, spaces, hyphens, underscores and a trailing "person" do not
            matter. The personas of named groups and the neutral ones never share a task: each
            setting takes from the list what is its own, and the neutral setting, which is the
            baseline of any persona, takes all of its own where the list names none.

        Returns
        -------
        tuple of Persona
            In the order of the design; empty for persona-free.

        Raises
        ------
        InputError
            For a name that is neither a persona nor a group, or where none is left.
        """
        chosen = None if wanted is None else self._persona_ids(wanted)
        if setting == "persona-free":
            return ()
        own = tuple(p for p in self.personas if p.neutral == (setting == "neutral"))
        if not own:
            raise InputError(f"the design has no personas for a {setting} task: define at least one of another group")
        selected = tuple(p for p in own if chosen is None or p.id in chosen)
        if wanted and not selected and setting == "persona":
            raise InputError(
                f"personas {', '.join(wanted)} are all neutral, so a persona task has none: "
                "name at least one persona of another group, or run the neutral task"
            )
        return selected or own

    def _persona_ids(self, wanted: list[str]) -> set[str]:
        """Look up ids, noun phrases and groups, however they are spelt."""
        groups = {fold_name(p.group): p.group for p in self.personas}
        ids = {key: {p.id for p in self.personas if p.group == group} for key, group in groups.items()}
        ids |= {fold_name(p.noun_phrase): {p.id} for p in self.personas}
        ids |= {fold_name(p.id): {p.id} for p in self.personas}
        for name in wanted:
            if fold_name(name) not in ids:
                # Without the trailing "person", else every misspelt noun phrase is nearest to the neutral one.
                bare = re.sub(r"(?<=\w)[\s_-]*person$", "", name, flags=re.IGNORECASE)
                names = dict.fromkeys([p.id for p in self.personas] + list(groups.values()))
                raise unknown_name("persona or group", name, names, near=bare)
        return set().union(*(ids[fold_name(name)] for name in wanted))

    def templates_for(self, kind: str, setting: str, wanted: list[str] | None = None) -> tuple[Template, ...]:
        """Choose the templates of a kind and setting.

        Parameters
        ----------
        kind : {"nli", "politeness", "offensiveness"}
        setting : {"persona", "persona-free", "neutral"}
        wanted : list of str, optional
            Template ids or response types.

        Returns
        -------
        tuple of Template
            In the order of the design.

        Raises
        ------
        InputError
            For a name that is neither a template nor a response type.
        """
        every = self.templates[kind, "persona-free" if setting == "persona-free" else "persona"]
        if wanted is None:
            return every
        for name in wanted:
            if name not in RESPONSE_TYPES and name not in [t.id for t in every]:
                raise unknown_name("template or response type", name, [t.id for t in every] + list(RESPONSE_TYPES))
        chosen = tuple(t for t in every if t.id in wanted or t.response_type in wanted)
        if not chosen:
            raise InputError(
                f"templates {', '.join(wanted)}: no {kind} template is of that response type; name another"
            )
        return chosen


def fold_name(name: object) -> str:
    """Fold the spellings of a persona or group together: "Transgender man", "transgender_man"."""
    bare = re.sub(r"[\s_-]", "", str(name)).lower()
    return bare.removesuffix("person") or bare
