"""Reading what a request says, however long, deep or broken it is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.requests import Request

from replay.sandbox.hub import ApiError

_DEPTH = 64


async def read_body(request: Request, limit: int) -> object:
    """The request's JSON; no body at all counts as an empty object.

    Too long a body is read to its end all the same: clients read no answer before they have sent
    everything, and hypercorn stops reading for good when nobody takes what it has read.

    Raises:
        ApiError: 400 or 413.
    """
    data = bytearray()
    too_long = False
    async for piece in request.stream():
        too_long = too_long or len(data) + len(piece) > limit
        if not too_long:
            data += piece
    if too_long:
        raise ApiError(413, "payload too large")
    try:
        value = msgspec.json.decode(data) if data.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "Validation error", [f"The body must be JSON: {error}"]) from None
    except RecursionError:
        raise _too_deep() from None
    if not _is_shallow(value):
        raise _too_deep()
    return value


def _too_deep() -> ApiError:
    return ApiError(400, "Validation error", ["The body is nested too deeply"])


def _is_shallow(value: object) -> bool:
    """Will nothing that looks through `value` later run out of stack?"""
    level = [value]
    for _ in range(_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return True
    return False


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
