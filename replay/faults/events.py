"""What the injector sees passing.

An event is told when the whole frame is in the injector's hands and before it goes on: then a
fault can still be done to the frame at hand (`Kind.at_hand`). Counts in events are the injector's
own, from 1; a `Schedule` counts for itself what it needs, so events must come in order and none
may be left out.
"""

from __future__ import annotations

from msgspec import Struct


class ConnectionOpened(Struct, frozen=True):
    """The client's websocket is open, for the k-th time in this session."""

    k: int


class ConnectionLost(Struct, frozen=True):
    """That connection is over, however it ended."""

    k: int


class AudioUp(Struct, frozen=True):
    """A frame of audio from the client.

    `offset`: the position in the session's audio, in bytes, at which it starts; what is sent again
    has the position it had before. `size`: its bytes of audio (decoded, where it came as base64).
    """

    connection: int
    offset: int
    size: int


class AckAboutToPass(Struct, frozen=True):
    """An acknowledgement of audio is here: the target has recorded it, the client does not know.

    What fires here takes the acknowledgement with it. When nothing does, `AckDown` is told next.
    """

    n: int


class AckDown(Struct, frozen=True):
    """An acknowledgement of audio passes; `start` and `end` as the target counts."""

    n: int
    start: int
    end: int


class PartialDown(Struct, frozen=True):
    n: int


class FinalDown(Struct, frozen=True):
    n: int


class SpeechStartDown(Struct, frozen=True):
    n: int


class StopUp(Struct, frozen=True):
    """The client asks to end the recording."""


class StopAckDown(Struct, frozen=True):
    """The target acknowledges that."""


class EndRecordingDown(Struct, frozen=True):
    """The recording has ended: post-processing begins."""


class PostDown(Struct, frozen=True):
    """The n-th message of the post-processing."""

    n: int


class Reconnecting(Struct, frozen=True):
    """A client that has lost its connection tries to come back; told before it is answered, so
    that what fires here meets this attempt. `attempt` counts in one outage."""

    attempt: int


class Resend(Struct, frozen=True):
    """Audio that was sent before begins to be sent again; told before that frame's `AudioUp`."""


class CaughtUp(Struct, frozen=True):
    """Everything sent before the outage has been sent again."""


class HttpRequest(Struct, frozen=True):
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
