"""A model's response together with what the provider's envelope says of it."""

from typing import Self


class Reply(str):
    """A response, as text, that remembers its provider's envelope.

    It is a string everywhere a string is expected, so that the harness's filters and logs take it as it is.

    Parameters
    ----------
    text : str
        The response; empty where the provider sent none.
    finish_reason : str, optional
        Why generation ended, in the provider's words (``stop``, ``length``, ``content_filter``, ...).
    provider_reason : str, optional
        Why the provider refused (``content_filter``, ``refusal``, ...); None if it did not.

    Examples
    --------
    >>> reply = Reply("", finish_reason="content_filter", provider_reason="content_filter")
    >>> reply == "", reply.provider_reason
    (True, 'content_filter')
    """

    __slots__ = ("finish_reason", "provider_reason")

    finish_reason: str | None
    provider_reason: str | None

    def __new__(cls, text: str = "", *, finish_reason: str | None = None, provider_reason: str | None = None) -> Self:
        """Make a string with two attributes."""
        reply = super().__new__(cls, text)
        reply.finish_reason = finish_reason
        reply.provider_reason = provider_reason
        return reply
