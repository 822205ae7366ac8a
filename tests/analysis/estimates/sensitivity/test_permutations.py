"""What a study keeps under moves of labels, runs, tasks and rows, and what its index reaches."""

from collections import Counter
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from refusal_metrics.analysis.estimates.sensitivity.grid import Grid, Margin
from refusal_metrics.analysis.estimates.sensitivity.permutations import PromptPermutations, RowPermutations
from refusal_metrics.analysis.statistics.iota import compute_iota

LABELS = ["persona", "template"]


def simulate(seed=0, models="MNO", is_asked=lambda *_: True):
    """Draw a study of two tasks, of texts of unequal size, with verdicts at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for text, row, variation in ((t, r, v) for t in range(12) for r in range(1 + t % 3) for v in range(2 + t % 2)):
        prompt = {
            "task": "tu"[text % 2], "setting": "persona", "persona": "xyz"[rng.integers(3)],
            "template": f"p{rng.integers(2)}", "text_id": str(text), "row_id": f"{text}/{row}",
            "stratum": str((text + row) % 4), "design_id": "d", "index": len(rows),
        }  # fmt: skip
        asked = [model for model in models if is_asked(model, text, variation)]
        rows += [prompt | {"model": model, "refused": int(rng.random() < 0.4)} for model in asked]
    return rows


def split_runs(counts):
    """Take the last letter of a model's name for its temperature."""
    names = [(name[:-1], name[-1]) for name in counts.levels["model"]]
    levels = {
        name: tuple(sorted(set(own)))
        for name, own in zip(["model", "temperature"], zip(*names, strict=True), strict=True)
    }
    codes = {
        name: np.array([levels[name].index(run[i]) for run in names])[counts.codes["model"]]
        for i, name in enumerate(levels)
    }
    return replace(counts, levels=dict(counts.levels) | levels, codes=dict(counts.codes) | codes)


def first_models_only(model, text, variation):
    """Say what is asked where N was stopped in the midst of a text, and O after it."""
    return model == "M" or text < {"N": 7, "O": 9}[model] or (model == "N" and text == 7 and not variation)


@pytest.fixture(params=["all asked", "some asked"])
def grid(request, make_counts):
    is_asked = first_models_only if request.param == "some asked" else lambda *_: True
    return Grid(make_counts(simulate(is_asked=is_asked)), ["model"], LABELS)


@pytest.fixture
def moved(grid):
    return PromptPermutations(grid, np.random.default_rng(1)).draw(np.random.default_rng(0), 30)


def test_no_cell_has_more_refusals_than_responses(moved):
    for cells in vars(moved).values():
        assert (cells.n_refused <= cells.n).all()
        assert (cells.n_refused >= 0).all()


def test_moving_labels_keeps_the_refusals_of_models_and_tasks(grid, moved):
    observed = grid.observed.n_refused.sum(axis=3)
    assert (moved.labels.n_refused.sum(axis=3) == observed).all()
    assert (moved.labels.n == grid.observed.n).all()


def test_moving_labels_and_models_keeps_the_responses_of_both(grid, moved):
    assert (moved.runs_labels.n[:, :, 0] == grid.observed.n.sum(axis=2)).all()
    assert (moved.runs_labels.n_refused.sum(axis=(1, 2, 3)) == grid.observed.n_refused.sum()).all()


def test_moving_tasks_keeps_all_responses_and_refusals(grid, moved):
    for cells in (moved.runs_tasks, moved.tasks_labels):
        assert (cells.n.sum(axis=(1, 2, 3)) == grid.observed.n.sum()).all()
        assert (cells.n_refused.sum(axis=(1, 2, 3)) == grid.observed.n_refused.sum()).all()
    # A run keeps its prompts, and a label its own, whatever task they are of.
    assert (moved.runs_tasks.n.sum(axis=(2, 3)) == grid.observed.n.sum(axis=(2, 3))).all()
    assert (moved.tasks_labels.n.sum(axis=(1, 2)) == grid.observed.n.sum(axis=(1, 2))).all()


def test_verdicts_of_all_models_stay_with_their_prompt(make_counts):
    # Both models refuse the same prompts: under moved labels too they have the same refusals.
    rows = [
        {"model": model, "task": "t", "setting": "persona", "persona": "xyz"[i % 3], "template": "p1",
         "text_id": str(i // 6), "row_id": str(i // 6), "design_id": "d", "index": i, "refused": int(i % 5 < 2)}
        for model in "MN"
        for i in range(30)
    ]  # fmt: skip
    moves = PromptPermutations(Grid(make_counts(rows), ["model"], ["persona"]), np.random.default_rng(0))
    labels = moves.draw(np.random.default_rng(0), 20).labels.n_refused
    assert (labels[:, 0] == labels[:, 1]).all()
    assert len(np.unique(labels[:, 0], axis=0)) > 10


def test_verdicts_stay_in_their_text_where_texts_are_many(make_counts):
    # In each of 120 texts one of the two personas that were asked is refused, which one by chance.
    rng = np.random.default_rng(0)
    personas = [("x", "y"), ("y", "z"), ("x", "z")]
    rows = [
        {"model": model, "task": "t", "setting": "persona", "persona": persona, "template": "p1", "text_id": str(text),
         "row_id": str(text), "design_id": "d", "index": 2 * text + i, "refused": int(i == refused)}
        for text, refused in enumerate(rng.integers(2, size=120))
        for i, persona in enumerate(personas[text % 3])
        for model in "MN"
    ]  # fmt: skip
    moves = PromptPermutations(Grid(make_counts(rows), ["model"], ["persona"]), rng)
    drawn = moves.draw(np.random.default_rng(0), 2000).labels.n_refused[:, :, 0]
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn.sum(axis=2) == 120).all()
    # A persona has half of its 80 texts, each by the toss of a coin: a variance of 20.
    np.testing.assert_allclose(drawn[:, 0].mean(axis=0), 40, atol=5 * (20 / 2000) ** 0.5)
    np.testing.assert_allclose(drawn[:, 0].var(axis=0), 20, atol=5 * 20 * (2 / 2000) ** 0.5)


def compare(statistics, expected):
    """Compare drawn statistics with all that are equally likely."""
    found = Counter(np.round(statistics, 9).tolist())
    likely = Counter(np.round(expected, 9).tolist())
    assert set(found) <= set(likely)
    for value, n in likely.items():
        share = n / len(expected)
        error = (share * (1 - share) / len(statistics)) ** 0.5
        assert found[value] / len(statistics) == pytest.approx(share, abs=5 * error)


TINY = (("t", "xxy", (1, 1, 0), (0, 1, 0)), ("t", "xyy", (1, 0, 0), (1, 1, 0)), ("u", "xy", (0, 1), (1, 1)))


@pytest.fixture
def tiny(make_counts):
    """Three texts, their prompts' personas, and the verdicts of two models."""
    rows = [
        {"model": model, "task": task, "setting": "persona", "persona": persona, "template": "p1",
         "text_id": str(text), "row_id": str(text), "index": 10 * text + i, "refused": verdicts[i]}
        for text, (task, personas, *both) in enumerate(TINY)
        for model, verdicts in zip("MN", both, strict=True)
        for i, persona in enumerate(personas)
    ]  # fmt: skip
    return Grid(make_counts(rows), ["model"], ["persona"])


def draw_index(grid, of, factors):
    moves = PromptPermutations(grid, np.random.default_rng(2))
    cells = getattr(moves.draw(np.random.default_rng(0), 4000), of)
    margin = Margin(grid.axes, factors, in_families=False)
    return compute_iota(margin.add_up(cells.n), margin.add_up(cells.n_refused))


def test_moved_labels_reach_all_that_enumeration_does(tiny):
    expected = []
    for orders in product(*(permutations(personas) for _, personas, *_ in TINY)):
        n, k = Counter(), Counter()
        for personas, (_, _, *both) in zip(orders, TINY, strict=True):
            for verdicts in both:
                for persona, verdict in zip(personas, verdicts, strict=True):
                    n[persona] += 1
                    k[persona] += verdict
        expected.append(float(compute_iota([n["x"], n["y"]], [k["x"], k["y"]])))
    compare(draw_index(tiny, "labels", ["persona"]), expected)


def test_moved_models_reach_all_that_enumeration_does(tiny):
    pairs = [pair for _, _, *both in TINY for pair in zip(*both, strict=True)]
    expected = []
    for swaps in product([False, True], repeat=len(pairs)):
        k = np.sum([pair[::-1] if swap else pair for pair, swap in zip(pairs, swaps, strict=True)], axis=0)
        expected.append(float(compute_iota([8, 8], k)))
    compare(draw_index(tiny, "runs_labels", ["model"]), expected)
    compare(draw_index(tiny, "runs_tasks", ["model"]), expected)


def test_moved_tasks_reach_all_that_enumeration_does(tiny):
    expected = []
    for tasks in permutations(task for task, *_ in TINY):
        n, k = Counter(), Counter()
        for task, (_, personas, *both) in zip(tasks, TINY, strict=True):
            n[task] += 2 * len(personas)
            k[task] += sum(map(sum, both))
        expected.append(float(compute_iota([n["t"], n["u"]], [k["t"], k["u"]])))
    compare(draw_index(tiny, "runs_tasks", ["task"]), expected)
    compare(draw_index(tiny, "tasks_labels", ["task"]), expected)


def test_moved_tasks_and_models_together_reach_all_that_enumeration_does(tiny):
    pairs = [(text, pair) for text, (_, _, *both) in enumerate(TINY) for pair in zip(*both, strict=True)]
    expected = []
    for tasks in permutations([0, 0, 1]):
        for swaps in product([False, True], repeat=len(pairs)):
            n, k = np.zeros((2, 2)), np.zeros((2, 2))
            for (text, pair), swap in zip(pairs, swaps, strict=True):
                n[:, tasks[text]] += 1
                k[:, tasks[text]] += pair[::-1] if swap else pair
            expected.append(float(compute_iota(n.ravel(), k.ravel())))
    compare(draw_index(tiny, "runs_tasks", ["model", "task"]), expected)


@pytest.fixture
def two_runs(make_counts):
    """Three models at two temperatures."""
    counts = split_runs(make_counts(simulate(models=["M0", "M1", "N0", "N1", "O0", "O1"])))
    return Grid(counts, ["model", "temperature"], LABELS)


def test_runs_of_a_model_are_moved_within_it_alone(two_runs):
    moved = PromptPermutations(two_runs, np.random.default_rng(1)).draw(np.random.default_rng(0), 30).runs
    observed, drawn = (
        n_refused.reshape(-1, 3, 2, *two_runs.axes.shape[1:])
        for n_refused in (two_runs.observed.n_refused, moved.n_refused)
    )
    assert (drawn.sum(axis=2) == observed.sum(axis=2)).all()
    assert len(np.unique(drawn[:, 0, 0].sum(axis=(1, 2)))) > 3


def test_runs_of_models_with_one_run_stay_as_they_are(grid, moved):
    assert (moved.runs.n_refused == grid.observed.n_refused).all()


def test_models_are_moved_with_all_their_runs(two_runs):
    moved = PromptPermutations(two_runs, np.random.default_rng(1)).draw(np.random.default_rng(0), 30).runs_labels
    # At each temperature there are as many refusals as before, whichever model's they are.
    observed, drawn = (
        n_refused.sum(axis=(2, 3)).reshape(-1, 3, 2) for n_refused in (two_runs.observed.n_refused, moved.n_refused)
    )
    assert (drawn.sum(axis=1) == observed.sum(axis=1)).all()
    assert len(np.unique(drawn[:, 0, 0])) > 3


def test_models_with_other_runs_are_not_exchanged(make_counts):
    # M was run at two temperatures, N at one: each keeps its refusals.
    counts = split_runs(make_counts(simulate(models=["M0", "M1", "N0"])))
    grid = Grid(counts, ["model", "temperature"], LABELS)
    moved = PromptPermutations(grid, np.random.default_rng(1)).draw(np.random.default_rng(0), 10).runs_labels
    assert (moved.n_refused.sum(axis=(2, 3)) == grid.observed.n_refused.sum(axis=(2, 3))).all()


def test_moving_strata_within_tasks_keeps_responses_and_refusals_of_runs(make_counts):
    grid = Grid(make_counts(simulate(is_asked=first_models_only)), ["model"], ["stratum"])
    in_tasks = RowPermutations(grid).draw(np.random.default_rng(0), 30)
    assert (in_tasks.n == grid.observed.n).all()
    assert (in_tasks.n_refused <= in_tasks.n).all()
    assert (in_tasks.n_refused.sum(axis=3) == grid.observed.n_refused.sum(axis=3)).all()
    assert len(np.unique(in_tasks.n_refused.sum(axis=(1, 2)), axis=0)) > 5


def test_moved_strata_reach_all_that_enumeration_does(make_counts):
    # Texts of two rows: strata, and refusals of two prompts each.
    texts = [("12", (2, 0)), ("11", (1, 1)), ("22", (0, 1))]
    rows = [
        {"model": "M", "task": "t", "setting": "persona", "persona": "x", "template": "p1", "text_id": str(text),
         "row_id": f"{text}/{i}", "stratum": stratum, "design_id": "d", "index": 10 * text + 2 * i + j,
         "refused": int(j < verdicts[i])}
        for text, (strata, verdicts) in enumerate(texts)
        for i, stratum in enumerate(strata)
        for j in range(2)
    ]  # fmt: skip
    grid = Grid(make_counts(rows), ["model"], ["stratum"])
    expected = []
    for given in permutations(strata for strata, _ in texts):
        for orders in product(*(permutations(strata) for strata in given)):
            pairs = zip("".join(map("".join, orders)), (k for _, verdicts in texts for k in verdicts), strict=True)
            k = Counter()
            for stratum, n_refused in pairs:
                k[stratum] += n_refused
            expected.append(float(compute_iota([6, 6], [k["1"], k["2"]])))
    cells = RowPermutations(grid).draw(np.random.default_rng(0), 4000)
    margin = Margin(grid.axes, ["stratum"], in_families=False)
    compare(compute_iota(margin.add_up(cells.n), margin.add_up(cells.n_refused)), expected)


def test_a_study_without_refusals_has_nothing_to_move(make_counts):
    rows = [row | {"refused": 0} for row in simulate()]
    counts = make_counts(rows)
    moved = PromptPermutations(Grid(counts, ["model"], LABELS), np.random.default_rng(0)).draw(
        np.random.default_rng(0), 3
    )
    assert not any(cells.n_refused.any() for cells in vars(moved).values())
    assert not RowPermutations(Grid(counts, ["model"], ["stratum"])).draw(np.random.default_rng(0), 3).n_refused.any()


def test_the_order_of_responses_changes_no_move(make_counts):
    rows = simulate(is_asked=first_models_only)
    drawn = [
        PromptPermutations(Grid(make_counts(some), ["model"], LABELS), np.random.default_rng(1)).draw(
            np.random.default_rng(0), 5
        )
        for some in (rows, rows[::-1])
    ]
    for one, other in zip(*(vars(moved).values() for moved in drawn), strict=True):
        np.testing.assert_array_equal(one.n_refused, other.n_refused)
        np.testing.assert_array_equal(one.n, other.n)
