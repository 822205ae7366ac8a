"""Designs in blocks, on POPQUORN's own texts and on random ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refusal_metrics.errors import InputError
from refusal_metrics.prompts.blocks import plan_blocks, sample_blocks, sample_texts
from refusal_metrics.prompts.sampler import order_texts
from refusal_metrics.prompts.texts import RATINGS, load_texts

TYPES = ["unforced"] * 3 + ["semi-forced"] * 3 + ["forced"] * 3
N_TEMPLATES = len(TYPES)


@pytest.fixture(scope="session")
def popquorn(shared_data):
    """Text and class of each rating of the real offensiveness file."""
    texts = load_texts("offensiveness", data_dir=shared_data / "popquorn")
    text = np.unique(texts.text_ids, return_inverse=True)[1]
    return text, np.array([RATINGS.index(s) for s in texts.strata])


def plan(design="anchored", variations=10, neutral_variations=3, *, n_personas=15, n_neutral=3, types=TYPES):
    if design != "anchored":
        variations = 0
    counts = {"n_personas": n_personas, "n_neutral": n_neutral, "response_types": types}
    return plan_blocks(design, variations, neutral_variations, **counts)


def widest_gap_in_any_prefix(levels, n_levels):
    """Largest difference of two levels' counts over all prefixes of a sequence."""
    counts = np.cumsum(levels[:, None] == np.arange(n_levels), axis=0)
    return int(np.ptp(counts, axis=1).max(initial=0))


@pytest.mark.parametrize(
    ("rows_per_class", "n_texts", "gap"),
    [
        # 1,500 texts are enough for five classes of 200.
        (200, 1000, 0),
        # They are not enough for five of 1,000: each is used once, for one of five classes of about 300. The last texts
        # have no rating of the rare classes.
        (1000, 1500, 10),
    ],
)
def test_each_text_is_drawn_once_and_classes_are_as_even_as_the_texts_allow(popquorn, rows_per_class, n_texts, gap):
    text, stratum = popquorn
    rows = sample_texts(text, stratum, rows_per_class, np.random.default_rng(0))
    assert len(set(text[rows].tolist())) == len(rows) == n_texts
    assert np.ptp(np.bincount(stratum[rows])) <= gap


def test_the_row_of_a_text_is_one_of_its_own_in_its_class_at_random():
    # One text with two rows of class 0 and a text of class 1: each row of the first is drawn in half of the seeds.
    drawn = [
        tuple(sample_texts(np.array([0, 0, 1]), np.array([0, 0, 1]), 1, np.random.default_rng(seed)).tolist())
        for seed in range(100)
    ]
    assert set(drawn) == {(0, 2), (1, 2)}
    # The binomial of 100 fair draws is outside 25 to 75 with a probability of 3e-7.
    assert 25 <= drawn.count((0, 2)) <= 75


def assert_blocks_keep_their_bounds(pairs, stratum, blocks, n_templates):
    n_texts = len(stratum)
    assert pairs.shape == (n_texts, blocks.n_a_text * blocks.size)
    person, template = np.divmod(pairs.reshape(n_texts, blocks.n_a_text, blocks.size), n_templates)
    # One template a block, and no person twice.
    assert (template == template[..., :1]).all()
    assert (np.diff(np.sort(person), axis=-1) > 0).all()
    is_neutral = person >= blocks.n_personas
    assert (is_neutral.sum(axis=-1) == blocks.phrases).all()
    assert is_neutral[..., : blocks.phrases].all()
    for s in np.unique(stratum):
        own = person[stratum == s].ravel()
        assert widest_gap_in_any_prefix(own[own < blocks.n_personas], blocks.n_personas) <= 1
        assert widest_gap_in_any_prefix(own[own >= blocks.n_personas] - blocks.n_personas, blocks.n_neutral) <= 1
        of_block = template[stratum == s][..., 0]
        if not blocks.is_factorial:
            assert widest_gap_in_any_prefix(of_block.ravel(), n_templates) <= 1


@pytest.mark.parametrize(
    "blocks",
    [
        *(plan(), plan(variations=5, neutral_variations=2), plan("paired"), plan("factorial")),
        *(plan(n_personas=2, variations=1), plan("paired", n_personas=1, neutral_variations=1), plan(types=["forced"])),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_blocks_keep_every_bound_on_the_real_file(popquorn, blocks, seed):
    text, stratum = popquorn
    rng = np.random.default_rng(seed)
    rows = sample_texts(text, stratum, 1000, rng)
    rows = rows[order_texts(text[rows], stratum[rows], rng)]
    n_templates = len(blocks.response_types)
    pairs = sample_blocks(stratum[rows], blocks, rng)
    assert_blocks_keep_their_bounds(pairs, stratum[rows], blocks, n_templates)
    # Personas and templates do not go together: over all 1,500 texts, the counts of pairs differ by at most 4.
    counts = np.bincount(pairs[pairs < blocks.n_personas * n_templates], minlength=blocks.n_personas * n_templates)
    assert np.ptp(counts) <= 4


@settings(max_examples=settings.default.max_examples * 60 // 100, deadline=None)
@given(st.data())
def test_blocks_keep_their_bounds_on_any_texts(data):
    n_personas, n_neutral = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    types = [
        *data.draw(st.permutations(["unforced", "semi-forced", "forced"])),
        *data.draw(st.lists(st.sampled_from(TYPES))),
    ]
    design = data.draw(st.sampled_from(["anchored", "paired", "factorial"]))
    blocks = plan(
        design,
        data.draw(st.integers(1, n_personas)),
        data.draw(st.integers(1, n_neutral)),
        n_personas=n_personas,
        n_neutral=n_neutral,
        types=types,
    )
    stratum = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40)))
    pairs = sample_blocks(stratum, blocks, np.random.default_rng(data.draw(st.integers(0, 9))))
    assert_blocks_keep_their_bounds(pairs, stratum, blocks, len(types))


def test_a_factorial_text_has_a_template_of_each_response_type_in_turn(popquorn):
    stratum = popquorn[1][:300]
    blocks = plan("factorial")
    template = sample_blocks(stratum, blocks, np.random.default_rng(0)).reshape(300, 3, 18)[..., 0] % N_TEMPLATES
    # Three templates of each type, in the order of TYPES.
    assert (template // 3 == [0, 1, 2]).all()
    for s, place in itertools.product(range(5), range(3)):
        assert np.ptp(np.bincount(template[stratum == s, place] - 3 * place, minlength=3)) <= 1


def test_every_persona_is_equally_likely_in_a_block():
    # 3,000 seeds of one block with 2 of 6 personas: each has 1,000 expected, with a standard deviation of 26.
    blocks = plan(variations=2, n_personas=6)
    drawn = [sample_blocks(np.array([0]), blocks, np.random.default_rng(seed))[0, 3:] for seed in range(3000)]
    counts = np.bincount(np.concatenate(drawn) // N_TEMPLATES)
    assert np.abs(counts - 1000).max() < 5 * 26


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (
            {"n_personas": 2},
            (
                "design=anchored has variations=10 different personas in each block, but there are only 2 personas; "
                "set variations=2 or less, or design=paired"
            ),
        ),
        (
            {"n_neutral": 1},
            (
                "design=anchored has neutral_variations=3 different neutral phrases in each block, but there is only 1 "
                "neutral phrase; set neutral_variations=1 or less, or add phrases"
            ),
        ),
        (
            {"design": "factorial", "types": ["unforced", "unforced"]},
            (
                "design=factorial has a template of each response type for each text, but no template is semi-forced "
                "or forced; add such a template to templates, or set design=paired"
            ),
        ),
    ],
)
def test_a_design_that_needs_more_than_there_is_says_what_it_needs(needs, message):
    with pytest.raises(InputError) as error:
        plan(**needs)
    assert str(error.value) == message


def test_a_design_with_all_personas_takes_no_other_number_of_them():
    counts = {"n_personas": 15, "n_neutral": 3, "response_types": TYPES}
    assert plan_blocks("paired", 15, 3, **counts) == plan_blocks("paired", 0, 3, **counts)
    with pytest.raises(InputError, match="design=paired has all 15 personas in each block, but variations=10; leave"):
        plan_blocks("paired", 10, 3, **counts)
