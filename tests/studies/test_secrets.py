"""Secrets in texts of others, in each form in which they travel."""

import base64
import json
import time
import urllib.parse

import pytest

from refusal_metrics.studies.secrets import Redactor, redactor_of

PASSWORD, QUERY, KEY = "pA/ss+w:rd&1", "q=9/Z_x-77", "sk-Ab1/Cd2+Ef3=Gh4"
ARGS = {
    "model": "m-large",
    "base_url": [
        f"https://me:{urllib.parse.quote(PASSWORD, safe='')}@host/v1?api_key={urllib.parse.quote(QUERY, safe='')}"
    ],
    "header": {"Authorization": f"Bearer {KEY}", "X-Team": "team-blue"},
    "pwd": "hunter",
    "unknown_number": 12,
    "unknown_id": "Id-12345678",
    "unknown_word": "offensive text",
}
SECRETS = (PASSWORD, QUERY, KEY, "hunter", "Id-12345678", "team-blue")


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def redactor():
    return redactor_of([ARGS], {"OPENAI_API_KEY": "env-KEY-0001", "HOME": "/root/home", "AZURE_REGION": "northeurope"})


@pytest.mark.parametrize("secret", [*SECRETS, "env-KEY-0001"])
@pytest.mark.parametrize(
    "form",
    [
        str,
        repr,
        json.dumps,
        lambda s: json.dumps(json.dumps({"key": s})),
        urllib.parse.quote,
        lambda s: urllib.parse.quote(s, safe=""),
        lambda s: urllib.parse.quote(s, safe="").lower(),
        urllib.parse.quote_plus,
        lambda s: f"url='https://host/v1?x={urllib.parse.quote(s, safe='')}&y=2'",
        str.upper,
        str.lower,
        lambda s: s.encode().hex(),
        lambda s: f"\x1b[31m{s}\x1b[0m",
        lambda s: f"ÄÖ İ \u017f {s} ﬁ",
        lambda s: s * 3,
        lambda s: f"Bearer {s}",
    ],
)
def test_a_secret_is_hidden_in_any_form(redactor, secret, form):
    clean = redactor.clean(f"before {form(secret)} after")
    assert "***" in clean
    assert clean.startswith("before ")
    for shown in (secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex()):
        assert shown.lower() not in clean.lower()


@pytest.mark.parametrize("secret", [PASSWORD, KEY, "Id-12345678", "env-KEY-0001"])
@pytest.mark.parametrize("before", ["", "a", "ab", "me:", "user name:", "Bearer "])
@pytest.mark.parametrize("after", ["", "!", "xy"])
def test_a_secret_is_hidden_in_base64_whatever_stands_around_it(redactor, secret, before, after):
    coded = b64(before + secret + after)
    # Of each end of the secret, a character shares its place with what stands beside it.
    assert len(redactor.clean(coded)) <= len(coded) - len(secret) * 4 // 3 + 2 + len("***")


@pytest.mark.parametrize("n", [8, 10, 15])
def test_a_secret_that_was_cut_off_is_hidden_from_8_characters_on(redactor, n):
    assert redactor.clean(f"wrong key: {KEY[:n]}...") == "wrong key: ***..."


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh123",
        '"authorization": "Basic YWJjOmRlZg=="',
        "url=https://other/v1?api_key=abcdefgh&x=1",
        "url=https://other/v1?x=1&token=abcdefgh",
        "postgres://me:abcdefgh@db/x",
        "sk-abcdefghabcdefghabcdefgh",
        "hf_abcdefghabcdefghabcdefgh",
    ],
)
def test_what_looks_like_a_key_is_hidden_though_nobody_named_it(text):
    clean = redactor_of([], {}).clean(text)
    assert "***" in clean
    assert "abcdefgh" not in clean
    assert "YWJj" not in clean


@pytest.mark.parametrize(
    "text",
    [
        "there are no weights of that name",
        "Cannot connect to host localhost:8000 [Connect call failed]",
        "offensive text, northeurope, /root/home, m-large, 12 of 100",
        "https://host/v1/chat/completions",
        "the basic problem; the bearer of bad news",
        "risk-averse task-list",
        "",
        "😀 \ud800 \x00",
    ],
)
def test_everything_else_stays_as_it_is(redactor, text):
    assert redactor.clean(text) == text


def test_bytes_that_are_no_text_stay_as_they_are(redactor):
    assert redactor.clean_lines(b"\xff\xfe " + KEY.encode() + b" \x80") == b"\xff\xfe *** \x80"


@pytest.mark.parametrize("secret", ["", "a", "12345", "*" * 20, "Bearer", "localhost"])
def test_what_is_too_short_or_a_word_of_the_protocol_is_no_secret(secret):
    text = f"x {secret} y"
    assert Redactor([secret]).clean(text) == text


@pytest.mark.parametrize("text", ["authorization:" + " " * 200_000, "bearer " * 30_000, "a" * 300_000, "?key" * 50_000])
def test_long_texts_take_no_longer_than_they_are(redactor, text):
    began = time.process_time()
    redactor.clean(text)
    # Milliseconds; what grows with the square takes minutes.
    assert time.process_time() - began < 10


def test_in_answers_only_known_keys_are_hidden_and_no_words():
    answers = redactor_of([{"header": {"X-Key": KEY}, "password": "correct horse"}], {}, words=False)
    text = f'{{"content": "Bearer abcdefgh is a header, correct horse; {KEY}"}}'
    assert answers.hide(text) == '{"content": "Bearer abcdefgh is a header, correct horse; ***"}'
