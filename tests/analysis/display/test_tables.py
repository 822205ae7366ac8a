"""How tables are shown."""

import io
import json
import math

import pandas as pd
import pytest
from refusal_metrics.analysis.contracts import CONTRASTS, DEVIATIONS, RATES, SENSITIVITY
from refusal_metrics.analysis.display.numbers import Format
from refusal_metrics.analysis.display.tables import print_table, readable
from rich.cells import cell_len

NAN = math.nan


@pytest.fixture
def screen(monkeypatch, capsys):
    """Show a table as on a screen of 80 columns; gives what was printed."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def show(table, sections=()):
        print_table(table, Format.TABLE, sections, contract=RATES)
        return capsys.readouterr().out

    return show


def rates_of(names, column="model"):
    """Make a table of rates: 1/4 with an interval, then 0 without one, and so on."""
    rows = [
        (name, *((0.25, 0.125, 0.375, 1200, 120, 300), (0.0, NAN, NAN, 5, 1, 0))[i % 2]) for i, name in enumerate(names)
    ]
    return pd.DataFrame(rows, columns=[column, "estimate", "ci_low", "ci_high", "n", "n_texts", "n_refused"])


def test_a_readable_table_has_percentages_thousands_and_blanks():
    table = rates_of(["m", None]).assign(persona_group=["gender", NAN])
    shown = readable(table, RATES)
    assert list(shown.columns) == ["model", "rate (%)", "95% CI", "n", "texts", "refused", "persona group"]
    assert shown.to_numpy().tolist() == [
        ["m", "25.00", "[12.50, 37.50]", "1,200", "120", "300", "gender"],
        ["", "0.00", "", "5", "1", "0", ""],
    ]


def test_differences_are_readable_as_signed_points():
    shown = readable(rates_of(["m"]), CONTRASTS)
    assert shown[["difference (pp)", "95% CI"]].to_numpy().tolist() == [["+25.00", "[+12.50, +37.50]"]]


def test_columns_have_the_headings_that_people_know():
    row = {"p_value": 0.00002, "n_levels": 3, "null_mean": 0.125, "iota": 0.25, "upper_bound_only": True}
    assert readable(pd.DataFrame([row]), SENSITIVITY).to_dict("records") == [
        {"p": "<.001", "levels": "3", "null mean": "0.125", "iota": "0.250", "upper bound only": "yes"}
    ]


def test_differences_are_in_points_as_the_contract_says_and_ratios_are_not():
    row = {"estimate": 0.1, "or_low": 0.5, "or_high": 2.0, "odds_ratio": 1.0, "mde_up": 0.25, "equiv_low": -0.1}
    (shown,) = readable(pd.DataFrame([row | {"equiv_high": 0.2}]), CONTRASTS).to_dict("records")
    assert shown == {
        "difference (pp)": "+10.00",
        "95% CI of odds ratio": "[0.500, 2.000]",
        "odds ratio": "1.000",
        "min. detectable increase (pp)": "25.00",
        "90% CI": "[-10.00, +20.00]",
    }


def test_one_name_is_shown_as_the_contract_of_its_table_says():
    # The mean under the null is a share of a level's deviation, and an index of a factor.
    row = pd.DataFrame({"null_mean": [0.125], "ci_low": [0.25], "ci_high": [0.5]})
    assert readable(row, DEVIATIONS).to_dict("records") == [{"null mean (pp)": "12.50", "95% CI": "[+25.00, +50.00]"}]
    assert readable(row, SENSITIVITY).to_dict("records") == [{"null mean": "0.125", "95% CI": "[0.250, 0.500]"}]


def test_a_factor_called_as_a_column_is_headed_keeps_its_column():
    table = pd.DataFrame({"adjusted p": ["mine"], "p_adjusted": [0.5]})
    assert readable(table, CONTRASTS).to_dict("records") == [{"adjusted p": "mine", "p_adjusted": ".500"}]


def test_verdicts_of_a_table_are_called_its_own_column():
    assert readable(pd.DataFrame({"rule": ["given", "prefix"]}))["rule"].tolist() == ["your `refused` column", "prefix"]


def test_a_difference_that_cannot_be_detected_is_not_shown_as_one():
    # Differences of proportions are no larger than 1.
    table = pd.DataFrame({"estimate": [0.1, 0.1], "mde_up": [1.25, NAN]})
    assert readable(table, CONTRASTS)["min. detectable increase (pp)"].tolist() == [">100", ""]


def test_an_interval_may_be_open_to_one_side():
    shown = readable(pd.DataFrame({"coef": [-5.0, 1.0], "ci_low": [-math.inf, NAN], "ci_high": [-2.5, NAN]}))
    assert shown["95% CI"].tolist() == ["[-∞, -2.500]", ""]


def test_an_end_that_is_not_known_is_a_question_mark():
    shown = readable(pd.DataFrame({"coef": [1.0], "ci_low": [NAN], "ci_high": [math.inf]}))
    assert shown["95% CI"].tolist() == ["[?, ∞]"]


def test_a_table_of_counts_is_readable_without_a_rate():
    shown = readable(pd.DataFrame({"persona": ["woman"], "n": [12345], "n_empty": [0]}))
    assert shown.to_dict("records") == [{"persona": "Woman", "n": "12,345", "empty": "0"}]


# Files.


def test_csv_keeps_column_names_and_proportions(capsys):
    table = rates_of(["acme/parrot, 7b", 'a "quoted"\nname'])
    print_table(table, Format.CSV)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(capsys.readouterr().out)), table, check_dtype=False)


def test_json_keeps_column_names_and_proportions_and_says_null_for_what_is_missing(capsys):
    print_table(rates_of(["鹦鹉/🦜", '"</script>']), Format.JSON)
    printed = capsys.readouterr().out
    assert json.loads(printed) == [
        {
            "model": "鹦鹉/🦜",
            "estimate": 0.25,
            "ci_low": 0.125,
            "ci_high": 0.375,
            "n": 1200,
            "n_texts": 120,
            "n_refused": 300,
        },
        {"model": '"</script>', "estimate": 0.0, "ci_low": None, "ci_high": None, "n": 5, "n_texts": 1, "n_refused": 0},
    ]
    assert "鹦鹉" in printed  # not as \u escapes


def test_markdown_is_for_reading(capsys):
    print_table(rates_of(["a/one"]), Format.MARKDOWN, contract=RATES)
    assert capsys.readouterr().out == (
        "| model | rate (%) | 95% CI | n | texts | refused |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| a/one | 25.00 | [12.50, 37.50] | 1,200 | 120 | 300 |\n"
    )


# The screen.


@pytest.mark.parametrize("name", ["[red]x", "[/]", "[link=http://x]y[/link]", ":smile:", "[bold red on white]z"])
@pytest.mark.parametrize("place", ["cell", "title", "heading"])
def test_markup_in_a_name_is_shown_literally(screen, name, place):
    if place == "heading":
        printed = screen(rates_of(["m"], column=name))
    else:
        printed = screen(rates_of([name]).assign(task="nli"), ["model"] if place == "title" else [])
    if place == "heading":  # which may be broken into lines
        first = [line.split("  ")[0].strip() for line in printed.splitlines()]
        printed = " ".join(first[: next(i for i, line in enumerate(first) if line.startswith("─"))])
    assert name in printed


@pytest.mark.parametrize("place", ["cell", "title"])
@pytest.mark.parametrize("escape", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x08"], ids=ascii)
def test_no_name_can_send_commands_to_the_terminal(screen, escape, place):
    table = rates_of([f"a{escape}b"]).assign(task="nli")
    printed = screen(table, ["model"] if place == "title" else [])
    assert not {c for c in printed if c != "\n" and (c < " " or "\x7f" <= c < "\xa0")}


@pytest.mark.parametrize("sections", [[], ["model"], ["model", "task", "setting"]], ids=len)
@pytest.mark.parametrize(
    "name",
    ["parrot", "acme/" + "parrot-" * 20 + "7b", "a very long name of many short words " * 4, "鹦鹉" * 60],
    ids=["short", "one long word", "many words", "wide characters"],
)
def test_no_line_is_wider_than_a_screen_of_80_columns(screen, name, sections):
    table = rates_of([name, "b/two"]).assign(
        task="offensiveness", setting="persona-free", persona="transgender_woman", response_type="semi-forced"
    )
    lines = screen(table, sections).splitlines()
    assert max(map(cell_len, lines)) <= 80
    # Nothing was cut away to achieve that.
    assert "…" not in "".join(lines)
    if sections:
        assert "".join(name.split()) in "".join("".join(lines).split())


def test_sections_are_tables_of_their_own_under_their_name(screen):
    printed = screen(rates_of(["a/one", "a/one", "b/two"]).assign(persona=["x", "y", "z"]), ["model"])
    first, second = printed.split("b/two")
    assert first.startswith("a/one")
    assert "x" in first
    assert "y" in first
    assert "z" in second
    assert "model" not in printed


def test_a_section_may_be_of_a_column_whose_heading_is_another(screen):
    printed = screen(rates_of(["a", "b"], column="other_factor"), ["other_factor"])
    assert [line.strip() for line in printed.splitlines() if line.strip() in {"a", "b"}] == ["a", "b"]


def test_a_section_of_nothing_is_the_whole_study(screen):
    table = rates_of(["", "a/one"]).assign(task=["", "nli"])
    lines = screen(table, ["model", "task"]).splitlines()
    # A table without columns of names has its headings at the left, too.
    assert [line.strip() for line in lines if line[:1].isalpha() and not line.startswith("rate")] == [
        "The whole study",
        "a/one, NLI",
    ]


def test_the_screen_shows_the_columns_asked_for_and_files_show_all(capsys):
    table = rates_of(["a/one"])
    print_table(table, Format.TABLE, columns=["model", "estimate"])
    assert "texts" not in capsys.readouterr().out
    print_table(table, Format.CSV, columns=["model", "estimate"])
    assert capsys.readouterr().out.startswith(",".join(table.columns))


def test_a_section_without_a_value_is_titled_by_the_others(screen):
    printed = screen(rates_of(["a/one"]).assign(persona=[None]), ["model", "persona"])
    assert printed.splitlines()[0].strip() == "a/one"


def test_numbers_stand_to_the_right_and_names_to_the_left(screen):
    lines = screen(rates_of(["a", "bcd"])).splitlines()
    # The heading "rate (%)" takes two lines.
    header, one, two = lines[1], lines[3], lines[4]
    assert one.startswith("a ")
    assert two.startswith("bcd ")
    # The last digits of 1,200 and 5 stand under each other.
    assert one.index("1,200") + len("1,200") == two.index(" 5 ") + len(" 5") == header.index(" n ") + len(" n")


def test_an_empty_table_is_shown_as_its_heading(screen):
    assert "model" in screen(rates_of([]))


def test_an_empty_table_has_no_sections(screen):
    assert screen(rates_of([]), ["model"]) == ""


def test_class_standardised_rates_are_shown_if_a_row_has_one():
    table = rates_of(["a", "b"]).assign(estimate_standardised=NAN, ci_low_standardised=NAN, ci_high_standardised=NAN)
    assert not [name for name in readable(table, RATES) if "standardised" in name]
    table.loc[0, list(table.columns[-3:])] = (0.5, 0.25, 0.75)
    shown = readable(table, RATES)
    assert shown["standardised rate (%)"].tolist() == ["50.00", ""]
    assert shown["standardised 95% CI"].tolist() == ["[25.00, 75.00]", ""]
