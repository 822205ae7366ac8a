"""The result of a gate in the files of a report."""

import json
from pathlib import Path

from ..display import escape
from ..gates import Gate


def add_gate(markdown: str, gate: Gate) -> str:
    """Add the verdict of a gate below the title of a report in Markdown."""
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n**{escape(gate.line)}**\n{rest}"


def write_gate(file: Path, gate: Gate) -> None:
    """Write a gate as strict JSON."""
    file.write_text(json.dumps(gate.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
