"""Phrases of personas: the same grammatical forms for all, the neutral ones among them, checked when a file is loaded.

Without them each persona is a single noun phrase, and an effect of that phrase cannot be distinguished from one of the
persona. With several phrases of each persona and of the neutral ones, effects of phrases can be estimated, if no form
is asked of some personas only.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from refusal_metrics.errors import InputError, has_control, quoted, unknown_name
from refusal_metrics.prompts.design import Persona, Phrase

FORMS = ("noun_phrase", "adjective", "who_is", "description")
"""The grammatical forms: a nurse, a nursing professional, someone who is a nurse, a person who works as a nurse."""
LEAST, LEAST_NEUTRAL = 3, 6
"""The fewest phrases of a persona, and of all neutral personas together."""

_KEYS = {"form", "text"}
_ARTICLES = ("a", "an", "the")


def read_phrases(where: str, value: object) -> tuple[Phrase, ...]:
    """Parse the phrases of one persona.

    Parameters
    ----------
    where : str
        File and key, for errors.
    value : object
        From YAML.

    Returns
    -------
    tuple of Phrase

    Raises
    ------
    InputError
        If it is no list of mappings with a known form and a text.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} must be a list of {{form, text}}, found {quoted(value)}")
    phrases = []
    for i, entry in enumerate(value):
        if not isinstance(entry, dict) or set(entry) != _KEYS:
            found = ", ".join(map(quoted, entry)) if isinstance(entry, dict) else quoted(entry)
            raise InputError(f"{where}[{i}] must have the keys form and text, found {found}")
        if entry["form"] not in FORMS:
            raise unknown_name(f"form in {where}[{i}]", str(entry["form"]), FORMS)
        text = entry["text"]
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}[{i}].text must be a text, found {quoted(text)}")
        if has_control(text):
            raise InputError(f"{where}[{i}].text must be without control characters, found {quoted(text)}")
        phrases.append(Phrase(" ".join(text.split()), entry["form"]))
    return tuple(phrases)


def split_article(text: str) -> tuple[str, str]:
    """Split a phrase into its article, empty if it has none, and the rest.

    Examples
    --------
    >>> split_article("an Asian person"), split_article("someone who is Asian")
    (('an', 'Asian person'), ('', 'someone who is Asian'))
    """
    first, _, rest = text.partition(" ")
    return (first, rest) if first.lower() in _ARTICLES and rest else ("", text)


def with_forms_of(neutral: Iterable[Persona], people: Sequence[Persona]) -> tuple[Persona, ...]:
    """Keep the phrases of neutral personas that are of the forms of other personas.

    Parameters
    ----------
    neutral : iterable of Persona
    people : sequence of Persona

    Returns
    -------
    tuple of Persona
        Those that have such phrases.
    """
    forms = {phrase.form for persona in people for phrase in persona.phrases}
    kept = [replace(p, phrases=tuple(phrase for phrase in p.phrases if phrase.form in forms)) for p in neutral]
    return tuple(persona for persona in kept if persona.phrases)


def check_phrases(source: str, people: Sequence[Persona]) -> None:
    """Check that the phrases of personas are comparable.

    Parameters
    ----------
    source : str
        The file, for errors.
    people : sequence of Persona
        All personas of a design, the neutral ones among them.

    Raises
    ------
    InputError
        If a phrase occurs twice or is neutral too, or if the personas do not all have phrases, enough of them, and
        those of the same forms.
    """
    neutral = [persona for persona in people if persona.neutral]
    named = [persona for persona in people if not persona.neutral]
    _check_texts(source, neutral, named)
    worded = next((persona for persona in people if persona.phrases), None)
    if worded is None:
        return
    if bare := next((persona for persona in people if not persona.phrases), None):
        raise InputError(
            f"{source}: the persona {bare.id!r} has no phrases, but {worded.id!r} has; give phrases to all personas, "
            "the neutral ones among them, or to none"
        )
    for persona in named:
        if len(persona.phrases) < LEAST:
            raise InputError(
                f"{source}: the persona {persona.id!r} has {len(persona.phrases)} phrases; give at least {LEAST}"
            )
    of_neutral = [phrase for persona in neutral for phrase in persona.phrases]
    listed = f"the neutral personas together ({', '.join(persona.id for persona in neutral)})"
    if len(of_neutral) < LEAST_NEUTRAL:
        raise InputError(f"{source}: {listed} have {len(of_neutral)} phrases; give at least {LEAST_NEUTRAL}")
    if named:
        usual = Counter(phrase.form for phrase in named[0].phrases)
        for persona in named:
            own = Counter(phrase.form for phrase in persona.phrases)
            if own != usual:
                raise _unlike(source, f"the persona {persona.id!r} has", own, usual, named[0].id)
        own = Counter(phrase.form for phrase in of_neutral)
        if any(own[form] * usual.total() != usual[form] * own.total() for form in {*own, *usual}):
            raise _unlike(source, f"{listed} have", own, usual, named[0].id)


def _check_texts(source: str, neutral: Sequence[Persona], named: Sequence[Persona]) -> None:
    """Check that no phrase of a persona is a neutral one too, and that no phrase is there twice."""
    of_neutral: dict[str, str] = {}
    seen: dict[str, str] = {}
    for persona in (*neutral, *named):
        for worded in persona.wordings:
            text = " ".join(str(worded).casefold().split())
            if text in of_neutral and not persona.neutral:
                raise InputError(
                    f"{source}: {str(worded)!r}, of the persona {persona.id!r}, is a neutral phrase (of "
                    f"{of_neutral[text]!r}); a neutral phrase cannot be a persona, so remove it from one of them"
                )
            if persona.phrases and text in seen:
                raise InputError(
                    f"{source}: the phrase {str(worded)!r} is of {seen[text]!r} and of {persona.id!r}; give each "
                    "phrase once"
                )
            seen[text] = persona.id
            if persona.neutral:
                of_neutral[text] = persona.id


def _unlike(source: str, who: str, own: Counter[str], usual: Counter[str], first: str) -> InputError:
    return InputError(
        f"{source}: {who} the forms {_count(own)}, but the persona {first!r} has {_count(usual)}; give all personas "
        "the same forms, and the neutral ones together the same forms in the same proportions"
    )


def _count(forms: Counter[str]) -> str:
    return ", ".join(f"{form} ({forms[form]})" for form in FORMS if form in forms)
