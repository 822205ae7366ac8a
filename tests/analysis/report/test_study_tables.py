"""Every table of a study: which there are, what they count, and what cannot be estimated."""

import warnings

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.report.estimators import ESTIMATORS
from refusal_metrics.analysis.report.study_tables import ReportOptions, estimate_study, fit_study
from refusal_metrics.analysis.report.write import estimate_responses, write_report
from refusal_metrics.analysis.responses import load_responses, read_responses

from refusal_metrics.errors import InputError

STUDY = ["model", "task", "setting"]
FEW = ReportOptions(n_replicates=20)
PEOPLE = {
    "persona": {"woman": "gender", "man": "gender", "black": "race"},
    "neutral": {"person": "neutral"},
    "persona-free": {None: None},
}
ALWAYS = {
    *("rates", "rates_by_persona", "rates_by_response_type", "rates_by_template", "rates_by_stratum"),
    *("contrasts", "contrasts_by_persona", "persona_spread", "counts_by_persona", "counts_by_template"),
    "rates_by_model",
}
ALWAYS_RATES = [name for name in ALWAYS if name.startswith("rates") and name != "rates_by_model"]
OF_PERSONAS = {
    *("sensitivity", "deviations", "variance_components", "persona_differences"),
    *(estimator.name for estimator in ESTIMATORS),
}
FITTED = {"regression", "regression_wald", "regression_effects"}


def simulate(models=("m1", "m2"), tasks=("nli", "offensiveness"), n_texts=12, rate=lambda _: 0.3):
    """Make a responses table: each text asked as everybody in two templates."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "model": model,
            "task": task,
            "setting": setting,
            "persona": persona,
            "persona_group": group,
            "template": template,
            "response_type": response_type,
            "language": "en",
            "stratum": str(x % 3),
            "text_id": f"{task}/{x}",
            "row_id": f"{task}/{x}/0",
        }
        for model in models
        for task in tasks
        for setting, people in PEOPLE.items()
        for x in range(n_texts)
        for persona, group in people.items()
        for template, response_type in (("p1", "unforced"), ("p4", "forced"))
    ]
    return pd.DataFrame(rows).assign(refused=[int(rng.random() < rate(row["model"])) for row in rows])


@pytest.fixture(scope="module")
def table():
    return simulate()


def read(folder, table):
    """Read a responses table."""
    file = folder / "responses.parquet"
    table.to_parquet(file, index=False)
    return read_responses([file])


def estimate(folder, table, options=FEW):
    """Estimate a study from its responses table; a warning of any kind is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return estimate_responses(read(folder, table), options)


@pytest.fixture(scope="module")
def study(table, tmp_path_factory):
    return estimate(tmp_path_factory.mktemp("study"), table)


# Which tables there are, and what they count.


def test_a_study_has_all_tables_but_a_trend_over_two_models(study):
    assert set(study.tables) == ALWAYS | OF_PERSONAS | FITTED
    (why,) = study.notes["trend"]
    assert why.startswith("Not estimated: a trend over released needs at least 3 models")
    assert (study.rule, study.rules) == ("given", ("given",))


def test_three_models_of_the_paper_have_a_trend(tmp_path):
    known = simulate(("Llama2-7B", "Qwen2-7B", "Gemma-2B"), ["nli"], n_texts=24)
    tables = estimate(tmp_path, known).tables
    assert {"trend", "trend_models"} <= set(tables)
    assert tables["trend"]["family"].tolist() == ["", ""]


@pytest.mark.parametrize("name", sorted(ALWAYS_RATES))
def test_every_table_of_rates_counts_every_response_once(study, table, name):
    rates = study.tables[name]
    assert rates["n"].sum() == len(table)
    assert rates["n_refused"].sum() == table["refused"].sum()
    assert not rates.duplicated(list(rates.columns[: rates.columns.get_loc("rule")])).any()


def test_truncated_and_unjudged_responses_have_two_tables_where_there_are_any(tmp_path, table):
    # The others count as other. Truncated: all responses to "black", none to the rest.
    cut = (table["persona"] == "black") & (table["refused"] == 0)
    outcome = cut.map({True: "truncated", False: "other"}).where(table["refused"] == 0, "refusal")
    tables = estimate(tmp_path, table.assign(outcome=outcome)).tables
    assert set(tables) - ALWAYS - OF_PERSONAS - FITTED == {
        *("outcomes", "undetermined_by_persona", "undetermined_contrasts"),
    }
    shares = tables["undetermined_by_persona"].groupby("persona")["n_undetermined"].sum()
    assert shares[shares > 0].to_dict() == {"black": cut.sum()}
    contrasts = tables["undetermined_contrasts"].query("baseline == 'neutral'")
    assert set(contrasts[contrasts["p_adjusted"] <= 0.05]["persona"]) == {"black"}
    assert (tables["rates_by_persona"]["refusal_rate_high"] == 1).sum() == len(
        tables["rates"].query("setting == 'persona'")
    )


def test_counts_drawn_are_those_of_the_responses(study, table):
    drawn = study.tables["counts_by_persona"]
    own = table.dropna(subset="persona").groupby([*STUDY, "persona"]).size()
    assert drawn.set_index([*STUDY, "persona"])["n"].to_dict() == own.to_dict()
    assert study.tables["counts_by_template"]["n"].sum() == len(table)


def test_contrasts_and_spreads_are_of_the_same_responses_as_the_rates(study):
    personas = study.tables["rates_by_persona"].query("setting == 'persona'").set_index(["model", "task", "persona"])
    contrasts = study.tables["contrasts_by_persona"]
    for baseline in ("neutral", "persona-free", "others"):
        own = contrasts[contrasts["baseline"] == baseline].set_index(["model", "task", "persona"])
        # Every text was asked as everybody.
        assert own["n"].to_dict() == personas["n"].to_dict()
        assert own["n_refused"].to_dict() == personas["n_refused"].to_dict()
    assert study.tables["persona_spread"]["n"].sum() == personas["n"].sum()
    assert study.tables["contrasts"]["baseline"].unique().tolist() == ["neutral", "persona-free"]


def test_the_regression_and_the_sensitivity_are_of_the_persona_setting(study, table):
    asked = table[table["setting"] == "persona"]
    assert study.fit.n == len(asked)
    deviations = study.tables["deviations"]
    whole = deviations[(deviations["model"] == "") & (deviations["factor"] == "persona")]
    assert whole["n"].sum() == len(asked)
    assert whole["n_refused"].sum() == asked["refused"].sum()


def test_interactions_are_of_three_pairs_of_factors(study):
    pairs = study.tables["interactions"][["factor", "other_factor"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["model", "response_type"], ["persona", "response_type"], ["persona", "task"]]


def test_all_rules_are_in_tables_of_rates_and_one_in_the_others(tmp_path, table):
    both = table.drop(columns="refused").assign(refused_a=table["refused"], refused_b=1 - table["refused"])
    found = estimate(tmp_path, both, ReportOptions("b", n_replicates=20))
    assert (found.rule, found.rules) == ("b", ("a", "b"))
    sums = found.tables["rates"].groupby("rule")["n_refused"].sum()
    assert sums.to_dict() == {"a": table["refused"].sum(), "b": len(table) - table["refused"].sum()}
    asked = table[table["setting"] == "persona"]
    deviations = found.tables["deviations"].query("model == '' and factor == 'persona'")
    assert deviations["n_refused"].sum() == len(asked) - asked["refused"].sum()


def test_an_unknown_rule_is_refused(tmp_path, table):
    with pytest.raises(InputError, match="unknown detector 'prefix': allowed are given"):
        estimate(tmp_path, table, ReportOptions("prefix"))


# Determinism.


def test_the_same_seed_gives_the_same_bytes_and_another_seed_the_same_estimates(tmp_path, table, study):
    again = estimate(tmp_path, table)
    other = estimate(tmp_path, table, ReportOptions(n_replicates=20, seed=1))
    for name, own in study.tables.items():
        assert own.to_csv() == again.tables[name].to_csv(), name
    assert study.tables["sensitivity"].to_csv() != other.tables["sensitivity"].to_csv()
    assert study.tables["sensitivity"]["iota"].equals(other.tables["sensitivity"]["iota"])


def test_the_order_of_responses_changes_nothing(tmp_path, table, study):
    shuffled = estimate(tmp_path, table.sample(frac=1, random_state=0))
    for name, own in study.tables.items():
        pd.testing.assert_frame_equal(own, shuffled.tables[name], rtol=1e-9, atol=1e-12, obj=name)


def test_the_order_of_logs_changes_nothing(logs, tmp_path):
    results = [tmp_path / name for name in "abc"]
    for folder, (model, setting) in zip(
        results, [("a/one", "persona"), ("b/two", "persona"), ("a/one", "neutral")], strict=True
    ):
        logs.write_run(folder, "RNA RAA AAN", model=model, setting=setting)
    first, second = (estimate_responses(load_responses(order), FEW).tables for order in (results, results[::-1]))
    for name, own in first.items():
        pd.testing.assert_frame_equal(own, second[name], rtol=1e-9, atol=1e-12, obj=name)


# Factors of runs.


@pytest.fixture(scope="module")
def by_temperature(logs, tmp_path_factory):
    out = tmp_path_factory.mktemp("temperatures")
    task = logs.task_name()
    for date, temperature, answers in ((logs.DATE, 0.0, "RNA RAA AAA"), (logs.LATER, 1.0, "AAA RNA ANR")):
        asked = {"configs": logs.generation(task, temperature=temperature)}
        logs.write_run(out, answers, date=date, asked=asked)
    options = ReportOptions(run_factors=("temperature",), n_replicates=20)
    return estimate_responses(load_responses([out], run_factors=["temperature"]), options)


@pytest.mark.parametrize("name", sorted(ALWAYS_RATES))
def test_factors_of_runs_stand_after_the_study_in_the_tables_of_rates(by_temperature, name):
    rates = by_temperature.tables[name]
    assert list(rates.columns[:4]) == [*STUDY, "temperature"]
    # RNA RAA AAA: 3 of 9 by prefix; AAA RNA ANR: 4.
    refused = rates[rates["rule"] == "prefix"].groupby("temperature")[["n", "n_refused"]].sum()
    assert refused.to_numpy().tolist() == [[9, 3], [9, 4]]


def test_factors_of_runs_are_in_the_sensitivity_and_the_regression(by_temperature):
    assert "temperature" in by_temperature.tables["sensitivity"]["factor"].tolist()
    levels = by_temperature.tables["regression"].query("factor == 'temperature'")["level"].tolist()
    assert len(levels) == 1


# What cannot be estimated.


SHAPES = {
    "one model": lambda t: t[t["model"] == "m1"],
    "one persona": lambda t: t[(t["setting"] != "persona") | (t["persona"] == "man")],
    "one template": lambda t: t[t["template"] == "p1"],
    "one of everything": lambda t: t[
        (t["model"] == "m1") & (t["task"] == "nli") & (t["persona"] == "man") & (t["template"] == "p1")
    ],
    "a model that never refuses": lambda t: t.assign(refused=t["refused"].where(t["model"] == "m1", 0)),
    "a model that only refuses": lambda t: t.assign(refused=t["refused"].where(t["model"] == "m1", 1)),
    "a model that never and one that only refuses": lambda t: t.assign(refused=(t["model"] == "m1").astype(int)),
    "no refusals": lambda t: t.assign(refused=0),
    "refusals only": lambda t: t.assign(refused=1),
    "one refusal": lambda t: t.assign(refused=[1] + [0] * (len(t) - 1)),
    "one text": lambda t: t[t["text_id"] == "nli/0"],
    "two texts": lambda t: t[t["text_id"].isin(["nli/0", "nli/1"])],
    "one response": lambda t: t.head(1),
    "texts refused always or never": lambda t: t.assign(refused=t["text_id"].str.endswith("1").astype(int)),
    "no persona column": lambda t: t.drop(columns="persona"),
    "no persona and group columns": lambda t: t.drop(columns=["persona", "persona_group"]),
    "no stratum column": lambda t: t.drop(columns="stratum"),
    "no template column": lambda t: t.drop(columns="template"),
    "no response type column": lambda t: t.drop(columns="response_type"),
    "no setting column": lambda t: t[t["setting"] == "persona"].drop(columns="setting"),
    "no factors at all": lambda t: t[["model", "task", "text_id", "refused"]],
    "some missing personas": lambda t: t.assign(persona=t["persona"].where(np.arange(len(t)) % 5 > 0)),
    "some missing templates": lambda t: t.assign(template=t["template"].where(np.arange(len(t)) % 5 > 0)),
    "all personas missing": lambda t: t.assign(persona=None, persona_group=None),
    "all templates missing": lambda t: t.assign(template=None, response_type=None, stratum=None),
    "persona-free only": lambda t: t[t["setting"] == "persona-free"],
    "neutral only": lambda t: t[t["setting"] == "neutral"],
    "personas only": lambda t: t[t["setting"] == "persona"],
    "different tasks": lambda t: t[(t["model"] == "m1") == (t["task"] == "nli")],
    "a baseline of another model": lambda t: t[(t["model"] == "m1") == (t["setting"] == "persona")],
    "settings of different texts": lambda t: t[(t["setting"] == "persona") == t["text_id"].str[-1].isin(list("01234"))],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_can_be_estimated_of_a_poor_study_is_written_without_a_warning(tmp_path, table, shape):
    poor = SHAPES[shape](table)
    responses = read(tmp_path, poor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables = write_report(responses, tmp_path / "out", FEW, paper=True, compare_published=True).tables
    assert tables["rates"]["n"].sum() == len(poor)
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert " nan" not in page
    assert "| None" not in page
    for line in page.splitlines():
        assert not line.startswith("- ") or line[2:].strip()


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ("no refusals", "Not estimated: none of the 288 responses is a refusal"),
        ("refusals only", "Not estimated: each of the 288 responses is a refusal"),
        ("one of everything", "Not estimated: no factor has more than one level in these responses"),
    ],
)
def test_a_regression_that_cannot_be_fitted_is_one_sentence(tmp_path, table, shape, why):
    found = estimate(tmp_path, SHAPES[shape](table))
    (sentence,) = found.notes["regression"]
    assert sentence.startswith(why)
    assert found.fit is None
    assert not FITTED & set(found.tables)


def test_without_persona_tasks_there_are_rates_and_nothing_else(tmp_path, table):
    found = estimate(tmp_path, SHAPES["neutral only"](table))
    assert set(found.tables) == ALWAYS
    assert found.notes == {}
    assert found.tables["contrasts"].empty


def test_the_regression_has_the_papers_factors_as_far_as_there_are_any(make_counts, table):
    asked = table[table["setting"] == "persona"]
    assert list(fit_study(make_counts(asked)).references) == ["persona", "template", "task", "model"]
    assert list(fit_study(make_counts(asked.drop(columns="template"))).references) == ["persona", "task", "model"]
    assert list(fit_study(make_counts(asked), ["stratum"]).references)[-1] == "stratum"


def test_tables_are_made_of_counts_and_outcomes_alone_and_an_unknown_rule_is_refused(table, tmp_path, make_counts):
    counts = {"given": make_counts(table)}
    outcomes = pd.DataFrame({"n": [1]})
    made = estimate_study(counts, outcomes, FEW)
    read_ones = estimate(tmp_path, table)
    assert made.tables["outcomes"] is outcomes
    assert "outcomes" not in estimate_study(counts, None, FEW).tables
    for name, expected in read_ones.tables.items():
        pd.testing.assert_frame_equal(made.tables[name], expected)
    with pytest.raises(InputError, match="unknown detector 'givne': allowed are given; did you mean 'given'"):
        estimate_study(counts, None, ReportOptions(detector="givne"))
