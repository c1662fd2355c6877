"""The values in a fault's parentheses."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import NoReturn

from replay.faults.kinds import KINDS, Fault
from replay.faults.scanner import Lexeme, Scanner, Token, nearest
from replay.faults.spec import Kind, Param, Type, Value
from replay.units import duration, size

_NS = 1_000_000_000


def read_fault(scanner: Scanner) -> Fault:
    """`kind` or `kind(value, name=value, …)`. A value without a name goes to the first parameter
    that has none yet and can take it."""
    token = scanner.token
    if token.kind is not Lexeme.WORD:
        scanner.fail(f"expected a fault, such as 'reset' or 'hold(up, 2s)', not {token}")
    kind = KINDS.get(token.text)
    if kind is None:
        scanner.fail(f"unknown fault {token.text!r}: {nearest(token.text, KINDS)}")
    scanner.take()
    given: dict[str, Value] = {}
    if scanner.skip("(") and not scanner.skip(")"):
        _read_argument(scanner, kind, given)
        while scanner.skip(","):
            _read_argument(scanner, kind, given)
        scanner.expect(")", "or ','")
    return Fault(kind.name, tuple(given.get(param.name, param.default) for param in kind.params))


def read_duration(scanner: Scanner) -> int:
    """Nanoseconds."""
    token = scanner.token
    if token.kind is not Lexeme.QUANTITY:
        scanner.fail(f"expected a duration, such as 300ms, 2s or 5m, not {token}")
    scanner.take()
    try:
        ns = duration(token.text) * _NS
    except ValueError as error:
        scanner.fail(str(error), token)
    if ns.denominator != 1:
        scanner.fail(f"{token} is finer than a nanosecond", token)
    return int(ns)


def read_size(scanner: Scanner) -> int:
    """Bytes."""
    token = scanner.token
    if token.kind is not Lexeme.QUANTITY:
        scanner.fail(f"expected a size, such as 64000 or 512KiB, not {token}")
    scanner.take()
    try:
        return size(token.text)
    except ValueError as error:
        scanner.fail(str(error), token)


def read_number(scanner: Scanner, what: str, low: int = 1, high: int = 10**9) -> int:
    """A whole number from `low` to `high`."""
    token = scanner.token
    if not _is_number(token):
        scanner.fail(f"expected {what}, a whole number, not {token}")
    if not low <= int(token.text) <= high:
        scanner.fail(f"{what} must be from {low} to {high}, not {token.text}")
    scanner.take()
    return int(token.text)


def _read_argument(scanner: Scanner, kind: Kind, given: dict[str, Value]) -> None:
    names = {param.name.lower(): param for param in kind.params}
    token = scanner.token
    if not names:
        scanner.fail(f"{kind.name!r} takes no values: write it without parentheses")
    param = names.get(token.text) if token.kind is Lexeme.WORD else None
    if param is not None:
        scanner.take()
        scanner.expect("=", f"and a value for {param.name}")
        if param.name in given:
            scanner.fail(f"{param.name} was given already", token)
    else:
        param = _home(scanner, kind, given)
    given[param.name] = _read_value(scanner, param)


def _home(scanner: Scanner, kind: Kind, given: dict[str, Value]) -> Param:
    """The parameter that the nameless value at hand is for."""
    token = scanner.token
    free = [param for param in kind.params if param.name not in given]
    takers = [param for param in free if _takes(param, token)]
    if _is_number(token):  # a number without a unit is a number first
        takers = [param for param in takers if param.type is Type.NUMBER] or takers
        takers.sort(key=lambda param: not _within(param, token))
    if not takers:
        _homeless(scanner, kind, free)
    return takers[0]


def _homeless(scanner: Scanner, kind: Kind, free: list[Param]) -> NoReturn:
    token = scanner.token
    if not free:
        scanner.fail(f"{kind.name!r} has all its values already")
    wanted = " or ".join(f"{param.name} ({_wish(param)})" for param in free)
    words = [word for param in free for word in (*param.words, param.name)]
    hint = nearest(token.text, words) if token.kind is Lexeme.WORD else ""
    close = f"; {hint}" if hint.startswith("did") else ""
    scanner.fail(f"expected {wanted}, not {token}{close}")


def _wish(param: Param) -> str:
    wish = ", ".join(param.words) if param.words else param.type.value
    return f"{wish}, or {param.none}" if param.none else wish


def _takes(param: Param, token: Token) -> bool:
    """Whether a token has the shape of the parameter's values."""
    if token.kind is Lexeme.WORD:
        return token.text in param.words or (bool(param.none) and token.text == param.none)
    if param.type is Type.STRING or token.kind is Lexeme.STRING:
        return param.type is Type.STRING and token.kind is Lexeme.STRING
    if token.kind is not Lexeme.QUANTITY:
        return False
    readers = {Type.DURATION: duration, Type.SIZE: size, Type.RATE: size}
    reader = readers.get(param.type)
    if reader is None:
        return param.type is Type.NUMBER and _is_number(token)
    try:
        reader(token.text)
    except ValueError:
        return False
    return True


def _within(param: Param, token: Token) -> bool:
    return param.type is not Type.NUMBER or param.low <= int(token.text) <= param.high


def _read_value(scanner: Scanner, param: Param) -> Value:
    token = scanner.token
    if param.none and scanner.skip(param.none):
        return None
    value: Value
    match param.type:
        case Type.DURATION:
            value = read_duration(scanner)
        case Type.NUMBER:
            return read_number(scanner, param.name, param.low, param.high)
        case Type.SIZE:
            value = read_size(scanner)
        case Type.RATE:
            value = read_size(scanner)
            if scanner.skip("/"):
                scanner.expect("s", f"after the '/' of {param.name}")
        case Type.WORD:
            value = _read_word(scanner, param)
        case Type.STRING:
            return _read_string(scanner, param)
    if isinstance(value, int) and value < param.low:
        scanner.fail(f"{param.name} must be at least {param.low}", token)
    return value


def _read_word(scanner: Scanner, param: Param) -> str:
    token = scanner.token
    if token.kind is not Lexeme.WORD or token.text not in param.words:
        known = ", ".join(param.words)
        scanner.fail(f"{param.name} must be one of {known}, not {token}")
    return scanner.take().text


def _read_string(scanner: Scanner, param: Param) -> str:
    token = scanner.token
    if token.kind is not Lexeme.STRING:
        scanner.fail(f"expected {param.name}, {param.type.value}, not {token}")
    scanner.take()
    try:
        text = json.loads(token.text, strict=False) if token.text[0] == '"' else token.text[1:-1]
        length = len(text.encode())
    except ValueError:  # a broken escape, or half of a surrogate pair
        scanner.fail(f"{param.name} is no text: a backslash needs another before it", token)
    if length > param.high:
        scanner.fail(f"{param.name} must be at most {param.high} bytes long, not {length}", token)
    return str(text)


def _is_number(token: Token) -> bool:
    return token.kind is Lexeme.QUANTITY and token.text.isdecimal()


def read_fraction(scanner: Scanner, what: str) -> Fraction:
    """A number that need not be whole."""
    token = scanner.token
    if token.kind is not Lexeme.QUANTITY or token.text[-1].isalpha():
        scanner.fail(f"expected {what}, a number, not {token}")
    scanner.take()
    return Fraction(token.text)
