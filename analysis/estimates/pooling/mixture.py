"""What the effects of some models say of models like these: random effects of models and their families."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from ...arrays import CONFIDENCE, Floats, Integers
from ...statistics import RandomEffects, fit_random_effects, student
from .effects import Effects

FEWEST_MODELS = 3
"""With fewer, nothing is known of how models differ."""
FEWEST_TO_PREDICT, FEWEST_FAMILIES = 8, 5
"""A prediction for a new model needs as many models, of as many families."""
FEWEST_LEVELS = 3
"""Fewer personas cannot be shrunken."""


@dataclass(frozen=True)
class Mixture:
    """The random-effects models of some effects.

    Attributes
    ----------
    effects : Effects
    families : mapping of str to str
        The family of each model; without all of them, models are taken as independent.
    """

    effects: Effects
    families: Mapping[str, str]

    @cached_property
    def labels(self) -> dict[str, Integers]:
        """The groups of each random effect, by its name; those that no other has."""
        model, level = (self.effects.table[name] for name in self.effects.table.columns[:2])
        factors = {"model": model}
        if self.has_families:
            factors |= {"family": model.map(self.families)}
        named = level.name
        found = {name: pd.factorize(own)[0] for name, own in factors.items()}
        found |= {f"{named}:{name}": pd.factorize(own + "\0" + level)[0] for name, own in factors.items()}
        # If there is one persona, two of them are the same; the first name is kept.
        distinct = {tuple(codes): name for name, codes in reversed(found.items())}
        return {name: codes for name, codes in found.items() if name in distinct.values()}

    @cached_property
    def has_families(self) -> bool:
        """Whether families are known, and at least one has two models."""
        models = set(self.effects.table["model"])
        known = {self.families[model] for model in models if model in self.families}
        return models <= set(self.families) and 1 < len(known) < len(models)

    @cached_property
    def n_clusters(self) -> int:
        """How many independent units there are: families, or models."""
        models = self.effects.table["model"].unique()
        return len({self.families[model] for model in models}) if self.has_families else len(models)

    @cached_property
    def covariance(self) -> Floats:
        """The covariance of the effects' errors."""
        return self.effects.covariance()

    @cached_property
    def levels(self) -> list[str]:
        """The personas."""
        return sorted(self.effects.table.iloc[:, 1].unique())

    @cached_property
    def by_level(self) -> RandomEffects:
        """The model in which each persona has a mean of its own."""
        level = self.effects.table.iloc[:, 1].to_numpy()
        x = (level[:, None] == np.array(self.levels)).astype(np.float64)
        return fit_random_effects(self.effects.estimates, x, self.covariance, list(self.labels.values()))

    @cached_property
    def exchangeable(self) -> RandomEffects:
        """The model in which personas are a sample as well, which shrinks them."""
        level = pd.factorize(self.effects.table.iloc[:, 1])[0]
        groups = [level, *self.labels.values()]
        return fit_random_effects(self.effects.estimates, np.ones((len(level), 1)), self.covariance, groups)

    def means(self) -> tuple[Floats, Floats, int]:
        """Estimate the mean of each persona over models like these.

        Returns
        -------
        estimates, ses : (n_levels,) array of float
            With Knapp and Hartung's standard errors, at least the model-based ones.
        freedom : int

        References
        ----------
        Knapp and Hartung 2003, doi:10.1002/sim.1482. Roever, Knapp and Friede 2015, BMC Medical Research Methodology
        15, 99, for errors that are not below the model-based ones.
        """
        fitted = self.by_level
        ses = np.sqrt(max(fitted.scale, 1.0) * np.diag(fitted.covariance))
        return fitted.coef, ses, self.n_clusters - 1

    def predictions(self) -> tuple[Floats, Floats, int]:
        """Predict the effects in one more model, of one more family.

        Returns
        -------
        estimates, sds : (n_levels,) array of float
        freedom : int

        References
        ----------
        Higgins, Thompson and Spiegelhalter 2009, Journal of the Royal Statistical Society A 172, 137-159.
        """
        estimates, ses, freedom = self.means()
        return estimates, np.sqrt(ses**2 + self.by_level.components.sum()), freedom - 1

    def held_out(self) -> tuple[int, int]:
        """Predict the effects of each family, or model, from all others, and count those within their intervals.

        Returns
        -------
        n_inside, n : int
        """
        model, level = self.effects.table["model"], self.effects.table.iloc[:, 1].to_numpy()
        unit = model.map(self.families) if self.has_families else model
        inside, n = 0, 0
        for name in unit.unique():
            out = (unit == name).to_numpy()
            rest = Mixture(self.effects.take(~out), self.families)
            means, sds, freedom = rest.predictions()
            at = pd.Index(rest.levels).get_indexer(pd.Index(level[out]))
            sd = np.sqrt(sds[at] ** 2 + np.diag(self.covariance)[out])
            distance = np.abs(self.effects.estimates[out] - means[at])
            inside += int(np.count_nonzero((at >= 0) & (distance <= student(CONFIDENCE, freedom) * sd)))
            n += int(np.count_nonzero(at >= 0))
        return inside, n

    def spread(self) -> pd.DataFrame:
        """Estimate the standard deviations of the random effects, on the log-odds scale.

        Returns
        -------
        pandas.DataFrame
            Columns ``component, estimate, ci_low, ci_high, n_levels``; the intervals are of the profile likelihood.
        """
        fitted = self.exchangeable
        names = [str(self.effects.table.columns[1]), *self.labels]
        rows = []
        for at, name in enumerate(names):
            low, high = fitted.profile(at)
            n_levels = len(np.unique(fitted.groups[at]))
            rows.append((name, *np.sqrt([fitted.components[at], low, high]), n_levels))
        return pd.DataFrame(rows, columns=["component", "estimate", "ci_low", "ci_high", "n_levels"])


def interval(
    estimates: Floats, errors: Floats, freedom: "Floats | int", confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Return the confidence interval of estimates by Student's t."""
    half = student(confidence, freedom) * errors
    return estimates - half, estimates + half


def p_values(estimates: Floats, errors: Floats, freedom: "Floats | int") -> Floats:
    """Return the two-sided p-values of estimates by Student's t."""
    return np.asarray(2 * stats.t.sf(np.abs(estimates) / errors, freedom), dtype=np.float64)
