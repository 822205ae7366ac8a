"""What a report says about personas beyond their wordings."""

import pandas as pd
import pytest
from refusal_metrics.analysis.report.markdown import write_markdown
from refusal_metrics.analysis.report.study_tables import ReportOptions, StudyEstimates
from refusal_metrics.analysis.report.wordings import ONE_WORDING, describe_wordings, mark_beyond
from refusal_metrics.analysis.report.write import estimate_responses
from refusal_metrics.analysis.responses import Origin, read_responses

ORIGIN = Origin(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), None, None, files=(), notes=())


def contrasts(baseline="neutral", rule="r"):
    study = {"model": "m", "task": "nli", "baseline": baseline, "rule": rule}
    return pd.DataFrame(study | {"persona": ["man", "woman", "nurse"]})


def wordings(p_adjusted, sd=(0.01, 0.01, 0.02), rule="r"):
    study = {"model": "m", "task": "nli", "rule": rule}
    return pd.DataFrame(study | {"persona": ["woman", "man", "nurse"], "p_adjusted": p_adjusted, "sd_wordings": sd})


def estimates(notes=None, **tables):
    return StudyEstimates(tables, "r", ("r", "s"), notes or {}, None)


def test_differences_beyond_wordings_are_counted_for_the_reports_detector():
    table = pd.concat([wordings([0.05, 0.051, 0.001]), wordings([0.001] * 3, rule="s")])
    said = describe_wordings(estimates(contrasts_by_persona=contrasts(), wordings=table))
    assert said == (
        "Beyond the spread of wordings, 2 of 3 differences between a persona and the neutral baseline are significant "
        "after correction (r; standard deviation of wordings of one persona: 1.00 to 2.00 pp)."
    )


def test_without_phrases_a_difference_is_one_of_this_wording():
    assert describe_wordings(estimates(contrasts_by_persona=contrasts())) == ONE_WORDING
    assert "this wording of the persona" in ONE_WORDING


def test_phrases_that_cannot_be_compared_are_reported():
    why = "Not estimated: 3 of 9 responses to neutral prompts have no phrase."
    assert describe_wordings(estimates({"wordings": (why,)}, contrasts_by_persona=contrasts())) == why


def test_without_neutral_prompts_nothing_is_said_of_wordings():
    assert describe_wordings(estimates()) == ""
    assert describe_wordings(estimates(contrasts_by_persona=contrasts("others"))) == ""


def test_a_column_says_whether_a_named_difference_is_beyond_wording():
    found = estimates(wordings=pd.concat([wordings([0.01, 0.2, 0.05]), wordings([1, 1, 1], rule="s")]))
    marked = mark_beyond(contrasts(), found, "r").set_index("persona")["beyond wording"]
    assert marked.to_dict() == {"man": "no", "woman": "yes", "nurse": "yes"}
    assert set(mark_beyond(contrasts(), found, "s")["beyond wording"]) == {"no"}
    # The others are no neutral baseline, and without phrases nothing is known.
    assert "beyond wording" not in mark_beyond(contrasts("others"), found, "r")
    assert "beyond wording" not in mark_beyond(contrasts(), estimates(), "r")


def rows(*, phrased):
    """Make a study in which a nurse is refused, in each of three phrases, and nobody else."""
    return [
        {"model": "m", "task": "nli", "setting": "neutral" if persona == "person" else "persona", "persona": persona}
        | {"template": f"p{i}", "text_id": f"t{text}", "refused": int(persona == "nurse")}
        | ({"phrase": f"{persona} {phrase}", "phrase_form": "who_is"} if phrased else {})
        for persona, n_phrases in {"nurse": 3, "pilot": 3, "person": 6}.items()
        for phrase in range(n_phrases)
        for text in range(6)
        for i in range(phrase * 3, phrase * 3 + 3)
    ]


@pytest.mark.parametrize("phrased", [True, False])
def test_the_page_has_the_column_and_the_sentence_if_there_are_phrases(tmp_path, phrased):
    file = tmp_path / "responses.parquet"
    pd.DataFrame(rows(phrased=phrased)).to_parquet(file, index=False)
    found = estimate_responses(read_responses([file]), ReportOptions(n_replicates=20))
    page = write_markdown(ORIGIN, found, {})
    assert ("wordings" in found.tables) == phrased
    assert ("| beyond wording |" in page) == phrased
    assert ("Beyond the spread of wordings, 1 of 2" in page) == phrased
    assert (ONE_WORDING in page) == (not phrased)
