"""Whole texts turned round: what stays, what changes, and that the test built on it holds its level."""

import numpy as np
import pytest
from refusal_metrics.analysis.estimates.sensitivity.estimate import estimate_sensitivity
from refusal_metrics.analysis.estimates.sensitivity.grid import Grid
from refusal_metrics.analysis.estimates.sensitivity.sign_flips import TextSignFlips


@pytest.fixture
def grid(make_counts):
    """Two models, three texts, two personas: of text a the first model refuses both prompts under x alone."""
    rows = [
        {"model": model, "task": "nli", "persona": persona, "text_id": text, "refused": refused}
        for model, text, persona, refused in [
            *(("m1", "a", "x", True), ("m1", "a", "x", True), ("m1", "a", "y", False), ("m1", "a", "y", False)),
            *(("m2", "a", "x", True), ("m2", "a", "x", False), ("m2", "a", "y", False), ("m2", "a", "y", False)),
            *(("m1", "b", "x", False), ("m1", "b", "y", False), ("m2", "b", "x", True), ("m2", "b", "y", True)),
        ]
    ]
    return Grid(make_counts(rows), ["model"], ["persona"])


def test_a_flipped_text_has_what_it_lacked_and_lacks_what_it_had(grid):
    # Text a: m1 deviates by 2 - 1 = 1 under x, m2 by 1 - .5 = .5; text b deviates in nothing.
    cells = TextSignFlips(grid).draw(np.random.default_rng(0), 60).n_refused[:, :, 0, :]
    assert {tuple(one.ravel()) for one in cells} == {(2, 0, 2, 1), (0, 2, 1, 2)}


def test_every_run_refuses_as_often_as_before(grid):
    cells = TextSignFlips(grid).draw(np.random.default_rng(0), 20)
    np.testing.assert_allclose(cells.n_refused.sum(axis=-1), np.broadcast_to([[2], [3]], (20, 2, 1)))
    np.testing.assert_array_equal(cells.n, grid.observed.n)


@pytest.mark.slow
def test_a_persona_that_matters_in_each_text_another_way_is_not_found_to_matter(make_counts):
    # In each of 60 texts one of three personas, another by chance, is refused always and the others never: verdicts
    # are far from exchangeable within texts, and the personas' rates are alike.
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        favourite = rng.integers(0, 3, 60)
        rows = [
            {"model": "m", "task": "nli", "persona": "xyz"[p], "text_id": f"t{t}", "refused": p == favourite[t]}
            for t in range(60)
            for p in range(3)
            for _ in range(4)
        ]
        table = estimate_sensitivity(make_counts(rows), rng, n_replicates=199).indices
        found.append(table[(table["factor"] == "persona") & (table["model"] == "")]["p_value"].item())
    # .05 with a standard deviation of .028 in 60 studies; by moves within texts alone it is .5 and more.
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * 0.028
