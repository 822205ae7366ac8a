"""Figures of differences between personas, and of the smallest that could be found."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.effects import against_best, draw_contrasts, draw_detectable
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.marks import ALIKE, DIFFERS


def difference(persona, estimate, *, model="m", task="nli", baseline="neutral", p_adjusted=1.0, mde_up=0.05):
    """Make a row of the table of contrasts; its interval is 0.02 wide to each side, the adjusted one 0.03."""
    half = 0.03 if p_adjusted <= 0.05 else float("nan")
    return {
        "model": model,
        "task": task,
        "persona": persona,
        "baseline": baseline,
        "rule": "prefix",
        "estimate": estimate,
        "ci_low": estimate - 0.02,
        "ci_high": estimate + 0.02,
        "ci_low_named": estimate - half,
        "ci_high_named": estimate + half,
        "p_adjusted": p_adjusted,
        "mde_up": mde_up,
        "n": 50,
        "n_texts": 10,
        "n_refused": 20,
        "n_baseline": 60,
        "n_refused_baseline": 18,
    }


def tables(*rows):
    return {"contrasts_by_persona": pd.DataFrame(rows)}


def drawn(figure):
    return [row for rows in to_spec(figure)["datasets"].values() for row in rows if "zero" not in row]


def simultaneous(persona, estimate, half=0.02, *, model="m", task="", baseline="neutral", shrunken=None, mde_up=0.04):
    """Make a row of the table of differences by model; an empty task is the mean over tasks."""
    row = difference(persona, estimate, model=model, task=task, baseline=baseline, mde_up=mde_up)
    ends = {"ci_low": estimate - half, "ci_high": estimate + half}
    return row | ends | {"estimate_shrunken": estimate if shrunken is None else shrunken, "n_tasks": 1}


def differences(*rows):
    """Both the mean over tasks and the only task."""
    return {"persona_differences": pd.DataFrame([*rows, *({**row, "task": "nli"} for row in rows)])}


def test_personas_are_drawn_in_points_the_most_refused_first_and_what_excludes_0_by_shape_and_colour():
    rows = [simultaneous("woman", -0.01), simultaneous("man", 0.1, 0.03)]
    (figure,) = draw_contrasts(differences(*rows), "prefix")
    shown = {row["y"]: (row["series"], row["x"], row["low"], row["high"]) for row in drawn(figure)}
    assert shown == {"Man": (DIFFERS, 10, 7, 13), "Woman": (ALIKE, -1, -3, 1)}
    spec = to_spec(figure)["vconcat"][0]["spec"]
    points = spec["layer"][-1]["encoding"]
    assert points["y"]["scale"]["domain"] == ["Man", "Woman"]
    assert points["color"]["field"] == points["shape"]["field"] == "series"
    assert len(set(points["shape"]["scale"]["range"])) == 2
    assert "significant, the interval excludes 0 (1 of 2)" in figure.caption
    assert "is based on 50 responses about 10 texts, compared with 60 responses." in figure.caption


def test_every_mark_agrees_with_the_interval_that_is_drawn():
    ends = [simultaneous(f"p{i}", i / 100, 0.03) for i in range(-6, 7)]
    (figure,) = draw_contrasts(differences(*ends), "prefix")
    for row in drawn(figure):
        assert (row["series"] == DIFFERS) == (row["low"] > 0 or row["high"] < 0)


def test_the_noise_of_wordings_is_a_band_around_no_difference_if_there_are_phrases():
    rows = differences(simultaneous("man", 0.1), simultaneous("woman", -0.01))
    (figure,) = draw_contrasts(rows, "prefix")
    assert "Grey bands" not in figure.caption
    assert not any("null" in row for row in drawn(figure))
    band = {"model": "m", "task": "nli", "rule": "prefix", "estimate": 0.1, "noise_band": 0.03}
    wordings = pd.DataFrame([band | {"persona": "woman", "noise_band": None}, band | {"persona": "man"}])
    (figure,) = draw_contrasts(rows | {"wordings": wordings}, "prefix")
    assert "Grey bands: differences that the spread of wordings explains." in figure.caption
    # Without a band it has no width.
    assert [(row["y"], row["null_low"], row["null"]) for row in drawn(figure)] == [("Man", -3, 3), ("Woman", 0, 0)]
    # Differences from other personas have nothing to do with neutral phrases.
    others = differences(simultaneous("man", 0.1, baseline="others")) | {"wordings": wordings}
    assert "Grey bands" not in next(draw_contrasts(others, "prefix")).caption


def test_neutral_prompts_are_the_baseline_before_the_other_personas_and_persona_free_ones_never():
    rows = [difference("man", 0.1, baseline=name) for name in ("persona-free", "others", "neutral")]
    assert against_best(tables(*rows), "prefix")[1] == "neutral"
    assert against_best(tables(*rows[:2]), "prefix")[1] == "others"
    assert against_best(tables(rows[0]), "prefix") == (None, "")


def of_models(n_models, tasks=("nli", "politeness")):
    rows = [simultaneous("man", 0.1, model=f"m{i}", task=task) for i in range(n_models) for task in ("", *tasks)]
    return {"persona_differences": pd.DataFrame(rows)}


def test_many_models_have_a_menu_on_a_page_and_a_panel_each_in_files():
    (few,) = draw_contrasts(of_models(3), "prefix")
    assert few.on_page is None
    (many,) = draw_contrasts(of_models(4), "prefix")
    (menu,) = to_spec(many, on_page=True)["params"]
    assert menu["bind"] == {"input": "select", "options": ["m0", "m1", "m2", "m3"], "name": "Model"}
    assert menu["value"] == "m0"
    assert to_spec(many, on_page=True)["transform"] == [{"filter": f"datum.panel === {menu['name']}"}]
    assert "params" not in to_spec(many)
    assert [part["title"] for part in to_spec(many)["vconcat"]] == ["All tasks", "NLI", "Politeness"]


def test_one_task_has_no_column_for_all_tasks():
    (figure,) = draw_contrasts(of_models(1, tasks=("nli",)), "prefix")
    assert {row["column"] for row in drawn(figure)} == {"NLI"}


def test_detectable_differences_are_drawn_with_their_median():
    rows = [difference(persona, 0, mde_up=mde) for persona, mde in {"a": 0.01, "b": 0.02, "c": 0.2}.items()]
    (figure,) = draw_detectable(tables(*rows), "prefix")
    assert sorted((row["whole"], row["x"]) for row in drawn(figure)) == [(0, 1), (0, 2), (0, 20), (1, 2)]
    assert figure.table["mde_up"].tolist() == [0.01, 0.02, 0.2]


def test_what_could_not_be_found_at_all_is_drawn_at_100_points_and_said():
    (figure,) = draw_detectable(tables(difference("a", 0, mde_up=1.0)), "prefix")
    dot = drawn(figure)[0]
    assert dot["x"] == 100
    assert "none detectable" in dot.values()


def test_comparisons_without_any_refusal_are_left_out_and_counted():
    rows = [difference("a", 0, mde_up=0.1), difference("b", 0, mde_up=float("nan"))]
    (figure,) = draw_detectable(tables(*rows), "prefix")
    assert "1 comparison without refusals is omitted" in figure.caption
    assert len(figure.table) == 1
    assert list(draw_detectable(tables(rows[1]), "prefix")) == []


@pytest.mark.parametrize(
    ("values", "domain"), [([0.013, 0.3], [1, 50]), ([1.0], [50, 100]), ([0.02], [1, 2]), ([0.0], [0.0005, 0.001])]
)
def test_the_logarithmic_scale_goes_from_one_of_1_2_5_to_another(values, domain):
    rows = [difference(f"p{i}", 0, mde_up=mde) for i, mde in enumerate(values)]
    (figure,) = draw_detectable(tables(*rows), "prefix")
    scale = to_spec(figure)["spec"]["layer"][0]["encoding"]["x"]["scale"]
    assert (scale["type"], scale["domain"]) == ("log", domain)
