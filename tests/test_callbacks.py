"""Callbacks and webhooks: what a session posts, in virtual time, and over real sockets."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from sandboxes import GOOD_DAY, SECOND, Client, dial, join, sandbox, scripted, speak
from standardwebhooks import Webhook
from test_sandbox_http import play, service

from replay.receiver import Answers, Arrival, open_receiver
from replay.sandbox.courier import Terms
from replay.sandbox.mail import MailSettings
from replay.sandbox.poster import HttpPoster
from replay.sandbox.process import owned_sandbox
from replay.sandbox.reach import Place
from replay.sandbox.server import listen
from replay.wire import messages as m
from replay.wire import posting, signing

URL = "http://127.0.0.1:9000/hook"
KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
FLAGS = [
    *("partial_transcripts", "final_transcripts", "speech_events", "acknowledgments"),
    *("post_processing_events", "lifecycle_events"),
]
LATER = ["post_transcript", "post_final_transcript"]
DEFAULT = ["start_session", "start_recording", "transcript", "end_recording", *LATER, "end_session"]


def body(**config: Any) -> dict[str, Any]:
    return {"callback": True, "callback_config": {"url": URL, **config}}


class Posts:
    """A poster that keeps what is posted, and answers as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: Callable[[], Awaitable[str]] = self.fine
        self.taken: list[tuple[Place, Mapping[str, str], bytes]] = []
        monkeypatch.setattr("replay.sandbox.mail.HttpPoster", lambda: self)

    async def fine(self) -> str:
        await trio.lowlevel.checkpoint()
        return ""

    async def refuse(self) -> str:
        await trio.lowlevel.checkpoint()
        return "answered 500"

    async def be_silent(self) -> str:
        await trio.sleep_forever()
        raise AssertionError

    async def post(self, place: Place, headers: Mapping[str, str], body: bytes) -> str:
        reason = await self.answer()
        if not reason:
            self.taken.append((place, headers, body))
        return reason

    def events(self) -> list[str]:
        return [json.loads(body)["event"].removeprefix("live.") for _, _, body in self.taken]


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> Posts:
    return Posts(monkeypatch)


async def talk(box: Any, config: dict[str, Any]) -> Client:
    """A session of two seconds, to its end."""
    entry = box.init(config)
    async with trio.open_nursery() as nursery:
        client = await join(nursery, entry)
        await speak(client, 2.0)
        await client.stop()
    return client


async def test_the_defaults_of_callbacks(autojump_clock: object, posts: Posts) -> None:
    """Finals, post-processing and lifecycle, in order, from start_session to end_session."""
    async with sandbox(scripted(GOOD_DAY)) as box:
        await talk(box, body())
        assert posts.events() == DEFAULT


@pytest.mark.parametrize("only", FLAGS)
async def test_each_flag_gates_its_messages(
    only: str, autojump_clock: object, posts: Posts
) -> None:
    """With one flag alone, exactly the messages of its group come, whatever the websocket gets."""
    groups = {
        "partial_transcripts": {"transcript"},
        "final_transcripts": {"transcript"},
        "speech_events": {"speech_start", "speech_end"},
        "acknowledgments": {"audio_chunk", "stop_recording"},
        "post_processing_events": set(LATER),
        "lifecycle_events": {"start_session", "start_recording", "end_recording", "end_session"},
    }
    flags = {f"receive_{flag}": flag == only for flag in FLAGS}
    quiet = {f"receive_{flag}": False for flag in FLAGS}
    async with sandbox(scripted(GOOD_DAY)) as box:
        await talk(box, {**body(**flags), "messages_config": quiet})
        assert set(posts.events()) == groups[only]
        finals = {json.loads(b)["payload"].get("data", {}).get("is_final") for *_, b in posts.taken}
        if "transcripts" in only:
            assert finals == {only == "final_transcripts"}


async def test_a_callback_holds_the_message_of_the_websocket(
    autojump_clock: object, posts: Posts
) -> None:
    """The same text in an envelope with the job's id."""
    async with sandbox(scripted(GOOD_DAY)) as box:
        client = await talk(box, body(receive_speech_events=True, receive_lifecycle_events=False))
        (entry,) = box.newest_first()
        told = [json.loads(text) for text in entry.live.store.messages()]
        bodies = [json.loads(body) for _, _, body in posts.taken]
        assert [each["payload"] for each in bodies] == told
        assert {each["id"] for each in bodies} == {entry.live.id}
        assert client.finals() == [" Good day."]
        assert posts.taken[0][0] == Place("http", "127.0.0.1", 9000, "/hook", "127.0.0.1")


@pytest.mark.parametrize("answer", ["refuse", "be_silent"])
async def test_a_dead_receiver_harms_nobody(
    answer: str, autojump_clock: object, posts: Posts
) -> None:
    """The session is as fast, and says the same, as with no callbacks at all."""
    posts.answer = getattr(posts, answer)
    heard = []
    for config in ({}, body(receive_partial_transcripts=True, receive_acknowledgments=True)):
        async with sandbox(scripted(GOOD_DAY)) as box:
            client = await talk(box, config)
            heard.append([(round(at, 6), m.message_type(message)) for at, message in client.heard])
    assert heard[0] == heard[1]


async def test_a_bug_in_posting_harms_nobody(
    autojump_clock: object, posts: Posts, caplog: pytest.LogCaptureFixture
) -> None:
    """Planted: what nobody foresaw in a try costs that try, and is put down with its place and
    without the URL; the session is done, and what is posted later arrives."""
    left = 4

    async def broken() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ZeroDivisionError(f"at {URL}")
        return await posts.fine()

    posts.answer = broken
    async with sandbox(scripted(GOOD_DAY)) as box:
        client = await talk(box, body())
        assert client.closed == (1000, "")
        await trio.sleep(10)
        assert posts.events() == DEFAULT[1:]
        (entry,) = box.newest_first()
        assert entry.status == "done"
    told = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert len(told) == 4
    assert all("in broken\n" in each and "ZeroDivisionError: at ***" in each for each in told)
    assert URL not in "".join(told)


async def test_what_is_left_is_posted_after_the_session(
    autojump_clock: object, posts: Posts
) -> None:
    """A receiver that answers late has the rest in the background, while the job is done."""

    async def slowly() -> str:
        await trio.sleep(3)
        return ""

    posts.answer = slowly
    async with sandbox(scripted(GOOD_DAY)) as box:
        await talk(box, body())
        (entry,) = box.newest_first()
        await trio.testing.wait_all_tasks_blocked()
        assert entry.status == "done"
        assert posts.events() != DEFAULT
        await trio.sleep(30)
        assert posts.events() == DEFAULT


async def test_sessions_that_only_post_are_not_without_number(
    autojump_clock: object, posts: Posts
) -> None:
    """They keep nobody from opening another; beyond as many as may run, the first is given up."""
    posts.answer = posts.be_silent
    async with sandbox(scripted(GOOD_DAY), max_sessions=2) as box:
        for _ in range(3):
            await talk(box, body())
        third, second, _ = (entry.live.id for entry in box.newest_first())
        posts.answer = posts.fine
        await trio.sleep(30)
        came = {json.loads(text)["id"] for *_, text in posts.taken}
        assert came == {second, third}


async def test_what_was_delivered_takes_nobodys_place(autojump_clock: object, posts: Posts) -> None:
    """One that waits long for its receiver is not given up for those that came and went."""
    mail = MailSettings(terms=Terms(timeout=40))
    async with sandbox(scripted(GOOD_DAY), max_sessions=2, mail=mail) as box:
        posts.answer = posts.be_silent
        await talk(box, body())
        posts.answer = posts.fine
        for _ in range(3):
            await talk(box, body())
            await trio.testing.wait_all_tasks_blocked()
        assert len(posts.taken) == 3 * len(DEFAULT)
        await trio.sleep(50)
        assert len(posts.taken) == 4 * len(DEFAULT)


async def test_the_sandbox_ends_with_posts_on_their_way(
    autojump_clock: object, posts: Posts
) -> None:
    """Leaving it does not wait for a receiver."""
    posts.answer = posts.be_silent
    async with sandbox(scripted(GOOD_DAY)) as box:
        await talk(box, body())
        left = trio.current_time()
    assert trio.current_time() == left


async def test_they_are_posted_after_a_restart(
    autojump_clock: object, posts: Posts, tmp_path: Path
) -> None:
    """Of a session that goes on, and of one that had ended: everything comes, in order."""
    posts.answer = posts.be_silent
    async with sandbox(scripted(GOOD_DAY), data=tmp_path) as box:
        await talk(box, body())
        ended = next(box.newest_first()).live.id
        entry = box.init(body())
        async with trio.open_nursery() as nursery:
            client = await join(nursery, entry)
            await speak(client, 2.0)
            client.hang_up()
    assert not posts.taken
    posts.answer = posts.fine
    async with sandbox(scripted(GOOD_DAY), data=tmp_path) as box:
        async with trio.open_nursery() as nursery:
            again = await join(nursery, box.find(entry.live.id))
            await again.stop()
        await trio.testing.wait_all_tasks_blocked()
        by_job = {
            name: [
                json.loads(text)["event"].removeprefix("live.")
                for *_, text in posts.taken
                if json.loads(text)["id"] == name
            ]
            for name in (ended, entry.live.id)
        }
        assert by_job == {ended: DEFAULT, entry.live.id: DEFAULT}
    async with sandbox(scripted(GOOD_DAY), data=tmp_path) as box:
        await trio.sleep(100)
        assert len(posts.taken) == 2 * len(DEFAULT)  # nothing is owed any more


async def test_a_deleted_session_is_not_posted_about(autojump_clock: object, posts: Posts) -> None:
    """Its callbacks end with it."""
    posts.answer = posts.refuse
    async with sandbox(scripted(GOOD_DAY)) as box:
        await talk(box, body())
        box.delete(next(box.newest_first()).live.id)
        posts.answer = posts.fine
        await trio.sleep(100)
        assert not posts.taken


async def test_webhooks_tell_the_lifecycle(autojump_clock: object, posts: Posts) -> None:
    """Of every session, callbacks or not, with the job's id and nothing more, signed."""
    mail = MailSettings(webhook_url="http://10.1.2.3/hooks", webhook_key=KEY)
    async with sandbox(scripted(GOOD_DAY), mail=mail) as box:
        await talk(box, {})
        entry = next(box.newest_first())
        lifecycle = ["start_session", "start_recording", "end_recording", "end_session"]
        assert posts.events() == lifecycle
        for number, (place, headers, text) in enumerate(posts.taken):
            assert place.address == "10.1.2.3"
            assert json.loads(text)["payload"] == {"id": entry.live.id}
            assert headers[signing.ID_HEADER] == f"msg_{entry.live.id}_{number}"
            assert signing.verify(KEY, headers, text, box.now().timestamp()) == ""
    assert base64.b64encode(KEY).decode() not in repr(mail)


def test_signatures_are_those_of_the_published_library() -> None:
    """What we sign it accepts, what it signs we accept, and what was touched neither of us."""
    import datetime

    theirs = Webhook(SECRET)
    now = datetime.datetime.now(datetime.UTC)
    text = b'{"event":"live.start_session"}'
    ours = signing.sign(KEY, "msg_1", int(now.timestamp()), text)
    renamed = {name.replace("svix-", "webhook-"): value for name, value in ours.items()}
    assert theirs.verify(text, renamed) == json.loads(text)
    assert theirs.sign("msg_1", now, text.decode()) == ours[signing.SIGNATURE_HEADER]
    moment = now.timestamp()
    assert signing.read_secret(SECRET + "\n") == KEY
    assert signing.verify(KEY, ours, text, moment) == ""
    several = {**ours, signing.SIGNATURE_HEADER: f"v1,AAAA {ours[signing.SIGNATURE_HEADER]}"}
    assert signing.verify(KEY, several, text, moment) == ""
    assert signing.verify(KEY, ours, text + b" ", moment) == "wrong signature"
    assert signing.verify(KEY[1:], ours, text, moment) == "wrong signature"
    assert "too long ago" in signing.verify(KEY, ours, text, moment + 301)
    assert "number" in signing.verify(KEY, {**ours, signing.TIME_HEADER: "x"}, text, moment)
    assert signing.verify(KEY, {}, text, moment) == "not signed"


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "no base 64"])
def test_secrets_that_are_none_are_refused(text: str) -> None:
    """And what was given is not repeated."""
    with pytest.raises(ValueError, match="whsec_ followed by base64"):
        signing.read_secret(text)


# ------------------------------------------------------------------ over real sockets


@asynccontextmanager
async def hostile(answer: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[Place]:
    """A server that reads a request and then does what it likes."""

    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some(1 << 16)
        try:
            await answer(stream)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        port = listeners[0].socket.getsockname()[1]
        yield Place("http", "127.0.0.1", port, "/", "127.0.0.1")
        nursery.cancel_scope.cancel()


async def never(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def hang_up(stream: trio.SocketStream) -> None:
    await trio.lowlevel.checkpoint()


async def break_off(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")


async def redirect(stream: trio.SocketStream) -> None:
    answer = b"HTTP/1.1 307 Go\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n"
    await stream.send_all(answer)


async def babble(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send_all(bytes(1 << 16))


async def babble_headers(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send_all(b"x: " + b"y" * 10_000 + b"\r\n")


async def speak_nonsense(stream: trio.SocketStream) -> None:
    await stream.send_all(b"\x00\xff not http at all\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hang_up, "hung up without an answer"),
        (break_off, ""),
        (redirect, "answered 307"),
        (babble, ""),
        (babble_headers, "the answer is no HTTP"),
        (speak_nonsense, "the answer is no HTTP"),
    ],
)
async def test_hostile_receivers(
    answer: Callable[[trio.SocketStream], Awaitable[None]], reason: str
) -> None:
    """Each is one answer and no more: the status counts, and the rest is not waited for."""
    with trio.fail_after(20):
        async with hostile(answer) as place:
            said = await HttpPoster().post(place, {}, b"{}")
            assert said.startswith(reason) if reason else said == ""


async def test_a_receiver_that_never_answers_can_be_left() -> None:
    """Waiting for it ends when the time is up, with nothing left open."""
    async with hostile(never) as place:
        with trio.move_on_after(0.2) as scope:
            await HttpPoster().post(place, {}, b"{}")
        assert scope.cancelled_caught


async def test_nobody_there_is_a_reason() -> None:
    """A refused connection is told as one."""
    with closing(listen("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    place = Place("http", "127.0.0.1", port, "/", "127.0.0.1")
    assert "cannot connect" in await HttpPoster().post(place, {}, b"{}")


@pytest.mark.parametrize(
    "config",
    [
        {"callback": True},
        {"callback": True, "callback_config": {}},
        {"callback": True, "callback_config": {"url": "http://10.0.0.1/"}},
        {"callback": True, "callback_config": {"url": "ftp://127.0.0.1/"}},
    ],
)
async def test_a_url_out_of_reach_is_refused_at_once(config: dict[str, Any]) -> None:
    """With 400, the field by its name, and everything else that is wrong as well."""
    async with service() as (client, box):
        answer = await client.post("/v2/live", json={**config, "channels": 9})
        assert answer.status_code == 400
        first, second = sorted(answer.json()["validation_errors"])
        assert first.startswith('Field "callback_config.url" ')
        assert '"channels"' in second
        assert not list(box.newest_first())


async def test_a_session_with_a_receiver() -> None:
    """Callbacks and signed webhooks of a whole session come to two URLs of one receiver."""
    got: list[Arrival] = []
    over = trio.Event()

    def tell(arrival: Arrival) -> None:
        got.append(arrival)
        if sum(posting.ends_session(each.post) for each in got if each.post) == 2:
            over.set()

    async with open_receiver(tell, key=KEY) as url:
        mail = MailSettings(webhook_url=f"{url}hooks", webhook_key=KEY)
        async with service(mail=mail) as (client, _):
            config = {"callback": True, "callback_config": {"url": f"{url}call?x=1"}}
            await play(client, config)
            await over.wait()
    calls = [each for each in got if each.path == "/call"]
    hooks = [each for each in got if each.path == "/hooks"]
    assert [each.post.event.removeprefix("live.") for each in calls if each.post] == DEFAULT
    assert [each.signature for each in hooks] == [""] * 4
    assert [each.moment for each in got] == sorted(each.moment for each in got)


async def test_a_receiver_that_refuses_twice_gets_it_at_the_third_time() -> None:
    """Over real sockets, with the order kept."""
    got: list[str] = []
    over = trio.Event()
    answers = iter([500, 500])

    def tell(arrival: Arrival) -> None:
        assert arrival.post is not None
        got.append(arrival.post.event.removeprefix("live."))
        object.__setattr__(told, "status", next(answers, 200))
        if posting.ends_session(arrival.post):
            over.set()

    told = Answers()
    mail = MailSettings(terms=Terms(backoff=0.01))
    async with open_receiver(tell, answers=told) as url, service(mail=mail) as (client, _):
        await play(client, {"callback": True, "callback_config": {"url": url}})
        await over.wait()
    assert got == ["start_session", "start_session", *DEFAULT]


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({signing.ID_HEADER: "x"}, 401)], ids=["none", "half"]
)
async def test_the_receiver_refuses_unsigned_webhooks(headers: dict[str, str], status: int) -> None:
    """They are told all the same; callbacks, which nobody signs, are taken as they are."""
    got: list[Arrival] = []
    async with (
        open_receiver(got.append, key=KEY) as url,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        hook = {"event": "live.start_session", "payload": {"id": "x"}}
        assert (await client.post(url, json=hook, headers=headers)).status_code == status
        assert (await client.post(url, json={"id": "x", **hook})).status_code == 200
        assert (await client.get(url)).status_code == 405
    assert [each.signature for each in got] == ["not signed", None]


# ------------------------------------------------------------------ as programs


async def test_killed_and_started_again_it_still_posts() -> None:
    """A session whose callbacks had no receiver until the sandbox was killed: they all come."""
    got: list[str] = []
    over = trio.Event()

    def tell(arrival: Arrival) -> None:
        assert arrival.post is not None
        got.append(arrival.post.event.removeprefix("live."))
        if posting.ends_session(arrival.post):
            over.set()

    with closing(listen("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with trio.fail_after(60):
        async with owned_sandbox("--recognizer", "silent") as program:
            async with httpx.AsyncClient(base_url=program.url, trust_env=False) as client:
                url = f"http://127.0.0.1:{port}/"
                config = {"callback": True, "callback_config": {"url": url}}
                live = (await client.post("/v2/live", json=config)).json()["url"]
            async with dial(live) as websocket:
                await websocket.send_message(bytes(SECOND))
                await websocket.get_message()
            await program.kill()
            async with open_receiver(tell, port=port):
                await program.start()
                async with dial(live) as websocket:
                    await websocket.send_message(m.STOP_RECORDING)
                    await over.wait()
    assert [each for each in DEFAULT if each != "transcript"] == got


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_listen_prints_and_journals(tmp_path: Path) -> None:
    """The first line says where; each arrival is a line there and in the journal; Ctrl-C ends."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    command = [sys.executable, "-m", "replay", "listen", "--port", "0", "--out", tmp_path / "got"]
    with subprocess.Popen(
        [*command, "--secret-file", secret, "--status", "503"], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        url = json.loads(program.stdout.readline())["url"]
        call = {"id": "7", "event": "live.end_session", "payload": {"type": "end_session"}}
        with httpx.Client(trust_env=False) as client:
            assert client.post(url, json=call).status_code == 503
            assert client.post(url, content=b"\xff\x1b[2J").status_code == 401
        lines = [program.stdout.readline() for _ in range(2)]
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0
        assert program.stdout.read() == ""
    assert "live.end_session" in lines[0]
    assert "5 bytes that are no callback and no webhook  (not signed)" in lines[1]
    journal = [json.loads(line) for line in lines_of(tmp_path / "got/arrivals.jsonl")]
    assert journal[0]["body"] == call
    assert journal[1]["text"] == "\ufffd\x1b[2J"
    assert journal[0]["t"] < journal[1]["t"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sandbox", "--callback-allow", "http://x/"], "write HOST, ADDRESS or NETWORK/BITS"),
        (["sandbox", "--webhook-url", "ftp://x/"], "must be an http or https URL"),
        (["sandbox", "--webhook-secret", "s3cret!"], "a webhook secret is whsec_"),
        (["sandbox", "--webhook-secret-file", "/nowhere"], "no such file"),
        (["listen", "--secret-file", "/nowhere"], "no such file"),
        (["listen", "--host", "203.0.113.1"], "cannot listen on 203.0.113.1:9000"),
    ],
)
def test_wrong_options_are_told_in_a_line(arguments: list[str], said: str) -> None:
    """Exit code 2, one line of reason, and no secret in it."""
    done = subprocess.run(
        [sys.executable, "-m", "replay", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
