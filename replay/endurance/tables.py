"""The parts of a soak's summary, each from its part of the tally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from replay.endurance.folding import joined
from replay.endurance.outcome import Window
from replay.endurance.resources import MEASURES, History
from replay.endurance.rows import Rows, Stretch
from replay.endurance.summary import (
    Course,
    Found,
    Row,
    SoakAudio,
    SoakFaults,
    SoakLatency,
    SoakRecovery,
    SoakWords,
    Storm,
    Worst,
)
from replay.endurance.tally import STEPS, Recoveries, Spells, Tally, name, part, slowest
from replay.judge import herd
from replay.judge.case import NS
from replay.judge.herd import Return
from replay.statistics import Floats

#: Windows and points of a course beyond which they are thinned.
_WINDOWS, _POINTS = 2000, 300
_NS_PER_MS = 1_000_000
#: Bars of the histogram of attempts, and the shares of sessions that a common cut takes.
_BARS, _AT_LEAST, _HALF = 40, 3, 2
_WIDTHS_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000)


def faults(tally: Tally) -> SoakFaults:
    return SoakFaults(
        asked=tally.totals["asked"],
        fired=tally.faults.total(),
        by_kind=dict(sorted(tally.faults.items())),
        missed=dict(sorted(tally.missed.items())),
    )


def audio(tally: Tally) -> SoakAudio:
    total = tally.totals
    return SoakAudio(
        seconds=total["played_ms"] / 1000,
        sent_bytes=total["sent"],
        acked_bytes=total["acked"],
        recorded_bytes=total["recorded"],
        lost_bytes=total["lost"],
        repeated_bytes=total["repeated"],
        reordered_bytes=total["reordered"],
        garbage_bytes=total["garbage"],
        compared=total["compared"],
    )


def words(tally: Tally) -> SoakWords:
    total = tally.totals
    return SoakWords(
        lost=total["words_lost"],
        duplicated=total["words_duplicated"],
        changed=total["words_changed"],
        compared=total["referenced"],
    )


def latency(tally: Tally) -> SoakLatency:
    whole = {name: each for name, each in sorted(tally.latency.items()) if each.n}
    clear = {name: each for name, each in sorted(tally.undisturbed.items()) if each.n}
    return SoakLatency(
        all={name: each.distribution() for name, each in whole.items()},
        undisturbed={name: each.distribution() for name, each in clear.items()},
        lateness=tally.lateness.distribution(),
        stalls=tally.totals["stalls"],
        mistimed=tally.totals["mistimed"],
        encoded={
            **{name: each.encoded() for name, each in whole.items()},
            **{f"clear_{name}": each.encoded() for name, each in clear.items()},
        },
    )


def recoveries(tally: Tally) -> list[SoakRecovery]:
    """All together first, then by the kind of fault."""
    every = Recoveries()
    for kind in sorted(tally.recoveries):
        every.merge(tally.recoveries[kind])
    kinds = [(kind, tally.recoveries[kind]) for kind in sorted(tally.recoveries)]
    return [_recovery("all", every), *(_recovery(kind, each) for kind, each in kinds)]


def _recovery(kind: str, found: Recoveries) -> SoakRecovery:
    return SoakRecovery(
        kind=kind,
        outages=found.outages,
        unrecovered=found.unrecovered,
        resent_bytes=found.resent,
        encoded=found.steps["recover"].encoded(),
        **{step: found.steps[step].distribution() for step in STEPS},
    )


def rows(found: Rows) -> list[Row]:
    return [_row(at, each, found.minutes) for at, each in found.rows]


def _row(at: int, found: Stretch, minutes: int) -> Row:
    def of(measure: str, q: float) -> float | None:
        return found.measures[measure].quantile(q)

    return Row(
        at=at,
        sessions=round(found.played / (minutes * 60_000), 2),
        ended=found.ended,
        failed=found.failed,
        reconnects=found.reconnects,
        faults=found.faults,
        ack_p50=of("ack", 0.5),
        ack_p95=of("ack", 0.95),
        word_final_p50=of("word_final", 0.5),
        word_final_p95=of("word_final", 0.95),
        clear_ack_p50=of("clear_ack", 0.5),
        clear_ack_p95=of("clear_ack", 0.95),
        clear_word_final_p50=of("clear_word_final", 0.5),
        clear_word_final_p95=of("clear_word_final", 0.95),
        recover_p50=of("recover", 0.5),
        recover_max=of("recover", 1.0),
    )


def windows(found: Iterable[Window], elapsed: float) -> list[Window]:
    """Those of one kind that touch as one; of very many, those that lie near each other too."""
    together, gap = joined(found), elapsed / _WINDOWS
    while len(together) > _WINDOWS:
        together, gap = joined(together, gap), gap * 2
    return sorted(together, key=lambda each: (each.begun, each.over, each.kind))


def worst(tally: Tally) -> list[Worst]:
    return [
        Worst(
            session=name(each.place),
            path=each.place.path,
            verdict=each.verdict,
            cut=each.place.cut,
            began=each.place.began,
            ended=each.ended,
            reasons=each.reasons,
            reconnects=each.reconnects,
            lost_bytes=each.audio.lost,
            recover=slowest(each),
            repeat=each.place.repeat,
        )
        for each in tally.worst
    ]


def courses(history: History) -> list[Course]:
    """Thinned evenly, the last point kept."""
    found = []
    for (who, generation), track in sorted(history.tracks.items()):
        t = track.column("t")
        size = min(len(t), _POINTS)
        at = np.unique(np.linspace(0, len(t) - 1, size).round().astype(int))
        plain = {
            each: _filled(t, track.column(each))[at].astype(int).tolist()
            for each in (*MEASURES, "reconnects")
            if not np.isnan(track.column(each)).all()
        }
        found.append(Course(who=who, generation=generation, t=np.round(t[at], 3).tolist(), **plain))
    return found


def _filled(t: Floats, column: Floats) -> Floats:
    """What was not told now and then is drawn between what was."""
    known = ~np.isnan(column)
    return np.interp(t, t[known], column[known])


def findings(tally: Tally) -> list[Found]:
    return [
        Found(
            invariant=invariant,
            severity=severity,
            count=each.count,
            sessions=each.sessions,
            examples=[(session, finding) for _, session, finding in each.examples],
        )
        for (invariant, severity), each in sorted(tally.findings.items())
    ]


def storm(tally: Tally) -> Storm:
    """What came of the cuts that most sessions suffered together."""
    ordered = sorted(tally.backs, key=lambda each: each[0])
    sessions = [
        [Return(each.lost, tuple(each.attempts), round(each.at * NS)) for each in backs]
        for _, backs in ordered
    ]
    parts = [part(path) for (*_, path), _ in ordered]
    storms = (_hit(each, parts, tally.spells) for each in herd.storms(sessions))
    common = [each for each in storms if len(each) >= _AT_LEAST]
    outcome = herd.judge(common)
    waits = [[ns / _NS_PER_MS for ns in each.attempts] for cut in common for each in cut]
    every = [ms for each in waits for ms in each]
    width = _width(max(every, default=0.0))
    why = next((each.detail for each in outcome.findings), outcome.why)
    return Storm(
        cuts=len(common),
        sessions=sum(len(each) for each in common),
        attempts=len(every),
        width_ms=width,
        counts=_bars(every, width),
        first=_bars([each[0] for each in waits if each], width),
        state=outcome.state,
        why=why,
    )


def _hit(storm: dict[int, Return], parts: list[str], spells: Mapping[str, Spells]) -> list[Return]:
    """Of losses that came together, those of parts in which at least half of all that played then
    were hit: what hits the one machine's sessions need not hit the other's."""
    if len(storm) < _AT_LEAST:
        return []
    by_part: dict[str, list[Return]] = {}
    for number, each in storm.items():
        by_part.setdefault(parts[number], []).append(each)
    found = []
    for whose, mine in by_part.items():
        if len(mine) * _HALF >= spells[whose].playing(mine[0].at / NS):
            found += mine
    return found


def _width(longest: float) -> float:
    return next((float(each) for each in _WIDTHS_MS if longest < each * _BARS), longest / _BARS)


def _bars(values: list[float], width: float) -> list[int]:
    if not values:
        return []
    counts = np.bincount((np.array(values) // width).astype(int))
    return [int(each) for each in counts]
