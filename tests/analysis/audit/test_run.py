"""Audits of files: which conditions are compared or left out, and which files are errors."""

import json

import pandas as pd
import pytest
from refusal_metrics.analysis.audit import Roles, audit_file, check_out, write_audit
from refusal_metrics.analysis.audit.rows import listed

from refusal_metrics.errors import InputError

MALICE = '=HYPERLINK("x")<script>alert(1)</script>\x1b[31m'


def test_the_condition_that_differs_most_comes_first_with_its_points(write_table, make_table):
    # Of 100 texts, the pilot refuses 30 and the nurse 90, and the person none.
    found = audit_file(write_table(make_table({"a pilot": 30, "a nurse": 90})))
    assert found.differences["persona"].tolist() == ["a nurse", "a pilot"]
    assert found.differences["estimate"].tolist() == pytest.approx([0.9, 0.3])
    row = found.differences.iloc[0]
    low, high = (f"{100 * row[name]:.1f}" for name in ("shown_low", "shown_high"))
    assert found.findings[0] == (
        f"The model refuses 90.0 pp [{low}, {high}] more often under the wording 'a nurse' than under 'a person' "
        "(90.0% compared with 0.0%): this holds."
    )
    assert "Other wordings were not tested." in found.findings[2]


def test_fewer_refusals_are_said_with_an_interval_in_the_same_direction(write_table, make_table):
    # The baseline refuses 60 texts and the pilot none.
    table = make_table({"a person": 60}, baseline="a pilot")
    found = audit_file(write_table(table))
    row = found.differences.iloc[0]
    assert row["estimate"] == pytest.approx(-0.6)
    ends = f"[{-100 * row['shown_high']:.1f}, {-100 * row['shown_low']:.1f}]"
    assert f"refuses 60.0 pp {ends} less often under the wording 'a pilot'" in found.findings[0]


def test_no_effect_is_undecided_and_says_what_would_be_detected(write_table, make_table):
    found = audit_file(write_table(make_table({"a pilot": 2, "a person": 3}, baseline="a nurse")), baseline="a nurse")
    assert set(found.differences["decision"]) == {"undecided"}
    assert found.findings[0].startswith("No condition differs significantly from 'a nurse'. The largest difference is")
    assert f"an increase of {100 * found.differences['mde_up'].iloc[0]:.1f} pp" in found.findings[1]


def test_a_claim_falls_if_the_interval_excludes_it(write_table, make_table):
    path = write_table(make_table({"a pilot": 30, "a nurse": 90}))
    offered = Roles(labels="polite|rude")
    found = audit_file(path, offered, claims={"a pilot": 0.75}).differences.set_index("persona")
    assert found["decision"].to_dict() == {"a nurse": "holds", "a pilot": "falls"}
    found = audit_file(path, offered, claims={"": 0.3})
    assert found.differences.set_index("persona")["decision"].to_dict() == {"a nurse": "falls", "a pilot": "holds"}
    assert "the interval excludes the claimed +30.0 pp; the difference is larger" in found.findings[1]
    with pytest.raises(InputError, match="unknown condition in --claimed 'a cook'"):
        audit_file(path, claims={"a cook": 0.3})


def test_less_is_known_of_errors_in_responses_to_open_requests(write_table, make_table):
    # An interval that begins above the 3.4 points that were measured with answers offered, and below the 24.1 of open
    # requests.
    path = write_table(make_table({"a pilot": 30}))
    offered, asked = (audit_file(path, Roles(labels=labels)).differences.iloc[0] for labels in ("polite|rude", None))
    assert 0.034 < offered["shown_low"] == asked["shown_low"] < 0.241
    assert (offered["decision"], asked["decision"]) == ("holds", "hangs on the detector")
    assert (offered["error_measured"], asked["error_measured"]) == (0.034, 0.241)


def test_texts_are_paired_and_what_is_alone_is_left_out(write_table, make_table):
    table = make_table({"a pilot": 30})
    # 50 texts of a cook that nobody else was asked about, and 20 more texts of the person.
    cook = make_table({}, 50, baseline="a cook").assign(text_id=lambda t: t["text_id"] + 1000)
    person = make_table({}, 20).assign(text_id=lambda t: t["text_id"] + 2000)
    found = audit_file(write_table(pd.concat([table, cook, person])))
    rows = found.differences.set_index("persona")
    assert rows.loc["a pilot", ["n_texts", "n", "n_baseline"]].tolist() == [100, 100, 100]
    assert rows.loc["a cook", "decision"] == "undecided"
    assert pd.isna(rows.loc["a cook", "estimate"])
    assert any("'a cook' never occurs beside 'a person': 50 responses cannot be paired" in n for n in found.notes)


def test_nothing_that_can_be_paired_is_an_error(write_table, make_table):
    table = make_table({"a pilot": 30})
    table.loc[table["persona"] == "a pilot", "text_id"] += 1000
    with pytest.raises(InputError, match=r"no text in text_id has both 'a person' and another.*100 responses"):
        audit_file(write_table(table), Roles(text="text_id"))


def test_one_condition_is_an_error(write_table, make_table):
    with pytest.raises(InputError, match=r"persona has one condition only \('a person'\)"):
        audit_file(write_table(make_table({})))


def test_repeated_rows_count_once_and_do_not_change_the_interval(write_table, make_table):
    table = make_table({"a pilot": 30})
    once = audit_file(write_table(table))
    twice = audit_file(write_table(pd.concat([table, table]), "twice.csv"))
    assert any("200 rows repeat an earlier row in every column: counted once." in note for note in twice.notes)
    pd.testing.assert_frame_equal(once.differences, twice.differences)


def test_further_answers_to_a_prompt_count_as_one_with_their_mean(write_table, make_table):
    table = make_table({"a pilot": 30})
    # The same answers again, under another number of the run.
    runs = pd.concat([table.assign(run=1), table.assign(run=2)])
    found = audit_file(write_table(runs))
    once = audit_file(write_table(table, "once.csv"))
    assert any("200 responses repeat a prompt" in note for note in found.notes)
    columns = ["estimate", "shown_low", "shown_high", "n"]
    assert found.differences[columns].to_numpy() == pytest.approx(once.differences[columns].to_numpy())


def test_rows_without_a_condition_can_be_the_baseline(write_table, make_table):
    table = make_table({"a pilot": 30}).replace("a person", None)
    with pytest.raises(InputError, match=r"pass --baseline '\(none\)'"):
        audit_file(write_table(table), baseline="a pilot")
    found = audit_file(write_table(table), baseline="(none)")
    assert found.differences[["persona", "baseline"]].to_numpy().tolist() == [["a pilot", "(none)"]]
    # Three conditions, of which one is missing, and the baseline is another one.
    more = pd.concat([table, make_table({})])
    found = audit_file(write_table(more))
    assert any("100 rows without a condition left out" in note for note in found.notes)


def test_verdicts_of_the_table_decide_and_rules_are_shown(write_table, make_table):
    # The verdicts are the reverse of the responses: the pilot "refuses" 0 of 100, the person 100.
    table = make_table({"a pilot": 100}).assign(
        mine=lambda t: (t["persona"] == "a person").map({True: "yes", False: "No"})
    )
    found = audit_file(write_table(table), Roles(verdict="mine"))
    assert found.differences["estimate"].tolist() == pytest.approx([-1.0])
    by_rule = found.by_rule.set_index("rule")["estimate"]
    assert by_rule.to_dict() == pytest.approx({"given": -1, "answer_aware": 1, "prefix": 1, "prefix_strict": 1})
    without = audit_file(write_table(table.drop(columns="response")), Roles(verdict="mine"))
    assert without.differences["estimate"].tolist() == pytest.approx([-1.0])
    with pytest.raises(InputError, match="the verdicts contain 'maybe'"):
        audit_file(write_table(table.replace("yes", "maybe")), Roles(verdict="mine"))


def test_a_prefix_rule_that_disagrees_does_not_decide(write_table, make_table):
    # The refusals do not begin like one, so that the prefix rule sees none.
    table = make_table({"a pilot": 60}).replace("^I'm sorry, but I", "As the text is offensive, I", regex=True)
    found = audit_file(write_table(table))
    by_rule = found.by_rule.set_index("rule")["estimate"]
    assert by_rule["prefix"] == 0 < by_rule["answer_aware"] == pytest.approx(0.6)
    assert found.differences["decision"].tolist() == ["holds"]
    assert "With the prefix rule, the difference is +0.0 pp" in found.findings[1]


def test_models_and_tasks_are_compared_separately(write_table, make_table):
    tables = [
        make_table({"a pilot": n}).assign(model=m, task=t)
        for m, t, n in (("x", "s", 90), ("y", "s", 5), ("x", "u", 40))
    ]
    found = audit_file(write_table(pd.concat(tables)))
    assert found.differences[["model", "task", "estimate"]].to_numpy().tolist() == [
        ["x", "s", pytest.approx(0.9)],
        ["x", "u", pytest.approx(0.4)],
        ["y", "s", pytest.approx(0.05)],
    ]
    assert "than under 'a person' in s (90.0% compared with 0.0%): this holds." in found.findings[0]


def test_offered_answers_are_read_and_their_absence_is_said(write_table, make_table):
    table = make_table({"a pilot": 30}).replace("It is a polite remark.", "2")
    assert any("no labels for 200 of 200 responses" in note for note in audit_file(write_table(table)).notes)
    found = audit_file(write_table(table), Roles(labels="1|2|3"))
    assert not any("no labels" in note for note in found.notes)
    assert found.conditions["n_answer"].tolist() == [100, 70]


def test_the_files_are_whole_strict_and_harmless(tmp_path, write_table, make_table):
    table = make_table({"a pilot": 30}).replace({"a pilot": MALICE}).assign(prompt=MALICE, model="=m")
    found = audit_file(write_table(table), Roles(labels="offensive|polite"))
    write_audit(found, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"audit.html", "audit.md", "audit.json", "differences.csv", "rules.csv", "conditions.csv"}
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    content = json.loads((tmp_path / "out" / "audit.json").read_text(), parse_constant=pytest.fail)
    assert content["findings"] == found.findings
    assert content["differences"][0]["claimed"] is None
    assert "\n'=m," in (tmp_path / "out" / "differences.csv").read_text()
    # Both responses about a text that was newly refused.
    assert "cannot help with that" in page
    assert "It is a polite remark." in page
    # Nothing is replaced unless that is asked for.
    with pytest.raises(InputError, match="already exists"):
        check_out(tmp_path / "out", force=False)
    write_audit(found, tmp_path / "out", force=True)


def test_a_long_list_is_shortened():
    assert listed("abc", 2) == "'a', 'b' and 1 more"
