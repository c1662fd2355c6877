"""How a client behaves when things go wrong, and the words in which a session says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from msgspec import Struct

from replay.errors import UsageError
from replay.wire.limits import FRAME_BYTES, JSON_FRAME_AUDIO_BYTES


@dataclass(frozen=True, slots=True)
class Policy:
    """How a client behaves when things go wrong. Seconds, unless it says otherwise.

    Attributes:
        json_frames: audio goes as base64 in JSON instead of binary frames.
        ack_timeout: a path without acknowledgements for so long is dead.
        connect_timeout: for one attempt, from the first packet to the open websocket.
        give_up_after: of an outage without any sign of life.
        end_timeout: silence after the end of the audio that is waited for.
        backoff_base, backoff_cap: before attempt n of an outage, counted from 0, a time drawn
            evenly from 0 to min(cap, base·2ⁿ) is waited ("full jitter").
        stable_after: a connection must have lived so long for the back-off to begin anew.
        catch_up_rate: times the pace of the audio at which a backlog is sent; 0 for no limit.
        memory_limit: bytes of audio held in memory; the rest goes to disk.

    Raises:
        UsageError: a timeout that leaves no time.
    """

    json_frames: bool = False
    ack_timeout: float = 5.0
    connect_timeout: float = 5.0
    give_up_after: float = 120.0
    end_timeout: float = 120.0
    backoff_base: float = 0.5
    backoff_cap: float = 8.0
    stable_after: float = 5.0
    catch_up_rate: float = 4.0
    memory_limit: int = 64 << 20

    def __post_init__(self) -> None:
        for name in ("ack_timeout", "connect_timeout"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name.replace('_', '-')} must be more than 0 s")

    @property
    def frame_limit(self) -> int:
        """Most audio in one frame; far below the service's limit, and alike for both kinds."""
        return min(FRAME_BYTES, JSON_FRAME_AUDIO_BYTES) // 4


class State(Enum):
    DOWN = "down"
    OPEN = "open"
    OVER = "over"


class Outcome(Enum):
    """How a session ended."""

    #: The service finished it and said so.
    COMPLETE = "complete"
    #: It had ended when the connection came back: the result is to be fetched.
    ENDED = "ended"
    #: The service would not go on with it.
    REFUSED = "refused"
    #: No connection could be had for too long.
    GAVE_UP = "gave_up"
    #: It was stopped, and nothing more came.
    TIMEOUT = "timeout"
    #: We said goodbye before the end.
    LEFT = "left"


class SendAudio(Struct, frozen=True):
    """Send the audio from `offset` on; `size` 0 is a sign of life."""

    offset: int
    size: int


class SendStop(Struct, frozen=True):
    """Send `stop_recording`."""


class Wait(Struct, frozen=True):
    """Nothing to send before `until`, or before something changes."""

    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class Retry:
    """Connect again, not before `at`."""

    at: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Over:
    """The session is over. `code`: the close code or HTTP status that ended it, or 0."""

    outcome: Outcome
    code: int = 0
    detail: str = ""
