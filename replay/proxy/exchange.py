"""Requests and their answers, as values that pass through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

Headers = list[tuple[str, str]]
#: Headers that are about one connection only (RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query as they came; names of headers in small letters."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Response:
    """`pieces`: gives the body, to be called once."""

    status: int
    headers: Headers
    pieces: Callable[[], AsyncGenerator[bytes, None]]

    @classmethod
    def of(cls, status: int, headers: Headers, body: bytes) -> Response:
        """With a body that is there already; `content-length` is made to fit."""

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield body

        kept = [(name, value) for name, value in headers if name != "content-length"]
        return cls(status, [*kept, ("content-length", str(len(body)))], pieces)


def end_to_end(headers: Headers, *also: str) -> Headers:
    """The headers that are not about one connection, without those named."""
    named = {
        word.strip().lower()
        for name, value in headers
        if name == "connection"
        for word in value.split(",")
    }
    dropped = HOP_BY_HOP | named | set(also)
    return [(name, value) for name, value in headers if name not in dropped]
