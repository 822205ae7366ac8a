"""Small studies as rows of responses, by hand and at random."""

from hypothesis import strategies as st


def responses(refused_of, **levels):
    """Make the responses of one cell from {text: (refused, asked)}."""
    return [
        {"model": "m", "task": "nli", "setting": "persona", "persona": None, "text_id": text, "refused": i < k} | levels
        for text, (k, n) in refused_of.items()
        for i in range(n)
    ]


def study(neutral=None, **personas):
    """Make the responses of one model and task: {text: (refused, asked)} by persona, and of the neutral setting."""
    rows = [row for persona, cell in personas.items() for row in responses(cell, persona=persona)]
    return rows + (responses(neutral, setting="neutral", persona="person") if neutral else [])


def only_row(table):
    assert len(table) == 1
    return table.iloc[0]


cell = st.dictionaries(
    st.sampled_from("abcd"), st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1
)
studies = st.builds(study, woman=cell, black=cell, neutral=cell)
