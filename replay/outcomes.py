"""What became of each recording of a benchmark, over all its sessions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from replay.benchmark import Benchmark, Measured, Played, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recording on one side.

    Attributes:
        verdict: fail when a session that counts failed, else unknown when one has no answer, or
            none counts at all.
        sessions: how many count; of: how many were played for it, without warm-up.
        reasons: of a verdict other than pass, a session each: where its run lies, and why.
    """

    arm: str
    recording: str
    verdict: Verdict
    sessions: int
    of: int
    reasons: list[str]


def outcomes(found: Benchmark) -> list[Outcome]:
    """Every recording of every side, in the order of the corpus."""
    return [
        _outcome(each, recording.name, played[recording.name])
        for each in found.measured
        for played in (_by_recording(each),)
        for recording in found.recordings
    ]


def _by_recording(each: Measured) -> defaultdict[str, list[Played]]:
    """What was played of each, but for the warm-up."""
    found: defaultdict[str, list[Played]] = defaultdict(list)
    for play in each.plays:
        if play.round > 0:
            found[play.recording].append(play)
    return found


def _outcome(each: Measured, recording: str, played: list[Played]) -> Outcome:
    counted = [play for play in played if play.counts]
    failed = [play for play in counted if play.verdict == "fail"]
    unsure = [play for play in counted if play.verdict == "unknown"]
    verdict: Verdict = "fail" if failed else "unknown" if unsure or not counted else "pass"
    bad = failed + unsure if counted else played
    return Outcome(
        arm=each.arm.name,
        recording=recording,
        verdict=verdict,
        sessions=len(counted),
        of=len(played),
        reasons=[_why(play) for play in bad] or ["not played yet"] * (verdict == "unknown"),
    )


def _why(play: Played) -> str:
    """Of a session that does not count, what was wrong with its measurement."""
    why = play.reasons if play.counts or play.validity is None else play.validity_reasons
    return f"{play.path}: {'; '.join(why) or play.verdict}"
