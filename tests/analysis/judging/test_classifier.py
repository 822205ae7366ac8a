"""A classifier, as a tiny random model: no download, and the same verdicts as the library's own call."""

import builtins

import pytest
from refusal_metrics.analysis.judging.classifier import read_label_map
from refusal_metrics.analysis.judging.registry import make_detector
from refusal_metrics.analysis.responses import DetectorOptions, Item

from refusal_metrics.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra hf")
transformers = pytest.importorskip("transformers", reason="needs the extra hf")

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "i",
    "am",
    "sorry",
    "no",
    "yes",
    "offensive",
    "not",
    "polite",
    ".",
]
MAP = "LABEL_0=answer,LABEL_1=refusal,LABEL_2=other"
RESPONSES = [
    "I am sorry.",
    "no",
    "yes yes yes.",
    "not offensive",
    "polite. " * 5,
    "?",
    "i",
    "sorry sorry",
    "am not",
] * 3


def save_model(folder, labels=None, n_labels=3, seed=4):
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    names = dict(enumerate(labels)) if labels else {i: f"LABEL_{i}" for i in range(n_labels)}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=32, id2label=names, initializer_range=1.0, **sizes
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "tiny-refusals")


def detector(model, **options):
    return make_detector(f"hf:{model}", DetectorOptions(**{"label_map": MAP} | options))


def labels_of(model, *texts):
    """Ask the library for the label of each text alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(model).eval()
    with torch.no_grad():
        return [
            network.config.id2label[
                network(**tokenizer(*text, return_tensors="pt", truncation=True, max_length=32)).logits.argmax().item()
            ]
            for text in texts
        ]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_verdicts_are_the_labels_of_the_librarys_own_call_whatever_the_batches(model, batch_size):
    verdicts = detector(model, batch_size=batch_size).detect([Item(response) for response in RESPONSES])
    labels = labels_of(model, *((response,) for response in RESPONSES))
    assert len(set(labels)) > 1  # else nothing is shown
    meanings = {"LABEL_0": "answer", "LABEL_1": "refusal", "LABEL_2": "other"}
    assert [verdict.outcome for verdict in verdicts] == [meanings[label] for label in labels]
    assert [verdict.rule for verdict in verdicts] == [f"hf:tiny-refusals:{label}" for label in labels]
    assert {verdict.causes for verdict in verdicts if verdict.refused} <= {("unknown",)}


def test_with_pair_the_prompt_is_read_before_the_response(model):
    pairs = [("no yes", response) for response in RESPONSES] + [("sorry . .", response) for response in RESPONSES]
    verdicts = detector(model, pair=True).detect([Item(response, prompt=prompt) for prompt, response in pairs])
    labels = labels_of(model, *pairs)
    assert [verdict.rule.rpartition(":")[2] for verdict in verdicts] == labels
    assert labels != labels_of(model, *((response,) for _, response in pairs))  # the prompt does matter


def test_with_pair_a_missing_prompt_is_refused(model):
    with pytest.raises(InputError, match="--pair"):
        detector(model, pair=True).detect([Item("no", prompt="yes"), Item("no")])


@pytest.mark.parametrize("response", [None, "", " \n"])
def test_an_empty_response_is_empty_without_asking_the_model(model, response):
    asking = detector(model)
    asking._network = None
    assert [verdict.outcome for verdict in asking.detect([Item(response)])] == ["empty"]


def test_a_response_that_is_too_long_is_judged_by_its_beginning_and_counted(model):
    long = "yes " * 100
    asking = detector(model)
    assert asking.detect([Item(long), Item("no")])[0].rule.endswith(labels_of(model, (long,))[0])
    assert asking.remarks() == [f"1 response longer than the 32 tokens that hf:{model} takes; the rest was ignored."]


@pytest.mark.parametrize("response", ["x" * 100_000, "a\0b\x1b[31m", "🙂", "\u202e no"])
def test_any_response_has_a_verdict(model, response):
    assert detector(model).detect([Item(response)])[0] is not None


def test_scores_that_are_no_numbers_give_no_verdict_and_are_counted(model):
    asking = detector(model)
    with torch.no_grad():
        asking._network.classifier.bias.fill_(float("nan"))
    assert asking.detect([Item("no"), Item("")])[0] is None
    assert asking.remarks() == ["1 response unscored: the model's scores are not numbers."]


def test_labels_that_are_the_words_themselves_need_no_map(tmp_path):
    named = save_model(tmp_path / "named", ["Answer", "REFUSAL"])
    verdicts = make_detector(f"hf:{named}").detect([Item(response) for response in RESPONSES])
    labels = labels_of(named, *((response,) for response in RESPONSES))
    assert [verdict.outcome for verdict in verdicts] == [label.lower() for label in labels]


def test_a_model_of_one_score_is_refused(tmp_path):
    with pytest.raises(InputError, match="single score"):
        detector(save_model(tmp_path / "one", n_labels=1))


def test_a_detector_goes_by_the_name_of_its_folder(model):
    assert detector(model).name == "hf_tiny_refusals"


@pytest.mark.parametrize(
    ("label_map", "says"),
    [
        ("", "LABEL_0, LABEL_1.*--label-map"),
        ("LABEL_1=refusal", "LABEL_0 has no meaning"),
        ("LABEL_0=answer,LABEL_1=other", "none means refusal"),
        ("LABEL_0=answer,LABEL_1=refusal,LABEL_2=other", "unknown label.*'LABEL_2'"),
        ("LABEL_0=answer,label_1=refusal", "did you mean 'LABEL_1'"),
        ("LABEL_0=answer,LABEL_1=refuse", "'LABEL_1=refuse' is not of the form"),
        ("LABEL_0", "is not of the form"),
        ("=refusal", "is not of the form"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_with_the_models_labels(label_map, says):
    with pytest.raises(InputError, match=says) as error:
        read_label_map(label_map, ["LABEL_0", "LABEL_1"], "m")
    assert "LABEL_1" in str(error.value)


def test_a_map_may_be_spaced_and_a_label_may_hold_an_equals_sign():
    assert read_label_map(" a=b = Refusal , c=answer", ["a=b", "c"], "m") == {"a=b": "refusal", "c": "answer"}


def test_a_model_that_was_never_trained_to_classify_is_refused(tmp_path, model):
    headless = tmp_path / "headless"
    transformers.BertModel.from_pretrained(model).save_pretrained(headless)
    transformers.AutoTokenizer.from_pretrained(model).save_pretrained(headless)
    with pytest.raises(InputError, match=r"not a trained text classifier.*classifier"):
        make_detector(f"hf:{headless}", DetectorOptions(label_map="LABEL_0=answer,LABEL_1=refusal"))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be loaded as a text classifier"):
        make_detector(f"hf:{tmp_path}")


def test_no_name_is_refused():
    with pytest.raises(InputError, match="does not name a model"):
        make_detector("hf:")


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    found = builtins.__import__

    def find(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", find)
    with pytest.raises(InputError, match=r'pip install "persona-refusal\[hf\]"'):
        make_detector("hf:x")
