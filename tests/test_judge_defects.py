"""The judge held against a sandbox with known defects, and against one without any."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from verdicts import Disturb, cut_at, run
from world import World, harm

from replay.audio import AudioFormat, Encoding
from replay.sandbox.defects import catalogue
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner
from replay.session import Policy

SLOW = Manner(final=Spread(1.5))
CLEAN_RUNS, CUT_RUNS, BATCHES = 200, 100, 5
FORMATS = (
    AudioFormat(),
    AudioFormat(sample_rate=8000),
    AudioFormat(channels=2, bit_depth=24),
    AudioFormat(Encoding.ULAW, 8000, 8),
)


async def away(world: World) -> None:
    """Nobody is there from 2 s to 4.5 s."""
    await trio.sleep_until(2)
    world.reachable = False
    await world.cut()
    await trio.sleep_until(4.5)
    world.reachable = True


#: Each defect as it is planted, what brings it out, the invariant it breaks, and words of the
#: finding.
PLANTED: list[tuple[str, dict[str, Any], str, str]] = [
    ("lose", {}, "A1", "3200 bytes (100.0 ms) sent and not recorded, from 1.000 s"),
    ("lose=640", {}, "A1", "640 bytes (20.0 ms) sent and not recorded, from 1.000 s"),
    ("double", {}, "A2", "3200 bytes (100.0 ms) recorded again; at most 0 bytes were in flight"),
    ("double", {"disturb": cut_at(3.06)}, "A2", "recorded again"),
    ("shift", {}, "A5", "shifted: a seam in the recording cuts through a sample"),
    ("reorder", {}, "A4", "1600 bytes (50.0 ms) recorded out of order, from 1.000 s"),
    ("inclusive-acks", {}, "A3", "the end of the range looks inclusive"),
    ("restart-acks", {"disturb": cut_at(3.06)}, "A3", "bytes that it had acknowledged"),
    ("late-acks", {}, "R3", "given up for want of acknowledgements"),
    ("forget", {"disturb": cut_at(3.06)}, "R1", "did not recover from the loss of connection"),
    ("no-missed-finals", {"disturb": away, "manner": SLOW}, "T1", "recovered from the result"),
    ("drop-final", {}, "T1", "final never told, and recovered from the result: “word1”"),
    ("double-final", {}, "T1", "final told twice: “word0” at 0.30 s"),
    ("restart-ids", {"disturb": cut_at(3.06)}, "T1", "two utterances are called"),
    ("restart-times", {"disturb": cut_at(3.06)}, "T3", "times went back"),
    ("no-post", {}, "T2", "the final result never came over the connection"),
    ("swallow-stop", {}, "S4", "never acknowledged"),
    (
        "accept-audio-after-stop",
        {"disturb": cut_at(6.32), "manner": Manner(final=Spread(3))},
        "S4",
        "3200 bytes of audio were taken in after the stop",
    ),
    ("orphan", {}, "S1", "the target has 2 sessions"),
]


#: A proxy cannot tell a repeat as long as what was in flight from the one that a cut brings.
SEEN = [
    (vantage, *planted)
    for planted in PLANTED
    for vantage in ("client", "proxy")
    if (vantage, planted[0], bool(planted[1])) != ("proxy", "double", True)
]


@pytest.mark.parametrize(
    ("vantage", "defect", "scene", "invariant", "says"),
    SEEN,
    ids=[f"{each[1]}-{each[0]}" for each in SEEN],
)
def test_a_planted_defect_is_found(
    vantage: str, defect: str, scene: dict[str, Any], invariant: str, says: str
) -> None:
    """The run fails for it, and by the invariant that it breaks; without it the same run passes."""
    found = run(defects=[defect], vantage=vantage, **scene)
    assert found.verdict == "fail"
    assert found.invariants[invariant] == "fail"
    details = [each.detail for each in found.findings if each.invariant == invariant]
    assert any(says in detail for detail in details), details
    clean = run(vantage=vantage, **scene)
    assert (clean.verdict, clean.reasons) == ("pass", [])


def test_every_defect_of_the_sandbox_is_planted_here() -> None:
    """A new one must show which invariant finds it. A clock may show what it likes, and what grows
    with many sessions is found by soaks."""
    known = {re.split(r"[\[=]", usage)[0] for usage, _ in catalogue()}
    assert known - {"clock", "leak", "tiring"} == {
        defect.partition("=")[0] for defect, *_ in PLANTED
    }


def options(seed: int) -> dict[str, Any]:
    """A session of some length, form, network and recogniser."""
    rng = Random(seed)
    fmt = rng.choice(FORMATS)
    seconds = rng.uniform(1.0, 6.0)
    audio = rng.randbytes(fmt.bytes_in(seconds))
    if rng.random() < 0.3:  # steady sound in between says nothing about where it belongs
        quiet = fmt.align(len(audio) // 3)
        audio = audio[:quiet] + fmt.silence(quiet) + audio[2 * quiet :]
    chunk, latency = rng.choice([0.02, 0.1, 0.25]), rng.uniform(0.001, 0.2)
    partial, final, around = rng.uniform(0, 0.3), rng.uniform(0, 1), rng.uniform(0, 0.3) / 2
    return {
        "fmt": fmt,
        "seconds": seconds,
        "audio": audio,
        "chunk": chunk,
        "latency": latency,
        "manner": Manner(
            partial=Spread(partial + around, around),
            final=Spread(final + around, around),
            flicker=rng.choice([0, 0.3]),
            seed=seed,
        ),
        "policy": Policy(ack_timeout=2.0, json_frames=rng.random() < 0.3),
        "count": rng.randint(1, 10),
        "seed": seed,
    }


def cuts(seed: int) -> Disturb:
    """Cuts, silences and locked doors at random moments."""
    rng = Random(-seed)

    async def disturb(world: World) -> None:
        for at in sorted(rng.uniform(0, 7) for _ in range(rng.randint(1, 4))):
            await trio.sleep_until(at)
            await harm(world, rng.choice(["cut", "cut", "bar", "up", "down", "both"]), rng)

    return disturb


@pytest.mark.parametrize("batch", range(BATCHES))
def test_clean_runs_are_without_a_finding(batch: int) -> None:
    """200 sessions of every kind, undisturbed: the judge has nothing to say about any."""
    for seed in range(batch, CLEAN_RUNS, BATCHES):
        found = run(**options(seed))
        assert (seed, found.verdict, found.reasons, found.findings) == (seed, "pass", [], [])


@pytest.mark.parametrize("batch", range(BATCHES))
def test_runs_with_cuts_are_without_an_error(batch: int) -> None:
    """What a cut costs is told, and is nobody's fault."""
    for seed in range(batch, CUT_RUNS, BATCHES):
        for vantage in ("client", "proxy"):
            found = run(vantage=vantage, **options(seed), disturb=cuts(seed))
            errors = [each.detail for each in found.findings if each.severity != "info"]
            assert (seed, vantage, errors) == (seed, vantage, [])
            # What a cut took with it may have been all that was said.
            assert found.reasons in ([], ["no word was measured"]), (seed, vantage)
