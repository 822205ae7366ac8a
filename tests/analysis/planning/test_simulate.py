"""Simulated studies of a plan are tested as real ones are."""

from dataclasses import replace

import numpy as np
import pytest
from refusal_metrics.analysis.counts import Counts
from refusal_metrics.analysis.estimates import estimate_contrasts, estimate_rates
from refusal_metrics.analysis.planning import Layout, Question, Size, Source, Truth, lay_out, simulate_studies
from refusal_metrics.analysis.planning import simulate as module


@pytest.fixture(scope="module")
def source():
    """150 texts of 5 classes with two rows each."""
    text = np.repeat(np.arange(150), 2)
    return Source("offensiveness", text, text, np.arange(300) % 5, 6, 3, 9)


def as_counts(n, k, n0, k0):
    """Build the responses of one study from refusals of each text and persona, (n_texts, n_personas), and neutral."""
    entries = []
    for (text, persona), size in np.ndenumerate(n.astype(int)):
        entries += [(0, persona, text, i < k[text, persona]) for i in range(size)]
    for text, size in enumerate(n0.astype(int)):
        entries += [(1, -1, text, i < k0[text]) for i in range(size)]
    setting, persona, text, refused = map(np.array, zip(*entries, strict=True))
    none = np.zeros_like(text)
    return Counts(
        levels={
            "model": ("m",),
            "task": ("t",),
            "setting": ("persona", "neutral"),
            "persona": tuple(f"p{i}" for i in range(n.shape[1])),
        },
        codes={"model": none, "task": none, "setting": setting, "persona": persona},
        text=text,
        row=text,
        prompt=np.arange(len(text)),
        n=np.ones(len(text), dtype=np.uint8),
        n_refused=refused.astype(np.uint8),
        n_texts=len(n0),
    )


def test_a_simulated_study_is_tested_like_a_real_one(source):
    # The same draws once through the plan, and once as responses through the estimates of the report.
    layout = lay_out("balanced", source, Size(40, 10), np.random.default_rng(0))
    truth, n_personas = Truth(0.2), layout.n.shape[1]
    question = Question((0.15, -0.1), 0.05, 1, 0.8)
    planted = np.arange(4) % n_personas
    part = module._simulate_some(layout, truth, question, np.random.default_rng(1), 4, 0, describe=True)
    strata, totals = module._draw(layout, truth, question.differences, planted, np.random.default_rng(1), 4)
    size, cases = np.zeros((2, 4 * 8, len(layout.n))), np.zeros((4 * 8, len(layout.n)))
    # Entries are in the order of texts, those with both arms.
    place = np.concatenate([np.flatnonzero(own) for own in _asked(layout, planted)])
    size[0, strata.contrast, place], size[1, strata.contrast, place] = strata.n, strata.n_baseline
    cases[strata.contrast, place] = strata.k
    neutral = np.zeros((4 * 8, len(layout.n)))
    neutral[strata.contrast, place] = strata.k_baseline
    for study in range(4):
        own = slice(8 * study, 8 * study + 8)
        k, k0 = cases[own], neutral[own].max(axis=0)
        assert (totals[study] == k[:6].T).all()
        for i, difference in enumerate(question.differences):
            refused = k[:6].T.copy()
            refused[:, planted[study]] = k[6 + i]
            table = estimate_contrasts(as_counts(layout.n, refused, layout.n_baseline, k0), "neutral")
            row = table.iloc[planted[study]]
            significant = row["p_adjusted"] <= 0.05 and np.sign(row["estimate"]) == np.sign(difference)
            assert part.found[study, i] == significant
            if i == 0:
                assert part.named[study] == (table["p_adjusted"].drop(planted[study]) <= 0.05).any()
        rates = estimate_rates(as_counts(layout.n, k[:6].T, layout.n_baseline, k0), ["setting"])
        width = (rates["ci_high"] - rates["ci_low"])[rates["setting"] == "persona"].item()
        assert part.rate_width[study] == pytest.approx(width, abs=1e-9)


def _asked(layout, planted):
    """The texts of each contrast: all personas, then the planted one twice."""
    for j in planted:
        for persona in [*range(layout.n.shape[1]), j, j]:
            yield (layout.n[:, persona] > 0) & (layout.n_baseline > 0)


def test_without_a_difference_personas_are_seldom_named(source):
    found = simulate_studies(
        "balanced", source, Size(60, 10), Truth(0.1), Question((0.2,), 0.05, 1, 0.8), np.random.default_rng(2), 400
    )
    # Nominal .05; three Monte Carlo errors of 400 studies are .033.
    assert found.named.mean() <= 0.05 + 0.033
    assert found.found.shape == (400, 1)
    assert found.power_error[0] == pytest.approx(np.sqrt(found.power[0] * (1 - found.power[0]) / 400))


def test_effects_vary_as_much_as_assumed(source):
    # The overdispersion of a study is at least 1 by definition, so its median is compared at a value well above.
    question, rng = Question((0.1,), 0.05, 1, 0.8), np.random.default_rng(3)
    for overdispersion, low, high in ((1.0, 1.0, 1.05), (1.4, 1.25, 1.55)):
        truth = Truth(0.2, overdispersion=overdispersion)
        found = simulate_studies("balanced", source, Size(60, 10), truth, question, rng, 100)
        assert low <= found.phi <= high


def test_more_families_need_a_larger_difference(source):
    one, many = (
        simulate_studies(
            "balanced", source, Size(60, 10), Truth(0.1), Question((0.06,), 0.05, n, 0.8), np.random.default_rng(4), 60
        )
        for n in (1, 40)
    )
    assert many.power[0] < one.power[0]
    assert many.mde_up > one.mde_up
    assert many.rate_width == one.rate_width


def test_a_fall_to_nothing_is_simulated(source):
    found = simulate_studies(
        "balanced", source, Size(60, 10), Truth(0.1), Question((-0.1,), 0.05, 1, 0.8), np.random.default_rng(5), 40
    )
    assert found.power[0] == 1


def test_texts_are_shared_by_all_personas():
    # With one text that is always asked by everyone, a text's log-odds moves all arms together.
    layout = Layout(np.full((400, 2), 50.0), np.full(400, 50.0))
    strata, totals = module._draw(layout, Truth(0.3, 2.0, 1.0), (0.1,), np.array([0]), np.random.default_rng(6), 1)
    assert np.corrcoef(totals[0].T)[0, 1] > 0.8
    assert strata.k.sum() > totals.sum()


def test_personas_without_prompts_are_no_error():
    # 10 texts with 10 prompts each for 150 personas: some have none, and their contrasts have no p-value.
    text = np.arange(10)
    source = Source("offensiveness", text, text, text % 5, 150, 3, 9)
    question = Question((0.5,), 0.05, 1, 0.8)
    found = simulate_studies("balanced", source, Size(2, 10), Truth(0.2), question, np.random.default_rng(7), 20)
    assert found.found.shape == (20, 1)
    assert found.rate_width > 0


def test_one_persona_alone_is_compared(source):
    alone = Source("offensiveness", source.text, source.block, source.stratum, 1, 3, 9)
    question = Question((0.3,), 0.05, 1, 0.8)
    found = simulate_studies("balanced", alone, Size(10, 10), Truth(0.2), question, np.random.default_rng(8), 40)
    assert found.power[0] > 0.9
    assert not found.named.any()
    assert 0 < found.mde_up < 0.3


def test_blocks_are_strata_of_a_simulated_study():
    # Each of 30 texts has three blocks with both personas and two neutral phrases, tested once through the plan and
    # once as responses through the estimates of the report.
    layout = Layout(np.ones((90, 2)), np.full(90, 2.0), np.repeat(np.arange(30), 3))
    truth, question, planted = Truth(0.3), Question((0.3,), 0.05, 1, 0.8), np.array([1])
    part = module._simulate_some(layout, truth, question, np.random.default_rng(1), 1, 1, describe=True)
    strata, totals = module._draw(layout, truth, question.differences, planted, np.random.default_rng(1), 1)
    # Entries are in the order of contrasts: both personas without an effect, then the second one with it.
    k, k0 = strata.k.reshape(3, 90), strata.k_baseline.reshape(3, 90)[0]
    assert (totals[0] == k[:2].T).all()
    refused = np.stack([k[0], k[2]], axis=1)
    counts = as_counts(layout.n, refused, layout.n_baseline, k0)
    # Responses of blocks get the numbers of their texts.
    counts = replace(counts, block=counts.text, text=counts.text // 3, row=counts.text // 3, n_texts=30)
    row = estimate_contrasts(counts, "neutral").iloc[1]
    assert part.found[0, 0] == (row["p_adjusted"] <= 0.05 and row["estimate"] > 0)
    assert row["n_texts"] == 30
    score = module.compare_within(strata).score
    assert score.estimate[2] == pytest.approx(row["estimate"])
    # Each block weighs 1 * 2 / 3; a whole text would weigh 3 * 6 / 9 = 2 as well, but its verdicts would be mixed.
    assert score.weight[2] == pytest.approx(90 * 2 / 3)
    null = as_counts(layout.n, k[:2].T, layout.n_baseline, k0)
    null = replace(null, text=null.text // 3, row=null.text // 3, n_texts=30)
    rates = estimate_rates(null, ["setting"])
    width = (rates["ci_high"] - rates["ci_low"])[rates["setting"] == "persona"].item()
    assert part.rate_width[0] == pytest.approx(width, abs=1e-9)
