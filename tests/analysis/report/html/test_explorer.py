"""The sample of responses in a page: of every kind, the same each time, bounded."""

from collections import Counter

import pandas as pd
import pytest
from refusal_metrics.analysis.report.html import explorer as html_explorer
from refusal_metrics.analysis.report.html.explorer import draw_sample
from refusal_metrics.analysis.responses import has_texts, load_responses, read_responses


def table(tmp_path, rows):
    file = tmp_path / "responses.parquet"
    pd.DataFrame(rows).to_parquet(file, index=False)
    return read_responses([file])


def row(number, **columns):
    return {
        "model": "m",
        "task": "nli",
        "text_id": f"t{number}",
        "refused_a": False,
        "refused_b": False,
        "outcome": "other",
        "response": f"response {number}",
    } | columns


def values(sample, name):
    column = sample.columns[name]
    return [column["levels"][code] if code >= 0 else None for code in column["codes"]]


@pytest.fixture
def uneven(tmp_path):
    """100 responses that do not refuse, 3 that do by both rules and 2 by one alone."""
    rows = [row(n) for n in range(100)]
    rows += [row(n, refused_a=True, refused_b=True) for n in range(100, 103)]
    rows += [row(n, refused_a=True) for n in range(103, 105)]
    return table(tmp_path, rows)


def test_every_kind_is_in_the_sample_as_often_as_any_other_as_far_as_there_are_so_many(uneven):
    sample = draw_sample(uneven, "a", most=10)
    kinds = Counter(zip(values(sample, "outcome"), values(sample, "disagree"), strict=True))
    # 3 and 2 are all there are; the other 5 are of the third kind.
    assert kinds == {("no refusal", "no"): 5, ("refusal", "no"): 3, ("refusal", "yes"): 2}
    assert (sample.n, sample.n_all, sample.n_kinds) == (10, 105, 3)


def test_the_same_seed_draws_the_same_and_another_others(uneven):
    first, again, other = (draw_sample(uneven, "a", most=10, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert set(first.responses) != set(other.responses)


def test_a_sample_that_is_no_smaller_than_the_study_holds_every_response_once(uneven):
    sample = draw_sample(uneven, "a", most=1000)
    assert sorted(sample.responses) == sorted(f"response {n}" for n in range(105))


def test_causes_are_found_where_the_table_names_none(logs, tmp_path):
    logs.write_run(tmp_path, logs.said("I'm sorry, but I cannot do that.", "Offensive."))
    responses = load_responses([tmp_path], texts=True)
    sample = draw_sample(responses, "answer_aware")
    assert dict(zip(values(sample, "outcome"), values(sample, "cause"), strict=True)) == {
        "refusal": "general",
        "answer": None,
    }
    assert values(sample, "persona")
    assert "classify it as offensive or not offensive?" in sample.prompts[0]


def test_causes_of_the_table_are_taken_as_they_are(tmp_path):
    responses = table(tmp_path, [row(0, refused_a=True, cause="persona"), row(1)])
    assert set(values(draw_sample(responses, "a"), "cause")) == {"persona", None}


def test_offensive_and_unknown_tasks_are_folded_and_mild_ones_are_not(tmp_path):
    tasks = ("nli", "offensiveness", "politeness", "my_own")
    sample = draw_sample(table(tmp_path, [row(n, task=task) for n, task in enumerate(tasks)]), "a")
    assert [sample.columns["task"]["levels"][code] for code in sample.folded] == ["my_own", "Offensiveness"]


def test_a_long_response_is_cut_and_its_length_said(tmp_path):
    (shown,) = draw_sample(table(tmp_path, [row(0, response="x" * 1_000_000)]), "a").responses
    assert len(shown) < html_explorer.MOST_OF_TEXT + 100
    assert shown.endswith("[... cut here: 1,000,000 characters in all]")


def test_bytes_are_bounded_and_kinds_are_cut_evenly(uneven, monkeypatch):
    # Each response has 10 to 12 bytes.
    monkeypatch.setattr(html_explorer, "MOST_BYTES", 80)
    sample = draw_sample(uneven, "a", most=100)
    assert sample.n in {6, 7}
    assert set(values(sample, "outcome")) == {"no refusal", "refusal"}


def test_messages_of_a_chat_stand_one_after_the_other(tmp_path):
    chat = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it?"}]'
    sample = draw_sample(table(tmp_path, [row(0, prompt=chat), row(1, prompt='[{"role": broken')]), "a")
    assert sorted(sample.prompts) == ["[system]\nBe kind.\n\n[user]\nIs it?", '[{"role": broken']


def test_a_table_without_outcomes_tells_refusals_from_others(tmp_path):
    rows = [{k: v for k, v in row(n, refused_a=n == 0).items() if k != "outcome"} for n in range(2)]
    assert sorted(values(draw_sample(table(tmp_path, rows), "a"), "outcome")) == ["no refusal", "refusal"]


def test_responses_without_texts_are_told_from_those_with(tmp_path, uneven):
    assert has_texts(uneven)
    (tmp_path / "without").mkdir()
    assert not has_texts(table(tmp_path / "without", [{k: v for k, v in row(0).items() if k != "response"}]))
    (tmp_path / "null").mkdir()
    assert not has_texts(table(tmp_path / "null", [row(0, response=None)]))
