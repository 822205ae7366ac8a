"""A figure and the look that all share."""

import altair as alt
import pandas as pd
import pytest
from refusal_metrics.analysis.figures.figure import Figure, theme


def luminance(colour):
    """Compute a colour's relative luminance, WCAG 2.2's definition."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


GROUNDS = [(False, "#FFFFFF"), (True, "#10151B")]


@pytest.mark.parametrize("name", ["", "a/b", "../up", "with space", "ä", "a.b", "a\n"])
def test_a_name_that_is_no_plain_file_stem_is_refused(name):
    with pytest.raises(ValueError, match="letters, digits, _ and - are allowed"):
        Figure(name, "title", "caption", alt.Chart(), pd.DataFrame())


def test_a_name_of_letters_digits_and_lines_is_kept():
    assert Figure("figure3_7-A", "title", "caption", alt.Chart(), pd.DataFrame()).name == "figure3_7-A"


# WCAG 2.2: 3 for graphics (1.4.11), 4.5 for text (1.4.3).


@pytest.mark.parametrize(("dark", "ground"), GROUNDS)
def test_every_colour_of_a_series_stands_out_from_the_ground(dark, ground):
    colours = theme(dark=dark)["range"]["category"]
    assert [colour for colour in colours if contrast(colour, ground) < 3] == []
    assert len(set(colours)) == len(colours) == 7


@pytest.mark.parametrize(("dark", "ground"), GROUNDS)
def test_every_text_can_be_read_on_the_ground(dark, ground):
    look = theme(dark=dark)
    texts = [part[key] for part in look.values() if isinstance(part, dict) for key in part if key.endswith("elColor")]
    texts += [look[part]["titleColor"] for part in ("axis", "legend")] + [look["title"]["color"]]
    assert len(texts) >= 6
    assert [colour for colour in texts if contrast(colour, ground) < 4.5] == []


@pytest.mark.parametrize(("dark", "ground"), GROUNDS)
def test_no_refusals_at_all_look_other_than_no_data(dark, ground):
    none, _ = theme(dark=dark)["range"]["heatmap"]
    assert none.lower() != ground.lower()
    assert contrast(none, ground) > 1.15


@pytest.mark.parametrize("dark", [False, True])
def test_numbers_can_be_read_at_both_ends_of_the_colour_scale(dark):
    look = theme(dark=dark)
    for style, colour in zip(("number-low", "number-high"), look["range"]["heatmap"], strict=True):
        assert contrast(look["style"][style]["color"], colour) >= 7


@pytest.mark.parametrize("dark", [False, True])
def test_the_ground_is_transparent(dark):
    assert theme(dark=dark)["background"] is None


def test_the_two_looks_differ_in_colours_alone():
    def shape(part):
        if isinstance(part, dict):
            return {key: shape(value) for key, value in part.items()}
        return (
            "#" if isinstance(part, str) and part.startswith("#") else part if not isinstance(part, list) else len(part)
        )

    assert shape(theme()) == shape(theme(dark=True))
    assert theme() != theme(dark=True)


def test_each_theme_is_a_new_one():
    theme()["axis"]["labelColor"] = "pink"
    assert theme()["axis"]["labelColor"] != "pink"
