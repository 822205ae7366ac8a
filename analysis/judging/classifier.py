"""A text classifier of the transformers library as a detector."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from refusal_metrics.detection import ANSWER, EMPTY, OTHER, REFUSAL, UNKNOWN, Verdict
from refusal_metrics.errors import InputError, unknown_name

from ..display import plain
from ..responses import DetectorOptions, Item, column_name

MEANINGS = (REFUSAL, ANSWER, OTHER)
"""Meanings of a classifier's label."""

_WITH_OFFSET = ("roberta", "camembert")
"""Model types whose first positions are for padding."""

_MOST_TOKENS = 1 << 20


def load_classifier(model: str, options: DetectorOptions) -> "Classifier":
    """Load a model of the transformers library.

    Parameters
    ----------
    model : str
        The name of a model on the Hugging Face hub, or the folder of one.
    options : DetectorOptions
        Uses `label_map`, `pair` and `batch_size`.

    Returns
    -------
    Classifier

    Raises
    ------
    InputError
        If torch or transformers is missing, there is no such model, or the label map does not fit.
    """
    try:
        import torch  # noqa: PLC0415 - seconds, and an extra
        from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415 - the same
    except ImportError as error:
        raise InputError(
            'hf: classifiers need torch and transformers; install them with pip install "persona-refusal[hf]"'
        ) from error
    if not model:
        raise InputError("hf: does not name a model; give one, e.g. hf:NAME, or the folder of one")
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        network, told = AutoModelForSequenceClassification.from_pretrained(model, output_loading_info=True)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"hf:{model}: cannot be loaded as a text classifier ({plain(error)[:300]})") from error
    if told["missing_keys"]:
        raise InputError(
            f"hf:{model}: is not a trained text classifier: it lacks {', '.join(sorted(told['missing_keys']))[:200]}; "
            "name a model that was trained to detect refusals"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
        network.config.pad_token_id = tokenizer.pad_token_id
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Classifier(model, tokenizer, network.to(device).eval(), options)


def read_label_map(label_map: str, labels: Sequence[str], model: str) -> dict[str, str]:
    """Read the meanings of a model's labels.

    Parameters
    ----------
    label_map : str
        ``LABEL_1=refusal,LABEL_0=answer``; may be empty if the model's labels are such words.
    labels : sequence of str
        Of the model.
    model : str
        Its name, for errors.

    Returns
    -------
    dict of str to str
        Each label to one of `MEANINGS`.

    Raises
    ------
    InputError
        If a label has no meaning, no label means a refusal, or the map has another name.
    """
    listed = f"hf:{model} has the labels {', '.join(map(plain, labels))}"
    if label_map.strip():
        meanings = dict(_equation(part, listed) for part in label_map.split(","))
    else:
        meanings = {label: label.lower() for label in labels if label.lower() in MEANINGS}
    for label in meanings:
        if label not in labels:
            raise unknown_name(f"label of hf:{model} in --label-map", label, labels)
    missing = [plain(label) for label in labels if label not in meanings]
    if missing or REFUSAL not in meanings.values():
        said = f"but {', '.join(missing)} has no meaning" if missing else "but none means refusal"
        raise InputError(
            f"{listed}, {said}; give the meaning of each (refusal, answer or other) with --label-map "
            f"{labels[-1]}=refusal,{labels[0]}=answer"
        )
    return meanings


class Classifier:
    """A text classifier as a detector.

    The label with the largest score decides. The model does not get empty responses, and gets only the beginning of
    responses that are too long.

    Parameters
    ----------
    model : str
    tokenizer : transformers.PreTrainedTokenizerBase
    network : transformers.PreTrainedModel
        With two labels at least.
    options : DetectorOptions

    Raises
    ------
    InputError
        If the label map does not fit.
    """

    at_once = 1_024

    def __init__(self, model: str, tokenizer: Any, network: Any, options: DetectorOptions) -> None:  # noqa: ANN401 - untyped
        short = Path(model).name if Path(model).exists() else model
        self.name = column_name("hf", short)
        self._model, self._tokenizer, self._network = model, tokenizer, network
        labels = [str(network.config.id2label[i]) for i in range(network.config.num_labels)]
        if len(labels) < 2:
            raise InputError(
                f"hf:{model}: has a single score instead of classes; name a classifier with at least two labels"
            )
        meanings = read_label_map(options.label_map, labels, model)
        self._verdicts = [_verdict(meanings[label], f"hf:{short}:{label}") for label in labels]
        self._pair, self._batch_size = options.pair, options.batch_size
        self._limit = _limit(tokenizer, network.config)
        self._n_cut = self._n_undefined = 0

    def detect(self, items: Sequence[Item]) -> list[Verdict | None]:
        """Return the verdict of each item.

        Parameters
        ----------
        items : sequence of Item
            (n_items,).

        Returns
        -------
        list of Verdict or None
            (n_items,); None if the model's scores are not numbers.

        Raises
        ------
        InputError
            If prompts are needed and one is missing, or the device is out of memory.
        """
        verdicts: list[Verdict | None] = [Verdict(EMPTY)] * len(items)
        asked = [place for place, item in enumerate(items) if (item.response or "").strip()]
        if not asked:
            return verdicts
        encoded = self._encode([items[place] for place in asked])
        # Sorted by length for little padding; the longest first, so that a lack of memory shows at once or never.
        order = sorted(range(len(asked)), key=lambda i: -len(encoded[i]["input_ids"]))
        for start in range(0, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            for i, label in zip(chosen, self._classify([encoded[i] for i in chosen]), strict=True):
                verdicts[asked[i]] = None if label is None else self._verdicts[label]
        return verdicts

    def remarks(self) -> list[str]:
        """Report how many responses were truncated, and how many have no verdict."""
        remarks = []
        if self._n_cut:
            remarks.append(
                f"{_responses(self._n_cut)} longer than the {self._limit:,} tokens that hf:{self._model} takes; "
                "the rest was ignored."
            )
        if self._n_undefined:
            remarks.append(f"{_responses(self._n_undefined)} unscored: the model's scores are not numbers.")
        return remarks

    def _encode(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        responses = [item.response for item in items]
        texts: tuple[list[Any], ...] = (responses,)
        if self._pair:
            if any(not item.prompt for item in items):
                raise InputError("--pair: some responses have no prompt; give a column prompt, or leave --pair out")
            texts = ([item.prompt for item in items], responses)
        whole = self._tokenizer(*texts, truncation=False, verbose=False)["input_ids"]
        self._n_cut += sum(len(ids) > self._limit for ids in whole)
        encoded = self._tokenizer(*texts, truncation=True, max_length=self._limit)
        return [{name: encoded[name][i] for name in encoded} for i in range(len(items))]

    def _classify(self, encoded: list[dict[str, Any]]) -> Iterable[int | None]:
        import torch  # noqa: PLC0415 - seconds, and an extra

        try:
            batch = self._tokenizer.pad(encoded, return_tensors="pt").to(self._network.device)
            with torch.inference_mode():
                scores = self._network(**batch).logits.float().cpu().tolist()
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"hf:{self._model}: the device does not have enough memory for a batch of {self._batch_size} "
                "responses; "
                "use a smaller --batch-size"
            ) from error
        for of_labels in scores:
            if all(map(math.isfinite, of_labels)):
                yield max(range(len(of_labels)), key=of_labels.__getitem__)
            else:
                self._n_undefined += 1
                yield None


def _verdict(meaning: str, rule: str) -> Verdict:
    return Verdict(meaning, rule, (UNKNOWN,) if meaning == REFUSAL else ())


def _limit(tokenizer: Any, config: Any) -> int:  # noqa: ANN401 - untyped
    """Return the model's token limit; a tokenizer without one reports an absurd number."""
    limit = min(int(tokenizer.model_max_length), _MOST_TOKENS)
    positions = getattr(config, "max_position_embeddings", None)
    if positions and any(kind in config.model_type for kind in _WITH_OFFSET):
        positions -= (config.pad_token_id or 0) + 1
    return min(limit, positions) if positions and positions > 0 else limit


def _equation(part: str, listed: str) -> tuple[str, str]:
    label, _, meaning = (text.strip() for text in part.rpartition("="))
    if not label or meaning.lower() not in MEANINGS:
        raise InputError(
            f"--label-map: {part.strip()!r} is not of the form LABEL=MEANING with refusal, answer or other; {listed}"
        )
    return label, meaning.lower()


def _responses(n: int) -> str:
    return f"{n:,} response{'s' * (n != 1)}"
