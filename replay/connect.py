"""What it took to get the first connection, step by step."""

from __future__ import annotations

from msgspec import Struct

from replay import journal
from replay.timeline import Timeline

_NS_PER_MS = 1e6


class Connect(Struct, kw_only=True):
    """In ms; None for a step that was not taken or never ended.

    init: the request that opened the session. tcp (with the look-up of the name), tls, upgrade:
    of the first connection. first_ack: from the first audio handed to it to its acknowledgement.
    """

    init: float | None = None
    tcp: float | None = None
    tls: float | None = None
    upgrade: float | None = None
    first_ack: float | None = None


def measure(timeline: Timeline) -> Connect:
    """Of the first connection; what later ones took is told by their outages."""
    found = Connect()
    opened = next((init for init in timeline.all(journal.Init) if init.id and init.done), None)
    if opened is not None:
        found.init = _ms(opened.done - opened.t)
    first = timeline.first(journal.Connected)
    if first is None:
        return found
    found.tcp, found.upgrade = _ms(first.tcp_ns), _ms(first.upgrade_ns)
    found.tls = _ms(first.tls_ns) if first.tls_ns else None
    sent = timeline.frames.t[timeline.frames.connection == first.connection]
    acked = timeline.acks.t[timeline.acks.connection == first.connection]
    if len(sent) and len(acked):
        found.first_ack = _ms(int(acked[0] - sent[0]))
    return found


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / _NS_PER_MS, 3)
