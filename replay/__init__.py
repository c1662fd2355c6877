"""Plays recorded audio and live streams into a real-time speech-to-text API, and measures it.

The library in one breath::

    async with open_service("https://api.gladia.io", api_key) as service:
        async with open_session(service, {"language_config": {"languages": ["en"]}}) as session:
            await session.send(pcm)
            session.stop()
            async for message in session:
                match message:
                    case messages.Transcript(data=data):
                        print(data.utterance.text)

Names are loaded on first use, so that `import replay` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from replay import errors as errors
    from replay.client import Ended as Ended
    from replay.client import LiveSession as LiveSession
    from replay.client import Ticket as Ticket
    from replay.client import open_session as open_session
    from replay.errors import ConfigError as ConfigError
    from replay.errors import MachineError as MachineError
    from replay.errors import ProtocolViolation as ProtocolViolation
    from replay.errors import Refused as Refused
    from replay.errors import ReplayError as ReplayError
    from replay.errors import TransportError as TransportError
    from replay.session import Policy as Policy
    from replay.transport.http import open_service as open_service
    from replay.wire import messages as messages

_HOMES = {
    "ConfigError": "replay.errors",
    "Ended": "replay.client",
    "LiveSession": "replay.client",
    "MachineError": "replay.errors",
    "Policy": "replay.session",
    "ProtocolViolation": "replay.errors",
    "Refused": "replay.errors",
    "ReplayError": "replay.errors",
    "Ticket": "replay.client",
    "TransportError": "replay.errors",
    "open_service": "replay.transport.http",
    "open_session": "replay.client",
}
_MODULES = {"errors": "replay.errors", "messages": "replay.wire.messages"}

__all__ = [*_HOMES, *_MODULES]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
