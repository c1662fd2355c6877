"""Kinds of option values, each with its own words for what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay import units
from replay.errors import UsageError

if TYPE_CHECKING:
    from replay.sandbox.latency import Latency


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """An option whose text is turned into a value by a function that raises `ValueError`."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, context)


def _speed(text: str) -> Fraction:
    if text == "max":
        return Fraction(0)
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if speed <= 0:
        raise ValueError(f"{text!r} is no speed: write 1, 0.5, 4 … or max")
    return speed


def _loops(text: str) -> int | None:
    if text == "forever":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{text!r}: write how often, 1 or more, or forever")
    return int(text)


#: What `--channels keep` comes out as.
KEEP = 0


def _channels(text: str) -> int:
    if text == "keep":
        return KEEP
    if not text.isdigit() or not 1 <= int(text) <= 8:
        raise ValueError(f"{text!r}: write 1 to 8, or keep")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{text!r}: write KEY=VALUE")
    return key, value


def _processes(text: str) -> int | None:
    """None for `auto`."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 256):
        raise ValueError(f"{text!r}: write auto, or how many: 1 to 256")
    return int(text)


def _latency(text: str) -> Latency:
    from replay.sandbox.latency import parse

    return parse(text)


def _chunk(text: str) -> Fraction:
    seconds = units.duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r}: a chunk holds no audio; write 100ms, say")
    return seconds


DURATION = Parsed("duration", units.duration)
CHUNK = Parsed("duration", _chunk)
SIZE = Parsed("size", units.size)
SPEED = Parsed("speed", _speed)
LOOPS = Parsed("loops", _loops)
CHANNELS = Parsed("channels", _channels)
PAIR = Parsed("key=value", _pair)
LATENCY = Parsed("latency", _latency)
PROCESSES = Parsed("processes", _processes)


def api_key(path: Path | None, from_environment: str | None) -> str | None:
    """The key: from the file if one is named, else from the environment.

    Raises:
        UsageError: the file cannot be read, or is empty.
    """
    if path is None:
        return from_environment or None
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise UsageError(f"API key file {path}: {reason.lower()}") from None
    if not key:
        raise UsageError(f"API key file {path} is empty")
    return key
