"""The last warnings and errors of the sandbox's log, kept to be looked at."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from replay.sandbox.log import hidden
from replay.sandbox.tail import clipped
from replay.wire.http import redact

KEPT = 20
_LONGEST = 400
_LOGGER = __name__.rpartition(".")[0]
_URL = re.compile(r"\b(?:https?|wss?)://[^\s\"'<>]+")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One record. `level`: its name, such as `WARNING`."""

    at: datetime
    level: str
    text: str


class Troubles(logging.Handler):
    """Attributes:
    count: records so far.
    """

    def __init__(self, key: str | None = None) -> None:
        """`key`: of the API, never kept, wherever it turns up."""
        super().__init__(logging.WARNING)
        self.count = 0
        self._last: deque[Trouble] = deque(maxlen=KEPT)
        self._key = key

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        text = " ".join(record.getMessage().split())
        text = clipped(without_secrets(text, self._key), _LONGEST)
        at = datetime.fromtimestamp(record.created, UTC)
        self._last.append(Trouble(at, record.levelname, text))

    def last(self) -> list[Trouble]:
        """Those that are kept, the newest first."""
        self.acquire()  # a recogniser may log from a thread of its own
        try:
            return list(reversed(self._last))
        finally:
            self.release()


def without_secrets(text: str, key: str | None = None) -> str:
    """`text` without what the log hides, and without the queries and users of URLs."""
    return hidden(_URL.sub(_redacted, text), key)


def _redacted(found: re.Match[str]) -> str:
    try:
        return redact(found[0])
    except ValueError:  # it only looks like a URL
        return "***"


@contextmanager
def kept_troubles(key: str | None) -> Iterator[Troubles]:
    """What every part of the sandbox logs during the block, as far as it is logged at all."""
    troubles, logger = Troubles(key), logging.getLogger(_LOGGER)
    logger.addHandler(troubles)
    try:
        yield troubles
    finally:
        logger.removeHandler(troubles)
        troubles.close()
