"""What a planted defect is to a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from replay.audio import AudioFormat
from replay.wire import messages as m


@dataclass(eq=False)
class Common:
    """What a defect keeps for all sessions of a sandbox.

    Attributes:
        reconnections: so far, over all of them.
        leaked: what is never let go.
    """

    reconnections: int = 0
    leaked: list[object] = field(default_factory=list)


class Defect:
    """Spoils nothing.

    Attributes:
        name: what `--defect` calls it.
        argument: what may follow the name, in a word; empty when nothing may.
        forgets_sessions: a session is unknown when its client comes back.
        opens_twice: `POST` opens a second session that nobody is told of.
        hears_stop: `stop_recording` is listened to.
        hears_after_stop: audio is taken in though it was stopped.
        delay: seconds before the connection that has just come back is served.
        common: the same object for all sessions of a sandbox.
    """

    name = ""
    argument = ""
    forgets_sessions = False
    opens_twice = False
    hears_stop = True
    hears_after_stop = False
    delay = 0.0

    def __init__(self, fmt: AudioFormat, argument: str | None = None) -> None:  # noqa: ARG002
        """`argument`: as it was written.

        Raises:
            ValueError: it is none, with a sentence for the user.
        """
        self.common = Common()

    def record(self, data: bytes) -> bytes:
        """What is put on record of the audio `data`."""
        return data

    def say(self, message: m.Message) -> Sequence[m.Message]:
        """What is said in place of `message`."""
        return (message,)

    def clock(self, now: datetime) -> datetime:
        """What the clock of the messages' stamps shows at `now`."""
        return now

    def keeps(self, message: m.Message) -> bool:  # noqa: ARG002
        """Is `message` kept for a client that is not there?"""
        return True

    def come_back(self, received: int, seconds: float) -> None:
        """The client connects again, after so much audio in the session."""
