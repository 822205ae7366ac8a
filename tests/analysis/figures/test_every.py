"""All figures of a study: which there are, that they compile, and that names in them are names only."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import vl_convert
from refusal_metrics.analysis.figures.every import draw_figures
from refusal_metrics.analysis.figures.export import to_spec
from refusal_metrics.analysis.report import ReportOptions
from refusal_metrics.analysis.report.write import estimate_responses
from refusal_metrics.analysis.responses import read_responses

MARK = "Zorp"
HOSTILE = f"""{MARK}<script>alert("1")</script>.a[0]\\'{{{{x}}}}${{y}} 模型 مرحبا \u202e {"long-" * 12}"""


def study(folder, models, personas, *, tasks=("nli", "offensiveness"), factor=None):
    """Estimate a small random study; verdicts of two rules, three settings."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "model": model,
            "task": task,
            "setting": setting,
            "persona": persona,
            "persona_group": persona and f"group of {persona}",
            "template": template,
            "response_type": response_type,
            "stratum": ("entailment", "neutral")[x % 2] if task == "nli" else str(x % 5 + 1),
            "text_id": f"{task}/{x}",
            "refused_prefix": int(rng.random() < 0.3),
            "refused_prefix_strict": int(rng.random() < 0.2),
            **({factor: str(x % 2)} if factor else {}),
        }
        for model in models
        for task in tasks
        for x in range(20)
        for setting, asked in (("persona", personas), ("neutral", ["person"]), ("persona-free", [None]))
        for persona in asked
        for template, response_type in (("p1", "unforced"), ("p7", "forced"))
    ]
    file = folder / "responses.parquet"
    pd.DataFrame(rows).to_parquet(file, index=False)
    options = ReportOptions(n_replicates=20, run_factors=(factor,) if factor else ())
    return estimate_responses(read_responses([file]), options)


def draw(estimates):
    return draw_figures(estimates.tables, estimates.rules, estimates.rule, estimates.run_factors)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    models = ("google/gemma-2b-it", "google/gemma-7b-it", "Qwen/Qwen2-7B-Instruct", "Qwen/Qwen1.5-7B-Chat")
    estimates = study(tmp_path_factory.mktemp("models"), models, ["man", "woman", "asian"])
    return estimates, draw(estimates)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    personas, tasks = [HOSTILE + "p", "man"], ("nli", HOSTILE + "t")
    return draw(study(folder, [HOSTILE, HOSTILE + "2"], personas, tasks=tasks, factor="top.p"))


@pytest.fixture(scope="module")
def one_model(tmp_path_factory):
    estimates = study(tmp_path_factory.mktemp("one"), ["m"], ["man", "woman"], tasks=("offensiveness",))
    return estimates, draw(estimates)


NAMES = [
    "models_by_personas",
    "personas_against_neutral",
    "figures4_10_11_models_by_response_types",
    "rates_models_by_tasks",
    "figure1_persona_against_persona_free",
    "figure2_personas",
    "figures3_7_8_9_models_by_personas",
    "detectable_differences",
    "figure5_sensitivity",
    "sensitivity_by_model",
    "variance_components",
    "deviations",
    "figure6_regression",
    "marginal_effects",
    "rules_by_template",
    "dose_response",
    "rates_by_class",
    "trend",
]


def test_a_study_with_everything_has_every_figure_in_the_order_of_the_page(two_models):
    _, figures = two_models
    assert [figure.name for figure in figures] == NAMES


def test_a_study_of_one_model_and_task_has_those_that_need_no_more(one_model):
    names = [figure.name for figure in one_model[1]]
    # Its 80 responses have fewer than the 30 refusals of a bar.
    gone = {"variance_components", "sensitivity_by_model", "rates_by_class", "trend"}
    assert names == [n for n in NAMES if n not in gone]


NEEDED = [
    (["rates"], ["rates_models_by_tasks"]),
    (["rates", "contrasts"], ["rates_models_by_tasks", "figure1_persona_against_persona_free"]),
    (["contrasts"], []),
    (["contrasts_by_persona"], ["detectable_differences"]),
    (["persona_differences"], ["models_by_personas", "personas_against_neutral"]),
    (["rates_by_model"], []),
    (["rates_by_persona"], ["figure2_personas", "figures3_7_8_9_models_by_personas"]),
    (["sensitivity"], ["figure5_sensitivity"]),
    (["deviations"], ["deviations"]),
    (["regression"], ["figure6_regression"]),
    (["regression_effects"], ["marginal_effects"]),
    (["rates_by_response_type"], ["figures4_10_11_models_by_response_types"]),
    (["rates_by_template"], ["rules_by_template"]),
    (["rates_by_stratum"], ["dose_response"]),
    (["trend_models"], []),
]
"""Tables, and the figures that they give."""
LISTED = {name for _, given in NEEDED for name in given}


@pytest.mark.parametrize(("needed", "given"), NEEDED)
def test_a_figure_is_drawn_where_its_tables_are_there_and_left_out_elsewhere(one_model, needed, given):
    estimates, _ = one_model
    tables = {name: estimates.tables[name] for name in needed if name in estimates.tables}
    drawn = [figure.name for figure in draw_figures(tables, estimates.rules, estimates.rule)]
    # A figure that is not in this list is checked by the next test alone.
    assert [name for name in drawn if name in LISTED] == given


def test_a_figure_without_one_of_its_tables_is_left_out_and_the_others_stay(one_model):
    estimates, figures = one_model
    names = {figure.name for figure in figures}
    lost = set()
    for missing in estimates.tables:
        tables = {name: table for name, table in estimates.tables.items() if name != missing}
        drawn = {figure.name for figure in draw_figures(tables, estimates.rules, estimates.rule)}
        assert drawn <= names
        lost |= names - drawn
    # Every figure needs a table.
    assert lost == names


def test_empty_tables_give_no_figures(two_models):
    estimates, _ = two_models
    empty = {name: table.iloc[:0] for name, table in estimates.tables.items()}
    assert draw_figures(empty, estimates.rules, estimates.rule) == []


def test_rows_without_estimates_give_no_figures(two_models):
    estimates, _ = two_models
    numbers = {"estimate", "iota", "coef", "mde_up"}
    unknown = {
        name: table.assign(**{str(c): float("nan") for c in table if c in numbers})
        for name, table in estimates.tables.items()
        if not name.startswith("trend")
    }
    assert draw_figures(unknown, estimates.rules, estimates.rule) == []


def test_no_tables_give_no_figures():
    assert draw_figures({}, ["prefix"], "prefix") == []


def test_personas_are_compared_with_each_other_where_no_neutral_task_was_run(one_model):
    estimates, _ = one_model
    table = estimates.tables["persona_differences"]
    tables = {"persona_differences": table.assign(baseline="others")}
    figures = draw_figures(tables, estimates.rules, estimates.rule)
    assert [figure.name for figure in figures] == ["models_by_personas", "personas_against_others"]
    assert figures[0].title == "Who is refused more often, compared with the other personas"


def test_every_figure_is_valid_and_compiles_without_a_warning(two_models, hostile, capfd):
    for figure in (*two_models[1], *hostile):
        figure.chart.to_dict()  # checks it against Vega-Lite's schema
        for on_page in {False, figure.on_page is not None}:
            spec = to_spec(figure, dark=True, on_page=on_page)
            vl_convert.vegalite_to_vega(spec, vl_version="6.4", show_warnings=True)
            assert "WARN" not in "".join(capfd.readouterr()), figure.name


def test_a_warning_would_be_seen(capfd):
    spec = {"data": {"values": [{"a": 1}]}, "mark": "bar", "encoding": {"shape": {"field": "a"}}}
    vl_convert.vegalite_to_vega(spec, vl_version="6.4", show_warnings=True)
    assert "WARN" in "".join(capfd.readouterr())


def expressions(part):
    """Yield the texts in a Vega specification that are read as expressions."""
    if isinstance(part, dict):
        for key, value in part.items():
            is_code = key in {"signal", "expr", "test", "update"} and isinstance(value, str)
            yield from [value] if is_code else expressions(value)
    elif isinstance(part, list):
        for value in part:
            yield from expressions(value)


def test_hostile_names_stay_out_of_all_expressions_and_fields(hostile):
    told = 0
    shown = [(figure, to_spec(figure, on_page=on_page)) for figure in hostile for on_page in (False, True)]
    for figure, spec in shown:
        told += MARK in json.dumps(spec)
        vega = vl_convert.vegalite_to_vega(spec, vl_version="6.4")
        code = list(expressions(vega))
        assert code
        assert [text for text in code if MARK in text or "top.p" in text] == [], figure.name
        assert [field for field in _values(spec, "field") if MARK in field or "top.p" in field] == [], figure.name
    # But for the study's own indices, which name factors alone, all figures name models, personas or tasks.
    assert told >= 2 * (len(hostile) - 1) >= 28


def _values(part, key):
    if isinstance(part, dict):
        for name, value in part.items():
            yield from [value] if name == key and isinstance(value, str) else _values(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _values(value, key)


def of_rates(figures):
    return next(figure for figure in figures if figure.name == "rates_models_by_tasks")


def test_a_long_name_is_short_on_an_axis_and_whole_on_hovering(hostile):
    (rows,) = to_spec(of_rates(hostile))["datasets"].values()
    assert max(len(row["y"]) for row in rows) <= 36 + len(", top.p 0") + len(" (2)")
    shown = " ".join(HOSTILE.replace("\u202e", "\N{REPLACEMENT CHARACTER}").split())
    assert any(row["tip0"].startswith(shown) for row in rows)


def test_factors_of_runs_are_distinguished_on_the_axis(hostile):
    (rows,) = to_spec(of_rates(hostile))["datasets"].values()
    # Two models at two levels.
    assert len({row["y"] for row in rows}) == 4


def test_each_point_is_one_of_the_table_drawn(two_models):
    by_name = {figure.name: figure for figure in two_models[1]}
    for name in ("rates_models_by_tasks", "figures4_10_11_models_by_response_types", "figure2_personas", "deviations"):
        figure = by_name[name]
        drawn = [row["x"] for rows in to_spec(figure)["datasets"].values() for row in rows if "x" in row]
        assert sorted(drawn) == pytest.approx(sorted(100 * figure.table["estimate"]), rel=1e-6)


def test_captions_say_the_rule_the_interval_and_the_size(two_models):
    estimates, figures = two_models
    for figure in figures:
        assert estimates.rule in figure.caption, figure.name
        assert re.search(r"interval|\bCIs?\b", figure.caption) or figure.name in {
            "detectable_differences",
            "sensitivity_by_model",
        }
        assert "responses" in figure.caption or figure.name in {"sensitivity_by_model", "models_by_personas"}


def test_all_figures_have_the_models_in_one_order_the_one_that_refuses_most_first(two_models):
    estimates, figures = two_models
    rates = estimates.tables["rates_by_model"]
    rates = rates[(rates["rule"] == estimates.rule) & (rates["setting"] == "persona")]
    names = rates.sort_values("estimate", ascending=False)["model"].str.rpartition("/")[2].tolist()
    drawn = {
        name: axis for figure in figures for name, axis in [(figure.name, _domains(to_spec(figure), names))] if axis
    }
    assert len(drawn) > 5
    assert {name: axis for name, axis in drawn.items() if any(own != names for own in axis)} == {}


def _domains(spec, names):
    return [domain for domain in _lists(spec, "domain") if set(domain) == set(names)]


def _lists(part, key):
    if isinstance(part, dict):
        for name, value in part.items():
            yield from [value] if name == key and isinstance(value, list) and value else _lists(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _lists(value, key)


def test_a_specification_has_no_address_no_null_byte_and_its_rows_once(two_models):
    for figure in two_models[1]:
        text = json.dumps(to_spec(figure))
        assert "http" not in text
        assert "\\u0000" not in text
        assert '"values": [{' not in text
