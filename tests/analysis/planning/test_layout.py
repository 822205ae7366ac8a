"""How many prompts a planned study puts to each text, against the prompts that a study really has."""

import numpy as np
import pytest
from refusal_metrics.analysis.planning import Layout, Size, Source, lay_out, load_source

from refusal_metrics.docs import build_docs
from refusal_metrics.errors import InputError

LABELS = {"nli": ["a", "b", "c"], "politeness": ["a", "b"], "offensiveness": ["a", "b"]}


def rows_rng(seed):
    """The generator with which a study draws its rows, see `refusal_metrics.docs`."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[0])


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Texts that were rated one to five times, so that some rows share a text and its pool of prompts."""
    rng = np.random.default_rng(5)
    file = tmp_path_factory.mktemp("texts") / "texts.csv"
    rows = [f"text {g},{1 + (g + i) % 5}" for g in range(120) for i in range(rng.integers(1, 6))]
    file.write_text("text,label\n" + "\n".join(rows) + "\n")
    return str(file)


@pytest.mark.parametrize(("kind", "rows"), [("nli", 3), ("politeness", 2), ("offensiveness", 3)])
@pytest.mark.parametrize("personas", [None, ["black", "white"]])
def test_a_layout_has_the_prompts_of_the_study(kind, rows, personas):
    settings = {"source": "sample", "rows_per_class": rows} | ({"personas": personas} if personas else {})
    check_counts(kind, settings, rows, 10)


@pytest.mark.parametrize("variations", [5, 10, 40])
def test_rows_of_a_text_share_its_pool(several, variations):
    settings = {"source": several, "rows_per_class": 40, "variations": variations}
    check_counts("offensiveness", settings, 40, variations)


def check_counts(kind, settings, rows, variations):
    """Compare the prompts of each text, in the order of their numbers, with those of the docs."""
    layout = lay_out("balanced", load_source(kind, settings), Size(rows, variations), rows_rng(0))
    for setting, planned in (("persona", layout.n.sum(axis=1)), ("neutral", layout.n_baseline)):
        docs = build_docs(kind=kind, labels=LABELS[kind], setting=setting, **settings)["test"].to_pandas()
        assert sorted(planned) == sorted(docs.groupby("text_id").size())
        assert planned.sum() == len(docs)


def test_personas_are_dealt_as_evenly_as_in_the_study(several):
    # What decides the power is the sum of the weights n_x n_0 / (n_x + n_0) over texts. Personas come from a deck of
    # the class here and by the sampler's balance there, which agree within 2%.
    settings = {"source": several, "rows_per_class": 40}
    layout = lay_out("balanced", load_source("offensiveness", settings), Size(40, 10), rows_rng(0))
    assert np.ptp(layout.n.sum(axis=0)) <= 5  # one for each class
    docs = {
        setting: build_docs(kind="offensiveness", labels=["a", "b"], setting=setting, **settings)["test"].to_pandas()
        for setting in ("persona", "neutral")
    }
    n = docs["persona"].groupby(["text_id", "persona"]).size().unstack(fill_value=0)
    n0 = docs["neutral"].groupby("text_id").size().loc[n.index].to_numpy()[:, None]
    real = (n * n0 / (n + n0)).to_numpy()
    assert layout.weights.sum() == pytest.approx(real.sum(), rel=0.02)
    assert (layout.weights**2).sum() == pytest.approx((real**2).sum(), rel=0.05)


@pytest.mark.parametrize(
    ("design", "size", "people"),
    [
        ("anchored", Size(30, 10, 3), None),
        ("anchored", Size(10, 4, 2), None),
        ("paired", Size(30, 15, 3), None),
        ("paired", Size(50, 2, 1), ["black", "white"]),
        ("factorial", Size(8, 15, 2), None),
    ],
)
def test_blocks_are_those_of_the_contrast_task(several, design, size, people):
    settings = {"source": several, "design": design, **size.as_settings()} | ({"personas": people} if people else {})
    docs = build_docs(kind="offensiveness", labels=LABELS["offensiveness"], setting="contrast", **settings)["test"]
    docs = docs.to_pandas()
    layout = lay_out(design, load_source("offensiveness", settings, "contrast"), size, rows_rng(0))
    assert layout.n_texts == docs["text_id"].nunique()
    assert layout.n_prompts == len(docs)
    real = docs.assign(neutral=docs["setting"] == "neutral").groupby("block")["neutral"].agg(["size", "sum"])
    assert len(layout.n) == len(real)
    # All blocks are alike: so many different personas, and so many neutral phrases.
    assert set(layout.n.sum(axis=1)) == set(real["size"] - real["sum"])
    assert set(layout.n_baseline) == set(real["sum"])
    assert layout.n.max() == 1
    # Personas are dealt as evenly: within each of 5 classes their counts differ by at most 1.
    count = docs.loc[docs["setting"] == "persona", "persona"].value_counts()
    assert np.ptp(count) <= 5
    assert np.ptp(layout.n.sum(axis=0)) <= 5
    assert layout.weights.sum() == pytest.approx(_weights(docs).sum())


def _weights(docs):
    """The weights n_x n_0 / (n_x + n_0) of personas in the blocks of docs."""
    of_persona = docs[docs["setting"] == "persona"].groupby(["block", "persona"]).size()
    neutral = docs[docs["setting"] == "neutral"].groupby("block").size()
    n0 = neutral.loc[of_persona.index.get_level_values("block")].to_numpy()
    return of_persona.to_numpy() * n0 / (of_persona.to_numpy() + n0)


def test_phrases_are_dealt_in_blocks_and_counted_by_persona():
    # Two personas with three and one phrases, and two neutral ones: all six in each block.
    text = np.arange(10)
    phrases = {"phrases": (3, 1), "neutral_phrases": (1, 1), "response_types": ("forced",)}
    source = Source("offensiveness", text, text, text % 5, 2, 2, 1, **phrases)
    layout = lay_out("paired", source, Size(1, 4, 2), np.random.default_rng(0))
    assert layout.n.tolist() == [[3, 1]] * 5
    assert layout.n_baseline.tolist() == [2] * 5


def test_blocks_of_a_text_add_up():
    layout = Layout(np.array([[1.0], [2.0], [4.0]]), np.ones(3), np.array([0, 0, 1]))
    assert layout.n_texts == 2
    assert layout.by_text(layout.n).tolist() == [[3], [4]]
    assert layout.by_text(layout.n[None], axis=1).tolist() == [[[3], [4]]]


def test_weights_by_hand():
    # One text with 2 prompts of a persona and 3 neutral ones: 2 * 3 / 5. A text without the persona has none.
    source = load_source("offensiveness", {"source": "sample", "personas": ["black"]})
    layout = lay_out("balanced", source, Size(1, 6), np.random.default_rng(0))
    assert layout.weights == pytest.approx(np.full((5, 1), 6 * 6 / 12))


def test_an_unknown_design_is_refused():
    source = load_source("offensiveness", {"source": "sample"})
    with pytest.raises(
        InputError, match="unknown design to plan 'iid': allowed are balanced, anchored, paired, factorial"
    ):
        lay_out("iid", source, Size(1, 10), np.random.default_rng(0))


def test_one_text_is_refused(tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("text,label\nonly,1\nonly,2\n")
    with pytest.raises(InputError, match="has only one text"):
        load_source("offensiveness", {"source": str(file)})


def test_neutral_prompts_can_be_fewer():
    source = load_source("politeness", {"source": "sample"})
    fewer, more = (lay_out("balanced", source, Size(2, 10, n), rows_rng(0)) for n in (3, None))
    assert fewer.n.tolist() == more.n.tolist()
    # Ten rows in different texts.
    assert fewer.n_baseline.sum() == 30
    assert more.n_baseline.sum() == 100
