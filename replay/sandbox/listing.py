"""Which jobs a client asks to list (protocol 8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.datastructures import QueryParams

from replay.sandbox.hub import ApiError
from replay.sandbox.jobs import Entry
from replay.wire.http import STATUSES

#: A number in a query has no more; Python refuses to read very long ones.
_DIGITS = 18


class Filters:
    """The query of the list: which jobs, and which page of them.

    Attributes:
        offset, limit: of the page, in jobs.

    Raises:
        ApiError: 400, with everything in the query that cannot be read.
    """

    def __init__(self, query: QueryParams) -> None:
        self._wrong: list[str] = []
        self.offset = self._number(query, "offset", 0, least=0)
        self.limit = self._number(query, "limit", 20, least=1)
        self._status = self._statuses(query)
        self._day = self._time(query, "date")
        self._after = self._time(query, "after_date")
        self._before = self._time(query, "before_date")
        self._metadata = self._metadata_of(query)
        if self._wrong:
            raise ApiError(400, "Validation error", self._wrong)

    def match(self, entry: Entry) -> bool:
        """Whether this job is asked for."""
        if self._status and entry.status not in self._status:
            return False
        if self._day and entry.created.date() != self._day.date():
            return False
        if self._after and entry.created < self._after:
            return False
        if self._before and entry.created >= self._before:
            return False
        held = entry.metadata or {}
        return all(
            key in held and (held[key] == value or value in _spellings(held[key]))
            for key, value in self._metadata.items()
        )

    def _number(self, query: QueryParams, name: str, default: int, *, least: int) -> int:
        text = query.get(name)
        if text is None:
            return default
        if not text.isdecimal() or len(text) > _DIGITS or int(text) < least:
            self._wrong.append(f'Query "{name}" must be a whole number from {least}')
            return default
        return int(text)

    def _statuses(self, query: QueryParams) -> set[str]:
        asked = set(query.getlist("status"))
        if not asked <= set(STATUSES):
            self._wrong.append(f'Query "status" must be one of {", ".join(STATUSES)}')
        return asked

    def _time(self, query: QueryParams, name: str) -> datetime | None:
        text = query.get(name)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self._wrong.append(f'Query "{name}" must be an ISO 8601 date')
            return None

    def _metadata_of(self, query: QueryParams) -> dict[str, Any]:
        """Both spellings in use: one JSON object, or `custom_metadata[key]=value`."""
        name = "custom_metadata"
        found: dict[str, Any] = {
            key[len(name) + 1 : -1]: value
            for key, value in query.multi_items()
            if key.startswith(f"{name}[") and key.endswith("]")
        }
        if name in query:
            try:
                found |= msgspec.json.decode(query[name], type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError):
                self._wrong.append(f'Query "{name}" must be a JSON object')
        return found


def _spellings(value: Any) -> tuple[str, str]:
    """How clients write a value into a query: as Python does, and as JSON does."""
    return str(value), msgspec.json.encode(value).decode()
