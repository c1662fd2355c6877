"""A1 to A6: the recording is what was said, once and in order."""

from __future__ import annotations

from replay import journal
from replay.continuity import Comparison, Finding, Kind, Range, Severity
from replay.judge.acks import account
from replay.judge.case import Case, Outcome, judged, not_applicable, unknown
from replay.wire.closing import TOO_BIG
from replay.wire.limits import FRAME_BYTES, JSON_FRAME_AUDIO_BYTES

_NO_RECORDING = "no recording was fetched"


def window_bytes(case: Case) -> int:
    """Most that may be recorded twice: what the service had and could not tell before a cut.

    Where the service's count goes on after a cut, it says how much that was; where it does not,
    everything in flight may be.
    """
    found = account(case)
    if case.foreign:
        # Nothing that came once can have been meant twice.
        window = sum(found.arrived.values()) + found.untold + found.open
        came = int(case.timeline.frames.size.sum())
        said = case.comparison.sent_bytes if case.comparison is not None else 0
        return min(window, max(came - said, 0))
    told = sum(found.arrived.values()) + _part_frames(case)
    last = max(found.arrived, default=0)
    silent = [lost for lost in case.losses if lost.connection >= last]
    # Without a count from the beginning, the client's own account has to do.
    if not case.opened_here and not found.arrived:
        return sum(lost.unacked for lost in case.losses)
    return told + sum(lost.unacked for lost in silent)


def _part_frames(case: Case) -> int:
    """A part of a sample that was acknowledged goes out again with the rest of it."""
    size, acks = case.timeline.format.frame_bytes, case.timeline.acks
    ends = [acks.upto[acks.connection == lost.connection] for lost in case.losses]
    return sum(int(upto[-1]) % size for upto in ends if len(upto))


def a1(case: Case) -> Outcome:
    comparison = case.comparison
    if comparison is None:
        return unknown(_NO_RECORDING)
    never = "never sent" if comparison.basis == "played" else "never said"
    findings = [
        *_amount(case, comparison, "lost", "A1", "error", "sent and not recorded"),
        *_amount(case, comparison, "garbage", "A1", "error", f"recorded and {never}"),
    ]
    if comparison.basis == "merged" and findings:
        note = "what the client meant to say was put together from its connections"
        findings.append(case.finding("A1", "info", note))
    return judged(findings)


def a2(case: Case) -> Outcome:
    comparison = case.comparison
    if comparison is None:
        return unknown(_NO_RECORDING)
    window = 0 if case.limits.repeats == "strict" else window_bytes(case)
    extra = comparison.repeated_bytes
    if extra > window:
        what = f"recorded again; at most {window} bytes were in flight"
        if case.limits.repeats == "strict":
            what = "recorded again, and none may be"
        return judged(_amount(case, comparison, "repeated", "A2", "error", what))
    what = f"recorded again, within the {window} in flight"
    return judged(_amount(case, comparison, "repeated", "A2", "info", what))


def a4(case: Case) -> Outcome:
    if case.comparison is None:
        return unknown(_NO_RECORDING)
    what = "recorded out of order"
    return judged(_amount(case, case.comparison, "reordered", "A4", "error", what))


def a5(case: Case) -> Outcome:
    size = case.timeline.format.frame_bytes
    findings = [
        case.finding(
            "A5",
            "error",
            f"connection {each.connection} goes on within a sample, at byte {each.resume_at}",
            each.t,
            connection=each.connection,
            offset=each.resume_at,
        )
        for each in case.timeline.all(journal.Connected)
        if each.resume_at % size
    ]
    if case.comparison is not None:
        what = "shifted: a seam in the recording cuts through a sample"
        findings += _amount(case, case.comparison, "shifted", "A5", "error", what)
    return judged(findings)


def a6(case: Case) -> Outcome:
    frames = case.timeline.frames
    if not len(frames.t):
        return not_applicable("no audio was sent")
    largest = int(frames.size.argmax())
    size, connection = int(frames.size[largest]), int(frames.connection[largest])
    where = {"connection": connection, "offset": int(frames.offset[largest]), "size": size}
    findings: list[Finding] = []
    if size > FRAME_BYTES:
        text = f"a frame of {size} bytes of audio; the service takes {FRAME_BYTES}"
        findings.append(case.finding("A6", "error", text, int(frames.t[largest]), **where))
    elif size > JSON_FRAME_AUDIO_BYTES:
        text = f"a frame of {size} bytes of audio is too large as base64"
        findings.append(case.finding("A6", "warning", text, int(frames.t[largest]), **where))
    findings += [
        case.finding("A6", "error", "the service closed: a frame was too large", lost.t)
        for lost in case.timeline.all(journal.Lost)
        if lost.code == TOO_BIG and not case.faults("close", "close_open", upto=lost.t)
    ]
    return judged(findings)


def _amount(
    case: Case,
    comparison: Comparison,
    kind: Kind,
    invariant: str,
    severity: Severity,
    what: str,
) -> list[Finding]:
    """One finding for all ranges of a kind: how much in all, and where the first is."""
    ranges = [each for each in comparison.ranges if each.kind == kind]
    if not ranges:
        return []
    fmt, total = case.timeline.format, sum(each.size for each in ranges)
    places = f" in {len(ranges)} places" if len(ranges) > 1 else ""
    first = _where(case, ranges[0])
    detail = f"{total} bytes ({fmt.seconds(total) * 1e3:.1f} ms){places} {what}, {first}"
    at: dict[str, int | float | str] = {
        "at": ranges[0].at,
        "size": ranges[0].size,
        "ranges": len(ranges),
        "ms": round(fmt.seconds(total) * 1e3, 3),
    }
    if ranges[0].offset is not None:
        at["offset"] = ranges[0].offset
    return [Finding(invariant=invariant, severity=severity, detail=detail, at=at)]


def _where(case: Case, found: Range) -> str:
    first = found.at if found.offset is None else found.offset
    axis = " of the recording" if found.offset is None else ""
    return f"from {case.timeline.format.seconds(first):.3f} s{axis}"
