"""The command ``pool``: its tables, the counts that it writes, and its errors."""

import io

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from refusal_metrics.analysis.contracts import POOLED, POOLED_MODELS, POOLED_SPREAD
from typer.testing import CliRunner

from refusal_metrics.errors import InputError

MODELS = ("Llama2-7B", "Qwen2-7B", "Gemma-2B")


def invoke(*arguments):
    """Run a command; gives what it printed, and what it said on one line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, ["pool", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, " ".join(result.stderr.split())


def refuse(*arguments):
    """Run a command that is to fail; gives the sentence, which `main` prints before it ends with the exit code 2."""
    with pytest.raises(InputError) as error:
        CliRunner().invoke(cli.app, ["pool", *map(str, arguments)], catch_exceptions=False)
    return str(error.value)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Three models, 40 texts, three personas of two groups and neutral prompts; black is refused more often."""
    rng = np.random.default_rng(0)
    personas = {"asian": ("race", 0.3), "black": ("race", 0.7), "man": ("gender", 0.3), "person": ("neutral", 0.3)}
    rows = [
        {"model": model, "task": "nli", "setting": "neutral" if group == "neutral" else "persona"}
        | {"persona": persona, "persona_group": group, "text_id": f"t{text}", "refused": int(rng.random() < rate)}
        for model in MODELS
        for text in range(40)
        for persona, (group, rate) in personas.items()
    ]
    path = tmp_path_factory.mktemp("pool") / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_first_table_on_screen_names_the_persona_and_says_for_which_models(table):
    printed, said = invoke(table)
    assert "Average over the models studied" in printed
    assert "Models like these" in printed
    assert "A prediction for a new model needs at least 8 models of 5 families; there are 3 of 3." in said
    found, _ = invoke(table, "--format", "csv")
    pooled = pd.read_csv(io.StringIO(found)).query("scope == 'studied'").set_index("persona")
    assert list(pooled.columns) == ["scope", *POOLED.estimates]
    assert (pooled["p_adjusted"] <= 0.05).to_dict() == {"asian": False, "black": True, "man": False}
    assert pooled.loc["black", "estimate"] > 0.2


@pytest.mark.parametrize(
    ("options", "columns", "n_rows"),
    [
        (("--each",), ["model", "persona", *POOLED_MODELS.estimates], 9),
        (("--spread",), [*POOLED_SPREAD.keys, *POOLED_SPREAD.estimates], 3),
        (("--groups",), ["scope", "persona_group", *POOLED.estimates], 4),
        (("--by", "task"), ["task", "scope", "persona", *POOLED.estimates], 6),
    ],
)
def test_each_table_has_its_columns(table, options, columns, n_rows):
    found = pd.read_csv(io.StringIO(invoke(table, *options, "--format", "csv")[0]))
    assert list(found) == columns
    assert len(found) == n_rows
    # And it fits the screen.
    assert max(map(len, invoke(table, *options)[0].splitlines())) <= 80


def test_counts_are_written_for_hibayes(table, tmp_path):
    out = tmp_path / "counts.csv"
    printed, said = invoke(table, "--to", "hibayes", "--out", out)
    assert printed == ""
    assert "Wrote 480 rows" in said
    written = pd.read_csv(out)
    assert written["n_total"].sum() == 480
    assert written["n_correct"].sum() == pd.read_csv(table)["refused"].sum()
    assert sorted(written["family"].unique()) == ["Gemma", "Llama", "Qwen"]
    assert "already exists" in refuse(table, "--to", "hibayes", "--out", out)


def test_mistakes_are_one_sentence(table, tmp_path):
    out = tmp_path / "c.csv"
    assert "--each and --spread: mean different tables" in refuse(table, "--each", "--spread")
    # The task is no setting of runs, and allowed.
    assert "can be broken down by task and settings of runs only" in refuse(table, "--by", "task,template")
    assert "--to and --out: are given together" in refuse(table, "--to", "hibayes")
    assert "--to and --out: are given together" in refuse(table, "--out", out)
    assert "unknown tool 'hibays': allowed are hibayes" in refuse(table, "--to", "hibays", "--out", out)
    assert "gone.csv: cannot be read" in refuse(table, "--models", "gone.csv")
    assert not out.exists()


def test_two_models_have_no_spread_and_the_command_says_why(table, tmp_path):
    part = tmp_path / "part.csv"
    pd.read_csv(table).query("model != 'Gemma-2B'").to_csv(part, index=False)
    assert "--spread: needs at least 3 models and 3 levels of persona" in refuse(part, "--spread")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("model == 'Gemma-2B'", "Gemma-2B is the only one that can be used"),
        ("setting == 'persona'", "there is no response to a neutral prompt"),
        ("refused == 0", "no model can be used"),
    ],
)
def test_a_study_that_cannot_be_pooled_is_one_sentence(table, tmp_path, query, says):
    part = tmp_path / "part.csv"
    pd.read_csv(table).query(query).to_csv(part, index=False)
    assert says in refuse(part)
