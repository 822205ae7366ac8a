"""Sample logs as ``lm_eval --log_samples`` writes them, from a compact description.

A study is a sentence: each word is a text, each letter the answer to one prompt about it.
``"RA NE"`` are two texts asked twice: a refusal and an answer, a "No, ..." and nothing at all.
Word i (from 0) is the text ``<kind>/t<i>``; its j-th letter is asked of the j-th persona with the
j-th template, so persona and template go together.
"""

import itertools
import json
import re

from refusal_metrics.metrics import process_results
from refusal_metrics.prompts import load_design

ANSWERS = {
    "R": "I'm sorry, but I cannot do that.",  # a refusal by both rules
    "N": "No, a Muslim person would not.",  # a refusal by `prefix` alone
    "A": "Offensive.",
    "E": "",
}
PEOPLE = {
    "persona": {"woman": "gender", "black": "race", "muslim": "religion"},
    "neutral": {"person": "neutral", "individual": "neutral"},
    "persona-free": {None: None},
}
TEMPLATES = {"p1": "unforced", "p4": "semi-forced", "p7": "forced"}
STRATA = {"nli": ("entailment", "neutral", "contradiction"), "politeness": "12345", "offensiveness": "12345"}

# Whatever the kind, so that "Offensive." is an answer; as many as the templates of the kind offer.
LABELS = {
    "nli": ["offensive", "not offensive", "neutral"],
    "politeness": ["offensive", "not offensive"],
    "offensiveness": ["offensive", "not offensive"],
}

MODEL = "acme/parrot-7b"
DATE = "2026-01-02T03-04-05.678901"
LATER = "2026-01-03T03-04-05.678901"


def task_name(kind="offensiveness", setting="persona"):
    suffix = {"persona": "", "neutral": "_neutral", "persona-free": "_persona_free"}[setting]
    return f"persona_refusal_{kind}{suffix}"


def samples(answers, *, kind="offensiveness", setting="persona", design="d0", first=0):
    """Make the lines of a log, as dictionaries; `first` is the index of the first doc."""
    index = itertools.count(first)
    lines = []
    for number, word in enumerate(answers.split()):
        people, templates = itertools.cycle(PEOPLE[setting].items()), itertools.cycle(TEMPLATES.items())
        stratum = STRATA[kind][number % len(STRATA[kind])]
        for letter, (persona, group), (template, response_type) in zip(word, people, templates, strict=False):
            doc = {
                "index": next(index),
                "design_id": f"{design}-{kind}-{setting}",
                "text_id": f"{kind}/t{number}",
                "row_id": f"{kind}/t{number}/0",
                **_texts(kind, number),
                "label": stratum,
                "stratum": stratum,
                "labels": LABELS[kind],
                "persona": persona,
                "persona_group": group,
                "template": template,
                "response_type": response_type,
                "setting": setting,
                "kind": kind,
                "language": "en",
            }
            lines.append(line(doc, ANSWERS[letter]))
    return lines


def _texts(kind, number):
    text = f"This is text {number}."
    return {"premise": text, "hypothesis": f"It follows {number}."} if kind == "nli" else {"text": text}


def render(doc, **other):
    """Write the prompt of a doc, or of one that differs from it in what is given."""
    doc = doc | other
    design = load_design()
    kind_of_templates = "persona-free" if doc["setting"] == "persona-free" else "persona"
    template = next(t for t in design.templates[doc["kind"], kind_of_templates] if t.id == doc["template"])
    persona = next((p for p in design.personas if p.id == doc["persona"]), None)
    return template.render(persona, doc["labels"], doc)


def line(doc, response, *, prompt=None, filtered_by="none"):
    """Make a line as the harness's evaluator does; with a chat API, `prompt` is a list of messages."""
    metrics = process_results(doc, [response])
    prompt = render(doc) if prompt is None else prompt
    return {
        "doc_id": doc["index"],
        "doc": doc,
        "target": doc["label"],
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": []}}},
        "resps": [[response]],
        "filtered_resps": [response],
        "filter": filtered_by,
        "metrics": list(metrics),
        "doc_hash": "0" * 64,
        "prompt_hash": "0" * 64,
        "target_hash": "0" * 64,
        **metrics,
    }


def older(record):
    """Make a line of the tasks' version 1: every verdict a number of its own."""
    kept = {name: value for name, value in record.items() if not name.startswith(("refusal", "answer", "persona"))}
    prefix = {name: record[name] for name in ("refusal_rate_prefix", "refusal_rate_prefix_strict")}
    answered = float(record["answer_rate"]["outcome"] == "answer")
    return kept | {"refusal_rate_answer_aware": record["refusal_rate"], "answer_rate": answered} | prefix


def said(*responses, **described):
    """Make the lines of one text that was answered with these responses."""
    docs = [record["doc"] for record in samples("A" * len(responses), **described)]
    return [line(doc, response) for doc, response in zip(docs, responses, strict=True)]


def write_log(folder, lines, *, task="persona_refusal_offensiveness", date=DATE):
    """Write lines the harness's way: appended to the file, one JSON object each, beyond ASCII as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{date}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in lines)
    return path


def write_results(folder, model=MODEL, *, date=DATE, stem="results", **asked):
    """Write the aggregated results of a run, of which only what is given here is read.

    `asked` is how the run was asked: ``config``, ``configs``, ``system_instruction``, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}_{date}.json"
    path.write_text(json.dumps({"results": {}, "model_name": model, **asked}, ensure_ascii=False), encoding="utf-8")
    return path


def generation(task, **arguments):
    """Make the ``configs`` of a run's results with the generation arguments of one task."""
    return {task: {"task": task, "generation_kwargs": {"until": [], **arguments}}}


def write_run(
    out, answers, *, model=MODEL, date=DATE, kind="offensiveness", setting="persona", asked=None, **described
):
    """Write what ``lm_eval --output_path out --log_samples`` leaves of one task; gives the samples file.

    `answers` is a description or the lines themselves; `asked` is what `write_results` takes.
    """
    folder = out / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", model)  # as lm_eval.utils.sanitize_model_name
    write_results(folder, model, date=date, **(asked or {}))
    if isinstance(answers, str):
        answers = samples(answers, kind=kind, setting=setting, **described)
    return write_log(folder, answers, task=task_name(kind, setting), date=date)
