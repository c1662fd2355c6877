"""Benchmarks made up on disk: sessions with known latencies, as if they had been played."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from journals import Builder

from replay.audio import AudioFormat, wav_header
from replay.bench.store import Store
from replay.benchmark import Arm, Machine, Plan, Play, Recording

MACHINE = Machine(system="Linux 6", processor="Z80", cores=2, python="3.11", packages={})
SECONDS = 4.0
#: Eight words of 300 ms, half a second apart.
WORDS = [(f"word{k}", 500.0 * k, 500.0 * k + 300) for k in range(8)]

Tweak = Callable[[Builder], None]


def arm(name: str = "A") -> Arm:
    return Arm(name=name, label="sandbox", target="sandbox", config={}, sandbox=[], faults=[])


def plan(
    recordings: int = 3, runs: int = 3, warmup: int = 1, arms: tuple[str, ...] = ("A",)
) -> Plan:
    return Plan(
        replay_version="0",
        created_at="2026-01-01T00:00:00+00:00",
        name="made",
        arguments=[],
        directory="/",
        recordings=[
            Recording(name=f"call{k}.wav", path=f"/call{k}.wav", sha256=f"{k:064d}")
            for k in range(recordings)
        ],
        arms=[arm(name) for name in arms],
        runs=runs,
        warmup=warmup,
        concurrency=1,
        machine=MACHINE,
    )


def session(late: float = 150.0, *, own_lateness: float = 0.0) -> Builder:
    """Each word becomes a final of its own so many ms after its end."""
    built = Builder(seconds=SECONDS, reference=WORDS, ahead_ms=0).play(late=own_lateness)
    for number, word in enumerate(WORDS):
        at = word[2] + late
        built.transcript(at, [word], final=True, name=str(number), created=at)
    return built.finish(SECONDS * 1000 + 600)


def write_session(path: Path, built: Builder) -> None:
    """A run's directory, whole."""
    path.mkdir(parents=True, exist_ok=True)
    fmt = AudioFormat()
    audio = bytes(fmt.bytes_in(SECONDS))
    (path / "journal.jsonl").write_bytes(built.lines())
    for name in ("sent.wav", "recorded.wav"):
        (path / name).write_bytes(wav_header(fmt, len(audio)) + audio)


def play_all(
    store: Store, late: Callable[[str, int, int], float] = lambda _arm, _round, _k: 150.0
) -> Store:
    """Every session of the plan. `late`: of an arm, a round and a recording, in ms."""
    for number in range(1 - store.plan.warmup, store.plan.runs + 1):
        for each in store.plan.arms:
            for k, recording in enumerate(store.plan.recordings):
                add(store, each.name, number, recording.name, session(late(each.name, number, k)))
    return store


def add(store: Store, arm_: str, number: int, recording: str, built: Builder | None) -> Play:
    """One more session; without one it broke off."""
    path, attempt = store.place(arm_, number, recording)
    play = Play(
        arm=arm_,
        round=number,
        recording=recording,
        attempt=attempt,
        path=str(path.relative_to(store.path)),
        validity="valid",
        error="" if built is not None else "connection refused",
    )
    if built is not None:
        write_session(path, built)
    store.add(play)
    return play
