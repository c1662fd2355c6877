"""What a soak came to: a fold over its directory, at any time."""

from typing import Any


def assess(store: Any, conditions: Any) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(verdict="unknown", reasons=[])
