"""Every command, on results folders and on a table of them."""

import io
import itertools
import json
import math

import pandas as pd
import pytest
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.trend import MODELS, TRENDS
from rich.cells import cell_len

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
def ingested(invoke, study, tmp_path_factory):
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
def test_logs_and_the_table_of_them_give_the_same_numbers(invoke, study, ingested, command):
    name, *options = command.split()
    # The table holds all runs; of the logs the newest answers count where they are not asked for.
    runs = [] if "temperature" in command else ["--all-runs"]
    tables = [
        pd.read_csv(io.StringIO(invoke(name, results, *options, *runs, "--format", "csv").stdout))
        for results in (study, ingested)
    ]
    assert len(tables[0])
    pd.testing.assert_frame_equal(*tables, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("two_figures")
def test_a_table_with_texts_serves_all_who_read_them(invoke, results, tmp_path):
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
def test_csv_has_the_columns_of_the_contract(invoke, ingested, command):
    name, *options = command.split()
    table = pd.read_csv(io.StringIO(invoke(name, ingested, *options, "--format", "csv").stdout))
    assert list(table) == COLUMNS[command]
    assert len(table)


# All commands print with one function, so one form of each is enough.
@pytest.mark.parametrize(
    "command",
    [
        *("rates --by temperature", "rates --against neutral", "sensitivity --replicates 100"),
        *("sensitivity --variance", "regression", "trend"),
    ],
)
def test_json_has_the_same_columns_and_numbers(invoke, ingested, command):
    name, *options = command.split()
    as_csv, as_json = (invoke(name, ingested, *options, "--format", form).stdout for form in ("csv", "json"))
    # JSON has no infinity.
    table = pd.read_csv(io.StringIO(as_csv)).replace([math.inf, -math.inf], math.nan)
    rows = json.loads(as_json)
    assert [list(row) for row in rows] == [list(table)] * len(table)
    numbers = table.select_dtypes("number").dropna(axis=1, how="all").astype(float)
    from_json = pd.DataFrame(rows)[numbers.columns].astype(float)
    pd.testing.assert_frame_equal(from_json, numbers, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("command", COLUMNS)
def test_no_table_on_screen_is_wider_than_80_columns(invoke, ingested, command):
    name, *options = command.split()
    printed = invoke(name, ingested, *options).stdout
    assert max(map(cell_len, printed.splitlines())) <= 80
    # Headings are words, and no name is broken for want of room.
    assert not {"p_value", "n_texts", "null_mean", "ci_low", "other_level"} & set(printed.split())
    if "model" in COLUMNS[command]:
        assert all(model in printed for model in MODELS_OF_STUDY)


def assert_fits_80_columns(ended):
    assert max(map(cell_len, ended.stdout.splitlines()), default=0) <= 80


def test_ingest_prints_no_line_wider_than_80_columns(invoke, study, tmp_path):
    assert_fits_80_columns(invoke("ingest", study, "--out", tmp_path / "out.parquet"))
    assert (tmp_path / "out.parquet").exists()


def test_a_report_distinguishes_temperatures_where_it_is_asked_to(invoke, study, tmp_path):
    options = ("--factors", "temperature", "--replicates", 100, "--tables-only")
    ended = invoke("report", study, "--out", tmp_path / "out", *options)
    # Findings are sentences, one a line if the output is no terminal.
    assert max(cell_len(line) for line in ended.stdout.splitlines() if not line.startswith("- ")) <= 80
    rates = pd.read_csv(tmp_path / "out" / "tables" / "rates_by_persona.csv")
    assert sorted(rates["temperature"].unique()) == [0, 1]
    coefficients = pd.read_csv(tmp_path / "out" / "tables" / "regression.csv", dtype=str)
    assert coefficients.loc[coefficients["factor"] == "temperature", "level"].tolist() == ["1"]


def test_a_report_compares_the_papers_numbers_where_it_is_asked_to(invoke, study, tmp_path):
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


def test_a_report_without_persona_tasks_says_so(invoke, logs, tmp_path):
    logs.write_run(tmp_path / "results", "RA AA", setting="neutral")
    ended = invoke("report", tmp_path / "results", "--out", tmp_path / "out", "--tables-only")
    assert ended.stdout.strip() == "- No persona task was run, so there are no findings on personas."
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
def test_where_a_table_is_empty_the_reason_is_said(invoke, logs, tmp_path, command, says):
    logs.write_run(tmp_path, "RNA RAA")
    name, *options = command.split()
    ended = invoke(name, tmp_path, *options, "--format", "csv")
    assert says in ended.stderr
    assert ended.stdout.count("\n") == 1  # the heading


def test_a_task_without_the_baseline_is_named(invoke, logs, tmp_path):
    for kind in ("nli", "politeness"):
        logs.write_run(tmp_path, "RNA RAA", kind=kind)
    logs.write_run(tmp_path, "RNA RAA", kind="nli", setting="neutral")
    said = invoke("rates", tmp_path, "--against", "neutral").stderr
    assert "Not compared, because there are no prompts in the setting neutral: politeness." in said
