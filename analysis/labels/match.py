"""Labels compared with the responses that they are of: whether they are of the same answers."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from refusal_metrics.errors import InputError

from ..display import plain
from ..responses import Responses, find_answers, has_item_ids
from .read import Labels

# What programs add, drop or replace in a text that they show or keep: marks without a form, and those in their place.
_FORMLESS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]+")
_LONGEST_CELL = 32_000
"""Characters up to which a text surely was kept whole: spreadsheet programs cut it at 32,767."""


def check_texts(responses: Responses, labels: Labels) -> tuple[Labels, tuple[str, ...]]:
    """Leave out labels that are of other answers than the responses they are matched with.

    Model, design and index say to which prompt a label belongs. A model that was run again answers the same prompts
    otherwise, and labels of its earlier answers say nothing of the later ones.

    Parameters
    ----------
    responses : Responses
    labels : Labels

    Returns
    -------
    labels : Labels
        Those of other answers are in ``left_out``, with ``label`` None.
    notes : tuple of str
        How many these are, or that nothing could be checked because there are no texts on one side.

    Raises
    ------
    InputError
        If most of the labels of these prompts are of other answers.
    """
    if labels.items.empty or not has_item_ids(responses):
        return labels, ()
    ids = labels.items["item_id"].tolist()
    labelled = labels.items.get("response", pd.Series([""] * len(ids), dtype=object)).tolist()
    # A column of nothing but empty texts is one that was left out.
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
    """Leave out what programs change in a text: white space, formless marks, the apostrophe before a formula."""
    return " ".join(_FORMLESS.sub("", text).split()).lstrip("'")


def _excerpt(text: str) -> str:
    line = plain(text)
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
