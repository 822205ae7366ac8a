r"""Differences between personas' refusal rates and a baseline, within texts.

Verdicts about one text are correlated, and each persona is combined with a random sample of texts. So a difference is
estimated within texts (Mantel and Haenszel): with k_x refusals in n_x responses of text g under the
persona, k_0 in n_0 under the baseline,

.. math:: \hat d = \frac{\sum_g w_g (k_{gx}/n_{gx} - k_{g0}/n_{g0})}{\sum_g w_g}, \quad
          w_g = \frac{n_{gx} n_{g0}}{n_{gx} + n_{g0}}

over the G texts with both. Distinct prompts are counted: copies of a prompt are one response, whose verdict is the mean
of theirs (`refusal_metrics.analysis.counts.count_units_by_text`). The p-value is that of a score test,
`refusal_metrics.analysis.statistics.score`: the persona's refusals are compared with the number expected if each text's
refusals are assigned to persona and baseline at random. The effect of a persona can vary between texts, so the variance
is multiplied by an overdispersion, which is pooled over the personas of a model and task and larger for a persona whose
own estimate is larger. The confidence interval contains the differences that this test does not reject.

If prompts were asked in blocks (texts with a template), all of this is within blocks, and scores are added up by text.
If no text has both, the two rates are compared as rates of independent texts.

A study with the stopping rule of `run --until-decided` has repeated p-values and confidence intervals in their place,
`refusal_metrics.analysis.statistics.sequential`.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from refusal_metrics.errors import unknown_name

from ..arrays import ALPHA, CONFIDENCE, Floats
from ..columns import BASELINES, STUDY
from ..contracts import CONTRASTS
from ..counts import Counts, count_units_by_text
from ..statistics import (
    Difference,
    adjust,
    count_selected,
    detectable,
    interval_of_difference,
    score_p,
    student,
)
from .blocks import split_texts
from .compared import Compared, compare_arms, compare_personas, pool_by_family
from .repeated import LooksOfStudies, Repeated
from .selected import estimate_selected

POWER = 0.8
"""Of a test at the minimum detectable effects."""


def estimate_contrasts(
    counts: Counts | Sequence[Counts],
    *baselines: str,
    run_factors: Sequence[str] = (),
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Estimate the difference between each persona's refusal rate and a baseline.

    Parameters
    ----------
    counts : Counts or sequence of Counts
        Several designs share no texts; their p-values are corrected together.
    *baselines : str
        ``neutral`` or ``persona-free``, the responses of that setting; ``others``, all other personas'
        of the same model and task; or a persona's name, its responses in the persona setting.
    run_factors : sequence of str
        Each combination of their levels is compared with the baseline of the same, and is a family of its own
        besides model and task.
    confidence : float
        The level of ``ci_low, ci_high, or_low, or_high``: 1 - .05 / K makes those of K personas simultaneous.

    Returns
    -------
    pandas.DataFrame
        One row a baseline, model, task and persona (but the baseline itself), without models and tasks
        that lack the baseline. Columns: ``model, task``, the run factors, ``persona, baseline``, then

        ``estimate, ci_low, ci_high``
            Difference of refusal rates in [-1, 1] with its 95% confidence interval, which contains 0 exactly if
            ``p_value`` is above .05. If no text has different verdicts,
            the interval is from -b to b, b = 1 - .025^(1/texts): if verdicts differed in a larger share of texts, some
            of these would have shown it.
        ``estimate_shrunken``
            Of the differences that are significant after correction: the difference shrunken towards the mean of the
            personas of this model and task, see `refusal_metrics.analysis.estimates.selected`. Missing
            for the other differences, for fewer than three personas, and without common texts.
        ``ci_low_named, ci_high_named``
            Of the same differences that are significant after correction: the confidence interval at the level
            1 - .05 (S/m) (R/n), see `refusal_metrics.analysis.statistics.multiplicity.selection_levels`, with R of the
            n personas of a model and task significant, and any in S of the m models and tasks. Selected differences
            are too large on average, and their usual intervals cover too rarely; of these, at least 95% are expected
            to cover. They do not contain 0.
        ``odds_ratio, or_low, or_high``
            Mantel and Haenszel's, with a text-clustered interval; no interval where it is 0, infinite
            or undefined.
        ``p_value, p_adjusted``
            Of the null hypothesis of no difference; the second is corrected for all personas and families, within the
            baseline.
        ``mde_up, mde_down``
            The minimum detectable effects: the smallest increase and the smallest decrease that the study detects with
            80% power, at the most stringent level of the correction, from the rate of both arms together. Both are
            positive; the increase is 1 if none is detectable, the decrease is missing if none is down to a rate of 0.
        ``equiv_low, equiv_high``
            90% confidence interval of the same test: differences outside it are excluded by two one-sided tests at 5%.
        ``n, n_texts, n_refused, n_baseline, n_refused_baseline``
            Of the distinct prompts compared; refusals are rounded if copies of a prompt have different verdicts.
        ``within_texts``
            Whether the comparison is within texts; then only texts with both arms count.

        One text gives an estimate only, and so does an arm of one text without common texts.

    Raises
    ------
    InputError
        For an unknown baseline or factor, or counts without personas.

    References
    ----------
    Greenland and Robins 1985, doi:10.2307/2530643. Robins, Breslow and Greenland 1986,
    doi:10.2307/2531052, for the odds ratio.
    """
    designs = [counts] if isinstance(counts, Counts) else list(counts)
    study = [*STUDY, *dict.fromkeys(run_factors)]
    looks = {name: of for design in designs for name, of in design.looks.items()}
    compared = compare_personas(designs, baselines, study)
    return pd.concat([_tabulate(one, study, ["persona"], looks, confidence) for one in compared], ignore_index=True)


def estimate_setting_contrasts(counts: Counts, *baselines: str, run_factors: Sequence[str] = ()) -> pd.DataFrame:
    """Estimate the difference between the persona setting's refusal rate and another setting's.

    Parameters
    ----------
    counts : Counts
    *baselines : {"neutral", "persona-free"}
    run_factors : sequence of str
        As in `estimate_contrasts`.

    Returns
    -------
    pandas.DataFrame
        As of `estimate_contrasts`, one row a baseline, model and task, without ``persona``.

    Raises
    ------
    InputError
        For an unknown baseline or factor.
    """
    for baseline in baselines:
        if baseline not in BASELINES:
            raise unknown_name("baseline", baseline, BASELINES)
    study = [*STUDY, *dict.fromkeys(run_factors)]
    counts, text = split_texts(counts)
    cells = count_units_by_text(counts.where(setting="persona"), study)
    references = [count_units_by_text(counts.where(setting=baseline), study) for baseline in baselines]
    compared = [
        compare_arms([(cells, reference, text)], study, [], baseline)
        for baseline, reference in zip(baselines, references, strict=True)
    ]
    return pd.concat([_tabulate(one, study, [], counts.looks) for one in compared], ignore_index=True)


def _tabulate(
    compared: Compared,
    study: Sequence[str],
    levels: Sequence[str],
    looks: LooksOfStudies,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Test and estimate the differences, corrected for all of them."""
    repeated = Repeated(compared.family, looks)
    columns = _columns(compared.differences, compared.family, compared.within, compared.by_text, repeated, confidence)
    table = pd.concat([compared.named.assign(baseline=compared.baseline), columns], axis=1)
    return table.assign(within_texts=compared.within)[[*study, *levels, "baseline", *CONTRASTS.estimates]]


def _columns(
    d: Difference,
    family: list[tuple[str, ...]],
    within: NDArray[np.bool_],
    by_text: Callable[[], sparse.csc_array],
    repeated: Repeated,
    confidence: float,
) -> pd.DataFrame:
    has_error = d.freedom > 0
    d, phi = pool_by_family(d, family, within)
    score = d.score
    p = repeated.p_values(np.where(has_error, score_p(score, phi), np.nan))
    n_selected, n_families = count_selected(p, family)
    size = Counter(name for name, is_tested in zip(family, ~np.isnan(p), strict=True) if is_tested)
    n_tests = np.array([max(n_families * size[name], 1) for name in family], dtype=np.float64)
    increase, decrease = (
        np.where(has_error, found, np.nan)
        for found in detectable(score, phi, repeated.levels(ALPHA * max(n_selected, 1) / n_tests), POWER)
    )
    ends: dict[str, Floats] = {}
    levels = 1 - repeated.levels(1 - confidence)
    for names, level in (
        (("ci_low", "ci_high"), levels),
        (("equiv_low", "equiv_high"), 1 - repeated.levels(2 * ALPHA)),
    ):
        ends |= zip(names, interval_of_difference(d, phi, level), strict=True)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds = np.exp(d.log_odds + student(levels, d.freedom) * d.log_odds_error * np.array([[-1], [0], [1]]))
    adjusted = adjust(p, family)
    selected = estimate_selected(score, phi, adjusted, family, within & has_error, by_text, repeated)
    ends |= {name: np.where(has_error, values, np.nan) for name, values in selected.items()}
    columns = {
        "estimate": score.estimate,
        "odds_ratio": np.exp(d.log_odds),
        "or_low": odds[0],
        "or_high": odds[2],
        "p_value": p,
        "p_adjusted": adjusted,
        "mde_up": increase,
        "mde_down": decrease,
    }
    sizes = ("n", "n_texts", "n_refused", "n_baseline", "n_refused_baseline")
    counted = {name: np.rint(getattr(d, name)).astype(np.int64) for name in sizes}
    return pd.DataFrame(columns | ends | counted)


def describe_missing(baselines: Sequence[str]) -> str:
    """Explain why there is no contrast with some baselines, and which tasks to run.

    Parameters
    ----------
    baselines : sequence of str

    Returns
    -------
    str
        One sentence.

    Examples
    --------
    >>> describe_missing(["neutral"])
    'No task was run in both settings: add persona_refusal_neutral to lm_eval --tasks.'
    """
    tasks = {"neutral": "persona_refusal_neutral", "persona-free": "persona_refusal_persona_free"}
    wanted = [tasks[name] for name in baselines if name in tasks]
    return (
        f"No task was run in both settings: add {' and '.join(wanted)} to lm_eval --tasks."
        if wanted
        else "There are no other personas."
    )
