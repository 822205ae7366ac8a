"""From formulas and cells to columns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.estimates.regression.design_matrix import (
    DesignMatrix,
    choose_reference,
    parse_formula,
    without_factors,
)

from refusal_metrics.errors import InputError

FACTORS = ["model", "task", "persona", "template"]


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("persona", ["persona"]),
        ("persona + template+task +model", ["persona", "template", "task", "model"]),
        ("persona * task + model", ["persona", "task", "model", "persona:task"]),
        ("persona:task", ["persona", "task", "persona:task"]),
        ("task:persona + persona:task", ["task", "persona", "task:persona"]),
        ("model + persona + persona", ["model", "persona"]),
        (["persona", "model:task"], ["persona", "model", "task", "model:task"]),
        ("persona:persona", ["persona"]),
        (
            "(persona + task) * model",
            ["persona", "task", "model", "persona:model", "task:model"],
        ),
        (
            "model*task*persona",
            ["model", "task", "persona", "model:task", "model:persona", "task:persona", "model:task:persona"],
        ),
    ],
)
def test_a_formula_names_its_terms_and_those_they_contain(formula, terms):
    assert [":".join(term) for term in parse_formula(formula, FACTORS)] == terms


@pytest.mark.parametrize(
    ("formula", "place"),
    [
        ("", ""),
        ([], ""),
        ("()", ""),
        ("persona +", ""),
        (["persona", ""], ""),
        ("persona::task", ""),
        ("persona task", ""),
        ("(persona + task", ""),
        ("persona ** 2", " at '**'"),
        ("refused ~ persona", " at '~'"),
        ("persona + 'task'", ' at "\'"'),
        ("`persona`", " at '`'"),
        ("{persona}", " at '{'"),
        ("persona @ task", " at '@'"),
    ],
)
def test_a_malformed_formula_is_one_sentence_that_says_where_and_what_is_right(formula, place):
    with pytest.raises(InputError) as error:
        parse_formula(formula, FACTORS)
    assert f"is malformed{place}: write factors joined by +, * or :" in str(error.value)


@pytest.mark.parametrize(
    "formula",
    ["persona + open(PATH, 'w')", "__import__('os').mkdir(PATH)", "{__import__('os').mkdir(PATH)}", "C(persona)", "1"],
)
def test_no_formula_runs_python(formula, tmp_path):
    path = tmp_path / "made"
    with pytest.raises(InputError, match=r"is malformed at|unknown factor"):
        parse_formula(formula.replace("PATH", repr(str(path))), FACTORS)
    assert not path.exists()


def test_an_unknown_factor_is_told_with_those_there_are():
    with pytest.raises(InputError, match="unknown factor 'personna': allowed are model, task, persona, template; did"):
        parse_formula("task * personna", FACTORS)


def test_what_is_left_of_a_term_without_a_factor_stays_once():
    assert without_factors([("a",), ("b",), ("a", "b"), ("a", "c", "b")], ["a"]) == (("b",), ("c", "b"))


@pytest.mark.parametrize(
    ("factor", "levels", "reference"),
    [
        ("persona", {"Man": 9, "Atheist": 1}, "Atheist"),
        ("persona", {"man": 9, "atheist person": 1}, "atheist person"),
        ("template", {"p10": 9, "p1": 1}, "p1"),
        ("task", {"politeness": 9, "nli": 1}, "nli"),
        ("model", {"Llama2-7B": 9, "Llama2-13B": 1}, "Llama2-13B"),
        ("model", {"x": 9, "meta-llama/Llama-2-13b-chat-hf": 1}, "meta-llama/Llama-2-13b-chat-hf"),
        ("model", {"x": 9, "meta-llama__Llama-2-13b-chat-hf": 1}, "meta-llama__Llama-2-13b-chat-hf"),
        ("model", {"x": 9, "NotLlama-2-13b": 1}, "x"),
        ("model", {"b": 5, "a": 5, "c": 1}, "a"),
        ("temperature", {"0.7": 5, "1.0": 6}, "1.0"),
    ],
)
def test_the_reference_is_the_papers_else_the_most_frequent_else_the_first(factor, levels, reference):
    assert choose_reference(factor, levels) == reference


def test_of_equally_frequent_levels_one_that_refuses_now_and_then_is_compared_with():
    assert choose_reference("model", {"a": 5, "b": 5, "c": 5}, mixed={"b", "c"}) == "b"
    assert choose_reference("model", {"a": 6, "b": 5}, mixed={"b"}) == "a"
    assert choose_reference("model", {"a": 5, "b": 5}, mixed=()) == "a"


def test_a_reference_may_be_chosen_in_any_spelling_but_must_occur():
    assert choose_reference("persona", {"transgender_man": 1, "man": 5}, "Transgender man") == "transgender_man"
    with pytest.raises(InputError, match="unknown reference level of persona 'wman': allowed are man, woman; did"):
        choose_reference("persona", {"woman": 1, "man": 5}, "wman")


def test_columns_are_zeros_and_ones_by_hand():
    design = DesignMatrix((("a",), ("b",), ("a", "b")), {"a": ("x", "y", "z"), "b": ("u", "v")})
    cells = pd.DataFrame({"a": ["x", "y", "z", "z"], "b": ["v", "u", "v", "u"]})
    assert [levels for _, levels in design.columns] == [(), ("y",), ("z",), ("v",), ("y", "v"), ("z", "v")]
    expected = [[1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 1], [1, 0, 1, 0, 0, 0]]
    assert design.matrix(design.code(cells)).toarray().tolist() == expected


@given(st.data())
def test_odd_names_of_levels_are_only_names(data):
    names = st.lists(st.text("ab[]:()*+~'\" ", min_size=1), min_size=2, max_size=5, unique=True)
    a, b = data.draw(names), data.draw(names)
    design = DesignMatrix((("a",), ("b",), ("a", "b")), {"a": tuple(a), "b": tuple(b)})
    plain = DesignMatrix(design.terms, {"a": tuple("vwxyz"[: len(a)]), "b": tuple("vwxyz"[: len(b)])})
    i, j = (np.array(data.draw(st.lists(st.sampled_from(range(len(x))), min_size=9, max_size=9))) for x in (a, b))
    cells = pd.DataFrame({"a": np.array(a, dtype=object)[i], "b": np.array(b, dtype=object)[j]})
    assert (design.matrix(design.code(cells)) != plain.matrix({"a": i, "b": j})).nnz == 0
