"""The sandbox's status page: what it says, what it keeps to itself, and how a browser shows it."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from browser import FAINT, running_browser, tab
from needed import needed
from pages import text_of
from sandboxes import ALL, GOOD_DAY, SECOND, Client, join, sandbox, scripted, words

from replay.sandbox.defects import planted
from replay.sandbox.hub import Sandbox, open_sandbox
from replay.sandbox.page import HEADERS, clock, finely, render, spell
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.server import listen, serving
from replay.sandbox.settings import Settings
from replay.sandbox.status import SHOWN, SessionStatus, Status, Totals, status
from replay.sandbox.tail import LINES, Line, Tail
from replay.sandbox.troubles import KEPT, Trouble, kept_troubles, without_secrets
from replay.wire.messages import Utterance

EVIL = "<script>alert('x')</script><b onclick=\"y\">&amp;"
LOG = logging.getLogger("replay.sandbox.live")


def seen(box: Sandbox, *, guarded: bool = False) -> str:
    """What can be read on the page of `box`, a word's distance between elements."""
    return text_of(render(status(box, guarded=guarded)))


def utterance(text: str, channel: int = 0) -> Utterance:
    return Utterance(
        text=text, start=1.0, end=2.0, confidence=1.0, channel=channel, words=[], language="en"
    )


async def hear(entry: Any, nursery: trio.Nursery, seconds: float) -> Client:
    """A client of `entry` that has sent so much silence."""
    client = await join(nursery, entry)
    await client.say(bytes(int(seconds * SECOND)))
    return client


# ------------------------------------------------------------------ what it says


async def test_a_session_from_its_opening_to_its_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The page follows a session: who is there, what it is doing, how much audio there is, what
    was understood for good and what may change."""
    async with sandbox(scripted(), session_timeout=5) as box, trio.open_nursery() as nursery:
        assert "Live sessions None." in seen(box)
        entry = box.init({**ALL, "endpointing": 0.3, "custom_metadata": {"call": 7}})
        assert f"{entry.live.id} waiting for its client client not connected" in seen(box)
        client = await hear(entry, nursery, 0.8)
        text = seen(box)
        assert "taking in audio client connected audio 0.8 s behind 0.0 s age 0 s" in text
        assert '16 kHz, 16 bit, mono, metadata {"call":7} 0:00 Good …' in text
        await client.say(bytes(2 * SECOND))
        text = seen(box)
        assert "0:00 Good day." in text
        assert "…" not in text
        client.hang_up()
        await trio.testing.wait_all_tasks_blocked()
        assert "its client is gone and may come back client not connected" in seen(box)
        await trio.sleep(60)
        text = seen(box)
        assert "Live sessions None." in text
        assert f'{entry.live.id} {{"call":7}} 0:00 Good day. ended 2.8 s 1 min 0 s' in text
        assert "0 live sessions" not in text  # a figure stands below its name in the document
        assert re.search(r"live sessions 0 with a client now 0 ended 1 broken down 0", text)
        nursery.cancel_scope.cancel()


async def test_recognition_that_is_behind(autojump_clock: trio.testing.MockClock) -> None:
    """Audio that came faster than it is heard is told as what recognition is behind."""
    async with sandbox(scripted(), max_behind=1e9) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        entry.live.store.append(bytes(5 * SECOND))
        assert "audio 5.0 s behind 5.0 s" in seen(box)
        assert "audio recorded 5.0 s furthest behind 5.0 s" in seen(box)
        await client.say(b"")
        assert "audio 5.0 s behind 0.0 s" in seen(box)
        nursery.cancel_scope.cancel()


async def test_a_session_that_breaks_down(autojump_clock: trio.testing.MockClock) -> None:
    """A breakdown is counted, told with its reason, and among the last errors."""
    async with sandbox(scripted()) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await hear(entry, nursery, 1)
        entry.live.store._audio.close()
        await client.say(bytes(SECOND))
        client.hang_up()
        await trio.sleep(300)
        text = seen(box)
        nursery.cancel_scope.cancel()
    assert "broken down 1" in text
    assert re.search(r"cannot write \S+ Bad file descriptor broke down 1.0 s", text)
    assert re.search(rf"error session {entry.live.id}: cannot write .*Bad file descriptor", text)


async def test_what_was_said_before_a_restart(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A session that goes on after a restart still shows its last finals."""
    kept: dict[str, Any] = {"data": tmp_path}
    async with sandbox(scripted(), **kept) as box, trio.open_nursery() as nursery:
        entry = box.init({"endpointing": 0.3})
        await hear(entry, nursery, 2)
        assert "0:00 Good day." in seen(box)
        # Its process dies: the record stays at where the session was.
        nursery.cancel_scope.cancel()
        entry.live._save = lambda: None  # type: ignore[method-assign]
    async with sandbox(scripted(), **kept) as box:
        assert "0:00 Good day." in seen(box)


def test_the_tail_is_short() -> None:
    """Of a long session a few lines are kept, each cut short, and one after its end."""
    tail = Tail([utterance(f"before {k}") for k in range(10)])
    assert [line.text for line in tail.finals] == [f"before {k}" for k in range(10 - LINES, 10)]
    tail.add_partial(utterance("perh", channel=1))
    tail.add_final(utterance("perhaps " * 1000))
    assert (len(tail.finals[-1].text), tail.finals[-1].text[-1]) == (400, "…")
    assert [line.text for line in tail.partials.values()] == ["perh"]
    tail.add_final(utterance("Perhaps.", channel=1))
    assert not tail.partials
    tail.close()
    assert [line.text for line in tail.finals] == ["Perhaps."]


async def test_many_sessions() -> None:
    """The page stays short: of many sessions the newest are shown, live ones first, and of all
    the count."""
    async with sandbox() as box:
        ids = [box.init({}).live.id for _ in range(SHOWN + 20)]
        for _ in range(KEPT + 5):
            LOG.warning("again")
        page = render(status(box, guarded=False))
    assert [each in page for each in ids] == [False] * 20 + [True] * SHOWN
    assert f"live sessions {SHOWN + 20} with" in text_of(page)
    assert "And 20 more." in text_of(page)
    assert page.count(">again</td>") == KEPT
    assert text_of(page).endswith("again And 5 more.")
    assert len(page) < 100_000


async def test_planted_defects() -> None:
    """What is planted stands at the top."""
    async with sandbox(defects=(planted("swallow-stop"),)) as box:
        assert "UTC) Planted defects: swallow-stop live sessions" in seen(box)


def test_times() -> None:
    """Times read as people say them."""
    assert [spell(t) for t in (0, 59.9, 60, 184, 7500)] == [
        *("0 s", "59 s", "1 min 0 s", "3 min 4 s", "2 h 5 min"),
    ]
    assert [finely(t) for t in (0, 4.26, 59.99, 61)] == ["0.0 s", "4.2 s", "59.9 s", "1 min 1 s"]
    assert [clock(t) for t in (4.9, 61, 3723)] == ["0:04", "1:01", "1:02:03"]


# ------------------------------------------------------------------ what it keeps to itself


def evil_status(**changed: Any) -> Status:
    """A status in which everything that others write is `EVIL`."""
    session = SessionStatus(
        id=EVIL,
        state=EVIL,
        failure=EVIL,
        connected=True,
        audio="16 kHz",
        seconds=1,
        behind=0,
        age=1,
        metadata=EVIL,
        finals=[Line(0, 0, 0.0, EVIL)],
        partials=[Line(1, 0, 0.0, EVIL + "\x00\x1b[31m")],
    )
    given: dict[str, Any] = {
        "version": "1",
        "recognizer": EVIL,
        "defects": [EVIL],
        "began": datetime(2026, 11, 24, tzinfo=UTC),
        "up": 1.0,
        "totals": Totals(live=1, connected=1, ended=1, failed=0, seconds=2, behind=0),
        "live": [session],
        "ended": [session],
        "troubles": [Trouble(datetime(2026, 11, 24, tzinfo=UTC), "ERROR", EVIL)],
        "troubles_count": 1,
        "guarded": False,
    }
    return Status(**{**given, **changed})


def test_everything_is_escaped() -> None:
    """What a client, a recogniser or an error says is text and nothing else, wherever it stands."""
    page = render(evil_status())
    assert page.count("<script>") == 1
    assert "<b " not in page
    assert "onclick=&quot;y&quot;&gt;&amp;amp;" in page
    assert not set(page) & {"\x00", "\x1b"}


async def test_what_a_client_wrote_is_escaped(autojump_clock: trio.testing.MockClock) -> None:
    """The same from end to end: a transcript, metadata, and a line of the log."""
    script = Script(words((EVIL, 0.1, 0.5)))
    async with sandbox(scripted(script)) as box, trio.open_nursery() as nursery:
        entry = box.init({"model": EVIL, "custom_metadata": {"note": EVIL}})
        await hear(entry, nursery, 2)
        LOG.error("it said %s", EVIL)
        page = render(status(box, guarded=False))
        nursery.cancel_scope.cancel()
    assert page.count("<script>") == 1
    assert text_of(page).count("<script>alert(") == 4


async def test_no_token_is_shown() -> None:
    """The page has no token of a session, even if something logged its URL."""
    async with sandbox(api_key="hush") as box:
        entry = box.init({})
        LOG.error("GET ws://u:p@h/v2/live?token=%s with hush", entry.token)
        LOG.error("/v2/live?token=%s", entry.token)
        page = render(status(box, guarded=False))
    assert entry.token not in page
    assert "hush" not in page
    assert "GET ws://h/v2/live?token=*** with ***" in text_of(page)


def test_secrets_in_text() -> None:
    """Queries and users of URLs are hidden, and what only looks like a URL is left out whole."""
    assert without_secrets("at http://a:b@c/d?e=f&g h") == "at http://c/d?e=***&g=*** h"
    assert without_secrets("at http://[x/y?z=1") == "at ***"


def test_troubles_end_with_their_block() -> None:
    """What is logged at warning and above inside the block is kept, nothing of it afterwards."""
    with kept_troubles(None) as troubles:
        LOG.info("fine")
        LOG.warning("a\nb %d", 1)
    LOG.error("later")
    assert [(each.level, each.text) for each in troubles.last()] == [("WARNING", "a b 1")]
    assert troubles.count == 1


# ------------------------------------------------------------------ over HTTP


@asynccontextmanager
async def service(script: Script = GOOD_DAY, **settings: Any) -> AsyncIterator[tuple[str, Sandbox]]:
    async with (
        open_sandbox(Settings(**settings), scripted(script)) as box,
        serving(box, listen("127.0.0.1", 0)) as url,
    ):
        with trio.fail_after(60):
            yield url, box


async def test_over_http() -> None:
    """GET and HEAD alone are answered with HTML that no cache keeps and no script gets into."""
    async with service() as (url, _), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        got, head = await client.get("/"), await client.head("/")
        assert got.status_code == head.status_code == 200
        assert got.headers["content-type"] == "text/html; charset=utf-8"
        assert HEADERS.items() <= dict(got.headers).items()
        assert "unsafe" not in got.headers["content-security-policy"]
        assert (head.content, head.headers["content-length"]) == (b"", str(len(got.content)))
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            refused = await client.request(method, "/")
            assert (refused.status_code, refused.json()["message"]) == (404, f"Cannot {method} /")


async def test_with_a_key() -> None:
    """Where a key is asked for, the page needs none and then shows counts alone; with it, all."""
    async with (
        service(api_key="hush") as (url, box),
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        entry = box.init({"custom_metadata": {"call": "secret call"}})
        LOG.error("a secret error")
        closed = (await client.get("/")).text
        wrong = (await client.get("/", headers={"x-gladia-key": "guess"})).text
        whole = (await client.get("/", headers={"x-gladia-key": "hush"})).text
    for page in (closed, wrong):
        assert "live sessions 1 with" in text_of(page)
        assert "asks for an API key" in text_of(page)
        assert entry.live.id not in page
        assert "secret" not in page
    for told in (entry.live.id, "secret call", "a secret error"):
        assert told in whole
    assert "hush" not in whole


# ------------------------------------------------------------------ in a browser


def test_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no chromium the tests that need it are skipped, but not where CI says that
    nothing may be."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs chromium"):
        needed("chromium")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs chromium"):
        needed("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with running_browser() as address:
        yield address


async def test_a_transcript_grows_in_the_page(browser: str) -> None:
    """In an open page a session appears and its transcript grows, without the page being loaded
    again; what a client wrote is shown and not run; the console stays empty."""
    script = Script(words(("Good", 0.4, 0.7), (EVIL, 0.7, 1.1)))
    async with service(script) as (url, box), trio.open_nursery() as nursery, tab(browser) as page:
        await page.goto(url)
        assert "None. A client opens one" in await page.text()
        await page.value("window.first = document.querySelector('h1')")
        entry = box.init({**ALL, "endpointing": 0.3})
        card = f"document.getElementById('s-{entry.live.id}')"
        await page.until(f"{card}?.innerText.includes('waiting for its client')")
        client = await hear(entry, nursery, 0.8)
        await page.until(f"{card}.innerText.includes('0:00 Good\u00a0…')")
        await client.say(bytes(2 * SECOND))
        await page.until(f"{card}.querySelector('[role=log]').innerText.includes('</script>')")
        assert f"Good {EVIL}" in await page.value(f"{card}.innerText")
        assert await page.value("window.first.isConnected")
        await client.stop()
        await page.until(f"document.querySelector('#ended').innerText.includes('{entry.live.id}')")
        assert page.complaints == []
        nursery.cancel_scope.cancel()


async def test_a_page_without_scripts(browser: str) -> None:
    """A browser that runs no scripts shows the same, and loads it again by itself."""
    async with service() as (url, box), tab(browser) as page:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.goto(url)
        assert "None. A client opens one" in await page.text()
        entry = box.init({})
        await page.until(f"document.getElementById('s-{entry.live.id}') !== null")
        assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_telephone(browser: str, scheme: str) -> None:
    """At a width of 360 pixels nothing sticks out, in the scheme of colours that is wished for,
    and every text stands out from what is behind it."""
    async with service(defects=(planted("swallow-stop"),)) as (url, box), tab(browser) as page:
        await page.narrow(360)
        await page.scheme(scheme)
        for k in range(3):
            metadata = {"k" * 100: EVIL * 20}
            box.init({"custom_metadata": metadata if k else {"k": "<>"}})
        ended = box.init({"custom_metadata": {"k": "<>"}}).live
        ended.row.deserted = True
        ended.stop()
        LOG.error("x" * 1000)
        await page.goto(url)
        await page.until("document.querySelectorAll('tbody tr').length === 2")
        assert await page.value("document.documentElement.scrollWidth") == 360
        colour = await page.value("getComputedStyle(document.body).backgroundColor")
        assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
        assert await page.value("document.querySelectorAll('article').length") == 3
        assert await page.value(FAINT) == []
        assert page.complaints == []


async def test_a_sandbox_that_is_gone(browser: str) -> None:
    """When the sandbox ends the page says so and keeps what it showed."""
    async with tab(browser) as page:
        async with service() as (url, _):
            await page.goto(url)
            assert await page.value("document.getElementById('lost').hidden")
        await page.until("!document.getElementById('lost').hidden")
        assert "The sandbox does not answer." in await page.text()
        assert "Live sessions" in await page.text()
