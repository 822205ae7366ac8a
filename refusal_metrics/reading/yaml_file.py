"""Read YAML that a person wrote: plain values only, and bounded however few bytes stand for many.

PyYAML's safe loader runs no code, but it expands references without a bound (432 bytes become gigabytes), recurses as
deep as a file nests, takes the last of two equal names, and makes sets, bytes and dates, which neither JSON nor the
harness can hold.
"""

import math
import re
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from refusal_metrics.errors import InputError, quoted

MOST_BYTES = 1 << 20
MOST_VALUES = 20_000
"""Of a file, each counted as often as it is referred to."""
MOST_DEPTH = 32
_LONGEST_NUMBER = 64
_STANDARD = "tag:yaml.org,2002:"
_PLAIN = frozenset(_STANDARD + name for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge"))
_DROPPED = frozenset({f"{_STANDARD}timestamp"})
"""Dates are texts here (``revision: 2024-06-01``)."""


def load_yaml(path: Path, what: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a YAML file.

    Parameters
    ----------
    path : Path
    what : str
        What the file should be, for the error, e.g. ``"the YAML file of a study"``.

    Returns
    -------
    object
        Mappings, lists, texts, finite numbers, booleans and None.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8, is not valid YAML, repeats a name, has a tag of its own, or exceeds
        1 MiB, 20,000 values or 32 levels, references counted as often as they are used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content[:MOST_BYTES].decode("utf-8-sig", errors="strict" if len(content) <= MOST_BYTES else "ignore")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read (not UTF-8 at byte {error.start}); give {what}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InputError(f"{path}: cannot be read ({reason}); give {what}") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{path}: is larger than {MOST_BYTES >> 20} MiB; give {what}")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        # Without the lines that PyYAML quotes: they may hold a key.
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        begins = f"{error.context}, " if str(error.problem).startswith("but ") else ""
        problem = begins + _shown(error.problem or error.context or "it cannot be parsed")
        raise InputError(f"{path}: is not valid YAML ({problem}{where}); fix it there") from error
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{path}: is not valid YAML (character U+{code:04X} at line {line} is not allowed); remove it"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: is not valid YAML ({_shown(error)}); fix it") from error


def _shown(problem: object) -> str:
    # PyYAML quotes these, and they may be the beginning of a password that has no quotes.
    if found := re.search(r"undefined alias|duplicate anchor", str(problem)):
        return f"found {found[0]}; put texts that begin with * or & between quotes"
    return quoted(str(problem))[1:-1] if len(str(problem)) > 200 else re.sub(r"[^ -~]", "?", str(problem))


class _Loader(yaml.SafeLoader):
    """Composes plain values within the bounds, and says where one is crossed."""

    yaml_implicit_resolvers: ClassVar = {  # type: ignore[misc]  # of an instance, say the stubs
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _DROPPED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._n_values = 0
        self._sizes: dict[int, tuple[int, int]] = {}
        """By node: how many values it stands for, and over how many levels."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, or find the one that is referred to, and count what it stands for."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._depth >= MOST_DEPTH:
            _refuse(f"more than {MOST_DEPTH} levels of nesting", event.start_mark)
        before = self._n_values
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return node
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._sizes:
                _refuse("an alias inside what it refers to", event.start_mark)
            n_values, n_levels = self._sizes[id(node)]
            self._n_values += n_values
        else:
            self._n_values += 1
            n_values = self._n_values - before
            n_levels = 1 + max((self._sizes[id(inner)][1] for inner in _inside(node)), default=0)
            self._sizes[id(node)] = (n_values, n_levels)
        if self._depth + n_levels > MOST_DEPTH:
            _refuse(f"more than {MOST_DEPTH} levels of nesting", event.start_mark)
        if self._n_values > MOST_VALUES:
            _refuse(f"more than {MOST_VALUES:,} values, aliases expanded", event.start_mark)
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Refuse a name that stands twice, of which YAML's own reader would take the last."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                _refuse("a list or mapping as a name", name.start_mark)
            if name.value in seen:
                _refuse(f"the name {quoted(name.value)} appears twice", name.start_mark)
            seen.add(name.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        """Make plain values alone."""
        if node.tag not in _PLAIN:
            tag = f"the tag !!{node.tag.removeprefix(_STANDARD)}" if node.tag.startswith(_STANDARD) else "a tag"
            _refuse(f"{_shown(tag)}, which is neither text, number, list nor mapping", node.start_mark)
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        is_number = node.tag.endswith((":int", ":float"))
        if is_number and len(node.value) > _LONGEST_NUMBER:
            _refuse(f"a number of {len(node.value):,} characters", node.start_mark)
        value = super().construct_object(node, deep)
        if isinstance(value, float) and not math.isfinite(value):
            _refuse(f"{quoted(node.value)}, which is not a finite number", node.start_mark)
        return _whole(value, node) if isinstance(value, str) else value


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _whole(text: str, node: yaml.Node) -> str:
    """Join surrogate pairs, which JSON escapes characters beyond the first 65,536 with; refuse half a pair."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16", errors="surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return _refuse("half a surrogate pair, which is no character", node.start_mark)


def _refuse(problem: str, mark: Any) -> NoReturn:  # noqa: ANN401 - the stubs have none for it
    raise yaml.MarkedYAMLError(
        problem=problem if problem.startswith("the name ") else f"found {problem}", problem_mark=mark
    )
