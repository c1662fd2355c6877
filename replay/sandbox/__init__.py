"""The API on this machine: the same protocol, spoken without a network and without a key.

For other programs, a sandbox in a process of its own, with the options of `replay sandbox`::

    async with sandbox_process("--script", "words.json") as url:    # under trio
        ...
    with sandbox_process_sync("--script", "words.json") as url:     # everywhere else
        ...

The two are loaded on first use. Inside, `hub` holds the sessions, `live` is one of them, `store`
keeps what it took in and gave out, and `recognizers` turn audio into words. None of these knows a
socket: `websocket` and `server` bring connections, `app` answers plain HTTP, `process` and
`blocking` run all of it in a process of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.sandbox.blocking import sandbox_process_sync as sandbox_process_sync
    from replay.sandbox.process import sandbox_process as sandbox_process

_HOMES = {
    "sandbox_process": "replay.sandbox.process",
    "sandbox_process_sync": "replay.sandbox.blocking",
}

__all__ = [*_HOMES]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
