"""A sandbox's log: a line each on standard error, as text or as JSON, with no secret in either."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

from replay.sandbox.standing import written

#: The session that a task works for, "" for none; tasks that it starts work for the same.
SESSION: ContextVar[str] = ContextVar("session", default="")

_TOKEN = re.compile(r"(?<=token=)[^&\s\"']+")
_HIDDEN = "***"


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of JSON. `time`: UTC, as the protocol writes it; `session`: left out where the line
    is about none, or nobody knows; `traceback`: where a bug came from."""

    time: str
    level: str
    logger: str
    message: str
    session: str = ""
    traceback: str = ""


def start_log(form: str, level: str, key: str | None) -> None:
    """Have everything from `level` on written as `form`, "text" or "json", without the API key."""
    handler = logging.StreamHandler()
    handler.setFormatter((_Json if form == "json" else _Text)(key))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def hidden(text: str, key: str | None) -> str:
    """`text` without the tokens of URLs and without the API key."""
    text = _TOKEN.sub(_HIDDEN, text)
    return text.replace(key, _HIDDEN) if key else text


class _Text(logging.Formatter):
    """Formats as text. Libraries log too, and exceptions quote what they failed on: what must not
    be seen is hidden here, whoever says it."""

    def __init__(self, key: str | None) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        return self.hide(super().format(record))

    def hide(self, text: str) -> str:
        return hidden(text, self._key)


class _Json(_Text):
    def format(self, record: logging.LogRecord) -> str:
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        line = Line(
            time=written(datetime.fromtimestamp(record.created, UTC)),
            level=record.levelname.lower(),
            logger=record.name,
            message=self.hide(record.getMessage()),
            session=SESSION.get(),
            traceback=self.hide(trace),
        )
        return msgspec.json.encode(line).decode()
