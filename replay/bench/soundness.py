"""Whether the figures of a benchmark say something about what was measured, or about us."""

from __future__ import annotations

import re
from collections import Counter

from replay.benchmark import Benchmark, Measured, Played, side
from replay.compare.drift import drifts

#: Of the sessions that count, more than this share may not be measured invalidly.
_INVALID_SHARE = 0.1
_DIGITS = re.compile(r"\d[\d,.]*")


def judge(found: Benchmark) -> None:
    """Put the validity of a benchmark together from its sessions and its rounds."""
    invalid: list[str] = []
    suspect: list[str] = []
    for each in found.measured:
        invalid += _invalid(each, found)
        suspect += _suspect(each)
    suspect += _drifting(found)
    validity = found.validity
    validity.reasons = invalid + suspect
    validity.verdict = "invalid" if invalid else "suspect" if suspect else "valid"


def _invalid(each: Measured, found: Benchmark) -> list[str]:
    final = _last_attempts(each)
    if not final:
        return [f"{each.arm.name}: nothing was measured"]
    reasons = []
    bad = [play for play in final if play.validity == "invalid"]
    if len(bad) > _INVALID_SHARE * len(final):
        why = bad[0].validity_reasons[0]
        reasons.append(
            f"{each.arm.name}: {len(bad)} of {len(final)} sessions were not measured validly, "
            f"in {bad[0].path}: {why}"
        )
    counted = {play.recording for play in each.plays if play.counts}
    missing = [one.name for one in found.recordings if one.name not in counted]
    if missing:
        reasons.append(f"{each.arm.name}: no valid session of {', '.join(missing)}")
    return reasons


def _suspect(each: Measured) -> list[str]:
    counted = [play for play in each.plays if play.counts]
    final = _last_attempts(each)
    reasons = []
    again = sum(play.attempt > 1 for play in final)
    if again:
        reasons.append(f"{each.arm.name}: {again} of {len(final)} sessions took a second attempt")
    left_out = sum(play.validity == "invalid" or play.validity is None for play in final)
    if left_out:
        reasons.append(f"{each.arm.name}: {left_out} of {len(final)} sessions are left out")
    # The same doubt in many sessions is one doubt.
    kinds = Counter(
        _DIGITS.sub("#", why) for play in counted for why in dict.fromkeys(play.validity_reasons)
    )
    for kind, count in kinds.items():
        first = next(
            why
            for play in counted
            for why in play.validity_reasons
            if _DIGITS.sub("#", why) == kind
        )
        if not first.startswith("only "):  # of few words: they are pooled here
            reasons.append(f"{each.arm.name}: in {count} of {len(counted)} sessions, as: {first}")
    return reasons


def _last_attempts(each: Measured) -> list[Played]:
    last = {(play.round, play.recording): play for play in each.plays if play.round > 0}
    return list(last.values())


def _drifting(found: Benchmark) -> list[str]:
    """Rounds that are unlike the others, as after too short a warm-up."""
    return [
        f"{each.arm.name}: {why}"
        for each in found.measured
        for why in drifts(side(found, each.arm.name))
    ]
