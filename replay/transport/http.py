"""A service behind a base URL: its HTTP routes over httpx, its websockets through `websocket`."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from replay import __version__
from replay.errors import ConnectFailed, ProtocolViolation, Refused, TransportError, UsageError
from replay.transport.retry_after import retry_after
from replay.transport.websocket import UNTRUSTED, WebSocketWire, dial, reason_of
from replay.wire.http import (
    API_KEY_HEADER,
    HEALTH_PATH,
    LIVE_PATH,
    ErrorBody,
    Health,
    InitAnswer,
    Job,
    JobList,
    file_path,
    job_path,
)

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
#: A service's reason for refusing is shown up to this many characters.
_LONGEST_REASON = 500
#: What msgspec raises for what is not the JSON asked for.
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class HttpService:
    """A service at `base_url`. Use `open_service`; it closes the connections again."""

    def __init__(
        self, base_url: str, client: httpx.AsyncClient, tls: ssl.SSLContext | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = client
        self._tls = tls

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        answer = await self._request(
            "POST",
            LIVE_PATH,
            # Not httpx's own JSON, which takes neither dates nor numbers that are none.
            content=msgspec.json.encode(dict(body)),
            headers={"content-type": "application/json"},
            params={"region": region} if region else None,
        )
        return _decode(answer.content, InitAnswer, "POST " + LIVE_PATH)

    def dial(self, url: str, deadline: float) -> AbstractAsyncContextManager[WebSocketWire]:
        return dial(url, deadline, tls=self._tls)

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        path = job_path(job_id)
        answer = await self._request("GET", path)
        return answer.content, _decode(answer.content, Job, "GET " + path)

    async def jobs(self, params: Mapping[str, Any]) -> JobList:
        """One page of the jobs, newest first; `params` are the route's own (protocol 8.2)."""
        answer = await self._request("GET", LIVE_PATH, params=dict(params))
        return _decode(answer.content, JobList, "GET " + LIVE_PATH)

    async def tasks(self) -> int | None:
        """How many tasks there are in it, of a sandbox; None of what does not tell."""
        answer = await self._request("GET", HEALTH_PATH, params={"tasks": ""})
        return _decode(answer.content, Health, "GET " + HEALTH_PATH).tasks

    async def delete(self, job_id: str) -> None:
        """Delete a job and its recording.

        Raises:
            Refused: it is unknown, or cannot be deleted yet.
            TransportError: there was no answer.
        """
        await self._request("DELETE", job_path(job_id))

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        path = file_path(job_id)
        size = 0
        with mapped("GET " + path):
            async with self._client.stream("GET", self.base_url + path) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise self._refusal(answer, "GET", path)
                async for piece in answer.aiter_bytes():
                    into.write(piece)
                    size += len(piece)
        return size

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        with mapped(f"{method} {path}"):
            answer = await self._client.request(method, self.base_url + path, **options)
        if not answer.is_success:
            raise self._refusal(answer, method, path)
        return answer

    def _refusal(self, answer: httpx.Response, method: str, path: str) -> Refused:
        """The service's own words about a failed request, in one line and without the key."""
        try:
            body = msgspec.json.decode(answer.content, type=ErrorBody)
        except _NOT_JSON:
            body = ErrorBody(message=answer.reason_phrase)
        listed = [body.message] if isinstance(body.message, str) else body.message
        listed = [*listed, *(body.validation_errors or [])]
        said = self._clean("; ".join(text for text in listed if text))
        request_id = self._clean(body.request_id or answer.headers.get("x-aipi-call-id", ""))
        suffix = f" (request {request_id})" if request_id else ""
        return Refused(
            f"{method} {path} was refused with {answer.status_code}: {said or 'no reason'}{suffix}",
            status=answer.status_code,
            request_id=request_id,
            retry_after=retry_after(answer.headers.get("retry-after")),
        )

    def _clean(self, text: str) -> str:
        key = self._client.headers.get(API_KEY_HEADER)
        if key:
            text = text.replace(key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + " …"


@asynccontextmanager
async def open_service(
    base_url: str, api_key: str | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpService]:
    """A service at `base_url` (http or https); the key goes into a header and nowhere else.

    Raises:
        UsageError: `base_url` is not one, or the key cannot be a header.
    """
    check_base_url(base_url)
    headers = {"user-agent": f"stt-replay/{__version__}"}
    if api_key:
        if not api_key.isascii() or not api_key.isprintable():
            raise UsageError("the API key has characters that cannot be part of a header")
        headers[API_KEY_HEADER] = api_key
    if tls is None and urlsplit(base_url).scheme == "https":
        # One for both: websockets trust whom requests trust, and no reconnection has to read the
        # certificates of the world again.
        tls = httpx.create_ssl_context()
    # To read those certificates holds the event loop for tens of milliseconds, and takes 1.6 MiB
    # that the C library hardly ever gives back: not for a service that has no TLS.
    trusted = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(
        headers=headers,
        timeout=_TIMEOUT,
        verify=trusted,
        # A proxy for the outside world has no business between two programs of this machine.
        trust_env=not is_loopback(base_url),
    ) as client:
        yield HttpService(base_url, client, tls)


def check_base_url(url: str) -> None:
    """Raise `UsageError` unless `url` can be the base of a service."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise UsageError(
            f"target {url!r}: use sandbox, gladia, or a base URL such as http://127.0.0.1:8765"
        )


def is_loopback(url: str) -> bool:
    """Whether `url` is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class mapped:  # noqa: N801 - reads as a statement
    """Turns every exception of httpx into one of ours."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case httpx.ConnectError() | httpx.ConnectTimeout():
                host = error.request.url.host
                failed = f"cannot connect to {host}: {_reason(error)}"
                raise ConnectFailed(failed, status=_untrusted(error)) from None
            case httpx.TimeoutException():
                raise TransportError(f"{self._what}: no answer in time") from None
            case httpx.InvalidURL() | httpx.UnsupportedProtocol():
                raise UsageError(f"{self._what}: {error}") from None
            case httpx.HTTPError() | httpx.StreamError() | httpx.CookieConflict():
                raise TransportError(f"{self._what}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    chain = list(_causes(error))
    system = [each for each in chain if isinstance(each, OSError)]
    # The machine's own words, where there are any: httpx often passes on none.
    return reason_of(system[-1]) if system else str(error) or "cut off"


def _untrusted(error: BaseException) -> int | None:
    """The status that stands for a certificate which is not trusted, if that is what failed."""
    found = any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))
    return UNTRUSTED if found else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


T = TypeVar("T")


def _decode(content: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except _NOT_JSON as error:
        raise ProtocolViolation(
            f"{what}: the answer is not this API's; is the URL right? {error}"
        ) from None
