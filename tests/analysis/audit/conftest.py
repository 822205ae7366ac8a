import pandas as pd
import pytest

REFUSES, ANSWERS = "I'm sorry, but I cannot help with that.", "It is a polite remark."


def long_table(refused, n_texts=100, baseline="a person"):
    """Make answers about texts: a condition refuses the first of them, as many as `refused` says."""
    rows = [
        {"text_id": text, "persona": persona, "response": REFUSES if text < n else ANSWERS}
        for persona, n in {baseline: 0, **refused}.items()
        for text in range(n_texts)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def make_table():
    return long_table


@pytest.fixture
def write_table(tmp_path):
    """Write a table as CSV and return its path."""

    def write(table, name="answers.csv", **options):
        path = tmp_path / name
        table.to_csv(path, index=False, **options)
        return path

    return write
