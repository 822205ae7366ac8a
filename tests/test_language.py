"""How the product speaks: the words and habits that must not come back, wherever a person reads."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = [
    path
    for folder in ("analysis", "refusal_metrics", "docs", "scripts", "tasks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix == ".py" or (path.is_file() and path.suffix == "" and path.read_bytes()[:100].count(b"python"))
]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "tasks" / "README.md",
    ROOT / "tests" / "labels" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
OTHERS = [
    path
    for folder in ("analysis", "refusal_metrics", "tasks", "scripts", "docs", "examples")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".jinja", ".js", ".css", ".yaml", ".md", ".R", ".ipynb"}
    and path not in PAGES
    and "iframe" not in path.name
]


@dataclass(frozen=True)
class Habit:
    """A habit of speech that must not come back, a sentence that has it, and one that is like it and has not."""

    name: str
    pattern: str
    finds: str
    spares: str


HABITS = [
    Habit(
        "told apart",
        r"\b(?:told|tells?|telling) (?:\w+ ){0,6}?apart\b",
        "models are told apart by their ranks",
        "models are ranked apart from the others",
    ),
    Habit(
        "chance makes of it",
        r"\bwhat (?:is )?(?:chance|noise) makes? of\b|\bbeyond (?:what )?chance\b|\bby (?:the )?mere chance\b",
        "beyond what chance makes of the largest difference",
        "chance-corrected agreement",
    ),
    Habit(
        "by chance",
        r"\bby chance\b(?<!different by chance)",
        "the mean by chance is 0.01",
        "With 15 personas, some will look different by chance.",
    ),
    Habit("mend", r"\bmend(?:s|ed|ing)?\b", "mend it or remove the record", "we recommend the amended version"),
    Habit(
        "stands, lies or holds beside",
        r"\b(?:stands?|stood|lies?|lay|set|put) beside\b",
        "its tables and figures stand beside it as files",
        "the figure beside it",
    ),
    Habit(
        "less for minus",
        r"(?<!no )(?<!or )\b(?:rate|rates|prompts|refusals|indices|texts|families|whole|one|models|baseline)\s+less\s+"
        r"(?:the|that|those|their|its|a|an|one|two|neutral)\b",
        "Persona prompts less neutral ones",
        "a refusal rate of less than 2%; personas matter less to new models",
    ),
    Habit("is there already", r"\bis there already\b", "replace what is there already", "the file already exists"),
    Habit("go on", r"\bgo(?:es)? on (?:from|where|with)\b", "it goes on from there", "going on a trip; it is ongoing"),
    Habit("space before percent", r"\d %(?![a-zA-Z(])", "a 95 % interval", "a 95% interval; x % 3 == 0; percent: %"),
    Habit(
        "turned round",
        r"\bturn(?:s|ed|ing)? (?:\w+ )?round\b",
        "deviations of a text are turned round",
        "a round number turned up",
    ),
    Habit("toss of a coin", r"\btoss(?:es)? of (?:a|the) coin\b", "by the toss of a coin", "a fair coin"),
    Habit(
        "took for refused", r"\b(?:took|taken|take) \S+(?: \S+){0,6} for refused\b", "took 1.92% for refused", "a take"
    ),
    Habit("by itself, of p-values", r"\beach by itself\b", "p at most 0.05, each by itself", "the model by itself"),
    Habit(
        "8 times in 10",
        r"\b8 times in 10\b|\bone (?:study|time) (?:of|in) (?:20|twenty)\b",
        "would be found 8 times in 10",
        "with 80% power",
    ),
    Habit(
        "knows as much",
        r"\b(?:would |that )knows? (?:as much|which responses)\b|\bintervals? that knows?\b",
        "intervals that know which responses share a text",
        "users who know the harness",
    ),
    Habit(
        "as far as it is known",
        r"\b(?:nobody says|nothing is said|nothing can be said|what must be said|must be known beside)\b",
        "what must be said beside the numbers",
        "what the error says",
    ),
    Habit(
        "stays there for stands",
        r"\bstands? (?:there|in its place|behind|before p)\b",
        "what stands there",
        "it stands",
    ),
    Habit(
        "so many, of a constant",
        r"\A(?:# )?So (?:many|few)\b",
        "So many cells of texts may stand in memory",
        "There are so many cells",
    ),
    Habit(
        "to and fro", r"\bmoves? of labels\b|\bmoves? within texts\b", "moves of labels within texts", "moves the file"
    ),
    Habit("gone from", r"\bdealt out\b|\bdeals? (?:personas )?out\b", "personas are dealt out anew", "a good deal"),
    Habit(
        "whole for overall",
        r"\blies? from the whole\b|\brate of all\b",
        "how far each lies from the whole",
        "all rates",
    ),
    Habit("refused of", r"\brefused of them\b|\bresponses compared with\b", "refused of them", "refused responses"),
]
FIRST_WORDS = re.compile(r"\A(?:Give|Gives|Tell|Say|Make of|Go|Lay|Do|Turn|Let|See|Hold)\b")
"""First words of docstrings that are not what a function does, in plain English."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings, docstrings and comments of a Python file, with their lines."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def docstrings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of the functions of a Python file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (said := ast.get_docstring(node)):
            yield node.lineno, said


def names_of_tests() -> Iterator[tuple[str, str]]:
    """Yield the names of all tests as sentences."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in re.findall(r"def test_(\w+)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(ROOT)}", name.replace("_", " ")


def all_texts() -> Iterator[tuple[str, str]]:
    """Yield everything that a person reads, with its place."""
    for path in CODE:
        for line, text in texts_of(path):
            yield f"{path.relative_to(ROOT)}:{line}", text
    for path in [*PAGES, *OTHERS]:
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_a_habit_is_found_in_its_example_and_not_in_what_is_like_it(habit):
    assert re.search(habit.pattern, habit.finds)
    assert not re.search(habit.pattern, habit.spares)


def test_no_habit_is_back():
    found = [
        f"{place}: {habit.name}: {' '.join(text[max(0, hit.start() - 30) : hit.end() + 30].split())}"
        for place, text in all_texts()
        for habit in HABITS
        if (hit := re.search(habit.pattern, text))
    ]
    assert found == []


def test_names_of_tests_have_no_old_words():
    old = {
        "told apart",
        "by chance",
        "less for minus",
        "turned round",
        "toss of a coin",
        "stands, lies or holds beside",
    }
    habits = [habit for habit in HABITS if habit.name in old]
    found = [f"{path}: {name}" for path, name in names_of_tests() for habit in habits if re.search(habit.pattern, name)]
    assert found == []


def test_docstrings_begin_with_plain_imperatives():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {said.splitlines()[0]}"
        for path in CODE
        for line, said in docstrings_of(path)
        if FIRST_WORDS.match(said)
    ]
    assert found == []
