"""A model's response with the metadata of the provider's reply."""

from typing import Self


class Reply(str):
    """A response, as text, with the metadata of the provider's reply.

    It is a subclass of str, so that the harness's filters and logs accept it.

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
        """Create a string with two attributes."""
        reply = super().__new__(cls, text)
        reply.finish_reason = finish_reason
        reply.provider_reason = provider_reason
        return reply
