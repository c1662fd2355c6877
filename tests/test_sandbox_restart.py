"""Sessions that outlive the sandbox.

Leaving `open_sandbox` writes nothing down, so that for a session it is the same as a kill; where
the process itself matters, one is killed.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from killing import KILLS, SESSIONS, audit, killable, killed_again_and_again, numbered, once
from sandboxes import ALL, SECOND, Client, join, sandbox, scripted, words
from test_sandbox_recognizers import SPEECH

from replay.audio import HEADER_BYTES, AudioFormat, wav_header
from replay.errors import MachineError
from replay.sandbox.hub import Sandbox
from replay.sandbox.latency import Spread
from replay.sandbox.live import LiveSession as Live
from replay.sandbox.past import ChannelPast, Past
from replay.sandbox.recognizers import make
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.standing import Stage
from replay.sandbox.store import Store
from replay.wire import messages as m

TWO_CHANNELS = Script(
    [
        *words(("Good", 0.2, 0.5), ("day.", 0.5, 0.9), ("How", 1.6, 1.8), ("are", 1.8, 2.0)),
        *words(("you?", 2.0, 2.4), ("Bye.", 3.1, 3.6)),
        *words(("Hello.", 0.3, 0.7), ("Fine,", 2.5, 2.9), ("bye.", 2.9, 3.3), channel=1),
    ]
)


def told(*clients: Client) -> list[Any]:
    """What was said over all connections, but acknowledgements and partials."""
    return [
        message
        for client in clients
        for _, message in client.heard
        if not isinstance(message, m.AudioAck | m.StopAck)
        and not (isinstance(message, m.Transcript) and not message.data.is_final)
    ]


def plain(messages: list[Any]) -> list[str]:
    """Messages in an order and a form in which sessions can be compared."""
    for message in messages:
        message.created_at = message.session_id = ""
        if isinstance(message, m.PostFinalTranscript):
            message.data.metadata.transcription_time = 0.0
    return sorted(m.encode(message) for message in messages)


async def lived_through(
    directory: Path, killed_at: list[float], **more: Any
) -> tuple[list[str], Any]:
    """What a session of four seconds, opened with `more`, comes to, with the sandbox dying at these
    moments."""
    body = {**ALL, "channels": 2, "endpointing": 0.2, **more}
    recognizer = scripted(TWO_CHANNELS, partial=Spread(0.1), final=Spread(0.35))
    clients: list[Client] = []
    job_id, sent, began, job = "", 0, trio.current_time(), None
    for until in [*killed_at, 30.0]:
        async with sandbox(recognizer, data=directory) as box, trio.open_nursery() as nursery:
            entry = box.find(job_id) if job_id else box.init(body)
            job_id = entry.live.id
            with trio.move_on_at(began + until):
                client = await join(nursery, entry)
                clients.append(client)
                while sent < 40:
                    await trio.sleep_until(began + (sent + 1) * 0.1)
                    sent += 1
                    await client.say(bytes([sent]) * (SECOND // 5))
                await client.stop()
                await trio.sleep(10)
            job = box.job(entry)
            size = entry.live.store.size
            nursery.cancel_scope.cancel()
    acks = [end for client in clients for _, end in client.ranges()]
    assert acks == sorted(acks)
    assert acks[-1] == size == 8 * SECOND
    assert client.closed == (1000, "") or client.closed == (4403, "the session has ended")
    assert job is not None
    assert job.result is not None
    return plain(told(*clients)), job.result.transcription


async def test_death_at_any_moment(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Wherever the sandbox dies, everything is said once and comes to the same result."""
    expected = await lived_through(tmp_path / "undisturbed", [])
    assert len([text for text in expected[0] if '"is_final":true' in text]) == 5
    for step in range(1, 46):
        # A little off the tenths, at which a chunk and the death would come at once.
        at = step * 0.1 + 0.03
        assert await lived_through(tmp_path / f"{at}", [at]) == expected, f"killed at {at}"


async def test_many_deaths(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """A session survives any number of deaths."""
    expected = await lived_through(tmp_path / "undisturbed", [])
    often = [0.13 + 0.3 * n for n in range(14)]
    assert await lived_through(tmp_path / "often", often) == expected


def amnesia(_store: Store, channels: int, **_options: bool) -> Past:
    return Past([ChannelPast() for _ in range(channels)])


@pytest.mark.parametrize(
    ("what", "planted"), [("store.Store.delivered", 0), ("live.recall", amnesia)]
)
async def test_death_is_noticed(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    planted: object,
) -> None:
    """The comparison above sees what is said twice over a death."""
    expected = await lived_through(tmp_path / "undisturbed", [])
    monkeypatch.setattr(f"replay.sandbox.{what}", planted)
    assert await lived_through(tmp_path / "spoilt", [2.03]) != expected


async def restarted(
    tmp_path: Path, first: Callable[[Sandbox, Any, trio.Nursery], Any], body: Any = ALL
) -> str:
    """Let a session live through `first`; its id."""
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        entry = box.init(body)
        await first(box, entry, nursery)
        nursery.cancel_scope.cancel()
    return entry.live.id


async def test_finals_nobody_took(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Finals that came while the client was away are delivered after a restart as well."""

    async def first(_box: Sandbox, entry: Any, nursery: trio.Nursery) -> None:
        client = await join(nursery, entry, reading=False)
        await client.say(bytes(2 * SECOND))
        client.hang_up()
        client.read_on()
        await trio.sleep(1)

    job_id = await restarted(tmp_path, first)
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.find(job_id))
        assert client.finals() == [" Good day."]
        await client.say(bytes(100))
        assert client.ranges() == [(2 * SECOND, 2 * SECOND + 100)]
        assert client.all(m.AudioAck)[0].data.time_range[0] == 2
        nursery.cancel_scope.cancel()


async def test_header_then_death(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """A WAV header that came half before a restart and half after it is still no audio."""
    whole = wav_header(AudioFormat(), None) + bytes(range(1, 201)) * 16

    async def first(_box: Sandbox, entry: Any, nursery: trio.Nursery) -> None:
        client = await join(nursery, entry)
        await client.say(whole[:30])

    job_id = await restarted(tmp_path, first)
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        entry = box.find(job_id)
        client = await join(nursery, entry)
        await client.say(whole[30:])
        assert client.ranges() == [(30, len(whole))]
        assert entry.live.store.read(0, 10_000) == whole[HEADER_BYTES:]
        nursery.cancel_scope.cancel()


async def test_ended_sessions_stay(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Jobs, their order, their recordings and what was done to them are there after a restart."""

    async def whole(box: Sandbox, nursery: trio.Nursery, data: bytes) -> Any:
        entry = box.init({**ALL, "custom_metadata": {"n": len(data)}})
        client = await join(nursery, entry)
        await client.say(data, m.STOP_RECORDING)
        await trio.sleep(1)
        assert entry.live.stage is Stage.OVER
        return entry

    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        kept = await whole(box, nursery, wav_header(AudioFormat(), None) + bytes(2 * SECOND))
        gone = await whole(box, nursery, bytes(100))
        other = await whole(box, nursery, bytes(200))
        box.annotate(kept, {"seen": True})
        box.delete(gone.live.id)
        before = [box.job(entry) for entry in box.newest_first()]
        sound = b"".join(kept.live.store.wav())
        token = kept.token
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        assert [box.job(entry) for entry in box.newest_first()] == before
        assert [job.id for job in before] == [other.live.id, kept.live.id]
        assert before[1].post_session_metadata == {"seen": True}
        session = box.by_token(token)
        assert session is not None
        assert not isinstance(session, Live)
        assert b"".join(session.store.wav()) == sound
        client = await join(nursery, box.find(kept.live.id))
        assert client.closed == (4403, "the session has ended")


async def test_broken_down_sessions_stay_so(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A session whose disk was full keeps what it acknowledged, and its status."""
    with room_for(100_000):

        async def fill(_box: Sandbox, entry: Any, nursery: trio.Nursery) -> None:
            client = await join(nursery, entry)
            for n in range(5):
                await client.say(bytes([n + 1]) * 30_000)
            assert client.ranges() == [(n * 30_000, (n + 1) * 30_000) for n in range(3)]
            await trio.sleep(3)
            assert client.closed == (1011, "the session broke down")

        job_id = await restarted(tmp_path, fill)
    async with sandbox(scripted(), data=tmp_path) as box:
        entry = box.find(job_id)
        assert entry.status == "error"
        assert "cannot write" in str(entry.live.failure)
        acknowledged = b"".join(bytes([n + 1]) * 30_000 for n in range(3))
        assert b"".join(entry.live.store.wav())[HEADER_BYTES:] == acknowledged


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: the last write that fits is cut."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_session_that_cannot_be_kept(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Where a session cannot be put on record it is refused, and nothing of it stays."""
    async with sandbox(scripted(), data=tmp_path) as box:
        with room_for(10), pytest.raises(MachineError, match="cannot use"):
            box.init({})
        assert list(box.newest_first()) == []
        assert not [name for name in os.listdir(tmp_path) if not name.startswith("sessions.")]
        assert box.init({}).status == "queued"


async def test_torn_lines(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """What was half written when the process died is left out, the rest is kept."""

    async def first(_box: Sandbox, entry: Any, nursery: trio.Nursery) -> None:
        client = await join(nursery, entry)
        await client.say(bytes(2 * SECOND))

    job_id = await restarted(tmp_path, first)
    for name in ("messages.jsonl", "utterances.jsonl"):
        with (tmp_path / job_id / name).open("ab") as file:
            file.write(b'{"start": 1.')
    async with sandbox(scripted(), data=tmp_path) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.find(job_id))
        await client.stop()
        await trio.sleep(1)
        assert client.kinds()[-1] == "end_session"
        assert client.all(m.PostTranscript)[0].data.full_transcript == "Good day."


async def test_damaged_session(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """A session whose records were damaged is left out; the others are there."""
    async with sandbox(data=tmp_path) as box:
        bad, good = box.init({}).live.id, box.init({}).live.id
    (tmp_path / bad / "utterances.jsonl").write_bytes(b"no utterance\n")
    async with sandbox(data=tmp_path) as box:
        assert [entry.live.id for entry in box.newest_first()] == [good]


async def test_one_sandbox_for_a_directory(tmp_path: Path) -> None:
    """A second sandbox on the same directory is refused in one line; the first goes on."""
    async with sandbox(data=tmp_path) as box:
        with pytest.raises(MachineError) as refused:
            async with sandbox(data=tmp_path):
                pass
        assert "in use by another sandbox" in str(refused.value)
        assert box.init({}).status == "queued"


@pytest.mark.local
async def test_real_recognition_goes_on(tmp_path: Path) -> None:
    """Speech recognised by half before a restart is whole after it, with times that go on."""
    audio = (SPEECH / "beckett.wav").read_bytes()[HEADER_BYTES:]
    seen: list[m.Utterance] = []
    job_id = ""
    for last, part in enumerate((audio[: 5 * SECOND], audio[5 * SECOND :])):
        recognizer = make("moonshine")
        async with sandbox(recognizer, data=tmp_path) as box, trio.open_nursery() as nursery:
            entry = box.find(job_id) if job_id else box.init({"endpointing": 0.3})
            job_id = entry.live.id
            client = await join(nursery, entry)
            await client.say(part)
            if last:
                await client.stop()
            with trio.fail_after(60):
                # The client is a plain record of what it was told.
                while not client.finals() or (last and client.closed is None):  # noqa: ASYNC110
                    await trio.sleep(0.05)
            seen += [t.data.utterance for t in client.all(m.Transcript) if t.data.is_final]
            nursery.cancel_scope.cancel()
    text = "".join(utterance.text for utterance in seen).lower()
    assert "ever tried" in text
    assert "better" in text
    assert text.count("ever tried") == 1
    starts = [utterance.start for utterance in seen]
    assert starts == sorted(starts)
    assert starts[-1] > 5


# ---------------------------------------------------------------------- a process that is killed


async def test_killed_and_restarted(tmp_path: Path) -> None:
    """With the process killed five times in the middle of twenty sessions, some of them in their
    post-processing, all of them resume on their URLs and come to their results: nothing that was
    acknowledged is missing, audio comes twice only where it was not acknowledged at a kill, and a
    message only where the kill came before it counted as handed over."""
    async with killable(tmp_path) as target:
        with trio.fail_after(300):
            seen = await killed_again_and_again(target, SESSIONS, KILLS)
    assert [seen.faults, seen.missing, seen.finished] == [[], 0, SESSIONS]
    assert len(seen.restarts) == KILLS
    assert seen.resumed[0] == SESSIONS
    # The part that had just stopped, and the one that spoke on.
    assert seen.processing[-1] >= SESSIONS // KILLS
    assert seen.resumed[-1] >= 2 * SESSIONS // KILLS


@pytest.mark.parametrize(
    ("recorded", "passages", "missing", "fine"),
    [
        ([(0, 32000)], [(0, 32000)], 0, True),
        ([(0, 8000), (6000, 32000)], [(0, 8000), (6000, 32000)], 0, True),
        ([(0, 8000), (6000, 32000)], [(0, 7000), (6000, 32000)], 0, False),
        ([(0, 8000), (6000, 32000)], [(0, 8000), (8000, 32000)], 0, False),
        ([(0, 8000), (6000, 7000), (6000, 32000)], [(0, 8000), (6000, 32000)], 0, False),
        ([(0, 8000), (8004, 32000)], [(0, 32000)], 4, False),
        ([(0, 31996)], [(0, 32000)], 4, True),
        ([(0, 31997)], [(0, 32000)], 4, False),
        ([(0, 32000), (0, 32000)], [(0, 32000)], 0, False),
    ],
)
def test_recordings_are_checked(
    recorded: list[tuple[int, int]], passages: list[tuple[int, int]], missing: int, fine: bool
) -> None:
    """The check above sees a loss, a gap, a missing end, and what comes again though it was
    acknowledged, or without a connection that brought it."""
    sent = numbered(3, 0, SECOND)
    faults, lost, repeated = audit(b"".join(sent[a:b] for a, b in recorded), sent, passages)
    assert [not faults, lost] == [fine, missing]
    if fine:
        assert repeated == sum(b - a for a, b in recorded) + missing - len(sent)


def test_foreign_audio_is_seen() -> None:
    """A byte of another session is no audio of this one."""
    sent = numbered(3, 0, SECOND)
    assert audit(sent[:8000] + b"\0\0\0\1" + sent[8004:], sent, [(0, SECOND)])[0]


def test_messages_are_checked() -> None:
    """A message comes again right after a cut and as the first there, or it counts twice."""
    assert once([(1, "a"), (1, "b"), (2, "b"), (3, "b"), (3, "c")]) == (["a", "b", "c"], 2)
    assert once([(1, "a"), (1, "a")]) == (["a", "a"], 0)
    assert once([(1, "a"), (1, "b"), (2, "a")]) == (["a", "b", "a"], 0)
