"""The account of the audio, held against a model of the service that reads every protocol twice."""

from __future__ import annotations

from collections import deque
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from replay.ledger import AudioBuffer, Finding, Ledger

FRAME = 2


def texts(findings: list[Finding]) -> str:
    return "; ".join(f"{each.invariant} {each.severity}: {each.detail}" for each in findings)


# ------------------------------------------------------------------ against a model service


class Service(RuleBasedStateMachine):
    """A client's ledger, a network that may be cut, and a service that keeps its own count.

    `forgetful`: the service forgets at a cut what it could not acknowledge (commit on ack);
    otherwise it has recorded all that it received.
    """

    @initialize(forgetful=st.booleans(), frame=st.sampled_from([1, 2, 6, 24]))
    def begin(self, forgetful: bool, frame: int) -> None:
        self.forgetful = forgetful
        self.frame = frame
        self.ledger = Ledger(frame)
        self.recorded = bytearray()  # what the service has, one byte for each of the client's
        self.told = 0  # of that, how much the client was told of
        self.repeats = 0
        self.up: deque[tuple[int, int]] = deque()
        self.down: deque[tuple[int, int] | None] = deque()
        self.refused: set[int] = set()
        self.findings: list[Finding] = []
        self.resumed()

    def resumed(self) -> None:
        self.at = self.ledger.resume()
        self.begun = self.at

    @rule(frames=st.integers(0, 50))
    def send(self, frames: int) -> None:
        size = frames * self.frame
        self.up.append((self.ledger.sent, size))
        self.ledger.produced = max(self.ledger.produced, self.ledger.sent + size)
        self.ledger.record_sent(size, 0.0)

    @precondition(lambda self: self.up)
    @rule(accept=st.sampled_from([True, True, True, True, False]))
    def arrive(self, accept: bool) -> None:
        offset, size = self.up.popleft()
        if not accept and size:
            self.refused.add(offset)
            self.down.append(None)
            return
        start = len(self.recorded)
        self.recorded += bytes(n % 251 for n in range(offset, offset + size))
        self.down.append((start, len(self.recorded)))

    @precondition(lambda self: self.down)
    @rule()
    def acknowledge(self) -> None:
        answer = self.down.popleft()
        if answer is None:
            found = self.ledger.refuse()
            assert [(f.invariant, f.severity) for f in found] == [("A1", "error")]
            return
        self.told = answer[1]
        found = self.ledger.acknowledge(*answer)
        assert all(f.invariant == "A2" and f.severity == "info" for f in found), texts(found)
        self.repeats += sum(int(f.at["size"]) for f in found)

    @rule(arrived=st.integers(0, 20))
    def cut(self, arrived: int) -> None:
        for _ in range(min(arrived, len(self.up))):
            self.arrive(accept=True)
        if self.forgetful:
            del self.recorded[self.told :]
        self.up.clear()
        self.down.clear()
        self.resumed()

    @invariant()
    def the_bounds_hold(self) -> None:
        ledger = self.ledger
        assert 0 <= ledger.acked <= ledger.sent <= ledger.produced
        assert ledger.sent % self.frame == 0
        assert self.begun <= ledger.sent
        assert ledger.in_flight >= 0

    @invariant()
    def a_repeat_is_what_the_service_has_twice(self) -> None:
        """What the ledger counts as repeated is what its findings said."""
        assert self.ledger.repeated == self.repeats

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        """Each position before `acked` was recorded, in order, or refused to our face."""
        if self.refused:
            return
        at = 0
        for byte in self.recorded[: self.told] if self.forgetful else self.recorded:
            if byte == at % 251:
                at += 1
        assert at >= self.ledger.acked


TestAgainstAService = Service.TestCase
TestAgainstAService.settings = settings(max_examples=150, stateful_step_count=40)


def test_the_model_would_notice_a_wrong_repeat() -> None:
    """Planted: a ledger that resumes one frame late leaves a hole that the model sees."""

    class Late(Ledger):
        def resume(self) -> int:
            self.sent = super().resume() + self._frame_bytes * bool(self.acked)
            return self.sent

    model = Service()
    model.begin(forgetful=False, frame=2)
    model.ledger = Late(2)
    for _ in range(2):
        model.send(50)
        model.arrive(accept=True)
        model.acknowledge()
        model.cut(0)
    with pytest.raises(AssertionError):
        model.nothing_acknowledged_is_missing()


# ------------------------------------------------------------------ the account, line by line


def sent(*sizes: int, joined: bool = False) -> Ledger:
    ledger = Ledger(FRAME, joined=joined)
    ledger.resume()
    for size in sizes:
        send(ledger, size)
    return ledger


def send(ledger: Ledger, size: int) -> None:
    ledger.produced = max(ledger.produced, ledger.sent + size)
    ledger.record_sent(size, 0.0)


def test_contiguous_acknowledgements_are_in_order() -> None:
    """Ranges that follow one another are no finding, and settle what they cover."""
    ledger = sent(100, 100)
    assert ledger.acknowledge(0, 100) == []
    assert (ledger.acked, ledger.in_flight, len(ledger.outstanding)) == (100, 100, 1)
    assert ledger.acknowledge(100, 200) == []
    assert (ledger.acked, ledger.in_flight, len(ledger.outstanding)) == (200, 0, 0)


@pytest.mark.parametrize(
    ("start", "end", "said", "acked"),
    [
        pytest.param(0, 100, "went back 100 bytes from 100", 100, id="doubled"),
        pytest.param(0, 50, "went back 100 bytes from 100", 100, id="regressed"),
        pytest.param(60, 200, "went back 40 bytes from 100", 200, id="overlap"),
        pytest.param(150, 200, "skipped 50 bytes at 100", 200, id="skip"),
        pytest.param(101, 200, "looks inclusive", 200, id="inclusive"),
        pytest.param(100, 260, "60 bytes more than were sent", 200, id="exceeds"),
        pytest.param(-4, 100, "no range", 100, id="negative"),
        pytest.param(150, 120, "no range", 100, id="backwards"),
    ],
)
def test_each_departure_is_a_finding(start: int, end: int, said: str, acked: int) -> None:
    """A range out of line is one error that says how, and the account goes on from there."""
    ledger = sent(100, 100)
    ledger.acknowledge(0, 100)
    found = ledger.acknowledge(start, end)
    assert [(f.invariant, f.severity) for f in found] == [("A3", "error")], texts(found)
    assert said in found[0].detail
    assert ledger.acked == acked
    assert ledger.resume() == acked


def test_an_inclusive_service_resumes_on_a_frame() -> None:
    """Inclusive ends leave an odd byte; the next connection begins at the frame it is in."""
    ledger = sent(100, 100)
    ledger.acknowledge(0, 99)
    ledger.acknowledge(100, 199)
    assert ledger.acked == 199
    assert ledger.resume() == 198
    send(ledger, 100)
    found = ledger.acknowledge(200, 299)
    assert [f.invariant for f in found] == ["A2"]
    assert ledger.repeated == 2


def test_a_count_that_starts_again_is_a_loss() -> None:
    """A service that begins at zero again has lost what it had: found, and audio goes on."""
    ledger = sent(100)
    ledger.acknowledge(0, 100)
    assert ledger.resume() == 100
    send(ledger, 50)
    found = ledger.acknowledge(0, 50)
    assert "lost 100 bytes that it had acknowledged" in texts(found)
    assert ledger.acked == 150
    send(ledger, 50)
    assert ledger.acknowledge(50, 100) == []
    assert ledger.acked == 200


def test_a_repeat_is_bounded_by_what_was_on_its_way() -> None:
    """A service that is further than anything sent could have brought it is in error."""
    ledger = sent(100, 60)
    ledger.acknowledge(0, 100)
    assert ledger.resume() == 100
    send(ledger, 40)
    found = ledger.acknowledge(170, 210)
    assert "counts 10 bytes that were never sent" in texts(found)
    assert ledger.repeated == 0


def test_cuts_add_up_until_the_service_says_where_it_is() -> None:
    """What several unacknowledged connections sent may all have been recorded."""
    ledger = sent(100)
    for _ in range(3):
        assert ledger.resume() == 0
        send(ledger, 100)
    found = ledger.acknowledge(300, 400)
    assert [f.severity for f in found] == ["info"]
    assert ledger.repeated == 300
    assert ledger.acked == 100


def test_a_refusal_before_the_first_acknowledgement_is_no_repeat() -> None:
    """Refused audio shifts the two counts, and is not taken for a repeat."""
    ledger = sent(100)
    ledger.acknowledge(0, 100)
    ledger.resume()
    send(ledger, 40)
    send(ledger, 60)
    assert [f.severity for f in ledger.refuse()] == ["error"]
    assert ledger.acknowledge(100, 160) == []
    assert (ledger.acked, ledger.repeated) == (200, 0)


def test_a_refusal_after_the_stop_was_heard_is_no_loss() -> None:
    """Audio sent again to a service that had heard the stop is refused, and was recorded."""
    ledger = sent(100)
    assert [f.severity for f in ledger.refuse(stopped=True)] == ["info"]


def test_a_refused_sign_of_life_loses_nothing() -> None:
    """An empty chunk that is refused is no finding; a refusal of nothing at all is one."""
    ledger = sent(0)
    assert ledger.refuse() == []
    assert "never sent" in texts(ledger.refuse())


def test_a_joined_session_may_stand_anywhere() -> None:
    """Whoever joins a session takes its first range as it is, and is strict from then on."""
    ledger = sent(100, 100, joined=True)
    assert ledger.acknowledge(5000, 5100) == []
    assert ledger.acked == 100
    assert "skipped 10 bytes" in texts(ledger.acknowledge(5110, 5210))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 500), st.just(0)),
            st.tuples(st.just("ack"), st.integers(-50, 3000), st.integers(-50, 3000)),
            st.tuples(st.just("refuse"), st.just(0), st.just(0)),
            st.tuples(st.just("cut"), st.just(0), st.just(0)),
        ),
        max_size=60,
    )
)
def test_nonsense_leaves_the_account_usable(steps: list[tuple[str, int, int]]) -> None:
    """Whatever a service says: no crash, and the next connection begins on a frame between what
    was settled before and what was sent."""
    ledger = sent()
    reached = 0
    for kind, one, other in steps:
        match kind:
            case "send":
                send(ledger, one * FRAME)
                reached = max(reached, ledger.sent)
            case "ack":
                ledger.acknowledge(one, other)
            case "refuse":
                ledger.refuse()
            case _:
                before = ledger.acked
                assert ledger.resume() % FRAME == 0
                assert before - FRAME < ledger.sent <= reached
        assert 0 <= ledger.acked <= reached
        assert ledger.in_flight >= 0


# ------------------------------------------------------------------ the buffer


class Buffer(RuleBasedStateMachine):
    """An `AudioBuffer` beside one long byte string and a dictionary for the disk."""

    @initialize()
    def begin(self) -> None:
        self.buffer = AudioBuffer()
        self.all = b""
        self.disk: dict[int, bytes] = {}

    @rule(size=st.integers(0, 40))
    def append(self, size: int) -> None:
        data = bytes((len(self.all) + n) % 251 for n in range(size))
        self.buffer.append(data)
        self.all += data

    @rule(share=st.floats(0, 1.2))
    def release(self, share: float) -> None:
        self.buffer.release(int(len(self.all) * share))

    @rule(limit=st.integers(0, 100))
    def spill(self, limit: int) -> None:
        for offset, data in self.buffer.overflow(limit):
            self.disk[offset] = data
            self.buffer.spilled(offset + len(data))
        assert self.buffer.in_memory <= limit

    @rule(a=st.floats(0, 1), b=st.floats(0, 1))
    def read(self, a: float, b: float) -> None:
        buffer = self.buffer
        span = buffer.end - buffer.start
        start, stop = sorted((buffer.start + int(a * span), buffer.start + int(b * span)))
        data = buffer.read(start, stop)
        if start < stop and start < buffer.memory_start:
            assert data is None
            data = self.from_disk(start, min(stop, buffer.memory_start))
            stop = start + len(data)
        assert data == self.all[start:stop]

    def from_disk(self, start: int, stop: int) -> bytes:
        found = bytearray()
        while start < stop:
            offset = max(at for at in self.disk if at <= start)
            part = self.disk[offset][start - offset : stop - offset]
            assert part, "a hole on the disk"
            found += part
            start += len(part)
        return bytes(found)

    @invariant()
    def the_bounds_hold(self) -> None:
        buffer = self.buffer
        assert buffer.start <= buffer.memory_start <= buffer.end == len(self.all)

    @invariant()
    def pieces_cover_the_rest(self) -> None:
        buffer, at = self.buffer, self.buffer.start
        while at < buffer.end:
            size = buffer.piece(at, 17)
            assert 0 < size <= 17
            at += size


TestBuffer = Buffer.TestCase
TestBuffer.settings = settings(max_examples=100, stateful_step_count=30)


def test_reading_outside_is_refused() -> None:
    """What was released, or never came, cannot be read."""
    buffer = AudioBuffer()
    buffer.append(b"abcd")
    buffer.release(2)
    for start, stop in ((0, 4), (2, 5), (3, 2)):
        with pytest.raises(IndexError):
            buffer.read(start, stop)


def test_a_whole_piece_is_not_copied() -> None:
    """What goes out as it came in is the same object."""
    buffer = AudioBuffer()
    piece = b"x" * 3200
    buffer.append(b"y" * 3200)
    buffer.append(piece)
    assert buffer.read(3200, 6400) is piece


def backlog_cost(pieces: int) -> float:
    """Processor seconds for a backlog of so many pieces: filled, read through, released."""
    buffer = AudioBuffer()
    data = bytes(100)
    began = process_time()
    for _ in range(pieces):
        buffer.append(data)
    at = 0
    while at < buffer.end:
        size = buffer.piece(at, 1000)
        assert buffer.read(at, at + size) == data
        at += size
        buffer.release(at - 100)
    return process_time() - began


def test_a_long_backlog_costs_its_length() -> None:
    """Sixteen times the backlog costs far less than the 256 times of a quadratic buffer."""
    small = min(backlog_cost(2_000) for _ in range(3))
    large = min(backlog_cost(32_000) for _ in range(2))
    assert large < 80 * small
