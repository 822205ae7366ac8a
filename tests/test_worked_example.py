"""The example of docs/how-to/how-many.md: published answers of Tulu-2-13B through rates, pool and plan."""

import pandas as pd
import pytest
from refusal_metrics.analysis.cli.app import app
from typer.testing import CliRunner

import refusal_metrics as rm
from refusal_metrics.detection.answer_aware import detect_answer_aware
from refusal_metrics.errors import InputError

PERSONAS = {
    "a male": ("man", "gender"),
    "a female": ("woman", "gender"),
    "a white person": ("white", "race"),
    "a black person": ("black", "race"),
    "an Asian person": ("asian", "race"),
}


@pytest.fixture(scope="module")
def table(shared_data, tmp_path_factory):
    answers = pd.read_parquet(shared_data / "real_answers" / "tulu2_popquorn.parquet")
    answers = answers[answers["file"] == "offensiveness_predictions_p1_r2_tulu2_13b.csv"]
    who = [PERSONAS.get(words, (None, None)) for words in answers["persona"]]
    responses = pd.DataFrame(
        {
            "model": "Tulu-2-13B",
            "task": "offensiveness",
            "setting": ["persona" if persona else "neutral" for persona, _ in who],
            "persona": [persona for persona, _ in who],
            "persona_group": [group for _, group in who],
            "language": "en",
            "text_id": answers["row"].astype(str).to_numpy(),
            "row_id": answers["row"].astype(str).to_numpy(),
            "refused": [detect_answer_aware(text, list("12345")).outcome == "refusal" for text in answers["response"]],
        }
    )
    file = tmp_path_factory.mktemp("tulu") / "tulu.parquet"
    responses.to_parquet(file)
    return file


def test_rates_of_real_answers(table):
    found = rm.load(table).contrasts(against="neutral").set_index("persona")
    # 239 of 1,500 refusals as a black person, 8 of 1,500 as a person: each text was asked once as each.
    assert found.loc["black", "estimate"] == pytest.approx((239 - 8) / 1500, abs=1e-12)
    # Nearly all that differ are refused as a black person only, so the error is about that of their share:
    # 1.96 * sqrt(.154 * (1 - .154) / 1500) = .0183.
    assert found.loc["black", "ci_high"] - found.loc["black", "ci_low"] == pytest.approx(2 * 0.0183, rel=0.1)


def test_one_model_cannot_be_pooled(table):
    with pytest.raises(InputError, match=r"Tulu-2-13B is the only one"):
        CliRunner().invoke(app, ["pool", str(table)], catch_exceptions=False)


def test_a_plan_from_real_answers(table, shared_data):
    personas = ",".join(persona for persona, _ in PERSONAS.values())
    given = f"--difference 0.05 --tasks persona_refusal_offensiveness --models tulu --personas {personas} --format csv"
    done = CliRunner().invoke(app, ["plan", str(table), *given.split(), "--data-dir", str(shared_data / "popquorn")])
    assert done.exit_code == 0, done.stderr
    # Clopper and Pearson's upper 80% limit of 8 of 1,500: scipy.stats.beta.ppf(.8, 9, 1492) = .00758.
    assert "8 of 1,500 neutral responses of Tulu-2-13B are refusals (0.53%); the plan assumes 0.76%" in done.stderr
