"""The variance of refusals, divided among texts, templates, personas, wordings and repeated sampling."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from ..arrays import Floats, Integers, number_combinations, positions, smallest
from ..columns import ONE_TEXT, STUDY, name_rule
from ..contracts import VARIANCE_COMPONENTS
from ..counts import Counts, check_not_empty
from ..statistics import LEAST_CLUSTERS, HalfDifference, Pairs, estimate_share
from .compared import personas_only

REPEAT = "repeat"
"""The setting of runs whose levels are answers to the same prompts."""

COMPONENTS = ("text", "persona", "wording", "template", "text:persona", "text:template", "persona:template", "seed")
"""The components that are estimated by themselves, in their order; ``rest`` is what they leave of the ``total``."""

_PHRASE = "phrase"


@dataclass(frozen=True)
class _Component:
    """A component of the variance, or why there is none."""

    found: HalfDifference | None = None
    note: str = ""
    of_neutral: bool = False


@dataclass(frozen=True)
class _Study:
    """The responses of one model and task.

    Attributes
    ----------
    codes : list of (n_entries,) array of int
        All of the prompts that pairs of responses are counted by.
    pairs, neutral : Pairs
        Of responses to prompts with a persona, and to neutral ones.
    prompt : (n_entries,) array of int
        Numbers of the distinct prompts with a persona.
    n_texts : int
        Texts with such prompts.
    """

    codes: list[Integers]
    pairs: Pairs
    neutral: Pairs
    prompt: Integers
    n_texts: int


def estimate_variance_components(counts: Counts, run_factors: Sequence[str] = ()) -> pd.DataFrame:
    r"""Divide the variance of refusals among its sources.

    A response is 1 if it was refused, otherwise 0. Half the share of pairs of responses that differ is a variance:
    among pairs that share neither text, persona nor template it is the total variance :math:`\gamma_0`; among pairs
    that share exactly the factors S it is smaller by what each of these explains, alone and jointly:

    .. math:: \gamma_0 - \gamma_S = \sum_{\emptyset \ne U \subseteq S} \sigma^2_U.

    Parameters
    ----------
    counts : Counts
        Of the persona task, and of the neutral task for the variance of wordings.
    run_factors : sequence of str
        Each combination of their levels is divided separately; ``repeat`` is the sampling instead.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and component. Columns: ``model, task``, the run factors, ``component``, then ``estimate``
        (share of the total; negative if pairs that share the factor differ more often than others), ``ci_low, ci_high``
        (jackknife over texts), ``variance``, ``n, n_texts`` (with such pairs), ``n_refused`` and ``note``, which says
        why a component has no estimate. The components add up to the total.

    Raises
    ------
    InputError
        For an unknown factor, or counts without personas.

    References
    ----------
    Koch 1968, Technometrics 10, 551-558; for balanced data the estimates are those of the analysis of variance, Searle,
    Casella and McCulloch 1992, doi:10.1002/9780470316856.
    """
    apart = [name for name in dict.fromkeys(run_factors) if name not in {REPEAT, _PHRASE}]
    counts.check_factors(["persona", *apart])
    asked, neutral = personas_only(counts), counts.where(setting="neutral")
    check_not_empty(asked, "to prompts with a persona")
    names = [*STUDY, *apart]
    studies, study = asked.cell(names)
    neutral_studies, neutral_study = neutral.cell(names)
    places = {tuple(row): i for i, row in enumerate(neutral_studies.itertuples(index=False, name=None))}
    entries, neutral_entries = _split(study, len(studies)), _split(neutral_study, len(neutral_studies))
    rows = []
    last: dict[str | None, _Study] = {}
    for i, row in enumerate(studies.itertuples(index=False, name=None)):
        own = neutral_entries[places[tuple(row)]] if tuple(row) in places else np.zeros(0, dtype=np.int64)
        sizes = {False: _sizes(asked, entries[i]), True: _sizes(neutral, own)}
        task = row[STUDY.index("task")]
        # Models are mostly asked the same prompts.
        last[task] = _describe(asked, entries[i], neutral, own, last.get(task))
        parts = _divide(last[task], sizes)
        rows += [dict(zip(names, row, strict=True)) | part for part in parts]
    return pd.DataFrame(rows, columns=[*names, "component", *VARIANCE_COMPONENTS.estimates])


def describe_detectors(counts: Mapping[str, Counts]) -> list[str]:
    """Describe how the rates of detectors differ, which is no variance: two or three rules are not a sample.

    Parameters
    ----------
    counts : mapping of str to Counts
        By the names of the detectors.

    Returns
    -------
    list of str
        One sentence; none for one detector.
    """
    asked = {rule: of_rule.where(setting="persona") for rule, of_rule in counts.items()}
    rates = [
        f"{name_rule(rule)} {100 * own.n_refused.sum() / own.n.sum():.2f}%" for rule, own in asked.items() if len(own.n)
    ]
    return [f"Refused persona prompts by detector, in addition: {', '.join(rates)}."] if len(rates) > 1 else []


def _split(group: Integers, n_groups: int) -> list[Integers]:
    """List the entries of each group."""
    # Small types are sorted several times faster.
    order = np.argsort(smallest(group), kind="stable")
    starts = np.cumsum([0, *np.bincount(group, minlength=n_groups)]).tolist()
    return [order[start:stop] for start, stop in pairwise(starts)]


def _describe(asked: Counts, own: Integers, neutral: Counts, own_neutral: Integers, other: _Study | None) -> _Study:
    """Describe the responses of one model and task, as those of another model that was asked the same prompts."""
    codes = [*_codes(asked, own), *_codes(neutral, own_neutral)]
    if other and all(np.array_equal(here, there) for here, there in zip(codes, other.codes, strict=True)):
        pairs, of_neutral = other.pairs.of(_ones(asked, own)), other.neutral.of(_ones(neutral, own_neutral))
        return replace(other, pairs=pairs, neutral=of_neutral)
    # The jackknife leaves a text out of both tasks.
    _, text = positions(np.concatenate([asked.text[own], neutral.text[own_neutral]]), asked.n_texts)
    n_texts = int(text.max(initial=-1)) + 1
    of_personas, of_neutral_prompts = text[: len(own)], text[len(own) :]
    return _Study(
        codes,
        _pairs(asked, own, of_personas, n_texts),
        _pairs(neutral, own_neutral, of_neutral_prompts, n_texts),
        _prompt(asked, own),
        int(np.count_nonzero(np.bincount(of_personas))),
    )


def _codes(counts: Counts, own: Integers) -> list[Integers]:
    """List all of the prompts of one model and task that pairs are counted by."""
    factors = [counts.codes[name] for name in ("persona", _PHRASE, "template", "language") if name in counts.codes]
    return [code[own] for code in (counts.n, counts.text, counts.row, counts.prompt, *factors)]


def _ones(counts: Counts, own: Integers) -> Floats:
    return counts.n_refused[own].astype(np.float64)


def _divide(study: _Study, sizes: Mapping[bool, dict[str, int]]) -> list[dict[str, object]]:
    """Divide the variance of one model and task; `sizes` are of its responses, and of the neutral ones."""
    pairs = study.pairs
    total = pairs.between()
    known = total.whole > 0
    parts = _components(pairs, total, study.prompt)
    if _PHRASE not in pairs.factors:
        parts["wording"] = _neutral_wording(study.neutral)
        parts["persona"] = _beyond(parts["persona"], parts["wording"])
    rest = total
    for part in parts.values():
        rest = rest - part.found if part.found else rest
    lacking = [name for name in COMPONENTS if not parts[name].found]
    parts["rest"] = _Component(rest, f"includes {', '.join(lacking)}" if lacking else "")
    parts["total"] = _Component(total, _why_none(total))
    rows: list[dict[str, object]] = []
    for name in (*COMPONENTS, "rest", "total"):
        part = parts[name]
        found = part.found if known else None
        estimate, low, high = estimate_share(found, total) if found else (np.nan, np.nan, np.nan)
        row: dict[str, object] = {"component": name, "estimate": estimate, "ci_low": low, "ci_high": high}
        row |= {"variance": found.whole if found else np.nan, "note": part.note, **sizes[part.of_neutral]}
        row["n_texts"] = study.n_texts if name in {"rest", "total"} else int(found.clusters.sum()) if found else 0
        rows.append(row)
    # The total has no share but itself.
    rows[-1] |= {"ci_low": np.nan, "ci_high": np.nan}
    return rows


def _pairs(counts: Counts, own: Integers, text: Integers, n_texts: int) -> Pairs:
    """Describe the responses of one model and task by what pairs of them can share."""
    found = {name: _code(counts, name, own) for name in ("persona", _PHRASE, "template")}
    factors = {name: code for name, code in found.items() if code is not None}
    nested = {}
    if "persona" not in factors:
        factors.pop(_PHRASE, None)
    if _PHRASE in factors:
        factors[_PHRASE] = number_combinations([factors["persona"], factors[_PHRASE]])
        nested[_PHRASE] = "persona"
    return Pairs(
        counts.n[own].astype(np.float64), _ones(counts, own), text, _item(counts, own), n_texts, factors, nested
    )


def _code(counts: Counts, name: str, own: Integers) -> Integers | None:
    """Return the levels of a factor; None if there is one level."""
    if name not in counts.codes:
        return None
    code = counts.codes[name][own]
    if name == "template" and "language" in counts.codes:
        code = number_combinations([code, counts.codes["language"][own]])
    if name == _PHRASE and "persona" in counts.codes:
        # One phrase a persona is not a factor of its own.
        persona = counts.codes["persona"][own]
        both = number_combinations([persona, code])
        return code if both.max(initial=0) > number_combinations([persona]).max(initial=0) else None
    return code if len(code) and (code != code[0]).any() else None


def _item(counts: Counts, own: Integers) -> Integers:
    """Return numbers of the texts of one model and task, or of its rows if the row is part of the prompt."""
    tasks = [number for number, task in enumerate(counts.levels["task"]) if task in ONE_TEXT]
    row = np.where(np.isin(counts.codes["task"][own], tasks), -1, counts.row[own])
    return number_combinations([counts.text[own], row])


def _prompt(counts: Counts, own: Integers) -> Integers:
    """Return numbers of the distinct prompts; without a template, those that the study has."""
    template = counts.codes["template"][own] if "template" in counts.codes else np.full(len(own), -1)
    factors = [counts.codes[name][own] for name in ("persona", _PHRASE, "language") if name in counts.codes]
    return number_combinations(
        [_item(counts, own), *factors, template, np.where(template >= 0, -1, counts.prompt[own])]
    )


def _components(pairs: Pairs, total: HalfDifference, prompt: Integers) -> dict[str, _Component]:
    """Estimate the components from differences of the half differences of pairs."""
    parts = {"text": _checked(lambda: total - pairs.within(), pairs)}
    for name in ("persona", "template"):
        parts[name] = _checked(partial(_alone, pairs, total, name), pairs, name)
        parts[f"text:{name}"] = _checked(partial(_with_text, pairs, total, name), pairs, name)
    parts["persona:template"] = _checked(
        lambda: pairs.between("persona") + pairs.between("template") - pairs.between("persona", "template") - total,
        pairs,
        "persona",
        "template",
    )
    parts["wording"] = _checked(lambda: pairs.between("persona") - pairs.between(_PHRASE), pairs, "persona", _PHRASE)
    parts["seed"] = _checked(lambda: pairs.repeated(prompt), pairs, few="one response a prompt")
    return parts


def _alone(pairs: Pairs, total: HalfDifference, name: str) -> HalfDifference:
    return total - pairs.between(name)


def _with_text(pairs: Pairs, total: HalfDifference, name: str) -> HalfDifference:
    # Both kinds of pairs of the same texts, so that texts do not differ between them.
    return pairs.within(name, less=()) - _alone(pairs, total, name)


def _checked(
    estimate: Callable[[], HalfDifference],
    pairs: Pairs,
    *factors: str,
    few: str = f"such pairs in fewer than {LEAST_CLUSTERS} texts",
) -> _Component:
    """Estimate a component if its factors have several levels, and enough texts the pairs."""
    if lacking := [name for name in factors if name not in pairs.factors]:
        return _Component(note=f"fewer than two {lacking[0]}s")
    found = estimate()
    return _Component(found) if found.is_estimable else _Component(note=few)


def _neutral_wording(neutral: Pairs) -> _Component:
    """Estimate the variance of wordings from neutral phrases, which are wordings of one persona."""
    if not len(neutral.n):
        return _Component(note="no neutral prompts", of_neutral=True)
    if "persona" not in neutral.factors:
        return _Component(note="one neutral phrase", of_neutral=True)
    found = _checked(lambda: neutral.between() - neutral.between("persona"), neutral, "persona")
    return replace(found, of_neutral=True)


def _beyond(persona: _Component, wording: _Component) -> _Component:
    """Subtract the variance of wordings from that of personas, each of which has one wording."""
    if not persona.found:
        return persona
    if not wording.found:
        return replace(persona, note="includes wording")
    return _Component(persona.found - wording.found, "beyond wording")


def _why_none(total: HalfDifference) -> str:
    """Explain why there is no variance to divide."""
    if total.whole > 0:
        return ""
    return "all responses are alike" if total.whole == 0 else "no pairs that share neither text, persona nor template"


def _sizes(counts: Counts, own: Integers) -> dict[str, int]:
    return {"n": int(counts.n[own].sum()), "n_refused": int(counts.n_refused[own].sum())}
