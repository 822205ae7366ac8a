"""Counting responses and refusals by text, prompt and cell."""

import csv
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis.counts import check_not_empty, count_by_text, count_cells, count_units_by_text, share
from refusal_metrics.analysis.responses import count_responses, load_responses, read_responses

from refusal_metrics.errors import InputError

COLUMNS = ("model", "task", "setting", "persona", "template", "stratum", "text_id", "row_id", "refused")
LEVELS = {
    "model": ["a/one", "b/two"],
    "task": ["nli", "offensiveness"],
    "setting": ["persona", "persona-free"],
    "persona": ["woman", "black", None],
    "template": ["p1", "p9"],
    "stratum": ["1", "2"],
    "text_id": ["t0", "t1", "t2"],
    "row_id": ["r0", "r1"],
    "refused": [False, True],
}
tables = st.lists(st.fixed_dictionaries({name: st.sampled_from(of) for name, of in LEVELS.items()}), min_size=1)


def count_files(folder, *tables_of_rows):
    files = []
    for number, rows in enumerate(tables_of_rows):
        files.append(folder / f"{number}.parquet")
        pd.DataFrame(rows, columns=list(rows[0])).to_parquet(files[-1], index=False)
    return count_responses(read_responses(files))["given"]


def prompts(counts):
    """Give how often each number of models was asked the same prompt."""
    return Counter(np.bincount(counts.prompt).tolist())


# Cells.


@settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
@given(tables, st.lists(st.sampled_from(COLUMNS[:6]), unique=True))
def test_counts_equal_a_tally_of_the_same_rows(tmp_path_factory, rows, factors):
    counts = count_files(tmp_path_factory.mktemp("tally"), rows)
    n, n_refused = Counter(), Counter()
    texts = {}
    for row in rows:
        cell = tuple(row[factor] for factor in factors)
        n[cell] += 1
        n_refused[cell] += row["refused"]
        texts.setdefault(cell, set()).add((row["task"], row["text_id"]))
    cells = count_by_text(counts, factors).cells
    assert list(cells.columns) == [*factors, "n", "n_refused", "n_texts"]
    found = {tuple(row[: len(factors)]): tuple(row[len(factors) :]) for row in cells.itertuples(index=False)}
    assert found == {cell: (n[cell], n_refused[cell], len(texts[cell])) for cell in n}
    assert count_cells(counts, factors).equals(cells.drop(columns="n_texts"))


@settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
@given(tables, st.data())
def test_row_order_names_of_levels_and_splitting_files_change_no_count(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("invariant")
    # What tells rows that look alike apart; else those in two files would be copies.
    rows = [row | {"nth": nth} for nth, row in enumerate(rows)]
    before = count_files(folder, rows)
    expected = (count_cells(before, COLUMNS[:6]), before.n_texts, before.row.max(), prompts(before))
    # Another order, and new names in the same order of letters.
    shuffled = data.draw(st.permutations(rows))
    renamed = [{k: f"new {v}" if isinstance(v, str) else v for k, v in row.items()} for row in shuffled]
    cut = data.draw(st.integers(1, len(rows)))
    after = count_files(folder, *filter(None, (renamed[:cut], renamed[cut:])))
    cells = count_cells(after, COLUMNS[:6])
    for name in COLUMNS[:6]:
        cells[name] = pd.Series([level and level.removeprefix("new ") for level in cells[name]], dtype=object)
    assert cells.to_dict("list") == expected[0].to_dict("list")
    assert (after.n_texts, after.row.max(), prompts(after)) == expected[1:]


def test_the_counts_of_a_log_are_those_of_its_letters(logs, tmp_path):
    logs.write_run(tmp_path, "RNA NEN")
    counts = count_responses(load_responses([tmp_path]))
    assert list(counts) == ["answer_aware", "prefix", "prefix_strict"]
    by_text = count_by_text(counts["prefix"], ["setting"])
    assert by_text.cells.to_dict("records") == [{"setting": "persona", "n": 6, "n_refused": 4, "n_texts": 2}]
    assert by_text.n.toarray().tolist() == [[3], [3]]
    assert by_text.n_refused.toarray().tolist() == [[2], [2]]
    assert count_by_text(counts["prefix_strict"], []).n_refused.toarray().tolist() == [[1], [0]]


def test_cells_are_sorted_and_entries_without_a_persona_come_first_as_none(logs, tmp_path):
    logs.write_run(tmp_path, "RA", setting="persona-free")
    logs.write_run(tmp_path, "RAN", setting="persona")
    cells = count_cells(count_responses(load_responses([tmp_path]))["prefix"], ["persona"])
    assert cells["persona"].tolist() == [None, "black", "muslim", "woman"]
    assert cells["n"].tolist() == [2, 1, 1, 1]


def test_a_part_of_a_study_keeps_the_texts_of_the_whole(logs, tmp_path):
    logs.write_run(tmp_path, "RA NE", kind="nli")
    logs.write_run(tmp_path, "RA NE A", kind="politeness")
    whole = count_responses(load_responses([tmp_path]))["prefix"]
    part = whole.where(task="politeness", setting="persona")
    assert (part.n.sum(), part.n_refused.sum(), part.n_texts) == (5, 2, 5)
    assert count_by_text(part, ["task"]).n.toarray().ravel().tolist() == [0, 0, 2, 2, 1]
    assert len(whole.where(task="nobody").n) == 0
    assert len(whole.where(persona="woman", task="nli").n) == 2


def test_a_factor_without_any_level_is_one_cell(tmp_path):
    rows = [dict.fromkeys(COLUMNS, "x") | {"persona": None, "refused": True}] * 2
    counts = count_files(tmp_path, rows)
    assert counts.levels["persona"] == ()
    assert count_cells(counts, ["persona"]).to_dict("records") == [{"persona": None, "n": 2, "n_refused": 2}]


@pytest.mark.parametrize(
    ("factor", "suggested"), [("personas", "persona"), ("Template", "template"), ("response-type", "response_type")]
)
def test_an_unknown_factor_is_refused_with_the_nearest_one(logs, tmp_path, factor, suggested):
    logs.write_run(tmp_path, "RA")
    counts = count_responses(load_responses([tmp_path]))["prefix"]
    with pytest.raises(InputError, match=f"unknown factor '{factor}'.*; did you mean '{suggested}'"):
        count_cells(counts, ["model", factor])


def test_counts_of_nothing_are_refused(logs, tmp_path):
    logs.write_run(tmp_path, "RA")
    counts = count_responses(load_responses([tmp_path]))["prefix"]
    check_not_empty(counts, "of persona prompts")
    with pytest.raises(InputError, match="there are no responses of neutral prompts"):
        check_not_empty(counts.where(setting="neutral"), "of neutral prompts")


# Prompts.


def rows_of(*models, **columns):
    """Make a row for each model; `columns` are the values of its rows, one after the other."""
    n = len(next(iter(columns.values())))
    same = {"task": "nli", "setting": "persona", "text_id": "t0", "row_id": "r0", "template": "p1", "refused": False}
    return [
        same | {"model": model} | {name: values[i] for name, values in columns.items()}
        for model in models
        for i in range(n)
    ]


@pytest.mark.parametrize("index", [[0, 1, 2], [5, 3, 4], [-3, 0, 9], [0, 2**60, -(2**60)]])
def test_prompts_are_matched_between_models_by_their_index(tmp_path, index):
    rows = rows_of("a", "b", index=index, persona=["woman"] * 3)
    counts = count_files(tmp_path, rows)
    assert prompts(counts) == {2: 3}
    assert counts.prompt[:3].tolist() == counts.prompt[3:].tolist()


def test_the_same_index_of_two_tasks_or_settings_is_two_prompts(tmp_path):
    rows = rows_of(
        "a", "b", task=["nli", "nli", "politeness"], setting=["persona", "neutral", "persona"], index=[0] * 3
    )
    assert prompts(count_files(tmp_path, rows)) == {2: 3}


def test_without_an_index_prompts_are_matched_by_row_persona_and_template(tmp_path):
    rows = rows_of("a", persona=["woman", "black", "woman"], template=["p1", "p1", "p9"])
    # The second model was asked in another order, and one prompt less.
    rows += rows_of("b", persona=["woman", "woman"], template=["p9", "p1"])
    counts = count_files(tmp_path, rows)
    assert prompts(counts) == {2: 2, 1: 1}
    assert counts.prompt[[0, 2]].tolist() == counts.prompt[[4, 3]].tolist()


def test_a_prompt_that_was_asked_twice_is_two_prompts_and_each_is_matched(tmp_path):
    rows = rows_of("a", "b", persona=["woman"] * 3) + rows_of("c", persona=["woman"])
    assert prompts(count_files(tmp_path, rows)) == {3: 1, 2: 2}


def test_where_some_rows_lack_an_index_it_is_not_used(tmp_path):
    rows = rows_of("a", index=[7, 8], persona=["woman", "black"]) + rows_of(
        "b", index=[None, 8], persona=["black", "woman"]
    )
    assert prompts(count_files(tmp_path, rows)) == {2: 2}


@pytest.mark.parametrize("with_index", [True, False])
def test_runs_of_one_model_share_its_prompts(tmp_path, with_index):
    columns = {"temperature": ["0", "0", "1", "1"], "persona": ["woman", "black"] * 2}
    rows = rows_of("a", "b", **columns, **({"index": [0, 1, 0, 1]} if with_index else {}))
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet", index=False)
    counts = count_responses(read_responses([tmp_path / "t.parquet"]), ["temperature"])["given"]
    assert prompts(counts) == {4: 2}
    assert counts.levels["temperature"] == ("0", "1")
    assert count_cells(counts, ["temperature"])["n"].tolist() == [4, 4]


@pytest.mark.parametrize(("without", "n_rows"), [([], 4), (["row_id"], 2), (["row_id", "stratum"], 2)])
def test_rows_are_numbered_by_their_id_else_by_stratum_else_by_text(tmp_path, without, n_rows):
    # Two texts of two rows each; the rows of a text have the same stratum.
    rows = rows_of("a", text_id=["t0", "t0", "t1", "t1"], row_id=["0", "1", "0", "1"], stratum=["1"] * 4)
    rows = [{name: value for name, value in row.items() if name not in without} for row in rows]
    counts = count_files(tmp_path, rows)
    assert counts.n_texts == 2
    assert len(set(counts.row.tolist())) == n_rows


def test_the_rows_of_a_text_are_distinguished_by_stratum_where_they_have_no_id(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "row_id"} for row in rows_of("a", stratum=["1", "2", "1"])]
    assert count_files(tmp_path, rows).row.tolist() == [0, 1, 0]


def test_more_combinations_than_an_integer_holds_are_counted(tmp_path):
    # Six factors of 1,500 levels each: 1,500**6 is 1e19, and 2**63 is 9e18.
    names = ("persona", "persona_group", "template", "response_type", "stratum", "language")
    same = {"model": "a", "task": "nli", "text_id": "t", "refused": True}
    rows = [same | {name: f"{i * (7 if n % 2 else 1) % 1500:04}" for n, name in enumerate(names)} for i in range(1500)]
    counts = count_files(tmp_path, rows * 2)
    # Each combination was asked twice.
    assert len(set(counts.prompt.tolist())) == 3000
    assert len({(p, t) for p, t in zip(counts.codes["persona"], counts.codes["template"], strict=True)}) == 1500


# A study of the paper's size.


def test_the_simulated_study_is_counted_as_elsewhere(simulated_study, shared_data):
    # Counted with pandas, apart from this code; the study's size is the paper's.
    counts = simulated_study
    assert len(set(counts.prompt.tolist())) == 127_010
    assert len(set(counts.row.tolist())) == 12_701
    assert counts.n_texts == 5_598
    factors = ["model", "task", "persona", "template"]
    cells = count_cells(counts, factors)
    with (shared_data / "reference" / "cells.csv").open(encoding="utf-8", newline="") as file:
        expected = {tuple(row[f] for f in factors): (int(row["n"]), int(row["k"])) for row in csv.DictReader(file)}
    assert len(expected) == 6_480
    assert {tuple(row[:4]): tuple(row[4:]) for row in cells.itertuples(index=False)} == expected


@pytest.fixture
def three_rules(tmp_path):
    """A study judged by three rules, one of which lacks some verdicts."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: rng.choice(of, 60) for name, of in LEVELS.items() if name != "refused"})
    verdicts = {f"refused_{rule}": rng.random(60) < 0.3 for rule in ("one", "two", "some")}
    rows = rows.assign(**verdicts).astype({"refused_some": object})
    rows.loc[::7, "refused_some"] = None
    rows.to_parquet(tmp_path / "responses.parquet", index=False)
    return count_responses(read_responses([tmp_path / "responses.parquet"]))


@pytest.mark.parametrize(
    "level", [{}, {"setting": "persona"}, {"model": "a/one", "task": "nli"}, {"persona": "nobody"}]
)
def test_rules_that_share_what_they_find_count_as_each_alone(three_rules, level):
    shared = share(three_rules)
    for _ in range(2):  # found, then looked up
        for rule, own in three_rules.items():
            alone, beside = (
                count_by_text(counts.where(**level), ["model", "persona"]) for counts in (own, shared[rule])
            )
            pd.testing.assert_frame_equal(alone.cells, beside.cells)
            for name in ("n", "n_refused"):
                np.testing.assert_array_equal(getattr(alone, name).toarray(), getattr(beside, name).toarray())


def test_rules_share_what_they_find_where_their_responses_are_the_same(three_rules):
    shared = {rule: counts.where(setting="persona") for rule, counts in share(three_rules).items()}
    one, two, some = (count_by_text(shared[rule], ["model"]) for rule in ("one", "two", "some"))
    assert one.n is two.n
    assert one.n is not some.n
    assert count_by_text(three_rules["one"], ["model"]).n is not count_by_text(three_rules["one"], ["model"]).n


# Distinct prompts.


def copies(verdicts, **levels):
    """Make responses to one prompt, of one row each: R refuses, A answers."""
    same = {"model": "a", "task": "offensiveness", "setting": "neutral", "persona": "person", "template": "p1"}
    rows = [{"row_id": f"r{i}", "stratum": str(i), "refused": verdict == "R"} for i, verdict in enumerate(verdicts)]
    return [same | {"text_id": "t"} | row | levels for row in rows]


def units(folder, rows, factors=("model",)):
    counted = count_units_by_text(count_files(folder, rows), [*factors])
    return counted.n.sum(axis=0).tolist(), counted.n_refused.sum(axis=0).tolist()


def test_rows_of_a_text_with_one_prompt_are_a_unit_with_the_mean_verdict(tmp_path):
    rows = [*copies("RRAA"), *copies("R", template="p2"), *copies("A", model="b")]
    # Of model a: p1 has 2 refusals of 4, p2 1 of 1.
    assert units(tmp_path, rows) == ([2, 1], [1.5, 0])
    counted = count_units_by_text(count_files(tmp_path, rows), ["model"])
    assert counted.squares.sum(axis=0).tolist() == [1.25, 0]
    # 1.5 of two units; a rate counts each response.
    assert counted.cells[["n", "n_refused", "n_texts"]].to_numpy().tolist() == [[2, 2, 1], [1, 0, 1]]
    assert count_by_text(count_files(tmp_path, rows), ["model"]).cells["n"].tolist() == [5, 1]


def test_copies_in_two_strata_are_a_unit_of_each(tmp_path):
    assert units(tmp_path, copies("RA"), ["stratum"]) == ([1, 1], [1, 0])


@pytest.mark.parametrize(
    ("different", "n"),
    [
        ({"setting": "persona"}, 2),
        ({"persona": "individual"}, 2),
        ({"text_id": "u"}, 2),
        ({"row_id": "another"}, 1),
        ({"stratum": "5"}, 1),
        # Rows of an NLI premise have different hypotheses; of a task that is not the package's own nothing is known.
        ({"task": "nli", "row_id": "r0"}, 1),
        ({"task": "nli", "row_id": "another"}, 2),
        ({"task": "toxicity", "row_id": "another"}, 2),
    ],
)
def test_prompts_are_copies_if_nothing_that_is_in_them_differs(tmp_path, different, n):
    (one,) = copies("R")
    other = one | different
    one |= {name: other[name] for name in ("task",)}
    (total,), _ = units(tmp_path, [one, other, other], ["task"])
    assert total == n


def test_without_templates_no_prompt_is_a_copy_of_another(tmp_path):
    assert units(tmp_path, copies("RA", template=None)) == ([2], [1])


def test_copies_of_a_numbered_design_and_repeats_of_a_prompt_are_units_of_their_run(tmp_path):
    rows = [
        row | {"design_id": "d", "index": index, "temperature": str(run)}
        for run in (0, 1)
        for index, row in enumerate(copies("RR" if run == 0 else "RA"))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "runs.parquet", index=False)
    responses = read_responses([tmp_path / "runs.parquet"], all_runs=True)
    for factors, expected in (((), [0.75]), (("temperature",), [1, 0.5])):
        counts = count_responses(responses, factors)["given"]
        assert counts.unit is not None
        counted = count_units_by_text(counts, ["model", *factors])
        assert counted.n.sum(axis=0).tolist() == [1] * len(expected)
        assert counted.n_refused.sum(axis=0).tolist() == expected


def test_units_of_a_part_of_a_study_are_those_of_the_part(tmp_path):
    rows = [*copies("RR"), *copies("AA", persona="individual")]
    part = count_files(tmp_path, rows).where(persona="individual")
    counted = count_units_by_text(part, ["model"])
    assert (counted.n.sum(), counted.n_refused.sum()) == (1, 0)


@settings(max_examples=settings.default.max_examples * 30 // 100, deadline=None)
@given(tables, st.lists(st.sampled_from(COLUMNS[:5]), unique=True))
def test_units_equal_a_tally_of_distinct_prompts(tmp_path_factory, rows, factors):
    rows = [row | {"task": "offensiveness"} for row in rows]
    counted = count_units_by_text(count_files(tmp_path_factory.mktemp("units"), rows), factors)
    verdicts = {}
    for row in rows:
        cell = tuple(row[factor] for factor in factors)
        prompt = tuple(row[name] for name in ("model", "setting", "persona", "template", "text_id"))
        verdicts.setdefault(cell, {}).setdefault(prompt, []).append(row["refused"])
    n_refused = counted.n_refused.sum(axis=0)
    for place, cell in enumerate(counted.cells[factors].itertuples(index=False, name=None)):
        values = [np.mean(of_prompt) for of_prompt in verdicts[cell].values()]
        assert counted.cells.loc[place, "n"] == len(values)
        assert n_refused[place] == pytest.approx(sum(values))
