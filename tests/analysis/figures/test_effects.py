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


def test_personas_are_drawn_in_points_and_those_that_differ_by_shape_and_colour():
    (figure,) = draw_contrasts(tables(difference("man", 0.1, p_adjusted=0.05), difference("woman", -0.01)), "prefix")
    shown = [(row["y"], row["series"], row["x"], row["low"], row["high"]) for row in drawn(figure)]
    assert shown == [("Man", DIFFERS, 10, 7, 13), ("Woman", ALIKE, -1, -3, 1)]
    points = to_spec(figure)["vconcat"][0]["spec"]["layer"][-1]["encoding"]
    assert points["color"]["field"] == points["shape"]["field"] == "series"
    assert len(set(points["shape"]["scale"]["range"])) == 2
    assert "significant after correction (1 of 2), with 95% CIs adjusted for selection" in figure.caption
    assert "is based on 50 responses about 10 texts, compared with 60 responses." in figure.caption


def test_the_noise_of_wordings_is_a_band_around_no_difference_if_there_are_phrases():
    rows = tables(difference("man", 0.1, p_adjusted=0.05), difference("woman", -0.01))
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
    others = tables(difference("man", 0.1, baseline="others")) | {"wordings": wordings}
    assert "Grey bands" not in next(draw_contrasts(others, "prefix")).caption


def test_neutral_prompts_are_the_baseline_before_the_other_personas_and_persona_free_ones_never():
    rows = [difference("man", 0.1, baseline=name) for name in ("persona-free", "others", "neutral")]
    assert against_best(tables(*rows), "prefix")[1] == "neutral"
    assert against_best(tables(*rows[:2]), "prefix")[1] == "others"
    assert against_best(tables(rows[0]), "prefix") == (None, "")
    assert list(draw_contrasts(tables(rows[0]), "prefix")) == []


def test_few_models_share_a_figure_and_many_have_one_for_each_task():
    def names(n_models):
        rows = [difference("man", 0.1, model=f"m{i}", task=t) for i in range(n_models) for t in ("nli", "politeness")]
        return [figure.name for figure in draw_contrasts(tables(*rows), "prefix")]

    assert names(3) == ["personas_against_neutral"]
    assert names(4) == ["personas_against_neutral_nli", "personas_against_neutral_politeness"]


def test_figures_of_tasks_that_are_named_in_other_letters_have_names_of_their_own():
    rows = [
        difference("man", 0.1, model=f"m{i}", task=task) for i in range(4) for task in ("模型", "任务", "a/b", "a.b")
    ]
    names = [figure.name for figure in draw_contrasts(tables(*rows), "prefix")]
    assert len(set(names)) == 4


def test_each_task_has_its_own_rows():
    rows = [
        difference("man", 0.1 * (t == "nli"), model=f"m{i}", task=t) for i in range(4) for t in ("nli", "politeness")
    ]
    nli, politeness = draw_contrasts(tables(*rows), "prefix")
    assert [row["x"] for row in drawn(nli)] == [10] * 4
    assert [row["x"] for row in drawn(politeness)] == [0] * 4
    assert nli.table["task"].unique().tolist() == ["nli"]


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
