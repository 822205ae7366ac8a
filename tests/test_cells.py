"""Counting responses and refusals."""

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.cells import FACTORS, STUDY_COLUMNS, check_detector, check_factors, count_by_text
from refusal_metrics.analysis.logs import Responses, load_responses

from refusal_metrics.errors import InputError

COLUMNS = ("model", "task", "setting", "persona", "persona_group", "template", "text_id")

rows = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["a/one", "b/two"]),
        "task": st.sampled_from(["nli", "offensiveness"]),
        "setting": st.sampled_from(["persona", "persona-free"]),
        "persona": st.sampled_from(["woman", "black", None]),
        "persona_group": st.sampled_from(["gender", None]),
        "template": st.sampled_from(["p1", "p9"]),
        "text_id": st.sampled_from(["t0", "t1", "t2"]),
        "refused_prefix": st.booleans(),
        "refused_prefix_strict": st.booleans(),
        "empty": st.booleans(),
    }
)


def responses_of(table):
    connection = duckdb.connect()
    connection.register("given", table)
    text = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in COLUMNS)
    connection.execute(f"CREATE TABLE responses AS SELECT {text}, * EXCLUDE ({', '.join(COLUMNS)}) FROM given")
    return Responses(connection, (), ())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(rows, min_size=1, max_size=30).map(pd.DataFrame),
    st.lists(st.sampled_from(COLUMNS[:-1]), min_size=1, unique=True),
    st.sampled_from(["prefix", "prefix_strict"]),
)
def test_counts_equal_a_groupby_of_the_same_rows(table, factors, detector):
    counts = count_by_text(responses_of(table), factors, detector)
    expected = (
        table.groupby([*factors, "text_id"], dropna=False)
        .agg(n=("text_id", "size"), n_refused=(f"refused_{detector}", "sum"), n_empty=("empty", "sum"))
        .reset_index()
    )
    assert list(counts.columns) == [*factors, "text_id", "n", "n_refused", "n_empty"]
    assert sorted(_plain(counts)) == sorted(_plain(expected))
    assert not counts.duplicated([*factors, "text_id"]).any()


def _plain(counts):
    """Give the rows as tuples; a missing name is an empty one, so that rows can be sorted."""
    return [tuple("" if pd.isna(value) else value for value in row) for row in counts.itertuples(index=False)]


def test_counts_of_a_log_are_those_of_its_letters(logs, tmp_path):
    logs.write_run(tmp_path, "RNA NEN")
    counts = count_by_text(load_responses([tmp_path]), ["setting"], "prefix")
    assert counts.to_dict("records") == [
        {"setting": "persona", "text_id": "offensiveness/t0", "n": 3, "n_refused": 2, "n_empty": 0},
        {"setting": "persona", "text_id": "offensiveness/t1", "n": 3, "n_refused": 2, "n_empty": 1},
    ]
    strict = count_by_text(load_responses([tmp_path]), ["setting"], "prefix_strict")
    assert strict["n_refused"].tolist() == [1, 0]


def test_cells_are_sorted_and_rows_without_a_persona_are_a_cell_of_their_own(logs, tmp_path):
    logs.write_run(tmp_path, "RA", setting="persona-free")
    logs.write_run(tmp_path, "RAN", setting="persona")
    counts = count_by_text(load_responses([tmp_path]), ["persona"], "prefix")
    assert counts["persona"].iloc[:3].tolist() == ["black", "muslim", "woman"]
    assert counts["persona"].isna().tolist() == [False, False, False, True]
    assert counts["n"].tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize("factors", [[], FACTORS, STUDY_COLUMNS, [*STUDY_COLUMNS, *FACTORS]])
def test_known_factors_pass_and_are_columns_of_the_responses(logs, tmp_path, factors):
    check_factors(factors)
    logs.write_run(tmp_path, "RA")
    assert count_by_text(load_responses([tmp_path]), factors, "prefix")["n"].sum() == 2


@pytest.mark.parametrize(
    ("factor", "suggested"),
    [
        ("personas", "persona"),
        ("Template", "template"),
        ("response-type", "response_type"),
        ("persona_groups", "persona_group"),
    ],
)
def test_an_unknown_factor_is_refused_with_the_nearest_one(factor, suggested):
    with pytest.raises(InputError) as caught:
        check_factors(["persona", factor])
    assert str(caught.value).startswith(f"unknown factor {factor!r}: allowed are persona, ")
    assert str(caught.value).endswith(f"; did you mean {suggested!r}?")


@pytest.mark.parametrize("factor", ["colour", "text_id", "n", '"; DROP TABLE responses'])
def test_a_factor_that_resembles_none_is_refused_without_a_suggestion(factor):
    with pytest.raises(InputError, match="unknown factor") as caught:
        check_factors([factor])
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("detector", "suggested"), [("prefixes", "prefix"), ("prefix-strict", "prefix_strict"), ("PREFIX", "prefix")]
)
def test_an_unknown_detector_is_refused_with_the_nearest_one(detector, suggested):
    with pytest.raises(InputError) as caught:
        check_detector(detector)
    assert str(caught.value).startswith(f"unknown detector {detector!r}: allowed are prefix, prefix_strict")
    assert str(caught.value).endswith(f"; did you mean {suggested!r}?")


@pytest.mark.parametrize("detector", ["prefix", "prefix_strict"])
def test_every_rule_of_the_detectors_is_a_detector(detector):
    assert check_detector(detector) is None
