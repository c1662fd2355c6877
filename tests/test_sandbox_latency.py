"""`--latency`: how it is read, and that answers take exactly so long."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from sandboxes import ALL, Client, join, sandbox, scripted, speak

from replay.cli.sandbox import command
from replay.sandbox.latency import Latency, Spread, parse
from replay.sandbox.schedule import Signal
from replay.wire import messages as m


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "partial=120ms±30ms,final=300ms±50ms,ack=5ms",
            Latency(partial=Spread(0.12, 0.03), final=Spread(0.3, 0.05), ack=Spread(0.005)),
        ),
        ("final=300ms+-50ms", Latency(final=Spread(0.3, 0.05))),
        ("post=1500ms", Latency(post=Spread(1.5))),
        (" ack = 1s +/- 1s , PARTIAL=0", Latency(ack=Spread(1, 1))),
    ],
)
def test_it_is_read(text: str, expected: Latency) -> None:
    """Any of the kinds in any order, with ± written in three ways."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("partial=120ms,finals=1s", "'finals' is none of partial, final, speech, ack, post", 14),
        ("partial=12x", "'12x' is no duration", 8),
        ("final=300ms± 5z", "no duration", 13),
        ("final=300ms±400ms", "more than what it is around", 12),
        ("ack=5ms,", "a kind is missing", 8),
        ("ack=", "a time is missing", 4),
        ("ack=5ms±", "a time is missing", 8),
        ("ack,final=1s", "expected '=' and a time after ack", 3),
        ("ack=1ms, ack=2ms", "ack is there twice", 9),
        ("", "a kind is missing", 0),
    ],
)
def test_errors_point_at_the_place(text: str, said: str, at: int) -> None:
    """What cannot be read is told with the character at which that was noticed."""
    with pytest.raises(ValueError, match=r"\n") as caught:
        parse(text)
    message, line, caret = str(caught.value).split("\n")
    assert said in message
    assert line == f"  {text}"
    assert caret == "  " + " " * at + "^"


def test_only_a_script_can_be_told_at_will() -> None:
    """A real recogniser takes as long as it takes; one line says so, and what to do."""
    done = CliRunner().invoke(command, ["--recognizer", "silent", "--latency", "final=1s"])
    assert done.exit_code != 0
    assert "for the recogniser scripted: silent takes as long as it takes" in str(done.exception)


def test_draws_are_even_and_seeded() -> None:
    """Every draw lies within ±, the whole of it is used, and a seed repeats itself."""
    spread, rng = Spread(0.3, 0.05), Random(1)
    drawn = [spread.draw(rng) for _ in range(1000)]
    assert 0.25 <= min(drawn) < 0.251
    assert 0.349 < max(drawn) <= 0.35
    again = Random(1)
    assert drawn == [spread.draw(again) for _ in range(1000)]
    assert Spread(0.3).draw(rng) == 0.3


async def story(seconds: float = 3.0, latency: Latency | None = None, **settings: Any) -> Client:
    """What a client hears that speaks for so long and then stops."""
    latency = latency or Latency()
    recognizer = scripted(partial=latency.partial, final=latency.final, speech=latency.speech)
    async with (
        sandbox(recognizer, ack=latency.ack, post=latency.post, **settings) as box,
        trio.open_nursery() as nursery,
    ):
        client = await join(nursery, box.init({**ALL, "endpointing": 0.3}))
        await speak(client, seconds)
        await client.stop()
        await trio.sleep(60)
        assert client.closed is not None
    return client


def times(client: Client, kind: type) -> list[float]:
    return [round(at, 9) for at, message in client.heard if isinstance(message, kind)]


async def test_transcripts_and_acks_take_exactly_so_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Without ± every answer comes at its time to the tick: the words end at 0.7 and 1.1 s, the
    silence after them at 1.4 s, and chunks come every 0.1 s."""
    client = await story(
        latency=parse("partial=120ms,final=300ms,ack=5ms"),
    )
    assert times(client, m.Transcript) == [0.82, 1.22, 1.7]
    assert times(client, m.AudioAck) == [round(0.1 * k + 0.005, 9) for k in range(1, 31)]
    assert times(client, m.StopAck) == [3.005]


async def test_speech_is_noticed_exactly_so_late(autojump_clock: trio.testing.MockClock) -> None:
    """Speech begins at 0.4 s and is over at 1.4 s; what is said of it stays where it was."""
    client = await story(latency=parse("speech=70ms,final=300ms"))
    assert times(client, m.SpeechStart) == [0.47]
    assert times(client, m.SpeechEnd) == [1.47]
    assert times(client, m.Transcript) == [0.7, 1.1, 1.7]


async def test_a_delay_counts_from_when_the_message_was_read(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sandbox takes until it looks at a message is part of the delay, not added to it."""
    monkeypatch.setattr(Client, "read_at", property(lambda _: trio.current_time() - 0.02))
    client = await story(latency=parse("partial=120ms,ack=50ms,final=300ms"))
    assert times(client, m.AudioAck) == [round(0.1 * k + 0.03, 9) for k in range(1, 31)]
    assert times(client, m.Transcript) == [0.8, 1.2, 1.68]


async def test_the_last_stretch_is_spun_and_a_change_ends_it() -> None:
    """In real time: nothing is early, and who spins is woken by what happens meanwhile."""
    signal = Signal()
    moment = trio.current_time() + 0.02
    await signal.wait_until(moment, spin=1.0)
    assert trio.current_time() >= moment
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signal.wait_until, trio.current_time() + 1000, 2000)
            await trio.sleep(0.01)
            signal.set()


async def test_spread_is_drawn_for_each(autojump_clock: trio.testing.MockClock) -> None:
    """With ± every acknowledgement stays within it, in order, and a seed gives the same again."""
    latency = parse("partial=120ms±30ms,final=300ms±50ms,ack=50ms±40ms")
    first, again = await story(latency=latency), await story(latency=latency)
    other = await story(latency=latency, seed=1)
    assert times(first, m.AudioAck) == times(again, m.AudioAck) != times(other, m.AudioAck)
    lateness = [at - 0.1 * (k + 1) for k, at in enumerate(times(first, m.AudioAck))]
    assert all(0.01 <= each <= 0.09 for each in lateness)
    assert len({round(each, 3) for each in lateness}) > 20
    assert first.ranges() == [(3200 * k, 3200 * (k + 1)) for k in range(30)]
    partial, second, final = times(first, m.Transcript)
    assert 0.79 <= partial <= 0.85
    assert 1.19 <= second <= 1.25
    assert 1.65 <= final <= 1.75


async def test_the_end_waits_for_late_acks(autojump_clock: trio.testing.MockClock) -> None:
    """A session that has nothing more to hear still acknowledges everything before it closes."""
    client = await story(0.5, parse("ack=4s"))
    assert times(client, m.AudioAck) == [4.1, 4.2, 4.3, 4.4, 4.5]
    kinds = client.kinds()
    assert kinds.index("stop_recording") < kinds.index("post_final_transcript")
    assert client.closed == (1000, "")


async def test_post_processing_takes_exactly_so_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Before its first and before its last message; the stop is acknowledged before."""
    client = await story(2.0, parse("final=300ms,post=1500ms"))
    assert times(client, m.StopAck) == [2.0]
    assert times(client, m.PostTranscript) == [3.5]
    assert times(client, m.PostFinalTranscript) == [5.0]


async def test_who_comes_back_meanwhile_hears_the_rest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A connection lost between two results is repaired, and closed after the last of them."""
    async with (
        sandbox(scripted(), post=Spread(1.5)) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init(ALL)
        client = await join(nursery, entry)
        await speak(client, 2.0)
        await client.stop()
        await trio.sleep(2.0)
        client.hang_up()
        again = await join(nursery, entry)
        await trio.sleep(60)
    assert client.kinds()[-1] == "post_transcript"
    assert again.kinds() == ["post_final_transcript", "end_session"]
    assert again.closed == (1000, "")


@pytest.mark.parametrize("commit", ["receipt", "ack"])
async def test_acks_are_not_for_the_next_connection(
    autojump_clock: trio.testing.MockClock, commit: str
) -> None:
    """What was not acknowledged when the connection went is not acknowledged to the next one; with
    --commit ack it was never recorded."""
    async with (
        sandbox(commit=commit, ack=Spread(1.0)) as box,
        trio.open_nursery() as nursery,
    ):
        entry = box.init({})
        first = await join(nursery, entry)
        await first.say(bytes(3200))
        await trio.sleep(0.5)
        first.hang_up()
        await trio.sleep(0.1)
        second = await join(nursery, entry)
        await trio.sleep(5)
        assert first.ranges() == second.ranges() == []
        assert entry.live.store.size == (0 if commit == "ack" else 3200)
        await second.say(bytes(320))
        await trio.sleep(1.5)
        start = entry.live.store.size - 320
        assert second.ranges() == [(start, start + 320)]
        nursery.cancel_scope.cancel()
