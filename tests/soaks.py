"""Soaks that never ran: outcomes and samples drawn by a seed, summed up as real ones are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from msgspec.structs import replace

from replay.checks import Checked
from replay.continuity import Finding
from replay.endurance.histogram import Encoded, Histogram
from replay.endurance.judging import Facts, judge
from replay.endurance.outcome import (
    MINUTE_DIGITS,
    AudioTotals,
    Back,
    Minute,
    Outcome,
    Place,
    Recovered,
    Window,
)
from replay.endurance.promises import parse
from replay.endurance.resources import History, Sample
from replay.endurance.summary import Death, Found, SoakSummary
from replay.endurance.tally import Tally
from replay.report.soak_now import Live, WorkerNow, of_death, of_outcome
from replay.statistics import Series

#: Kind of fault: how often of a hundred, and how long detection takes with it, in ms.
KINDS = {"reset": (60, 4.0), "stall": (20, 5000.0), "close": (15, 2.0), "refuse": (5, 30.0)}
KIND = tuple(KINDS)
_SECOND = 1_000_000_000
_MIB = 1 << 20


@dataclass
class Made:
    """What is made. hours: of the soak; leak: bytes a reconnection that worker 1 does not give
    back; failing: the sessions, by slot and number, that lost audio; dead: worker 2 died once."""

    hours: float = 0.5
    slots: int = 20
    length: float = 600.0
    every: float = 28.0
    leak: float = 0.0
    failing: tuple[tuple[int, int], ...] = ()
    dead: bool = False
    conditions: tuple[str, ...] = ("recover.p95 < 30s", "rss.slope < 4KiB/reconnect")
    seed: int = 7
    plan: dict[str, object] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.hours * 3600


#: With a leak, two sessions that lost audio, a worker that died, and conditions that fail.
BAD = Made(
    leak=20_000.0,
    failing=((3, 1), (9, 2)),
    dead=True,
    conditions=("recover.p95 < 1ms", "lost_bytes == 0"),
)


def soak(made: Made | None = None) -> SoakSummary:
    """The summary of one."""
    made = made or Made()
    tally = Tally()
    for each in outcomes(made):
        tally.add(each)
    return judge(
        tally, History(samples(made)), facts(made), [parse(text) for text in made.conditions]
    )


def facts(made: Made) -> Facts:
    plan = {
        "replay_version": "0.1.0",
        "created_at": "2026-11-26T01:02:03+00:00",
        "name": "20261126-010203-soak",
        "sources": ["fixtures/demo.flac"],
        "target": "sandbox",
        "rota": {
            "seconds": made.seconds,
            "sessions": made.slots,
            "session_length": made.length,
            "ramp": 60.0,
            "profile": "constant",
            "shard": [1, 1],
        },
        "processes": 2,
        "seed": made.seed,
        "keep": "failing",
        "faults": ["reset @ poisson 2/min"],
        "common": ["restart @ every 20m"],
        "chaos": None,
        "assertions": list(made.conditions),
        "watched": [4711],
        "playlist": {"seconds": 61.5, "channels": 1, "sha256": "ab" * 32, "words": True},
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "system": "Linux 6.1",
            "python": "3.11.2",
            "packages": {"trio": "0.30.0", "msgspec": "0.20.0"},
        },
        **made.plan,
    }
    deaths = []
    if made.dead:
        why = "killed by SIGKILL"
        at = round(made.seconds / 2, 3)
        deaths = [Death(worker=2, t=at, why=why, sessions=["sessions/1-2", "sessions/3-2"])]
    return Facts(
        plan=plan,
        seed=made.seed,
        elapsed=made.seconds,
        asked=made.seconds,
        settled=60.0,
        deaths=deaths,
    )


def long(found: SoakSummary, hours: int) -> SoakSummary:
    """As large as the summary of so many hours is, made of one of half an hour: what a tally thins
    out is there as often as it leaves it."""
    seconds = hours * 3600.0
    often = round(seconds / found.elapsed)
    rows = [
        replace(row, at=row.at + 30 * k) for k in range(often) for row in found.rows if row.at < 30
    ]
    windows = [
        Window(at, at + seconds / 4000, KIND[number % len(KIND)])
        for number, at in enumerate(np.linspace(0, seconds - 60, 2000).tolist())
    ]
    courses = [
        replace(each, t=np.linspace(5, seconds, len(each.t)).round(3).tolist())
        for each in found.resources
    ]
    return replace(
        found, elapsed=seconds, asked=seconds, rows=rows, windows=windows, resources=courses
    )


def hostile(found: SoakSummary, text: str) -> SoakSummary:
    """The same, with this wherever others may have written something; names stay different."""
    finding = Finding(invariant="A1", severity="error", detail=text)
    kinds = [each.kind for each in found.recoveries]
    whos = sorted({each.who for each in (*found.trends, *found.drifts, *found.resources)})

    def kind(name: str) -> str:
        return f"{text} {kinds.index(name)}"

    def who(name: str) -> str:
        return f"{text} {whos.index(name)}"

    return replace(
        found,
        reasons=[text],
        plan={**found.plan, "sources": [text], "target": text, text: text, "faults": [text]},
        faults=replace(found.faults, by_kind={text: 3}, missed={text: 2}),
        checks=[Checked(text=text, figure=text, statistic="", state="unknown", why=text)],
        recoveries=[replace(each, kind=kind(each.kind)) for each in found.recoveries],
        trends=[replace(each, who=who(each.who), why=text) for each in found.trends],
        drifts=[replace(each, who=who(each.who), why=text) for each in found.drifts],
        deaths=[Death(worker=1, t=60.0, why=text, sessions=[text])],
        windows=[replace(each, kind=kind(each.kind)) for each in found.windows],
        worst=[
            replace(each, session=text, path=text, verdict="fail", reasons=[text], repeat=text)
            for each in found.worst
        ],
        resources=[replace(each, who=who(each.who)) for each in found.resources],
        findings=[
            Found(invariant=text, severity="error", count=1, sessions=1, examples=[(text, finding)])
        ],
        invariants={**found.invariants, text: {"fail": 1}},
        storm=replace(found.storm, why=text),
    )


def nothing() -> SoakSummary:
    """One that was stopped before anything had finished."""
    made = Made()
    return judge(Tally(), History(), replace(facts(made), elapsed=12.0), [parse("ack.p95 < 1s")])


def now(made: Made | None = None, found: SoakSummary | None = None) -> Live:
    """That soak while it runs, in four fifths of its time."""
    made = made or Made()
    found = found or soak(made)
    latest = {each.who: each for each in samples(made)}
    return Live(
        elapsed=made.seconds * 0.8,
        asked=made.seconds,
        slots=made.slots,
        reconnects=found.reconnects + 31,
        faults=found.faults.by_kind,
        workers=[
            WorkerNow(number=1, pid=4120, playing=10, connected=10, late_ms=2.5),
            WorkerNow(number=2, pid=None if made.dead else 4118, playing=9, connected=8),
        ],
        samples=list(latest.values()),
        summary=found,
        told=[
            *(of_death(each) for each in found.deaths),
            *(told for each in outcomes(made) for told in of_outcome(each)),
        ],
    )


# ------------------------------------------------------------------ sessions


def outcomes(made: Made) -> Iterator[Outcome]:
    rng = np.random.default_rng(made.seed)
    cuts = np.arange(900.0, made.seconds - 60, 1200.0)
    for slot in range(made.slots):
        for number in range(1, round(made.seconds / made.length) + 1):
            begun = (number - 1) * made.length
            yield _outcome(made, rng, slot, number, begun, cuts)


def _outcome(
    made: Made,
    rng: np.random.Generator,
    slot: int,
    number: int,
    begun: float,
    cuts: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Outcome:
    ended = begun + made.length
    failed = (slot, number) in made.failing
    times = np.sort(rng.uniform(begun + 5, ended - 20, rng.poisson(made.length / made.every)))
    outages = [_recovered(rng, float(at), str(_kind(rng))) for at in times]
    common = [float(at) for at in cuts if begun < at < ended]
    backs = [Back(round((1_790_000_000 + at) * _SECOND), _pauses(rng)) for at in common]
    outages += [_recovered(rng, at, "restart") for at in common]
    sent = round(made.length * 32_000)
    path = f"sessions/{slot:02d}-{number:03d}"
    return Outcome(
        place=Place(
            slot=slot,
            number=number,
            worker=slot % 2 + 1,
            path=path,
            seed=1000 * slot + number,
            began=begun,
            repeat=f"replay run fixtures/demo.flac --loop 10 --seed {1000 * slot + number} "
            "--fault 'reset @ poisson 2/min'",
        ),
        ended=ended,
        seconds=made.length,
        verdict="fail" if failed else "pass",
        reasons=["A1: 3,200 bytes of audio were lost"] if failed else [],
        findings=[_finding(begun)] if failed else [],
        found=int(failed),
        invariants={
            **dict.fromkeys(("A2", "R1", "R4", "T1"), "pass"),
            "A1": "fail" if failed else "pass",
            "C1": "not applicable",
        },
        audio=AudioTotals(
            sent=sent,
            acked=sent,
            recorded=sent + 1600,
            lost=3200 if failed else 0,
            repeated=1600,
            reordered=0,
            garbage=0,
        ),
        words_lost=0,
        words_duplicated=0,
        words_changed=1,
        reconnects=len(outages),
        faults=_counted(outages),
        asked=3,
        windows=[
            Window(each.at, each.at + (each.recover or 0.0) / 1000 + 0.5, each.kind)
            for each in outages
        ],
        outages=outages,
        latency=_pool(0, 3),
        undisturbed=_pool(1, 3),
        lateness=Histogram.of(Series(rng.gamma(2, 0.2, 200))).encoded(),
        minutes=[
            Minute(at=at, latency=_pool(at, MINUTE_DIGITS), undisturbed=_pool(at, MINUTE_DIGITS))
            for at in range(int(begun // 60), int(ended // 60))
        ],
        backs=backs,
    )


def _finding(at: float) -> Finding:
    return Finding(
        invariant="A1",
        severity="error",
        detail="3,200 bytes from 1,024,000 on were sent, acknowledged, and not recorded",
        at={"t_ms": at * 1000, "offset": 1_024_000},
    )


def _kind(rng: np.random.Generator) -> str:
    return str(rng.choice([*KINDS], p=[share / 100 for share, _ in KINDS.values()]))


def _recovered(rng: np.random.Generator, at: float, kind: str) -> Recovered:
    detect = KINDS.get(kind, (0, 2.0))[1] * float(rng.uniform(0.9, 1.2))
    backoff, connect = float(rng.uniform(0, 500)), float(rng.gamma(4, 3))
    flush = float(rng.gamma(3, 20))
    return Recovered(
        at=round(at, 3),
        kind=kind,
        cause="reset",
        detect=round(detect, 3),
        down=round(backoff + connect, 3),
        backoff=round(backoff, 3),
        connect=round(connect, 3),
        flush=round(flush, 3),
        first_ack=round(flush + 20, 3),
        first_transcript=round(flush + 150, 3),
        caught_up=round(flush + 400 + float(rng.gamma(2, 200)), 3),
        resent=64_000,
    )


def _pauses(rng: np.random.Generator) -> list[int]:
    first = rng.uniform(0, 0.5)
    return [round(each * _SECOND) for each in (first, first + rng.uniform(0, 1))]


def _counted(outages: list[Recovered]) -> dict[str, int]:
    kinds = [each.kind for each in outages]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


@cache
def _pool(number: int, digits: int) -> dict[str, Encoded]:
    """Some histograms of latencies; the same ones come again, since drawing takes long."""
    if number >= 24:
        return _pool(number % 24, digits)
    rng = np.random.default_rng(number)
    names = ("ack", "word_final") if digits == MINUTE_DIGITS else (
        "ack", "partial_lag", "word_first", "word_final", "final"
    )  # fmt: skip
    base = {"ack": 8.0, "partial_lag": 300.0, "word_first": 280.0, "word_final": 520.0}
    return {
        name: Histogram.of(Series(rng.gamma(9, base.get(name, 600.0) / 9, 400)), digits).encoded()
        for name in names
    }


# ------------------------------------------------------------------ processes


def samples(made: Made) -> Iterator[Sample]:
    rng = np.random.default_rng(made.seed + 1)
    rate = made.slots / made.every
    every = max(5.0, made.seconds / 4000)
    whos = [
        ("supervisor", 58, 14, 5, 31, 1.0),
        ("worker 1", 120, 40, 6, 95, 0.5),
        ("worker 2", 118, 40, 6, 95, 0.5),
        ("sandbox", 210, 70, 4, None, 1.0),
        ("pid 4711", 90, 22, 12, None, 1.0),
    ]
    for t in np.arange(every, made.seconds, every):
        for who, mib, fds, threads, tasks, share in whos:
            so_far = round(t * rate * share)
            generation = int(made.dead and who == "worker 2" and t > made.seconds / 2)
            if generation:
                so_far -= round(made.seconds / 2 * rate * share)
            leaked = made.leak * so_far if who == "worker 1" else 0.0
            yield Sample(
                t=float(t),
                who=who,
                pid=4000 + mib + generation,
                generation=generation,
                rss=round(mib * _MIB + leaked + abs(rng.normal(0, 0.6)) * _MIB),
                fds=fds + int(rng.integers(0, 6)),
                threads=threads,
                tasks=None if tasks is None else tasks + int(rng.integers(0, 5)),
                reconnects=so_far,
            )
