"""Whether labels belong to the responses that they are matched with."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ..display import plain
from ..responses import Responses, find_answers, has_item_ids
from .read import Labels

# Characters that programs add, drop or replace in a text: invisible marks, and their replacements.
_FORMLESS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]+")
_LONGEST_CELL = 32_000
"""The length up to which a text was certainly kept whole: spreadsheet programs cut it at 32,767."""


def check_texts(responses: Responses, labels: Labels) -> tuple[Labels, tuple[str, ...]]:
    """Leave out labels that belong to other answers than the matched responses.

    Model, design and index identify the prompt of a label. If the model was run again, its answers to the same prompts
    differ, and labels of the earlier answers do not apply to the later ones.

    Parameters
    ----------
    responses : Responses
    labels : Labels

    Returns
    -------
    labels : Labels
        Those of other answers are in ``left_out``, with ``label`` None.
    notes : tuple of str
        The number of these, or that nothing could be checked because one side has no texts.

    Raises
    ------
    InputError
        If most of the labels of these prompts are of other answers.
    """
    if labels.items.empty or not has_item_ids(responses):
        return labels, ()
    ids = labels.items["item_id"].tolist()
    labelled = labels.items.get("response", pd.Series([""] * len(ids), dtype=object)).tolist()
    # A column of empty texts counts as missing.
    has_texts = any(labelled) and "response" in responses.columns
    answers = find_answers(responses, ids, texts=has_texts)
    if not has_texts:
        lack = "it has no texts of responses" if not any(labelled) else "the responses given have no texts"
        unverified = f"{labels.path}: {lack}, so it is not verified that its labels are of these answers."
        return labels, (unverified,) * bool(answers)
    other = np.array(
        [
            item in answers and not any(_is_same(text, answer) for answer in answers[item])
            for item, text in zip(ids, labelled, strict=True)
        ]
    )
    n_other, n_found = int(other.sum()), len(answers)
    if not n_other:
        return labels, ()
    if n_other > n_found / 2:
        first = int(np.argmax(other))
        raise InputError(
            f"{labels.path}: {n_other:,} of the {n_found:,} labels of these prompts are of other answers to them: item "
            f"{plain(labels.items['id'][first])[:40]} was labelled on {_excerpt(labelled[first])}, and the response "
            f"here is {_excerpt(answers[ids[first]][0])}; give the results that the labels were drawn from, or label "
            "these"
        )
    note = f"{labels.path}: {n_other:,} label{'s' * (n_other != 1)} of other answers to these prompts left out."
    lost = labels.items[other].assign(label=None)
    return (
        replace(
            labels,
            items=labels.items[~other].reset_index(drop=True),
            left_out=pd.concat([labels.left_out, lost], ignore_index=True) if len(labels.left_out) else lost,
        ),
        (note,),
    )


def _is_same(labelled: str, answer: str) -> bool:
    if labelled == answer:
        return True
    one, other = _bare(labelled), _bare(answer)
    return one == other or (len(labelled) >= _LONGEST_CELL and bool(one) and other.startswith(one))


def _bare(text: str) -> str:
    """Remove what programs change in a text: white space, invisible marks, the apostrophe before a formula."""
    return " ".join(_FORMLESS.sub("", text).split()).lstrip("'")


def _excerpt(text: str) -> str:
    line = plain(text)
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
