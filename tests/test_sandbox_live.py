"""One session of the sandbox, in virtual time."""

from __future__ import annotations

import gc
import struct
import tracemalloc
from typing import Any

import pytest
import trio
import trio.testing
from hostile import EVERY, SPOKEN, door, neighbour
from hypothesis import given, settings
from hypothesis import strategies as st
from sandboxes import ALL, GOOD_DAY, SECOND, join, sandbox, scripted, speak, words

from replay.audio import AudioFormat, wav_header
from replay.errors import MachineError
from replay.sandbox.latency import Spread
from replay.sandbox.live import Stage
from replay.sandbox.recognizers.base import (
    Event,
    Heard,
    RecognitionError,
    Stream,
    StreamSettings,
)
from replay.sandbox.recognizers.scripted import Script
from replay.sandbox.recognizers.silent import SilentRecognizer, SilentStream
from replay.sandbox.store import Store
from replay.wire import messages as m


async def test_whole_session(autojump_clock: trio.testing.MockClock) -> None:
    """A session tells everything once, in the protocol's order, and closes with 1000."""
    async with sandbox(scripted(final=Spread(0.25))) as box, trio.open_nursery() as nursery:
        entry = box.init(ALL)
        assert entry.status == "queued"
        client = await join(nursery, entry)
        await speak(client, 1.0)
        assert entry.status == "processing"
        await speak(client, 0.2)
        await client.stop()
        await trio.sleep(1)
    assert client.kinds() == [
        "start_recording",
        "speech_start",
        "transcript",
        "transcript",
        "speech_end",
        "stop_recording",
        "transcript",
        "end_recording",
        "post_transcript",
        "post_final_transcript",
        "end_session",
    ]
    assert client.closed == (1000, "")
    assert client.partials() == [" Good", " Good day."]
    assert client.finals() == [" Good day."]
    assert {t.data.id for t in client.all(m.Transcript)} == {"00_00000000"}
    final = client.all(m.PostFinalTranscript)[0].data
    assert final.transcription.full_transcript == "Good day."
    assert final.metadata.audio_duration == 1.2
    assert {message.session_id for _, message in client.heard} == {entry.live.id}
    assert entry.status == "done"


async def test_transcripts_come_when_the_script_says(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A partial comes when its last word was heard, a final after endpointing, plus the delays."""
    manner = {"partial": Spread(0.2), "final": Spread(0.5)}
    async with sandbox(scripted(**manner)) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({**ALL, "endpointing": 0.3}))
        await speak(client, 3.0)
        nursery.cancel_scope.cancel()
    times = [round(at, 6) for at, message in client.heard if isinstance(message, m.Transcript)]
    # Chunks of 0.1 s: "Good" is complete at 0.7, "day." at 1.1, the silence after it at 1.4.
    assert times == [0.9, 1.3, 1.9]


async def test_only_what_was_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    """Each group of messages obeys its flag, and a missing flag takes the service's default."""
    quiet = {
        "receive_final_transcripts": False,
        "receive_speech_events": False,
        "receive_acknowledgments": False,
        "receive_post_processing_events": False,
    }
    seen = {}
    for name, flags in (("default", {}), ("quiet", quiet)):
        async with sandbox(scripted()) as box, trio.open_nursery() as nursery:
            client = await join(nursery, box.init({"messages_config": flags}))
            await speak(client, 1.5)
            await client.stop()
            await trio.sleep(1)
        seen[name] = client.kinds(acks=True)
    assert "start_recording" not in seen["default"]
    assert seen["default"].count("transcript") == 1
    assert {"audio_chunk", "speech_start", "stop_recording"} <= set(seen["default"])
    assert seen["quiet"] == []


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 5000), max_size=20), cuts=st.sets(st.integers(0, 19)))
def test_acknowledgements_add_up(sizes: list[int], cuts: set[int]) -> None:
    """Acks are cumulative and exclusive over any chunk sizes and reconnections, one per chunk,
    and the record holds exactly what was sent."""

    async def session() -> None:
        ranges = []
        sent = b""
        async with sandbox() as box, trio.open_nursery() as nursery:
            entry = box.init({})
            client = await join(nursery, entry)
            for index, size in enumerate(sizes):
                data = bytes((index + k) % 251 + 1 for k in range(size))
                sent += data
                await client.say(m.audio_frame(data) if index % 2 else data)
                if index in cuts:
                    ranges += client.ranges()
                    client.hang_up()
                    client = await join(nursery, entry)
            ranges += client.ranges()
            assert entry.live.store.read(0, len(sent) + 1) == sent
            nursery.cancel_scope.cancel()
        at = 0
        expected = []
        for size in sizes:
            expected.append((at, at + size))
            at += size
        assert ranges == expected

    trio.run(session, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_odd_bytes_are_carried(autojump_clock: trio.testing.MockClock) -> None:
    """Chunks that split samples are put together again before they are heard."""
    heard: list[float] = []

    class Ear(SilentStream):
        async def hear(self, heard_: Heard) -> list[Event]:
            assert heard_.samples is not None
            heard.extend((heard_.samples * 32768).tolist())
            return []

    class Ears(SilentRecognizer):
        wants_audio = True

        def stream(self, settings: StreamSettings) -> Stream:
            return Ear()

    data = struct.pack("<100h", *range(-50, 50))
    async with sandbox(Ears()) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({}))
        for size in (1, 3, 5, 7, 9, 175):
            await client.say(data[:size])
            data = data[size:]
        nursery.cancel_scope.cancel()
    assert heard == list(range(-50, 50))


async def test_header_is_counted_and_left_out(autojump_clock: trio.testing.MockClock) -> None:
    """A WAV header that opens the session counts in byte ranges, not in times or the record."""
    sound = bytes(range(1, 201)) * 16
    whole = wav_header(AudioFormat(), None) + sound
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await client.say(whole[:10], whole[10:100], whole[100:])
        acks = [ack.data for ack in client.all(m.AudioAck)]
        assert [ack.byte_range for ack in acks] == [(0, 10), (10, 100), (100, 3244)]
        assert acks[-1].time_range[1] == 0.1
        assert entry.live.store.read(0, 10_000) == sound
        nursery.cancel_scope.cancel()


async def test_half_a_header_is_audio(autojump_clock: trio.testing.MockClock) -> None:
    """What only began like a WAV header is recorded when the session stops."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await client.say(b"RIFF")
        await client.stop()
        await trio.sleep(1)
        assert b"".join(entry.live.store.wav())[44:] == b"RIFF"


async def test_resume(autojump_clock: trio.testing.MockClock) -> None:
    """A lost connection loses neither position nor finals; partials said meanwhile are dropped."""
    script = Script([*GOOD_DAY.words, *words(("Bye", 1.5, 1.9), ("now.", 1.9, 2.3))])
    async with (
        sandbox(scripted(script, partial=Spread(1.0), final=Spread(2.0))) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init(ALL)
        first = await join(nursery, entry)
        await speak(first, 1.3)
        first.hang_up(1006)
        await trio.sleep(10)
        second = await join(nursery, entry)
        await speak(second, 1.7)
        await second.stop()
        await trio.sleep(5)
    assert first.kinds() == ["start_recording", "speech_start", "speech_end"]
    assert second.kinds()[0] == "transcript"
    assert second.finals() == [" Good day.", " Bye now."]
    assert second.ranges()[0][0] == round(1.3 * SECOND)
    assert "start_recording" not in second.kinds()
    assert second.all(m.Transcript)[-1].data.id == "00_00000001"
    assert second.closed == (1000, "")


async def test_message_cut_while_sent_is_sent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A final that was being sent when the connection died goes to the next connection."""
    async with sandbox(scripted()) as box, trio.open_nursery() as nursery:
        entry = box.init({"messages_config": {"receive_speech_events": False}})
        stuck = await join(nursery, entry, reading=False)
        await stuck.say(bytes(2 * SECOND))
        stuck.hang_up()
        stuck.read_on()
        await trio.testing.wait_all_tasks_blocked()
        client = await join(nursery, entry)
        await trio.testing.wait_all_tasks_blocked()
        assert client.finals() == [" Good day."]
        nursery.cancel_scope.cancel()


async def test_newest_connection_wins(autojump_clock: trio.testing.MockClock) -> None:
    """A second connection closes the first with 4409, even one that does not read."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        first = await join(nursery, entry)
        await first.say(bytes(100))
        second = await join(nursery, entry, reading=False)
        assert first.closed is not None
        assert first.closed[0] == 4409
        await second.say(bytes(50))
        third = await join(nursery, entry)
        await trio.sleep(2)
        await second.say(bytes(1000))
        await third.say(bytes(7))
        assert third.ranges() == [(150, 157)]
        nursery.cancel_scope.cancel()


async def test_after_the_end(autojump_clock: trio.testing.MockClock) -> None:
    """A session that has ended takes connections only to close them with 4403."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await client.stop()
        await trio.sleep(1)
        late = await join(nursery, entry)
        assert entry.live.stage is Stage.OVER
    assert late.heard == []
    assert late.closed is not None
    assert late.closed[0] == 4403


async def test_stop_is_remembered(autojump_clock: trio.testing.MockClock) -> None:
    """A client that stopped and was cut off gets the rest, and 1000, when it comes back."""
    async with sandbox(scripted(final=Spread(3))) as box, trio.open_nursery() as nursery:
        entry = box.init(ALL)
        first = await join(nursery, entry)
        await speak(first, 1.5)
        await first.stop()
        first.hang_up(1006)
        await trio.sleep(60)
        assert entry.status == "done"
        second = await join(nursery, entry)
        await trio.sleep(1)
    assert second.finals() == [" Good day."]
    assert second.kinds()[-1] == "end_session"
    assert second.closed == (1000, "")
    assert entry.live.stage is Stage.OVER


@pytest.mark.parametrize(("code", "ends_after"), [(1000, 0), (1001, 120), (1006, 120), (4500, 120)])
async def test_client_closes(
    autojump_clock: trio.testing.MockClock, code: int, ends_after: float
) -> None:
    """A close with 1000 is a stop; any other leaves the session waiting for its client."""
    async with sandbox(scripted()) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await speak(client, 2)
        client.hang_up(code)
        await trio.sleep(ends_after - 0.01 if ends_after else 0.01)
        assert (entry.live.stage is Stage.OVER) is (ends_after == 0)
        await trio.sleep(1)
        assert entry.live.stage is Stage.OVER
        job = box.job(entry)
    assert job.status == "done"
    assert job.result is not None
    assert job.result.transcription.full_transcript == "Good day."


async def test_never_claimed(autojump_clock: trio.testing.MockClock) -> None:
    """A session that nobody ever connects to ends by itself."""
    async with sandbox(unclaimed_timeout=50) as box:
        entry = box.init({})
        await trio.sleep(49)
        assert entry.status == "queued"
        await trio.sleep(2)
        assert entry.live.stage is Stage.OVER
        assert box.job(entry).result is not None


async def test_idle(autojump_clock: trio.testing.MockClock) -> None:
    """Thirty seconds without a chunk close with 4408; an empty chunk counts as one."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await trio.sleep(25)
        await client.say(m.audio_frame(b""))
        assert client.ranges() == [(0, 0)]
        await trio.sleep(29.5)
        assert client.closed is None
        await trio.sleep(1)
        assert client.closed is not None
        assert client.closed[0] == 4408
        assert entry.live.stage is Stage.OVER
    assert client.kinds() == []


async def test_idle_switched_off(autojump_clock: trio.testing.MockClock) -> None:
    """Without an idle limit a silent connection stays."""
    async with sandbox(idle_timeout=None) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({}))
        await trio.sleep(3600)
        assert client.closed is None
        nursery.cancel_scope.cancel()


async def test_longest_session(autojump_clock: trio.testing.MockClock) -> None:
    """A session with as much audio as it may have ends as if stopped."""
    async with sandbox(max_seconds=10) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init(ALL))
        await speak(client, 10)
        await trio.sleep(1)
    assert client.kinds()[-1] == "end_session"
    assert client.closed == (1000, "")


async def test_frame_too_big(autojump_clock: trio.testing.MockClock) -> None:
    """A frame over the limit is not recorded and closes with 1009; the session stays."""
    async with sandbox(max_frame=1000) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await client.say(bytes(1000), bytes(1001))
        assert client.closed is not None
        assert client.closed[0] == 1009
        again = await join(nursery, entry)
        await again.say(bytes(10))
        assert again.ranges() == [(1000, 1010)]
        nursery.cancel_scope.cancel()


async def test_after_stop(autojump_clock: trio.testing.MockClock) -> None:
    """Audio and another stop after the stop are refused, never an error close."""
    async with sandbox(scripted(final=Spread(1))) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        await client.say(bytes(2 * SECOND))
        await client.stop()
        await client.say(bytes(100), m.STOP_RECORDING)
        await trio.sleep(5)
        assert entry.live.store.size == 2 * SECOND
    refused = client.all(m.AudioAck)[-1]
    assert not refused.acknowledged
    assert refused.error is not None
    first, second = client.all(m.StopAck)
    assert first.acknowledged
    assert first.data.recording_duration == 2
    assert second.error.status_code == 409
    assert client.closed == (1000, "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60) | st.sampled_from(['{"type":"audio_chunk"}', "[]", "1"])))
def test_nonsense(frames: list[str]) -> None:
    """Frames that mean nothing are refused one by one, and the session goes on."""

    async def session() -> None:
        async with sandbox() as box, trio.open_nursery() as nursery:
            client = await join(nursery, box.init({}))
            await client.say(*frames)
            await client.say(bytes(10))
            acks = client.all(m.AudioAck)
            assert [ack.acknowledged for ack in acks] == [False] * len(frames) + [True]
            nursery.cancel_scope.cancel()

    trio.run(session, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_client_that_does_not_read(autojump_clock: trio.testing.MockClock) -> None:
    """A client that does not read is read from no more, instead of filling the memory."""
    async with sandbox(outbox_bytes=2000) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry, reading=False)
        await client.say(*[bytes(100)] * 500)
        assert entry.live.store.size < 100 * 100
        client.read_on()
        await trio.testing.wait_all_tasks_blocked()
        assert entry.live.store.size == 50_000
        assert len(client.ranges()) == 500
        nursery.cancel_scope.cancel()


async def test_client_that_never_reads_the_end(autojump_clock: trio.testing.MockClock) -> None:
    """A client that never takes its last messages does not keep the session alive."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry, reading=False)
        await client.say(bytes(100), m.STOP_RECORDING)
        await trio.sleep(119)
        assert entry.live.stage is Stage.CONCLUDED
        await trio.sleep(5)
        assert entry.live.stage is Stage.OVER


async def test_recogniser_breaks_down(autojump_clock: trio.testing.MockClock) -> None:
    """A recogniser that fails ends its session with status error, and no other."""

    class Broken(SilentStream):
        async def hear(self, heard: Heard) -> list[Event]:
            raise RecognitionError("out of order")

    class Breaks(SilentRecognizer):
        def stream(self, settings: StreamSettings) -> Stream:
            return Broken()

    async with sandbox(Breaks()) as box, trio.open_nursery() as nursery:
        entry, other = box.init({}), box.init({})
        client = await join(nursery, entry)
        await client.say(bytes(SECOND))
        await trio.sleep(1)
        assert client.closed is not None
        assert client.closed[0] == 1011
        assert box.job(entry).status == "error"
        assert box.job(entry).error_code == 500
        assert other.status == "queued"


@pytest.mark.parametrize("place", ["hear", "think", "finish", "save"])
async def test_a_bug_ends_its_own_session(
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """Planted, in the recogniser or in keeping the record: what nobody foresaw closes the session's
    connection with 1011, files it as failed and is put down with its place, without the token; the
    session beside it is exact, and the next one is served."""
    recognizer = scripted(SPOKEN, repeat=EVERY)
    async with sandbox(recognizer) as box, door(box) as front, trio.open_nursery() as nursery:
        entry = box.init({})

        def broken(*_: object) -> None:
            raise ZeroDivisionError(f"of {entry.token}")

        live: Any = entry.live
        spoilt = live if place == "save" else live._listening._streams[0]
        client = await join(nursery, entry)
        async with neighbour(front):
            await client.say(bytes(SECOND))
            monkeypatch.setattr(spoilt, "_save" if place == "save" else place, broken)
            await client.say(bytes(SECOND))
            await client.stop()
            await trio.sleep(1)
            assert client.closed == (1011, "the session broke down")
            assert (box.job(entry).status, entry.live.stage) == ("error", Stage.OVER)
            told = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
            assert told[0].startswith(f"session {entry.live.id} broke down:\n")
            assert "in broken\n" in told[0]
            assert "ZeroDivisionError: of ***" in told[0]
            assert entry.token not in "".join(told)
        async with neighbour(front):
            pass


@pytest.mark.parametrize("data", [bytes(100), b"RIFF"])
async def test_disk_is_full(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """Audio that cannot be recorded ends the session with status error, whenever it shows."""
    async with sandbox() as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)

        def full(data: bytes) -> None:
            raise MachineError("no space left")

        monkeypatch.setattr(entry.live.store, "append", full)
        await client.say(data)
        await client.stop()
        await trio.sleep(1)
        assert not client.ranges() or data == b"RIFF"
        assert client.closed is not None
        assert client.closed[0] == 1011
        assert entry.status == "error"


async def test_two_channels(autojump_clock: trio.testing.MockClock) -> None:
    """Each channel has its own utterances, and ids that say which."""
    script = Script([*GOOD_DAY.words, *words(("Hello.", 0.5, 1.0), channel=1)])
    async with sandbox(scripted(script)) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({"channels": 2}))
        await client.say(bytes(4 * SECOND), m.STOP_RECORDING)
        await trio.sleep(1)
    assert sorted(t.data.id for t in client.all(m.Transcript)) == ["00_00000000", "01_00000000"]
    assert client.all(m.PostFinalTranscript)[0].data.metadata.billing_time == 4


async def test_long_result_fits_into_a_message(autojump_clock: trio.testing.MockClock) -> None:
    """However long the session, no message is over the size at which clients break."""
    script = Script(words(*[(f"word{k}", k * 0.2, k * 0.2 + 0.1) for k in range(20_000)]))
    async with sandbox(scripted(script)) as box, trio.open_nursery() as nursery:
        entry = box.init({})
        client = await join(nursery, entry)
        for _ in range(41):
            await client.say(bytes(100 * SECOND))
        await client.stop()
        await trio.sleep(5)
        job = box.job(entry)
    sizes = [len(m.encode(message)) for _, message in client.heard]
    assert max(sizes) <= 1 << 20
    text = client.all(m.PostTranscript)[0].data.full_transcript
    assert len(text.split()) == 20_000
    assert job.result is not None
    assert sum(len(u.words) for u in job.result.transcription.utterances) == 20_000


async def test_an_hour(autojump_clock: trio.testing.MockClock) -> None:
    """An hour of speech with an utterance every three seconds comes out complete."""
    script = Script(words(("one", 0.2, 0.5), ("two", 0.6, 0.9), ("three.", 1.0, 1.4)))
    async with (
        sandbox(scripted(script, repeat=3.0)) as box,
        trio.open_nursery() as nursery,
    ):
        client = await join(nursery, box.init(ALL))
        for _ in range(60):
            await speak(client, 60, chunk=0.5)
            client.heard.clear()
        await client.stop()
        await trio.sleep(1)
    final = client.all(m.PostFinalTranscript)[0].data
    assert final.metadata.audio_duration == 3600
    assert final.transcription.full_transcript.count("three.") == 1200


@pytest.mark.parametrize("leaks", [False, True])
async def test_memory_stays_flat(
    autojump_clock: trio.testing.MockClock, leaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory that a session holds does not grow with its length; a planted leak is seen."""
    script = Script(words(("one", 0.2, 0.5), ("two.", 0.6, 0.9)))
    kept: list[str] = []
    if leaks:
        monkeypatch.setattr(Store, "add_message", lambda _store, text: kept.append(text))

    async def held(minutes: int) -> int:
        async with (
            sandbox(scripted(script, repeat=3.0)) as box,
            trio.open_nursery() as nursery,
        ):
            client = await join(nursery, box.init(ALL))
            await speak(client, 10, chunk=0.5)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(minutes * 6):
                await speak(client, 10, chunk=0.5)
                client.heard.clear()
            gc.collect()
            nursery.cancel_scope.cancel()
            return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        await held(1)
        short, long = await held(5), await held(20)
    finally:
        tracemalloc.stop()
    # 15 minutes more make 900 transcripts and 600 speech events, of some hundred bytes each.
    assert (long - short < 100_000) is not leaks
