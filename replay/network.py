"""What of a latency is the network's: an estimate from the service's own stamps.

Every message carries `created_at`, by the service's clock. An acknowledgement that was asked for
at S, created at C and received at R gives the offset of that clock from ours, C - (S + R) / 2,
wrong by no more than half the round trip. The tenth with the shortest round trips is kept in each
stretch of up to a minute. Where their medians differ by more than the error, the offset is drawn
straight between them, so that a clock that runs faster, or is being set, does no harm; else it is
one for the whole run. Then what is stamped C was created, by our clock,
at C less the offset: before that lie the way up and the service, after it the way down.

An estimate, never a headline: a path that is slower one way than the other cannot be told from a
clock that is off, and stamps are as coarse as they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from replay import journal
from replay.statistics import Distribution, Floats, Series, slope
from replay.timeline import Ints, Timeline
from replay.utterances import Utterances

_NS_PER_MS = 1e6
_NS_PER_SECOND = 1e9
#: Of the round trips in one stretch of time this share, and at least so many, tell the offset.
_KEPT = 0.1
_KEPT_AT_LEAST = 3
_LONGEST_STRETCH = 60 * _NS_PER_SECOND
_STRETCHES = 8
#: Fewer acknowledgements than this tell nothing about a clock.
_ACKS = 20
#: Told apart by connection, offsets are far below this many bytes.
_CONNECTION = 1 << 44


class Network(Struct, kw_only=True):
    """In ms. All but `round_trip` is estimated, and wrong by up to `bound_ms`; the two times of the
    service by up to twice that, since audio is taken for arrived when it is acknowledged.

    round_trip: from handing a frame to the socket to its acknowledgement, on one connection.
    offset_ms: how far the service's clock is ahead of ours at the beginning; skew_ppm: how much
    faster it runs, None where that is too little for this run to tell. uplink: from the socket to
    the service, with its time for an acknowledgement. downlink: of transcripts. service_partial,
    service_final: from the arrival of the audio at which a transcript ends to its creation; for
    finals with the wait for silence.
    """

    round_trip: Distribution
    bound_ms: float | None = None
    offset_ms: float | None = None
    skew_ppm: float | None = None
    uplink: Distribution
    downlink: Distribution
    service_partial: Distribution
    service_final: Distribution


@dataclass(frozen=True, slots=True)
class Trips:
    """Acknowledgements with the frames that they answer. Journal ns, and bytes of audio; `which`
    of the journal's acknowledgements they are."""

    sent: Ints
    received: Ints
    upto: Ints
    which: Ints

    @property
    def took(self) -> Ints:
        return self.received - self.sent


@dataclass(frozen=True, slots=True)
class Split:
    """The service's clock put beside the journal's.

    Attributes:
        trips: what it is taken from; `created`: the service's stamps on them.
        at, offset: by journal time in ns, how far the service's stamps are ahead.
        coarse: how finely stamps are written, in ns.
        skew: how much faster the service's clock runs, in ppm; None when it moved by less than
            the error, and counts as standing.
    """

    trips: Trips
    created: Floats
    at: Floats
    offset: Floats
    coarse: float
    skew: float | None

    @property
    def bound(self) -> float:
        """The error of everything that is estimated, in ns."""
        return _bound(self.trips, self.coarse)

    def journal_time(self, stamps: Floats) -> Floats:
        """When, by the journal's clock, what carries these stamps was created, in ns."""
        near = stamps - np.interp(stamps - self.offset[0], self.at, self.offset)
        return np.asarray(stamps - np.interp(near, self.at, self.offset))

    def arrived(self, offsets: Floats) -> Floats:
        """When the audio before each offset was at the service, in ns, or NaN."""
        upto = np.maximum.accumulate(self.trips.upto)
        known = np.append(self.journal_time(self.created), np.nan)
        which = np.searchsorted(upto, np.nan_to_num(offsets, nan=np.inf), side="left")
        return np.asarray(known[which])


def stamps(texts: Sequence[str]) -> Floats:
    """ISO times as ns since 2020, NaN for what is none."""
    found = np.full(len(texts), np.nan)
    for index, text in enumerate(texts):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        if moment.tzinfo is not None:
            found[index] = (moment - _EPOCH).total_seconds() * _NS_PER_SECOND
    return found


#: Near enough to now that a float holds nanoseconds since then to within a microsecond's 30th part.
_EPOCH = datetime.fromisoformat("2020-01-01T00:00:00+00:00")


def round_trips(timeline: Timeline) -> Trips:
    """Every acknowledgement that answers a frame of its own connection."""
    frames, acks = timeline.frames, timeline.acks
    if not len(frames.t):
        nothing = acks.t[:0]
        return Trips(nothing, nothing, nothing, nothing)
    order = np.argsort(frames.connection * _CONNECTION + frames.offset, kind="stable")
    ends = (frames.connection * _CONNECTION + frames.offset + frames.size)[order]
    wanted = acks.connection * _CONNECTION + acks.upto
    found = order[np.minimum(np.searchsorted(ends, wanted, side="left"), len(order) - 1)]
    mine = (
        (frames.connection[found] == acks.connection)
        & (frames.offset[found] < acks.upto)
        & (acks.upto <= frames.offset[found] + frames.size[found])
        & (acks.t >= frames.t[found])
    )
    which = np.flatnonzero(mine)
    return Trips(frames.t[found][mine], acks.t[mine], acks.upto[mine], which)


def split(timeline: Timeline) -> Split | None:
    """Put the two clocks beside each other; None where too little is known to do so."""
    trips = round_trips(timeline)
    entries = timeline.all(journal.Ack)
    created = stamps([entries[k].created_at for k in trips.which])
    known = ~np.isnan(created)
    if known.sum() < _ACKS:
        return None
    trips = Trips(trips.sent[known], trips.received[known], trips.upto[known], trips.which[known])
    created = created[known]
    middle = (trips.sent + trips.received) / 2
    offsets = created - middle
    coarse = _coarse(created)
    length = min(_LONGEST_STRETCH, (middle[-1] - middle[0]) / _STRETCHES)
    stretches = (middle - middle[0]) // max(length, 1.0)
    knots = [_quickest(trips, middle, offsets, stretches == each) for each in np.unique(stretches)]
    at, offset = (np.array(column) for column in zip(*knots, strict=True))
    if np.ptp(offset) <= 2 * _bound(trips, coarse):
        at, offset = (np.array([one]) for one in _quickest(trips, middle, offsets, trips.took >= 0))
        return Split(trips, created, at, offset, coarse, None)
    skew = slope(at, offset) or 0.0
    # The line goes on, by the clock's own rate, to where the first and last answers lie.
    ends = np.array([min(middle[0], at[0]), max(middle[-1], at[-1])])
    beyond = offset[[0, -1]] + (ends - at[[0, -1]]) * skew
    return Split(
        trips,
        created,
        np.concatenate((ends[:1], at, ends[1:])),
        np.concatenate((beyond[:1], offset, beyond[1:])),
        coarse,
        skew * 1e6,
    )


def _quickest(
    trips: Trips, middle: Floats, offsets: Floats, among: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """When, and how far ahead, by the median of the quickest answers among some."""
    here = np.flatnonzero(among)
    count = max(_KEPT_AT_LEAST, round(len(here) * _KEPT))
    quick = here[np.argsort(trips.took[here], kind="stable")[:count]]
    return float(np.median(middle[quick])), float(np.median(offsets[quick]))


def _bound(trips: Trips, coarse: float) -> float:
    return float(trips.took.min()) / 2 + coarse


def measure(timeline: Timeline, utterances: Utterances, found: Split | None) -> Network:
    """Round trips, and with `found` the estimate of the rest."""
    every = series(timeline, utterances, found)
    network = Network(
        round_trip=every["round_trip"].distribution(),
        uplink=every["uplink"].distribution(),
        downlink=every["downlink"].distribution(),
        service_partial=every["service_partial"].distribution(),
        service_final=every["service_final"].distribution(),
    )
    if found is None:
        return network
    begun = datetime.fromisoformat(timeline.header.created_at)
    ours = (begun - _EPOCH).total_seconds() * _NS_PER_SECOND
    network.bound_ms = round(found.bound / _NS_PER_MS, 3)
    network.offset_ms = round(float(found.offset[0] - ours) / _NS_PER_MS, 3)
    network.skew_ppm = None if found.skew is None else round(found.skew, 3)
    return network


def series(timeline: Timeline, utterances: Utterances, found: Split | None) -> dict[str, Series]:
    """Every single value behind the distributions of `Network`, by the names of its fields."""
    trips = Series.of_ns(round_trips(timeline).took.astype(np.float64))
    if found is None:
        names = ("uplink", "downlink", "service_partial", "service_final")
        return {"round_trip": trips, **dict.fromkeys(names, Series(np.empty(0)))}
    partials = [partial for each in utterances.all for partial in each.partials]
    finals = [final for _, final in utterances.finished]
    down, service = [], []
    for versions in (partials, finals):
        made = found.journal_time(stamps([version.created_at for version in versions]))
        down.append(np.array([version.t for version in versions], dtype=np.float64) - made)
        ends = timeline.offset_of([version.end for version in versions])
        service.append(made - found.arrived(ends))
    return {
        "round_trip": trips,
        "uplink": Series.of_ns(found.journal_time(found.created) - found.trips.sent),
        "downlink": Series.of_ns(np.concatenate(down)),
        "service_partial": Series.of_ns(service[0]),
        "service_final": Series.of_ns(service[1]),
    }


def _coarse(created: Floats) -> float:
    """A millisecond when all stamps are whole ones, else a microsecond."""
    whole = np.round(created / _NS_PER_MS) * _NS_PER_MS
    return _NS_PER_MS if np.all(np.abs(created - whole) < _NS_PER_MS / 1e3) else 1e3
