"""The command ``audit``."""

import json

import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner


@pytest.fixture
def answers(tmp_path):
    lines = ["text_id;persona;response"]
    for text in range(60):
        said = "I'm sorry, but I cannot help with that." if text < 40 else "It is polite."
        lines += [f"{text};a pilot;{said}", f"{text};a person;It is polite."]
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(lines))
    return path


def run(*arguments):
    return CliRunner().invoke(cli.app, ["audit", *map(str, arguments)])


def test_the_first_line_names_the_condition_that_differs_most(answers, tmp_path):
    done = run(answers, "--out", tmp_path / "out")
    assert done.exit_code == 0
    # 40 of 60 texts.
    assert done.stdout.startswith("The model refuses 66.7 pp [")
    assert "'a pilot' than under 'a person' (66.7% compared with 0.0%)" in done.stdout.splitlines()[0]
    assert "Columns guessed by their names: response = response" in done.stderr
    assert "Baseline guessed by its name: a person." in done.stderr
    assert (tmp_path / "out" / "audit.html").is_file()


def test_json_is_alone_on_the_standard_output(answers, tmp_path):
    done = run(answers, "--out", tmp_path / "out", "--format", "json", "--claimed", "a pilot=5")
    (row,) = json.loads(done.stdout)
    assert (row["persona"], row["decision"], row["claimed"]) == ("a pilot", "falls", 0.05)
    assert "The model refuses 66.7 pp" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--baseline", "nobody"], "unknown --baseline"),
        (["--persona", "who"], "unknown column"),
        (["--claimed", "lots"], "no difference in percentage points"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(answers, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(
        "sys.argv", ["persona-refusal", "audit", str(answers), "--out", str(tmp_path / "out"), *arguments]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
