"""The figure of a leaderboard."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.figures import to_spec, write_figures
from refusal_metrics.analysis.leaderboard.board import make_board
from refusal_metrics.analysis.leaderboard.families import draw_families
from refusal_metrics.analysis.responses import load_studies

from refusal_metrics.errors import InputError

LLAMA, QWEN = "meta-llama/Llama-2-7b-chat-hf", "Qwen/Qwen2-7B-Instruct"


@pytest.fixture
def board(logs, tmp_path):
    """Two of the paper's models and another one, of two tasks."""
    for model, answers in ((LLAMA, "RRA AAA"), (QWEN, "RAA RAA"), ("acme/parrot", "RAA AAA")):
        for kind in ("nli", "offensiveness"):
            logs.write_run(tmp_path / "results", answers, model=model, kind=kind)
    return make_board(load_studies([tmp_path / "results"]), np.random.default_rng(0))


def test_models_whose_property_is_known_are_drawn_and_others_said(board):
    figure, notes = draw_families(board, "released")
    assert set(figure.table["model"]) == {LLAMA, QWEN}
    known = "the table of the paper's models has no family and released of it; give --models FILE."
    assert notes == (f"acme/parrot left out of what goes by released: {known}",)
    assert figure.name == "families"
    row = figure.table.query("model == @LLAMA and task == ''").iloc[0]
    # 18 July 2023 is day 198 of its year, counted from 0; 2 of 6 prompts of each task were refused.
    assert (row["family"], row["value"], row["estimate"]) == ("Llama", pytest.approx(2023 + 198 / 365.25), 1 / 3)
    assert "released (year)" in figure.caption
    assert "6 to 12 responses of 2 to 4 texts a point" in figure.caption


def test_every_point_has_its_interval(board):
    figure, _ = draw_families(board, "released")
    rows = [row for data in to_spec(figure)["datasets"].values() for row in data]
    assert len(rows) == 6
    assert all(row["low"] <= row["y"] <= row["high"] for row in rows)
    first = next(row for row in rows if row["model"] == LLAMA.rpartition("/")[2])
    assert first["y"] == pytest.approx(100 / 3, abs=0.001)


def test_names_that_would_lie_on_each_other_are_moved_apart(board, tmp_path):
    models = tmp_path / "models.csv"
    pd.DataFrame({"model": [LLAMA, QWEN], "family": ["a", "a"], "size": [7, 7]}).to_csv(models, index=False)
    figure, _ = draw_families(board, "size", models)
    rows = [row for data in to_spec(figure)["datasets"].values() for row in data if "name_at" in row]
    low, high = sorted(row["name_at"] for row in rows)
    # Both were refused 1/3 of the prompts; one line, 11 of the 300 pixels, lies between their names.
    assert high == pytest.approx(100 / 3, abs=0.001)
    assert high - low == pytest.approx(11 / 300 * max(row["high"] for row in rows), abs=0.001)


def test_names_are_text_in_the_figure(logs, tmp_path):
    name = "<script>alert(1)</script>\u202e & Co"
    models = tmp_path / "models.csv"
    pd.DataFrame({"model": [name], "family": [name], "size": [7]}).to_csv(models, index=False)
    logs.write_run(tmp_path / "results", "RA AA", model=name)
    board = make_board(load_studies([tmp_path / "results"]), np.random.default_rng(0))
    figure, _ = draw_families(board, "size", models)
    write_figures([figure], tmp_path / "out", ["svg"])
    svg = (tmp_path / "out" / "families.svg").read_text(encoding="utf-8")
    assert {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()} <= {
        *("svg", "g", "rect", "path", "text", "line", "defs", "clipPath", "title", "desc"),
    }
    assert "\u202e" not in svg
    assert "&lt;script&gt;" in svg


def test_large_differences_in_size_have_a_logarithmic_axis(board, tmp_path):
    models = tmp_path / "models.csv"
    pd.DataFrame({"model": [LLAMA, QWEN], "family": ["a", "b"], "size": [1, 100]}).to_csv(models, index=False)
    assert '"type": "log"' in json.dumps(to_spec(draw_families(board, "size", models)[0]))
    assert '"type": "log"' not in json.dumps(to_spec(draw_families(board, "released")[0]))


def test_without_known_models_there_is_no_figure(logs, tmp_path):
    logs.write_run(tmp_path, "RA AA")
    figure, (note,) = draw_families(make_board(load_studies([tmp_path]), np.random.default_rng(0)), "released")
    assert figure is None
    assert "acme/parrot-7b" in note


def test_an_unknown_property_is_a_mistake(board):
    with pytest.raises(InputError, match="unknown column in the table of the paper's models 'relased'"):
        draw_families(board, "relased")
