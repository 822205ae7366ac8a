"""The command ``plan``."""

import json

import pandas as pd
import pytest
import yaml
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.errors import InputError
from refusal_metrics.studies import load_study

TASK = "persona_refusal_offensiveness"
STUDY = {
    "out": "results",
    "tasks": [TASK, f"{TASK}_neutral"],
    "settings": {"source": "sample", "personas": ["black", "white"], "rows_per_class": 99},
    "models": {"parrot": {"backend": "dummy", "chat_template": False}},
}
QUICK = ["--models", "my/model", "--tasks", TASK, "--source", "sample", "--personas", "black,white"]


def invoke(*arguments):
    """Run a command; gives what it printed, and what it said on one line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, ["plan", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, " ".join(result.stderr.split())


def refused(*arguments):
    """Return the sentence with which a command ends; `main` prints it and exits with 2."""
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(cli.app, ["plan", *map(str, arguments)], catch_exceptions=False)
    return str(caught.value)


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    """300 responses about 15 texts: one in ten is a refusal, of neutral prompts and of both personas."""
    rows = [
        {"model": "parrot", "task": "offensiveness", "setting": setting, "persona": persona, "text_id": f"t{g}"}
        | {"refused": (g + i) % 10 == 0}
        for g in range(15)
        for setting, persona, n in (("neutral", "person", 10), ("persona", "black", 5), ("persona", "white", 5))
        for i in range(n)
    ]
    path = tmp_path_factory.mktemp("pilot") / "pilot.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_plan_is_printed_with_its_power_curve_and_study_file():
    printed, said = invoke("--difference", 0.3, "--rate", 0.2, *QUICK, "--prompts-per-second", 2)
    assert "Offensiveness 20.00" in " ".join(printed.split())
    assert "+30.00" in printed
    block = yaml.safe_load(printed.partition("# study.yaml\n")[2])
    assert block["settings"]["personas"] == ["black", "white"]
    assert block["models"]["model"]["args"] == {"pretrained": "my/model"}
    assert "400 simulated studies of this size detect an increase of 30.0 points" in said
    # Of each row 10 prompts with the two personas, and 10 / sqrt(2), so 8, neutral ones.
    assert block["settings"]["neutral_variations"] == 8
    n_prompts = block["settings"]["rows_per_class"] * 5 * 18
    assert f"{n_prompts:,} prompts; about {max(1, round(n_prompts / 2 / 60))} min" in said


def test_json_has_the_table_alone():
    printed, _ = invoke("--difference", 0.3, "--direction", "decrease", "--rate", 0.5, *QUICK, "--format", "json")
    (row,) = json.loads(printed)
    assert row["difference"] == -0.3
    assert row["power"] >= 0.77
    assert row["power_error"] == pytest.approx((row["power"] * (1 - row["power"]) / 400) ** 0.5)


def test_a_plan_from_a_pilot_for_a_study_file(pilot, study_file, tmp_path):
    out = tmp_path / "planned"
    _, said = invoke(pilot, "--difference", 0.3, "--study", study_file, "--out", out)
    assert "15 of 150 neutral responses of parrot are refusals (10.0%)" in said
    assert "the time is unknown without a measured speed or --prompts-per-second" in said
    loaded = load_study(out / "study.yaml")
    table = pd.read_csv(out / "plan.csv")
    assert [model.name for model in loaded.models] == ["parrot"]
    assert loaded.settings["rows_per_class"] != 99
    # The upper limit of 10%, as the message says.
    assert f"assumes {table['rate'].item():.1%}" in said
    assert table["rate"].item() > 0.1
    assert set(pd.read_csv(out / "power.csv").columns) == {"task", "difference", "power", "power_error"}
    assert (out / "power.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "already exists" in refused(pilot, "--difference", 0.3, "--study", study_file, "--out", out)


def test_what_is_impossible_says_what_can_be_had():
    said = refused("--difference", 0.02, "--rate", 0.2, *QUICK)
    assert "is detected with a power of" in said
    assert "by the largest study of these texts" in said
    assert "ask for a larger difference" in said
    assert "a decrease of 30.0 points from a rate of 20.0% is impossible; ask for at most 20.0 points" in refused(
        "--difference", 0.3, "--direction", "decrease", "--rate", 0.2, *QUICK
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--difference", 0.3, *QUICK], "give either --rate"),
        (["pilot.csv", "--difference", 0.3, "--rate", 0.2, *QUICK], "give either --rate"),
        (["--difference", 30, "--rate", 0.2, *QUICK], "e.g. 0.05 for 5 points"),
        (["--difference", 0.3, "--rate", 2, *QUICK], "rate: found 2.0; give a number between 0 and 1"),
        (["--difference", 0.3, "--rate", "nan", *QUICK], "rate: found nan"),
        (["--rate", 0.2, *QUICK], "give a difference to detect, or a budget"),
        (["--difference", 0.3, "--rate", 0.2], "no models: give --study FILE, or --models"),
        (["--difference", 0.3, "--rate", 0.2, "--study", "s.yaml", "--models", "a"], "s.yaml says this already"),
        (["--difference", 0.3, "--rate", 0.2, *QUICK, "--max-hours", 1], "needs the speed of every model"),
        (["--difference", 0.3, "--rate", 0.2, "--models", "a", "--tasks", "mmlu"], "unknown task to plan 'mmlu'"),
        (["--difference", 0.3, "--rate", 0.2, *QUICK, "--direction", "up"], "give increase or decrease"),
    ],
)
def test_mistakes_get_one_sentence(arguments, message):
    assert message in refused(*arguments)


def test_where_no_files_can_be_written_is_said_before_studies_are_simulated(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "within"):
        # Simulations would end with an error of their own: no such model of texts exists.
        said = refused("--difference", 0.3, "--rate", 0.2, *QUICK, "--source", "nowhere.csv", "--out", out)
        assert f"{file}: is a file; name a folder" in said


@pytest.mark.parametrize(
    ("value", "message"),
    [([1], "block contains lists or records"), (0.25, "block contains '0.25' in 300 rows; it is a whole number or")],
)
def test_blocks_of_a_pilot_of_a_wrong_type_are_refused(pilot, tmp_path, value, message):
    table = pd.read_csv(pilot)
    table["block"] = [value] * len(table)
    table.to_parquet(tmp_path / "pilot.parquet")
    assert message in refused(tmp_path / "pilot.parquet", "--difference", 0.3, *QUICK)


def test_phrases_of_a_pilot_of_a_wrong_type_are_refused(pilot, tmp_path):
    table = pd.read_csv(pilot)
    table["phrase"] = [["a man"]] * len(table)
    table.to_parquet(tmp_path / "pilot.parquet")
    assert "phrase contains lists or records" in refused(tmp_path / "pilot.parquet", "--difference", 0.3, *QUICK)


def test_a_study_file_without_the_baseline_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"tasks": [TASK]}), encoding="utf-8")
    assert f"add {TASK}_neutral" in refused("--difference", 0.3, "--rate", 0.2, "--study", path)
