"""What a notebook gets is what the commands print, and every mistake is one sentence."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

import refusal_metrics as rm
from refusal_metrics.errors import InputError

QUICKSTART = Path(__file__).resolve().parents[3] / "docs" / "quickstart"
MODELS = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A table of 3 models, 2 tasks, 12 texts, 4 personas, neutral prompts and 2 temperatures: 1,728 responses."""
    rng = np.random.default_rng(3)
    rate = {"a": 0.1, "b": 0.2, "c": 0.4, "d": 0.6, "person": 0.15}
    rows = [
        {
            "model": model,
            "task": task,
            "setting": "neutral" if persona == "person" else "persona",
            "persona": persona,
            "persona_group": "none" if persona == "person" else "vowel" if persona == "a" else "consonant",
            "template": f"p{template}",
            "response_type": ("forced", "unforced")[template % 2],
            "temperature": str(temperature),
            "text_id": f"{task}/{text}",
            "refused": bool(rng.random() < rate[persona] * (1.2 if model == "cat" else 1.0)),
        }
        for model in MODELS
        for task in ("nli", "politeness")
        for text in range(12)
        for persona in ("a", "b", "c", "d", "person", "person")
        for template in (1, 2)
        for temperature in (0.0, 0.7)
    ]
    path = tmp_path_factory.mktemp("simulated") / "responses.parquet"
    pd.DataFrame(rows).to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    path = tmp_path_factory.mktemp("sizes") / "sizes.csv"
    pd.DataFrame({"model": MODELS, "family": ["insect", "insect", "mammal"], "size": [1, 3, 9]}).to_csv(
        path, index=False
    )
    return path


def command(*arguments):
    """Run a command; read the CSV that it prints."""
    result = CliRunner().invoke(cli.app, [*map(str, arguments), "--format", "csv"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout), keep_default_na=False)


def same(table, printed):
    """Compare a data frame with a command's CSV, to the last digit."""
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(table.to_csv(index=False)), keep_default_na=False), printed, check_exact=True
    )


@pytest.fixture(scope="module")
def loaded(simulated):
    return rm.load(simulated)


def test_rates_are_those_of_the_command(loaded, simulated):
    same(loaded.rates(), command("rates", simulated))
    same(loaded.rates(by="persona"), command("rates", simulated, "--by", "persona"))
    by = ["temperature", "persona", "response_type"]
    same(loaded.rates(by=by), command("rates", simulated, "--by", ",".join(by)))


@pytest.mark.parametrize("against", ["neutral", "others", "c"])
def test_contrasts_are_those_of_the_command(against, loaded, simulated):
    same(loaded.contrasts(against), command("rates", simulated, "--against", against))
    separate = loaded.contrasts(against=against, by="temperature")
    same(separate, command("rates", simulated, "--against", against, "--by", "temperature"))


def test_several_baselines_are_one_table(loaded):
    joined = pd.concat([loaded.contrasts("neutral"), loaded.contrasts("others")], ignore_index=True)
    pd.testing.assert_frame_equal(loaded.contrasts(["neutral", "others"]), joined)


def test_the_spread_is_that_of_the_command(loaded, simulated):
    same(loaded.spread(seed=5), command("rates", simulated, "--spread", "--seed", 5))


def test_the_trend_is_that_of_the_command(loaded, simulated, sizes):
    asked = ("trend", simulated, "--column", "size", "--models", sizes)
    same(loaded.trend("size", sizes), command(*asked))
    same(loaded.trend("size", pd.read_csv(sizes), each=True), command(*asked, "--each"))


def test_sensitivity_is_that_of_the_command(loaded, simulated):
    asked = ("sensitivity", simulated, "--replicates", 100, "--factors", "persona,model")
    found = loaded.sensitivity(["persona", "model"], replicates=100)
    same(found.table, command(*asked))
    same(found.levels, command(*asked, "--levels"))
    same(loaded.interactions("model,persona"), command("sensitivity", simulated, "--interactions", "model,persona"))


def test_the_regression_is_that_of_the_command(loaded, simulated):
    same(loaded.regression().table, command("regression", simulated))
    asked = ("regression", simulated, "--formula", "persona * task", "--reference", "persona=c", "--estimator", "ridge")
    fit = loaded.regression("persona * task", reference={"persona": "c"}, estimator="ridge")
    same(fit.table, command(*asked))
    same(fit.effects, command(*asked, "--effects"))
    same(fit.wald, command(*asked, "--wald"))


def test_the_report_is_that_of_the_command(loaded, simulated, tmp_path):
    written = loaded.report(tmp_path / "ours", tables_only=True, replicates=100)
    command("report", simulated, "--out", tmp_path / "theirs", "--tables-only", "--replicates", 100)
    there = {path for path in (tmp_path / "ours").rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert set(written) == there
    tables = [path for path in written if path.suffix == ".csv"]
    assert {path.name for path in tables} == {path.name for path in (tmp_path / "theirs" / "tables").glob("*.csv")}
    for path in tables:
        assert path.read_bytes() == (tmp_path / "theirs" / "tables" / path.name).read_bytes(), path.name


def test_validation_is_that_of_the_command(study, tmp_path):
    labels = pd.DataFrame(
        {"id": ["1", "2", "3"], "response": ["I'm sorry, I can't.", "polite", "As an AI, I cannot."]}
    ).assign(refusal=["yes", "no", "yes"])
    labels.to_csv(tmp_path / "labels.csv", index=False)
    for given in (labels, tmp_path / "labels.csv"):
        same(study.validate(given).table, command("validate", "--labels", tmp_path / "labels.csv"))


# What is selected.


def test_a_filter_keeps_baselines_and_changes_nothing_of_the_study(loaded):
    n = len(loaded)
    some = loaded.filter(persona=["a", "b"], model="bee", temperature=0.7)
    # 2 tasks, 12 texts, 2 templates; 2 personas and 2 neutral prompts.
    assert len(some) == 2 * 12 * 2 * (2 + 2)
    assert (some.models, some.personas) == (("bee",), ("a", "b"))
    assert set(some.rates()["setting"]) == {"persona", "neutral"}
    assert some.filter(setting="persona").factors == loaded.factors
    assert len(some.filter(setting="persona")) == 2 * 12 * 2 * 2
    assert len(loaded) == n
    assert any("192 of 1,728" in note or f"192 of {n:,}" in note for note in some.notes)


def test_what_is_selected_is_estimated_as_if_it_were_all(loaded, simulated):
    rows = pd.read_parquet(simulated)
    own = rows[rows["model"].isin(["ant", "cat"]) & (rows["task"] == "nli")]
    some = loaded.filter(model=["ant", "cat"], task="nli")
    pd.testing.assert_frame_equal(some.rates("persona"), rm.load(own).rates("persona"))
    pd.testing.assert_frame_equal(some.contrasts(), rm.load(own).contrasts())


def test_a_data_frame_comes_back_as_it_was(responses, study):
    given = study.to_pandas()
    assert sorted(given.columns) == sorted([*responses.columns, "refused_given"])
    assert given["refused"].tolist() == responses["refused"].tolist()
    pd.testing.assert_frame_equal(rm.load(given).rates("persona"), study.rates("persona"))


def test_paths_may_be_one_or_several_and_of_any_kind(simulated, tmp_path):
    rows = pd.read_parquet(simulated)
    files = []
    for model, part in rows.groupby("model"):
        files.append(tmp_path / f"{model}.csv")
        part.to_csv(files[-1], index=False)
    one = rm.load(str(simulated)).rates("persona")
    pd.testing.assert_frame_equal(rm.load(files).rates("persona"), one)
    pd.testing.assert_frame_equal(rm.load(map(str, files)).rates("persona"), one)


# What is said.


def test_a_study_shows_itself_and_its_notes(study):
    text, page = repr(study), study._repr_html_()
    for shown in ("240", "owl, parrot", "farmer, nurse, pilot", "No column template"):
        assert shown in text
        assert shown in page


def test_what_a_name_contains_stays_text(responses):
    wild = rm.load(responses.assign(model="<script>alert(1)</script>"))
    assert "<script" not in wild._repr_html_()
    assert "<script" not in wild.regression("persona")._repr_html_()
    assert "\x1b" not in repr(rm.load(responses.assign(model="\x1b[2Jowl")))


def test_what_must_be_said_beside_a_table_is_with_it(responses, study):
    alone = rm.load(responses[responses["setting"] == "persona"])
    table = alone.contrasts()
    assert table.empty
    assert table.attrs["notes"] == (
        "No task was run in both settings: add persona_refusal_neutral to lm_eval --tasks.",
    )
    assert study.rates().attrs == {"detector": "given", "notes": ()}


def test_charts_are_altairs_and_have_the_colours_of_the_report(study):
    for chart in (study.regression("persona").plot(effects=True), study.plot("rates")):
        assert chart.to_dict()["config"]["background"] == "white"
        assert chart.to_dict()["description"]


# Mistakes.

MISTAKES = {
    "an unknown factor": (lambda s: s.rates(by="personna"), "did you mean 'persona'"),
    "an unknown detector": (lambda s: s.rates(detector="prefx"), "unknown detector 'prefx'"),
    "an unknown baseline": (lambda s: s.contrasts("neutrals"), "did you mean 'neutral'"),
    "a factor of prompts in by": (
        lambda s: s.contrasts(by="persona"),
        "by settings of runs only (temperature, ...); leave out by",
    ),
    "two ways to name factors": (lambda s: s.regression("persona", factors="task"), "give one of them"),
    "an unknown factor in a formula": (lambda s: s.regression("persona * tusk"), "'tusk'"),
    "one factor of two": (lambda s: s.interactions("model"), "give two"),
    "an unknown level": (lambda s: s.filter(task="nly"), "did you mean 'nli'"),
    "an unknown column": (lambda s: s.filter(temprature="0"), "unknown column 'temprature'"),
    "no level": (lambda s: s.filter(model=[]), "no level is given"),
    "an unknown figure": (lambda s: s.plot("contrast"), "did you mean 'contrasts'"),
    "labels that are no table": (lambda s: s.validate(3), "give a path or a pandas DataFrame"),
    "labels without a column": (lambda s: s.validate(pd.DataFrame({"refusal": ["yes"]})), "labels: has no column"),
    "labels that contradict": (lambda s: s.rates(labels=pd.DataFrame({"response": ["a"]})), "labels"),
    "figures that are not written": (lambda s: s.report("x", figures="pdf", tables_only=True), "tables_only"),
    "a number for a name": (lambda s: s.rates(by=[3]), "contains 3"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_sentence(what, study):
    do, said = MISTAKES[what]
    with pytest.raises(InputError) as error:
        do(study)
    assert said in str(error.value)
    assert "/tmp" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "an empty list"),
        (3, "give a path, a list of paths or a pandas DataFrame"),
        (None, "is of type NoneType; give a path, a list of paths or a pandas DataFrame"),
        ({"model": ["m"]}, "is of type dict"),
        (pd.DataFrame(), "the data frame: has no columns"),
        ([pd.DataFrame()], "join them with pandas.concat"),
        (pd.DataFrame({"model": ["m"]}), "the data frame: lacks the columns task, text_id, refused"),
        (pd.DataFrame([["m", "m"]], columns=["model", "model"]), "two columns 'model'"),
        (pd.DataFrame({"model": ["m", 3]}), "values of different types"),
        (
            pd.DataFrame({"model": ["m"], "task": ["t"], "text_id": ["1"], "refused": ["maybe"]}),
            "the data frame: refused",
        ),
        ("nowhere", "nowhere"),
        ("nowhere.parquet", "no such file"),
    ],
)
def test_what_cannot_be_loaded_is_named(given, said):
    with pytest.raises(InputError) as error:
        rm.load(given)
    assert said in str(error.value)
    assert "/tmp" not in str(error.value)


def test_a_setting_of_runs_must_be_named_when_logs_are_read():
    study = rm.load(QUICKSTART)
    with pytest.raises(InputError, match=r"run: was not named when the results were read"):
        study.rates(by="run")
    assert "run" in rm.load(QUICKSTART, all_runs=True).factors
    with pytest.raises(InputError, match="unknown factor 'temprature'"):
        rm.load(QUICKSTART, factors="temprature")
