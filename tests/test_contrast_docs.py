"""Docs of the contrast tasks, and neutral prompts in another number than persona prompts."""

import hashlib
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from refusal_metrics.docs import build_docs, doc_fields, render_prompt
from refusal_metrics.errors import InputError

LABELS = {"nli": ["entailment", "contradiction", "neutral"], "offensiveness": ["offensive", "not offensive"]}


@cache
def docs(kind="offensiveness", setting="contrast", **metadata):
    metadata = {"source": "sample"} | metadata
    return build_docs(kind=kind, labels=LABELS[kind], setting=setting, version=1.0, **metadata)["test"].to_list()


@pytest.fixture(scope="module")
def real(shared_data):
    """All texts of the offensiveness task."""
    return docs(source="public", data_dir=str(shared_data / "popquorn"))


def blocks(built):
    """The docs of each block, in order."""
    by_block = {}
    for doc in built:
        by_block.setdefault(doc["block"], []).append(doc)
    return by_block


def test_a_block_is_one_text_with_one_template_ten_personas_and_three_neutral_phrases(real):
    by_block = blocks(real)
    # POPQUORN has 1,500 texts, and each has one block.
    assert [*by_block] == list(range(1500))
    assert len({doc["text_id"] for doc in real}) == 1500
    for own in by_block.values():
        assert len({(doc["text_id"], doc["row_id"], doc["template"], doc["stratum"]) for doc in own}) == 1
        assert Counter(doc["setting"] for doc in own) == {"persona": 10, "neutral": 3}
        assert len({doc["persona"] for doc in own}) == 13
    assert {(doc["setting"], doc["persona_group"] == "neutral") for doc in real} == {
        ("persona", False),
        ("neutral", True),
    }
    assert [doc["index"] for doc in real] == list(range(19_500))


def test_personas_have_equal_numbers_of_prompts_in_any_limited_run(real):
    for limit in (500, 5_003, 19_500):
        counts = Counter(doc["persona"] for doc in real[:limit] if doc["setting"] == "persona")
        # Within 1 in each of the five classes.
        assert max(counts.values()) - min(counts.values()) <= 5
        of_class = Counter(doc["stratum"] for doc in real[:limit])
        # Classes come in proportion, up to a block of 13 prompts.
        assert max(of_class.values()) - min(of_class.values()) <= 3 * 13


def test_texts_that_run_out_are_said(shared_data, caplog):
    caplog.set_level("INFO", logger="lm_eval")
    build_docs(
        kind="offensiveness",
        labels=LABELS["offensiveness"],
        setting="contrast",
        data_dir=str(shared_data / "popquorn"),
        rows_per_class=400,
    )
    (said,) = caplog.messages
    assert said.startswith("offensiveness, contrast: 19,500 prompts about 1,500 texts; only 30")
    assert "of 400 rows per class, because each text is used for one class; design_id " in said
    assert '"variations": 10, "neutral_variations": 3, "design": "anchored"' in said


@pytest.mark.parametrize(
    ("design", "n_blocks", "n_persona"), [("anchored", 1, 10), ("paired", 1, 15), ("factorial", 3, 15)]
)
def test_each_design_has_its_own_blocks_in_a_text(design, n_blocks, n_persona):
    built = docs("nli", design=design, rows_per_class=2)
    # Three classes of two texts.
    by_block = blocks(built)
    assert [*by_block] == list(range(6 * n_blocks))
    for own in by_block.values():
        assert Counter(doc["setting"] for doc in own) == {"persona": n_persona, "neutral": 3}
        assert len({(doc["text_id"], doc["template"]) for doc in own}) == 1
    of_text = Counter(own[0]["text_id"] for own in by_block.values())
    assert set(of_text.values()) == {n_blocks}
    if design == "factorial":
        types = {}
        for own in by_block.values():
            types.setdefault(own[0]["text_id"], []).append(own[0]["response_type"])
        assert {tuple(found) for found in types.values()} == {("unforced", "semi-forced", "forced")}


def test_a_contrast_doc_is_a_persona_or_neutral_doc_with_a_block():
    built = docs("nli", rows_per_class=2)
    assert [*built[0]] == [*doc_fields("nli"), "block"]
    assert [*docs("nli", "neutral")[0]] == [*doc_fields("nli")]
    for doc in built[:13]:
        alike = {"premise": doc["premise"], "hypothesis": doc["hypothesis"], "persona": doc["persona"]}
        other = docs("nli", doc["setting"])[0] | alike | {"template": doc["template"]}
        assert render_prompt(doc) == render_prompt(other)


def test_chosen_personas_are_those_of_the_blocks():
    built = docs(personas=("race", "person"), design="paired", neutral_variations=1, rows_per_class=2)
    assert {doc["persona"] for doc in built} == {"black", "white", "asian", "person"}


def test_the_shards_of_blocks_join_to_the_whole():
    whole = docs("nli", design="factorial", rows_per_class=4)
    parts = [docs("nli", design="factorial", rows_per_class=4, shard=f"{k}/3") for k in (1, 2, 3)]
    assert [doc for part in parts for doc in part] == whole
    texts = [{doc["text_id"] for doc in part} for part in parts]
    assert all(not a & b for a, b in pairwise(texts))


def test_a_random_order_has_the_same_texts_and_is_another_design():
    usual, shuffled = docs(), docs(order="random")
    texts = [list(dict.fromkeys(doc["text_id"] for doc in built)) for built in (usual, shuffled)]
    assert set(texts[0]) == set(texts[1])
    assert texts[0] != texts[1]
    assert usual[0]["design_id"].split("-")[0] != shuffled[0]["design_id"].split("-")[0]


def test_a_persona_in_a_system_message_leaves_a_block_with_a_persona_free_question():
    built = docs(study_placement="system", rows_per_class=1)
    assert {doc["system"].startswith("You are a") for doc in built} == {True}
    assert len({render_prompt(doc) for doc in built[:13]}) == 1


def test_the_design_id_distinguishes_contrasts():
    found = [
        docs(**chosen)[0]["design_id"]
        for chosen in (
            {},
            {"design": "paired"},
            {"design": "factorial"},
            {"variations": 3},
            {"neutral_variations": 2},
            {"design_seed": 1},
            {"setting": "persona"},
        )
    ]
    assert len(set(found)) == len(found)
    assert docs(neutral_variations=3, variations=10, shard="1/2")[0]["design_id"] == found[0]


def test_neutral_variations_change_the_neutral_prompts_and_nothing_else():
    kinds = {setting: docs(setting=setting) for setting in ("persona", "neutral", "persona-free")}
    fewer = {setting: docs(setting=setting, neutral_variations=3) for setting in kinds}
    assert fewer["persona"] == kinds["persona"]
    assert fewer["persona-free"] == kinds["persona-free"]
    rows = [list(dict.fromkeys(doc["row_id"] for doc in each["neutral"])) for each in (kinds, fewer)]
    assert rows[0] == rows[1]
    # The 14 rows of each of five classes, each with 3 prompts instead of 10.
    assert (len(fewer["neutral"]), len(kinds["neutral"])) == (70 * 3, 70 * 10)
    sample, asked = fewer["neutral"][0]["design_id"].split("-")
    # The first half of the ids says that the settings of a study can be compared.
    assert sample == kinds["persona"][0]["design_id"].split("-")[0]
    assert asked != kinds["neutral"][0]["design_id"].split("-")[1]
    # The number of persona prompts is no other design.
    assert docs(setting="neutral", neutral_variations=10)[0]["design_id"] == kinds["neutral"][0]["design_id"]


def test_neutral_variations_hold_for_independent_draws_too():
    assert len(docs(setting="neutral", design="iid", neutral_variations=3)) == 70 * 3


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"personas": ("woman", "man")}, "there are only 2 personas; set variations=2 or less, or design=paired"),
        ({"neutral_variations": 4}, "there are only 3 neutral phrases; set neutral_variations=3 or less"),
        ({"design": "factorial", "templates": ("p1", "p4")}, "no template is forced; add such a template"),
        ({"design": "paired", "variations": 4}, "has all 15 personas in each block, but variations=4"),
        (
            {"design": "balanced"},
            "design=balanced is a design of tasks such as persona_refusal_offensiveness, and this",
        ),
        ({"personas": ("neutral",)}, "are all neutral"),
        ({"shard": "1/99"}, "has only 70 texts"),
    ],
)
def test_a_contrast_that_cannot_be_built_says_why(chosen, message):
    with pytest.raises(InputError, match=message) as error:
        docs(**chosen)
    assert "\n" not in str(error.value)


def test_one_seed_gives_one_contrast_on_every_platform():
    # Recorded on Linux x86-64 with numpy 2.4; a platform or numpy that draws otherwise fails here.
    drawn = "".join(f"{doc['row_id']}{doc['persona']}{doc['template']}" for doc in docs("nli", rows_per_class=3))
    digest = hashlib.sha256(drawn.encode()).hexdigest()
    assert digest == "199c65fb6e297b19f2e8ed616c3a4ef2c77b9e9114070c5885d118fe3c118c0d"
