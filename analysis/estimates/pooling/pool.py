r"""Who is refused more often, over all models and tasks: a multivariate random-effects meta-analysis.

The log odds ratios of `effects` are pooled in three ways, each of which answers another question:

- ``studied``: the mean over the models that were asked. No model of how models differ is needed.
- ``similar``: the mean over models like these. The models are a sample, and so are their families, if known.
- ``new``: the effect in one more model of one more family, a prediction interval.

The effects of each single model are shrunken: towards the persona's mean over models, the model's mean over personas,
and the mean of all, by as much as their errors explain of their spread.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, unknown_name

from ...arrays import CONFIDENCE, Floats
from ...contracts import POOLED, POOLED_MODELS, POOLED_SPREAD
from ...counts import Counts
from ...statistics import holm, student
from ..model_properties import look_up_families
from .effects import NEUTRAL, Effects, estimate_effects
from .log_odds import SIZES
from .mixture import FEWEST_FAMILIES, FEWEST_LEVELS, FEWEST_MODELS, FEWEST_TO_PREDICT, Mixture, interval, p_values

FEW_TEXTS = 30
"""With fewer, intervals are too narrow in simulations."""
LEVELS = ("persona", "persona_group")
STUDIED, SIMILAR, NEW = "studied", "similar", "new"
"""The scopes of a pooled effect."""


@dataclass(frozen=True)
class Pool:
    """Persona effects over models and tasks.

    Attributes
    ----------
    pooled : pandas.DataFrame
        One row a scope and persona, columns of `POOLED`.
    models : pandas.DataFrame
        One row a model and persona, columns of `POOLED_MODELS`.
    spread : pandas.DataFrame
        One row a random effect, columns of `POOLED_SPREAD`.
    notes : tuple of str
        Notes about the estimates.
    """

    pooled: pd.DataFrame
    models: pd.DataFrame
    spread: pd.DataFrame
    notes: tuple[str, ...]


def estimate_pool(
    counts: Counts,
    level: str = "persona",
    families: Path | None = None,
    by: Sequence[str] = (),
    *,
    spread: bool = True,
    baseline: str = NEUTRAL,
    only_studied: bool = False,
) -> Pool:
    r"""Pool the differences between personas and a baseline over models and tasks.

    Parameters
    ----------
    counts : Counts
        Of the persona and, for the neutral baseline, the neutral setting.
    level : {"persona", "persona_group"}
        What is compared with the neutral prompts.
    families : Path, optional
        A CSV file with the columns ``model, family``; by default those of the paper's models are known.
    by : sequence of str
        Each combination of the levels of these factors is pooled by itself: ``task`` or run factors.
    spread : bool
        Whether to compute the intervals of ``spread``, which take longer than all else; without, it is empty.
    baseline : {"neutral", "others"}
        Neutral prompts, or all other personas of the same model and task.
    only_studied : bool
        Whether to pool over the models studied alone, which is faster.

    Returns
    -------
    Pool
        Effects are odds ratios, and differences of rates: what the odds ratio makes of the neutral rate of each model
        and task, on average. ``p_adjusted`` is corrected (Holm) for the personas of a scope.

    Raises
    ------
    InputError
        For an unknown level or factor, if there are no neutral prompts, or fewer than two models can be used.

    References
    ----------
    Hedges and Olkin 1985, Statistical Methods for Meta-Analysis. Riley, Jackson and White 2017, Multivariate and
    network meta-analysis, BMJ 358, j3932. See `Mixture` and `RandomEffects` for the others.
    """
    if level not in LEVELS:
        raise unknown_name("level", level, LEVELS)
    counts.check_factors(by)
    settings, of_entry = counts.cell(list(dict.fromkeys(by)))
    known = look_up_families(counts.levels["model"], families)
    parts, notes = [], []
    for at, setting in enumerate(settings.to_dict("records")):
        where = " and ".join(f"{factor} {name}" for factor, name in setting.items())
        try:
            effects = estimate_effects(counts.take(of_entry == at), level, baseline)
            own = _pool(effects, known, spread=spread, only_studied=only_studied)
        except InputError as error:
            # Other tasks, or runs, can be pooled.
            notes.append(f"With {where}: {error}." if where else str(error))
            continue
        parts.append((setting, own))
        notes += [f"With {where}: {note}" if where else note for note in own.notes]
    if not parts:
        raise InputError(notes[0].removesuffix("."))
    pooled, models, varying = (
        pd.concat([_insert(getattr(own, name), setting) for setting, own in parts], ignore_index=True)
        for name in ("pooled", "models", "spread")
    )
    return Pool(pooled, models, varying, tuple(dict.fromkeys(notes)))


def _insert(table: pd.DataFrame, setting: Mapping[Hashable, str | None]) -> pd.DataFrame:
    """Insert the levels of the factors before all columns."""
    for at, (factor, level) in enumerate(setting.items()):
        table.insert(at, str(factor), level)
    return table


def _pool(effects: Effects, families: Mapping[str, str], *, spread: bool, only_studied: bool) -> Pool:
    models, level = effects.table["model"].unique(), str(effects.table.columns[1])
    if len(models) < 2:
        raise InputError(
            f"pool compares models, and {models[0]} is the only one that can be used; for one model use "
            f"`rates --against neutral`{'; ' if effects.notes else ''}{' '.join(effects.notes)}"
        )
    if not effects.n_texts:
        raise InputError(
            "pool: no text has different verdicts, so the errors of the effects are unknown; use more texts"
        )
    mixture = Mixture(effects, families)
    notes = [*effects.notes]
    if effects.n_texts < FEW_TEXTS:
        notes.append(
            f"Pooled effects are based on {effects.n_texts} texts; with fewer than {FEW_TEXTS}, intervals are rough."
        )
    scopes = [_studied(mixture)]
    if only_studied:
        pass
    elif len(models) < FEWEST_MODELS:
        notes.append(
            f"An estimate for models like these needs at least {FEWEST_MODELS} models; there are {len(models)}."
        )
    else:
        scopes.append(_similar(mixture))
        prediction, said = _new(mixture)
        scopes += prediction
        notes += said
    can_shrink = len(models) >= FEWEST_MODELS and len(mixture.levels) >= FEWEST_LEVELS
    if not can_shrink:
        needed = f"at least {FEWEST_MODELS} models and {FEWEST_LEVELS} levels of {level}"
        notes.append(f"Effects of single models are not shrunken, and their spread is unknown: this needs {needed}.")
    varies = (
        mixture.spread() if spread and can_shrink else pd.DataFrame(columns=["component", *POOLED_SPREAD.estimates])
    )
    pooled = pd.concat(scopes, ignore_index=True)[["scope", level, *POOLED.estimates]]
    each = _each(mixture, shrink=can_shrink)
    return Pool(pooled, each, varies[["component", *POOLED_SPREAD.estimates]], tuple(notes))


def _studied(mixture: Mixture) -> pd.DataFrame:
    """Average each persona's effects over the models studied."""
    level = mixture.effects.table.iloc[:, 1].to_numpy()
    weights = (level == np.array(mixture.levels)[:, None]).astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    estimates, variances, freedom = mixture.effects.mean(weights)
    return _table(mixture, STUDIED, estimates, np.sqrt(variances), freedom)


def _similar(mixture: Mixture) -> pd.DataFrame:
    estimates, ses, freedom = mixture.means()
    return _table(mixture, SIMILAR, estimates, ses, freedom)


def _new(mixture: Mixture) -> tuple[list[pd.DataFrame], list[str]]:
    """Predict the effects in one more model, if there are enough models and families."""
    models = mixture.effects.table["model"].unique()
    unknown = [model for model in models if model not in mixture.families]
    n_families = len({mixture.families[model] for model in models if model in mixture.families})
    if unknown:
        names = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        said = f"the family of {names} is unknown; give --models FILE"
        return [], [f"No prediction for a new model, and models are taken as independent: {said}."]
    if len(models) < FEWEST_TO_PREDICT or n_families < FEWEST_FAMILIES:
        needed = f"at least {FEWEST_TO_PREDICT} models of {FEWEST_FAMILIES} families"
        return [], [f"A prediction for a new model needs {needed}; there are {len(models)} of {n_families}."]
    estimates, sds, freedom = mixture.predictions()
    inside, n = mixture.held_out()
    said = (
        f"Prediction intervals from all other families contain {inside:,} of the {n:,} effects of the family left out "
        f"({inside / n:.0%}; 95% are expected)."
    )
    table = _table(mixture, NEW, estimates, sds, freedom)
    return [table.assign(p_value=np.nan, p_adjusted=np.nan)], [said]


def _table(mixture: Mixture, scope: str, estimates: Floats, errors: Floats, freedom: "Floats | int") -> pd.DataFrame:
    """Return pooled effects as odds ratios and as differences of rates."""
    effects, level = mixture.effects, str(mixture.effects.table.columns[1])
    ends = interval(estimates, errors, freedom)
    p = p_values(estimates, errors, freedom)
    table = pd.DataFrame({"scope": scope, level: mixture.levels, "p_value": p, "p_adjusted": holm(p)})
    rows = [np.flatnonzero(effects.table[level] == name) for name in mixture.levels]
    for name, odds, values in zip(
        ("estimate", "ci_low", "ci_high"), ("odds_ratio", "or_low", "or_high"), (estimates, *ends), strict=True
    ):
        table[name] = [effects.points(at, value) for at, value in zip(rows, values, strict=True)]
        table[odds] = np.exp(values)
    table["neutral_rate"] = [effects.neutral_rate(at) for at in rows]
    table["n_models"] = [len(at) for at in rows]
    for name in SIZES:
        table[name] = [int(effects.table[name].to_numpy()[at].sum()) for at in rows]
    return table


def _each(mixture: Mixture, *, shrink: bool) -> pd.DataFrame:
    """Return each model's effects, shrunken if possible, and as estimated from its own responses."""
    effects = mixture.effects
    own_error = np.sqrt(np.diag(mixture.covariance))
    shrunken, variances = mixture.exchangeable.shrunken() if shrink else np.full((2, len(own_error)), np.nan)
    half = student(CONFIDENCE, np.inf) * np.sqrt(variances)
    rows = [np.array([at]) for at in range(len(effects.table))]
    table = effects.table.drop(columns="estimate")
    wanted = {
        ("estimate", "odds_ratio"): shrunken,
        ("ci_low", "or_low"): shrunken - half,
        ("ci_high", "or_high"): shrunken + half,
        ("unpooled", "unpooled_odds_ratio"): effects.estimates,
        ("unpooled_low", ""): effects.estimates - student(CONFIDENCE, np.inf) * own_error,
        ("unpooled_high", ""): effects.estimates + student(CONFIDENCE, np.inf) * own_error,
    }
    for (points, odds), values in wanted.items():
        table[points] = [effects.points(at, value) for at, value in zip(rows, values, strict=True)]
        if odds:
            table[odds] = np.exp(values)
    table["neutral_rate"] = [effects.neutral_rate(at) for at in rows]
    return table[["model", table.columns[1], *POOLED_MODELS.estimates]]
