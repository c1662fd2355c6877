"""What the sandbox can be told; one value, made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from replay.sandbox.defects import Planted
from replay.sandbox.latency import AT_ONCE, Spread
from replay.sandbox.mail import MailSettings
from replay.wire.config import REGIONS
from replay.wire.limits import IDLE_SECONDS, SESSION_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Attributes, times in seconds:

    data: where sessions are kept and gone on with; None for a directory that goes away with the
        sandbox.
    keep: sessions that ended so long ago are removed with everything of theirs; None never.
    max_disk: bytes that the records of all sessions may take. Beyond it the oldest that have ended
        are removed; where that does not suffice, new sessions are refused with 507, and one that
        needs more ends as on a full disk. None for no limit.
    api_key: the only key accepted; None accepts any, and none.
    regions: those that can be asked for; another one that the service has is refused with 403.
    unknown_fields: whether a body with fields that the service does not know is accepted, and they
        mean nothing, or refused with 400. Both were told of the service (protocol 10).
    concurrency: sessions that may take in audio at a time, from their creation until their audio
        is over; one more is refused with 429. None for no limit.
    start_session: send the lifecycle message `start_session` over the websocket too, once, to the
        first connection. Sources differ on whether the service does (protocol 10).
    session_timeout: how long a session waits for its client to come back, both while audio is
        owed and while results are.
    unclaimed_timeout: how long a session waits for its first connection.
    idle_timeout: without audio for this long, a connection is closed; None never.
    max_seconds: audio after which a session ends as if stopped; None for no limit.
    max_frame: larger frames are answered with close 1009. The service draws that line at 1 MiB,
        but clients in the field send their whole buffer at once when they come back.
    commit: when audio that came in is sure to stay: on `receipt`, or once its `ack` was handed to
        the connection; what was not is then forgotten with the connection. The service's own way
        is not known (protocol 7.3).
    defects: what every session suffers from.
    close_grace: how long a closing connection may take to take its last message.
    outbox_bytes: when more than this waits for a client to read it, reading from it pauses, and
        after `drop_after` its connection is dropped; its session waits for the next one.
    drop_after: see `outbox_bytes`.
    send_timeout: a client that takes nothing of what it is sent for this long is dropped.
    max_behind: seconds of audio that may wait for recognition before reading of more pauses.
    pending_bytes: that all clients together may have sent of frames that are not whole yet, the
        first MiB of each not counted; who would exceed it is closed with 1013.
    max_sessions: that run at a time; one more is refused with 503. And of how many that have ended
        something may be left to post.
    max_visitors: connections at a time that belong to no session (HTTP, and handshakes); one more
        ends the one that was heard of least recently.
    handshake_timeout: how long a client may take for the head of its first request.
    request_timeout: how long a client may take for the body of its request.
    mail: callbacks and webhooks.
    ack: how long acknowledgements take.
    post: how long the post-processing takes, before its first and before its last message.
    seed: of what `ack` and `post` draw.
    spin: so many seconds before an answer that takes its time are not slept, since trio wakes up to
        a millisecond late. 0 in virtual time, where the clock does not move while a task runs.
    """

    data: Path | None = None
    keep: float | None = None
    max_disk: int | None = None
    api_key: str | None = None
    regions: tuple[str, ...] = REGIONS
    unknown_fields: Literal["accept", "refuse"] = "accept"
    concurrency: int | None = None
    start_session: bool = False
    session_timeout: float = 120.0
    unclaimed_timeout: float = 900.0
    idle_timeout: float | None = float(IDLE_SECONDS)
    max_seconds: float | None = float(SESSION_SECONDS)
    max_frame: int = 32 << 20
    commit: Literal["receipt", "ack"] = "receipt"
    defects: tuple[Planted, ...] = ()
    close_grace: float = 1.0
    outbox_bytes: int = 16 << 20
    drop_after: float = 10.0
    send_timeout: float = 20.0
    max_behind: float = 600.0
    pending_bytes: int = 256 << 20
    max_sessions: int = 1000
    max_visitors: int = 500
    handshake_timeout: float = 10.0
    request_timeout: float = 30.0
    mail: MailSettings = field(default_factory=MailSettings)
    ack: Spread = AT_ONCE
    post: Spread = AT_ONCE
    seed: int = 0
    spin: float = 0.0
