"""What the documentation tells people to type is run, and what it says comes out does.

A block of the language ``console`` is run, line by line after ``$``, in a folder of its own page that
has ``results``, the quickstart's. Lines under a command are its output on a terminal, of which ``...``
stands for any. A block of ``python`` is run too; a block of ``text`` after it is its output. A block
with a title is that file. A comment before a block changes this:

``<!-- not run: WHY -->``
    Its commands are parsed, and their tasks, settings and files looked at.
``<!-- do: WHAT -->``
    What a person does in between is done first.
"""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from lm_eval._cli import HarnessCLI
from lm_eval.tasks import TaskManager
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.docs import build_docs
from refusal_metrics.prompts import parse_settings
from refusal_metrics.register import tasks_folder
from refusal_metrics.studies import load_study

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r'^(?:<!-- (not run|do): (.+?) -->\n)?```(\w+)(?: title="(.+?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
APP = typer.main.get_command(cli.app)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    mark: str
    reason: str
    language: str
    title: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    def commands(self):
        """Give each command with the output under it."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        parts = re.split(r"^\$ ", joined, flags=re.MULTILINE)
        assert parts[0] == "", f"{self}: what stands before the first $?"
        for part in parts[1:]:
            command, _, output = part.partition("\n")
            yield re.sub(r"\s+# .*$", "", command), output


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    name = str(page.relative_to(ROOT))
    for found in BLOCK.finditer(text):
        line = text[: found.start()].count("\n") + 1
        mark, reason, language, title, inside = (part or "" for part in found.groups())
        yield Block(name, line, mark, reason, language, title, inside)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = {page: [b for b in BLOCKS if b.page == page and b.mark != "not run"] for page in {b.page for b in BLOCKS}}
TYPED = [
    (str(block), command)
    for block in BLOCKS
    if block.language == "console" and block.mark == "not run"
    for command, _ in block.commands()
]


def test_every_fenced_block_is_seen_by_these_tests():
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert len(fences) == 2 * len(list(blocks_of(page))), page


def test_no_block_of_commands_hides_under_another_language():
    allowed = {"console", "python", "text", "yaml", "csv", "sh", "bibtex"}
    assert {block.language for block in BLOCKS} <= allowed
    assert [str(b) for b in BLOCKS if b.language == "sh" and not b.title] == []


# What is run.


REPORTS = {}
"""What reports of the quickstart's results printed, and where they are: each is made once."""


def invoke(*arguments, exit_code=0):
    """Run a command in this process; gives what a terminal of 80 columns shows."""
    if arguments[0] in {"report", "sensitivity"}:
        arguments += ("--replicates", "100")
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else None
    if arguments[:2] == ("report", "results") and arguments in REPORTS and not out.exists():
        printed, made = REPORTS[arguments]
        shutil.copytree(made, out)
        return printed
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == exit_code, f"{arguments}: {result.output}"
    if arguments[0] == "report" and "--labels" not in arguments:
        REPORTS[arguments] = result.output, out.resolve()
    return result.output


def check_output(where, wanted, got):
    """Compare lines, blanks at their ends and empty lines aside; ``...`` stands for any lines."""
    shown = [line.rstrip() for line in wanted.splitlines() if line.strip()]
    lines = [line.rstrip() for line in got.splitlines() if line.strip()]
    pattern = "".join(r"(.*\n)*?" if line == "..." else any_of_line(line) for line in shown)
    assert re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)), f"{where}: shows\n{wanted}\nbut is\n{got}"


def any_of_line(line):
    return r"[^\n]*".join(map(re.escape, line.split("..."))) + "\n"


def fill_in(folder):
    """Fill in the sheets of two readers, who take for a refusal what begins like one, and differ once."""
    for number, sheet in enumerate(sorted(folder.glob("items_*.csv"))):
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        rows.sort(key=lambda row: row["id"])
        for place, row in enumerate(rows):
            row["refusal"] = "yes" if row["response"].startswith("I'm sorry") or (place == number == 1) else "no"
        with sheet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)


DONE = {"fill in the sheets": lambda: fill_in(Path("to_read"))}


@pytest.fixture
def desk(tmp_path, monkeypatch, two_figures):  # noqa: ARG001 - reports have two figures
    """The folder of somebody who has run the quickstart."""
    shutil.copytree(ROOT / "docs" / "quickstart", tmp_path / "results" / "quickstart")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.mark.parametrize("page", sorted(page for page, blocks in RUN.items() if blocks))
def test_what_a_page_tells_to_run_runs_and_prints_what_it_says(page, desk):
    printed, names = "", {}
    for block in RUN[page]:
        if block.mark:
            DONE[block.reason]()
        if block.title:
            path = desk / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.replace("/path/of/tasks", str(tasks_folder())), encoding="utf-8")
        elif block.language == "console":
            for command, output in block.commands():
                program, *arguments = shlex.split(command)
                assert program == "persona-refusal", f"{block}: {command}: say why it is not run"
                got = invoke(*arguments, exit_code=4 if "INCONCLUSIVE: " in output else 0)
                if output.strip():
                    check_output(block, output, got)
        elif block.language == "python":
            captured = io.StringIO()
            with contextlib.redirect_stdout(captured):
                exec(compile(block.text, str(block), "exec"), names)
            printed = captured.getvalue()
        elif block.language == "text":
            check_output(block, block.text, printed)


# What cannot be run here is parsed.


@pytest.fixture(scope="module")
def known_tasks():
    # Of the harness's own tasks those that pages name: to list all takes many seconds.
    (installed,) = find_spec("lm_eval").submodule_search_locations
    folders = [str(tasks_folder()), *(f"{installed}/tasks/{name}" for name in ("mmlu/default", "ifeval"))]
    return set(TaskManager(include_path=folders, include_defaults=False).all_tasks)


def parse_lm_eval(arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lm_eval", *arguments])
    return HarnessCLI().parse_args()


def check_lm_eval(arguments, monkeypatch, known_tasks):
    asked = parse_lm_eval(arguments, monkeypatch)
    tasks = asked.tasks if isinstance(asked.tasks, list) else asked.tasks.split(",")
    assert set(tasks) <= known_tasks | {"persona_refusal_toxicity"}, tasks
    assert asked.log_samples
    assert asked.output_path
    settings = asked.metadata or {}
    settings = json.loads(settings) if isinstance(settings, str) else settings
    for kind in {task.split("_")[2] for task in tasks if task.count("_") > 1} & {"nli", "politeness", "offensiveness"}:
        parse_settings(kind, settings)


def check_ours(arguments):
    """Parse a command without running it."""
    command, names = APP, list(arguments)
    while hasattr(command, "commands") and names and names[0] in command.commands:
        command = command.commands[names.pop(0)]
    assert command is not APP or names[0] in {"--install-completion", "--show-completion"}, arguments
    if command is not APP:
        command.make_context("x", names)


def check_pip(arguments):
    assert arguments[0] == "install"
    if arguments[1].startswith("every-eval-ever=="):
        # The version that checks our records.
        assert f"converter={arguments[1]}\n" in (ROOT / "scripts" / "install-harnesses").read_text(encoding="utf-8")
        return
    extras = re.fullmatch(r"(\.|lm-eval)\[(.+)\]", arguments[1])
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert extras[1] == "lm-eval" or set(extras[2].split(",")) <= set(known)


@pytest.mark.parametrize(("where", "command"), TYPED, ids=[where for where, _ in TYPED])
def test_what_is_not_run_is_spelt_right(where, command, monkeypatch, known_tasks):
    command = command.replace("$(persona-refusal tasks-path)", str(tasks_folder()))
    for part in command.split(" && "):
        words = shlex.split(part)
        while re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "lm_eval":
            check_lm_eval(arguments, monkeypatch, known_tasks)
        elif program == "persona-refusal":
            check_ours(arguments)
        elif program == "pip":
            check_pip(arguments)
        elif program in {"python", "pytest", "ruff"} or program.startswith("scripts/"):
            files = [word for word in [program, *arguments] if word.startswith(("scripts/", "docs/", "tests/"))]
            assert all((ROOT / file).exists() for file in files), files
        elif program == "source":
            assert arguments == [".venv/bin/activate"]
        else:
            assert program in {"sbatch", "cp", "rm", "gzip", "cd", "hf", "every_eval_ever"}, f"{where}: {program}"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml" and "models:" in b.text], ids=str)
def test_every_study_on_a_page_can_be_read(block, tmp_path):
    (tmp_path / "study.yaml").write_text(block.text, encoding="utf-8")
    assert load_study(tmp_path / "study.yaml").models


def test_the_personas_and_texts_of_a_page_make_prompts(desk):
    for block in RUN["docs/how-to/own-tasks.md"]:
        if block.title:
            (desk / block.title).parent.mkdir(exist_ok=True)
            (desk / block.title).write_text(block.text.replace("/path/of/tasks", str(tasks_folder())), encoding="utf-8")
    columns = {"text": "comment", "label": "rating", "text_id": "comment_id"}
    own = build_docs(
        kind="offensiveness",
        labels=["offensive", "not offensive"],
        setting="persona",
        source="comments.csv",
        columns=columns,
        personas="my_personas.yaml",
    )["test"]
    # Five comments, ten prompts each.
    assert len(own) == 50
    assert set(own["persona"]) == {"nurse", "engineer", "farmer"}
    manager = TaskManager(include_path=["my_tasks", str(tasks_folder())], include_defaults=False)
    task = manager.load(["persona_refusal_toxicity"])["tasks"]["persona_refusal_toxicity"]
    assert "toxic or not toxic" in task.doc_to_text(task.test_docs()[0])


# The help's own examples.


NEEDS = {
    "register": "the harness that is installed",
    "unregister": "the harness that is installed",
    "run": "a model",
    "fetch-data": "a network",
    "plan": "the public texts",
    "lm_eval": "a model",
    "detect results --out judged.parquet --detector judge": "a server",
    "validate --controls": "a model",
    "validate --labels xstest": "a file of XSTest",
    "validate --labels theirs": "labels of another tool",
    "annotate import doccano": "answers of another tool",
    "detect answers.csv": "a file of answers",
    "audit answers": "a file of answers",
    "trend nightly": "three runs",
    "trend": "three models or more",
    "pool": "two models or more",
}
"""The beginnings of examples that cannot be run on the quickstart's results alone, and what they need."""


def commands():
    """Give every command with its full name."""
    for name, command in APP.commands.items():
        yield (name,), command
        for inner, of_group in getattr(command, "commands", {}).items():
            yield (name, inner), of_group


def examples():
    for names, command in commands():
        for found in re.finditer(r"Example: `(.+?)`", " ".join((command.help or "").split())):
            yield " ".join(names), found[1]


EXAMPLES = list(examples())


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_the_example_of_a_command_works_on_the_quickstarts_results(name, example, desk):
    program, *arguments = shlex.split(example)
    line = " ".join(arguments) if program == "persona-refusal" else program
    if reason := next((why for beginning, why in NEEDS.items() if line.startswith(beginning)), None):
        if program == "persona-refusal":
            check_ours(arguments)
        pytest.skip(f"needs {reason}; parsed")
    assert line.startswith(name)
    if "labels" in line:
        label(desk, arguments)
    # The quickstart is too small for a gate.
    invoke(*arguments, exit_code=4 if {"--margin", "--fail-if"} & {*arguments} else 0)


def label(desk, arguments):
    """Make what an example with labels reads: sheets that were filled in, or the labels made of them."""
    if arguments[:2] == ["annotate", "export"]:
        return
    folder = "labels" if arguments[:2] == ["annotate", "import"] else "to_read"
    invoke("annotate", "export", "results", "--out", folder, "--n", "60")
    fill_in(desk / folder)
    if folder == "to_read":
        invoke("annotate", "import", folder, "--key", f"{folder}/key.csv", "--out", "labels.csv")


def test_every_example_that_is_not_run_is_there():
    lines = [" ".join(shlex.split(e)[1:]) if e.startswith("persona-refusal") else e for _, e in EXAMPLES]
    assert [needed for needed in NEEDS if not any(line.startswith(needed) for line in lines)] == []


# Completion, which the shell asks for by the environment.


def complete(*words):
    """Ask the installed command as bash does."""
    asked = {
        "_PERSONA_REFUSAL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    command = Path(sysconfig.get_path("scripts")) / "persona-refusal"
    ended = subprocess.run([command], env=os.environ | asked, capture_output=True, text=True, check=True, timeout=300)
    return ended.stdout.split()


def test_the_shell_completes_commands_and_options():
    of_r = {name for name in APP.commands if name.startswith("r")}
    assert set(complete("persona-refusal", "r")) == of_r
    assert set(complete("persona-refusal", "annotate", "")) == {"export", "import", "plan"}
    assert complete("persona-refusal", "rates", "results", "--agai") == ["--against"]
    assert complete("persona-refusal", "rates", "results", "--format", "js") == ["json"]


# How a command ends.


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("Query interrupted"), 130, ""),  # what DuckDB makes of Ctrl-C
        (OSError(28, "No space left on device"), 1, "the output cannot be written"),
    ],
)
def test_what_ends_a_command_early_has_its_exit_code(raised, code, says, monkeypatch, capsys):
    def fail():
        raise raised

    monkeypatch.setattr("refusal_metrics.analysis.cli.app.registry.register", fail)
    monkeypatch.setattr(sys, "argv", ["persona-refusal", "register"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert says in capsys.readouterr().err


def test_a_bug_is_shown_with_its_traceback(monkeypatch):
    def fail():
        raise RuntimeError("something else")

    monkeypatch.setattr("refusal_metrics.analysis.cli.app.registry.register", fail)
    monkeypatch.setattr(sys, "argv", ["persona-refusal", "register"])
    with pytest.raises(RuntimeError, match="something else"):
        cli.main()


def test_every_exit_code_is_documented():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE) == ["0", "1", "2", "3", "4", "130"]
