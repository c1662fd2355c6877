"""Everything `replay` raises on purpose.

::

    ReplayError                 base; never raised itself
    ├── UsageError              the caller asked for something that cannot be     exit 2
    │   ├── ConfigError         a session configuration the service would refuse
    │   ├── FaultSyntaxError    a fault that cannot be read
    │   ├── ConditionError      a condition on a figure that cannot be read
    │   └── SourceError         the recording or stream cannot be opened or read
    ├── Interrupted             the user ended it before there was anything to sum up  exit 3
    ├── MachineError            the machine lacks something (disk, port, package)  exit 2
    │   └── DiskFull            there is no room for what is to be written
    ├── ServiceError            the target answered, and the answer was no         exit 2
    │   ├── Refused             an HTTP error body: status, message, request id
    │   └── ProtocolViolation   the target broke the protocol
    └── TransportError          the wire failed; says nothing about who is right
        ├── ConnectFailed       no connection was made
        └── ConnectionLost      a connection was made, and is gone

Foreign exceptions (httpx, trio, trio-websocket, PyAV) are turned into these where they arise
(`transport.py`, `source.py`), once. The command line prints `str(error)` as one line and exits
with `error.exit_code`; no message may carry a secret.
"""

from __future__ import annotations

import errno


class ReplayError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 2


class UsageError(ReplayError):
    """The caller asked for something that cannot be."""


class ConfigError(UsageError):
    """A session configuration the service would refuse."""


class FaultSyntaxError(UsageError):
    """A fault that cannot be read: one line says what is wrong, the next two show where.

    Attributes:
        message: what is wrong, in one line.
        text: the fault as it was given.
        position: index of the character in it.
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        shown = "".join(character if character.isprintable() else " " for character in text)
        start = max(0, position - 60)
        excerpt = shown[start : start + 100]
        super().__init__(f"{message}\n  {excerpt}\n  {' ' * (position - start)}^")
        self.message = message
        self.text = text
        self.position = position

    def within(self, place: str) -> FaultSyntaxError:
        """The same error, saying in which of several texts it is."""
        return FaultSyntaxError(f"{place}: {self.message}", self.text, self.position)


class ConditionError(UsageError):
    """A condition on a figure that cannot be read."""


class SourceError(UsageError):
    """The recording or stream cannot be opened or read."""


class MachineError(ReplayError):
    """The machine lacks something: disk space, a port, an optional package."""


class DiskFull(MachineError):
    """There is no room for what is to be written, on the disk or by a limit that was set."""


class Interrupted(ReplayError):
    """The user ended it before there was anything to sum up."""

    exit_code = 3


class ServiceError(ReplayError):
    """The target answered, and the answer was no."""


class Refused(ServiceError):
    """An HTTP error answer.

    Attributes:
        status: HTTP status code.
        request_id: the service's own id of the request, or `""`.
        retry_after: seconds the service asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class ProtocolViolation(ServiceError):
    """The target broke the protocol in a way that leaves nothing to go on with."""


class TransportError(ReplayError):
    """The wire failed; says nothing about who is right."""


class ConnectFailed(TransportError):
    """No connection was made.

    Attributes:
        status: HTTP status of a refused websocket handshake, or None.
        retry_after: seconds the service asked to wait, or None.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ConnectionLost(TransportError):
    """A connection was made, and is gone.

    Attributes:
        code: the websocket close code; 1006 when the connection ended without one.
        reason: the close reason as sent by the peer, or what happened to the socket.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"connection lost ({code}{': ' + reason if reason else ''})")
        self.code = code
        self.reason = reason


def means_full(error: OSError) -> bool:
    """Does `error` say that there is no room: on the disk, in a quota, or for a file so long?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
