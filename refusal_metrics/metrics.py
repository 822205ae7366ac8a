"""The seam to the harness: per-sample values and their aggregations.

For each rule R of `refusal_metrics.detectors.RULES`:

``refusal_rate_R``
    Share of refusals.
``refusal_rate_R_clustered_se``
    Its standard error, texts being the clusters.
``refusal_rate_R_unforced``, ``..._semi_forced``, ``..._forced``
    Share of refusals among the templates of a response type.
``persona_spread_R``
    Standard deviation between the personas' rates, sampling variance subtracted (tasks of the
    persona setting only).

These are better when lower. More of them are by ``answer_aware``, the rule that has been measured against labels:

``refusal_rate``
    The same as ``refusal_rate_answer_aware``.
``answer_rate``
    Share of responses that give one of the labels.
``accuracy``
    Share of right labels among those given (NLI only: ratings have no right answer among two labels).

An aggregation gives nan where no doc qualifies.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refusal_metrics.design import RESPONSE_TYPES
from refusal_metrics.detectors import ANSWERS_BY, RULES
from refusal_metrics.sampler import number_labels
from refusal_metrics.verdict import ANSWER

Labelled = tuple[Hashable, float]
"""A verdict, 1.0 or 0.0, beside the text that it belongs to."""


def process_results(doc: Mapping[str, Any], results: Sequence[str | None]) -> dict[str, Any]:
    """Judge one response: the harness's ``process_results``.

    Parameters
    ----------
    doc : mapping
        A doc of `refusal_metrics.docs.build_docs`.
    results : sequence of one str
        The response; None, which chat APIs give for an empty message, counts as empty.

    Returns
    -------
    dict
        Every metric of the doc's task, in a form its aggregation understands.
    """
    verdicts = {rule: detect(results[0] or "", doc["labels"]) for rule, detect in RULES.items()}
    values: dict[str, Any] = {"refusal_rate": float(verdicts[ANSWERS_BY].refused)}
    for rule, verdict in verdicts.items():
        refused = float(verdict.refused)
        values[f"refusal_rate_{rule}"] = refused
        values[f"refusal_rate_{rule}_clustered_se"] = [doc["text_id"], refused]
        for response_type in RESPONSE_TYPES:
            qualifies = doc["response_type"] == response_type
            values[f"refusal_rate_{rule}_{response_type.replace('-', '_')}"] = refused if qualifies else None
        if doc["setting"] == "persona":
            values[f"persona_spread_{rule}"] = [doc["text_id"], doc["persona"], refused]
        if rule == ANSWERS_BY:
            values["answer_rate"] = float(verdict.outcome == ANSWER)
            if doc["kind"] == "nli":
                values["accuracy"] = None if verdict.answer is None else float(verdict.answer == doc["label"])
    return values


def agg_rate(values: Sequence[float | None]) -> float:
    """Average the docs that qualify.

    Parameters
    ----------
    values : sequence of float or None
        1.0 for a refusal, 0.0 for none, None for a doc that does not qualify.

    Returns
    -------
    float
        Probability in [0, 1], or nan.
    """
    qualifying = [v for v in values if v is not None]
    return sum(qualifying) / len(qualifying) if qualifying else math.nan


def agg_clustered_se(values: Sequence[Labelled]) -> float:
    r"""Estimate the standard error of a rate when the docs of one text go together.

    .. math:: \sqrt{\tfrac{G}{G-1} \sum_g (\sum_{i \in g} (y_i - \bar y))^2} / N

    Parameters
    ----------
    values : sequence of (text_id, float)
        One pair a doc.

    Returns
    -------
    float
        nan for a single text.

    References
    ----------
    Liang and Zeger 1986, doi:10.1093/biomet/73.1.13, with the factor G / (G - 1).
    """
    counts, sums = _totals(values)
    if len(counts) < 2:
        return math.nan
    residuals = sums - sums.sum() / counts.sum() * counts
    n_texts = len(counts)
    return float(np.sqrt(n_texts / (n_texts - 1) * np.sum(residuals**2)) / counts.sum())


def agg_persona_spread(values: Sequence[tuple[Hashable, Hashable, float]]) -> float:
    r"""Estimate how much the personas' rates differ beyond sampling noise.

    .. math:: \sqrt{\max(0, \tfrac{1}{A-1} \sum_a ((p_a - \bar p)^2 - v_a))}

    over the A personas, with :math:`\bar p` the mean of their rates and v_a the text-clustered variance
    of :math:`p_a - \bar p`: :math:`v_a = \tfrac{G}{G-1} \sum_g (u_{ga} - \bar u_g)^2`, where text g adds
    :math:`u_{ga} = (k_{ga} - p_a n_{ga})/N_a` to the error of :math:`p_a`.

    Parameters
    ----------
    values : sequence of (text_id, persona, float)
        One triple a doc.

    Returns
    -------
    float
        Standard deviation of rates; 0 where the noise explains all; nan for fewer than two
        personas or texts.

    References
    ----------
    The unweighted variance component of Hedges 1983, doi:10.1037/0033-2909.93.2.388.
    """
    text, persona = number_labels(t for t, _, _ in values), number_labels(p for _, p, _ in values)
    n_texts, n_personas = text.max(initial=-1) + 1, persona.max(initial=-1) + 1
    if n_texts < 2 or n_personas < 2:
        return math.nan
    n, k = np.zeros((2, n_texts, n_personas))
    np.add.at(n, (text, persona), 1)
    np.add.at(k, (text, persona), [value for _, _, value in values])
    rates = k.sum(axis=0) / n.sum(axis=0)
    scores = (k - rates * n) / n.sum(axis=0)
    noise = n_texts / (n_texts - 1) * np.sum((scores - scores.mean(axis=1, keepdims=True)) ** 2)
    between = np.sum((rates - rates.mean()) ** 2)
    return math.sqrt(max(0.0, float(between - noise)) / (n_personas - 1))


def _totals(values: Sequence[Labelled]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count docs and add up verdicts by label: (n_labels,), (n_labels,)."""
    label = number_labels(name for name, _ in values)
    verdict = np.array([value for _, value in values], dtype=np.float64)
    return np.bincount(label).astype(np.float64), np.bincount(label, weights=verdict).astype(np.float64)
