"""What a user's mistake prints: one sentence, and no result."""

import pytest

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


@pytest.fixture(scope="module")
def warm(logs, tmp_path_factory):
    """A run whose results file names a temperature."""
    out = tmp_path_factory.mktemp("warm") / "results"
    task = logs.task_name("offensiveness", "persona")
    logs.write_run(out, "RNA RAA", asked={"configs": logs.generation(task, temperature=1)})
    return out


@pytest.mark.parametrize("command", MISTAKES)
def test_every_mistake_is_one_sentence_and_no_result(fail, results, warm, tmp_path, command):
    name, *options = command.format(tmp=tmp_path).split()
    printed = fail(name, warm if {"tempearture", "temperature"} & set(options) else results, *options)
    assert printed.out == ""
    *_, sentence = printed.err.splitlines()
    assert sentence.startswith("persona-refusal: ")
    assert MISTAKES[command] in sentence
    assert list(tmp_path.iterdir()) == []


def test_too_few_models_for_a_trend_are_one_sentence(fail, results):
    printed = fail("trend", results)
    *_, sentence = printed.err.splitlines()
    assert sentence == (
        "persona-refusal: a trend over released needs at least 3 models, and 0 can be used; acme/parrot-7b left out "
        "of what goes by released: the table of the paper's models has no family and released of it; give --models "
        "FILE."
    )


@pytest.mark.parametrize("options", ["--by persona", "--against neutral", "--spread"])
def test_a_factor_that_a_table_has_no_column_for_is_one_sentence(fail, tmp_path, options):
    table = tmp_path / "responses.csv"
    table.write_text("model,task,text_id,template,refused\nm,nli,t,p1,1\nm,nli,u,p2,0\n", encoding="utf-8")
    printed = fail("rates", table, *options.split())
    assert printed.err == (
        f"persona-refusal: {table}: lacks the column persona; it can be broken down by model, task, setting, template\n"
    )


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "a:on:b", ":smile:", "long " * 40, "🦜"])
def test_what_a_mistake_names_is_shown_literally(fail, tmp_path, name):
    printed = fail("rates", tmp_path / name)
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"persona-refusal: {tmp_path / name}: no such file or folder")


@pytest.mark.parametrize("command", ["rates", "report"])
def test_two_designs_are_one_line_too(fail, logs, tmp_path, command):
    logs.write_run(tmp_path / "results", "RA", design="d1")
    logs.write_run(tmp_path / "results", "RA", design="d2", date=logs.LATER)
    options = ["--out", tmp_path / "out"] if command == "report" else []
    printed = fail(command, tmp_path / "results", *options)
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
def test_a_misspelt_command_line_ends_with_2_and_says_what_is_wrong_with_it(fail, arguments, says):
    printed = fail(*arguments)
    assert printed.out == ""
    assert says in printed.err
    assert "Traceback" not in printed.err
