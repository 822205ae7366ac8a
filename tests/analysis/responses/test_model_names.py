"""What models are called, however they were given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusal_metrics.analysis.responses.model_names import name_model, name_models


@pytest.mark.parametrize(
    ("given_as", "name"),
    [
        ("gpt-4o", "gpt-4o"),
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-chat-hf"),
        ("openai/gpt-4o:free", "openai/gpt-4o:free"),
        # It has the form of ORGANISATION/NAME, and nothing in it says otherwise.
        ("models/foo", "models/foo"),
        ("./models/foo", "foo"),
        ("models/deeper/foo", "foo"),
        ("../x", "x"),
        ("../../runs/x", "x"),
        ("/abs/y", "y"),
        ("/abs/y/", "y"),
        ("/y", "y"),
        ("~/z", "z"),
        ("./foo", "foo"),
        ("s3://bucket/models/foo", "foo"),
        ("accounts/fireworks/models/llama-v3", "llama-v3"),
        (r"C:\models\foo", "foo"),
        ("C:/foo", "foo"),
        (r".\foo", "foo"),
        (r"models\foo", "foo"),
        (r"\\server\share\foo", "foo"),
        (".", "."),
        ("..", ".."),
        ("/", "/"),
        ("", ""),
    ],
)
def test_a_path_goes_by_its_last_part_and_all_else_as_it_was_given(given_as, name):
    assert name_model(given_as) == name
    assert name_models([given_as]) == {given_as: name}


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (("acme/a__b", "acme__a/b"), ("acme/a__b", "acme__a/b")),
        (("/x/parrot", "acme/parrot"), ("parrot", "acme/parrot")),
        (("/x/parrot", "parrot"), ("x/parrot", "parrot")),
        (("/home/me/a/model", "/home/me/b/model"), ("a/model", "b/model")),
        (("/a/x/model", "/b/x/model", "/b/y/model"), ("a/x/model", "b/x/model", "y/model")),
        (("/x/parrot", "/y/parrot", "x/parrot"), ("/x/parrot", "y/parrot", "x/parrot")),
        ((r"C:\a\model", "/b/model"), ("a/model", "b/model")),
        (("./model", "model"), ("./model", "model")),
        (("../model", "./model"), ("../model", "./model")),
    ],
)
def test_of_two_with_one_last_part_each_goes_by_the_shortest_end_that_is_its_own(models, names):
    assert tuple(name_models(models).values()) == names
    assert name_models(reversed(models)) == dict(zip(models, names, strict=True))


@given(st.sets(st.text(alphabet="ab/.~\\", max_size=8), max_size=6))
def test_no_two_models_go_by_one_name_and_no_name_is_empty(models):
    names = name_models(models)
    assert names.keys() == models
    assert len({*names.values()}) == len(models)
    assert all(names[model] for model in models if model)
