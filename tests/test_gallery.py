"""What docs/gallery.md quotes is what the audits of published answers find."""

from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gallery.md"


@pytest.fixture(scope="module")
def gallery(load_script, shared_data):
    return load_script("gallery"), shared_data / "real_answers"


# The third study has 22,200 answers to judge, which takes half a minute of CPU.
@pytest.mark.parametrize("number", [0, 1, pytest.param(2, marks=pytest.mark.slow), 3])
def test_the_page_quotes_the_findings(gallery, number):
    script, data = gallery
    found = script.STUDIES[number].audit(data)
    text = PAGE.read_text(encoding="utf-8")
    assert [sentence for sentence in found.findings if f"> {sentence}\n" not in text] == []
    if number == 0:
        # As published: of 1,500 ratings each, 8 are refused as a person (0.5%), and 239 as a black person (15.9%).
        counts = found.conditions.set_index("persona")["n_refused"]
        assert counts[["a person", "a black person"]].tolist() == [8, 239]
        rows = found.differences[["persona", "estimate", "shown_low", "shown_high", "decision"]]
        for persona, *points, decision in rows.itertuples(index=False):
            estimate, low, high = (f"{100 * value:+.2f}" for value in points)
            assert f"| {persona} | {estimate} | [{low}, {high}] | {decision} |" in text
