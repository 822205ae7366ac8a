"""Models beside each other."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates import estimate_contrasts, estimate_rates, estimate_spread
from refusal_metrics.analysis.leaderboard.board import ALL_TASKS, COLUMNS, make_board
from refusal_metrics.analysis.leaderboard.page import lay_out_board
from refusal_metrics.analysis.responses import count_responses, load_responses, load_studies, read_responses

from refusal_metrics.errors import InputError


def board_of(*results, **options):
    return make_board(load_studies(results), np.random.default_rng(0), **options)


def row_of(board, model, task=ALL_TASKS):
    (row,) = board.table[(board.table["model"] == model) & (board.table["task"] == task)].to_dict("records")
    return row


@pytest.fixture
def results(logs, tmp_path):
    """Two models of two tasks: a refuses 1 of 12 and 3 of 6 prompts, b 6 of 12 and none of 6."""
    out = tmp_path / "results"
    for model, nli, offensiveness in (("a", "RAA AAA AAA AAA", "RRR AAA"), ("b", "RRR RRR AAA AAA", "AAA AAA")):
        logs.write_run(out, nli, model=model, kind="nli")
        logs.write_run(out, offensiveness, model=model)
    return out


def test_bounds_of_a_mean_are_means_of_the_bounds_of_its_tasks(tmp_path):
    kinds = {"r": "refusal", "a": "answer", "t": "truncated", "u": "unjudged"}
    rows = [
        {"model": "m", "task": task, "text_id": f"{task}/{i}", "outcome": kinds[letter], "refused": letter == "r"}
        for task, letters in {"nli": "rttu", "politeness": "raaaaaaaaa"}.items()
        for i, letter in enumerate(letters)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    board = board_of(tmp_path / "t.parquet")
    # 1 of 4 and 1 of 10 refuse; with the truncated and unjudged ones all 4 of NLI.
    for task, low, high in (("nli", 0.25, 1), ("politeness", 0.1, 0.1), (ALL_TASKS, 0.175, 0.55)):
        row = row_of(board, "m", task)
        assert [row["refusal_rate_low"], row["refusal_rate_high"]] == pytest.approx([low, high])
    assert lay_out_board(board, "nli")["bounds (%)"].tolist() == ["[25.00, 100.00]"]
    # On a page; a screen has no room.
    assert "bounds (%)" not in lay_out_board(board, "nli", short=True)
    assert "bounds (%)" not in lay_out_board(board, "politeness")


def test_the_board_begins_with_the_mean_over_tasks_in_the_order_of_rates(results):
    board = board_of(results)
    assert list(board.table.columns) == list(COLUMNS)
    assert board.tasks == (ALL_TASKS, "nli", "offensiveness")
    # b is refused 6 of 12 and none, a 1 of 12 and 3 of 6.
    assert board.table.loc[:1, "estimate"].tolist() == pytest.approx([6 / 24, 7 / 24])
    assert board.table["model"].tolist() == ["b", "a", "a", "b", "b", "a"]
    assert board.table["rank"].tolist() == [1, 2] * 3
    assert board.n_responses == 36
    assert board.rule == "answer_aware"


def test_a_mean_has_the_interval_of_its_tasks_ends(results):
    row = row_of(board_of(results), "a")
    rates = estimate_rates(count_responses(load_responses([results]))["answer_aware"], ["model", "task"])
    own = rates[rates["model"] == "a"]
    below = math.sqrt(sum((own["estimate"] - own["ci_low"]) ** 2)) / 2
    above = math.sqrt(sum((own["ci_high"] - own["estimate"]) ** 2)) / 2
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((7 / 24 - below, 7 / 24 + above))
    assert (row["n"], row["n_texts"], row["n_refused"]) == (18, 6, 4)


def test_one_task_has_no_mean(logs, tmp_path):
    logs.write_run(tmp_path, "RA AA")
    assert board_of(tmp_path).tasks == ("offensiveness",)


def test_equal_rates_share_a_rank_and_stand_in_the_order_of_names(logs, tmp_path):
    for model in ("b", "a", "c"):
        logs.write_run(tmp_path, "RR" if model == "c" else "RA", model=model)
    table = board_of(tmp_path).table
    assert table["model"].tolist() == ["a", "b", "c"]
    assert table["rank"].tolist() == [1, 1, 3]


def test_a_model_without_one_of_the_tasks_has_no_mean_and_stands_last(logs, results):
    logs.write_run(results, "AAA AAA", model="0", kind="nli")
    board = board_of(results)
    row = row_of(board, "0")
    assert math.isnan(row["estimate"])
    assert pd.isna(row["rank"])
    assert pd.isna(row["rank_high"])
    assert board.table["model"].tolist()[:3] == ["b", "a", "0"]
    assert row_of(board, "0", "nli")["rank"] == 1
    # The others are ranked among themselves.
    assert [row_of(board, model)["rank_high"] for model in "ab"] == [2, 2]
    assert "0 has no responses for offensiveness, so it has no mean over tasks and no overall rank." in board.notes
    assert "nli: models have 6 to 12 prompts; shared texts are compared within texts." in board.notes


def test_models_that_share_no_task_have_no_mean_at_all(logs, tmp_path):
    logs.write_run(tmp_path, "RA AA", model="a", kind="nli")
    logs.write_run(tmp_path, "RA AA", model="b")
    board = board_of(tmp_path)
    assert board.table["rank"].isna().tolist() == [True, True, False, False]


def test_only_persona_prompts_are_ranked_by(logs, results):
    logs.write_run(results, "RRR", model="a", setting="neutral")
    assert row_of(board_of(results), "a")["n"] == 18


def test_without_persona_prompts_there_is_no_board(logs, tmp_path):
    logs.write_run(tmp_path, "RA", setting="neutral")
    with pytest.raises(InputError, match="there are no responses to persona prompts"):
        board_of(tmp_path)


def test_an_unknown_rule_is_a_mistake(results):
    with pytest.raises(InputError, match="unknown detector 'prefx'"):
        board_of(results, detector="prefx")


def test_responses_that_are_neither_are_counted_and_said(logs, tmp_path):
    logs.write_run(tmp_path, "EEA RAA")
    logs.write_run(tmp_path, "EEE EAA", model="b")
    board = board_of(tmp_path)
    assert board.table.set_index("model")["n_other"].to_dict() == {logs.MODEL: 2, "b": 4}
    assert board.notes[-1] == (
        "Most responses are neither answers nor refusals, so a low rate means little: b (offensiveness)."
    )
    assert board_of(tmp_path, detector="prefix").table["n_other"].isna().all()


# Personas.


def persona_study(effect):
    """Simulate 120 texts, each asked as three personas and a neutral person; a woman is refused `effect` more often."""
    rng = np.random.default_rng(0)
    rows = []
    for model, task in (("m", "nli"), ("m", "politeness"), ("other", "nli"), ("other", "politeness")):
        for text in range(120):
            for persona, setting in (("woman", "persona"), ("man", "persona"), ("black", "persona"), ("p", "neutral")):
                rate = 0.2 + effect * (persona == "woman" and (model, task) == ("m", "nli"))
                rows.append(
                    {
                        "model": model,
                        "task": task,
                        "setting": setting,
                        "persona": persona,
                        "text_id": f"t{text}",
                        "refused": rng.random() < rate,
                    }
                )
    return pd.DataFrame(rows)


def test_personas_that_differ_from_the_neutral_ones_are_named(tmp_path):
    table = tmp_path / "table.parquet"
    persona_study(0.5).to_parquet(table)
    study = read_responses([table])
    board = make_board([study], np.random.default_rng(0))
    assert board.baseline == "neutral"
    row = row_of(board, "m", "nli")
    assert (row["n_personas"], row["differing_personas"]) == (3, 1)
    (contrast,) = (
        estimate_contrasts(count_responses(study)["given"], "neutral").query("p_adjusted <= .05").to_dict("records")
    )
    ends = [f"{100 * contrast[name]:+.2f}" for name in ("estimate", "ci_low_named", "ci_high_named")]
    assert row["differing_personas_list"] == "woman {} [{}, {}]".format(*ends)
    whole = row_of(board, "m")
    assert (whole["n_personas"], whole["differing_personas"]) == (6, 1)
    assert whole["differing_personas_list"] == f"{row['differing_personas_list']} (nli)"
    assert row_of(board, "other")["differing_personas_list"] == ""
    spread = estimate_spread(count_responses(study)["given"], rng=np.random.default_rng(0))
    of_tasks = spread[spread["model"] == "m"]
    columns = ["estimate", "ci_low", "ci_high", "p_value"]
    shown = ["spread", "spread_low", "spread_high", "spread_p"]
    assert [row[name] for name in shown[:3]] == pytest.approx(of_tasks[columns[:3]].iloc[0].tolist())
    # All 1,000 sign flips have a smaller spread than one of 26 points.
    assert row["spread_p"] == pytest.approx(1 / 1001)
    (first, second) = of_tasks["sd_observed"] ** 2 - of_tasks["sd_under_null"] ** 2
    assert second < 0
    # The variances are averaged before they are cut off at 0.
    assert whole["spread"] == pytest.approx(math.sqrt((first + second) / 2))
    assert whole["spread_low"] < whole["spread"] < whole["spread_high"]
    assert whole["spread_p"] < 0.02


def test_without_neutral_prompts_personas_are_compared_with_each_other(tmp_path):
    table = tmp_path / "table.parquet"
    persona_study(0.5).query("setting == 'persona'").to_parquet(table)
    board = board_of(table)
    assert board.baseline == "others"
    assert "woman" in row_of(board, "m", "nli")["differing_personas_list"]


def test_a_table_without_personas_has_a_board_without_them(tmp_path):
    table = tmp_path / "table.parquet"
    persona_study(0).drop(columns="persona").query("setting == 'persona'").to_parquet(table)
    board = board_of(table)
    assert board.table["spread"].isna().all()
    assert board.table["n_personas"].isna().all()
    assert "The table has no personas, so nothing is reported about them." in board.notes


# Designs.


def test_models_of_different_designs_are_compared_unpaired_and_it_is_said(logs, tmp_path):
    # In each of 6 texts a refuses one prompt more than b, which is plain within texts, for signs agree 2 times in
    # 64. Apart, the difference of 1/3 has an error of .2.
    words = {"a": "RRR RAA " * 3, "b": "RRA AAA " * 3}
    for model, answers in words.items():
        logs.write_run(tmp_path / "one", answers, model=model)
        logs.write_run(tmp_path / model, answers, model=model, design=f"d{model}")
    paired, unpaired = board_of(tmp_path / "one"), board_of(tmp_path / "a", tmp_path / "b")
    assert paired.table[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2]]
    assert unpaired.table[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    assert unpaired.table["estimate"].tolist() == paired.table["estimate"].tolist()
    assert any(note.startswith("The results have 2 designs. Models with different designs") for note in unpaired.notes)


# Other metrics.


def test_other_metrics_are_columns_of_all_of_a_models_rows(results, tmp_path):
    for folder, model, value in ((results / "a", "a", 0.5), (tmp_path / "more", "b", 0.25)):
        folder.mkdir(exist_ok=True)
        run = {"model_name": model, "results": {"mmlu": {"acc,none": value, "acc_stderr,none": 0.01}}}
        (folder / "results_2026-03-03T03-04-05.678901.json").write_text(json.dumps(run), encoding="utf-8")
    board = board_of(results, metrics=[results, tmp_path / "more"])
    assert board.metrics == ("mmlu/acc",)
    assert list(board.table.columns[len(COLUMNS) :]) == ["mmlu/acc", "mmlu/acc_stderr"]
    assert set(board.table.groupby("model")["mmlu/acc"].unique().map(tuple)) == {(0.5,), (0.25,)}
    assert board_of(results, metrics=[results]).table["mmlu/acc"].isna().sum() == 3
