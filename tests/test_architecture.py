"""The rooms of the code, and which way imports run: docs/architecture.md says why."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

LONGEST = 350

# Each room or module at the root, and what it may import besides `errors`. Nothing imports what comes later.
EVALUATION = {
    "errors": (),
    "scores": (),
    "reading": (),
    "prompts": ("reading",),
    "detection": ("prompts",),
    "docs": ("prompts",),
    "metrics": ("scores", "detection", "prompts"),
    "task": ("detection",),
    "register": (),
    "studies": ("reading", "prompts", "detection", "docs", "register"),
}
ANALYSIS = {
    "columns": ("evaluation.prompts", "evaluation.detection"),
    "contracts": ("columns",),
    "arrays": (),
    "manifest": (),
    "files": ("manifest",),
    "display": ("columns", "contracts"),
    "counts": ("arrays", "columns"),
    "statistics": ("arrays",),
    "paper": ("columns", "display"),
    "estimates": ("arrays", "columns", "contracts", "files", "counts", "statistics", "paper", "evaluation.prompts"),
    "figures": ("arrays", "columns", "contracts", "files", "display", "statistics"),
    "responses": (
        *("arrays", "columns", "contracts", "files", "display", "counts"),
        *("evaluation.reading", "evaluation.prompts", "evaluation.detection", "evaluation.studies"),
    ),
    "judging": ("files", "display", "responses", "evaluation.reading", "evaluation.detection"),
    "leaderboard": (
        *("arrays", "columns", "contracts", "display", "counts", "statistics", "estimates", "figures", "responses"),
        "evaluation.detection",
    ),
    "labels": (
        *("arrays", "columns", "contracts", "display", "statistics", "responses", "judging"),
        *("evaluation.reading", "evaluation.detection"),
    ),
    "annotation": ("files", "display", "statistics", "responses", "labels", "evaluation.reading"),
    "report": (
        *("arrays", "columns", "contracts", "files", "display", "counts", "statistics", "paper", "estimates"),
        *("figures", "responses", "judging", "labels", "evaluation.detection"),
    ),
    "cli": (
        *("columns", "contracts", "files", "display", "counts", "estimates", "figures", "responses"),
        *("judging", "leaderboard", "labels", "annotation", "report"),
        *(f"evaluation.{room}" for room in ("prompts", "detection", "register", "studies")),
    ),
}
# What of `studies` may be read afterwards: names of files and of arguments, never what asks a model.
READ_AFTERWARDS = {"studies.record", "studies.model_args"}


def sources() -> dict[str, Path]:
    """Return the files of all modules by their dotted names in the package."""
    found = {}
    for package in ("refusal_metrics", "refusal_metrics.analysis"):
        folder = Path(str(files(package)))
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if package != "refusal_metrics" or parts[0] not in ("analysis", "tasks"):
                inside = [*package.split(".")[1:], *parts]
                found[".".join(part for part in inside if part != "__init__")] = path
    return found


SOURCES = sources()


def imports(module: str) -> Iterator[str]:
    """List the modules of the package that a module imports, wherever in it."""
    path = SOURCES[module]
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names if alias.name.startswith("refusal_metrics")]
            names = [(name.removeprefix("refusal_metrics").lstrip("."), "") for name, _ in names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            elif (node.module or "").partition(".")[0] == "refusal_metrics":
                above = node.module.removeprefix("refusal_metrics").lstrip(".")
            else:
                continue
            names = [(above, alias.name) for alias in node.names]
        else:
            continue
        for above, name in names:
            deeper = f"{above}.{name}".strip(".")
            yield deeper if deeper in SOURCES else above


def room_of(module: str) -> str:
    """Return the room of a module: ``figures``, or ``evaluation.prompts``."""
    parts = module.split(".")
    if parts[0] == "analysis":
        return parts[1] if len(parts) > 1 else ""
    return f"evaluation.{parts[0]}" if module else ""


def test_every_module_is_in_a_room_that_is_listed():
    rooms = {room_of(module) for module in SOURCES} - {""}
    assert rooms == {*ANALYSIS, *(f"evaluation.{room}" for room in EVALUATION)}


@pytest.mark.parametrize("rooms", [EVALUATION, ANALYSIS], ids=["evaluation", "analysis"])
def test_no_room_may_import_a_later_one(rooms):
    order = list(rooms)
    for room, allowed in rooms.items():
        inside = [other for other in allowed if not other.startswith("evaluation.")]
        assert not [other for other in inside if order.index(other) >= order.index(room)], room


def test_every_import_runs_in_a_direction_that_is_listed():
    wrong = []
    for module in SOURCES:
        room = room_of(module)
        evaluated = room.startswith("evaluation.")
        listed = EVALUATION[room.removeprefix("evaluation.")] if evaluated else ANALYSIS.get(room, ())
        allowed = {room, "", "evaluation.errors", *(f"evaluation.{other}" if evaluated else other for other in listed)}
        for imported in imports(module):
            afterwards = not evaluated and room != "cli" and imported.startswith("studies.")
            if room_of(imported) not in allowed or (afterwards and imported not in READ_AFTERWARDS):
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_no_module_imports_itself_by_a_detour():
    # Modules whose imports are all known to end are taken away until none is left.
    left = {module: {other for other in imports(module) if other != module and other} for module in SOURCES}
    while ends := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in ends:
            del left[module]
    assert sorted(left) == []


def test_no_module_is_longer_than_a_reader_can_hold():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in SOURCES.items()}
    assert {module: n for module, n in lengths.items() if n > LONGEST} == {}
