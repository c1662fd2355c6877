"""Runs with faults, through the injector in virtual time, as the judge sees them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import trio
import trio.testing
from injected import open_injected
from verdicts import ASKS, header, stored
from world import counting, play

from replay import journal as j
from replay.audio import HEADER_BYTES, AudioFormat
from replay.continuity import compare
from replay.faults import KINDS
from replay.faults.moments import MOMENTS
from replay.sandbox.defects import planted
from replay.sandbox.settings import Settings
from replay.summary import Summary, summarise

SECONDS = 16.0
#: Kills a process, and here is none (tests/test_shrinking.py and test_proxy_cli.py do it to real
#: ones); takes the session away from its client (tests/test_proxy_faults.py).
ELSEWHERE = {"restart", "twin"}
#: The example asks for the recording's file, which nobody fetches in this world.
INSTEAD = {"http_error": "http_error(503, init, 2) @ start"}
TEXTS = [
    INSTEAD.get(kind.name, kind.example) for kind in KINDS.values() if kind.name not in ELSEWHERE
]
#: Keeps the session from being opened; needs another fault first.
UNFIT = {"refuse(5s) @ start", "reset @ conn#2 + 50ms"}
#: The example's lasts longer than the opening of a session is tried.
TEXTS.append("refuse(500ms) @ start")
TEXTS += [each.example for each in MOMENTS.values() if not each.name.startswith("http")]


async def session(text: str, defects: Sequence[str] = ()) -> Summary:
    fmt = AudioFormat()
    audio = counting(fmt, SECONDS)
    settings = Settings(defects=tuple(planted(each) for each in defects))
    async with open_injected(text, settings=settings) as world:
        recorder = world.recorder
        live = await play(
            world,  # type: ignore[arg-type]
            audio,
            fmt=fmt,
            recorder=recorder,
            config=ASKS,
            rng=Random(1),
        )
        recorded = b"".join(world.sandbox.find(live.id).live.store.wav())[HEADER_BYTES:]
    recorder.write(j.Closed(t=recorder.now()))
    entries = [header(fmt, SECONDS), *sorted(recorder.entries, key=lambda entry: entry.t)]
    return summarise(stored(entries), compare(audio, recorded, fmt.frame_bytes))


def run(text: str, *defects: str) -> Summary:
    return trio.run(session, text, defects, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("text", sorted(set(TEXTS) - UNFIT))
def test_every_fault_and_moment_is_judged(text: str) -> None:
    """It fired where it was asked for and was felt, and our client came through."""
    found = run(text)
    assert (found.verdict, found.reasons) == ("pass", [])
    assert found.invariants["V1"] == "pass"
    assert found.faults.fired >= 1
    assert found.faults.missed == []


@pytest.mark.parametrize(
    "text",
    [
        "dupack @ ack#10",
        "regressack @ ack#10",
        "regressack @ ack#10 then reset",
        "loseacks(3) @ ack#10",
        "loseacks(3) @ conn#1",
        "corrupt(json) @ ack#10",
        "hold(down, 1s) @ between(recorded, ack)",
        "corrupt(type) @ between(recorded, ack)#4",
        "regressack @ between(recorded, ack)",
    ],
)
@pytest.mark.parametrize(
    ("defect", "says"),
    [("restart-acks", "had acknowledged"), ("inclusive-acks", "looks inclusive")],
)
def test_what_a_fault_does_to_acknowledgements_hides_nothing(
    text: str, defect: str, says: str
) -> None:
    """Alone it is nobody's fault; a broken service shows beside it."""
    assert [each.detail for each in run(text).findings if each.severity == "error"] == []
    found = run(f"{text} then reset after 2s", defect)
    assert found.invariants["A3"] == "fail"
    assert any(says in each.detail for each in found.findings if each.severity == "error")


def test_an_outage_is_told_with_its_fault_and_apart_from_the_rest() -> None:
    """Its steps, the fault that brought it, and the latency without it, which is smaller."""
    found = run("reset @ 3s then refuse(5s)")
    (outage,) = found.outages
    assert outage.fault == "refuse(5s)"
    assert outage.down_ms is not None
    assert outage.down_ms >= 5000
    assert [event.fault for event in found.faults.events] == ["reset", "refuse(5s)"]
    calm, all_ = found.latency.undisturbed, found.latency.from_plan
    assert calm is not None
    assert calm.word_final.max is not None
    assert all_.word_final.max is not None
    assert calm.word_final.n < all_.word_final.n
    assert calm.word_final.max < 1000 < all_.word_final.max


def test_a_fault_that_never_fires_makes_the_run_unknown() -> None:
    """What was to be tried was not."""
    found = run("reset @ final#900")
    assert (found.verdict, found.reasons) == ("unknown", ["reset @ final#900 never fired"])
    assert (found.faults.asked, found.faults.fired) == (1, 0)
