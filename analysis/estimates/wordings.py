r"""Differences between personas and neutral prompts, beyond the spread of their wordings.

A contrast tests the wordings of a persona that were asked, often one, as if there were no others. If wordings alone
have an effect on refusals, it finds differences where the persona has none. With several phrases of each persona and of
the neutral baseline, the persona is compared with the spread of phrases, see
`refusal_metrics.analysis.statistics.wordings`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError, quoted

from ..columns import PHRASE, STUDY
from ..contracts import WORDINGS
from ..counts import Counts, TextCounts, count_units_by_text
from ..statistics import adjust, compare_wordings

_FEWEST = 2
"""The fewest phrases of a persona with which anything is claimed of the persona."""


def has_phrases(counts: Counts) -> bool:
    """Return whether personas are asked about in phrases, so that `estimate_wordings` has something to compare.

    Parameters
    ----------
    counts : Counts
    """
    if PHRASE[0] not in counts.levels:
        return False
    asked = counts.where(setting="persona")
    return bool((asked.codes[PHRASE[0]] >= 0).any())


def estimate_wordings(counts: Counts, run_factors: Sequence[str] = ()) -> pd.DataFrame:
    """Estimate how far each persona's refusal rate is from the neutral one beyond the spread of wordings.

    Parameters
    ----------
    counts : Counts
        Of a study with phrases, in the persona and the neutral setting.
    run_factors : sequence of str
        Each combination of their levels is a family of its own besides model and task.

    Returns
    -------
    pandas.DataFrame
        One row a model, task and persona, without models and tasks that have no neutral prompts. Columns: ``model,
        task``, the run factors, ``persona``, then

        ``estimate, ci_low, ci_high``
            The mean of the rates of the persona's phrases minus that of the neutral phrases, differences between
            grammatical forms removed, with its 95% confidence interval.
        ``noise_band``
            The absolute difference that is beyond the spread of wordings at a level of .05 over all personas of the
            family (Bonferroni).
        ``p_value, p_adjusted``
            Of the null hypothesis that the persona has no effect beyond that of its wordings; the second is corrected
            for all personas and families.
        ``sd_wordings, estimate_in_sd``
            The standard deviation of the rates of phrases of one persona and form, without noise; and the estimate
            divided by it, missing if that is 0.
        ``df, n_phrases, n_phrases_baseline``
            Degrees of freedom of the spread, and the numbers of phrases.
        ``n, n_texts, n_refused, n_baseline, n_refused_baseline``
            Of the distinct prompts compared.

        Without two phrases of the persona and of the baseline there is only an estimate.

    Raises
    ------
    InputError
        If no persona has a phrase or some responses have none, if a neutral phrase is one of a persona, if the forms
        of personas and neutral phrases cannot be compared, or for an unknown factor.
    """
    counts.check_factors(["persona", *run_factors])
    if not has_phrases(counts):
        raise InputError(
            "the responses have no phrases of personas, so an effect of a persona cannot be distinguished from one of "
            "its wording; run the study with a file of personas that have phrases (setting personas)"
        )
    study = [*STUDY, *dict.fromkeys(run_factors)]
    factors = [*study, "persona", *(name for name in PHRASE if name in counts.levels)]
    asked, reference = (count_units_by_text(_phrased(counts, name), factors) for name in ("persona", "neutral"))
    places = {name: own.index for name, own in reference.cells.groupby(study, sort=False, dropna=False)}
    tables = [
        _compare(asked, own.index, reference, places[name], study)
        for name, own in asked.cells.groupby(study, sort=False, dropna=False)
        if name in places
    ]
    columns = [*study, "persona", *WORDINGS.estimates]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    family = list(table[study].itertuples(index=False, name=None))
    return table.assign(p_adjusted=adjust(table["p_value"], family))[columns]


def _phrased(counts: Counts, setting: str) -> Counts:
    """Select the responses of a setting, which must all have a phrase."""
    own = counts.where(setting=setting)
    own = own.take(own.codes["persona"] >= 0)
    if n_without := int(np.count_nonzero(own.codes[PHRASE[0]] < 0)):
        raise InputError(
            f"{n_without:,} of {len(own.n):,} responses to {setting} prompts have no phrase, and others have; personas "
            "can be compared beyond their wordings only if all of them and the neutral baseline have phrases"
        )
    return own


def _compare(
    asked: TextCounts, own: "pd.Index[int]", reference: TextCounts, neutral: "pd.Index[int]", study: Sequence[str]
) -> pd.DataFrame:
    """Compare the personas of one model and task with its neutral phrases."""
    cells, baseline = asked.cells.loc[own], reference.cells.loc[neutral]
    _check_distinct(cells, baseline)
    of_persona, personas = pd.factorize(cells["persona"])
    arm = np.concatenate([np.zeros(len(neutral), dtype=np.int64), of_persona + 1])
    both = pd.concat([baseline, cells])
    # A form that is missing is one for all.
    form = pd.factorize(both[PHRASE[1]])[0] + 1 if PHRASE[1] in both else np.zeros(len(both), dtype=np.int64)
    n, k = (
        np.hstack([reference_of[:, neutral].toarray(), asked_of[:, own].toarray()])
        for reference_of, asked_of in ((reference.n, asked.n), (reference.n_refused, asked.n_refused))
    )
    try:
        found = compare_wordings(n, k, arm, form)
    except ValueError as error:
        raise InputError(
            f"the phrases of {', '.join(map(str, personas))} and the neutral ones have no grammatical forms in common, "
            "so personas cannot be compared beyond their wordings; ask about all of them in the same forms"
        ) from error
    n_phrases = np.bincount(of_persona)
    claims = (n_phrases >= _FEWEST) & (len(neutral) >= _FEWEST)
    low, high = found.interval()
    with np.errstate(divide="ignore", invalid="ignore"):
        in_sd = np.where(found.sd_wordings > 0, found.estimate / found.sd_wordings, np.nan)
    table = cells.drop_duplicates("persona")[[*study, "persona"]].reset_index(drop=True)
    claimed = {"ci_low": low, "ci_high": high, "noise_band": found.band(), "p_value": found.p_value}
    sums = cells.groupby(of_persona)[["n", "n_refused"]].sum()
    return table.assign(
        estimate=found.estimate,
        **{name: np.where(claims, values, np.nan) for name, values in claimed.items()},
        sd_wordings=found.sd_wordings,
        estimate_in_sd=np.where(claims, in_sd, np.nan),
        df=found.freedom,
        n_phrases=n_phrases,
        n_phrases_baseline=len(neutral),
        n=sums["n"],
        n_texts=[int((n[:, arm == place + 1].sum(axis=1) > 0).sum()) for place in range(len(personas))],
        n_refused=sums["n_refused"],
        n_baseline=int(baseline["n"].sum()),
        n_refused_baseline=int(baseline["n_refused"].sum()),
    )


def _check_distinct(cells: pd.DataFrame, baseline: pd.DataFrame) -> None:
    """Check that no neutral phrase is one of a persona."""
    text, persona = PHRASE[0], "persona"
    if shared := sorted(set(cells[text]) & set(baseline[text])):
        named = cells.loc[cells[text] == shared[0], persona].iloc[0]
        raise InputError(
            f"the phrase {quoted(shared[0])} of the persona {named} is a neutral phrase too, so the persona would be "
            "compared with itself; remove it from one of them"
        )
