"""What a kind of fault, and a parameter of one, is described by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from replay.faults.quantities import duration_text, rate_text, size_text, string_text

UP, DOWN, BOTH = "up", "down", "both"

#: Nanoseconds, bytes, bytes per second, whole numbers and words as they come; None: see `Param`.
Value = int | str | None


class Type(Enum):
    """What a parameter holds, and in which unit."""

    DURATION = "a duration"  # int, nanoseconds
    SIZE = "a size"  # int, bytes
    RATE = "a rate"  # int, bytes per second
    NUMBER = "a whole number"
    WORD = "a word"
    STRING = 'a text in "quotes"'


class Scope(Enum):
    """What a fault takes hold of, and so when it is over at the latest."""

    #: The live connection, and nothing after it.
    CONNECTION = "connection"
    #: The way between client and target: connections that follow are harmed too, until its time.
    PATH = "path"
    #: New websocket connections (and, where it says so, the opening of sessions).
    LISTENER = "listener"
    #: Requests that are no websocket.
    HTTP = "http"
    #: The target's process.
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter.

    Attributes:
        none: the word that stands for None, such as `forever`; "" when None is not allowed.
        words: the words allowed for `Type.WORD`.
        low, high: the limits of a number, both allowed.
    """

    name: str
    type: Type
    default: Value
    says: str
    none: str = ""
    words: tuple[str, ...] = ()
    low: int = 0
    high: int = 10**18

    def text(self, value: Value) -> str:
        """`value` as it is written in a fault."""
        if value is None:
            return self.none
        match self.type:
            case Type.DURATION:
                return duration_text(int(value))
            case Type.SIZE:
                return size_text(int(value))
            case Type.RATE:
                return rate_text(int(value))
            case Type.STRING:
                return string_text(str(value))
            case _:
                return str(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    Attributes:
        at_hand: done to the frame that is passing at that moment, before it goes on (and when it
            fires between frames, to the next one); every other fault happens once the frame of
            its moment has passed.
    """

    name: str
    params: tuple[Param, ...]
    scope: Scope
    says: str
    example: str
    at_hand: bool = False

    @property
    def lasting(self) -> bool:
        """Whether it goes on for a time `T`."""
        return any(param.name == "T" for param in self.params)

    @property
    def awaits(self) -> bool:
        """Whether it is done to the next attempt or request, and told when that one meets it."""
        return self.scope in (Scope.LISTENER, Scope.HTTP)

    @property
    def takes_ack(self) -> bool:
        """Whether an acknowledgement that it fires before does not reach the client."""
        return not (self.at_hand or self.awaits)
