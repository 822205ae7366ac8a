"""The example of a nightly job: a workflow that GitHub accepts, with pinned actions and without secrets."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from refusal_metrics.analysis.cli import app as cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "gates.md"


@pytest.fixture(scope="module")
def text():
    return re.search(
        r'```yaml title="\.github/workflows/.+?"\n(.*?)^```$',
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )[1]


@pytest.fixture(scope="module")
def steps(text):
    (job,) = yaml.safe_load(text)["jobs"].values()
    return job["steps"]


def test_it_is_yaml_with_a_schedule_and_read_access(text):
    workflow = yaml.safe_load(text)
    # YAML 1.1 reads the key `on` as true.
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}
    assert workflow[True]["schedule"] == [{"cron": "17 3 * * *"}]
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in text
    assert "token" not in text.lower()


def test_actions_are_pinned_to_commits_and_name_their_version(text, steps):
    used = [step["uses"] for step in steps if "uses" in step]
    assert len(used) == 3
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in used)
    assert len(re.findall(r"uses: \S+ # v\d+\.\d+\.\d+$", text, re.MULTILINE)) == 3


def test_its_commands_are_ours_and_are_parsed(steps):
    lines = [line.strip() for step in steps for line in step.get("run", "").splitlines()]
    commands = [line.removesuffix(" || code=$?") for line in lines if line.startswith("persona-refusal ")]
    assert [command.split()[1] for command in commands] == ["run", "leaderboard"]
    app = typer.main.get_command(cli.app)
    for command in commands:
        name, *arguments = shlex.split(command)[1:]
        app.commands[name].make_context(name, arguments)
