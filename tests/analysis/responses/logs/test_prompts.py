"""Whether a prompt is the one of its doc: kinds of prompts that are, that are not, and that nobody here can tell."""

import html
import json
import unicodedata

import pytest
from refusal_metrics.analysis.responses.logs.load import load_responses

from refusal_metrics.errors import InputError

ASKED, LEFT_OUT, UNVERIFIED = "asked", "left out", "unverified"

TEXTS = [
    'You are a nice person & I "like" you.',
    "Hello",
    "Hello world, this goes on",
    "line one\nline two\ttabbed",
    "  spaces around  ",
    "Café naïve — 漢字 😀",
    "a < b && c > d 'quoted' \\ backslash",
    "Text: a text that says Text: twice",
]


def _docs(logs, kind="offensiveness", setting="persona"):
    """Eight docs with the texts above, of several personas and templates."""
    docs = [line["doc"] for line in logs.samples(" ".join(["AAA"] * len(TEXTS)), kind=kind, setting=setting)]
    field = "premise" if kind == "nli" else "text"
    return [doc | {field: TEXTS[int(doc["text_id"].rpartition("/t")[2])]} for doc in docs]


def _read(logs, out, lines, **more):
    """Give how many responses are counted, left out for their prompts, and unverified."""
    logs.write_run(out, lines, **more)
    try:
        responses = load_responses([out])
    except InputError as error:
        n, notes = 0, [str(error).partition("; ")[2]]
    else:
        n, notes = responses.query("SELECT count(*) FROM responses").fetchone()[0], responses.notes
    told = [note for note in notes if "could not be compared" in note]
    left_out = [note for note in notes if ": left out (" in note]
    return n, bool(left_out), int(told[0].split()[0].replace(",", "")) if told else 0


def _chat(prompt):
    return [{"role": "user", "content": prompt}]


# What an engine or chat template makes of a prompt; each is still the doc's.
WAYS = {
    "as it is": lambda p: p,
    "messages": _chat,
    "messages as JSON": lambda p: json.dumps(_chat(p), ensure_ascii=False),
    "messages as ASCII JSON": lambda p: json.dumps(_chat(p)),
    "messages in a list of one": lambda p: [json.dumps(_chat(p), ensure_ascii=False)],
    "indented messages": lambda p: json.dumps(_chat(p), indent=2),
    "system message first": lambda p: [{"role": "system", "content": "Be brief."}, *_chat(p)],
    "content parts": lambda p: [{"role": "user", "content": [{"type": "text", "text": p}]}],
    "llama": lambda p: f"<s>[INST] {p} [/INST]",
    "chatml": lambda p: f"<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n",
    "stripped": lambda p: f"<user>{p.strip()}</user>",
    "white space collapsed": lambda p: " ".join(p.split()),
    "CRLF": lambda p: p.replace("\n", "\r\n"),
    "HTML-escaped": lambda p: f"<user>{html.escape(p)}</user>",
    "HTML-escaped but quotes": lambda p: html.escape(p, quote=False),
    "NFD": lambda p: unicodedata.normalize("NFD", p),
    "NFKC": lambda p: unicodedata.normalize("NFKC", p),
    "non-breaking spaces": lambda p: p.replace(" ", "\u00a0"),
    "backslashes": lambda p: json.dumps(p)[1:-1],
    "a description before": lambda p: f"You are a helpful assistant.\n\n{p}",
    "gemma": lambda p: f"<bos><start_of_turn>user\n{p}<end_of_turn>\n<start_of_turn>model\n",
    "trailing blank lines": lambda p: p + "\n\n\n",
}


SETTINGS = [*((way, "persona") for way in WAYS), *((way, "persona-free") for way in ("as it is", "messages", "NFKC"))]


@pytest.mark.parametrize(("way", "setting"), SETTINGS)
def test_a_prompt_is_its_docs_whatever_a_chat_template_makes_of_it(logs, tmp_path, way, setting):
    lines = [logs.line(doc, "Offensive.", prompt=WAYS[way](logs.render(doc))) for doc in _docs(logs, setting=setting)]
    assert _read(logs, tmp_path, lines, setting=setting) == (24, False, 0)


@pytest.mark.parametrize("way", ["as it is", "messages", "messages in a list of one", "HTML-escaped", "NFD"])
def test_a_prompt_with_two_texts_is_its_docs(logs, tmp_path, way):
    docs = _docs(logs, kind="nli")
    lines = [logs.line(doc, "neutral", prompt=WAYS[way](logs.render(doc))) for doc in docs]
    assert _read(logs, tmp_path, lines, kind="nli") == (24, False, 0)


# What is not the doc's prompt: made of the docs, the prompt's place and `render`.
WRONG = {
    "the next doc's": lambda docs, i, render: render(docs[(i + 1) % len(docs)]),
    "the doc's after the next text": lambda docs, i, render: render(docs[(i + 3) % len(docs)]),
    "another persona": lambda docs, i, render: render(docs[i], persona="jewish"),
    "another persona of its group": lambda docs, i, render: render(docs[i], persona="man"),
    "a neutral one": lambda docs, i, render: render(docs[i], persona="person"),
    "another template": lambda docs, i, render: render(docs[i], template="p9"),
    "another template of its type": lambda docs, i, render: render(docs[i], template="p2"),
    "persona-free": lambda docs, i, render: render(docs[i], setting="persona-free"),
    "another text": lambda docs, i, render: render(docs[i], text="Something else entirely."),
    "a text that begins like it": lambda docs, i, render: render(docs[i], text=docs[i]["text"] + f" and more {i}"),
    "a text that it ends": lambda docs, i, render: render(docs[i], text="Before. " + docs[i]["text"]),
    "one word of the text changed": lambda docs, i, render: render(docs[i], text=f"{docs[i]['text'][:-4]} really"),
    "empty": lambda *_: "",
    "white space": lambda *_: " \n",
    "an empty message": lambda *_: _chat(""),
    "another task": lambda *_: "What is the capital of France?",
    "the instruction alone": lambda docs, i, render: render(docs[i], text=""),
    "glued with the next doc's": lambda docs, i, render: render(docs[i]) + "\n\n" + render(docs[(i + 1) % len(docs)]),
    "glued after the next doc's": lambda docs, i, render: render(docs[(i + 1) % len(docs)]) + "\n" + render(docs[i]),
    "both personas about one text": lambda docs, i, render: render(docs[i]) + "\n" + render(docs[i], persona="jewish"),
    "another persona in a message": lambda docs, i, render: _chat(render(docs[i], persona="jewish")),
    "another text in JSON": lambda docs, i, render: [json.dumps(_chat(render(docs[i], text="Another text.")))],
    "another persona, escaped": lambda docs, i, render: html.escape(render(docs[i], persona="jewish")),
    "labels the other way round": lambda docs, i, render: render(docs[i], persona="jewish", template="p3"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("where", ["all", "one"])
def test_a_response_to_another_docs_prompt_is_left_out_and_said(logs, tmp_path, wrong, where):
    docs = _docs(logs)
    lines = []
    for place, doc in enumerate(docs):
        is_wrong = where == "all" or place == 6
        prompt = WRONG[wrong](docs, place, logs.render) if is_wrong else logs.render(doc)
        lines.append(logs.line(doc, "Offensive.", prompt=prompt))
    n_wrong = len(docs) if where == "all" else 1
    n, is_said, _ = _read(logs, tmp_path, lines)
    assert (len(docs) - n, is_said) == (n_wrong, True)


# What nobody here can tell: kept, counted and said.
UNKNOWN = {
    "an unknown persona": lambda line, _: line["doc"].update(persona="astronaut"),
    "an unknown template": lambda line, _: line["doc"].update(template="own1"),
    "another language": lambda line, _: line["doc"].update(language="de"),
    "another number of labels": lambda line, _: line["doc"].update(labels=["a", "b", "c"]),
    "no labels": lambda line, _: line["doc"].update(labels=None),
    "no arguments": lambda line, _: line.update(arguments={}),
    "no prompt": lambda line, _: line["arguments"]["gen_args_0"].pop("arg_0"),
    "a prompt of null": lambda line, _: line["arguments"]["gen_args_0"].update(arg_0=None),
    "its own wording": lambda line, _: line["arguments"]["gen_args_0"].update(
        arg_0=f"Rate this as a woman: {line['doc']['text']}"
    ),
    "a prompt cut off at its beginning": lambda line, render: line["arguments"]["gen_args_0"].update(
        arg_0=render(line["doc"])[-45:]
    ),
    "another kind of task": lambda line, _: line["doc"].update(kind="open_story"),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_compared_is_kept_counted_and_said(logs, tmp_path, unknown):
    docs = [line["doc"] | {"text": f"A text of some length, the number {i}."} for i, line in
            enumerate(logs.samples("AAA AAA"))]  # fmt: skip
    lines = [logs.line(doc, "Offensive.") for doc in docs]
    unknown(lines[2], logs.render)
    assert _read(logs, tmp_path, lines) == (6, False, 1)


def test_prompts_of_the_users_own_design_are_not_said_to_be_anothers(logs, tmp_path):
    # A file that gives the packaged ids other words: what is p4 here may be p5 there.
    lines = [
        logs.line(line["doc"], "Offensive.", prompt=logs.render(line["doc"], template="p5"))
        for line in logs.samples("AAA")
    ]
    asked = {"config": {"metadata": {"templates": "mine/templates.yaml"}}}
    assert _read(logs, tmp_path, lines, asked=asked) == (3, False, 3)


@pytest.mark.parametrize(("said", "n"), [("You are a woman.", 2), ("Be brief.", 0)])
def test_a_persona_in_a_system_message_has_to_be_there(logs, tmp_path, said, n):
    lines = []
    for line in logs.samples("A A"):
        doc = line["doc"] | {"system": "You are a woman."}
        asked = [{"role": "system", "content": said}, *_chat(logs.render(doc, setting="persona-free"))]
        lines.append(logs.line(doc, "Offensive.", prompt=asked))
    assert _read(logs, tmp_path, lines) == (n, n == 0, 0)


def test_a_long_prompt_costs_no_more_than_its_length(logs, tmp_path):
    # Marks that a normaliser sorts, one million of them, of a prompt that is not the doc's.
    lines = [logs.line(line["doc"], "x", prompt="a" + "\u0301\u0323" * 500_000) for line in logs.samples("A")]
    assert _read(logs, tmp_path, lines) == (0, True, 0)
