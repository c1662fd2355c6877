"""What can be done to single frames on their way: thrown away, doubled, spoilt, cut.

An edit is armed on a link and waits there for a frame that it can be done to; most wait for none,
since they are armed with that frame at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from replay.faults import DOWN
from replay.proxy.frames import CONTINUATION, Frame, text_frame
from replay.wire.messages import AudioAck
from replay.wire.plain import BINARY, TEXT
from replay.wire.spoilt import broken_json, no_utf8, unknown_type

#: An acknowledgement tells nothing new to who has heard so many later ones.
ACKS_KEPT = 4


@dataclass(slots=True)
class Unit:
    """A frame at hand, and what is to pass instead of it.

    Attributes:
        ack: it acknowledges audio.
        told: what it acknowledges.
        whole: it is a data message of its own.
        out: what will pass; at first the frame as it came.
        cut: so many bytes of it, and then a reset.
    """

    way: str
    frame: Frame
    ack: bool = False
    told: AudioAck | None = None
    whole: bool = False
    out: list[bytes] = field(default_factory=list)
    cut: bytes | None = None

    def __post_init__(self) -> None:
        self.out = [self.frame.raw]

    def lose(self) -> None:
        self.out = []


class Edit(Protocol):
    """`landed` is called when it is done; `loses`: nothing of the frame passes whole."""

    @property
    def loses(self) -> bool: ...

    def takes(self, unit: Unit) -> bool:
        """Whether it can be done to this frame."""

    def apply(self, unit: Unit, earlier: list[bytes], /) -> bool:
        """Do it; `earlier`: the acknowledgements that have passed before. True once it is done
        with."""


@dataclass(slots=True)
class LoseAcks:
    """Throws away the next `left` acknowledgements."""

    left: int
    landed: Callable[[], None]

    @property
    def loses(self) -> bool:
        return True

    def takes(self, unit: Unit) -> bool:
        return unit.ack

    def apply(self, unit: Unit, _earlier: list[bytes]) -> bool:
        self.landed()
        unit.lose()
        self.left -= 1
        return self.left == 0


@dataclass(slots=True)
class Again:
    """Passes an acknowledgement on, and after it once more the same, or an older one."""

    older: bool
    landed: Callable[[], None]

    @property
    def loses(self) -> bool:
        return False

    def takes(self, unit: Unit) -> bool:
        return unit.ack

    def apply(self, unit: Unit, earlier: list[bytes]) -> bool:
        if self.older and not earlier:
            return False
        self.landed()
        unit.out.append(earlier[0] if self.older else unit.frame.raw)
        return True


_SPOIL = {"json": broken_json, "utf8": no_utf8, "type": unknown_type}


@dataclass(slots=True)
class Spoil:
    """Makes the message one that cannot be understood."""

    what: str
    landed: Callable[[], None]

    @property
    def loses(self) -> bool:
        return True

    def takes(self, unit: Unit) -> bool:
        return unit.way == DOWN and unit.whole and unit.frame.opcode == TEXT

    def apply(self, unit: Unit, _earlier: list[bytes]) -> bool:
        self.landed()
        unit.out = [text_frame(_SPOIL[self.what](unit.frame.payload))]
        return True


@dataclass(slots=True)
class Cut:
    """Lets the first `size` bytes of the frame pass, and no more."""

    size: int
    landed: Callable[[], None]

    @property
    def loses(self) -> bool:
        return True

    def takes(self, unit: Unit) -> bool:
        return unit.frame.opcode in (CONTINUATION, TEXT, BINARY)

    def apply(self, unit: Unit, _earlier: list[bytes]) -> bool:
        self.landed()
        unit.cut = unit.frame.raw[: self.size]
        unit.lose()
        return True
