"""Counts on a grid, as observed, resampled and added up to levels."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates.sensitivity import grid as grid_module
from refusal_metrics.analysis.estimates.sensitivity.grid import Axes, Grid, Margin, number_levels

from refusal_metrics.errors import InputError


def study(refused=lambda **_: 0, models="MN", texts="abc", task_of=lambda _: "t", personas="xy", asked=lambda **_: 1):
    """Ask every text once with each persona, each model the same prompts."""
    return [
        {"model": model, "task": task_of(text), "setting": "persona", "persona": persona, "text_id": text,
         "row_id": text, "template": "p1", "refused": int(refused(model=model, text=text, persona=persona))}
        for model in models
        for text in texts
        for persona in personas
        if asked(model=model, text=text)
    ]  # fmt: skip


def test_the_grid_counts_responses_and_refusals(make_counts):
    rows = study(refused=lambda model, text, persona: model == "M" and (text == "a" or persona == "y"))
    grid = Grid(make_counts(rows), ["model"], ["persona"])
    assert grid.axes.shape == (2, 1, 2)
    assert grid.observed.n.tolist() == [[[[3, 3]], [[3, 3]]]]
    # M refuses text a under both personas, texts b and c under y.
    assert grid.observed.n_refused.tolist() == [[[[1, 3]], [[0, 0]]]]
    assert grid.n_texts.tolist() == [[3], [3]]


def test_models_may_be_put_different_prompts(make_counts):
    def task_of(text):
        return "t" if text in "ab" else "u"

    rows = study(task_of=task_of, asked=lambda model, text: model == "M" or text in "ac")
    grid = Grid(make_counts(rows), ["model"], ["persona"])
    assert grid.observed.n.tolist() == [[[[2, 2], [1, 1]], [[1, 1], [1, 1]]]]
    assert grid.n_texts.tolist() == [[2, 1], [1, 1]]
    drawn = grid.resample(np.random.default_rng(0), 20)
    # M has as many as texts are drawn, N those of text a among them.
    assert (drawn.n[:, 0, 0] == 2).all()
    assert set(drawn.n[:, 1, 0, 0].tolist()) == {0, 1, 2}


def test_resampling_draws_whole_texts_each_as_often(make_counts):
    # The refusals of text a, b and c are 1, 10 and 100 in this order: their sum tells which were drawn.
    n_refused = {"a": 1, "b": 10, "c": 100}
    rows = [
        {"model": "M", "task": "t", "setting": "persona", "persona": "x", "text_id": text, "row_id": text,
         "template": f"p{i}", "refused": int(i < n_refused[text])}
        for text in "abc"
        for i in range(100)
    ]  # fmt: skip
    grid = Grid(make_counts(rows), ["model"], ["persona"])
    drawn = grid.resample(np.random.default_rng(0), 5400)
    assert (drawn.n == 300).all()
    found = Counter(drawn.n_refused[:, 0, 0, 0].tolist())
    # 27 draws of three texts, each with 200 of 5,400.
    expected = Counter(i + j + k for i in n_refused.values() for j in n_refused.values() for k in n_refused.values())
    assert found == {total: pytest.approx(200 * n, abs=5 * (200 * n) ** 0.5) for total, n in expected.items()}


def test_as_many_texts_of_each_task_are_drawn_as_there_are(make_counts):
    grid = Grid(make_counts(study(texts="abcde", task_of=lambda text: "tu"[text > "b"])), ["model"], ["persona"])
    drawn = grid.resample(np.random.default_rng(0), 50)
    assert (drawn.n == np.array([[2, 2], [3, 3]])).all()


def test_the_order_of_responses_changes_nothing(make_counts):
    rows = study(refused=lambda text, **_: text == "a", asked=lambda model, text: model == "M" or text < "c")
    grids = [Grid(make_counts(some), ["model"], ["persona"]) for some in (rows, rows[::-1])]
    drawn = [grid.resample(np.random.default_rng(0), 30) for grid in grids]
    assert (drawn[0].n == drawn[1].n).all()
    assert (drawn[0].n_refused == drawn[1].n_refused).all()


@pytest.fixture
def axes():
    runs = pd.DataFrame({"model": ["M", "M", "N"], "temperature": ["0", "1", "0"]})
    labels = pd.DataFrame({"persona": ["x", "x", "y"], "persona_group": ["h", "h", "g"], "template": ["p", "q", "p"]})
    return Axes(runs, pd.DataFrame({"task": ["t", "u"]}), labels)


def test_levels_that_do_not_occur_together_are_numbered_too(axes):
    code, size = number_levels(axes.runs, ["model", "temperature"])
    assert (code.tolist(), size) == ([0, 1, 2], 4)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((), [[153]]),
        (("model",), [[15 + 51, 87]]),
        (("task",), [[3 + 21 + 39, 12 + 30 + 48]]),
        # Groups are sorted by name, unlike the rows of labels: g of y, then h of x.
        (("persona_group",), [[2 + 5 + 8 + 11 + 14 + 17, 1 + 4 + 7 + 10 + 13 + 16 + 0 + 3 + 6 + 9 + 12 + 15]]),
        (("model", "task"), [[3 + 21, 12 + 30, 39, 48]]),
        (("temperature",), [[15 + 87, 51]]),
    ],
)
def test_cells_are_added_up_to_levels(axes, factors, expected):
    # Runs have 0 .. 5, 6 .. 11, 12 .. 17: three labels of the first task, three of the second.
    cells = np.arange(18.0).reshape(1, 3, 2, 3)
    assert Margin(axes, factors, in_families=False).add_up(cells).tolist() == expected


def test_cells_are_added_up_within_models_and_tasks(axes):
    cells = np.arange(18.0).reshape(1, 3, 2, 3)
    by_persona = Margin(axes, ["persona"], in_families=True).add_up(cells)
    # Model M: (0 + 1) + (6 + 7) under x and 2 + 8 under y in the first task.
    assert by_persona.tolist() == [[[[14, 10], [26, 16]], [[25, 14], [31, 17]]]]
    by_temperature = Margin(axes, ["temperature"], in_families=True).add_up(cells)
    # N has one temperature.
    assert by_temperature.tolist() == [[[[3, 21], [12, 30]], [[39, 0], [48, 0]]]]


def test_an_axis_that_was_added_up_may_be_left_out(axes):
    cells = np.arange(18.0).reshape(1, 3, 2, 3)
    margin = Margin(axes, ["model", "task"], in_families=False)
    assert margin.add_up(cells.sum(axis=3, keepdims=True)).tolist() == margin.add_up(cells).tolist()


def test_a_study_too_large_for_memory_is_refused_by_its_factors(make_counts, monkeypatch):
    asked = [(model, str(number)) for model in ("a", "b") for number in range(9)]
    rows = [{"model": m, "task": "t", "persona": p, "text_id": p, "refused": 0} for m, p in asked]
    counts = make_counts(rows)
    monkeypatch.setattr(grid_module, "MOST_CELLS", 18)
    assert Grid(counts, ["model"], ["persona"]).n_cells == 2 * 9
    monkeypatch.setattr(grid_module, "MOST_CELLS", 17)
    with pytest.raises(InputError) as caught:
        Grid(counts, ["model"], ["persona"])
    assert str(caught.value) == (
        "18 combinations of factors (9 of persona x 2 of model) are too many for sensitivity indices, at most 17 are "
        "possible; persona has 9 levels and model has 2 levels: leave factors out (--without persona), merge levels, "
        "or give fewer models at a time"
    )


def test_of_two_factors_of_labels_only_the_combinations_that_occur_are_levels(axes):
    # x p, x q and y p occur of four: entries 0, 1 and 2 of each run and task.
    cells = np.arange(18.0).reshape(1, 3, 2, 3)
    added = Margin(axes, ["persona", "template"], in_families=False).add_up(cells)
    assert added.tolist() == [[sum(range(0, 18, 3)), sum(range(1, 18, 3)), sum(range(2, 18, 3))]]
