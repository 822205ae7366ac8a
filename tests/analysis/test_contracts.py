"""What the columns of each table are, and which names no factor may have."""

import pandas as pd
import pytest
from refusal_metrics.analysis.columns import FACTORS, STUDY_COLUMNS, run_factors_among
from refusal_metrics.analysis.contracts import (
    INTERVALS,
    LEADERBOARD,
    POOLED,
    POOLED_MODELS,
    POOLED_SPREAD,
    REGRESSION,
    RESERVED,
    RUN_COMPARISON,
    TABLES,
    TREND,
    TREND_MODELS,
    VALIDATION,
    Contract,
    check_run_factors,
    free_name,
    is_reserved,
    name_settings,
)
from refusal_metrics.analysis.display import readable
from refusal_metrics.analysis.estimates import trend
from refusal_metrics.analysis.estimates.regression import fit
from refusal_metrics.analysis.labels import detection_errors
from refusal_metrics.analysis.leaderboard import board, comparison
from refusal_metrics.analysis.responses import load_responses

from refusal_metrics.errors import InputError

ALL = {
    **TABLES,
    "leaderboard": LEADERBOARD,
    "leaderboard --baseline": RUN_COMPARISON,
    "pool": POOLED,
    "pool --each": POOLED_MODELS,
    "pool --spread": POOLED_SPREAD,
}


@pytest.mark.parametrize("contract", ALL.values(), ids=ALL)
def test_a_contract_speaks_of_columns_that_it_has(contract):
    assert not set(contract.keys) & set(contract.estimates)
    assert contract.shares | contract.differences <= set(contract.estimates)
    assert contract.signed <= contract.differences
    assert not contract.shares & contract.differences
    assert set(contract.headings) <= set(contract.estimates)
    # Both ends of an interval are shown on one scale.
    for low, (high, _) in INTERVALS.items():
        assert (low in contract.estimates) == (high in contract.estimates)
        assert (low in contract.shares, low in contract.signed) == (high in contract.shares, high in contract.signed)


@pytest.mark.parametrize("contract", ALL.values(), ids=ALL)
def test_the_headings_of_a_table_are_all_different(contract):
    table = pd.DataFrame({name: [0.5] for name in (*contract.keys, *contract.estimates)})
    ends = {high for low, (high, _) in INTERVALS.items() if low in table}
    assert len(readable(table, contract).columns) == len(set(table.columns) - ends)


def test_the_tables_made_elsewhere_keep_their_contracts():
    made = {
        fit.COLUMNS: REGRESSION,
        trend.TRENDS: TREND,
        trend.MODELS: TREND_MODELS,
        board.COLUMNS: LEADERBOARD,
        comparison.COLUMNS: RUN_COMPARISON,
        ("detector", *detection_errors.VALIDATION): VALIDATION,
    }
    for columns, contract in made.items():
        assert columns == (*contract.keys, *contract.estimates)


# Names.


def spellings(name):
    return [name, name.upper(), f" {name}", name.replace("_", " ")]


def test_every_column_of_every_table_is_reserved():
    columns = {name for contract in ALL.values() for name in (*contract.keys, *contract.estimates)}
    assert columns - RESERVED == {*STUDY_COLUMNS, *FACTORS}


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused_at_the_door_with_one_to_choose(tmp_path, name):
    # Before anything of the table is read.
    table = tmp_path / "responses.csv"
    table.write_text("")
    for spelt in spellings(name):
        with pytest.raises(InputError, match=rf"^the factor '.*' cannot be used.* to {free_name(spelt)}$"):
            load_responses([table], run_factors=["temperature", spelt])
    assert not is_reserved(free_name(name))


@pytest.mark.parametrize("name", ["refused_mine", "refused", "REFUSED_x", "a:b", ":"])
def test_verdicts_and_joined_names_are_no_factors(name):
    with pytest.raises(InputError, match=r"rename the column, e\.g\. to run_"):
        check_run_factors([name])


@pytest.mark.parametrize("name", ["temperature", "run", "repeat", "top.p", "file_row_number", "row", "text", "prompt"])
def test_other_names_are_free(name):
    check_run_factors([name])


def test_run_factors_are_what_not_every_study_has_each_once():
    assert run_factors_among(["persona", "top_p", "task", "top_p", "run"]) == ("top_p", "run")
    assert run_factors_among([]) == ()


def test_settings_keep_their_names_where_these_are_free():
    named = name_settings(["temperature", "n", "run_n", "N", "path", "1st", "-"], taken=["Path"])
    assert named == {
        "temperature": "temperature",
        "n": "run_n",
        "run_n": "run_run_n",
        "N": "run_N_2",
        "path": "run_path",
        "1st": "run_1st",
        "-": "run_factor",
    }
    assert len({column.lower() for column in named.values()}) == len(named)


def test_a_heading_gives_the_unit_of_the_screen():
    contract = Contract(shares=frozenset({"rate"}), differences=frozenset({"mde"}))
    assert [contract.heading(name) for name in ("rate", "mde", "iota")] == ["rate (%)", "min. detectable (pp)", "iota"]
