"""Reads rules::

rule     fault [@ when] {then fault [after DURATION | @ moment {+ moment}]}
when     moment {+ moment} {repeat}  |  (every … | poisson …) {repeat}
moment   DURATION | audio DURATION | byte SIZE | frame N | NAME[#N]
repeat   every DURATION[..DURATION] | poisson NUMBER/(s|min|h) | xN | until DURATION
"""

from __future__ import annotations

from collections.abc import Iterable

from replay.faults.arguments import (
    read_duration,
    read_fault,
    read_fraction,
    read_number,
    read_size,
)
from replay.faults.kinds import Fault
from replay.faults.moments import (
    BETWEEN,
    FRAME,
    MOMENTS,
    START,
    Elapsed,
    Seen,
    SentAudio,
    SentBytes,
    Wait,
)
from replay.faults.quantities import frequency
from replay.faults.rules import Every, Plan, Poisson, Repeat, Rule, Step, unsaid
from replay.faults.scanner import Lexeme, Scanner, Token, nearest

_SHORTEST_PERIOD = 1_000_000
_MOST_PER_HOUR = 3600 * 1000
_POSITIONS = ("audio", "byte", FRAME)
_BETWEEN = "between"
_REPEATS = ("every", "poisson", "until", "x3")


def parse(text: str) -> Rule:
    """One rule.

    Raises:
        FaultSyntaxError: its second and third line show where.
    """
    scanner = Scanner(text)
    steps: list[Step] = []
    fault = read_fault(scanner)
    waits, repeat = unsaid(fault), None
    if scanner.skip("@"):
        waits, repeat = _read_when(scanner)
    steps.append(Step(fault, waits))
    while scanner.skip("then"):
        steps.append(_read_follower(scanner))
    if scanner.token.kind is not Lexeme.END:
        _unexpected(scanner, steps)
    return Rule(tuple(steps), repeat)


def parse_fault(text: str) -> Fault:
    """A fault alone, without a moment.

    Raises:
        FaultSyntaxError: its second and third line show where.
    """
    scanner = Scanner(text)
    fault = read_fault(scanner)
    if scanner.token.kind is not Lexeme.END:
        scanner.fail(f"expected nothing after the fault, not {scanner.token}")
    return fault


def parse_plan(texts: Iterable[str]) -> Plan:
    """One rule for each text.

    Raises:
        FaultSyntaxError: at the first that cannot be read.
    """
    return Plan(tuple(parse(text) for text in texts))


def _unexpected(scanner: Scanner, steps: list[Step]) -> None:
    token = scanner.token
    if scanner.at("after"):
        scanner.fail("'after' follows a 'then': write '@' and a moment for the first fault")
    if scanner.at("@") or len(steps) > 1:
        scanner.fail(f"expected 'then' or the end, not {token}")
    if scanner.at("+"):
        scanner.fail("a '+' follows a moment: repeats come last")
    hint = nearest(token.text, (*_REPEATS, "then", "after")) if token.kind is Lexeme.WORD else ""
    close = f": {hint}" if hint.startswith("did") else ""
    wanted = "'@', 'then' or the end"
    if steps[0].waits != unsaid(steps[0].fault):
        wanted = "'+', 'every', 'poisson', 'x3', 'until', 'then' or the end"
    scanner.fail(f"expected {wanted}, not {token}{close}")


def _read_follower(scanner: Scanner) -> Step:
    fault = read_fault(scanner)
    if scanner.skip("after"):
        return Step(fault, (Elapsed(read_duration(scanner)),))
    if not scanner.skip("@"):
        return Step(fault)
    if scanner.token.kind is Lexeme.QUANTITY:
        scanner.fail("times count from the fault before: write 'after' instead of '@'")
    if scanner.at("every") or scanner.at("poisson"):
        scanner.fail("only the first fault of a sequence repeats, and what follows it with it")
    first = scanner.token
    waits = _read_waits(scanner)
    if Seen(START) in waits:
        scanner.fail(f"{START!r} is over by then", first)
    return Step(fault, waits)


def _read_when(scanner: Scanner) -> tuple[tuple[Wait, ...], Repeat | None]:
    token = scanner.token
    waits: tuple[Wait, ...] = ()
    if not (scanner.at("every") or scanner.at("poisson")):
        waits = _read_waits(scanner)
    return waits, _read_repeat(scanner, waits, token)


def _read_waits(scanner: Scanner) -> tuple[Wait, ...]:
    waits = [_read_moment(scanner)]
    while scanner.skip("+"):
        token = scanner.token
        waits.append(_read_moment(scanner))
        if waits[-1] == Seen(START):
            scanner.fail(f"{START!r} comes before everything else", token)
    return tuple(waits)


def _read_moment(scanner: Scanner) -> Wait:
    token = scanner.token
    if token.kind is Lexeme.QUANTITY:
        return Elapsed(read_duration(scanner))
    if token.kind is not Lexeme.WORD:
        scanner.fail(f"expected a moment, such as 3s, audio 12s or ack#5, not {token}")
    if scanner.skip("audio"):
        return SentAudio(read_duration(scanner))
    if scanner.skip("byte"):
        return SentBytes(read_size(scanner))
    if scanner.skip(FRAME):
        scanner.skip("#")
        return Seen(FRAME, read_number(scanner, "the number of the frame"))
    name = _read_name(scanner, token)
    if not scanner.at("#"):
        return Seen(name)
    if not MOMENTS[name].counted:
        scanner.fail(f"{name!r} comes only once: it takes no number")
    scanner.take()
    return Seen(name, read_number(scanner, "the number after '#'"))


def _read_name(scanner: Scanner, token: Token) -> str:
    if scanner.skip(_BETWEEN):
        scanner.expect("(", f"after {_BETWEEN!r}")
        scanner.expect("recorded", f"as in '{BETWEEN}'")
        scanner.expect(",", f"as in '{BETWEEN}'")
        scanner.expect("ack", f"as in '{BETWEEN}'")
        scanner.expect(")", f"as in '{BETWEEN}'")
        return BETWEEN
    if token.text not in MOMENTS:
        known = [name for name in (*MOMENTS, *_POSITIONS) if name not in (BETWEEN, FRAME)]
        scanner.fail(
            f"unknown moment {token.text!r}: {nearest(token.text, (*known, _BETWEEN, FRAME))}"
        )
    return scanner.take().text


def _read_repeat(scanner: Scanner, waits: tuple[Wait, ...], first: Token) -> Repeat | None:
    period: Every | Poisson | None = None
    times: int | None = None
    until: int | None = None
    while scanner.token.kind is Lexeme.WORD:
        token = scanner.token
        if scanner.at("every") or scanner.at("poisson"):
            _once(scanner, period)
            period = _read_every(scanner) if scanner.skip("every") else _read_poisson(scanner)
        elif token.text[0] == "x" and (token.text == "x" or token.text[1:].isdecimal()):
            _once(scanner, times)
            times = _read_times(scanner)
        elif scanner.at("until"):
            _once(scanner, until)
            scanner.take()
            until = read_duration(scanner)
        else:
            break
    if period is None and times is None and until is None:
        return None
    if period is None and not _comes_again(waits):
        scanner.fail("this moment comes only once: say how to repeat, as in 'every 10s'", first)
    return Repeat(period, times, until)


def _once(scanner: Scanner, value: object) -> None:
    if value is not None:
        scanner.fail(f"{scanner.token} says again what was said before")


def _comes_again(waits: tuple[Wait, ...]) -> bool:
    return bool(waits) and isinstance(waits[0], Seen) and MOMENTS[waits[0].name].counted


def _read_times(scanner: Scanner) -> int:
    token = scanner.take()
    if token.text == "x":
        return read_number(scanner, "the number after 'x'", 1, 1_000_000)
    digits = token.text[1:]
    if len(digits) > 7 or not 1 <= int(digits) <= 1_000_000:
        scanner.fail("the number after 'x' must be from 1 to 1000000", token)
    return int(digits)


def _read_every(scanner: Scanner) -> Every:
    token = scanner.token
    low = high = read_duration(scanner)
    if scanner.skip(".."):
        high = read_duration(scanner)
    if low < _SHORTEST_PERIOD:
        scanner.fail("the time between firings must be at least 1ms", token)
    if high < low:
        scanner.fail("the longer time must come second", token)
    return Every(low, high)


def _read_poisson(scanner: Scanner) -> Poisson:
    scanner.take()
    token = scanner.token
    count = read_fraction(scanner, "how many on average")
    scanner.expect("/", "as in 'poisson 2/min'")
    unit = scanner.token
    try:
        per_hour = frequency(count, unit.text)
    except KeyError:
        scanner.fail(f"expected s, min or h, not {unit}")
    scanner.take()
    if not 0 < per_hour <= _MOST_PER_HOUR:
        scanner.fail("the average must be more than 0 and at most 1000/s", token)
    return Poisson(per_hour)
