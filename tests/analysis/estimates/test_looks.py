"""What stopping rules see, and the levels of differences in studies that were looked at."""

from dataclasses import replace

import numpy as np
import pytest
from refusal_metrics.analysis.estimates import estimate_contrasts, look_at_contrasts
from refusal_metrics.analysis.responses.count import count_responses
from refusal_metrics.analysis.responses.table import read_responses
from refusal_metrics.analysis.statistics import Looks

HALF = ((0.5,), (1.0,))


@pytest.fixture
def counts(tmp_path):
    """Two models, two personas and neutral prompts, with 60 texts."""
    rng = np.random.default_rng(0)
    lines = ["model,task,setting,persona,template,text_id,refused"]
    for name, text, persona in [(m, t, p) for m in "ab" for t in range(60) for p in ("x", "y", "")]:
        rate = 0.5 if (name, persona) == ("a", "x") else 0.2
        lines += [
            f"{name},nli,{'persona' if persona else 'neutral'},{persona},p{i},t{text},{int(rng.random() < rate)}"
            for i in range(3)
        ]
    file = tmp_path / "responses.csv"
    file.write_text("\n".join(lines))
    return count_responses(read_responses([file]))["given"]


def test_a_look_sees_what_the_table_of_differences_has(counts):
    looked = look_at_contrasts(counts)
    table = estimate_contrasts(counts, "neutral")
    assert looked[["model", "task", "persona"]].equals(table[["model", "task", "persona"]])
    assert looked["p_value"].tolist() == table["p_value"].tolist()
    assert looked["width"].tolist() == (table["ci_high"] - table["ci_low"]).tolist()
    assert looked["n_texts"].tolist() == [60] * 4
    # Of 6 responses to a text, at least one is a refusal and one is not in nearly all texts.
    assert looked["n_discordant"].between(30, 60).all()


def test_the_information_of_a_look_is_the_variance_of_the_persona_s_refusals(tmp_path):
    file = tmp_path / "responses.csv"
    file.write_text(
        "model,task,setting,persona,text_id,refused\n"
        "m,t,persona,x,t1,1\nm,t,neutral,,t1,0\nm,t,neutral,,t1,0\n"  # 1 of 3: 1 * 2 * 1 * 2 / (9 * 2) = 2/9
        "m,t,persona,x,t2,1\nm,t,neutral,,t2,1\n"  # all alike: 0
        "m,t,persona,x,t3,0\nm,t,neutral,,t3,1\n"  # 1 of 2: 1 * 1 * 1 * 1 / (4 * 1) = 1/4
    )
    (row,) = look_at_contrasts(count_responses(read_responses([file]))["given"]).to_dict("records")
    assert row["information"] == pytest.approx(2 / 9 + 1 / 4)
    assert (row["n_texts"], row["n_discordant"]) == (3, 2)


def test_only_the_models_that_were_looked_at_have_repeated_intervals_and_p_values(counts):
    usual = estimate_contrasts(counts, "neutral").set_index(["model", "persona"])
    repeated = estimate_contrasts(replace(counts, looks={("a", "nli"): HALF}), "neutral").set_index(
        ["model", "persona"]
    )
    own = [name for name in usual if name not in ("p_adjusted", "mde_up", "mde_down")]
    assert repeated.loc["b", own].equals(usual.loc["b", own])
    a, of_a = usual.loc["a"], repeated.loc["a"]
    assert (of_a["ci_low"] < a["ci_low"]).all()
    assert (of_a["ci_high"] > a["ci_high"]).all()
    assert (of_a["or_high"] > a["or_high"]).all()
    assert of_a["p_value"].tolist() == Looks(*HALF).repeated_p(a["p_value"]).tolist()
    assert (of_a["mde_up"] > a["mde_up"]).all()
    # As always, an interval contains 0 if and only if p > .05.
    for table in (usual, repeated):
        assert ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).tolist() == (table["p_value"] > 0.05).tolist()


def test_at_a_single_look_at_the_whole_study_nothing_changes(counts):
    usual = estimate_contrasts(counts, "neutral")
    repeated = estimate_contrasts(replace(counts, looks={("a", "nli"): ((1.0,), (5.0,))}), "neutral")
    for name in ("ci_low", "ci_high", "p_value", "equiv_low", "mde_up"):
        assert repeated[name].to_numpy() == pytest.approx(usual[name].to_numpy(), rel=0.02, abs=1e-6)
