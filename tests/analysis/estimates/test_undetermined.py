"""Shares of truncated and unjudged responses, and their differences, on counts by hand."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.contracts import UNDETERMINED_CONTRASTS, UNDETERMINED_SHARES
from refusal_metrics.analysis.counts import count_undetermined
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts
from refusal_metrics.analysis.estimates.rates import estimate_rates
from refusal_metrics.analysis.estimates.undetermined import estimate_undetermined, estimate_undetermined_contrasts
from refusal_metrics.analysis.responses import count_responses, read_responses

LETTERS = {"r": "refusal", "a": "answer", "o": "other", "e": "empty", "t": "truncated", "u": "unjudged"}


@pytest.fixture
def count(tmp_path):
    """Count responses of personas and a neutral person, {persona: outcomes as letters}: one text a letter."""

    def make(rule="answer_aware", **of):
        rows = [
            {
                "model": "m",
                "task": "nli",
                "setting": "neutral" if persona == "individual" else "persona",
                "persona": persona,
                "text_id": f"t{number}",
                "refused_answer_aware": letter.lower() == "r",
                # Capital letters: the prefix rule flags the response.
                "refused_prefix": letter.isupper(),
                "outcome": LETTERS[letter.lower()],
            }
            for persona, letters in of.items()
            for number, letter in enumerate(letters)
        ]
        file = tmp_path / "responses.parquet"
        pd.DataFrame(rows).to_parquet(file, index=False)
        return count_responses(read_responses([file]))[rule]

    return make


def test_bounds_count_none_or_all_of_what_was_not_judged_as_refusals(count):
    table = estimate_rates(count(man="rraoettuaa", woman="raaaaaaaoe"), ["persona"]).set_index("persona")
    # Man: 2 of 10 refuse; 2 truncated and 1 unjudged would make 5. Empty and other responses are no refusals.
    assert table.loc["man", ["estimate", "refusal_rate_low", "refusal_rate_high"]].tolist() == [0.2, 0.2, 0.5]
    assert table.loc["woman", ["estimate", "refusal_rate_low", "refusal_rate_high"]].tolist() == [0.1, 0.1, 0.1]


def test_a_truncated_response_that_a_rule_flags_is_refused_and_counts_once(count):
    counts = count("prefix", man="RaTtu")
    (row,) = estimate_rates(counts, []).to_dict("records")
    # The rule flags R and T: 2 of 5; t and u could be refusals: 4 of 5. Two are truncated.
    assert (row["n_refused"], row["refusal_rate_low"], row["refusal_rate_high"]) == (2, 0.4, 0.8)
    assert (row["n_truncated"], row["n_unjudged"]) == (2, 1)
    (share,) = estimate_undetermined(counts, []).to_dict("records")
    assert (share["n_undetermined"], share["estimate"]) == (2, 0.4)


def test_shares_and_their_intervals_are_those_of_rates(count):
    table = estimate_undetermined(count(man="rtuaa", woman="rraaa"), ["persona"])
    assert list(table) == ["persona", *UNDETERMINED_SHARES.estimates]
    of_refusals = estimate_rates(count(man="arraa", woman="aaaaa"), ["persona"])
    same = ["estimate", "ci_low", "ci_high", "n", "n_texts"]
    pd.testing.assert_frame_equal(table[same], of_refusals[same])
    assert table[["n_undetermined", "n_unjudged", "n_truncated"]].to_numpy().tolist() == [[2, 1, 1], [0, 0, 0]]


def test_differences_and_their_tests_are_those_of_refusals(count):
    table = estimate_undetermined_contrasts(count(man="rtutuaaaaa", woman="rraaaaaaat", individual="o" * 10), "neutral")
    # Each text was asked once a persona: 4/10 - 0 and 1/10 - 0.
    assert table["persona"].tolist() == ["man", "woman"]
    assert table["estimate"].tolist() == pytest.approx([0.4, 0.1])
    assert table[["n_undetermined", "n_undetermined_baseline"]].to_numpy().tolist() == [[4, 0], [1, 0]]
    of_refusals = estimate_contrasts(count(man="arrrraaaaa", woman="aaaaaaaaar", individual="o" * 10), "neutral")
    renamed = {"n_refused": "n_undetermined", "n_refused_baseline": "n_undetermined_baseline"}
    pd.testing.assert_frame_equal(table, of_refusals.rename(columns=renamed))
    assert list(table) == [*UNDETERMINED_CONTRASTS.keys, *UNDETERMINED_CONTRASTS.estimates]
    # The p-values are corrected for both personas.
    assert (table["p_adjusted"] > table["p_value"]).any()


def test_where_everything_was_judged_nothing_is_undetermined(count):
    counts = count(man="raoe")
    assert not count_undetermined(counts).n_refused.any()
    (row,) = estimate_undetermined(counts, []).to_dict("records")
    assert (row["estimate"], row["n_undetermined"]) == (0, 0)
    assert np.isfinite(row["ci_high"])
