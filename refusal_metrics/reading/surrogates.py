"""Halves of surrogate pairs, which JSON can escape and no file in UTF-8 can hold."""


def whole(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no file in UTF-8 can hold.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Pairs are joined; a half becomes U+FFFD.

    Examples
    --------
    >>> whole("offensive" + chr(0xD83D)), whole(chr(0xD83D) + chr(0xDE00))
    ('offensive\ufffd', '\U0001f600')
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
