"""What the injector sees passing.

An event is told when the whole frame is in the injector's hands and before it goes on: then a
fault can still be done to the frame at hand (`Kind.at_hand`). Counts in events are the injector's
own, from 1; a `Schedule` counts for itself what it needs, so events must come in order and none
may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """The client's websocket is open, for the k-th time in this session."""

    k: int


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """That connection is over, however it ended."""

    k: int


@dataclass(frozen=True, slots=True)
class AudioUp:
    """A frame of audio from the client.

    `offset`: the position in the session's audio, in bytes, at which it starts; what is sent again
    has the position it had before. `size`: its bytes of audio (decoded, where it came as base64).
    """

    connection: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class AckAboutToPass:
    """An acknowledgement of audio is here: the target has recorded it, the client does not know.

    What fires here takes the acknowledgement with it. When nothing does, `AckDown` is told next.
    """

    n: int


@dataclass(frozen=True, slots=True)
class AckDown:
    """An acknowledgement of audio passes; `start` and `end` as the target counts."""

    n: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PartialDown:
    n: int


@dataclass(frozen=True, slots=True)
class FinalDown:
    n: int


@dataclass(frozen=True, slots=True)
class SpeechStartDown:
    n: int


@dataclass(frozen=True, slots=True)
class StopUp:
    """The client asks to end the recording."""


@dataclass(frozen=True, slots=True)
class StopAckDown:
    """The target acknowledges that."""


@dataclass(frozen=True, slots=True)
class EndRecordingDown:
    """The recording has ended: post-processing begins."""


@dataclass(frozen=True, slots=True)
class PostDown:
    """The n-th message of the post-processing."""

    n: int


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """A client that has lost its connection tries to come back; told before it is answered, so
    that what fires here meets this attempt. `attempt` counts in one outage."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Resend:
    """Audio that was sent before begins to be sent again; told before that frame's `AudioUp`."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything sent before the outage has been sent again."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that is no websocket, told before it is answered, so that what fires here meets it.

    `route`: one of `kinds.ROUTES`, or "" for another.
    """

    method: str
    route: str


Event = (
    ConnectionOpened
    | ConnectionLost
    | AudioUp
    | AckAboutToPass
    | AckDown
    | PartialDown
    | FinalDown
    | SpeechStartDown
    | StopUp
    | StopAckDown
    | EndRecordingDown
    | PostDown
    | Reconnecting
    | Resend
    | CaughtUp
    | HttpRequest
)
