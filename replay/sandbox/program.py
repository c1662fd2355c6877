"""The sandbox as a program: the command that starts it, and the line that says it can be used."""

from __future__ import annotations

import sys

import msgspec

from replay.errors import MachineError

#: How long it may take to load its model; how long to end when asked. Seconds.
READY_SECONDS = 60.0
END_SECONDS = 3.0


class Ready(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The line that a sandbox writes to standard output when it can be used.

    `defects`: those that were planted, as they were asked for; left out when there are none.
    """

    url: str
    pid: int
    recognizer: str
    version: str
    defects: list[str] = []


def command(port: int, options: tuple[str, ...]) -> list[str]:
    """Starts a sandbox that ends when its standard input is closed."""
    return [
        *(sys.executable, "-m", "replay", "sandbox"),
        *("--port", str(port), "--until-eof", *options),
    ]


def ready(line: bytes) -> Ready:
    """What the first line of output says.

    Raises:
        MachineError: there was none, so it did not start.
    """
    if not line.endswith(b"\n"):
        raise MachineError("the sandbox did not start; see above for its reason")
    return msgspec.json.decode(line, type=Ready)
