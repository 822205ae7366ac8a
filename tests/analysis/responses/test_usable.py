"""Runs that say too little: it is said, and such a run passes no gate."""

import pandas as pd
import pytest
from refusal_metrics.analysis.responses.provider import exclude_provider
from refusal_metrics.analysis.responses.table import read_responses
from refusal_metrics.analysis.responses.usable import count_usable, fail_gate, note_unusable, say_unusable

from refusal_metrics.errors import InputError

KINDS = {
    "r": {"refused_answer_aware": True, "outcome": "refusal", "refused_by": "text"},
    "p": {"refused_answer_aware": True, "outcome": "refusal", "refused_by": "provider"},
    "a": {"refused_answer_aware": False, "outcome": "answer"},
    "o": {"refused_answer_aware": False, "outcome": "other"},
    "e": {"refused_answer_aware": False, "outcome": "empty"},
    "c": {"refused_answer_aware": False, "outcome": "empty", "cause": "truncated"},
    "t": {"refused_answer_aware": False, "outcome": "truncated"},
    "u": {"refused_answer_aware": False, "outcome": "unjudged", "cause": "ValueError"},
}


@pytest.fixture
def read(tmp_path):
    """Read responses from a word, a letter of `KINDS` each; several models with blanks between."""

    def read(words, without=()):
        rows = [
            {"model": f"m{number}", "task": "nli", "setting": "persona", "persona": "man", "text_id": f"t{i}"}
            | {"refused_by": None, "cause": None}
            | KINDS[letter]
            for number, word in enumerate(words.split())
            for i, letter in enumerate(word)
        ]
        pd.DataFrame(rows).drop(columns=list(without)).to_parquet(tmp_path / "t.parquet", index=False)
        return read_responses([tmp_path / "t.parquet"])

    return read


def counted(responses):
    return count_usable(responses, responses.rules[0])


def test_each_response_is_counted_in_one_place(read):
    row = counted(read("rpaoectu")).iloc[0].to_dict()
    # A thought without an end is truncated, and not empty besides. Refusals and the answer are read.
    assert {name: row[name] for name in ("n", "n_empty", "n_unjudged", "n_truncated", "n_provider", "n_read")} == {
        "n": 8,
        "n_empty": 1,
        "n_unjudged": 1,
        "n_truncated": 2,
        "n_provider": 1,
        "n_read": 3,
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("eeeee", ["5 of 5 responses are empty."]),
        ("uuuuu", ["5 of 5 responses are unjudged."]),
        ("ttccc", ["5 of 5 responses are truncated."]),
        # 2 of 8 are more than a fifth.
        ("aaaaaaee", ["2 of 8 responses are empty."]),
        ("eettuaa", ["5 of 7 responses are empty or unjudged or truncated (2 empty, 1 unjudged, 2 truncated)."]),
        # 1 of 5 are not.
        ("aaaae", []),
        ("rrrrr", []),
        ("aaaaa", []),
        ("ooooa", []),
        (
            "ooooo",
            ["No response is an answer or a refusal, so the rate says nothing about the model: m0, NLI (pers"],
        ),
        ("ooooe", ["No response is an answer or a refusal"]),
        ("ppppp", ["Refused by the provider, not by the model's own words: m0, NLI (persona): 5 of 5;"]),
        ("ppaaa", ["m0, NLI (persona): 2 of 5;"]),
        ("paaaa", []),
        ("pppee", ["2 of 5 responses are empty.", "Refused by the provider"]),
        ("aaaa eeee", ["m1, NLI (persona): 4 of 4 responses are empty."]),
    ],
)
def test_what_says_too_little_is_said(read, word, said):
    found = list(say_unusable(counted(read(word))))
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence


@pytest.mark.parametrize(
    ("word", "failed"),
    [
        ("eeeee", ["5 of 5 responses are empty: too many to compare."]),
        ("uuuaa", ["3 of 5 responses are unjudged: too many to compare."]),
        ("ecuaa", ["3 of 5 responses are empty or unjudged or truncated"]),
        ("ooooo", ["none of 5 responses is an answer or a refusal."]),
        ("ooeeo", ["none of 5 responses is an answer or a refusal."]),
        # Half of them is not more than half.
        ("eeaa", []),
        ("oooor", []),
        ("ppppp", ["5 of 5 responses are refused by the provider: too many to compare."]),
        ("pppee", ["(2 empty, 3 refused by the provider): too many to compare."]),
        ("ppraa", []),
        ("aaaa eeee aaaa", ["m1, NLI (persona): 4 of 4 responses are empty: too many to compare."]),
        ("eeee uuuu", ["m0, NLI", "m1, NLI"]),
    ],
)
def test_such_a_run_passes_no_gate(read, word, failed):
    found = fail_gate(counted(read(word)))
    assert len(found) == len(failed)
    for sentence, part in zip(found, failed, strict=True):
        assert part in sentence


def test_without_outcomes_nothing_is_said(read):
    responses = read("eeeee", without=["outcome", "refused_by", "cause"])
    assert counted(responses).empty
    assert fail_gate(counted(responses)) == []
    assert note_unusable(responses).notes == responses.notes


def test_notes_are_added_once(read):
    once = note_unusable(read("eeeee"))
    assert "5 of 5 responses are empty" in once.notes[-1]
    assert note_unusable(once).notes == once.notes


# Refusals by the provider.


def test_refusals_by_the_provider_are_left_out_of_both_sides_of_a_rate(read):
    responses = exclude_provider(read("rrpppaaaaa"))
    assert responses.query("SELECT count(*), count_if(refused_answer_aware) FROM responses").fetchall() == [(7, 2)]
    assert responses.notes[-1] == ("3 of 10 responses were refused by the provider and left out (--exclude-provider).")


def test_where_nobody_says_who_refused_that_is_said(read):
    responses = exclude_provider(read("rra", without=["refused_by"]))
    assert responses.query("SELECT count(*) FROM responses").fetchall() == [(3,)]
    assert "leaves nothing out" in responses.notes[-1]


def test_a_run_that_the_provider_refused_whole_has_no_rate_without_it(read):
    with pytest.raises(InputError, match="the provider refused all 4 responses; none is left"):
        exclude_provider(read("pppp"))
