"""The paper's printed numbers: kept as printed, and set beside measured ones."""

import math
from importlib.resources import files

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.paper import data as published
from refusal_metrics.analysis.paper.compare import COMPARISON, compare_published
from refusal_metrics.analysis.paper.published import load_published, match_model
from refusal_metrics.analysis.paper.tables import paper_tables

from refusal_metrics.errors import InputError
from refusal_metrics.prompts import load_design

NAN = math.nan
NAMES = list(load_published("models")["model"])


def persona_ids(names):
    return names.str.lower().str.replace("[ -]", "_", regex=True)


# The files.


@pytest.mark.parametrize(
    ("name", "file", "keys", "value"),
    [
        ("table1", "table1", ["model", "task"], "refusal_pct"),
        ("figures_4_10_11", "fig4_10_11", ["model", "task", "response_type"], "refusal_pct"),
        ("table5", "table5", ["persona", "task"], "n"),
        ("table6", "table6", ["template", "task"], "n"),
        ("table7", "table7", ["term_type", "term"], "coef"),
        ("table7", "table7", ["term_type", "term"], "significant"),
    ],
)
def test_every_published_number_equals_the_one_read_from_the_paper(shared_data, name, file, keys, value):
    source = pd.read_csv(shared_data / "paper" / f"{file}.csv")
    ours = load_published(name).rename(columns={"factor": "term_type"})
    if name == "table5":
        source["persona"] = persona_ids(source["persona"])
    if name == "table7":
        is_persona = source["term_type"] == "persona"
        source["term"] = source["term"].where(~is_persona, persona_ids(source["term"]))
        ours["term_type"] = ours["term_type"].replace("template", "prompt")
    pd.testing.assert_frame_equal(ours[[*keys, value]], source[[*keys, value]])


@pytest.mark.parametrize(("task", "mean"), [("nli", 1.37), ("politeness", 5.64), ("offensiveness", 14.68)])
def test_the_printed_means_of_table_1_are_those_with_blanks_as_0(task, mean):
    table = load_published("table1")
    of_task = table[table["task"] == task].set_index("model")["refusal_pct"]
    assert of_task["Mean"] == mean
    assert len(of_task) == 17
    assert round(of_task.drop("Mean").fillna(0).sum() / 16, 2) == mean


@pytest.mark.parametrize("name", ["table5", "table6"])
def test_personas_and_templates_were_drawn_as_often_as_there_were_prompts(name):
    # 3 x 1,000 rows, 5 x 1,000 rows, and 4 x 1,000 + 701 rows, ten prompts each.
    sums = load_published(name).groupby("task")["n"].sum().to_dict()
    assert sums == {"nli": 30_000, "politeness": 50_000, "offensiveness": 47_010}


def test_personas_and_templates_go_by_the_ids_of_the_design():
    design = load_design()
    personas = {p.id for p in design.personas if not p.neutral}
    templates = {t.id for templates in design.templates.values() for t in templates}
    terms = load_published("table7").groupby("factor")["term"].agg(set)
    assert set(load_published("table5")["persona"]) == personas == terms["persona"] | {"atheist"}
    assert set(load_published("table6")["template"]) == templates == terms["template"] | {"p1"}
    assert terms["model"] | {"Llama2-13B"} == set(NAMES)


def test_every_blank_has_a_note():
    table = load_published("table1")
    blank = table[table["refusal_pct"].isna()]
    assert list(zip(blank["model"], blank["task"], strict=True)) == [
        ("Qwen2-7B", "nli"),
        ("Qwen2.5-7B", "nli"),
        ("Qwen2.5-7B", "politeness"),
    ]
    assert set(blank["note"]) == {"blank in the paper; its mean is reproduced only with 0"}


@pytest.mark.parametrize(
    ("name", "where", "words"),
    [
        ("table1", {"model": "Qwen2.5-7B", "task": "offensiveness"}, "contradicted by Figure 4"),
        ("table1", {"model": "Llama3.2-3B", "task": "offensiveness"}, "Section 4.3"),
        ("table1", {"model": "Mean", "task": "nli"}, "1.3694"),
        ("figures_4_10_11", {"model": "Qwen2.5-7B", "task": "offensiveness", "response_type": "forced"}, "Table 1"),
        ("figures_4_10_11", {"model": "Llama2-7B", "task": "offensiveness", "response_type": "forced"}, "Section 4.5"),
        ("table7", {"term": "Llama3-8B"}, "equals Gemma2-9B's"),
        ("table7", {"term": "Llama3.1-8B"}, "probably Llama3-8B's"),
        ("table7", {"term": "Qwen2.5-32B"}, "no finite estimate"),
        ("table7", {"term": "man"}, "4.6.2"),
    ],
)
def test_a_number_that_the_paper_contradicts_says_so(name, where, words):
    table = load_published(name)
    for column, level in where.items():
        table = table[table[column] == level]
    assert len(table) == 1
    assert words in table["note"].iloc[0]


def test_only_offensiveness_is_certainly_figure_4():
    figures = load_published("figures_4_10_11").groupby("task")["figure"].unique().map(list).to_dict()
    assert figures == {"nli": ["Figures 10, 11"], "politeness": ["Figures 10, 11"], "offensiveness": ["Figure 4"]}


def test_versions_are_names_sizes_are_numbers_and_releases_are_dates():
    models = load_published("models").set_index("model")
    assert models["version"].loc[["Llama2-7B", "Llama3.1-8B", "Gemma-2B"]].to_list() == ["2", "3.1", "1"]
    assert models["parameters_b"].loc[["Llama2-13B", "Qwen2.5-32B", "Gemma2-27B"]].to_list() == [13, 32, 27]
    assert pd.to_datetime(models["released"], format="%Y-%m-%d").between("2023-07-18", "2024-09-25").all()
    assert set(models["family"]) == {"Llama", "Qwen", "Gemma"}


def test_an_unknown_table_is_an_error_that_names_the_known_ones():
    with pytest.raises(InputError, match=r"'Table1'.*allowed are figures_4_10_11, models, table1.*mean 'table1'"):
        load_published("Table1")


def test_the_files_are_shipped_with_the_package():
    names = {file.name for file in files(published).iterdir()}
    tables = {f"{name}.csv" for name in ("table1", "table5", "table6", "table7", "figures_4_10_11", "models")}
    assert tables | {"README.md"} <= names
    readme = files(published).joinpath("README.md").read_text(encoding="utf-8")
    assert [name for name in tables if name not in readme] == []


# Names of models.


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_own_names_match_themselves(name):
    assert match_model(name) == name


@pytest.mark.parametrize(("name", "hub"), load_published("models")[["model", "hub"]].to_numpy().tolist())
@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.lower,
        str.upper,
        lambda hub: hub.split("/")[1],
        lambda hub: f"/data/weights/{hub}/",
        lambda hub: f"mirror/{hub}",
        lambda hub: hub.replace("/", "__"),
        lambda hub: hub.replace("-", "_"),
        lambda hub: f"/cache/models--{hub.replace('/', '--')}/snapshots/0123abcd",
        lambda hub: rf"C:\weights\{hub.split('/')[1]}",
    ],
)
def test_a_name_on_the_hub_or_a_folder_called_like_it_matches(name, hub, spell):
    assert match_model(spell(hub)) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("meta-llama/Llama-2-7b-chat", "Llama2-7B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama3.1-8B"),
        ("Llama3-8B-Instruct", "Llama3-8B"),
        ("gemma-2-2b-it", "Gemma2-2B"),
        ("gemma2-2b-it", "Gemma2-2B"),
        ("gemma-2b-it", "Gemma-2B"),
        ("unsloth/gemma-2-9b-it", "Gemma2-9B"),
        (" Qwen2-7B ", "Qwen2-7B"),
    ],
)
def test_other_usual_spellings_match(given, name):
    assert match_model(given) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "parrot",
        # Other sizes and versions.
        "meta-llama/Llama-2-70b-chat-hf",
        "meta-llama/Llama-3.3-8B-Instruct",
        "meta-llama/Llama-31-8B-Instruct",
        "meta-llama/Llama-3.2-11B-Vision-Instruct",
        "Qwen/Qwen2.5-14B-Instruct",
        "Qwen2.5-14B",
        "Qwen/Qwen-7B-Chat",
        "Qwen/Qwen2-57B-A14B-Instruct",
        "Qwen/Qwen2.5-Coder-7B-Instruct",
        "google/gemma-1.1-2b-it",
        "google/gemma-3-27b-it",
        "google/gemma-22b-it",
        "codellama/CodeLlama-7b-Instruct-hf",
        # Quantised and other variants.
        "Qwen/Qwen2-7B-Instruct-AWQ",
        "Qwen/Qwen2-7B-Instruct-GPTQ-Int4",
        "Qwen/Qwen2-7B-Instruct-GGUF",
        "Qwen2-7B-AWQ",
        "TheBloke/Llama-2-7B-Chat-GPTQ",
        "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit",
        "meta-llama/Meta-Llama-3-8B-Instruct-Turbo",
        "togethercomputer/Llama-2-7B-32K-Instruct",
        # Base models.
        "meta-llama/Llama-2-7b-hf",
        "Llama-2-7b-hf",
        "meta-llama/Llama-3.1-8B",
        "google/gemma-2b",
        "gemma-2b",
        "google/gemma-2-9b",
        "Qwen/Qwen2-7B",
        "Qwen/Qwen1.5-7B",
    ],
)
def test_other_models_match_nothing(name):
    assert match_model(name) is None


@given(st.text() | st.text("gemaLlQwn237.5-_/bBit"))
def test_any_name_can_be_asked_for_and_what_matches_is_a_name_of_the_paper(name):
    found = match_model(name)
    assert found is None or found in NAMES
    assert found is None or match_model(found) == found


# Beside measured numbers.


def rates_of(*rows, **more):
    columns = ["model", "task", "estimate", "ci_low", "ci_high"]
    counts = {"n": 1000, "n_texts": 100, "n_refused": 10}
    return pd.DataFrame(rows, columns=columns).assign(**({"setting": "persona", "rule": "prefix"} | counts | more))


def regression_of(*rows, **more):
    columns = ["factor", "level", "coef", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=columns).assign(se=0.1, p_value=0.001, p_adjusted=0.01, separated=False)
    return table.assign(estimator="firth", **more)


def only_row(table):
    assert len(table) == 1
    return table.iloc[0]


def test_a_rate_is_next_to_table_1():
    rates = rates_of(("google/gemma-2b-it", "offensiveness", 0.002, 0.001, 0.003))
    row = only_row(compare_published({"rates": rates}))
    assert list(row.index) == list(COMPARISON)
    assert row.drop(["published", "note"]).to_dict() == {
        "source": "Table 1",
        "model": "google/gemma-2b-it",
        "published_model": "Gemma-2B",
        "task": "offensiveness",
        "response_type": None,
        "term": None,
        "rule": "prefix",
        "estimate": 0.002,
        "ci_low": 0.001,
        "ci_high": 0.003,
        "agrees": True,
    }
    assert row["published"] == pytest.approx(0.0018)
    assert "Section 4.4" in row["note"]


@pytest.mark.parametrize(
    ("low", "high", "agrees"),
    [
        # Printed: 1.90 %, so anything from 1.895 to 1.905 %.
        (0.01, 0.02, True),
        (0.01, 0.01895, True),
        (0.01, 0.01894, False),
        (0.01905, 0.03, True),
        (0.01906, 0.03, False),
        (NAN, NAN, None),
    ],
)
def test_an_interval_agrees_where_it_reaches_what_rounds_to_the_printed_number(low, high, agrees):
    rates = rates_of(("Llama3.2-1B", "offensiveness", 0.015, low, high))
    assert only_row(compare_published({"rates": rates}))["agrees"] is agrees


def test_a_number_that_is_blank_in_the_paper_is_shown_without_a_verdict():
    row = only_row(compare_published({"rates": rates_of(("Qwen2-7B", "nli", 0.0, 0.0, 0.01))}))
    assert math.isnan(row["published"])
    assert row["agrees"] is None
    assert row["note"].startswith("blank in the paper")


def test_only_the_persona_setting_is_compared():
    rates = rates_of(("Gemma-2B", "nli", 0.0, 0.0, 0.01), ("Gemma-7B", "nli", 0.0, 0.0, 0.01))
    rates["setting"] = ["persona-free", "persona"]
    assert only_row(compare_published({"rates": rates}))["model"] == "Gemma-7B"


def test_two_models_that_are_the_same_one_of_the_paper_are_both_shown():
    names = ["a/gemma-2b-it", "b/gemma-2b-it"]
    rates = rates_of(*((name, "nli", 0.0, 0.0, 0.01) for name in names))
    table = compare_published({"rates": rates})
    assert list(table["model"]) == names
    assert set(table["published_model"]) == {"Gemma-2B"}


def test_every_rule_is_compared():
    rates = rates_of(*2 * [("Gemma-2B", "nli", 0.0, 0.0, 0.01)]).assign(rule=["prefix", "answer_aware"])
    assert list(compare_published({"rates": rates})["rule"]) == ["prefix", "answer_aware"]


def test_rates_by_response_type_are_compared_with_the_figures():
    rates = rates_of(
        ("Llama2-7B", "nli", 0.08, 0.07, 0.09),
        ("Llama2-7B", "offensiveness", 0.6, 0.5, 0.609),
        response_type="unforced",
    )
    table = compare_published({"rates_by_response_type": rates})
    # Printed: 8.55 % and 60.92 %.
    shown = table[["source", "task", "response_type", "agrees"]].to_numpy().tolist()
    assert shown == [
        ["Figures 10, 11", "nli", "unforced", True],
        ["Figure 4", "offensiveness", "unforced", False],
    ]
    assert table["published"].to_list() == pytest.approx([0.0855, 0.6092])


@pytest.mark.parametrize("rates", [rates_of(), rates_of(("a/parrot", "nli", 0.0, 0.0, 0.01))])
def test_nothing_is_compared_where_no_model_is_the_papers(rates):
    regression = regression_of(("persona", "black", 2.6, 2.5, 2.7), ("model", "b/parrot", 1.0, 0.5, 1.5))
    table = compare_published({"rates": rates, "regression": regression, "sensitivity": rates})
    assert table.empty
    assert list(table.columns) == list(COMPARISON)
    assert compare_published({}).empty


def whole_regression():
    """Make a regression that equals the paper's Table 7, with models under their names on the hub."""
    hub = load_published("models").set_index("model")["hub"].to_dict()
    rows = load_published("table7")[["factor", "term", "coef"]].itertuples(index=False)
    return regression_of(*((factor, hub.get(term, term), c, c - 0.1, c + 0.1) for factor, term, c in rows))


def all_rates():
    return rates_of(*((hub, "nli", 0.0, NAN, NAN) for hub in load_published("models")["hub"]))


def test_the_papers_own_coefficients_agree_with_it():
    table = compare_published({"rates": all_rates(), "regression": whole_regression()})
    table = table[table["source"] == "Table 7"]
    assert len(table) == 39
    assert table["agrees"].to_list() == 39 * [True]
    assert table["published"].to_list() == table["estimate"].to_list()
    model = only_row(table[table["term"] == "Gemma-2B"])
    assert (model["model"], model["published_model"]) == ("google/gemma-2b-it", "Gemma-2B")
    persona = only_row(table[table["term"] == "black"])
    assert (persona["model"], persona["published_model"], persona["task"]) == (None, None, None)
    assert persona["note"] == ""


def test_a_coefficient_agrees_where_its_interval_reaches_what_rounds_to_the_printed_one():
    regression = whole_regression()
    bounds = {"black": (2.625, 3.0), "white": (2.186, 3.0), "muslim": (NAN, NAN)}  # printed 2.62, 2.18, 1.31
    for level, (low, high) in bounds.items():
        regression.loc[regression["level"] == level, ["ci_low", "ci_high"]] = low, high
    agrees = compare_published({"regression": regression}).set_index("term")["agrees"]
    assert [agrees[level] for level in bounds] == [True, False, None]


def test_coefficients_on_another_reference_level_are_shown_without_a_verdict():
    regression = whole_regression()
    # Relative to "woman": the paper's reference has a coefficient of its own.
    regression["level"] = regression["level"].replace("woman", "atheist")
    table = compare_published({"rates": all_rates(), "regression": regression}).set_index("term")
    assert table["agrees"]["black"] is None
    assert table["note"]["black"] == "the reference here may not be atheist"
    assert table["agrees"]["p2"] is True


@pytest.mark.parametrize(
    ("references", "agrees", "note"),
    [
        ({"persona": "atheist"}, True, ""),
        ({"persona": "woman"}, None, "the reference here may not be atheist"),
        ({}, None, "the reference here may not be atheist"),
        # One persona and an unnamed reference.
        (None, None, "the reference here may not be atheist"),
    ],
)
def test_a_coefficient_is_judged_if_its_reference_is_known_to_be_the_papers(references, agrees, note):
    regression = regression_of(("(intercept)", "", -3.0, -4, -2), ("persona", "black", 2.0, 1.0, 3.0))
    table = compare_published({"rates": all_rates(), "regression": regression}, references)
    row = only_row(table[table["source"] == "Table 7"])
    assert (row["term"], row["agrees"], row["note"]) == ("black", agrees, note)


def test_the_reference_model_is_known_by_its_name_on_the_hub():
    regression = regression_of(("model", "google/gemma-2b-it", -8.5, -9.0, -8.0))
    for references in ({"model": "meta-llama/Llama-2-13b-chat-hf"}, None):
        table = compare_published({"rates": all_rates(), "regression": regression}, references)
        assert only_row(table[table["source"] == "Table 7"])["agrees"] is True


def test_a_regression_on_the_papers_models_is_known_by_its_levels_and_its_reference():
    references = {"model": "meta-llama/Llama-2-13b-chat-hf", "persona": "atheist", "template": "p1", "task": "nli"}
    table = compare_published({"regression": whole_regression()}, references)
    assert set(table["agrees"]) == {True}
    assert only_row(table[table["term"] == "black"])["note"] == ""


def test_main_effects_beside_interactions_are_shown_without_a_verdict():
    regression = whole_regression()
    more = regression_of(("persona:task", "black:offensiveness", 1.0, 0.0, 2.0))
    table = compare_published({"rates": all_rates(), "regression": pd.concat([regression, more])})
    table = table[table["source"] == "Table 7"]
    assert len(table) == 39
    assert set(table["agrees"]) == {None}
    assert only_row(table[table["term"] == "black"])["note"] == "fitted with interactions"


def test_a_bound_on_a_model_that_never_refuses_agrees_with_the_papers_stand_in_for_it():
    rows = [("model", "Qwen2.5-32B", -13.5, -math.inf, -10.0), ("model", "Gemma-2B", -13.5, -math.inf, -10.0)]
    table = compare_published({"rates": all_rates(), "regression": regression_of(*rows)})
    # Printed: -19.34 and -8.58.
    assert table.set_index("term")["agrees"][["Qwen2.5-32B", "Gemma-2B"]].to_list() == [True, False]


def test_a_regression_on_other_models_says_so():
    rates = rates_of(("Llama2-13B", "nli", 0.1, 0.0, 0.2), ("a/parrot", "nli", 0.1, 0.0, 0.2))
    regression = regression_of(("model", "a/parrot", 1.0, 0.0, 2.0), ("persona", "woman", 0.0, -1.0, 1.0))
    row = only_row(compare_published({"rates": rates, "regression": regression}).query("source == 'Table 7'"))
    assert row["term"] == "woman"
    assert row["note"].endswith("fitted to other models than the paper's 16")


# In the paper's layout.


def test_table_1_has_models_in_the_papers_order_and_the_mean_below():
    rates = rates_of(
        ("zebra", "nli", 0.25, 0, 1),
        ("google/gemma-2b-it", "nli", 0.5, 0, 1),
        ("ant", "politeness", 0.12346, 0, 1),
        ("Llama2-7B", "nli", 0.0, 0, 1),
        ("Llama2-7B", "politeness", 0.5, 0, 1),
    )
    free = rates.assign(setting="persona-free", estimate=1.0)
    tables = paper_tables({"rates": pd.concat([rates, free])}, {})
    assert list(tables) == ["table1_prefix"]
    table = tables["table1_prefix"]
    assert list(table.columns) == ["Model", "NLI", "Politeness", "Offensiveness"]
    # Means over the models that have a rate: (0 + .5 + .25)/3 and (.5 + .12346)/2.
    assert table.to_numpy().tolist() == [
        ["Llama2-7B", "0.00", "50.00", ""],
        ["google/gemma-2b-it", "50.00", "", ""],
        ["ant", "", "12.35", ""],
        ["zebra", "25.00", "", ""],
        ["Mean", "25.00", "31.17", ""],
    ]


def test_every_rule_has_a_table_1():
    rates = rates_of(*2 * [("m", "nli", 0.1, 0, 1)]).assign(rule=["prefix", "answer_aware"], estimate=[0.1, 0.2])
    tables = paper_tables({"rates": rates}, {})
    assert {name: table["NLI"].to_list() for name, table in tables.items()} == {
        "table1_prefix": ["10.00", "10.00"],
        "table1_answer_aware": ["20.00", "20.00"],
    }
    assert list(paper_tables({"rates": rates[:1].drop(columns="rule")}, {})) == ["table1"]


def test_a_second_rate_for_one_cell_of_table_1_is_refused():
    with pytest.raises(ValueError, match="duplicate"):
        paper_tables({"rates": rates_of(*2 * [("m", "nli", 0.1, 0, 1)])}, {})


def test_tables_5_and_6_give_a_range_where_models_differ():
    columns = ["model", "task", "persona", "n"]
    personas = pd.DataFrame(
        [
            ("a", "nli", "man", 1937),
            ("b", "nli", "man", 1940),
            ("a", "nli", "black", 2000),
            ("b", "nli", "black", 2000),
            ("a", "nli", "plumber", 7),
            ("a", "politeness", "man", 3),
        ],
        columns=columns,
    ).assign(setting="persona")
    neutral = pd.DataFrame([("a", "nli", "person", 9)], columns=columns).assign(setting="neutral")
    templates = pd.DataFrame({"model": "a", "task": "nli", "template": ["p2", "p1"], "n": [5, 4], "setting": "persona"})
    counts = {"counts_by_persona": pd.concat([personas, neutral]), "counts_by_template": templates}
    tables = paper_tables({}, counts)
    assert list(tables["table5"].columns) == ["Persona", "NLI", "Politeness", "Offensiveness"]
    # In the order of the paper's Table 5, others last.
    assert tables["table5"].to_numpy().tolist() == [
        ["black", "2000", "0", ""],
        ["man", "1937-1940", "3", ""],
        ["plumber", "0-7", "0", ""],
    ]
    assert list(tables["table6"].columns) == ["Template", "NLI", "Politeness", "Offensiveness"]
    assert tables["table6"].to_numpy().tolist() == [["p1", "4", "", ""], ["p2", "5", "", ""]]


@pytest.mark.parametrize(("name", "factor"), [("table5", "persona"), ("table6", "template")])
def test_the_papers_counts_come_back_in_its_own_order(name, factor):
    printed = load_published(name).assign(model="m", setting="persona")
    table = paper_tables({}, {f"counts_by_{factor}": printed.sample(frac=1, random_state=0)})[name]
    assert list(table[factor.capitalize()]) == list(printed[factor].unique())
    nli = printed[printed["task"] == "nli"]
    assert list(table["NLI"]) == list(nli["n"].astype(str))


def test_table_7_has_the_largest_coefficients_of_each_factor_first():
    regression = regression_of(
        ("(intercept)", "", -9.0, -10, -8),
        ("model", "a/b", -3.004, -4, -2),
        ("task", "offensiveness", 4.16, 4, 5),
        ("template", "p2", -1.0, -2, 0),
        ("template", "p3", -1.5, -2, 0),
        ("persona", "man", -0.001, -1, 1),
        ("persona", "woman", NAN, NAN, NAN),
        ("persona", "black", 2.624, 2, 3),
    ).assign(rule="prefix", p_value=[0, 0, 0, 0.01, 0.009, 0.9, NAN, 0])
    tables = paper_tables({}, {}, regression)
    assert list(tables) == ["table7_prefix"]
    assert list(tables["table7_prefix"].columns) == ["Factor", "Term", "Coefficient"]
    assert tables["table7_prefix"].to_numpy().tolist() == [
        ["persona", "black", "2.62*"],
        ["persona", "man", "0.00"],
        ["persona", "woman", ""],
        ["prompt", "p3", "-1.50*"],
        ["prompt", "p2", "-1.00"],
        ["task", "offensiveness", "4.16*"],
        ["model", "a/b", "-3.00*"],
    ]


def test_nothing_measured_gives_no_tables():
    assert paper_tables({}, {}) == {}
