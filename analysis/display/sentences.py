"""Words that follow numbers."""


def counted(n: int, name: str) -> str:
    """Write how many there are of something: 1 file, 2 files."""
    return f"{n:,} {name}{'s' * (n != 1)}"
