"""Components of variance: against the analysis of variance, all pairs one by one, and recomputation."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.statistics.variance_components import HalfDifference, Pairs, estimate_share
from scipy import stats


def crossed(values):
    """Describe a (texts, personas, templates) array of values, one response each."""
    text, persona, template = (axis.ravel() for axis in np.indices(values.shape))
    factors = {"persona": persona, "template": template}
    return Pairs(np.ones(values.size), values.ravel().astype(float), text, text, len(values), factors, {})


def components(pairs):
    total = pairs.between()
    persona, template = (total - pairs.between(name) for name in ("persona", "template"))
    return {
        "total": total,
        "text": total - pairs.within(),
        "persona": persona,
        "template": template,
        "text:persona": pairs.within("persona", less=()) - persona,
        "text:template": pairs.within("template", less=()) - template,
        "persona:template": total - pairs.between("persona", "template") - persona - template,
    }


def anova(values):
    """Solve the expected mean squares of a three-way layout with one value a cell (Searle et al. 1992, chapter 4)."""
    sizes = values.shape
    mean = {
        kept: values.mean(axis=tuple({0, 1, 2} - set(kept)), keepdims=True)
        for n in range(4)
        for kept in combinations(range(3), n)
    }
    square = {}
    for kept in mean:
        effect = sum(
            (-1) ** (len(kept) - len(part)) * mean[part] for n in range(len(kept) + 1) for part in combinations(kept, n)
        )
        times = np.prod([sizes[axis] for axis in range(3) if axis not in kept])
        freedom = np.prod([sizes[axis] - 1 for axis in kept])
        square[kept] = times * (np.asarray(effect) ** 2).sum() / freedom if kept else None
    g, a, t = sizes
    rest = square[0, 1, 2]
    two = {(0, 1): (square[0, 1] - rest) / t, (0, 2): (square[0, 2] - rest) / a, (1, 2): (square[1, 2] - rest) / g}
    return {
        "text": (square[0,] - square[0, 1] - square[0, 2] + rest) / (a * t),
        "persona": (square[1,] - square[0, 1] - square[1, 2] + rest) / (g * t),
        "template": (square[2,] - square[0, 2] - square[1, 2] + rest) / (g * a),
        "text:persona": two[0, 1],
        "text:template": two[0, 2],
        "persona:template": two[1, 2],
        "rest": rest,
    }  # fmt: skip


@given(st.tuples(st.integers(2, 4), st.integers(2, 4), st.integers(2, 3)), st.integers(0, 2**32 - 1))
def test_components_of_crossed_data_are_those_of_the_analysis_of_variance(shape, seed):
    values = np.random.default_rng(seed).integers(0, 2, shape)
    found = {name: one.whole for name, one in components(crossed(values)).items()}
    expected = anova(values)
    rest = expected.pop("rest")
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    # The components add up to the total: an unbiased estimate of p (1 - p).
    assert found["total"] == pytest.approx(sum(expected.values()) + rest, abs=1e-12)


def test_values_that_depend_on_the_text_alone_are_all_variance_of_texts():
    values = np.zeros((4, 3, 2), dtype=int)
    values[:2] = 1
    found = {name: one.whole for name, one in components(crossed(values)).items()}
    # Of the 6 pairs of texts, 4 differ: half of 4/6.
    assert found == pytest.approx(dict.fromkeys(found, 0) | {"total": 1 / 3, "text": 1 / 3})


def test_a_persona_that_is_always_refused_is_all_variance_of_personas():
    values = np.zeros((5, 4, 2), dtype=int)
    values[:, 0] = 1
    found = {name: one.whole for name, one in components(crossed(values)).items()}
    # Of the 6 pairs of personas, 3 differ: half of 3/6, which is the variance of 1, 0, 0, 0 with the divisor 3.
    assert found == pytest.approx(dict.fromkeys(found, 0) | {"total": 1 / 4, "persona": 1 / 4})


def by_all_pairs(rows, same_text, shared, *, nested):
    """Compare all pairs one by one; rows are (value, text, persona, phrase, template)."""
    by_text = {}
    for one, other in combinations(rows, 2):
        alike = {
            name for name, x, y in zip(("persona", "phrase", "template"), one[2:], other[2:], strict=True) if x == y
        }
        exactly = shared | ({"persona"} if nested and "phrase" in shared else set())
        if (one[1] == other[1]) == same_text and alike == exactly:
            by_text.setdefault(one[1] if same_text else 0, []).append(one[0] != other[0])
    if not by_text:
        return None
    # Each text weighs as much as it has responses.
    weight = {text: sum(row[1] == text for row in rows) if same_text else 1 for text in by_text}
    return sum(weight[t] * np.mean(d) for t, d in by_text.items()) / sum(weight.values()) / 2  # fmt: skip


unbalanced = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)),
    min_size=2,
    max_size=25,
)


@given(unbalanced)
def test_half_differences_of_unbalanced_data_are_those_of_all_pairs(rows):
    # A phrase belongs to one persona.
    rows = [(y, text, persona, 10 * persona + phrase, template) for y, text, persona, phrase, template in rows]
    values, text, persona, phrase, template = (np.array(column) for column in zip(*rows, strict=True))
    text = np.unique(text, return_inverse=True)[1]
    rows = list(zip(values, text, persona, phrase, template, strict=True))
    factors = {"persona": persona, "phrase": phrase, "template": template}
    pairs = Pairs(
        np.ones(len(values)), values.astype(float), text, text, text.max() + 1, factors, {"phrase": "persona"}
    )
    for shared in ((), ("persona",), ("phrase",), ("template",), ("persona", "template"), ("phrase", "template")):
        for same_text, found in ((False, pairs.between(*shared)), (True, pairs.within(*shared))):
            if same_text and shared == ("phrase", "template"):
                continue  # these pairs are repeats, see below
            expected = by_all_pairs(rows, same_text, set(shared), nested=True)
            assert found.whole == pytest.approx(np.nan if expected is None else expected, nan_ok=True, abs=1e-12)


def test_repeats_of_a_prompt_have_the_variance_within_prompts():
    # Prompts with 1 of 2, 1 of 3 and 0 of 1: variances 1/2 and 1/3 with weights 2 and 3; one response has none.
    values, prompt = np.array([1, 0, 1, 0, 0, 0.0]), np.array([0, 0, 1, 1, 1, 2])
    found = Pairs(np.ones(6), values, prompt, prompt, 3, {}, {}).repeated(prompt)
    assert found.whole == pytest.approx((2 * 1 / 2 + 3 * 1 / 3) / 5)
    assert found.clusters.tolist() == [True, True, False]
    assert found.without[:2] == pytest.approx([1 / 3, 1 / 2])


@given(unbalanced)
def test_leaving_out_a_text_equals_estimating_without_it(rows):
    values, text, persona, _, template = (np.array(column) for column in zip(*rows, strict=True))
    values, text = values.astype(float), np.unique(text, return_inverse=True)[1]

    def estimates(keep, n_texts):
        own = np.unique(text[keep], return_inverse=True)[1]
        return components(
            Pairs(
                np.ones(len(own)),
                values[keep],
                own,
                own,
                n_texts,
                {"persona": persona[keep], "template": template[keep]},
                {},
            )
        )

    n_texts = text.max() + 1
    every = estimates(np.ones(len(text), dtype=bool), n_texts)
    for left_out in range(n_texts * (n_texts > 1)):
        for name, one in estimates(text != left_out, n_texts - 1).items():
            assert every[name].without[left_out] == pytest.approx(one.whole, nan_ok=True, abs=1e-12)


def test_the_interval_of_a_share_is_that_of_the_jackknife():
    whole = HalfDifference(0.2, np.full(4, 0.2), np.ones(4, dtype=bool))
    part = HalfDifference(0.1, np.array([0.08, 0.08, 0.12, 0.12]), np.ones(4, dtype=bool))
    # Shares .4, .4, .6, .6 without each text: variance 3/4 * 4 * .1 ** 2, and t with 3 degrees of freedom, for the
    # kurtosis of 1 leaves all of them: min(3, 8 / (1 - 1/3)).
    reach = stats.t.ppf(0.975, 3) * np.sqrt(0.03)
    assert estimate_share(part, whole) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach))


def test_a_component_needs_pairs_in_enough_texts():
    shape = (10, 2, 2)
    values = np.array([sum(cell) % 2 for cell in product(*map(range, shape))]).reshape(shape)
    assert components(crossed(values))["text:persona"].is_estimable
    assert not components(crossed(values[:9]))["text:persona"].is_estimable
