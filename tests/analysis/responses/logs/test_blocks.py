"""Sample logs of contrast tasks, whose docs are of two settings and in blocks."""

import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses
from refusal_metrics.analysis.responses.unfinished import _is_of


@pytest.fixture
def contrast(logs, tmp_path):
    """Write a contrast task of two blocks: two personas and a neutral phrase each; gives its folder."""

    def write(left_out=()):
        lines = []
        for number, record in enumerate(logs.samples("RAA AAR")):
            doc = record["doc"] | {"block": number // 3, "template": "p1", "response_type": "unforced"}
            if number % 3 == 2:
                doc |= {"setting": "neutral", "persona": "person", "persona_group": "neutral"}
            if number not in left_out:
                lines.append(logs.line(doc, record["filtered_resps"][0]))
        logs.write_results(tmp_path / "parrot", "parrot")
        logs.write_log(tmp_path / "parrot", lines, task="persona_refusal_offensiveness_contrast")
        return tmp_path / "parrot"

    return write


def test_a_response_keeps_its_setting_and_its_block(contrast):
    responses = load_responses([contrast()])
    found = responses.query('SELECT setting, block, refused_answer_aware FROM responses ORDER BY "index"').fetchall()
    assert found == [
        *[("persona", "0", True), ("persona", "0", False), ("neutral", "0", False)],
        *[("persona", "1", False), ("persona", "1", False), ("neutral", "1", True)],
    ]
    assert not [note for note in responses.notes if "missing" in note or "judged" in note]


def test_other_tasks_have_no_blocks(logs, tmp_path):
    logs.write_run(tmp_path, "RA AA")
    assert "block" not in load_responses([tmp_path]).columns


def test_missing_prompts_are_counted_over_both_settings(contrast):
    (note,) = [note for note in load_responses([contrast(left_out=[1, 2])]).notes if "missing" in note]
    assert note.startswith("parrot, Offensiveness (neutral and persona): 2 of the first 6 prompts are missing")


def test_prompts_of_both_settings_are_those_of_a_contrast_task():
    assert all(_is_of("persona_refusal_nli_contrast", "nli", setting) for setting in ("persona", "neutral"))
    assert not _is_of("persona_refusal_nli", "nli", "neutral")
