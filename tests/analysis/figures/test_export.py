"""Figures as files and as specifications."""

import io

import altair as alt
import pandas as pd
import pytest
from refusal_metrics.analysis.figures import export as figure_files
from refusal_metrics.analysis.figures.export import to_spec, write_figures
from refusal_metrics.analysis.figures.figure import FORMATS, Figure, theme

from refusal_metrics.errors import InputError


def make(name="one", n_rows=1):
    rows = pd.DataFrame({"x": range(n_rows), "y": "a & <b>"})
    chart = alt.LayerChart(data=rows, layer=[alt.Chart().mark_point().encode(x="x:Q", y="y:N")])
    return Figure(name, "A title", "A caption.", chart, pd.DataFrame({"x": [0.1], "name": ['ü, "q"']}))


STARTS = {"svg": b"<svg", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}


def test_each_figure_is_written_in_each_format_with_its_table(tmp_path):
    written = write_figures([make("one"), make("two")], tmp_path / "new" / "figures", FORMATS)
    assert [path.name for path in written] == [
        f"{name}.{form}" for name in ("one", "two") for form in ("csv", "svg", "png", "pdf")
    ]
    assert sorted(tmp_path.rglob("*.*")) == sorted(written)
    for path in written:
        if path.suffix != ".csv":
            assert path.read_bytes().startswith(STARTS[path.suffix[1:]])


def test_the_table_is_read_back_as_it_was(tmp_path):
    figure = make()
    (path,) = write_figures([figure], tmp_path, [])
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(path.read_bytes())), figure.table, check_dtype=False)


def test_a_format_named_twice_is_written_once(tmp_path):
    assert [path.name for path in write_figures([make()], tmp_path, ["svg", "svg"])] == ["one.csv", "one.svg"]


def test_files_are_for_print_on_white(tmp_path):
    _, path = write_figures([make()], tmp_path, ["svg"])
    assert 'fill="white"' in path.read_text(encoding="utf-8")


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="unknown figure format 'pgn': allowed are svg, png, pdf; did you mean 'png'"):
        write_figures([make()], tmp_path / "figures", ["svg", "pgn"])
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .*; name a folder that can be"):
        write_figures([make()], tmp_path / "file", ["svg"])


def test_an_older_file_stays_whole_until_the_new_one_is_complete(tmp_path, monkeypatch):
    write_figures([make()], tmp_path, ["svg"])
    before = (tmp_path / "one.svg").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure_files.Path, "replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_figures([make(n_rows=9)], tmp_path, ["svg"])
    assert (tmp_path / "one.svg").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv", "one.svg"]


def test_files_may_be_read_by_others(tmp_path):
    for path in write_figures([make()], tmp_path, ["svg"]):
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("dark", [False, True])
def test_a_specification_carries_the_theme_and_says_what_it_shows(dark):
    spec = to_spec(make(), dark=dark)
    assert spec["config"] == theme(dark=dark)
    assert spec["description"] == "A title. A caption."
    assert "$schema" not in spec


def test_light_and_dark_differ_in_the_theme_alone():
    light, dark = to_spec(make()), to_spec(make(), dark=True)
    assert light.pop("config") != dark.pop("config")
    assert light == dark


def test_there_is_no_limit_of_rows():
    (rows,) = to_spec(make(n_rows=5001))["datasets"].values()
    assert len(rows) == 5001
