"""Nouns with numbers."""


def counted(n: int, name: str) -> str:
    """Return a number with its noun: 1 file, 2 files."""
    return f"{n:,} {name}{'s' * (n != 1)}"
