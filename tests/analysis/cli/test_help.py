"""What every command line answers to: -h, --help and --version."""

import pytest
import typer
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

import refusal_metrics

APP = typer.main.get_command(cli.app)
COMMANDS = [[], *([name] for name in APP.commands), *(["annotate", name] for name in APP.commands["annotate"].commands)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_short_option_for_help_is_the_long_one(command):
    short, long = (CliRunner().invoke(cli.app, [*command, option]) for option in ("-h", "--help"))
    assert short.exit_code == 0
    assert "Usage:" in short.output
    assert short.output == long.output


def test_the_version_is_printed_before_any_command_is_looked_at():
    for arguments in (["--version"], ["--version", "no-such-command"]):
        asked = CliRunner().invoke(cli.app, arguments)
        assert (asked.exit_code, asked.output) == (0, f"persona-refusal {refusal_metrics.__version__}\n")
