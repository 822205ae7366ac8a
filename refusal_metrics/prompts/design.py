"""Personas and prompt templates of a study. `refusal_metrics.prompts.design_files` loads them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from refusal_metrics.errors import InputError, unknown_name

KINDS = ("nli", "politeness", "offensiveness")
SETTINGS = ("persona", "neutral", "persona-free")
CONTRAST = "contrast"
"""The setting of tasks whose docs are of two settings, persona and neutral."""
RESPONSE_TYPES = ("unforced", "semi-forced", "forced")
NEUTRAL_GROUP = "neutral"
LANGUAGE = "en"
"""The language of the prompts, and of responses if nothing names another."""

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "nli": ("premise", "hypothesis"),
    "politeness": ("text",),
    "offensiveness": ("text",),
}
"""The text fields of a row, by kind; the first one identifies the text."""

N_OPTIONS: Mapping[str, int] = {"nli": 3, "politeness": 2, "offensiveness": 2}
"""How many answers the templates of a kind offer."""


@dataclass(frozen=True)
class Phrase:
    """One of several wordings of a persona, with its grammatical form: ``"someone who is Asian"``, ``"who_is"``."""

    text: str
    form: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Persona:
    """A person in a prompt: ``"a man"``, ``"an Asian person"``.

    With `phrases`, the prompts have these instead, and the noun phrase is that of the first one.
    """

    id: str
    group: str
    noun_phrase: str
    article: str
    plural: str = ""
    adjective: str = ""
    phrases: tuple[Phrase, ...] = ()

    def __str__(self) -> str:
        return self.phrases[0].text if self.phrases else f"{self.article} {self.noun_phrase}"

    @property
    def asked(self) -> dict[str, object]:
        """What decides the prompts: all but other names of the persona, which only the detector reads."""
        own: dict[str, object] = {"id": self.id, "group": self.group}
        if self.phrases:
            return own | {"phrases": [[phrase.form, phrase.text] for phrase in self.phrases]}
        return own | {"noun_phrase": self.noun_phrase, "article": self.article}

    @property
    def words(self) -> tuple[str, ...]:
        """What the persona is called, the noun phrase first, for the detector."""
        names = (self.noun_phrase, self.plural, self.adjective, *(phrase.text for phrase in self.phrases))
        return tuple(name for name in names if name)

    @property
    def wordings(self) -> "tuple[Persona, ...]":
        """The persona in each of its phrases; itself if it has none."""
        return tuple(replace(self, phrases=(phrase,)) for phrase in self.phrases) or (self,)

    @property
    def neutral(self) -> bool:
        """Whether the persona has no named group."""
        return fold_name(self.group) == NEUTRAL_GROUP


@dataclass(frozen=True)
class Template:
    """One paraphrase of an instruction, for one kind of task."""

    id: str
    kind: str
    response_type: str
    instruction: str
    input: str

    def render(self, persona: Persona | str | None, options: list[str], text_fields: Mapping[str, str]) -> str:
        """Write the prompt: the instruction, a blank line, the text.

        Parameters
        ----------
        persona : Persona, str or None
            The persona or one of its phrases; None for persona-free templates.
        options : list of str
            The answers offered, in the order of the prompt.
        text_fields : mapping
            The text fields of the kind, see `TEXT_FIELDS`. Braces in them are plain text.

        Returns
        -------
        str
            The prompt, its first letter a capital.
        """
        names = {f"l{i}": option for i, option in enumerate(options, start=1)}
        instruction = self.instruction.format(persona=persona, **names)
        instruction = instruction[:1].upper() + instruction[1:]
        return instruction + "\n\n" + self.input.format(**text_fields)


Asked = TypeVar("Asked", Persona, Template)


@dataclass(frozen=True)
class Design:
    """All personas and templates of a study.

    Attributes
    ----------
    personas : tuple of Persona
        Of every group, the neutral ones among them.
    templates : mapping
        ``(kind, "persona" | "persona-free")`` to a tuple of `Template`.
    personas_on_request, templates_on_request : frozenset of str
        Ids that a study uses only if its settings name them, so that adding one changes no other study.
    """

    personas: tuple[Persona, ...]
    templates: Mapping[tuple[str, str], tuple[Template, ...]]
    personas_on_request: frozenset[str] = frozenset()
    templates_on_request: frozenset[str] = frozenset()

    def personas_for(self, setting: str, wanted: list[str] | None = None) -> tuple[Persona, ...]:
        """Choose the personas of a setting.

        Parameters
        ----------
        setting : {"persona", "persona-free", "neutral", "contrast"}
            A contrast task has the personas of the persona setting, then those of the neutral one.
        wanted : list of str, optional
            Ids or groups; case, spaces, hyphens, underscores and a trailing "person" do not
            matter. A group means its personas that are asked by default, or all of them if none is.
            The personas of named groups and the neutral ones never share a task: each
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
        if setting == CONTRAST:
            return self.personas_for("persona", wanted) + self.personas_for("neutral", wanted)
        chosen = None if wanted is None else self._persona_ids(wanted)
        if setting == "persona-free":
            return ()
        own = tuple(p for p in self.personas if p.neutral == (setting == "neutral"))
        if not own:
            raise InputError(f"the design has no personas for a {setting} task: define at least one of another group")
        default = _asked_by_default(own, self.personas_on_request)
        selected = default if chosen is None else tuple(p for p in own if p.id in chosen)
        if wanted and not selected and setting == "persona":
            raise InputError(
                f"personas {', '.join(wanted)} are all neutral, so a persona task has none: "
                "name at least one persona of another group, or run the neutral task"
            )
        return selected or default

    def _persona_ids(self, wanted: list[str]) -> set[str]:
        """Look up ids, noun phrases and groups, however they are spelt."""
        groups = {fold_name(p.group): p.group for p in self.personas}
        members = {key: [p for p in self.personas if p.group == group] for key, group in groups.items()}
        ids = {key: {p.id for p in _asked_by_default(of, self.personas_on_request)} for key, of in members.items()}
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
        setting : {"persona", "persona-free", "neutral", "contrast"}
        wanted : list of str, optional
            Template ids or response types. A response type means its templates that are asked by
            default, or all of them if none is.

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
            return _asked_by_default(every, self.templates_on_request)
        for name in wanted:
            if name not in RESPONSE_TYPES and name not in [t.id for t in every]:
                raise unknown_name("template or response type", name, [t.id for t in every] + list(RESPONSE_TYPES))
        named = set(wanted)
        for response_type in set(wanted) & set(RESPONSE_TYPES):
            of_type = [t for t in every if t.response_type == response_type]
            named |= {t.id for t in _asked_by_default(of_type, self.templates_on_request)}
        chosen = tuple(t for t in every if t.id in named)
        if not chosen:
            raise InputError(
                f"templates {', '.join(wanted)}: no {kind} template is of that response type; name another"
            )
        return chosen


def _asked_by_default(some: Sequence[Asked], on_request: frozenset[str]) -> tuple[Asked, ...]:
    return tuple(one for one in some if one.id not in on_request) or tuple(some)


def fold_name(name: object) -> str:
    """Fold the spellings of a persona or group together: "Transgender man", "transgender_man"."""
    bare = re.sub(r"[\s_-]", "", str(name)).lower()
    return bare.removesuffix("person") or bare
