"""The cases of the grid: what is done to a client, and what it has to do then.

A case plays `SPEECH_SECONDS` of speech, in which the first utterance becomes final at 2.2 s and the
second begins at 2.6 s, or as much as its outage needs to be over before the speech is. An outage
begins just before the cut: there are clients that are back within a few milliseconds of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SPEECH_SECONDS = 5.5
#: Speech after an outage, so that the stop does not fall into it.
_AFTER = 4.0

#: The group of the cases in which the end of the session is disturbed, and how long the service
#: takes there for each result: a client is back before the last.
_ENDING = "The end"
_POST = "--latency=post=1500ms"
#: The group of the cases in which the opening of the session is disturbed.
OPENING = "Opening"

#: complete: the session must come to its proper end. stop: going on would be wrong, so the program
#: must end by itself. open: the protocol does not say, so it is told and not judged.
Ends = Literal["complete", "stop", "open"]


@dataclass(frozen=True, slots=True)
class GridCase:
    """One case.

    Attributes:
        about: what happens, in words.
        seconds: of speech that is played.
        longest: for a case that looks for the outage at which a client gives up: where to stop
            looking, in seconds. Its fault then has `{T}` where the length of the outage goes.
    """

    name: str
    group: str
    about: str
    faults: tuple[str, ...] = ()
    ends: Ends = "complete"
    seconds: float = SPEECH_SECONDS
    longest: float | None = None

    @property
    def sandbox(self) -> tuple[str, ...]:
        """Options of the sandbox."""
        return (_POST,) if self.group == _ENDING else ()

    def outage(self, seconds: float) -> GridCase:
        """The case of one outage among those that are looked for."""
        faults = tuple(text.replace("{T}", f"{round(seconds * 1000)}ms") for text in self.faults)
        return GridCase(self.name, self.group, self.about, faults, self.ends, 2 + seconds + _AFTER)


def _group(name: str, *cases: tuple[str, str, str, Ends] | tuple[str, str, str]) -> list[GridCase]:
    """Cases of (name, fault, about[, ends]); several faults stand on a line each."""
    return [
        GridCase(case[0], name, case[2], tuple(case[1].splitlines()), *case[3:]) for case in cases
    ]


def _sweep() -> list[GridCase]:
    lengths = (0.5, 1, 2, 4, 8, 16, 32)
    return [
        GridCase(
            f"outage-{length:g}s",
            "Outages",
            f"The connection is reset, and for {length:g} s nobody listens.",
            (f"refuse({round(length * 1000)}ms) @ 2s then reset after 10ms",),
            seconds=2 + length + _AFTER,
        )
        for length in lengths
    ]


CASES: tuple[GridCase, ...] = (
    *_group("Undisturbed", ("undisturbed", "", "Nothing happens.")),
    *_group(
        "Cuts",
        ("reset", "reset @ 2s", "The TCP connection is reset."),
        ("fin", "fin @ 2s", "The TCP connection ends in order, without a close frame."),
        ("halfclose-up", "halfclose(up) @ 2s", "The way to the service ends; the other goes on."),
        ("halfclose-down", "halfclose(down) @ 2s", "The way from the service ends; the other not."),
        ("cut-header", "cutframe(1) @ frame 20", "A frame of audio is cut within its header."),
        ("cut-payload", "cutframe(999) @ frame 20", "A frame of audio is cut within a sample."),
    ),
    *_group(
        "Moments",
        ("first-frame", "reset @ frame 1", "Cut before anything was acknowledged."),
        (
            "unacknowledged",
            "reset @ between(recorded, ack)#15",
            "Cut when audio was recorded and its acknowledgement is lost.",
        ),
        ("partial", "reset @ partial#2", "Cut after a partial."),
        ("before-final", "reset @ speech_start#2 + 400ms", "Cut in the middle of an utterance."),
        ("final", "reset @ final#1", "Cut right after a final."),
        (
            "missed-final",
            "refuse(800ms) @ audio 2s then reset after 10ms",
            "A final is ready while the client is away.",
        ),
        (
            "resend",
            "reset @ between(recorded, ack)#15 then reset @ resend",
            "Cut with audio in flight, and again while that is sent again.",
        ),
        (
            "caught-up",
            "reset @ between(recorded, ack)#15 then fin @ caught_up",
            "Cut with audio in flight, and again once that was sent again.",
        ),
        (
            "just-back",
            "reset @ 2s then reset @ conn + 100ms",
            "Cut again 100 ms after it came back.",
        ),
        ("flapping", "reset @ 1s every 1s x4", "Cut once a second, four times."),
        ("short-lived", "reset @ conn + 250ms x5", "Five connections live for 250 ms each."),
    ),
    *_group(
        _ENDING,
        ("stop-sent", "reset @ stop.sent", "Cut when the stop was sent."),
        ("stop-acked", "reset @ stop.acked", "Cut when the stop was acknowledged."),
        (
            "stop-while-away",
            "refuse(2s) @ audio 5s then reset after 10ms",
            "The stop is asked for while the connection is down.",
        ),
        ("post-close", "close(1011) @ post#1", "Closed with 1011 during the post-processing."),
        ("post-message", "reset @ post#1", "Cut between two messages of the post-processing."),
        (
            "close-at-stop",
            "close(1011) @ stop.sent",
            "The service closes with 1011 when the stop was sent.",
        ),
    ),
    *_sweep(),
    GridCase(
        "gives-up",
        "Outages",
        "How long may an outage be? Found by halving, up to 64 s.",
        ("refuse({T}) @ 2s then reset after 10ms",),
        longest=64,
    ),
    *_group(
        "Outages",
        ("unreachable", "unreachable(3s) @ 2s then reset after 10ms", "For 3 s connections hang."),
        ("mute", "mute(3s) @ 2s then reset after 10ms", "For 3 s handshakes are never answered."),
        ("restart", "restart(1s) @ 2s", "The service is killed, and is back after 1 s."),
        ("restart-5s", "restart(5s) @ 2s", "The service is killed, and is back after 5 s."),
    ),
    *_group(
        "Silence",
        ("hold-1s", "hold(1s) @ 2s", "Nothing passes for 1 s, then everything does."),
        ("hold-3s", "hold(3s) @ 2s", "Nothing passes for 3 s, then everything does."),
        ("hold-acks", "hold(down, 3s) @ 2s", "Nothing comes from the service for 3 s."),
        ("dead", "blackhole(both) @ 2s", "The path is dead for good; no error tells."),
        ("dead-up", "blackhole(up) @ 2s", "What is sent goes nowhere; no error tells."),
        ("dead-down", "blackhole(down) @ 2s", "Nothing comes from the service any more."),
        ("zero-window", "zero_window(3s) @ 2s", "Nothing is read from the client for 3 s."),
    ),
    *_group(
        "Slow paths",
        ("throttle", "throttle(up, 24000/s, 4s) @ 1s", "Less passes than is spoken, for 4 s."),
        ("delay", "delay(both, 250ms, 150ms) @ start", "Everything is late by 100 to 400 ms."),
        ("slice", "slice(both, 1, 3s) @ 1s", "Every byte comes alone."),
        ("coalesce", "coalesce(up, 10) @ start", "Ten frames come as one."),
    ),
    *_group(
        "Closes",
        ("close-1001", "close(1001) @ 2s", "The service goes away (1001)."),
        ("close-1005", "close(1005) @ 2s", "An empty close frame."),
        ("close-1008", "close(1008) @ 2s", "Policy violation (1008).", "open"),
        ("close-1011", "close(1011) @ 2s", "The service had an error (1011)."),
        ("close-1012", "close(1012) @ 2s", "The service restarts (1012)."),
        ("close-1013", "close(1013) @ 2s", "Try again later (1013)."),
        ("close-4000", "close(4000) @ 2s", "A code of the service's own (4000).", "open"),
        ("close-4500", "close(4500) @ 2s", "The service's own error (4500)."),
        ("close-4400", "close(4400) @ 2s", "The service will not go on (4400).", "stop"),
        ("close-4403", "close(4403) @ 2s", "The session is said to be over (4403).", "stop"),
        ("close-open", "close_open(1011) @ 2s", "A close frame, and TCP stays open."),
        (
            "accept-then-close",
            "accept_then_close(1011, 4) @ 2s then reset after 10ms",
            "Four connections are accepted, and closed at once.",
        ),
        (
            "ended-meanwhile",
            "accept_then_close(4403, 9) @ 2s then reset after 10ms",
            "The session is over when the client comes back.",
            "stop",
        ),
    ),
    *_group(
        "Handshakes",
        ("reject-500", "reject(500, T=2s) @ 2s then reset after 10ms", "500 for 2 s."),
        ("reject-503", "reject(503, T=2s) @ 2s then reset after 10ms", "503 for 2 s."),
        (
            "reject-429",
            "reject(429, 2s, T=2s) @ 2s then reset after 10ms",
            "429 for 2 s, with Retry-After: 2.",
        ),
        ("reject-401", "reject(401, T=1m) @ 2s then reset after 10ms", "401, for good.", "stop"),
        ("reject-404", "reject(404, T=1m) @ 2s then reset after 10ms", "404, for good.", "stop"),
    ),
    *_group(
        OPENING,
        ("post-500", "http_error(500, init) @ start", "The first POST is answered with 500."),
        ("post-503-twice", "http_error(503, init, 2) @ start", "503, twice."),
        (
            "post-429",
            "reject(429, 2s, T=1500ms, on=post) @ http.init",
            "429 with Retry-After: 2.",
        ),
        ("post-401", "http_error(401, init, 99) @ start", "401, for good.", "stop"),
        ("post-slow", "slow_http(3s) @ start", "The answer takes 3 s."),
    ),
    *_group(
        "Messages",
        ("lost-acks", "loseacks(10) @ ack#10", "Ten acknowledgements are lost."),
        ("double-ack", "dupack @ ack#10", "An acknowledgement comes twice."),
        (
            "double-ack-cut",
            "dupack @ ack#15\nreset @ ack#17",
            "An acknowledgement comes twice, then the connection is cut.",
        ),
        (
            "old-ack-cut",
            "regressack @ ack#15\nreset @ ack#17",
            "An old acknowledgement comes again, then the connection is cut.",
        ),
        ("broken-json", "corrupt(json) @ partial#2", "A message is no JSON."),
        ("broken-utf8", "corrupt(utf8) @ partial#2", "A message is no UTF-8."),
        ("unknown-type", "corrupt(type) @ partial#2", "A message of a type that nobody knows."),
        ("oversize", "oversize @ final#1", "A message larger than 1 MiB.", "open"),
        ("twin", "twin @ 2s", "Somebody else joins the session.", "open"),
    ),
)

BY_NAME = {case.name: case for case in CASES}
