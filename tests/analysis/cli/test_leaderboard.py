"""The command ``leaderboard``."""

import io
import json

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import leaderboard as cli_leaderboard
from refusal_metrics.analysis.leaderboard.board import COLUMNS
from refusal_metrics.analysis.leaderboard.comparison import COLUMNS as COMPARED
from rich.cells import cell_len
from typer.testing import CliRunner

from refusal_metrics.errors import InputError

LLAMA, QWEN = "meta-llama/Llama-2-7b-chat-hf", "Qwen/Qwen2-7B-Instruct"


def invoke(*arguments, code=0):
    """Run the command; gives what it printed, and what it said."""
    runner = CliRunner(env={"COLUMNS": "80"})
    result = runner.invoke(cli_leaderboard.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def results(logs, tmp_path):
    out = tmp_path / "results"
    for model, answers in ((LLAMA, "RRA AAA"), (QWEN, "RAA RAE")):
        for kind in ("nli", "offensiveness"):
            logs.write_run(out, answers, model=model, kind=kind)
    run = {"model_name": QWEN, "results": {"mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.01}}}
    (out / "results_2026-03-03T03-04-05.678901.json").write_text(json.dumps(run), encoding="utf-8")
    return out


@pytest.fixture
def runs(logs, tmp_path):
    """A new and an old run, of which 10 texts were refused once more."""
    logs.write_run(tmp_path / "old", "AAA " * 12)
    logs.write_run(tmp_path / "new", "RAA " * 10 + "AAA " * 2, date=logs.LATER)
    return tmp_path / "new", tmp_path / "old"


def test_the_board_is_read_at_80_columns_and_what_is_to_be_known_is_said_apart(results):
    printed, said = invoke(results)
    assert max(map(cell_len, printed.splitlines())) <= 80
    assert printed.splitlines()[0].strip() == "Mean over tasks"
    assert "Llama-2-7b-chat-hf" in printed
    assert "0.500 ± 0.010" in printed
    assert "Rank 1 refuses least." in said
    assert "Rank 1" not in printed


def test_by_task_prints_a_board_of_each(results):
    printed, _ = invoke(results, "--by", "task")
    assert [line.strip() for line in printed.splitlines() if line.strip() in {"NLI", "Offensiveness"}] == [
        *("NLI", "Offensiveness")
    ]
    assert "Each task" not in printed


def test_all_forms_and_files_have_the_same_rows_in_the_same_order(results, tmp_path):
    invoke(results, "--out", tmp_path / "board.csv")
    printed, _ = invoke(results, "--format", "csv")
    assert (tmp_path / "board.csv").read_text(encoding="utf-8") == printed
    table = pd.read_csv(io.StringIO(printed), keep_default_na=False)
    assert list(table.columns) == [*COLUMNS, "mmlu/acc", "mmlu/acc_stderr"]
    records = json.loads(invoke(results, "--format", "json")[0])
    assert [(r["model"], r["task"]) for r in records] == list(zip(table["model"], table["task"], strict=True))
    assert records[0]["estimate"] == pytest.approx(2 / 6)
    markdown, _ = invoke(results, "--format", "markdown")
    assert markdown.startswith("**Mean over tasks**\n\n| rank, 95% CI | model |")


@pytest.mark.parametrize("ending", ["html", "md"])
def test_a_page_is_written_with_its_figure_beside_it(results, tmp_path, ending):
    out = tmp_path / "pages" / f"board.{ending}"
    _, said = invoke(results, "--out", out)
    assert sorted(path.name for path in out.parent.iterdir()) == [out.name, "board_figures"]
    files = {path.name: path.read_bytes() for path in (out.parent / "board_figures").iterdir()}
    assert sorted(files) == ["families.csv", "families.png", "families.svg"]
    assert files["families.png"].startswith(b"\x89PNG")
    text = out.read_text(encoding="utf-8")
    assert (files["families.svg"].decode() in text) == (ending == "html")
    assert ("(<board_figures/families.svg>)" in text) == (ending == "md")
    assert f"Wrote {out}, " in said


def test_a_page_without_known_models_has_no_figure(logs, tmp_path):
    logs.write_run(tmp_path / "results", "RA AA")
    _, said = invoke(tmp_path / "results", "--out", tmp_path / "pages" / "board.html")
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["board.html"]
    assert "left out of what goes by released" in said


def test_nothing_is_overwritten_unless_asked_for(results, tmp_path):
    out = tmp_path / "board.md"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already exists"):
        invoke(results, "--out", out)
    assert out.read_text(encoding="utf-8") == "mine"
    invoke(results, "--out", out, "--force")
    assert out.read_text(encoding="utf-8") != "mine"
    with pytest.raises(InputError, match="board_figures: already exists; name another file, or add --force"):
        invoke(results, "--out", tmp_path / "board.html")


def test_a_file_of_another_kind_is_a_mistake(results, tmp_path):
    with pytest.raises(InputError, match=r"board.pdf: ends in .pdf; give a file that ends in .md, .csv, .html"):
        invoke(results, "--out", tmp_path / "board.pdf")


def test_metrics_may_lie_elsewhere(results, tmp_path):
    run = {"model_name": LLAMA, "results": {"ifeval": {"acc,none": 0.25}}}
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "results_2026-03-03T03-04-05.678901.json").write_text(json.dumps(run), encoding="utf-8")
    printed, _ = invoke(results, "--metrics", tmp_path / "more", "--format", "csv")
    assert "ifeval/acc" in printed.partition("\n")[0]


# Two runs.


def test_two_runs_are_compared_at_80_columns(runs):
    printed, said = invoke(runs[0], "--baseline", runs[1])
    assert max(map(cell_len, printed.splitlines())) <= 80
    assert "+27.78" in printed  # 10 of 36 prompts
    assert "refusal: I'm sorry" in printed
    assert "By the detector answer_aware. 2 of 6 changes" in said


def test_a_comparison_has_a_tidy_table_and_pages(runs, tmp_path):
    printed, _ = invoke(runs[0], "--baseline", runs[1], "--format", "csv")
    assert list(pd.read_csv(io.StringIO(printed)).columns) == list(COMPARED)
    for ending in ("csv", "md", "html"):
        invoke(runs[0], "--baseline", runs[1], "--out", tmp_path / f"runs.{ending}")
    assert (tmp_path / "runs.csv").read_text(encoding="utf-8") == printed
    assert "## Examples" in (tmp_path / "runs.md").read_text(encoding="utf-8")
    assert "<h2>Examples</h2>" in (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert not (tmp_path / "runs_figures").exists()


def test_texts_of_the_offensiveness_task_are_shown_only_when_asked_for(runs, tmp_path):
    invoke(runs[0], "--baseline", runs[1], "--out", tmp_path / "hidden.md")
    invoke(runs[0], "--baseline", runs[1], "--out", tmp_path / "shown.md", "--show-texts")
    hidden, shown = ((tmp_path / name).read_text(encoding="utf-8") for name in ("hidden.md", "shown.md"))
    assert "would a woman classify" not in hidden
    assert "would a woman classify" in shown
    assert "Examples" not in invoke(runs[0], "--baseline", runs[1], "--examples", "0")[0]


@pytest.mark.parametrize(
    ("margin", "verdict", "code"), [("5pp", "FAIL", 3), ("27pp", "INCONCLUSIVE", 4), ("90pp", "PASS", 0)]
)
def test_a_gate_is_the_first_line_and_the_exit_code(runs, margin, verdict, code):
    # By 27.78 points; the interval ends some 9 below.
    printed, said = invoke(runs[0], "--baseline", runs[1], "--margin", margin, code=code)
    assert printed.startswith(f"{verdict}: ")
    assert ("Offensiveness (persona): +27.78 pp [" in said) == (verdict != "PASS")


def test_a_decrease_alone_passes_a_margin_of_increases(runs):
    invoke(runs[1], "--baseline", runs[0], "--margin", "+2pp")
    invoke(runs[1], "--baseline", runs[0], "--margin", "2pp", code=3)


def test_the_verdict_is_in_json_and_csv_stays_a_table(runs):
    asked = (runs[0], "--baseline", runs[1], "--margin", "5pp", "--format")
    found = json.loads(invoke(*asked, "json", code=3)[0])
    assert (found["gate"]["verdict"], found["gate"]["exit_code"]) == ("FAIL", 3)
    (interval,) = found["gate"]["conditions"][0]["intervals"]
    assert interval["estimate"] == pytest.approx(10 / 36)
    assert interval["verdict"] == "FAIL"
    assert found["rows"] == json.loads(invoke(*asked[:3], "--format", "json")[0])
    printed, said = invoke(*asked, "csv", code=3)
    assert list(pd.read_csv(io.StringIO(printed)).columns) == list(COMPARED)
    assert said.count("FAIL: ") == 1


@pytest.mark.parametrize("ending", ["html", "md"])
def test_a_page_has_the_verdict_first_and_is_written_also_if_the_gate_fails(runs, tmp_path, ending):
    out = tmp_path / f"runs.{ending}"
    invoke(runs[0], "--baseline", runs[1], "--margin", "5pp", "--out", out, code=3)
    text = out.read_text(encoding="utf-8")
    assert text.index("FAIL: change of the refusal rate outside") < text.index("By the detector")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--by", "model"), "--by model: only task is allowed"),
        (("--margin", "2pp"), "--margin: is the allowed change since an earlier run; add --baseline RESULTS"),
        (("--baseline", "old", "--by", "task"), "--baseline: compares two runs; leave out --by and --metrics"),
    ],
)
def test_options_that_do_not_go_together_are_a_mistake(results, options, said):
    with pytest.raises(InputError, match=said):
        invoke(results, *options)


@pytest.mark.parametrize("answers", ["EEE", "EEA"])
def test_a_run_of_which_too_little_can_be_read_passes_no_gate(logs, tmp_path, answers):
    logs.write_run(tmp_path / "old", "AAA " * 4)
    logs.write_run(tmp_path / "new", f"{answers} " * 4, date=logs.LATER)
    asked = (tmp_path / "new", "--baseline", tmp_path / "old", "--format", "csv")
    _, said = invoke(*asked, "--margin", "99pp", code=4)
    n = 4 * answers.count("E")
    assert f"acme/parrot-7b, Offensiveness (persona): {n} of 12 responses are empty: too many to compare." in said
    # Without a gate it is said and no more.
    _, said = invoke(*asked)
    assert f"{n} of 12 responses are empty" in said


@pytest.mark.parametrize("value", ["nan", "inf", "-1pp", "2", "101pp", "1e400pp"])
def test_a_margin_that_is_none_is_refused_before_anything_is_read(value):
    with pytest.raises(InputError, match=r"--margin '.*': "):
        invoke("new", "--baseline", "old", f"--margin={value}")


def test_the_exit_code_is_1_where_a_rate_rose_beyond_the_bound(runs):
    # By 27.78 points; the interval ends some 9 below.
    _, said = invoke(runs[0], "--baseline", runs[1], "--fail-above", "5", code=1)
    assert "Offensiveness (persona): the refusal rate rose by 27.78 points, 95% CI [" in said
    _, said = invoke(runs[0], "--baseline", runs[1], "--fail-above", "27")
    assert "PASS: no task's refusal rate rose by significantly more than 27 points." in said
    invoke(runs[1], "--baseline", runs[0], "--fail-above", "0")


def test_a_page_is_written_also_where_the_exit_code_is_1(runs, tmp_path):
    invoke(runs[0], "--baseline", runs[1], "--fail-above", "5", "--out", tmp_path / "runs.md", code=1)
    assert (tmp_path / "runs.md").is_file()


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "101", "1e400"])
def test_a_bound_that_is_no_number_is_refused(value):
    with pytest.raises(InputError, match=r"--fail-above .* is not a number from 0 to 100"):
        invoke("new", "--baseline", "old", f"--fail-above={value}")
