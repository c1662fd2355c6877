"""Every kind of fault: its name, its parameters, what it touches, and what it does.

The one table that the parser, the documentation and the injector share. A `Fault` is one use of a
kind with all parameters filled in; its text, `str(fault)`, reads back as the same value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from replay.faults.spec import BOTH, DOWN, UP, Kind, Param, Scope, Type, Value


def _way(default: str = BOTH, words: tuple[str, ...] = (UP, DOWN, BOTH)) -> Param:
    says = "up is from client to target, down the way back"
    return Param("dir", Type.WORD, default, says, words=words)


def _seconds(value: float) -> int:
    return int(value * 1_000_000_000)


def _time(default: float | None, says: str = "how long it lasts") -> Param:
    value = None if default is None else _seconds(default)
    return Param("T", Type.DURATION, value, says, none="forever")


def _times(says: str, default: int = 1) -> Param:
    return Param("n", Type.NUMBER, default, says, low=1, high=1_000_000)


def _status(default: int, says: str) -> Param:
    return Param("status", Type.NUMBER, default, says, low=300, high=599)


def _code(default: int) -> Param:
    says = "the close code; 1005 sends an empty close frame, 1006 none"
    return Param("code", Type.NUMBER, default, says, low=999, high=65535)


#: Requests that `http_error` tells apart, and that moments like `http.file` name.
ROUTES = ("init", "job", "file", "list", "delete")

_CONNECTION, _PATH, _LISTENER = Scope.CONNECTION, Scope.PATH, Scope.LISTENER

_TABLE = (
    Kind("reset", (), _CONNECTION, "The TCP connection is reset (RST).", "reset @ 3s"),
    Kind(
        "fin",
        (),
        _CONNECTION,
        "The TCP connection is ended in order (FIN), without a close frame.",
        "fin @ audio 12s",
    ),
    Kind(
        "halfclose",
        (_way(UP, (UP, DOWN)),),
        _CONNECTION,
        "One way of the TCP connection is ended (FIN); the other goes on.",
        "halfclose(down) @ ack#20",
    ),
    Kind(
        "blackhole",
        (_way(), _time(None)),
        _CONNECTION,
        "What comes that way is read and thrown away. What is lost inside a websocket stays lost, "
        "so the connection is of no use afterwards.",
        "blackhole(down, 8s) @ final#1",
    ),
    Kind(
        "hold",
        (_way(), _time(2)),
        _CONNECTION,
        "Nothing passes for a while; then everything goes on, on the same connection.",
        "hold(up, 1500ms) @ partial#4",
    ),
    Kind(
        "throttle",
        (
            _way(),
            Param("rate", Type.RATE, 24_000, "bytes per second", low=1),
            _time(None),
        ),
        _PATH,
        "No more than so many bytes a second pass.",
        "throttle(up, 24000/s, 20s) @ 5s",
    ),
    Kind(
        "delay",
        (
            _way(),
            Param("mean", Type.DURATION, _seconds(0.2), "added to every frame"),
            Param(
                "jitter", Type.DURATION, 0, "drawn evenly from minus to plus this; order is kept"
            ),
            _time(None),
        ),
        _PATH,
        "Everything passes later; the order is kept.",
        "delay(both, 150ms, 50ms, 1m) @ conn#1",
    ),
    Kind(
        "slice",
        (_way(), Param("size", Type.SIZE, 1, "bytes of one write", low=1), _time(None)),
        _PATH,
        "What passes is written in small pieces.",
        "slice(down, 1, 10s) @ 2s",
    ),
    Kind(
        "coalesce",
        (_way(UP), _times("frames joined into one write", 10), _time(None)),
        _PATH,
        "Frames are held back until so many can be written at once.",
        "coalesce(up, 10, 30s) @ 1s",
    ),
    Kind(
        "cutframe",
        (Param("n", Type.SIZE, 1, "bytes of the frame that still pass"),),
        _CONNECTION,
        "The frame at hand passes up to a byte of it, headers included; then the connection is "
        "reset.",
        "cutframe(7) @ frame 30",
        at_hand=True,
    ),
    Kind(
        "refuse",
        (_time(2),),
        _LISTENER,
        "Connections are refused: nobody listens.",
        "reset @ 3s then refuse(5s)",
    ),
    Kind(
        "unreachable",
        (_time(2),),
        _LISTENER,
        "Connections hang: nobody answers.",
        "reset @ 3s then unreachable(10s)",
    ),
    Kind(
        "mute",
        (_time(5),),
        _LISTENER,
        "TCP connections are accepted, the websocket's upgrade is never answered.",
        "reset @ audio 4s then mute(6s)",
    ),
    Kind(
        "reject",
        (
            _status(503, "the HTTP status"),
            Param("retry_after", Type.DURATION, None, "what Retry-After asks for", none="none"),
            _time(2),
            Param(
                "on",
                Type.WORD,
                "handshake",
                "what is rejected: the websocket's handshake, or the opening of a session",
                words=("handshake", "post"),
            ),
        ),
        _LISTENER,
        "Handshakes, or requests for a session, are answered with an HTTP error.",
        "reject(429, 2s, on=post) @ start",
    ),
    Kind(
        "close",
        (_code(1011), Param("reason", Type.STRING, "", "the close frame's reason", high=123)),
        _CONNECTION,
        "The websocket is closed as if by the target.",
        'close(1012, "going down") @ speech_start#2',
    ),
    Kind(
        "close_open",
        (_code(1001),),
        _CONNECTION,
        "A close frame is sent, and the TCP connection is left open.",
        "close_open(1001) @ 6s",
    ),
    Kind(
        "accept_then_close",
        (_code(1011), _times("connections so treated")),
        _LISTENER,
        "The next connections are accepted, and closed at once.",
        "reset @ 4s then accept_then_close(1011, 3)",
    ),
    Kind(
        "zero_window",
        (_time(5),),
        _CONNECTION,
        "Nothing is read from the client, with small buffers: its sends block.",
        "zero_window(5s) @ audio 10s",
    ),
    Kind(
        "loseacks",
        (_times("acknowledgements thrown away"),),
        _CONNECTION,
        "Acknowledgements of audio are thrown away.",
        "loseacks(3) @ ack#10",
        at_hand=True,
    ),
    Kind(
        "dupack",
        (),
        _CONNECTION,
        "The acknowledgement is passed on twice.",
        "dupack @ ack#10",
        at_hand=True,
    ),
    Kind(
        "regressack",
        (),
        _CONNECTION,
        "After the acknowledgement an older one is told again.",
        "regressack @ ack#10",
        at_hand=True,
    ),
    Kind(
        "corrupt",
        (
            Param(
                "what",
                Type.WORD,
                "json",
                "broken JSON, bytes that are no UTF-8, or a type that nobody knows",
                words=("json", "utf8", "type"),
            ),
        ),
        _CONNECTION,
        "The message at hand reaches the client spoilt.",
        "corrupt(utf8) @ partial#3",
        at_hand=True,
    ),
    Kind(
        "oversize",
        (),
        _CONNECTION,
        "The client gets a message larger than it should have to take.",
        "oversize @ final#1",
    ),
    Kind(
        "twin",
        (),
        _CONNECTION,
        "A second connection is opened on the same session while the first lives.",
        "twin @ 8s",
    ),
    Kind(
        "restart",
        (_time(1, "how long the target is away"),),
        Scope.TARGET,
        "The target's process is killed, and started again later.",
        "restart(10s) @ audio 6s",
    ),
    Kind(
        "slow_http",
        (_time(5, "how much later"),),
        Scope.HTTP,
        "The next HTTP answer comes late.",
        "slow_http(3s) @ start",
    ),
    Kind(
        "http_error",
        (
            _status(500, "the HTTP status"),
            Param("route", Type.WORD, "any", "which requests", words=("any", *ROUTES)),
            _times("requests so answered"),
        ),
        Scope.HTTP,
        "The next requests are answered with an HTTP error.",
        "http_error(503, file, 2) @ end_recording",
    ),
)

#: Frames that wait to be joined (`coalesce`) wait no longer, or the last ones would never pass.
JOIN_SECONDS = 1.0

KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}


@dataclass(frozen=True, slots=True)
class Fault:
    """One use of a kind. `params`: a value for each of the kind's parameters, in its order."""

    kind: str
    params: tuple[Value, ...] = ()

    @property
    def spec(self) -> Kind:
        return KINDS[self.kind]

    @property
    def direction(self) -> str:
        """up, down or both; "" where it has none."""
        names = [param.name for param in self.spec.params]
        return self.word("dir") if "dir" in names else ""

    def get(self, name: str) -> Value:
        """A parameter as it is kept: durations in ns, sizes in bytes.

        Raises:
            KeyError: the kind has no such parameter.
        """
        for param, value in zip(self.spec.params, self.params, strict=True):
            if param.name == name:
                return value
        raise KeyError(name)

    def seconds(self, name: str = "T") -> float:
        """A duration in seconds; infinite where it says forever."""
        value = self.get(name)
        return math.inf if value is None else int(value) / 1_000_000_000

    def number(self, name: str = "n") -> int:
        value = self.get(name)
        assert isinstance(value, int)
        return value

    def word(self, name: str = "dir") -> str:
        value = self.get(name)
        assert isinstance(value, str)
        return value

    def __str__(self) -> str:
        """All values, so that the text means the same when a default changes; no empty text."""
        pairs = zip(self.spec.params, self.params, strict=True)
        values = [param.text(value) for param, value in pairs if value != ""]
        return f"{self.kind}({', '.join(values)})" if values else self.kind
