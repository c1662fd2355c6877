"""The state of one session, driven by hand on a clock that is a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.audio import AudioFormat
from replay.errors import UsageError
from replay.session import (
    Outcome,
    Over,
    Policy,
    Retry,
    SendAudio,
    SendStop,
    Session,
    State,
    Wait,
)
from replay.wire import messages as m
from replay.wire.closing import Close, on_close, on_status
from replay.wire.limits import FRAME_BYTES, IDLE_SECONDS

FORMAT = AudioFormat()
SECOND = FORMAT.bytes_per_second


class Draw(Random):
    """Draws a fixed share of every range."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self.share = share
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.ranges.append((a, b))
        return a + self.share * (b - a)


def make(share: float = 1.0, fmt: AudioFormat = FORMAT, speed: float = 1.0, **policy: Any):
    return Session(fmt, Policy(**policy), Draw(share), speed=speed)


def ack(start: int, end: int) -> m.AudioAck:
    data = m.AudioAckData(byte_range=(start, end), time_range=(0.0, 0.0))
    return m.AudioAck(acknowledged=True, data=data)


def alive(session: Session, now: float) -> None:
    """Something came in that means nothing else."""
    session.received(m.SpeechStart(data=m.SpeechTime(time=0)), now)


def final() -> m.PostFinalTranscript:
    return m.PostFinalTranscript(
        data=m.FinalResult(
            metadata=m.ResultMetadata(
                audio_duration=0,
                number_of_distinct_channels=1,
                billing_time=0,
                transcription_time=0,
            ),
            transcription=m.Transcription(full_transcript="", languages=[], utterances=[]),
        )
    )


STOP_ACK = m.StopAck(acknowledged=True)
STOP_NACK = m.StopAck(acknowledged=False)


@dataclass
class Log:
    """What a drained session sent: (when, action)."""

    sent: list[tuple[float, SendAudio | SendStop]] = field(default_factory=list)

    def audio(self) -> list[tuple[float, SendAudio]]:
        return [(at, each) for at, each in self.sent if isinstance(each, SendAudio)]


def drain(session: Session, now: float, until: float, takes: float = 0.0) -> Log:
    """Send what the session gives out from `now` to `until`, each frame taking so many seconds."""
    log = Log()
    while now <= until:
        action = session.next_send(now)
        if isinstance(action, Wait):
            if action.until > until:
                break
            assert action.until > now
            now = action.until
            continue
        session.record_sent(action, now)
        log.sent.append((now, action))
        now += takes
    return log


# ------------------------------------------------------------------ the table of ends


@pytest.mark.parametrize(
    ("codes", "meaning"),
    [
        ([1000], Close.DONE),
        ([4403], Close.ENDED),
        ([4400, 4401, 4402, 4404, 4408, 4409, 4429, 4499], Close.REFUSED),
        ([1001, 1002, 1005, 1006, 1008, 1009, 1011, 1012, 1013], Close.RECONNECT),
        ([3000, 4000, 4399, 4500, 4503, 4504, 4999], Close.RECONNECT),
        ([0, 999, 1004, 5000], Close.RECONNECT),
    ],
)
def test_what_each_close_code_means(codes: list[int], meaning: Close) -> None:
    """44xx is final, 4403 an ended job, 1000 the end; every other code is a loss."""
    assert {on_close(code) for code in codes} == {meaning}


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ([301, 307, 400, 401, 402, 403, 404, 409, 413, 422, 495], Close.REFUSED),
        ([408, 425, 429, 500, 502, 503, 504, 599], Close.RECONNECT),
    ],
)
def test_what_each_status_means(statuses: list[int], meaning: Close) -> None:
    """Timeouts, limits and 5xx pass; every other refusal stays one."""
    assert {on_status(status) for status in statuses} == {meaning}


def opened(at: float = 0.0) -> Session:
    session = make()
    session.connecting()
    session.opened(at)
    return session


def stopped() -> Session:
    session = opened()
    session.stop()
    session.record_sent(SendStop(), 0.0)
    return session


def finished() -> Session:
    session = stopped()
    session.received(final(), 1.0)
    return session


@pytest.mark.parametrize(
    ("state", "code", "outcome"),
    [
        pytest.param(stopped, 1000, Outcome.COMPLETE, id="finished and closed"),
        pytest.param(opened, 1000, Outcome.ENDED, id="closed by itself"),
        pytest.param(finished, 1006, Outcome.COMPLETE, id="all came but the close"),
        pytest.param(opened, 4403, Outcome.ENDED, id="ended already"),
        pytest.param(stopped, 4403, Outcome.ENDED, id="ended while away"),
        pytest.param(opened, 4404, Outcome.REFUSED, id="unknown token"),
        pytest.param(opened, 4408, Outcome.REFUSED, id="idle"),
    ],
)
def test_how_a_loss_ends_a_session(
    state: Callable[[], Session], code: int, outcome: Outcome
) -> None:
    """Code and state together decide whether a session is over, and how."""
    session = state()
    step = session.lost(2.0, code, "")
    assert isinstance(step, Over)
    assert (step.outcome, step.code) == (outcome, code)
    assert session.state is State.OVER
    assert session.next_send(3.0) == Wait()


@pytest.mark.parametrize("code", [1001, 1006, 1009, 1011, 1012, 4504])
@pytest.mark.parametrize("state", [opened, stopped])
def test_what_is_no_end_is_tried_again(state: Callable[[], Session], code: int) -> None:
    """Any other loss is followed by another attempt."""
    assert isinstance(state().lost(2.0, code, ""), Retry)


def test_a_normal_close_before_the_stop_went_out_is_not_complete() -> None:
    """A service that ends by itself while the stop is still owed has not heard all the audio."""
    session = opened()
    session.push(bytes(SECOND))
    session.stop()
    step = session.lost(1.0, 1000, "")
    assert isinstance(step, Over)
    assert step.outcome is Outcome.ENDED


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 495])
def test_a_refused_handshake_is_over(status: int) -> None:
    """A handshake that is refused for good is not repeated."""
    session = make()
    session.connecting()
    step = session.refused(0.0, status=status, retry_after=None, reason="no")
    assert step == Over(Outcome.REFUSED, status, "no")


@pytest.mark.parametrize("status", [None, 408, 429, 500, 503])
def test_a_failed_attempt_is_repeated(status: int | None) -> None:
    """No answer, a limit, or a broken server: tried again, with its number."""
    session = make()
    assert session.connecting() == 1
    step = session.refused(0.0, status=status, retry_after=None, reason="")
    assert isinstance(step, Retry)
    assert step.attempt == 2


# ------------------------------------------------------------------ between attempts


def test_the_ranges_of_the_back_off() -> None:
    """Each wait is drawn evenly from 0 to min(cap, base·2ⁿ)."""
    session = make(backoff_base=0.5, backoff_cap=8)
    for _ in range(7):
        session.connecting()
        session.refused(0.0, status=None, retry_after=None, reason="")
    assert session._rng.ranges == [(0, top) for top in (0.5, 1, 2, 4, 8, 8, 8)]


@given(st.floats(0, 1), st.floats(0, 30))
def test_retry_after_is_waited_out(share: float, asked: float) -> None:
    """No attempt before the time that the service asked for, and not all in the same moment."""
    session = make(share)
    step = session.refused(10.0, status=429, retry_after=asked, reason="")
    assert isinstance(step, Retry)
    assert step.at == pytest.approx(10.0 + asked + share * 0.5)


def test_a_longer_wait_than_an_outage_may_last_is_given_up() -> None:
    """A service that asks for more time than there is ends the session at once, and is quoted."""
    step = make().refused(0.0, status=429, retry_after=3600.0, reason="slow down")
    assert isinstance(step, Over)
    assert step.outcome is Outcome.GAVE_UP
    assert "3600 s" in step.detail
    assert "slow down" in step.detail


def ceilings(lives: list[tuple[float, bool]]) -> list[float]:
    """The upper ends of the back-off, after connections that lasted so long, heard or not."""
    session = make(0.0)
    now = 0.0
    for lasted, heard in lives:
        session.connecting()
        session.opened(now)
        now += lasted
        if heard:
            alive(session, now)
        session.lost(now, 1006, "")
    return [top for _, top in session._rng.ranges]


def test_the_back_off_begins_anew_only_after_a_stable_connection() -> None:
    """A bare open, a short life, and a long silent one do not reset it; five heard seconds do."""
    assert ceilings([(0, False), (4.9, True), (60, False), (0, False)]) == [0.5, 1, 2, 4]
    assert ceilings([(0, False), (0, False), (5, True), (0, False)]) == [0.5, 1, 0.5, 1]


def test_an_outage_is_given_up_after_its_time() -> None:
    """Accepting and hanging up at once is one outage, and it ends when its time is over."""
    session = make(give_up_after=60)
    now, opens = 100.0, 0
    while True:
        session.connecting()
        session.opened(now)
        opens += 1
        step = session.lost(now, 1006, "flapping")
        if isinstance(step, Over):
            break
        now = step.at
    assert step.outcome is Outcome.GAVE_UP
    assert "flapping" in step.detail
    assert 152 < now <= 160
    assert opens <= 14


def test_a_sign_of_life_ends_the_outage() -> None:
    """After a message a new outage has its whole time again."""
    session = make(give_up_after=60)
    session.connecting()
    session.lost(0.0, 1006, "")
    session.opened(59.0)
    alive(session, 59.5)
    assert isinstance(session.lost(60.0, 1006, ""), Retry)
    assert isinstance(session.lost(119.0, 1006, ""), Retry)
    assert isinstance(session.lost(120.5, 1006, ""), Over)


@pytest.mark.parametrize("name", ["ack_timeout", "connect_timeout"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_timeout_without_time_is_refused(name: str, value: float) -> None:
    """A timeout of nothing would end every connection: refused, and named."""
    with pytest.raises(UsageError, match=name.replace("_", "-")):
        Policy(**{name: value})


# ------------------------------------------------------------------ sending


def test_audio_goes_out_in_the_pieces_it_came_in() -> None:
    """On a good connection nothing is joined, split or delayed."""
    session = opened()
    for n in range(5):
        session.push(bytes(3200))
        assert session.next_send(n * 0.1) == SendAudio(n * 3200, 3200)
        session.record_sent(SendAudio(n * 3200, 3200), n * 0.1)


def test_audio_is_taken_as_it_is_now() -> None:
    """A buffer that its owner fills again, or counts in samples, is taken byte by byte at once."""
    session = opened()
    samples = bytearray(b"\x01\x02" * 100)
    session.push(samples)
    samples[:] = bytes(200)
    session.push(memoryview(b"\x03\x04" * 100).cast("h"))
    assert session.buffer.read(0, 400) == b"\x01\x02" * 100 + b"\x03\x04" * 100


def test_parts_of_a_frame_and_audio_after_the_end_are_refused() -> None:
    """Half a sample, or audio after the stop, is the caller's mistake."""
    session = opened()
    with pytest.raises(ValueError, match="whole frames"):
        session.push(b"abc")
    session.stop()
    with pytest.raises(ValueError, match="ended"):
        session.push(b"ab")


def test_what_comes_after_the_session_is_not_kept() -> None:
    """A caller who goes on after the end fills no memory."""
    session = opened()
    session.lost(0.0, 4404, "")
    session.push(bytes(SECOND))
    assert session.buffer.in_memory == 0
    assert session.unsent == 0


def test_a_backlog_is_caught_up_at_the_bounded_rate() -> None:
    """After a cut, at most four seconds of audio go out in any second, and a step more; live audio
    keeps its order behind it; the backlog shrinks by three seconds a second."""
    session = opened()
    for _ in range(300):
        session.push(bytes(3200))
    drain(session, 0.0, 100.0)
    session.lost(100.0, 1006, "")
    session.connecting()
    session.opened(100.0)
    log: list[tuple[float, SendAudio | SendStop]] = []
    for n in range(150):  # live audio comes on meanwhile
        session.push(bytes(3200))
        log += drain(session, 100 + n / 10, 100 + (n + 1) / 10 - 1e-9).sent
    assert [each.offset for _, each in log] == list(accumulate(log))
    for begin, _ in log:
        out = sum(each.size for at, each in log if begin <= at < begin + 1)
        assert out <= 4 * SECOND + 12800
    done = next(
        at for at, each in log if each.offset + each.size >= 300 * 3200 + (at - 100) * SECOND
    )
    assert done == pytest.approx(110, abs=0.2)  # 30 s at 3 s a second
    assert session.unsent == 0


def accumulate(log: list[tuple[float, Any]]) -> Any:
    at = 0
    for _, each in log:
        yield at
        at += each.size


def test_a_stalled_catch_up_is_not_made_up_for_in_a_burst() -> None:
    """When the network held a frame for seconds, the rate stays bounded afterwards."""
    session = opened()
    for _ in range(600):
        session.push(bytes(3200))
    session.lost(0.0, 1006, "")
    session.opened(0.0)
    first = session.next_send(0.0)
    assert isinstance(first, SendAudio)
    session.record_sent(first, 0.0)
    log = drain(session, 8.0, 9.0)  # the first frame took eight seconds
    assert sum(each.size for _, each in log.audio()) <= 4 * SECOND + 2 * 12800


def test_a_long_first_backlog_is_bounded_too() -> None:
    """Audio that waited for the first connection does not go out in one go."""
    session = make()
    session.push(bytes(10 * SECOND))
    session.connecting()
    session.opened(0.0)
    log = drain(session, 0.0, 1.0)
    assert sum(each.size for _, each in log.audio()) <= 4 * SECOND + 12800
    assert {each.size for _, each in log.audio()} == {12800}


def test_without_a_rate_everything_goes_at_once() -> None:
    """Unpaced audio is only bounded by the network."""
    session = make(speed=0)
    session.push(bytes(100 * SECOND))
    session.opened(0.0)
    log = drain(session, 0.0, 0.0)
    assert sum(each.size for _, each in log.audio()) == 100 * SECOND


@given(
    st.builds(
        AudioFormat,
        sample_rate=st.sampled_from([8000, 44100, 48000]),
        bit_depth=st.sampled_from([8, 16, 24, 32]),
        channels=st.integers(1, 8),
    ),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=12),
    st.sampled_from([0.0, 1.0, 20.0]),
    st.booleans(),
)
def test_every_frame_is_whole_and_below_the_limit(
    fmt: AudioFormat, pushes: list[int], speed: float, again: bool
) -> None:
    """Whatever is pushed, first or again: frames join up, end on samples, and stay below the
    service's limit also as base64."""
    session = make(fmt=fmt, speed=speed)
    session.opened(0.0)
    for frames in pushes:
        session.push(bytes(frames * fmt.frame_bytes))
    if again:
        drain(session, 0.0, 0.3)
        session.lost(0.4, 1006, "")
        session.opened(0.4)
    at = 0
    for _, each in drain(session, 1.0, 60.0).audio():
        assert each.offset == at
        assert each.size % fmt.frame_bytes == 0
        assert each.size < FRAME_BYTES
        assert len(m.audio_frame(bytes(each.size))) < FRAME_BYTES
        at += each.size
        if at == session.ledger.produced:
            break
    assert at == session.ledger.produced


def test_no_frame_crosses_from_the_disk_to_memory() -> None:
    """A backlog that is partly spilled is read from one place at a time."""
    session = make()
    for _ in range(40):
        session.push(bytes(3200))
    session.buffer.spilled(5 * 3200)  # as after `overflow`
    session.connecting()
    session.opened(0.0)
    border = session.buffer.memory_start
    for _, each in drain(session, 0.0, 10.0).audio():
        assert not each.offset < border < each.offset + each.size


def test_an_idle_connection_is_kept_alive() -> None:
    """Without audio an empty chunk goes out well before the service would hang up, again and
    again; and one that gets no answer is no sign of a dead path."""
    session = opened()
    session.push(bytes(3200))
    log = drain(session, 0.0, 70.0)
    session.received(ack(0, 3200), 0.1)
    assert [(at, each.size) for at, each in log.audio()] == [(0, 3200), (20, 0), (40, 0), (60, 0)]
    assert IDLE_SECONDS > 20
    assert session.silent_at() == float("inf")


def test_after_the_stop_nothing_is_kept_alive() -> None:
    """A service that finishes hears nothing more."""
    session = opened()
    session.stop()
    log = drain(session, 0.0, 100.0)
    assert log.sent == [(0.0, SendStop())]


# ------------------------------------------------------------------ the stop


def test_the_stop_goes_out_behind_the_last_byte() -> None:
    """However long the backlog: all of the audio, then the stop, once."""
    session = opened()
    session.push(bytes(20 * SECOND))
    session.stop()
    log = drain(session, 0.0, 100.0)
    assert [type(each) for _, each in log.sent].count(SendStop) == 1
    assert isinstance(log.sent[-1][1], SendStop)
    assert sum(each.size for _, each in log.audio()) == 20 * SECOND


def test_the_stop_is_sent_again_until_it_is_acknowledged() -> None:
    """On every new connection the stop follows the audio, until the service has heard it."""
    session = opened()
    session.push(bytes(3200))
    session.stop()
    for n in range(3):
        log = drain(session, n * 10.0, n * 10 + 9.0)
        assert [type(each) for _, each in log.sent] == [SendAudio, SendStop]
        session.lost(n * 10 + 9.0, 1006, "")
        session.connecting()
        session.opened(n * 10 + 10.0)
    drain(session, 30.0, 39.0)
    session.received(ack(0, 3200), 31.0)
    session.received(STOP_ACK, 31.0)
    session.lost(39.0, 1006, "")
    session.opened(40.0)
    assert drain(session, 40.0, 200.0).sent == []


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(STOP_ACK, id="acknowledged"),
        pytest.param(STOP_NACK, id="refused: stopped already"),
        pytest.param(m.EndRecording(data=m.RecordingDuration(recording_duration=1)), id="recorded"),
        pytest.param(final(), id="finished"),
    ],
)
def test_what_shows_that_the_stop_was_heard(message: m.Received) -> None:
    """Any word of the end counts: nothing is sent again to a service that is finishing."""
    session = opened()
    session.push(bytes(3200))
    session.stop()
    drain(session, 0.0, 1.0)
    session.received(message, 1.0)
    session.lost(2.0, 1006, "")
    if session.state is State.OVER:
        return  # the last message was the last
    session.opened(3.0)
    assert drain(session, 3.0, 60.0).sent == []
    assert session.silent_at() == float("inf")


def test_a_repeat_that_a_stopped_service_refuses_is_no_loss() -> None:
    """Audio and stop arrived, their acknowledgements did not: the refusals that follow are not
    errors, since the stop came behind the audio."""
    session = opened()
    session.push(bytes(3200))
    session.stop()
    drain(session, 0.0, 0.0)
    session.lost(1.0, 1006, "")
    session.opened(2.0)
    drain(session, 2.0, 2.0)
    found = session.received(m.AudioAck(acknowledged=False), 2.1)
    assert [each.severity for each in found] == ["info"]


# ------------------------------------------------------------------ watching


def test_a_path_is_dead_after_silence_since_the_oldest_frame() -> None:
    """The clock of the silence starts with the oldest unacknowledged frame, and each
    acknowledgement starts it again; other messages do not."""
    session = opened()
    assert session.silent_at() == float("inf")
    for n in range(3):
        session.push(bytes(3200))
        drain(session, 1.0 + n, 1.0 + n)
    assert session.silent_at() == 6.0
    alive(session, 5.0)
    assert session.silent_at() == 6.0
    session.received(ack(0, 3200), 5.5)
    assert session.silent_at() == 10.5
    session.received(ack(3200, 9600), 5.6)
    assert session.silent_at() == float("inf")


def test_an_unacknowledged_stop_is_silence_too() -> None:
    """A stop that nobody answers shows a dead path as audio does."""
    session = opened()
    session.stop()
    drain(session, 3.0, 3.0)
    assert session.silent_at() == 8.0
    session.received(STOP_ACK, 4.0)
    assert session.silent_at() == float("inf")


def test_waiting_for_the_end_is_bounded() -> None:
    """After the stop was heard each message extends the waiting; after the last message only the
    close is missing, and that is not waited for long."""
    session = stopped()
    assert session.ends_at() == float("inf")
    session.received(STOP_ACK, 1.0)
    assert session.ends_at() == 121.0
    alive(session, 50.0)
    assert session.ends_at() == 170.0
    session.received(final(), 60.0)
    assert session.ends_at() == 65.0
    assert session.timed_out().outcome is Outcome.COMPLETE


def test_nothing_after_the_end_is_a_timeout() -> None:
    """A service that heard the stop and says no more: timed out, and said so."""
    session = stopped()
    session.received(STOP_ACK, 1.0)
    over = session.timed_out()
    assert over.outcome is Outcome.TIMEOUT
    assert "120 s" in over.detail


# ------------------------------------------------------------------ messages


def test_what_is_wrong_with_a_message_is_a_finding() -> None:
    """Malformed messages and acknowledgements without a range are errors; unknown ones are not."""
    session = opened()
    assert [f.invariant for f in session.received(m.decode("{"), 0)] == ["E1"]
    assert [f.invariant for f in session.received(m.AudioAck(acknowledged=True), 0)] == ["E1"]
    assert session.received(m.decode('{"type":"new"}'), 0) == []


def test_caught_up_is_told_once_for_each_reconnection() -> None:
    """The first connection has nothing to catch up; each later one says so once."""
    session = opened()
    assert not session.caught_up()
    session.push(bytes(3200))
    drain(session, 0.0, 0.0)
    session.lost(1.0, 1006, "")
    session.opened(2.0)
    assert not session.caught_up()
    drain(session, 2.0, 2.0)
    assert session.caught_up()
    assert not session.caught_up()
