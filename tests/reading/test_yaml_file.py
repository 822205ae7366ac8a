"""YAML that a person wrote: plain, bounded, and refused in one sentence."""

import json
import tracemalloc
from itertools import pairwise

import pytest
import yaml

from refusal_metrics.errors import InputError
from refusal_metrics.reading import yaml_file
from refusal_metrics.reading.yaml_file import MOST_BYTES, MOST_DEPTH, MOST_VALUES, load_yaml


def load(tmp_path, content):
    path = tmp_path / "given.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return load_yaml(path, "the YAML file of a study")


def refusal(tmp_path, content):
    with pytest.raises(InputError) as caught:
        load(tmp_path, content)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/given.yaml: ")
    assert said.isprintable()
    assert len(said) < 400 + len(str(tmp_path))
    return said


def laughs(levels, width=9):
    """Lists of lists, each of the one before: width ** levels values of a few bytes."""
    names = [f"n{i}" for i in range(levels)]
    lines = [f"{names[0]}: &{names[0]} [{', '.join(['x'] * width)}]"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * width)}]")
    return "\n".join(lines)


def maps(levels):
    """The same of mappings, and merged."""
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}, z: *a{i - 1}}}" for i in range(1, levels)]
    return "\n".join(lines)


# Read as they were before.


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("a: 1\nb: [x, 2.5, true, null, '5']\n", {"a": 1, "b": ["x", 2.5, True, None, "5"]}),
        ("a: 2024-06-01\n", {"a": "2024-06-01"}),
        ("a: 2024-06-01T12:00:00Z\n", {"a": "2024-06-01T12:00:00Z"}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("", None),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ('a: "\\ud83d\\ude00"\n', {"a": "😀"}),
        ("a: 😀\n", {"a": "😀"}),
        ("a: !!str 5\n", {"a": "5"}),
        ("a: !!int '5'\n", {"a": 5}),
        ("a: 1_000\n", {"a": 1000}),
        ("a: '[red]%s{x}'\n", {"a": "[red]%s{x}"}),
        ('{"a": {"b": [1, 2]}}', {"a": {"b": [1, 2]}}),
        ("a: " + "[" * 20 + "]" * 20, None),
    ],
)
def test_plain_values_are_read(tmp_path, content, value):
    found = load(tmp_path, content)
    if value is not None or not content:
        assert found == value
    # JSON, which the record of a study is, has them all.
    json.dumps(found, allow_nan=False)


def test_a_file_of_a_hundred_personas_is_far_below_the_limit(tmp_path, monkeypatch):
    entries = [{"id": f"p{i}", "group": "g", "noun_phrase": f"person {i}", "article": "a"} for i in range(100)]
    monkeypatch.setattr(yaml_file, "MOST_VALUES", MOST_VALUES // 20)
    assert load(tmp_path, yaml.safe_dump({"personas": entries})) == {"personas": entries}


@pytest.mark.parametrize("content", ["[{}]", "a: &a [x]\nb: [{}]\n", "{{{}}}"])
def test_as_many_values_as_are_allowed_are_read_and_one_more_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.setattr(yaml_file, "MOST_VALUES", 100)
    # Of a list: itself and its values; an alias to a list of one value stands for two; a mapping has names too.
    part, size, n_others = {"[": ("a, ", 1, 1), "a": ("*a, ", 2, 6), "{": ("", 2, 1)}[content[0]]
    n = (100 - n_others) // size
    fill = [content.format(part * k or ", ".join(f"n{i}: 1" for i in range(k))) for k in (n, n + 1)]
    load(tmp_path, fill[0])
    assert "found more than 100 values, aliases expanded at line " in refusal(tmp_path, fill[1])


# Refused.


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (laughs(10), f"found more than {MOST_VALUES:,} values, aliases expanded at line "),
        (laughs(300, 2), f"found more than {MOST_VALUES:,} values"),
        (laughs(2, 500), f"found more than {MOST_VALUES:,} values"),
        (maps(40), f"found more than {MOST_VALUES:,} values"),
        ("a: &a [*a]\n", "found an alias inside what it refers to at line 1"),
        ("a: &a {b: *a}\n", "found an alias inside what it refers to"),
        ("&a [[[*a]]]\n", "found an alias inside what it refers to"),
        ("a: *b\n", "found undefined alias; put texts that begin with * or & between quotes at line 1"),
        ("[" * 500 + "]" * 500, f"found more than {MOST_DEPTH} levels of nesting at line 1"),
        ("[" * 100_000, f"found more than {MOST_DEPTH} levels of nesting"),
        ("{a: " * 5000, f"found more than {MOST_DEPTH} levels of nesting"),
        ("- " * 5000, f"found more than {MOST_DEPTH} levels of nesting"),
        ("? " * 5000, f"found more than {MOST_DEPTH} levels of nesting"),
        ("a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20, f"found more than {MOST_DEPTH} levels"),
        ("a: " + "x" * MOST_BYTES, "is larger than 1 MiB"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "found the tag !!python/object/apply:os.system, which is neither",
        ),
        ("a: !!python/name:os.system\n", "found the tag !!python/name:os.system, which is neither"),
        ("a: !!python/tuple [1]\n", "found the tag !!python/tuple"),
        ("!!python/object/new:type {}\n", "found the tag !!python/object/new:type"),
        ("a: !!set {b, c}\n", "found the tag !!set, which is neither text, number, list nor mapping at line 1"),
        ("a: !!omap [b: 1]\n", "found the tag !!omap"),
        ("a: !!pairs [b: 1]\n", "found the tag !!pairs"),
        ("a: !!binary AAAA\n", "found the tag !!binary"),
        ("a: !!timestamp 2024-06-01\n", "found the tag !!timestamp"),
        ("a: !secret\n", "found a tag, which is neither"),
        ("a: .nan\n", "found '.nan', which is not a finite number at line 1"),
        ("a: [1, -.inf]\n", "found '-.inf', which is not a finite number"),
        ("a: 1.0e+999\n", "found '1.0e+999', which is not a finite number"),
        (f"a: {'9' * 5000}\n", "found a number of 5,000 characters at line 1"),
        (f"a: 0x{'f' * 100_000}\n", "found a number of 100,002 characters"),
        (f"a: 1{':59' * 100_000}\n", "found a number of 300,001 characters"),
        (f"a: 1.{'0' * 5000}\n", "found a number of 5,002 characters"),
        ("a: 1\nb: 2\na: 3\n", "the name 'a' appears twice at line 3, column 1"),
        ("a: {b: 1, b: 2}\n", "the name 'b' appears twice"),
        ("a: &x {b: 1}\nc: {<<: *x, <<: *x}\n", "the name '<<' appears twice"),
        ("{[1, 2]: 3}\n", "found a list or mapping as a name at line 1"),
        ("? {a: 1}\n: 2\n", "found a list or mapping as a name"),
        ('"\\ud800x": 1\n', "found half a surrogate pair, which is no character at line 1"),
        ('a: "\\udc00"\n', "found half a surrogate pair"),
        ("a: \x1b[31m\n", "character U+001B at line 1 is not allowed"),
        ("a: 1\nb: \x00\n", "character U+0000 at line 2 is not allowed"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML (expected a single document"),
        ("a: [1\n", "is not valid YAML (expected"),
        ("a: b: c\n", "mapping values are not allowed here at line 1"),
        ("\ta: 1\n", "is not valid YAML ("),
        ("%YAML 9.9\n---\na: 1\n", "is not valid YAML (found incompatible YAML document"),
        ("a: 'x", "is not valid YAML (found unexpected end of stream"),
        (b"a: \xff\xfe", "cannot be read (not UTF-8 at byte 3)"),
        ("a: 1".encode("utf-16"), "cannot be read (not UTF-8 at byte 0)"),
        (b"\x89PNG\r\n\x1a\n\x00", "cannot be read (not UTF-8 at byte 0)"),
    ],
    ids=lambda _: "",
)
def test_what_is_not_plain_or_too_much_is_refused_with_its_place(tmp_path, content, sentence):
    assert sentence in refusal(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        "api_key: 'SECRETKEY\n",
        "api_key: *SECRETKEY\n",
        "api_key: &SECRETKEY\napi: [\n",
        "api_key: !SECRETKEY\n",
        "api_key: SECRETKEY: x\n",
        "api_key: [SECRETKEY\nx: 1\n",
        'api_key: "SECRETKEY\\q"\n',
        "api_key: @SECRETKEY\n",
        "a: {api_key: SECRETKEY\n",
        "api_key: SECRETKEY\x07\n",
    ],
)
def test_a_line_that_is_no_yaml_is_not_quoted_for_it_may_hold_a_key(tmp_path, content):
    assert "SECRET" not in refusal(tmp_path, content)


def test_what_stands_for_gigabytes_costs_little(tmp_path):
    tracemalloc.start()
    refusal(tmp_path, laughs(30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A few hundred values are composed; expanded they are 9 ** 30.
    assert peak < 20_000_000


@pytest.mark.parametrize("name", ["nowhere.yaml", "folder.yaml", "a\0b.yaml", "n" * 300 + ".yaml"])
def test_what_is_no_file_is_refused(tmp_path, name):
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match=r"cannot be read \(.*\); give the YAML file of a study$"):
        load_yaml(tmp_path / name, "the YAML file of a study")
