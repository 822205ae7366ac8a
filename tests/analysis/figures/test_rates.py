"""Figures of refusal rates: what is drawn is what the tables say."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.rates import (
    draw_heat_maps,
    draw_personas,
    draw_rates,
    draw_response_types,
    draw_rules_by_template,
    draw_settings,
    draw_strata,
)


def rate(estimate, *, model="m", task="nli", setting="persona", rule="prefix", n=100, **levels):
    """Make a row of a table of rates; the interval is the estimate less and plus 0.05."""
    return {
        "model": model,
        "task": task,
        "setting": setting,
        **levels,
        "rule": rule,
        "estimate": estimate,
        "ci_low": max(estimate - 0.05, 0.0),
        "ci_high": estimate + 0.05,
        "n": n,
        "n_texts": 10,
        "n_refused": round(n * estimate),
    }


def drawn(figure):
    """Give all rows that a figure draws."""
    return [row for rows in to_spec(figure)["datasets"].values() for row in rows if "zero" not in row]


def test_rates_are_drawn_in_percent_with_their_intervals_for_each_rule():
    table = pd.DataFrame(
        [rate(0.2), rate(0.1, rule="prefix_strict"), rate(0.9, setting="neutral"), rate(0.4, rule="other")]
    )
    (figure,) = draw_rates({"rates": table}, ["prefix", "prefix_strict"])
    shown = [(row["series"], row["x"], row["low"], row["high"]) for row in drawn(figure)]
    # The neutral setting and the rule that was not asked for are left out.
    assert sorted(shown) == [("prefix", 20, 15, 25), ("prefix_strict", 10, 5, 15)]
    assert figure.table["estimate"].tolist() == [0.2, 0.1]
    assert "is based on 100 responses about 10 texts" in figure.caption


def test_figure_1_draws_rates_of_settings_and_the_differences_between_them():
    rates = pd.DataFrame([rate(0.3), rate(0.1, setting="persona-free"), rate(0.5, model="alone")])
    difference = {
        "model": "m",
        "task": "nli",
        "baseline": "persona-free",
        "rule": "prefix",
        "estimate": 0.2,
        "ci_low": 0.1,
        "ci_high": 0.3,
        "p_adjusted": 0.01,
        "n": 100,
        "n_texts": 10,
        "n_refused": 30,
        "n_baseline": 100,
        "n_refused_baseline": 10,
    }
    (figure,) = draw_settings({"rates": rates, "contrasts": pd.DataFrame([difference])}, "prefix")
    shown = sorted((row["series"], row["x"]) for row in drawn(figure))
    # A model without a baseline has nothing to be compared with.
    assert shown == [("persona", 30), ("persona-free", 10), ("persona-free", 20)]
    assert figure.table["drawn"].tolist() == ["rate", "rate", "difference"]


def test_figure_2_draws_the_mean_over_models_beside_each_of_them():
    table = pd.DataFrame([rate(0.1, model="a", persona="man"), rate(0.4, model="b", persona="man")])
    (figure,) = draw_personas({"rates_by_persona": table}, "prefix")
    # (10 + 40) / 2 = 25
    assert sorted((row["whole"], row["x"]) for row in drawn(figure)) == [(0, 10), (0, 40), (1, 25)]
    mean = figure.table.iloc[-1]
    assert (mean["model"], mean["persona"], mean["estimate"], mean["n_models"]) == ("", "man", 0.25, 2)
    assert drawn(figure)[-1]["tip0"] == "mean of 2 models"


def test_figure_2_of_one_model_draws_its_interval_instead():
    table = pd.DataFrame([rate(0.1, persona="man")])
    (figure,) = draw_personas({"rates_by_persona": table}, "prefix")
    (row,) = drawn(figure)
    assert (row["x"], row["low"], row["high"]) == pytest.approx((10, 5, 15))


def test_a_heat_map_has_a_dash_where_nothing_was_asked_and_0_where_nothing_was_refused():
    table = pd.DataFrame(
        [
            rate(0.0, model="a", persona="man"),
            rate(0.5, model="a", persona="woman"),
            rate(0.123, model="b", persona="man"),
        ]
    )
    (figure,) = draw_heat_maps({"rates_by_persona": table}, "prefix")
    cells = {(row["y"], row["x"]): (row["value"], row["number"]) for row in drawn(figure)}
    assert cells == {
        ("a", "Man"): (0, "0"),
        ("a", "Woman"): (50, "50.0"),
        ("b", "Man"): (12.3, "12.3"),
        ("b", "Woman"): (None, "\N{EN DASH}"),
    }
    assert len(figure.table) == 3


def test_a_heat_maps_colours_end_at_the_largest_rate_of_all_tasks():
    table = pd.DataFrame([rate(0.2, persona="man"), rate(0.8, task="politeness", persona="man")])
    (figure,) = draw_heat_maps({"rates_by_persona": table}, "prefix")
    domains = [
        layer["encoding"]["color"]["scale"]["domain"]
        for chart in to_spec(figure)["vconcat"]
        for layer in chart["layer"]
        if "color" in layer["encoding"]
    ]
    assert domains == [[0, 80], [0, 80]]


def test_numbers_in_a_heat_map_give_way_where_cells_are_narrow():
    def numbers(n_personas):
        rows = [rate(0.123, persona=f"p{i}") for i in range(n_personas)]
        (figure,) = draw_heat_maps({"rates_by_persona": pd.DataFrame(rows)}, "prefix")
        texts = [layer for layer in to_spec(figure)["vconcat"][0]["layer"] if layer["mark"]["type"] == "text"]
        return drawn(figure)[0]["number"] if texts else None

    # 640 pixels for 15, 25 and 40 personas: cells of 42, 25 and 17.
    assert [numbers(15), numbers(25), numbers(40)] == ["12.3", "12", None]


def test_response_types_are_in_the_order_of_force():
    table = pd.DataFrame([rate(0.1, response_type=name) for name in ("forced", "semi-forced", "unforced")])
    (figure,) = draw_response_types({"rates_by_response_type": table}, "prefix")
    scale = to_spec(figure)["spec"]["layer"][-1]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["unforced", "semi-forced", "forced"]
    assert len(drawn(figure)) == 3


def test_disagreement_needs_two_rules():
    table = pd.DataFrame([rate(0.1, template="p1"), rate(0.3, template="p1", rule="other")])
    (figure,) = draw_rules_by_template({"rates_by_template": table}, ["prefix", "other"])
    assert sorted((row["y"], row["series"], row["x"]) for row in drawn(figure)) == [
        ("p1", "other", 30),
        ("p1", "prefix", 10),
    ]
    assert list(draw_rules_by_template({"rates_by_template": table}, ["prefix"])) == []


def test_ratings_are_drawn_as_a_curve_and_classes_apart():
    rows = [rate(0.1 * k, task="offensiveness", stratum=str(k)) for k in (1, 2, 10)]
    rows += [rate(0.5, stratum="neutral"), rate(0.4, stratum="entailment")]
    curve, classes = draw_strata({"rates_by_stratum": pd.DataFrame(rows)}, "prefix")
    assert [(row["x"], row["y"]) for row in drawn(curve)] == [("1", 10), ("2", 20), ("10", 100)]
    axis = to_spec(curve)["spec"]["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert axis == ["1", "2", "10"]
    assert sorted((row["y"], row["x"]) for row in drawn(classes)) == [("entailment", 40), ("neutral", 50)]
    assert "clearly false" in curve.caption


def test_a_refusal_about_a_low_rating_is_called_false_for_offensiveness_alone():
    rows = [rate(0.1, task="politeness", stratum=str(k)) for k in (1, 2)]
    (curve,) = draw_strata({"rates_by_stratum": pd.DataFrame(rows)}, "prefix")
    assert "clearly false" not in curve.caption


def test_an_estimate_without_an_interval_is_drawn_as_a_point():
    table = pd.DataFrame([rate(0.2)]).assign(ci_low=float("nan"), ci_high=float("nan"))
    (figure,) = draw_rates({"rates": table}, ["prefix"])
    (row,) = drawn(figure)
    assert (row["x"], row["low"], row["high"]) == (20, None, None)
