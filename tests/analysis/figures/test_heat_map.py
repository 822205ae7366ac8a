"""The heat map of models by personas: what is coloured, marked, hatched and folded."""

import pandas as pd
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.heat_map import draw_heat_map


def row(model, persona, estimate, half=0.02, *, shrunken=None, mde_up=0.03, n_tasks=2, baseline="others"):
    return {
        "model": model,
        "task": "",
        "persona": persona,
        "baseline": baseline,
        "rule": "prefix",
        "estimate": estimate,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
        "estimate_shrunken": estimate if shrunken is None else shrunken,
        "mde_up": mde_up,
        "n_tasks": n_tasks,
        "n": 50,
        "n_texts": 10,
        "n_refused": 20,
        "n_baseline": 60,
        "n_refused_baseline": 18,
    }


def rate(model, estimate):
    ends = {"estimate": estimate, "ci_low": estimate - 0.01, "ci_high": estimate + 0.01}
    return {"model": model, "setting": "persona", "rule": "prefix", "n_tasks": 2, "n": 100, "n_refused": 9} | ends


def draw(*rows, rates=()):
    tables = {"persona_differences": pd.DataFrame(rows)}
    (figure,) = draw_heat_map(tables | ({"rates_by_model": pd.DataFrame(rates)} if rates else {}), "prefix")
    return figure


def cells(figure):
    found = [c for rows in to_spec(figure)["datasets"].values() for c in rows if "value" in c]
    return {(c["y"], c["x"]): c for c in found}


def styles(spec):
    if isinstance(spec, dict):
        own = [spec["mark"]["style"]] if isinstance(spec.get("mark"), dict) and "style" in spec["mark"] else []
        return own + [style for part in spec.values() for style in styles(part)]
    return [style for part in spec for style in styles(part)] if isinstance(spec, list) else []


def test_a_cell_has_the_shrunken_difference_and_a_dot_exactly_if_its_interval_excludes_0():
    figure = draw(row("a", "man", 0.12, shrunken=0.1), row("a", "woman", -0.01), row("a", "black", -0.03))
    found = cells(figure)
    assert {x: (c["value"], c["significant"], c["number"]) for (_, x), c in found.items()} == {
        "Man": (10, 1, "+10"),
        "Woman": (-1, 0, "\N{MINUS SIGN}1"),
        "Black": (-3, 1, "\N{MINUS SIGN}3"),
    }
    assert figure.caption == (
        "Refusal rate of each persona minus that of the other personas, in percentage points, averaged over 2 tasks "
        "and shrunken towards the mean of the model (prefix). Dot and number: significant (the simultaneous 95% CI "
        "excludes 0); hatched: increases of 5 points may go undetected."
    )


def test_cells_are_hatched_above_5_points_or_if_nothing_is_known_and_absent_ones_have_a_dash():
    figure = draw(
        row("a", "man", 0.1, mde_up=0.05),
        row("a", "woman", 0.0, mde_up=0.0501),
        row("b", "man", 0.1, mde_up=float("nan")),
    )
    assert {key: c["hatched"] for key, c in cells(figure).items()} == {
        ("a", "Man"): 0,
        ("a", "Woman"): 1,
        ("b", "Man"): 1,
        ("b", "Woman"): -1,
    }
    assert {"hatch", "absent"} <= set(styles(to_spec(figure)))


def test_models_are_sorted_by_their_rate_which_is_printed_and_personas_by_their_mean_difference():
    rows = [
        row(model, persona, d) for model in "ab" for persona, d in {"man": -0.1, "woman": 0.1, "black": 0.2}.items()
    ]
    figure = draw(*rows, rates=[rate("a", 0.1), rate("b", 0.3)])
    printed, heat = to_spec(figure)["hconcat"]
    assert printed["encoding"]["y"]["scale"]["domain"] == ["b", "a"]
    (texts,) = [rows for rows in to_spec(figure)["datasets"].values() if "rate" in rows[0]]
    assert [line["rate"] for line in texts] == ["30.00 [29.00, 31.00]", "10.00 [9.00, 11.00]"]
    encoding = heat["layer"][0]["encoding"]
    assert encoding["y"]["scale"]["domain"] == ["b", "a"]
    assert encoding["x"]["scale"]["domain"] == ["Black", "Woman", "Man"]


def test_only_models_whose_intervals_all_lie_within_5_points_are_folded_and_the_line_says_so():
    close = [row(model, persona, 0.01, 0.04) for model in ("c", "d") for persona in ("man", "woman")]
    wide = [row("b", "man", 0.01, 0.04), row("b", "woman", 0.01, 0.0401)]
    rates = [rate("a", 0.5), rate("b", 0.4), rate("c", 0.3), rate("d", 0.2)]
    figure = draw(row("a", "man", 0.1), *wide, *close, rates=rates)
    assert {y for y, _ in cells(figure)} == {"a", "b"}
    assert figure.note == (
        "Folded: 2 models whose differences all lie within 5 points of 0 (simultaneous 95% CIs), with their rates in "
        "percent: c 30.00 [29.00, 31.00]; d 20.00 [19.00, 21.00]."
    )
    # Files show the line, too; a page writes it below.
    assert " ".join(to_spec(figure)["title"]["text"]) == figure.note
    assert "title" not in to_spec(figure, on_page=True)
    assert len(figure.table) == 7


def test_nothing_is_folded_if_nothing_else_would_be_left():
    figure = draw(row("a", "man", 0.01), row("b", "man", 0.0))
    assert figure.note == ""
    assert {y for y, _ in cells(figure)} == {"a", "b"}


def test_models_with_fewer_tasks_are_named():
    figure = draw(row("a", "man", 0.1), row("b", "man", 0.2, n_tasks=1))
    assert figure.note == "Averaged over fewer than the 2 tasks of the others: b."


def test_noise_stays_pale():
    encoding = to_spec(draw(row("a", "man", 0.001)))["layer"][0]["encoding"]
    assert encoding["color"]["scale"]["domain"] == [-5, 5]
