"""Names of tasks and personas where people read, and ids in files."""

import re

import pandas as pd
import pytest
from refusal_metrics.analysis.columns import TASKS, name_level
from refusal_metrics.analysis.display.levels import name_levels
from refusal_metrics.analysis.display.spreadsheets import to_csv
from refusal_metrics.analysis.display.tables import readable

from refusal_metrics.prompts import load_design


@pytest.mark.parametrize("persona", load_design().personas, ids=lambda persona: persona.id)
def test_every_persona_of_the_package_has_a_name_for_people(persona):
    # The noun phrase without "person", its first letter a capital: "a non-binary person" is "Non-binary".
    assert re.fullmatch(r"[A-Z][A-Za-z -]*", name_level("persona", persona.id))
    assert name_level("persona", persona.id).lower() in persona.noun_phrase.lower()


def test_names_are_distinct():
    personas = [persona.id for persona in load_design().personas]
    assert len({name_level("persona", persona) for persona in personas}) == len(personas)
    assert len({name_level("task", task) for task in TASKS}) == len(TASKS)


def test_other_names_and_levels_of_other_factors_stay():
    assert name_level("persona", "my_uncle") == "my_uncle"
    assert name_level("model", "nli") == "nli"
    # Two levels for one factor are no pair.
    assert name_level("persona", "black:nli") == "black:nli"


def test_a_missing_level_stays_missing():
    table = name_levels(pd.DataFrame({"task": ["nli", ""], "persona": ["woman", None], "n": [1, 2]}))
    assert table["task"].tolist() == ["NLI", ""]
    assert table["persona"].isna().tolist() == [False, True]


def test_people_read_names_and_files_have_ids():
    table = pd.DataFrame({"task": ["nli"], "persona": ["non_binary"], "estimate": [0.5]})
    assert readable(table)[["task", "persona"]].to_numpy().tolist() == [["NLI", "Non-binary"]]
    assert to_csv(table).splitlines()[1] == "nli,non_binary,0.5"
