"""What ``run`` reports of models and servers while it asks and at its end."""

import io

import pytest
from refusal_metrics.analysis.cli import study as cli_study
from refusal_metrics.analysis.cli import study_progress
from rich.console import Console

from refusal_metrics.studies import Shard, Study, StudyFolder, StudyModel

TASK, OTHER = "persona_refusal_offensiveness", "persona_refusal_politeness"
PARROT = {"backend": "dummy", "chat_template": False}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(1, "1 min"), (72, "1 min"), (7_199, "120 min"), (7_200, "2.0 hours"), (90_000, "25.0 hours")],
)
def test_a_time_is_written_in_minutes_or_hours(seconds, written):
    assert cli_study._duration(seconds) == written


def test_names_are_no_markup_and_no_commands_to_the_terminal():
    bars = study_progress.ProgressBars()
    out = io.StringIO()
    bars._console = bars._progress.live.console = Console(file=out, force_terminal=True, width=200)
    with bars:
        for name in ("%s{x}[red]", "\x1b[31mred\x1b]0;pwned\x07", "[/]"):
            bars.show(StudyModel(name, "dummy"), "begins", {"n_shards": 1})
    shown = out.getvalue()
    assert "%s{x}[red]" in shown
    assert "[/]" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[31mred" not in shown


@pytest.mark.parametrize(
    ("asked", "named", "said"),
    [
        ("gpt-x", ["gpt-x"], ""),
        ("gpt-x", [], ""),
        ("gpt-x", "gpt-y", ""),
        ("gpt", ["gpt", "gpt-25"], "parrot: the study requests 'gpt', but the server reports 'gpt-25'."),
        ("gpt-x", ["\x1b[31mred"], "the server reports '\\x1b[31mred'."),
        ("gpt-x", list("abcdef"), "the server reports 'a', 'b', 'c' and others."),
        (None, ["gpt-y"], ""),
    ],
)  # fmt: skip
def test_the_end_names_another_model_than_was_asked_for(tmp_path, asked, named, said):
    made = Study(
        tmp_path, tmp_path / "out", (TASK,), {}, 1, "user", None, 5,
        (StudyModel("parrot", "local-chat-completions", {"model": asked} if asked else {}),),
    )  # fmt: skip
    folder = StudyFolder(made.out)
    folder.open(made.asked() | {"designs": {}})
    folder.note("parrot", {}, named if isinstance(named, list) else ())
    if isinstance(named, str):
        folder.note("parrot", {"answered_by": named})
    lines = cli_study._list_other_models(made)
    assert len(lines) == bool(said)
    assert not said or lines[0].endswith(said)


def test_answers_of_an_earlier_run_are_reported_with_those_that_cannot_be_used():
    shard = Shard("parrot", TASK, repeat=1, number=3, start=0, stop=9)
    model = StudyModel("parrot", "hf")
    what = {"shard": shard, "n_found": 1700, "n_foreign": 0, "n_damaged": 0}
    assert study_progress.describe_journal(model, what) == (
        f"parrot, {TASK}, shard 3: 1,700 responses of an earlier run are used."
    )
    assert study_progress.describe_journal(model, what | {"n_foreign": 2, "n_damaged": 1}).endswith(
        "are used; 2 belong to another model, software or study and are not used; 1 lines are damaged, so their "
        "prompts are sent again."
    )
