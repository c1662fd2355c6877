"""Plans drawn by lot: ordinary rules, made from a seed, that can be printed, kept and given back.

A correct client survives every one of them within its limits: no outage comes near two minutes, no
answer says that the session is over for good, and every fault has its moment well before the audio
ends. That leaves out `twin`: a service may end a session's first connection for good when a second
one comes. `mild` is a bad day of Wi-Fi, `rough` a bad day of the service, `cruel` all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from replay.errors import UsageError
from replay.faults.parser import parse_plan
from replay.faults.quantities import duration_text
from replay.faults.rules import Plan
from replay.faults.scanner import nearest

LEVELS = ("mild", "rough", "cruel")
_PER_MINUTE = (2.0, 6.0, 15.0)
#: Faults come after this share of the audio at the earliest, and before that at the latest.
_FIRST, _LAST = 0.05, 0.9
#: Close codes and handshake answers that ask a client to come back.
_CODES = (1001, 1011, 1012, 1013)
_STATUSES = (429, 500, 502, 503, 504)
#: Of each minute the last third brings no new fault. What comes due in an outage happens to the
#: next connection, and so one outage could lead to another for ever.
_ROUND, _BUSY = 60.0, 40.0
#: Where one fault costs several connections in a row, each takes about so long to come back: half
#: the longest back-off, and some. One such fault a minute, and it is over before the peace.
_COMES_BACK = 5.0
#: Connections in a row at most that live for a moment.
_FLAPS = 5
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Dish:
    """Something to happen. `weights`: how often on each level, against the others; `then`: it
    follows a lost connection, so one is reset for it; `row`: so many connections in a row are lost
    by it, where it is more than one."""

    weights: tuple[int, int, int]
    make: Callable[[Random, int], str]
    then: bool = False
    row: int = 0


def chaos(level: str, seed: int, seconds: float, *, restart: bool = False) -> Plan:
    """A plan for `seconds` of audio; the same for the same arguments.

    Args:
        restart: the target can be killed and started again, and may be.

    Raises:
        UsageError: no such level, or no audio.
    """
    if level not in LEVELS:
        raise UsageError(f"unknown level of chaos {level!r}: {nearest(level, LEVELS)}")
    if not (0 < seconds < math.inf):
        raise UsageError("chaos needs to know how much audio there will be: more than 0 s")
    rank = LEVELS.index(level)
    rng = Random(seed)  # noqa: S311 - a seeded draw, and no secret
    menu = [dish for dish in (*_MENU, _RESTART) if restart or dish is not _RESTART]
    texts: list[str] = []
    rows: set[float] = set()  # minutes that have had theirs
    at = _FIRST * seconds + rng.expovariate(_PER_MINUTE[rank] / 60)
    while at < _LAST * seconds or not texts:
        if at % _ROUND >= _BUSY:
            at += _ROUND - at % _ROUND + rng.expovariate(_PER_MINUTE[rank] / 60)
            continue
        moment = _moment(rng, rank, min(at, _LAST * seconds))
        fit = [dish for dish in menu if not dish.row or _has_room(dish, at, rows)]
        dish = rng.choices(fit, [dish.weights[rank] for dish in fit])[0]
        if dish.row:
            rows.add(at // _ROUND)
        texts.append(_serve(dish, rng, rank, moment))
        at += rng.expovariate(_PER_MINUTE[rank] / 60)
    if rank and rng.random() < 0.3 * rank:
        texts.append(rng.choice(("reset @ stop.sent", "fin @ stop.sent", "reset @ stop.acked")))
    if rank and rng.random() < 0.2 * rank:
        texts.append(
            rng.choice(("http_error(503, init, 1)", f"slow_http({_span(rng, 200, 2000)})"))
        )
    return parse_plan(texts)


def _has_room(dish: _Dish, at: float, rows: set[float]) -> bool:
    return at // _ROUND not in rows and at % _ROUND + dish.row * _COMES_BACK <= _BUSY


def _serve(dish: _Dish, rng: Random, rank: int, moment: str) -> str:
    text = dish.make(rng, rank)
    return f"reset @ {moment} then {text}" if dish.then else f"{text} @ {moment}"


def _moment(rng: Random, rank: int, at: float) -> str:
    """A moment about `at` seconds into the audio that is sure to come."""
    when = duration_text(round(at * 100) * 10 * _MS)
    if rank == 0 or rng.random() < 0.6:
        return when
    if rng.random() < 0.5:
        return f"audio {when}"
    return f"{when} + between(recorded, ack)"


def _span(rng: Random, low_ms: int, high_ms: int) -> str:
    """A duration whose logarithm is drawn evenly, with two digits."""
    drawn = math.exp(rng.uniform(math.log(low_ms), math.log(high_ms)))
    digit = 10 ** max(0, math.floor(math.log10(drawn)) - 1)
    return duration_text(round(drawn / digit) * digit * _MS)


def _way(rng: Random) -> str:
    return rng.choice(("up", "down", "both"))


def _longest(rank: int, *, mild: int, rough: int, cruel: int) -> int:
    return (mild, rough, cruel)[rank]


def _hold(rng: Random, rank: int) -> str:
    return (
        f"hold({_way(rng)}, {_span(rng, 100, _longest(rank, mild=1500, rough=6000, cruel=12000))})"
    )


def _delay(rng: Random, rank: int) -> str:
    mean = _span(rng, 20, _longest(rank, mild=150, rough=400, cruel=800))
    return f"delay({_way(rng)}, {mean}, {_span(rng, 5, 20)}, {_span(rng, 1000, 15000)})"


def _throttle(rng: Random, _: int) -> str:
    return f"throttle({_way(rng)}, {rng.randrange(8, 33) * 1000}/s, {_span(rng, 1000, 8000)})"


def _slice(rng: Random, _: int) -> str:
    return f"slice({_way(rng)}, {rng.choice((1, 7, 100, 1000))}, {_span(rng, 200, 3000)})"


def _coalesce(rng: Random, _: int) -> str:
    return f"coalesce({_way(rng)}, {rng.randint(2, 10)}, {_span(rng, 500, 5000)})"


def _outage(kind: str, cap_ms: int) -> Callable[[Random, int], str]:
    return lambda rng, rank: f"{kind}({_span(rng, 200, cap_ms if rank > 1 else cap_ms // 2)})"


def _reject(rng: Random, _: int) -> str:
    status = rng.choice(_STATUSES)
    wait = _span(rng, 1000, 3000) if status == 429 else "none"
    return f"reject({status}, {wait}, {_span(rng, 200, 5000)})"


def _flap(rng: Random, _: int) -> str:
    """Several connections in a row that live for a moment."""
    times = rng.randint(2, _FLAPS)
    return " then ".join(f"reset @ conn#1 + {_span(rng, 10, 300)}" for _ in range(times))


def _plain(*texts: str) -> Callable[[Random, int], str]:
    return lambda rng, _: rng.choice(texts)


_MENU = (
    _Dish((8, 6, 4), _plain("reset")),
    _Dish((3, 3, 2), _plain("fin")),
    _Dish((6, 4, 3), _hold),
    _Dish((3, 3, 3), _delay),
    _Dish((1, 1, 2), _slice),
    _Dish((0, 2, 2), _throttle),
    _Dish((0, 1, 2), _coalesce),
    _Dish((0, 2, 2), _plain("halfclose(up)", "halfclose(down)")),
    _Dish((0, 2, 3), _plain("blackhole(up)", "blackhole(down)", "blackhole(both)")),
    _Dish((0, 2, 2), _outage("refuse", 10_000), then=True),
    _Dish((0, 2, 2), _outage("unreachable", 10_000), then=True),
    _Dish((0, 1, 2), _outage("mute", 10_000), then=True),
    _Dish((0, 2, 2), _reject, then=True),
    _Dish((0, 3, 3), lambda rng, _: f"close({rng.choice(_CODES)})"),
    _Dish((0, 1, 2), lambda rng, _: f"close_open({rng.choice(_CODES)})"),
    _Dish(
        (0, 1, 2),
        lambda rng, _: f"accept_then_close({rng.choice(_CODES)}, {rng.randint(1, 3)})",
        then=True,
        row=4,
    ),
    _Dish((0, 1, 2), _outage("zero_window", 8000)),
    _Dish((0, 2, 3), lambda rng, _: f"cutframe({rng.randrange(1, 200)})"),
    _Dish((0, 0, 3), _flap, then=True, row=1 + _FLAPS),
    _Dish((0, 0, 2), lambda rng, _: f"loseacks({rng.randint(1, 20)})"),
    _Dish((0, 0, 1), _plain("dupack", "regressack")),
    _Dish((0, 0, 2), _plain("corrupt(json)", "corrupt(utf8)", "corrupt(type)")),
    _Dish((0, 0, 1), _plain("oversize")),
)
_RESTART = _Dish((0, 1, 2), _outage("restart", 10_000))
