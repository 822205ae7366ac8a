"""The command: what goes to which stream, and how it ends."""

import io
import itertools
import json
import math
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest
import typer
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.estimates.trend import MODELS, TRENDS
from refusal_metrics.analysis.responses import load_responses
from rich.cells import cell_len
from typer.testing import CliRunner

from refusal_metrics import register as registry

COMMANDS = sorted(typer.main.get_command(cli.app).commands)


@pytest.fixture(scope="module")
def results(logs, tmp_path_factory):
    """A model of two settings; one text was asked again, so that there is something to say of the logs."""
    out = tmp_path_factory.mktemp("cli") / "results"
    logs.write_run(out, "RNA RAA")
    logs.write_run(out, "RNA", date=logs.LATER)
    logs.write_run(out, "AAA", setting="persona-free")
    return out


REPEATED = "3 lines repeated a doc; the newest of each was used."


def invoke(*arguments):
    """Run a command that goes well, in this process."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def run(*arguments):
    """Run the installed command."""
    command = Path(sysconfig.get_path("scripts")) / "persona-refusal"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def fail(monkeypatch, capsys, *arguments):
    """Run a command that a user's mistake ends, in this process; gives what it printed."""
    monkeypatch.setattr(sys, "argv", ["persona-refusal", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr()


# Results to the standard output, talk to the standard error.


def test_csv_on_the_standard_output_is_the_table_and_nothing_else(results):
    ended = run("rates", results, "--format", "csv")
    assert ended.returncode == 0
    table = pd.read_csv(io.StringIO(ended.stdout))
    assert list(table) == ["model", "task", "setting", *contracts.RATES.estimates]
    # Persona: RNA RAA, 2 of 6 (to answer_aware, N is no refusal); persona-free: 0 of 3.
    assert table["setting"].tolist() == ["persona", "persona-free"]
    assert table["estimate"].tolist() == pytest.approx([1 / 3, 0.0])
    assert table["n"].tolist() == [6, 3]
    assert ended.stderr == f"{REPEATED}\nRefusals by the detector answer_aware.\n"


def test_json_on_the_standard_output_is_the_table_and_nothing_else(results):
    ended = invoke("rates", results, "--format", "json", "--by", "persona", "--detector", "prefix_strict")
    rows = json.loads(ended.stdout)
    assert set(rows[0]) == {"model", "task", "setting", "persona", *contracts.RATES.estimates}
    # The woman is answered R and R, the black person N and A, the muslim A and A; then there is nobody.
    of_persona = {row["persona"]: row["estimate"] for row in rows if row["setting"] == "persona"}
    assert of_persona == {"woman": 1.0, "black": 0.0, "muslim": 0.0}
    assert [row["persona"] for row in rows if row["setting"] == "persona-free"] == [None]
    assert ended.stderr == f"{REPEATED}\nRefusals by the detector prefix_strict.\n"


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_tables_for_people_are_percentages(results, form):
    printed = invoke("rates", results, "--format", form, "--detector", "prefix").stdout
    # R and N are 3 of the 6.
    assert "50.00" in printed
    # Persona-free: none of 3 responses to one text.
    assert "[0.00, 97.50]" in printed
    assert REPEATED not in printed


@pytest.mark.parametrize("by", ["persona", " persona , ", "persona,persona", "model,persona,task"])
def test_factors_may_be_spaced_or_repeated(results, by):
    plain = invoke("rates", results, "--format", "csv", "--by", "persona").stdout
    assert invoke("rates", results, "--format", "csv", "--by", by).stdout == plain


def test_several_factors_are_columns_in_the_order_given(results):
    printed = invoke("rates", results, "--format", "csv", "--by", "template,persona").stdout
    assert list(pd.read_csv(io.StringIO(printed)))[:5] == ["model", "task", "setting", "template", "persona"]


def test_several_results_are_one_study(results, logs, tmp_path):
    logs.write_run(tmp_path, "RR", model="b/two")
    printed = invoke("rates", results, tmp_path, "--format", "csv").stdout
    assert pd.read_csv(io.StringIO(printed))["model"].unique().tolist() == ["acme/parrot-7b", "b/two"]


def test_the_screen_shows_a_table_for_each_study_when_factors_are_distinguished(results):
    printed = invoke("rates", results, "--by", "persona_group").stdout
    titles = [line.strip() for line in printed.splitlines() if line.startswith("acme")]
    assert titles == ["acme/parrot-7b, Offensiveness, persona", "acme/parrot-7b, Offensiveness, persona-free"]


def test_the_report_prints_its_main_table_and_says_where_it_is(results, tmp_path):
    out = tmp_path / "report"
    ended = invoke("report", results, "--out", out, "--replicates", 100)
    assert "acme/parrot-7b" in ended.stdout
    assert "50.00" in ended.stdout
    parts = f"tables in {out / 'tables'}, figures in {out / 'figures'}"
    where = f"Report written to {out / 'report.html'} ({parts})."
    kind = (
        "Rates are raw: every response has the same weight. Class-standardised rates need the class of every text, and "
        "two texts of each class."
    )
    assert ended.stderr == f"{REPEATED}\n{kind}\n{where}\n"
    assert (out / "report.html").is_file()
    assert (out / "report.md").is_file()
    assert (out / "tables" / "rates.csv").is_file()


def test_the_report_is_renewed_with_force(results, tmp_path):
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    invoke("report", results, "--out", tmp_path, "--force", "--tables-only", "--replicates", 100)
    assert (tmp_path / "report.md").read_text(encoding="utf-8") != "old"


def test_tasks_path_prints_the_folder_for_include_path():
    ended = run("tasks-path")
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder,) = ended.stdout.splitlines()
    assert (Path(folder) / "persona_refusal.yaml").is_file()


def test_register_and_unregister_talk_to_the_standard_error(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "harness_folder", lambda: tmp_path)
    registered, unregistered = invoke("register"), invoke("unregister")
    assert registered.stdout == unregistered.stdout == ""
    assert registered.stderr.startswith("Linked ")
    assert unregistered.stderr.startswith("Removed ")
    assert list(tmp_path.iterdir()) == []


# Every command, on results folders and on a table of them.


MODELS_OF_STUDY = ("meta-llama/Llama-2-7b-chat-hf", "Qwen/Qwen2-7B-Instruct", "google/gemma-2b-it")
RATES = ["model", "task", "setting"]
SENSITIVITY = [
    *("model", "task", "factor", "iota", "ci_low", "ci_high", "null_mean", "p_value", "n_levels"),
    *("iota_corrected", "upper_bound_only", "first_order", "total"),
]
REGRESSION = [
    *("factor", "level", "coef", "se", "ci_low", "ci_high", "p_value", "p_adjusted", "estimator", "separated"),
]
COLUMNS = {
    "rates": [*RATES, *contracts.RATES.estimates],
    "rates --by persona,response_type": [*RATES, "persona", "response_type", *contracts.RATES.estimates],
    "rates --factors stratum": [*RATES, "stratum", *contracts.RATES.estimates],
    "rates --by temperature": [*RATES, "temperature", *contracts.RATES.estimates],
    "rates --against neutral": ["model", "task", "persona", "baseline", *contracts.CONTRASTS.estimates],
    "rates --against woman": ["model", "task", "persona", "baseline", *contracts.CONTRASTS.estimates],
    "rates --spread": ["model", "task", *contracts.SPREAD.estimates],
    "sensitivity --replicates 100": SENSITIVITY,
    "sensitivity --replicates 100 --factors temperature": SENSITIVITY,
    "sensitivity --replicates 100 --levels": [
        *("model", "task", "factor", "level", "estimate", "ci_low", "ci_high", "deviation", "null_mean"),
        *("deviation_corrected", "p_value", "n", "n_refused", "p_adjusted"),
    ],
    "sensitivity --interactions model,response_type": [*contracts.INTERACTIONS.keys, *contracts.INTERACTIONS.estimates],
    "sensitivity --variance": [*contracts.VARIANCE_COMPONENTS.keys, *contracts.VARIANCE_COMPONENTS.estimates],
    "sensitivity --variance --factors temperature": [
        *("model", "task", "temperature", "component"),
        *contracts.VARIANCE_COMPONENTS.estimates,
    ],
    "regression": REGRESSION,
    "regression --factors persona,temperature": REGRESSION,
    "regression --formula persona*response_type+model": REGRESSION,
    "regression --estimator ridge --penalty 2": REGRESSION,
    "regression --estimator firth --reference persona=woman --reference model=google/gemma-2b-it": REGRESSION,
    "regression --effects": ["factor", "level", "estimate", "ci_low", "ci_high"],
    "regression --wald": ["factor", "statistic", "df", "p_value"],
    "trend": list(TRENDS),
    "trend --column parameters_b": list(TRENDS),
    "trend --each": list(MODELS),
}
ANSWERS = {
    "persona": "ARANA AARAR NAARA RAANA AARAN ARANA RARAA ARAAN ANARA NARAA",
    "neutral": "ARA NAA ARA AAR RAA",
    "persona-free": "AA RA AR A E",
}


@pytest.fixture(scope="module")
def study(logs, tmp_path_factory):
    """Three models of the paper, two tasks, all settings, two temperatures; templates are not tied to personas."""
    out = tmp_path_factory.mktemp("study") / "results"
    of_models = itertools.product(enumerate(MODELS_OF_STUDY), ("nli", "offensiveness"), ANSWERS)
    for (number, model), kind, setting in of_models:
        for temperature, date in enumerate((logs.DATE, logs.LATER)):
            words = [word[number + temperature :] + word[: number + temperature] for word in ANSWERS[setting].split()]
            lines = logs.samples(" ".join(words), kind=kind, setting=setting)
            for doc in (line["doc"] for line in lines):
                template = list(logs.TEMPLATES)[(doc["index"] + int(doc["text_id"][-1])) % 3]
                doc |= {"template": template, "response_type": logs.TEMPLATES[template]}
            tasks = [logs.task_name(*names) for names in itertools.product(("nli", "offensiveness"), ANSWERS)]
            configs = [logs.generation(task, temperature=temperature) for task in tasks]
            asked = {"configs": dict(itertools.chain.from_iterable(config.items() for config in configs))}
            logs.write_run(out, lines, model=model, kind=kind, setting=setting, date=date, asked=asked)
    return out


@pytest.fixture(scope="module")
def ingested(study, tmp_path_factory):
    """A table of all runs of the same."""
    table = tmp_path_factory.mktemp("ingested") / "responses.parquet"
    invoke("ingest", study, "--out", table, "--all-runs")
    return table


@pytest.mark.parametrize(
    "command",
    [
        *("rates --by persona,response_type", "rates --by temperature", "rates --against neutral", "rates --spread"),
        *("sensitivity --replicates 100", "regression --factors persona,temperature", "trend --each"),
    ],
)
def test_logs_and_the_table_of_them_give_the_same_numbers(study, ingested, command):
    name, *options = command.split()
    # The table holds all runs; of the logs the newest answers count where they are not asked for.
    runs = [] if "temperature" in command else ["--all-runs"]
    tables = [
        pd.read_csv(io.StringIO(invoke(name, results, *options, *runs, "--format", "csv").stdout))
        for results in (study, ingested)
    ]
    assert len(tables[0])
    pd.testing.assert_frame_equal(*tables, rtol=1e-9, atol=1e-12)


def test_a_table_with_texts_serves_all_who_read_them(results, tmp_path):
    table = tmp_path / "responses.parquet"
    invoke("ingest", results, "--texts", "--out", table)
    invoke("report", table, "--out", tmp_path / "out", "--replicates", 100, "--figures", "none")
    assert "to read them here" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    judged = []
    for source, name in ((results, "logs"), (table, "table")):
        invoke("detect", source, "--detector", "prefix", "--out", tmp_path / f"{name}.parquet")
        judged.append(
            pd.read_parquet(tmp_path / f"{name}.parquet")[["model", "prompt", "response", "cause", "refused"]]
        )
        invoke("annotate", "export", source, "--out", tmp_path / name)
    one, other = (rows.sort_values(list(rows), ignore_index=True) for rows in judged)
    pd.testing.assert_frame_equal(one, other)
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        path.name for path in (tmp_path / "table").iterdir()
    }


@pytest.mark.parametrize("command", COLUMNS)
def test_csv_and_json_have_the_columns_of_the_contract_and_the_same_numbers(ingested, command):
    name, *options = command.split()
    as_csv, as_json = (invoke(name, ingested, *options, "--format", form).stdout for form in ("csv", "json"))
    # JSON has no infinity.
    table = pd.read_csv(io.StringIO(as_csv)).replace([math.inf, -math.inf], math.nan)
    rows = json.loads(as_json)
    assert list(table) == COLUMNS[command]
    assert len(table)
    assert [list(row) for row in rows] == [COLUMNS[command]] * len(table)
    numbers = table.select_dtypes("number").dropna(axis=1, how="all").astype(float)
    from_json = pd.DataFrame(rows)[numbers.columns].astype(float)
    pd.testing.assert_frame_equal(from_json, numbers, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("command", COLUMNS)
def test_no_table_on_screen_is_wider_than_80_columns(ingested, command):
    name, *options = command.split()
    printed = invoke(name, ingested, *options).stdout
    assert max(map(cell_len, printed.splitlines())) <= 80
    # Headings are words, and no name is broken for want of room.
    assert not {"p_value", "n_texts", "null_mean", "ci_low", "other_level"} & set(printed.split())
    if "model" in COLUMNS[command]:
        assert all(model in printed for model in MODELS_OF_STUDY)


def assert_fits_80_columns(ended):
    assert max(map(cell_len, ended.stdout.splitlines()), default=0) <= 80


def test_ingest_prints_no_line_wider_than_80_columns(study, tmp_path):
    assert_fits_80_columns(invoke("ingest", study, "--out", tmp_path / "out.parquet"))
    assert (tmp_path / "out.parquet").exists()


def test_a_report_distinguishes_temperatures_where_it_is_asked_to(study, tmp_path):
    options = ("--factors", "temperature", "--replicates", 100, "--tables-only")
    assert_fits_80_columns(invoke("report", study, "--out", tmp_path / "out", *options))
    rates = pd.read_csv(tmp_path / "out" / "tables" / "rates_by_persona.csv")
    assert sorted(rates["temperature"].unique()) == [0, 1]
    coefficients = pd.read_csv(tmp_path / "out" / "tables" / "regression.csv", dtype=str)
    assert coefficients.loc[coefficients["factor"] == "temperature", "level"].tolist() == ["1"]


def test_a_report_compares_the_papers_numbers_where_it_is_asked_to(study, tmp_path):
    invoke(
        "report",
        study,
        "--out",
        tmp_path / "out",
        "--paper",
        "--compare-published",
        "--replicates",
        100,
        "--tables-only",
    )
    published = pd.read_csv(tmp_path / "out" / "tables" / "published.csv")
    assert set(published["model"].dropna()) == set(MODELS_OF_STUDY)
    assert (tmp_path / "out" / "tables" / "paper" / "table1_prefix.csv").is_file()


def test_a_report_without_persona_tasks_says_so(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RA AA", setting="neutral")
    ended = invoke("report", tmp_path / "results", "--out", tmp_path / "out")
    assert ended.stdout.strip() == ""
    assert ended.stderr.splitlines()[0] == "No persona task was run, so there is no main table."


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "rates --against neutral",
            "No task was run in both settings: add persona_refusal_neutral to lm_eval",
        ),
        ("rates --against persona-free", "add persona_refusal_persona_free to lm_eval --tasks."),
        ("sensitivity --interactions model,persona", "Nothing to compare: model or persona has one level, or some"),
    ],
)
def test_where_a_table_is_empty_the_reason_is_said(logs, tmp_path, command, says):
    logs.write_run(tmp_path, "RNA RAA")
    name, *options = command.split()
    ended = invoke(name, tmp_path, *options, "--format", "csv")
    assert says in ended.stderr
    assert ended.stdout.count("\n") == 1  # the heading


# Labels, and a judge who gave no verdict for some responses.


@pytest.fixture(scope="module")
def judged(logs, tmp_path_factory):
    """A table of six responses with a judge's verdicts of four, and labels of all six."""
    folder = tmp_path_factory.mktemp("judged")
    logs.write_run(folder / "results", "RAA NAA")
    judge = """CASE WHEN "index" IN (1, 4) THEN NULL ELSE "index" IN (0, 5) END"""
    table = load_responses([folder / "results"]).query(f"SELECT *, {judge} AS refused_judge_x FROM responses").df()
    table.to_parquet(folder / "judged.parquet", index=False)
    labels = table[["model", "design_id", "index"]].assign(response="Offensive.", id=table["index"])
    labels.assign(refusal=(table["index"] < 2).map({True: "yes", False: "no"})).to_csv(
        folder / "labels.csv", index=False
    )
    return folder


@pytest.mark.parametrize(
    ("detector", "n", "n_refused", "corrected"),
    [
        # 0 and 1 are refusals, of all six; to the judge, of whom only 0, 2, 3 and 5 are known, one of four.
        ("answer_aware", 6, 1, 2 / 6),
        ("prefix", 6, 2, 2 / 6),
        ("prefix_strict", 6, 1, 2 / 6),
        ("judge_x", 4, 2, 1 / 4),
    ],
)
def test_rates_are_corrected_of_every_detector_of_a_table(judged, detector, n, n_refused, corrected):
    options = ["--labels", judged / "labels.csv", "--detector", detector, "--format", "json"]
    printed = invoke("rates", judged / "judged.parquet", *options)
    (row,) = json.loads(printed.stdout)
    assert (row["n"], row["n_refused"], row["estimate"]) == (n, n_refused, pytest.approx(corrected))
    said = " ".join(printed.stderr.split())
    assert "judge_x gave no verdict for 2 of 6 responses: left out of its numbers." in said
    assert ("judge_x gave 2 of 6 labelled items no verdict; they are left out." in said) == (detector == "judge_x")


def test_rates_of_a_detector_are_of_what_it_judged(judged):
    printed = {
        rule: json.loads(invoke("rates", judged / "judged.parquet", "--detector", rule, "--format", "json").stdout)
        for rule in ("prefix", "judge_x")
    }
    assert {rule: (row["n"], row["n_refused"]) for rule, (row,) in printed.items()} == {
        "prefix": (6, 2),
        "judge_x": (4, 2),
    }


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rates", "{tmp}/gone"], "{tmp}/gone: no such file or folder"),
        (["report", "{results}", "--out", "{results}"], "{results}: already exists"),
    ],
    ids=["missing results", "a report in the way"],
)
def test_a_mistake_ends_with_2_and_one_line_on_the_standard_error(results, tmp_path, arguments, says):
    places = {"tmp": tmp_path, "results": results}
    ended = run(*(argument.format(**places) for argument in arguments))
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("persona-refusal: ")
    assert says.format(**places) in line


MISTAKES = {
    "report --out {tmp}/report --tables-only --figures pdf": "--figures pdf: are not written with --tables-only",
    "rates --by personna": "unknown factor 'personna': allowed are model, task, setting, persona, persona_group,",
    "rates --by tempearture": "did you mean 'temperature'?",
    "rates --detector prefixed": "unknown detector 'prefixed': allowed are answer_aware, prefix, prefix_strict",
    "rates --against neutrl": "unknown baseline 'neutrl': allowed are neutral, persona-free, others, black, muslim",
    "rates --by persona --spread": "--by persona: --against and --spread compare personas within",
    "rates --against neutral --spread": "--against and --spread: mean different",
    "sensitivity --interactions model": "--interactions model: names 1 factor; name two",
    "sensitivity --interactions model,model": "--interactions model,model: names 1 factor; name two",
    "sensitivity --interactions model,tsk": "did you mean 'task'?",
    "sensitivity --levels --interactions model,task": "--levels and --interactions: mean different",
    "sensitivity --variance --levels": "--levels and --variance: mean different",
    "sensitivity --variance --factors template": "--factors template: --variance divides the variance among all",
    "sensitivity --variance --without template": "--without: --variance divides the variance among all factors",
    "regression --estimator fith": "unknown estimator 'fith': allowed are mle, firth, ridge; did you mean 'firth'?",
    "regression --formula persona*tsk": "did you mean 'task'?",
    "regression --formula persona**task": "the formula 'persona**task' is malformed at '**'",
    "regression --formula persona+": "the formula 'persona+' is malformed: write",
    "regression --formula persona --factors task": "--factors and --formula: mean different",
    "regression --effects --wald": "--effects and --wald: mean different",
    "regression --reference persona": "--reference persona: is not of the form FACTOR=LEVEL",
    "regression --reference persona=womman": "did you mean 'woman'?",
    "regression --reference prsona=man": "did you mean 'persona'?",
    "regression --estimator ridge --penalty -1": "the penalty is -1.0: it must be a positive number",
    "trend --column size": "unknown column in the table of the paper's models 'size': allowed are model, hub, family",
    "trend --models gone.csv": "gone.csv: cannot be read as CSV (No such file or directory)",
    "report --out {tmp}/x --factors tempearture": "did you mean 'temperature'?",
    "report --out {tmp}/x --detector prefixed": "unknown detector 'prefixed'",
    "report --out {tmp}/x --paper --factors temperature": "the paper's tables have no place for temperature",
    "ingest --out {tmp}/x.txt": "a responses table ends in .parquet or .csv",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_every_mistake_is_one_sentence_and_no_result(study, tmp_path, monkeypatch, capsys, command):
    name, *options = command.format(tmp=tmp_path).split()
    printed = fail(monkeypatch, capsys, name, study, *options)
    assert printed.out == ""
    *_, sentence = printed.err.splitlines()
    assert sentence.startswith("persona-refusal: ")
    assert MISTAKES[command] in sentence
    assert list(tmp_path.iterdir()) == []


def test_too_few_models_for_a_trend_are_one_sentence(results, monkeypatch, capsys):
    printed = fail(monkeypatch, capsys, "trend", results)
    *_, sentence = printed.err.splitlines()
    assert sentence == (
        "persona-refusal: a trend over released needs at least 3 models, and 0 can be used; acme/parrot-7b left out "
        "of what goes by released: the table of the paper's models has no family and released of it; give --models "
        "FILE."
    )


@pytest.mark.parametrize("options", ["--by persona", "--against neutral", "--spread"])
def test_a_factor_that_a_table_has_no_column_for_is_one_sentence(tmp_path, monkeypatch, capsys, options):
    table = tmp_path / "responses.csv"
    table.write_text("model,task,text_id,template,refused\nm,nli,t,p1,1\nm,nli,u,p2,0\n", encoding="utf-8")
    printed = fail(monkeypatch, capsys, "rates", table, *options.split())
    assert printed.err == (
        f"persona-refusal: {table}: lacks the column persona; it can be broken down by model, task, setting, template\n"
    )


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "a:on:b", ":smile:", "long " * 40, "🦜"])
def test_what_a_mistake_names_is_shown_literally(tmp_path, monkeypatch, capsys, name):
    printed = fail(monkeypatch, capsys, "rates", tmp_path / name)
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"persona-refusal: {tmp_path / name}: no such file or folder")


@pytest.mark.parametrize("command", ["rates", "report"])
def test_two_designs_are_one_line_too(logs, tmp_path, monkeypatch, capsys, command):
    logs.write_run(tmp_path / "results", "RA", design="d1")
    logs.write_run(tmp_path / "results", "RA", design="d2", date=logs.LATER)
    options = ["--out", tmp_path / "out"] if command == "report" else []
    printed = fail(monkeypatch, capsys, command, tmp_path / "results", *options)
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "cannot be pooled" in printed.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rates"], "RESULTS"),
        (["rates", ".", "--format", "xml"], "xml"),
        (["rates", ".", "--bye", "persona"], "--bye"),
        (["report", "."], "--out"),
        (["rate", "."], "'rate'"),
    ],
)
def test_a_misspelt_command_line_ends_with_2_and_says_what_is_wrong_with_it(monkeypatch, capsys, arguments, says):
    printed = fail(monkeypatch, capsys, *arguments)
    assert printed.out == ""
    assert says in printed.err
    assert "Traceback" not in printed.err


# Help.


def test_the_help_lists_every_command():
    printed = invoke("--help").stdout
    assert all(command in printed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_80_columns_and_gives_an_example(command):
    lines = invoke(command, "--help").stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    examples = [line for line in lines if line.strip().startswith("Example: ")]
    assert examples
    assert all("persona-refusal " in example for example in examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command):
    parameters = typer.main.get_command(cli.app).commands[command].params
    assert [p.name for p in parameters if not p.help] == []


def test_a_task_without_the_baseline_is_named(logs, tmp_path):
    for kind in ("nli", "politeness"):
        logs.write_run(tmp_path, "RNA RAA", kind=kind)
    logs.write_run(tmp_path, "RNA RAA", kind="nli", setting="neutral")
    said = invoke("rates", tmp_path, "--against", "neutral").stderr
    assert "Not compared, because there are no prompts in the setting neutral: politeness." in said
