"""Differences within blocks: texts with a template, of which a text may have several."""

import itertools

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts, estimate_setting_contrasts
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.table import read_responses
from refusal_metrics.analysis.statistics.differences import compare_between, compare_within
from refusal_metrics.analysis.statistics.strata import Strata, join_strata


def counted(table, folder):
    """Count a table of responses with the columns text_id, block, setting, persona, template, refused."""
    file = folder / "responses.parquet"
    table.assign(model="owl", task="offensiveness", row_id=table["text_id"]).to_parquet(file)
    return count_responses(read_responses([file]))["given"]


def study(*blocks):
    """Write blocks: (text, template, verdicts of the persona, verdicts of neutral phrases)."""
    rows = [
        {
            "text_id": text,
            "block": number,
            "template": template,
            "setting": setting,
            "persona": f"{one}{n}",
            "refused": y,
        }
        for number, (text, template, *arms) in enumerate(blocks)
        for setting, one, verdicts in zip(("persona", "neutral"), ("jewish", "person"), arms, strict=True)
        for n, y in enumerate(verdicts)
    ]
    return pd.DataFrame(rows)


def test_blocks_of_a_text_are_compared_and_their_scores_added_up_by_text():
    # Text 0 has two blocks, text 1 has one. Weights are n n0 / (n + n0) = 2/3, 1/2, 2/3, W = 11/6.
    n, k, n0, k0 = np.array([[1, 1, 2], [1, 0, 1], [2, 1, 1], [0, 1, 0]], dtype=float)
    strata = Strata(np.zeros(3, dtype=int), n, k, n0, k0, 1, text=np.array([0, 0, 1]))
    found = compare_within(strata)
    # Differences 1, -1, 1/2 give (2/3 - 1/2 + 1/3) / W = 1/2 * 6/11 = 3/11.
    assert found.score.estimate == pytest.approx(3 / 11)
    assert (found.n_texts, found.freedom, found.score.n_informative) == (2, 1, 2)
    # Residuals w (d - 3/11): 2/3 * 8/11, 1/2 * -14/11, 2/3 * 5/22; of text 0 together 16/33 - 21/33 = -5/33, of
    # text 1 5/33. Their squares have the factor G / (G - 1) = 2.
    assert found.score.scatter == pytest.approx(2 * 2 * (5 / 33) ** 2)
    # The weights of the texts are 7/6 and 2/3.
    assert found.score.weight_squares == pytest.approx((7 / 6) ** 2 + (2 / 3) ** 2)
    # Hypergeometric variances n n0 s (n - s) / (n^2 (n - 1)) add up over blocks: 2*1*2/(9*2), 1*1/(4*1), 2*1*2/(9*2).
    assert found.score.variance == pytest.approx(2 / 9 + 1 / 4 + 2 / 9)


def test_entries_without_a_text_are_texts_of_their_own():
    n, k, n0, k0 = np.array([[1, 1, 2], [1, 0, 1], [2, 1, 1], [0, 1, 0]], dtype=float)
    for compare in (compare_within, compare_between):
        alone = compare(Strata(np.zeros(3, dtype=int), n, k, n0, k0, 1))
        named = compare(Strata(np.zeros(3, dtype=int), n, k, n0, k0, 1, text=np.array([4, 2, 9])))
        np.testing.assert_equal(np.hstack([*vars(named.score).values()]), np.hstack([*vars(alone.score).values()]))
        assert named.log_odds_error == alone.log_odds_error


def test_contrasts_with_and_without_blocks_are_joined():
    n, k, n0, k0 = np.array([[1, 1, 2], [1, 0, 1], [2, 1, 1], [0, 1, 0]], dtype=float)
    blocks = Strata(np.zeros(3, dtype=int), n, k, n0, k0, 1, text=np.array([0, 0, 1]))
    texts = Strata(np.array([0, 1, 1]), n, k, n0, k0, 2)
    joined = compare_within(join_strata([blocks, texts])).score
    apart = [compare_within(each).score for each in (blocks, texts)]
    for name, value in vars(joined).items():
        np.testing.assert_allclose(value, np.concatenate([getattr(each, name) for each in apart]), err_msg=name)


def test_a_template_that_is_refused_more_is_no_difference_of_personas(tmp_path):
    # Template p1 is always refused and p4 never. Neutral phrases have p1 once and p4 twice, the persona each once.
    table = study(
        *[(f"t{i}", p, [y], [y] * n) for i in range(4) for p, y, n in (("p1", 1, 1), ("p4", 0, 2))],
    )
    (row,) = estimate_contrasts(counted(table, tmp_path), "neutral").itertuples()
    assert (row.estimate, row.p_value, row.n_texts) == (0.0, 1.0, 4)
    # Within texts alone, one of two differs from one of three.
    (row,) = estimate_contrasts(counted(table.drop(columns="block"), tmp_path), "neutral").itertuples()
    assert row.estimate == pytest.approx(1 / 2 - 1 / 3)


@pytest.mark.parametrize("estimate", [estimate_contrasts, estimate_setting_contrasts])
def test_one_block_a_text_changes_nothing(tmp_path, estimate):
    rng = np.random.default_rng(0)
    blocks = [(f"t{i}", f"p{i % 9 + 1}", [y], z) for i, (y, *z) in enumerate(rng.integers(2, size=(40, 4)).tolist())]
    table = study(*blocks)
    in_blocks, in_texts = (counted(each, tmp_path) for each in (table, table.drop(columns="block")))
    assert in_blocks.block is None
    pd.testing.assert_frame_equal(estimate(in_blocks, "neutral"), estimate(in_texts, "neutral"))


def test_a_text_with_prompts_in_no_block_is_one_block(tmp_path):
    table = study(*[(f"t{i}", p, [1], [0]) for i, p in itertools.product(range(3), ("p1", "p4"))])
    table["block"] = table["block"].astype(object)
    free = table.iloc[:1].assign(setting="persona-free", persona=None, block=None, text_id="t0")
    counts = counted(pd.concat([table, free]), tmp_path)
    # Texts t1 and t2 have two blocks each.
    assert len(set(counts.block.tolist())) == 1 + 2 + 2
    (row,) = estimate_contrasts(counts, "persona-free").itertuples()
    assert row.within_texts
    assert row.n_texts == 1


def test_blocks_need_the_same_texts_to_be_independent(tmp_path):
    # All blocks of a text have the same verdicts, so three blocks a text are as uncertain as one.
    rng = np.random.default_rng(1)
    verdicts = rng.integers(2, size=(60, 2)).tolist()
    found = []
    for templates in (("p1",), ("p1", "p4", "p7")):
        table = study(*[(f"t{i}", p, [y], [z]) for i, (y, z) in enumerate(verdicts) for p in templates])
        (row,) = estimate_contrasts(counted(table, tmp_path), "neutral").itertuples()
        found.append(row)
    one, three = found
    assert three.estimate == pytest.approx(one.estimate)
    assert three.n_texts == one.n_texts == 60
    # The overdispersion of three equal blocks is 3: it is shrunken towards the pooled one, which is its own here.
    assert three.ci_low == pytest.approx(one.ci_low, abs=0.02)
    assert three.p_value == pytest.approx(one.p_value, rel=0.1)
