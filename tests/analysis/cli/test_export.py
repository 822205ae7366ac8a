"""The command ``export``: what it writes and says, and its errors."""

import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.errors import InputError

PARROT = "acme/parrot-7b"


def invoke(*arguments):
    """Run the command; gives the lines that it printed, and what it said on one line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, ["export", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines(), " ".join(result.stderr.split())


def refuse(*arguments):
    """Run a command that is to fail; gives the sentence, which `main` prints before it ends with the exit code 2."""
    with pytest.raises(InputError) as error:
        CliRunner().invoke(cli.app, ["export", *map(str, arguments)], catch_exceptions=False)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def study(logs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "results"
    logs.write_run(folder, "RNA RAA RAA AAA")
    return folder


def eee(study, out, *more):
    return study, "--to", "every-eval-ever", "--organization", "Acme AI", "--out", out, *more


def test_the_files_are_printed_and_the_unvalidated_detector_is_said(study, tmp_path):
    printed, said = invoke(*eee(study, tmp_path / "out"))
    files = [str(path) for path in (tmp_path / "out" / "data").rglob("*.json")]
    assert printed == files
    assert len(files) == 1
    assert "answer_aware was not validated on this study's models" in said
    # Another export replaces the files of the first, and nothing without --force.
    assert "already exists" in refuse(*eee(study, tmp_path / "out"))
    (tmp_path / "out" / "mine.txt").touch()
    ids = ("--model-ids", f"{PARROT}=acme/parrot", "--force")
    (replaced,), _ = invoke(*eee(study, tmp_path / "out", *ids))
    assert "/acme/parrot/" in replaced
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert sorted(map(str, left)) == sorted([replaced, str(tmp_path / "out" / "mine.txt")])


def test_without_a_dataset_it_says_what_was_not_written(study, tmp_path):
    printed, said = invoke(study, "--to", "eval-results", "--out", tmp_path / "out")
    assert printed == [str(tmp_path / "out" / PARROT / "model-index.yaml")]
    assert ".eval_results needs the benchmark dataset on the Hub; add --dataset" in said


@pytest.mark.parametrize(
    ("more", "found", "advice"),
    [
        (["--dataset", "acme/refusals"], "--dataset", "leave it out"),
        (["--relationship", "friend"], "friend", "third_party"),
        (["--model-ids", "parrot=acme/parrot"], "unknown model", PARROT),
        (["--model-ids", PARROT], "is not NAME=OWNER/NAME", "parrot=acme/parrot-7b"),
        (["--model-ids", f"{PARROT}=parrot"], "is not OWNER/NAME", "acme/parrot-7b"),
        (["--model-ids", f"{PARROT}=acme/..", "--force"], "cannot be the name of a folder", "its id on the Hub"),
        (["--model-ids", f"{PARROT}=a/b,{PARROT}=a/c"], "twice", "one id for each model"),
        (["--url", "acme.example"], "is no address", "https://"),
        (["--url", "https://a\x1b[31m"], "control characters", "remove them"),
        (["--organization", " "], "needs --organization", "add it"),
        (["--detector", "prefixes"], "prefixes", "prefix"),
        (["--labels", "gone.csv"], "gone.csv", ""),
    ],
)
def test_a_mistake_gets_one_sentence_and_nothing_is_written(study, tmp_path, more, found, advice):
    sentence = refuse(*eee(study, tmp_path / "out", *more))
    assert found in sentence
    assert advice in sentence
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_developer_gets_one_by_an_id(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RAA AAA", model="parrot")
    sentence = refuse(*eee(tmp_path / "results", tmp_path / "out"))
    assert "parrot: names no developer" in sentence
    assert "--model-ids parrot=DEVELOPER/parrot" in sentence
    assert not (tmp_path / "out").exists()
    # On the Hub, a model's own card needs no developer.
    (file,), _ = invoke(tmp_path / "results", "--to", "eval-results", "--out", tmp_path / "out")
    assert file == str(tmp_path / "out" / "parrot" / "model-index.yaml")


def test_two_models_of_one_folder_are_not_mixed(logs, tmp_path):
    for model in ("acme/parrot", "acme/owl"):
        logs.write_run(tmp_path / "results", "RAA AAA", model=model)
    ids = ("--model-ids", "acme/owl=acme/parrot")
    assert "same folder, acme/parrot" in refuse(*eee(tmp_path / "results", tmp_path / "out", *ids))
