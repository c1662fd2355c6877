"""The soak's metrics on a port, as Prometheus and a browser ask for them."""

from __future__ import annotations

import logging

import httpx
import pytest
import trio

from replay.errors import MachineError
from replay.soak.metrics import address, serve_metrics

TEXT = "# TYPE replay_soak info\nreplay_soak_info 1\n# EOF\n"
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_what_is_asked_for_is_made_then() -> None:
    """Each answer is what the soak is at that moment, in the form that Prometheus takes; a browser
    is shown the same as plain text."""
    asked: list[int] = []

    def render() -> str:
        asked.append(1)
        return f"{TEXT}{len(asked)}"

    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_metrics, "127.0.0.1", 0, render)
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/metrics")
        async with httpx.AsyncClient() as client:
            first = await client.get(url, headers=OPENMETRICS)
            again = await client.get(url, headers=BROWSER)
            head = await client.head(url)
            other = await client.get(url + "/else")
            posted = await client.post(url, content=b"x")
        nursery.cancel_scope.cancel()
    assert (first.status_code, first.text) == (200, TEXT + "1")
    assert first.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert (again.text, again.headers["content-type"]) == (TEXT + "2", "text/plain; charset=utf-8")
    assert (head.status_code, head.text) == (200, "")
    assert (other.status_code, posted.status_code) == (404, 404)
    assert other.text == "use GET /metrics\n"


async def test_a_port_that_is_taken() -> None:
    """One line says which, why and what to do."""
    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_metrics, "127.0.0.1", 0, lambda: TEXT)
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(MachineError) as refused:
            await serve_metrics("127.0.0.1", port, lambda: TEXT)
        nursery.cancel_scope.cancel()
    assert str(refused.value) == (
        f"--metrics: cannot listen on 127.0.0.1:{port}: address already in use; "
        "give --metrics another port, or 0 for any"
    )


async def test_an_address_that_cannot_be() -> None:
    """That of another machine."""
    with pytest.raises(MachineError, match=r"--metrics: cannot listen on 203\.0\.113\.1:0: "):
        await serve_metrics("203.0.113.1", 0, lambda: TEXT)


def test_an_address_as_it_is_written() -> None:
    """Host and port, or a port alone on this machine; IPv6 in its brackets."""
    assert address("127.0.0.1:9100") == ("127.0.0.1", 9100)
    assert address("9100") == ("127.0.0.1", 9100)
    assert address("[::1]:0") == ("::1", 0)
    for text in ("", "localhost", "host:", "host:x", "host:65536", ":80", "::1:80", "9100 "):
        with pytest.raises(ValueError, match="write HOST:PORT, such as"):
            address(text)


async def test_whoever_looks_does_not_end_a_soak(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be shown is a 500 and a line in the log, and the next one is answered; one that
    comes and says nothing, or says nonsense, is nobody's trouble."""
    texts = iter([TEXT])
    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve_metrics, "127.0.0.1", 0, lambda: next(texts))
        port = int(url.split(":")[2].split("/")[0])
        mute = await trio.open_tcp_stream("127.0.0.1", port)
        rude = await trio.open_tcp_stream("127.0.0.1", port)
        await rude.send_all(b"\x16\x03\x01\x00\r\n\r\n")
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).text == TEXT
            with caplog.at_level(logging.ERROR):
                broken = await client.get(url)
        assert (broken.status_code, broken.text) == (500, "see the log of the soak\n")
        await rude.aclose()
        await mute.aclose()
        nursery.cancel_scope.cancel()
    assert "the metrics could not be made" in caplog.text
