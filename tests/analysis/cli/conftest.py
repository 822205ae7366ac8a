"""What tests of the commands share."""

import sys

import pytest
import yaml
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner


@pytest.fixture(scope="session")
def results(logs, tmp_path_factory):
    """A model of two settings; one text was asked again, so that there is something to say of the logs."""
    out = tmp_path_factory.mktemp("cli") / "results"
    logs.write_run(out, "RNA RAA")
    logs.write_run(out, "RNA", date=logs.LATER)
    logs.write_run(out, "AAA", setting="persona-free")
    return out


@pytest.fixture(scope="session")
def invoke():
    """Run a command that ends with an exit code, 0 unless another is named, in this process."""

    def run(*arguments, code=0):
        result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def fail(monkeypatch, capsys):
    """Run a command that a user's mistake ends, in this process; gives what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["persona-refusal", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        return capsys.readouterr()

    return run


# Studies that ``run`` asks.


@pytest.fixture(scope="module")
def offline():
    """Forbid downloads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("COLUMNS", "80")
        yield


@pytest.fixture(scope="session")
def save():
    """Write a study whose results go into a folder beside it: of each of two tasks 2 rows of 5 classes, 3 times."""
    parrot = {"backend": "dummy", "chat_template": False}
    whole = {
        "tasks": ["persona_refusal_offensiveness", "persona_refusal_politeness"],
        "settings": {"source": "sample", "rows_per_class": 2, "variations": 3},
        "shard_docs": 10,
        "models": {"parrot": parrot, "crow": parrot},
    }

    def write(folder, **changed):
        path = folder / "study.yaml"
        study = {"out": str(folder / "results")} | whole | changed
        path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def tell(invoke):
    """Run a command in this process; gives what it said, and what it printed."""

    def run(*arguments, code=0):
        result = invoke(*arguments, code=code)
        return result.stderr, result.stdout

    return run


@pytest.fixture
def refuse(fail):
    """Run a command that a user's mistake ends in one line; gives that line."""

    def run(*arguments):
        said = fail(*arguments)
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err

    return run
