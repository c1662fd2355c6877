"""What may be recorded twice, by the journal of a proxy alone: to the byte what had to be."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
import trio
import trio.testing
from injected import open_injected
from msgspec import structs
from verdicts import ASKS, header, stored
from world import counting, play

from replay import journal as j
from replay.audio import AudioFormat
from replay.continuity import compare
from replay.faults import chaos
from replay.judge import Case, judge, window_bytes
from replay.judge.meant import meant
from replay.proxy.server import FaultsOnly
from replay.session import Policy
from replay.simulation import injected
from replay.wire.http import LIVE_PATH

SECONDS = 8.0


class Everything(FaultsOnly):
    """Keeps all that passes, as the journals of `replay proxy` do."""

    seen: list[j.AnyEntry]
    came: bytearray

    def write(self, entry: j.AnyEntry) -> None:
        super().write(entry)
        self.seen.append(entry)

    def audio(self, data: bytes) -> None:
        self.came += data


@pytest.fixture(autouse=True)
def _everything_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injected, "FaultsOnly", Everything)


def proxied(*faults: str, **options: float) -> Case:
    """A session under these faults, as a proxy has seen it. `options`: as `_proxied` has them."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(partial(_proxied, *faults, **options), clock=clock)


async def _proxied(*faults: str, ack_timeout: float = 5.0, seconds: float = SECONDS) -> Case:
    Everything.seen, Everything.came = [], bytearray()
    fmt = AudioFormat()
    async with open_injected(*faults) as world:
        audio = counting(fmt, seconds)
        live = await play(
            world,  # type: ignore[arg-type]
            audio,
            recorder=world.recorder,
            config=ASKS,
            policy=Policy(ack_timeout=ack_timeout),
            rng=Random(1),
        )
        recorded = world.recorded(live.id)
    opened = j.Http(t=0, done=0, method="POST", path=LIVE_PATH, status=201)
    head = structs.replace(header(fmt, seconds), vantage="proxy")
    timeline = stored([head, opened, *Everything.seen])
    said = meant(timeline, memoryview(bytes(Everything.came)))
    return Case(timeline, compare(said.audio, recorded, fmt.frame_bytes, said.basis))


@pytest.mark.parametrize(
    ("faults", "repeats"),
    [
        (["reset @ between(recorded, ack)"], 3200),
        (["loseacks(3) @ ack#10 then reset"], 3200),
        (["corrupt(json) @ ack#10 then reset"], 3200),
        (["loseacks(20) @ ack#10", "reset @ 2050ms", "reset @ 4050ms"], 32_000),
        (["loseacks(5) @ ack#10", "reset @ 4050ms"], 0),
    ],
)
def test_the_window_is_what_a_client_had_to_say_again(faults: list[str], repeats: int) -> None:
    """Every frame whose acknowledgement a fault kept from the client, and none besides."""
    case = proxied(*faults)
    assert case.comparison is not None
    assert (case.comparison.repeated_bytes, window_bytes(case)) == (repeats, repeats)
    assert judge(case)["A2"].state == "pass"


@pytest.mark.parametrize(
    "faults",
    [
        # The way down has ended: the client hears no acknowledgement any more.
        ["halfclose(down) @ frame 31"],
        # What is late on the way is late on the next connection as well.
        ["delay(down, 6s, 5ms, 9s) @ 4s then reset", "reset @ 7500ms"],
        # A client that has left a connection for another one hears nothing of its end.
        ["zero_window(6s) @ 2s", "reset @ conn#2"],
    ],
)
def test_what_a_client_cannot_have_heard_is_held_against_nobody(faults: list[str]) -> None:
    """By what the proxy alone has seen: an end, or acknowledgements that passed it."""
    case = proxied(*faults)
    fired = case.timeline.all(j.FaultFired)
    assert len(fired) == sum(1 + text.count(" then ") for text in faults)
    outcomes = judge(case)
    assert [name for name, each in outcomes.items() if each.state == "fail"] == []


@pytest.mark.parametrize(
    "faults",
    [
        # Not even read is that it has left, and what it sent before comes in one go at the end.
        ["zero_window(8s) @ 2s"],
        ["hold(both, 7500ms) @ 2s"],
        # It heard of the service as late as that.
        ["hold(down, 4700ms) @ 2s", "blackhole(both) @ 3300ms"],
    ],
)
def test_a_client_is_not_said_to_have_stayed_where_it_cannot_be_seen(faults: list[str]) -> None:
    """It left after five seconds; the proxy saw it later. One that stays and goes on is found."""

    def judged(ack_timeout: float) -> str:
        outcomes = judge(proxied(*faults, ack_timeout=ack_timeout, seconds=18.0))
        assert outcomes["S3"].state != "fail"
        return outcomes["R3"].state

    assert judged(5.0) != "fail"
    assert judged(30.0) == "fail"


@pytest.mark.parametrize("seed", range(30))
def test_a_good_client_is_blamed_for_nothing_in_a_cruel_minute(seed: int) -> None:
    """By the proxy's journal alone, whatever is drawn."""
    plan = chaos("cruel", seed, 45.0)
    case = proxied(*plan.texts, seconds=45.0)
    assert len(case.fired) > 3
    outcomes = judge(case)
    failed = {name: each.findings for name, each in outcomes.items() if each.state == "fail"}
    assert failed == {}, plan.texts
