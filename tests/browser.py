"""Debian's chromium without a screen, told what to do by way of its DevTools protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import trio
from needed import needed
from trio_websocket import open_websocket_url

#: No page may be larger, an hour's included.
MOST_BYTES = 6_000_000
READY = "document.documentElement.dataset.timeline === 'ready'"
#: Comes when what was asked for is drawn.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
_START_SECONDS = 30.0
_FLAGS = [
    *("--headless", "--remote-debugging-port=0", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-breakpad"),
    *("--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
    "--no-proxy-server",
]
#: Ends everything that it started when its standard input is closed, so that a browser does not
#: outlive tests that had no chance to clean up.
_GUARD = '"$@" & read -r _; kill -KILL -$$'

#: Texts whose contrast with what is behind them is below 4.5, as WCAG 2 reckons it (level AA).
FAINT = """
(() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const part = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const [red, green, blue] = numbers(text).map((value) => part(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const written = (element) => [...element.childNodes].some((node) => node.data?.trim());
  return [...document.querySelectorAll("body, body *")].filter(written).filter((element) => {
    const [low, high] = [light(getComputedStyle(element).color), light(ground(element))]
      .sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05) < 4.5;
  }).map((element) => element.outerHTML);
})()
"""


@contextmanager
def running_browser() -> Iterator[str]:
    """A browser with a profile of its own, for as long as the block; gives the URL that it takes
    commands at. No process and no file of it stays."""
    program = needed("chromium")
    profile = Path(tempfile.mkdtemp(prefix="replay-chromium-"))
    # Its own sandbox refuses to be root's.
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    process = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", program, *flags, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield _address(profile / "DevToolsActivePort")
    finally:
        process.communicate()
        left = _processes(profile)
        for each in left:
            each.kill()
        psutil.wait_procs(left, timeout=10)
        assert _processes(profile) == []
        shutil.rmtree(profile)


def _address(port_file: Path) -> str:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit:
        lines = port_file.read_text().splitlines() if port_file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError("chromium did not start, or did not say where it listens")


def _processes(profile: Path) -> list[psutil.Process]:
    """What still runs with that profile."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(profile) in word for word in process.info["cmdline"] or ())
    ]


class Tab:
    """One page. `complaints`: what went to its console, and errors that nobody caught; `requests`:
    every URL that it asked for, its own included."""

    def __init__(self, websocket: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._websocket = websocket
        self._session: str | None = None
        self._count = 0

    async def open(self) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def close(self) -> None:
        await self.call("Page.close")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Have something done, and what came of it."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        await self._websocket.send_message(json.dumps(command))
        while (message := await self._next()).get("id") != self._count:
            pass
        assert "error" not in message, message
        return dict(message["result"])

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._websocket.get_message())
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        if message.get("method") in kinds:
            self.complaints.append(json.dumps(message["params"]))
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    async def goto(self, url: str) -> None:
        """Load `url`, until everything in it is there."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page, also in one that may run no script; of a
        promise what it comes to."""
        done = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until it holds."""
        with trio.fail_after(20):
            while not await self.value(expression):  # noqa: ASYNC110 - nothing here would tell
                await trio.sleep(0.05)

    async def text(self) -> str:
        """What can be read."""
        return str(await self.value("document.body.innerText"))

    async def scheme(self, name: str) -> None:
        """Wish for light or dark colours."""
        feature = {"name": "prefers-color-scheme", "value": name}
        await self.call("Emulation.setEmulatedMedia", features=[feature])

    async def narrow(self, width: int) -> None:
        """Look at it on a telephone of that width."""
        await self._window(width, 740, mobile=True)

    async def wide(self) -> None:
        """Look at it on a desk."""
        await self._window(1200, 900, mobile=False)

    async def _window(self, width: int, height: int, *, mobile: bool) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Tab]:
    """A new page in the browser at `address`."""
    async with open_websocket_url(address, max_message_size=1 << 26) as websocket:
        made = Tab(websocket)
        with trio.fail_after(60):
            await made.open()
            yield made
            await made.close()


@asynccontextmanager
async def opened(browser: str, file: Path, **how: Any) -> AsyncIterator[Tab]:
    """A page, once everything in it is drawn; nothing may have been asked for or complained of.

    `width`: of a telephone, else on a desk; `scheme`: of colours; `timeline`: it has one.
    """
    async with tab(browser) as made:
        await (made.narrow(how["width"]) if "width" in how else made.wide())
        await made.scheme(how.get("scheme", "light"))
        await made.goto(file.as_uri())
        if how.get("timeline", True):
            await made.until(READY)
            await made.value(DRAWN)
        yield made
        assert made.complaints == []
        assert made.requests == [file.as_uri()]
