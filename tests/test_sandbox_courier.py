"""Posts in virtual time: in order, a few tries each, bounded, and at least once over a death."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.courier import Courier, Terms
from replay.sandbox.postbook import Postbook, Written


class Receiver:
    """Answers as it is told: each item is "" for good, a reason, or None for never."""

    def __init__(self, *answers: str | None) -> None:
        self.tries: list[tuple[float, int]] = []
        self.got: list[int] = []
        self._answers = list(answers)
        self._began = trio.current_time()

    async def take(self, post: Written) -> str:
        number = json.loads(post.body)
        self.tries.append((trio.current_time() - self._began, number))
        await trio.lowlevel.checkpoint()
        answer = self._answers.pop(0) if self._answers else ""
        if answer is None:
            await trio.sleep_forever()
        assert answer is not None
        if not answer:
            self.got.append(number)
        return answer


async def deliver(receiver: Receiver, count: int, **terms: float) -> Courier:
    """Put in `count` posts, and wait for the courier to be done with them."""
    courier = Courier("test", Postbook(), receiver.take, Terms(**terms))  # type: ignore[arg-type]
    for number in range(count):
        courier.put("", b"%d" % number)
    courier.close()
    await courier.run()
    return courier


async def test_a_post_is_tried_again_with_growing_pauses(autojump_clock: object) -> None:
    """Two refusals and then a good answer; the next has its turn only then."""
    receiver = Receiver("answered 500", "answered 500", "")
    courier = await deliver(receiver, 2)
    assert receiver.tries == [(0, 0), (0.5, 0), (1.5, 0), (1.5, 1)]
    assert (receiver.got, courier.failed) == ([0, 1], 0)


async def test_a_receiver_that_never_answers_is_given_up(autojump_clock: object) -> None:
    """Four tries of five seconds, and then the next post has its turn."""
    receiver = Receiver(None, None, None, None)
    courier = await deliver(receiver, 2)
    assert [at for at, _ in receiver.tries] == [0, 5.5, 11.5, 18.5, 23.5]
    assert (receiver.got, courier.failed) == ([1], 1)


async def test_after_the_end_there_is_a_limit(autojump_clock: object) -> None:
    """What is not delivered a minute after the session ended never is."""
    began = trio.current_time()
    courier = await deliver(Receiver(*[None] * 100), 20)
    assert trio.current_time() - began == 60
    assert courier.failed == 20


@given(
    answers=st.lists(st.sampled_from(["", "answered 503", None]), max_size=40),
    count=st.integers(0, 12),
)
def test_order_and_tries_hold_for_every_receiver(answers: list[str | None], count: int) -> None:
    """Nothing overtakes, nothing comes twice, nothing is tried more than four times; what is not
    delivered is counted."""

    async def main() -> tuple[Receiver, Courier]:
        receiver = Receiver(*answers)
        return receiver, await deliver(receiver, count, linger=10_000.0)

    receiver, courier = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    tried = [number for _, number in receiver.tries]
    assert tried == sorted(tried)
    assert max(Counter(tried).values(), default=0) <= 4
    assert sorted(set(receiver.got)) == receiver.got
    assert len(receiver.got) + courier.failed == count


async def test_too_much_that_waits_is_dropped(autojump_clock: object) -> None:
    """The oldest of what is soon outdated goes first, and then the oldest."""
    receiver = Receiver()
    courier = Courier("test", Postbook(), receiver.take, Terms(queue_bytes=4))
    for number, passing in ((0, False), (1, True), (2, False), (3, True), (4, False), (5, False)):
        courier.put("", b"%d" % number, passing=passing)
    courier.put("", b"6")
    courier.close()
    await courier.run()
    assert receiver.got == [2, 4, 5, 6]
    assert courier.dropped == 3


async def test_what_was_not_answered_is_posted_again_after_a_death(
    autojump_clock: object, tmp_path: Path
) -> None:
    """At least once, in order; what was delivered is not, and what is told once stays told."""
    path = tmp_path / "posts"
    receiver = Receiver("", None)
    courier = Courier("test", Postbook(path), receiver.take, Terms())
    for number in range(3):
        courier.put(f"key {number}", b"%d" % number)
    with trio.move_on_after(1):
        await courier.run()
    with path.open("ab") as file:
        file.write(b'{"body":3,"ke')  # it died while it wrote
    later = Receiver()
    courier = Courier("test", Postbook(path), later.take, Terms())
    assert courier.pending
    courier.put("key 2", b"2")
    courier.put("key 4", b"4")
    courier.close()
    await courier.run()
    assert (receiver.got, later.got) == ([0], [1, 2, 4])
    assert not Postbook(path).owed


async def test_what_is_forgotten_is_not_posted(autojump_clock: object) -> None:
    """A deleted session's posts end in the middle of a try."""
    receiver = Receiver(None)
    courier = Courier("test", Postbook(), receiver.take, Terms())
    courier.put("", b"0")
    courier.put("", b"1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(courier.run)
        await trio.sleep(1)
        courier.cancel()
    assert [number for _, number in receiver.tries] == [0]


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n"])
def test_a_damaged_record_is_an_error(line: bytes, tmp_path: Path) -> None:
    """It names the file."""
    from replay.errors import MachineError

    path = tmp_path / "posts"
    path.write_bytes(line)
    with pytest.raises(MachineError, match="posts is damaged"):
        Postbook(path)
