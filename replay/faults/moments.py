"""The moments at which a fault can fire, by name, and what a rule waits for."""

from __future__ import annotations

from dataclasses import dataclass

from replay.faults.events import (
    AckAboutToPass,
    AckDown,
    AudioUp,
    CaughtUp,
    ConnectionLost,
    ConnectionOpened,
    EndRecordingDown,
    Event,
    FinalDown,
    HttpRequest,
    PartialDown,
    PostDown,
    Reconnecting,
    Resend,
    SpeechStartDown,
    StopAckDown,
    StopUp,
)
from replay.faults.kinds import ROUTES
from replay.faults.quantities import duration_text
from replay.wire import messages

# ------------------------------------------------------------------ what they are called


@dataclass(frozen=True, slots=True)
class Moment:
    """A name for an event. `counted`: it comes more than once, and takes `#n`."""

    name: str
    says: str
    example: str
    counted: bool = True


START = "start"
CONN = "conn"
FRAME = "frame"
BETWEEN = "between(recorded, ack)"
_SPEECH_START = messages.message_type(messages.SpeechStart)
_END_RECORDING = messages.message_type(messages.EndRecording)

_TABLE = (
    Moment(START, "The injector is ready; nothing has come yet.", "refuse(5s) @ start", False),
    Moment(CONN, "The n-th connection of the session is open.", "reset @ conn#2 + 50ms"),
    Moment(FRAME, "The n-th frame of audio goes up (written `frame 30`).", "reset @ frame 30"),
    Moment("ack", "The n-th acknowledgement of audio comes down.", "reset @ ack#17"),
    Moment(
        BETWEEN,
        "The target has recorded audio, and its n-th acknowledgement is thrown away.",
        "reset @ between(recorded, ack)#5",
    ),
    Moment("partial", "The n-th partial transcript comes down.", "hold(2s) @ partial#3"),
    Moment("final", "The n-th final transcript comes down.", "reset @ final#2"),
    Moment(_SPEECH_START, "The n-th start of speech is told.", f"fin @ {_SPEECH_START}#2 + 300ms"),
    Moment("stop.sent", "The client asks to end the recording.", "reset @ stop.sent"),
    Moment("stop.acked", "The target acknowledges that.", "reset @ stop.acked + 10ms"),
    Moment(_END_RECORDING, "The recording has ended.", f"reset @ {_END_RECORDING}"),
    Moment("post", "The n-th message of the post-processing comes down.", "reset @ post#1"),
    Moment(
        "reconnecting",
        "A client that has lost its connection tries to come back, for the n-th time.",
        "reset @ 3s then reject(503) @ reconnecting",
    ),
    Moment(
        "resend",
        "Audio that was sent before begins to be sent again.",
        "reset @ 3s then reset @ resend",
    ),
    Moment(
        "caught_up",
        "What was sent before the outage has been sent again.",
        "reset @ 3s then fin @ caught_up",
    ),
    Moment("http", "The n-th request that is no websocket.", "slow_http(2s) @ http#1"),
    *(
        Moment(
            f"http.{route}", f"The n-th request of the kind `{route}`.", f"{fault} @ http.{route}"
        )
        for route, fault in zip(
            ROUTES,
            (
                "http_error(503)",
                "slow_http(1s)",
                "http_error(500)",
                "slow_http(1s)",
                "slow_http(1s)",
            ),
            strict=True,
        )
    ),
)

MOMENTS: dict[str, Moment] = {moment.name: moment for moment in _TABLE}

_NAMES: dict[type[Event], str] = {
    ConnectionOpened: CONN,
    AudioUp: FRAME,
    AckAboutToPass: BETWEEN,
    AckDown: "ack",
    PartialDown: "partial",
    FinalDown: "final",
    SpeechStartDown: _SPEECH_START,
    StopUp: "stop.sent",
    StopAckDown: "stop.acked",
    EndRecordingDown: _END_RECORDING,
    PostDown: "post",
    Reconnecting: "reconnecting",
    Resend: "resend",
    CaughtUp: "caught_up",
    HttpRequest: "http",
}


def names(event: Event) -> tuple[str, ...]:
    """The moments that an event is; none for a lost connection."""
    if isinstance(event, ConnectionLost):
        return ()
    name = _NAMES[type(event)]
    if isinstance(event, HttpRequest) and event.route:
        return (name, f"{name}.{event.route}")
    return (name,)


# ------------------------------------------------------------------ what is waited for


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`ns` after the wait before; as the first of a rule, after the first connection opened."""

    ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The n-th of these events, from the wait before on."""

    name: str
    n: int = 1


@dataclass(frozen=True, slots=True)
class SentBytes:
    """So many bytes of audio have gone up; as the first of a rule: of session audio, where bytes
    sent again do not count twice."""

    size: int


@dataclass(frozen=True, slots=True)
class SentAudio:
    """The same in ns of audio."""

    ns: int


Wait = Elapsed | Seen | SentBytes | SentAudio


def wait_text(wait: Wait, *, relative: bool = False) -> str:
    """`relative`: it counts from another fault, so that a first connection is the next one."""
    match wait:
        case Elapsed(ns):
            return duration_text(ns)
        case SentBytes(size):
            return f"byte {size}"
        case SentAudio(ns):
            return f"audio {duration_text(ns)}"
        case Seen(name, n) if name == FRAME:
            return f"{FRAME} {n}"
        case Seen(name, 1) if relative or name != CONN:
            return name
        case Seen(name, n):
            return f"{name}#{n}"
