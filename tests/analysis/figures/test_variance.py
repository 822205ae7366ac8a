"""The figure of the components of variance: bars of 100%, in order, and the detectors' rates beside them."""

import pandas as pd
import pytest
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.figures.variance import draw_variance

SHARES = {"text": 0.3, "persona": -0.1, "seed": 0.5, "text:persona": 0.15, "rest": 0.15}


def components(shares, model="m", task="nli", n_refused=40):
    sizes = {"variance": 0.1, "n": 200, "n_texts": 20, "n_refused": n_refused, "note": ""}
    rows = [
        {
            "model": model,
            "task": task,
            "component": name,
            "estimate": share,
            "ci_low": share - 0.1,
            "ci_high": share + 0.1,
        }
        for name, share in (shares | {"total": 1.0}).items()
    ]
    return pd.DataFrame([row | sizes for row in rows])


def rates(n_refused, model="m", rule="prefix", **more):
    numbers = {
        "estimate": n_refused / 200,
        "ci_low": 0.0,
        "ci_high": 1.0,
        "n": 200,
        "n_texts": 20,
        "n_refused": n_refused,
    }
    return {"model": model, "task": "nli", "setting": "persona", "rule": rule} | numbers | more


def draw(table, *of_rules, run_factors=()):
    tables = {"variance_components": table, "rates": pd.DataFrame(of_rules or [rates(40)])}
    return list(draw_variance(tables, ["prefix", "other"], "prefix", run_factors))


def drawn(figure, field):
    return [
        row
        for rows in to_spec(figure)["datasets"].values()
        for row in rows
        if field in row
    ]  # fmt: skip


def test_a_bar_has_its_components_end_to_end_negative_ones_as_0_and_the_rest_up_to_100_percent():
    (figure,) = draw(components(SHARES))
    ends = {row["series"]: (row["low"], row["high"]) for row in drawn(figure, "low")}
    # text, text x persona, persona, sampling, and 100 - 30 - 15 - 50 is the rest.
    times = "\N{MULTIPLICATION SIGN}"
    assert ends == {
        "text": (0, 30),
        f"text {times} persona": (30, 45),
        "persona": (45, 45),
        "sampling seed": (45, 95),
        "rest": (95, 100),
    }
    assert "total" not in set(figure.table["component"])
    # The table beside the figure has the estimate.
    assert figure.table.set_index("component")["estimate"]["persona"] == -0.1


def test_components_that_exceed_100_percent_together_are_scaled_to_it():
    (figure,) = draw(components({"text": 0.5, "persona": 0.75, "rest": -0.25}))
    ends = {row["series"]: (row["low"], row["high"]) for row in drawn(figure, "low")}
    assert ends == {"text": (0, 40), "persona": (40, 100), "rest": (100, 100)}


def test_bars_of_few_refusals_or_few_other_responses_are_left_out_and_counted():
    parts = [components(SHARES, model, n_refused=k) for model, k in (("a", 29), ("b", 30), ("c", 171))]
    (figure,) = draw(pd.concat(parts))
    assert {row["y"] for row in drawn(figure, "low")} == {"b"}
    assert "2 with fewer than 30 refusals or other responses are omitted." in figure.caption
    assert draw(parts[0]) == []


def test_the_rate_of_each_detector_is_beside_the_bar_with_repeats_pooled():
    by_repeat = [rates(k, rule=rule, repeat=r) for rule, ks in {"prefix": (40, 60), "other": (20, 20)}.items()
                 for r, k in enumerate(ks)]  # fmt: skip
    (figure,) = draw(components(SHARES), *by_repeat, run_factors=["repeat"])
    # (40 + 60) of 400 responses, and 40 of 400.
    shown = {row["series"]: row["x"] for row in drawn(figure, "x")}
    assert shown == pytest.approx({"prefix": 25, "other": 10})


def test_each_task_has_its_bars():
    (figure,) = draw(pd.concat([components(SHARES), components(SHARES, task="politeness")]))
    panels = to_spec(figure)["vconcat"]
    assert [panel["hconcat"][0]["title"] for panel in panels] == ["NLI", "Politeness"]
