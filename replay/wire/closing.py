"""What a close code or a refused handshake means for a client: the one table of it.

Protocol 7.1 and 7.2. Codes 44xx mirror HTTP 4xx and are final, 45xx mirror 5xx and can be tried
again; everything but 1000 is documented as a loss to recover from on the same URL.
"""

from __future__ import annotations

from enum import Enum


class Close(Enum):
    """What a client does after a connection ended."""

    #: The service has finished the session.
    DONE = "done"
    #: The session lives on: connect to the same URL again.
    RECONNECT = "reconnect"
    #: The session has ended already; its result can be fetched.
    ENDED = "ended"
    #: The service will not go on with this session.
    REFUSED = "refused"


NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
ABNORMAL = 1006
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_LATER = 1013
JOB_ENDED = 4403
NO_SUCH_SESSION = 4404
IDLE = 4408
SUPERSEDED = 4409
NO_TRANSCRIPT = 4504

_SPECIAL = {NORMAL: Close.DONE, JOB_ENDED: Close.ENDED, NO_TRANSCRIPT: Close.RECONNECT}


def on_close(code: int) -> Close:
    """What to do when the service closed with `code`; 1006 stands for no close frame at all."""
    if code in _SPECIAL:
        return _SPECIAL[code]
    return Close.REFUSED if 4400 <= code <= 4499 else Close.RECONNECT


_RETRIED_STATUS = frozenset((408, 425, 429))


def on_status(status: int) -> Close:
    """What to do when the handshake, or `POST /v2/live`, was answered with an HTTP error."""
    if status >= 500 or status in _RETRIED_STATUS:
        return Close.RECONNECT
    return Close.REFUSED
