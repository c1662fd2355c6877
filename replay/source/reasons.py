"""Why a source failed, in words; the only place that knows PyAV's exceptions."""

from __future__ import annotations

from av import error as av_error

# What PyAV and the files behind it raise. ValueError: names and indices it refuses.
FAILURES = (av_error.FFmpegError, OSError, ValueError)


class Unconvertible(Exception):
    """Audio that cannot be brought into the session's form. `strerror`: a clause that says why."""

    def __init__(self, strerror: str) -> None:
        super().__init__(strerror)
        self.strerror = strerror


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (av_error.HTTPUnauthorizedError, "the server asks for a password (HTTP 401)"),
    (av_error.HTTPForbiddenError, "the server forbids it (HTTP 403)"),
    (av_error.HTTPNotFoundError, "the server does not have it (HTTP 404)"),
    (av_error.HTTPBadRequestError, "the server calls it a bad request (HTTP 400)"),
    (av_error.HTTPOtherClientError, "the server refuses it (HTTP 4xx)"),
    (av_error.HTTPServerError, "the server failed (HTTP 5xx)"),
    (av_error.ProtocolNotFoundError, "this kind of URL is not supported"),
    (av_error.DecoderNotFoundError, "its audio is in a codec that cannot be decoded here"),
    (av_error.InvalidDataError, "is not audio, or is damaged"),
    (av_error.EOFError, "ended before any audio"),
    (ConnectionRefusedError, "connection refused: nobody listens there"),
)


def silent(error: Exception) -> bool:
    """It failed because nothing came in time."""
    return isinstance(error, (av_error.ExitError, TimeoutError))


def reason(error: Exception, timeout: float) -> str:
    """A clause; without the exception's own text, which repeats the URL with all its secrets."""
    if silent(error):
        return f"gave nothing for {timeout:g} s"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = getattr(error, "strerror", "") or type(error).__name__
    if text == "Input/output error":
        return "cannot be reached, or broke off (input/output error)"
    return str(text).lower()
