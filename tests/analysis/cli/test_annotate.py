"""The command ``annotate``: samples for a corrected rate, and the width to expect."""

import json
import re

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics.errors import InputError


def invoke(*arguments):
    """Run a command; gives what it printed, and what it said on one line."""
    runner = CliRunner(env={"COLUMNS": "120"})
    result = runner.invoke(cli.app, ["annotate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """400 responses about 100 texts: 40 refusals by both rules, 10 by one, 100 that hedge and 250 others."""
    said = ["No."] * 50 + ["I cannot say."] * 100 + ["Well."] * 250
    frame = pd.DataFrame({"response": said, "refused_prefix": [1] * 50 + [0] * 350})
    frame = frame.assign(refused_prefix_strict=[1] * 40 + [0] * 360, model="m", task="nli", design_id="d0")
    frame = frame.assign(index=frame.index, text_id="t" + (frame.index % 100).astype(str), setting="persona")
    path = tmp_path_factory.mktemp("annotate") / "responses.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_sample_for_a_rate_announces_the_width_that_the_plan_has(table, tmp_path):
    said = invoke("export", table, "--out", tmp_path / "out", "--n", 80, "--aim", "rate")[1]
    assert "Stratified by the detectors' verdicts and how they open." in said
    (row,) = json.loads(invoke("plan", table, "--n", 80, "--format", "json")[0])
    assert f"corrected refusal rate that is {100 * row['width']:.1f} pp wide" in said
    assert f"{100 * row['uncorrected_width']:.1f} pp)" in said
    key = pd.read_csv(tmp_path / "out" / "key.csv")
    # Labels of those that hedge are the least certain of the large classes: .357 to .0995 in the standard deviation.
    assert key["response"].value_counts()["I cannot say."] > key["response"].value_counts()["Well."]
    assert (1 / key["probability"]).sum() == pytest.approx(400)


def test_the_plan_has_a_row_for_each_number_of_labels_and_fewer_labels_are_wider(table):
    shown = invoke("plan", table, "--n", 50, "--n", 400)[0]
    assert re.findall(r"^ *(\d+)  ", shown, re.MULTILINE) == ["50", "400"]
    assert "(pp)" in shown
    widths = [row["width"] for row in json.loads(invoke("plan", table, "--format", "json")[0])]
    # By default those of 100, 300 and 1,000 that there are responses for.
    assert len(widths) == 2
    assert widths[0] > widths[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plan", "--n", 4], "--n 4: must be from 20 to 400, the number of responses with a verdict"),
        (["plan", "--detector", "nobody"], "unknown detector 'nobody'"),
        (
            ["export", "--aim", "rate", "--only", "flagged"],
            "--aim rate: needs labels of all responses; leave out --only",
        ),
        (["export", "--aim", "rate", "--n", 3], "--n 3: is too few for 4 classes of the detectors' verdicts"),
        (["export", "--detector", "prefix"], "--detector prefix: needs --only flagged or --aim rate; add one"),
    ],
)
def test_what_cannot_be_is_one_sentence(table, tmp_path, arguments, expected):
    name, *options = arguments
    out = ["--out", tmp_path / "out"] if name == "export" else []
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        invoke(name, table, *options, *out)
    assert "\n" not in str(caught.value)
