"""The variance of refusals divided: small crossed studies by hand, and what cannot be estimated."""

import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_metrics.analysis import contracts
from refusal_metrics.analysis.estimates.variance_components import COMPONENTS, estimate_variance_components
from refusal_metrics.analysis.responses import count_responses, read_responses

from refusal_metrics.errors import InputError

few = settings(max_examples=settings.default.max_examples // 10)

spec = importlib.util.spec_from_file_location("sample_studies", Path(__file__).parents[2] / "sample_studies.py")
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)
study, studies = sample.study, sample.studies

TEXTS = range(12)
PERSONAS, TEMPLATES, PHRASES = ("black", "man", "woman"), ("t1", "t2"), ("human", "person")


def crossed(refused, setting="persona", personas=PERSONAS, task="offensiveness", **more):
    """Make the responses of each text, persona and template: refused(text, persona, template)."""
    return [
        {"model": "m", "task": task, "setting": setting, "text_id": f"text {g:02}", "row_id": f"row {g:02}",
         "persona": persona, "template": template, "refused": bool(refused(g, a, t))} | more
        for g, (a, persona), (t, template) in product(TEXTS, enumerate(personas), enumerate(TEMPLATES))
    ]  # fmt: skip


def by_component(counts, run_factors=()):
    return estimate_variance_components(counts, run_factors).set_index("component")


def test_refusals_that_depend_on_text_and_persona_are_divided_between_them(make_counts):
    # Half of the texts, and one of three personas, decide: refused where both do.
    table = by_component(make_counts(crossed(lambda g, a, _: g < 6 and a == 0)))
    # Of pairs of different texts and personas 2/3 have that persona, whose text decides in 1/2: they differ in 1/3.
    assert table["variance"]["total"] == pytest.approx(1 / 6)
    # In pairs of one text that decides 2/3 differ, in others none: 1/3 as well.
    assert table["variance"]["text"] == pytest.approx(0)
    # Pairs of one persona: 1/3 have that one, and of these 6 * 6 of 66 pairs of texts differ; 1/2 * 1/3 * 36/66 = 1/11.
    assert table["variance"]["persona"] == pytest.approx(1 / 6 - 1 / 11)
    # Pairs of one text and persona never differ: text, persona and text:persona are 1/6 together.
    assert table["variance"]["text:persona"] == pytest.approx(1 / 11)
    assert table["variance"][["template", "text:template", "persona:template", "rest"]].tolist() == pytest.approx(
        [0] * 4
    )
    assert table["estimate"]["persona"] == pytest.approx((1 / 6 - 1 / 11) * 6)


@given(st.integers(0, 2**32 - 1))
@few
def test_components_add_up_to_the_total(make_counts, seed):
    rng = np.random.default_rng(seed)
    rows = crossed(lambda *_: rng.random() < 0.4) + crossed(lambda *_: rng.random() < 0.4, "neutral", PHRASES)
    table = by_component(make_counts(rng.permutation(rows)[: rng.integers(len(rows) // 2, len(rows))].tolist()))
    total = table["variance"]["total"]
    assert table["variance"].drop("total").sum() == pytest.approx(total)
    assert table["estimate"].drop("total").sum() == pytest.approx(1)
    # About p (1 - p): all pairs of responses, those of one text or persona too, differ in p (1 - p) n / (n - 1).
    p, n = table["n_refused"]["total"] / table["n"]["total"], table["n"]["total"]
    assert total == pytest.approx(p * (1 - p) * n / (n - 1), abs=0.05)


def test_models_with_the_same_prompts_and_with_others_have_the_components_that_each_has_alone(make_counts):
    rng = np.random.default_rng(0)

    def asked(model):
        refused = (lambda *_: rng.random() < 0.4, lambda *_: rng.random() < 0.2)
        return crossed(refused[0], model=model) + crossed(refused[1], "neutral", PHRASES, model=model)

    rows = {"a": asked("a"), "b": asked("b"), "c": asked("c")[6:], "d": asked("d")}
    together = estimate_variance_components(make_counts([row for own in rows.values() for row in own]))
    alone = [estimate_variance_components(make_counts(own)) for own in rows.values()]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), rtol=1e-12)


def test_the_wording_is_that_of_neutral_phrases_and_is_subtracted_from_personas(make_counts):
    asked = crossed(lambda _, a, __: a == 0)
    alone = by_component(make_counts(asked))
    # Rates 1, 0, 0 of the personas: variance with the divisor 2.
    assert alone["variance"]["persona"] == pytest.approx(1 / 3)
    assert alone["note"][["persona", "wording"]].tolist() == ["includes wording", "no neutral prompts"]
    assert alone["note"]["rest"] == "includes wording, seed"
    # One neutral phrase is refused in a third of texts: pairs of one phrase differ in 4 * 8 of 66 pairs, half the
    # pairs being of it: 1/2 * 1/2 * 32/66 = 4/33; others in 1/2 * 1/3 = 1/6 of pairs.
    both = by_component(make_counts(asked + crossed(lambda g, a, _: g % 3 == 0 and a == 0, "neutral", PHRASES)))
    assert both["variance"]["wording"] == pytest.approx(1 / 6 - 4 / 33)
    assert both["variance"]["persona"] == pytest.approx(1 / 3 - (1 / 6 - 4 / 33))
    assert both["note"]["persona"] == "beyond wording"
    assert both["n"][["persona", "wording"]].tolist() == [72, 48]


def test_phrases_of_personas_are_their_wordings(tmp_path):
    # Rates of the phrases: 1 and 0 of the first persona, 0 and 0 of the others, in all texts and templates.
    rows = [
        row | {"phrase": f"{row['persona']} {i}"} for i in range(2) for row in crossed(lambda _, a, __, i=i: a + i == 0)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "table.parquet", index=False)
    responses = read_responses([tmp_path / "table.parquet"])
    table = by_component(count_responses(responses, ["phrase"])["given"])
    # Pairs of different personas: 2/3 have the first, in 1/2 of these its refused phrase: 1/2 * 1/3. Pairs of one
    # persona with two phrases differ if it is the first: 1/2 * 1/3. Pairs of one phrase never differ.
    assert table["variance"]["total"] == pytest.approx(1 / 6)
    assert table["variance"][["persona", "wording"]].tolist() == pytest.approx([0, 1 / 6])
    # With one persona, phrases are in the rest.
    one = count_responses(read_responses([tmp_path / "table.parquet"]), ["phrase"])["given"].where(persona="black")
    assert by_component(one)["note"]["wording"] == "no neutral prompts"


def test_repeats_are_the_sampling_of_one_prompt_and_not_broken_down(tmp_path):
    rows = [row for i in range(2) for row in crossed(lambda g, *_, i=i: g < 6 or i, repeat=str(i), temperature="1")]
    pd.DataFrame(rows).to_parquet(tmp_path / "table.parquet", index=False)
    counts = count_responses(read_responses([tmp_path / "table.parquet"]), ["repeat", "temperature"])["given"]
    table = by_component(counts, ["repeat", "temperature"])
    assert list(table.reset_index())[:4] == ["component", "model", "task", "temperature"]
    # In half of the texts the two answers to a prompt differ: 1/2 * 1/2.
    assert table["variance"]["seed"] == pytest.approx(1 / 4)
    assert table["n_texts"]["seed"] == 12
    assert table["note"]["seed"] == ""


def test_rows_of_a_text_are_what_the_prompt_is_about_only_if_they_are_part_of_it(make_counts):
    def rows(task):
        return [
            row | {"row_id": f"row {i}"}
            for i in range(2)
            for row in crossed(lambda g, *_, i=i: g < 6 and i, task=task)
        ]  # fmt: skip

    # A pair of premise and hypothesis is always or never refused.
    nli = by_component(make_counts(rows("nli")))
    assert nli["variance"]["text"] == pytest.approx(nli["variance"]["total"])
    # Ratings of one text have the same prompts, whose two answers differ in half of the texts.
    rated = by_component(make_counts(rows("offensiveness")))
    assert rated["variance"]["seed"] == pytest.approx(1 / 4)


def test_what_cannot_be_estimated_says_why(make_counts):
    one = by_component(make_counts(crossed(lambda g, *_: g < 6, personas=("woman",))))
    assert one["note"]["persona"] == "fewer than two personas"
    assert one["note"]["seed"] == "one response a prompt"
    assert one["estimate"][["persona", "seed", "text:persona"]].isna().all()
    # Nothing but the text decides.
    assert one["estimate"][["text", "rest"]].tolist() == pytest.approx([1, 0])
    alike = by_component(make_counts(crossed(lambda *_: False)))
    assert alike["note"]["total"] == "all responses are alike"
    assert alike[["estimate", "ci_low", "variance"]].isna().all(axis=None)


@few
@given(studies)
def test_studies_of_any_shape_have_all_rows(make_counts, rows):
    table = estimate_variance_components(make_counts(rows))
    assert table["component"].tolist() == [*COMPONENTS, "rest", "total"]
    assert list(table) == ["model", "task", "component", *contracts.VARIANCE_COMPONENTS.estimates]


def test_models_and_tasks_are_divided_by_themselves(make_counts):
    own = crossed(lambda g, *_: g < 6)
    rows = [row | {"model": model} for model in ("a", "b") for row in own]
    rows += crossed(lambda g, *_: g == 0, task="politeness")
    table = estimate_variance_components(make_counts(rows)).set_index(["model", "task", "component"])["variance"]
    assert table["a", "offensiveness"].equals(table["b", "offensiveness"])
    # One of 12 texts: 1/12 * 11/12 * 12/11.
    assert table["m", "politeness", "text"] == pytest.approx(1 / 12)


def test_without_personas_there_is_nothing_to_divide(make_counts):
    with pytest.raises(InputError, match="persona"):
        estimate_variance_components(make_counts(study(neutral={"a": (1, 2)})))
