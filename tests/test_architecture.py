"""The rooms of the code, and which way imports run: docs/architecture.md says why."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest

LONGEST = 350
PACKAGES = ("refusal_metrics", "analysis")

# Each room or module at the root, and what it may import besides `errors` and `faces`; nothing that comes later.
EVALUATION = {
    "errors": (),
    "faces": (),
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
    "planning": (
        *("arrays", "columns", "contracts", "counts", "statistics", "estimates"),
        *("evaluation.reading", "evaluation.prompts"),
    ),
    "figures": ("arrays", "columns", "contracts", "files", "display", "statistics"),
    "responses": (
        *("arrays", "columns", "contracts", "files", "display", "counts"),
        *("evaluation.reading", "evaluation.prompts", "evaluation.detection", "evaluation.studies"),
    ),
    "stopping": ("arrays", "counts", "statistics", "estimates", "responses"),
    "gates": ("arrays", "columns", "display", "counts", "estimates", "responses"),
    "judging": ("columns", "files", "display", "responses", "evaluation.reading", "evaluation.detection"),
    "leaderboard": (
        *("arrays", "columns", "contracts", "display", "counts", "statistics", "estimates", "figures", "responses"),
        *("gates", "evaluation.detection"),
    ),
    "labels": (
        *("arrays", "columns", "contracts", "display", "statistics", "responses", "judging"),
        *("evaluation.reading", "evaluation.detection"),
    ),
    "annotation": ("files", "display", "statistics", "responses", "labels", "evaluation.reading"),
    "findings": (
        *("arrays", "columns", "counts", "display", "estimates", "planning", "responses", "labels"),
        "evaluation.prompts",
    ),
    "audit": (
        *("arrays", "columns", "contracts", "files", "display", "estimates", "responses", "judging", "leaderboard"),
        *("labels", "evaluation.detection"),
    ),
    "report": (
        *("arrays", "columns", "contracts", "files", "display", "counts", "statistics", "paper", "estimates"),
        *("figures", "responses", "gates", "judging", "labels", "findings", "evaluation.detection"),
    ),
    "export": (*("arrays", "columns", "files", "counts", "estimates", "responses", "labels", "evaluation.detection"),),
    "api": (
        *("arrays", "columns", "manifest", "files", "display", "counts", "statistics", "paper", "estimates"),
        *("planning", "figures", "responses", "judging", "leaderboard", "labels", "annotation", "audit", "report"),
        "evaluation.detection",
    ),
    "cli": (
        *("columns", "contracts", "files", "display", "counts", "estimates", "planning", "figures", "responses"),
        *("stopping", "gates", "judging", "leaderboard", "labels", "annotation", "audit", "report", "export"),
        *(f"evaluation.{room}" for room in ("prompts", "detection", "register", "studies")),
    ),
}
# What a user starts from, and the one module each that it leads to: the package itself, and its command.
ENTRANCES = {"": "analysis.api", "__main__": "analysis.cli.app"}
EVERYWHERE = {"", "evaluation.errors", "evaluation.faces"}
# The rooms at the ends: notebooks import `api` through the package, and nothing imports the command line.
ENDS = {"analysis.api", "analysis.cli"}
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


# Only these rooms know DuckDB: what others need to know of responses they ask of a function of `responses`.
ASKING = ("responses", "judging")

SOURCES = sources()


def parsed(module: str) -> ast.Module:
    """Parse a module."""
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def stated(module: str) -> Iterator[tuple[str, str]]:
    """List what a module imports of the package, wherever in it, as it says so: a module, and a name or nothing."""
    package = module.split(".") if SOURCES[module].stem == "__init__" else module.split(".")[:-1]
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("refusal_metrics")]
            yield from ((name.removeprefix("refusal_metrics").lstrip("."), "") for name in names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            elif (node.module or "").partition(".")[0] == "refusal_metrics":
                above = node.module.removeprefix("refusal_metrics").lstrip(".")
            else:
                continue
            yield from ((above, alias.name) for alias in node.names)


def face(room: str) -> dict[str, str]:
    """Return the names that the package of a room imports for type checkers, each with its module."""
    below = [node for node in parsed(room).body if isinstance(node, ast.If)]
    found = [(f"{room}.{n.module}", alias.name) for node in below for n in node.body for alias in n.names]
    return {name: module for module, name in found}


# The rooms that are packages and have a public face: analysis.figures, prompts, ...
FACES = {
    module: face(module)
    for module, path in SOURCES.items()
    if path.stem == "__init__" and module not in {"", "analysis", *ENDS} and path.parent.parent.name in PACKAGES
}


def imports(module: str) -> Iterator[str]:
    """List the modules of the package that a module imports; those that a face is imported from for its names."""
    for above, name in stated(module):
        deeper = f"{above}.{name}".strip(".")
        yield FACES.get(above, {}).get(name) or (deeper if deeper in SOURCES else above)


def room_of(module: str) -> str:
    """Return the room of a module: ``figures``, or ``evaluation.prompts``."""
    parts = module.split(".")
    if parts[0] == "analysis":
        return parts[1] if len(parts) > 1 else ""
    return f"evaluation.{parts[0]}" if module else ""


def test_every_module_is_in_a_room_that_is_listed():
    rooms = {room_of(module) for module in SOURCES if module not in ENTRANCES} - {""}
    assert rooms == {*ANALYSIS, *(f"evaluation.{room}" for room in EVALUATION)}


@pytest.mark.parametrize("rooms", [EVALUATION, ANALYSIS], ids=["evaluation", "analysis"])
def test_no_room_may_import_a_later_one(rooms):
    order = list(rooms)
    for room, allowed in rooms.items():
        inside = [other for other in allowed if not other.startswith("evaluation.")]
        assert not [other for other in inside if order.index(other) >= order.index(room)], room


def test_every_import_runs_in_a_direction_that_is_listed():
    entered = [(module, only, imported) for module, only in ENTRANCES.items() for imported in imports(module)]
    wrong = [f"{module} imports {imported}" for module, only, imported in entered if imported not in (only, "faces")]
    for module in SOURCES.keys() - ENTRANCES.keys():
        room = room_of(module)
        evaluated = room.startswith("evaluation.")
        listed = EVALUATION[room.removeprefix("evaluation.")] if evaluated else ANALYSIS.get(room, ())
        allowed = {room, *EVERYWHERE, *(f"evaluation.{other}" if evaluated else other for other in listed)}
        for imported in imports(module):
            afterwards = not evaluated and room != "cli" and imported.startswith("studies.")
            if room_of(imported) not in allowed or (afterwards and imported not in READ_AFTERWARDS):
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_every_import_is_of_a_module_that_is_there():
    assert [(module, other) for module in SOURCES for other in imports(module) if other not in {"", *SOURCES}] == []


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


def test_a_room_has_a_face_and_says_what_it_is_for():
    assert {"analysis.figures", "analysis.report", "detection", "studies"} <= FACES.keys()
    for room, names in FACES.items():
        package = import_module(f"refusal_metrics.{room}")
        # A sentence for what the room does, and a paragraph for what to call first.
        does, _, call = package.__doc__.partition("\n\n")
        assert does, room
        assert [name for name in names if f"`{name}`" in call], room
        # Type checkers see what there is; every name leads to the thing itself, which is no module.
        assert package.__all__ == sorted(names, key=package.__all__.index), room
        assert set(package.__all__) <= set(dir(package)), room
        for name, module in names.items():
            assert getattr(package, name) is getattr(import_module(f"refusal_metrics.{module}"), name), (room, name)
            assert f"{room}.{name}" not in SOURCES, (room, name)


def test_another_room_is_entered_by_its_face():
    entered = [(module, *said) for module in SOURCES.keys() - ENTRANCES.keys() for said in stated(module)]
    with_faces = {room_of(room) for room in FACES}
    wrong = [
        f"{module} imports {name} from {above}"
        for module, above, name in entered
        if room_of(above) in with_faces - {room_of(module)} and name not in FACES.get(above, ())
    ]
    assert wrong == []


def test_a_package_imports_nothing_until_a_name_of_it_is_used():
    statement = "import sys, refusal_metrics.analysis.report, refusal_metrics.studies; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, text=True)
    assert [m for m in found.stdout.split() if m in {"numpy", "pandas", "duckdb", "altair", "lm_eval"}] == []


def asks_the_database(module: str) -> list[str]:
    """List where a module imports DuckDB, holds a connection, or asks a query."""
    found = []
    for node in ast.walk(parsed(module)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(name.partition(".")[0] == "duckdb" for name in names):
            found.append(f"{module}:{node.lineno} imports duckdb")
        if isinstance(node, ast.Attribute) and node.attr in ("query", "connection"):
            found.append(f"{module}:{node.lineno} has .{node.attr}")
    return found


def test_only_responses_and_judging_ask_the_database():
    asked = {module: asks_the_database(module) for module in SOURCES if room_of(module) not in ASKING}
    assert [place for places in asked.values() for place in places] == []
    # It would see one.
    assert asks_the_database("analysis.responses.table")


def test_the_page_of_the_architecture_has_the_same_lists():
    page = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
    for heading, rooms in {"## Rooms of the evaluation": EVALUATION, "## Rooms of the analysis": ANALYSIS}.items():
        section = page.read_text(encoding="utf-8").partition(heading)[2].partition("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", section, flags=re.MULTILINE)
        listed = [f"| `{room}` | ... | {cell} |" for room, cell in rows]
        assert listed == [
            f"| `{room}` | ... | {', '.join(f'`{other}`' for other in allowed) or '-'} |"
            for room, allowed in rooms.items()
        ]
