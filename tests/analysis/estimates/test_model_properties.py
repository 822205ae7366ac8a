"""Properties of models: those of the paper's, and files that can be used or not."""

import pytest
from refusal_metrics.analysis.estimates.model_properties import look_up, read_properties

from refusal_metrics.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "models.csv"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_dates_are_years(written):
    table = read_properties("released", written("model,family,released\na,f,2024-01-01\nb,f,2023-07-02\n"))
    # 2 July is day 182 after New Year's Day.
    assert table["value"].tolist() == pytest.approx([2024, 2023 + 182 / 365.25])


def test_the_papers_models_are_known_by_their_hub_names_too():
    found, notes = look_up(["Llama2-7B", "meta-llama/Llama-2-7b-chat-hf", "mine"], "parameters_b")
    assert found["Llama2-7B"] == found["meta-llama/Llama-2-7b-chat-hf"] == ("Llama", 7.0)
    unknown = "the table of the paper's models has no family and parameters_b of it; give --models FILE."
    assert notes == [f"mine left out of what goes by parameters_b: {unknown}"]


def test_a_file_knows_models_by_the_names_of_the_results_only(written):
    file = written("model,family,size\nLlama2-7B,f,1\n")
    found, notes = look_up(["Llama2-7B", "meta-llama/Llama-2-7b-chat-hf"], "size", file)
    assert found == {"Llama2-7B": ("f", 1.0)}
    unknown = f"{file} has no family and size of it; give --models FILE."
    assert notes == [f"meta-llama/Llama-2-7b-chat-hf left out of what goes by size: {unknown}"]


def test_a_few_models_are_named_and_the_others_counted():
    _, notes = look_up([f"m{i}" for i in range(8)], "released")
    assert notes[0].startswith("m0, m1, m2, m3, m4 and 3 more left out of what goes by released: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model,family\nm,f\n", r"unknown column in .*models.csv 'size': allowed are model, family"),
        ("family,size\nf,1\n", r"unknown column in .*models.csv 'model'"),
        ("model,family,size\nm,f,big\n", r"size contains 'big'; give numbers, or dates as 2024-07-31"),
        ("model,family,size\nm,f,1\nm,f,2\n", r"more than one row for m; give one row a model"),
        ("", r"cannot be read as CSV \(No columns to parse from file\)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(written, text, says):
    with pytest.raises(InputError, match=says) as caught:
        read_properties("size", written(text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone.csv: cannot be read as CSV \(No such file or directory\)"):
        read_properties("size", tmp_path / "gone.csv")
