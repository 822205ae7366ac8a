"""What is recorded of a model's arguments: a list of what is allowed."""

import pytest

from refusal_metrics.studies.model_args import SECRET, harmless, is_secret, left_out, place_of, recordable

SECRETS = [
    *("api_key", "api-key", "apikey", "API_KEY", "OPENAI_API_KEY", "x-api-key", "Ocp-Apim-Subscription-Key", "key"),
    *("token", "tokens", "hf_token", "auth_token", "azure_ad_token", "access-token", "accesstoken", "bearer_token"),
    *("use_auth_token", "id_token", "refresh_token", "bearer", "cookie", "cookies", "Set-Cookie", "header", "headers"),
    *("default_headers", "extra_headers", "password", "passwd", "passphrase", "pwd", "db_pwd", "pw", "secret"),
    *("client_secret", "credentials", "session", "session_id", "signature", "sig", "private_key", "ssh_key"),
    *("account_key", "aws_access_key_id", "aws_secret_access_key", "connection_string", "http_proxy", "proxies", "env"),
    *("jwt", "pat", "authorization"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_called_like_a_key_is_a_secret_and_is_left_out(name):
    assert is_secret(name)
    assert SECRET.search(name)
    assert harmless({name: "x"}) == {}
    assert left_out({name: "x"}) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("pretrained", "revision", "dtype", "max_model_len", "max-model-len", "think_end_token", "add_bos_token"),
        *(
            "max_new_tokens",
            "max_tokens",
            "tokenizer",
            "tokenized_requests",
            "prefix_token_id",
            "top_k",
            "num_concurrent",
        ),
        *("trust_remote_code", "enforce_eager", "gguf_file", "chat_template_args", "reasoning_effort", "DTYPE"),
    ],
)
def test_what_answers_depend_on_is_recorded(name):
    assert recordable(name)
    assert not is_secret(name)
    assert harmless({name: "x"}) == {name: "x"}
    assert left_out({name: "x"}) == []


@pytest.mark.parametrize("name", ["what_is_this", "monkey", "prompt_prefix", "organization", "user", "x" * 500, ""])
def test_what_is_not_known_is_left_out_and_named(name):
    assert not recordable(name)
    assert harmless({name: "x", "dtype": "auto"}) == {"dtype": "auto"}
    assert left_out({name: "x", "dtype": "auto"}) == [name]


def test_nested_arguments_are_recorded_by_the_same_list():
    args = {
        "model_kwargs": {"token": "s", "dtype": "x", "deep": {"a": 1}},
        "chat_template_args": {"enable_thinking": False, "bearer": "s"},
        "hf_overrides": {"rope_scaling": {"factor": 2.0, "cookie": "s"}},
    }
    assert harmless(args) == {
        "model_kwargs": {"dtype": "x"},
        "chat_template_args": {"enable_thinking": False},
        "hf_overrides": {"rope_scaling": {"factor": 2.0}},
    }
    assert left_out(args) == [
        *("chat_template_args.bearer", "hf_overrides.rope_scaling.cookie", "model_kwargs.deep", "model_kwargs.token")
    ]


@pytest.mark.parametrize(
    "value",
    [
        "sk-" + "a1B2" * 8,
        "hf_" + "aB3" * 10,
        "ghp_" + "a" * 36,
        "AKIA" + "A1" * 8,
        "Bearer abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
    ],
)
def test_a_key_is_left_out_whatever_it_is_called(value):
    assert harmless({"tokenizer": value, "stop": ["x", value]}) == {"stop": ["x"]}
    assert left_out({"tokenizer": value}) == ["tokenizer"]


@pytest.mark.parametrize("value", ["hf-internal-testing/tiny-random-gpt2", "sk-learn/model", "acme/parrot", "r8-large"])
def test_the_name_of_a_model_is_no_key(value):
    assert harmless({"pretrained": value}) == {"pretrained": value}


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://host/v1", "https://host/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1/chat/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://me:pw@host/v1", "https://host/v1"),
        ("https://pw@host/v1", "https://host/v1"),
        ("https://host/v1?api_key=s", "https://host/v1"),
        ("https://host/v1#s", "https://host/v1"),
        ("https://host/v1?a=b#s", "https://host/v1"),
        ("HTTPS://me:pw@host", "HTTPS://host"),
        ("//me:pw@host/v1", "//host/v1"),
        ("me:pw@host:80/v1?x=s", "host:80/v1"),
        ("postgres+x://me:pw@host/db", "postgres+x://host/db"),
        ("https://host/@cf/meta/llama", "https://host/@cf/meta/llama"),
        # An @, slash or question mark in a password should have been encoded: nothing of it may be left.
        ("https://me:p@w@host/v1", "https://host/v1"),
        ("https://me:p/w@host/v1", "https://***"),
        ("https://me:p?w@host/v1", "https://***"),
        ("", ""),
    ],
)
def test_of_an_address_the_place_is_recorded(address, place):
    assert place_of(address) == place
    assert harmless({"base_url": address}) == {"base_url": place}
    assert harmless({"base_url": [address]}) == {"base_url": [place]}
