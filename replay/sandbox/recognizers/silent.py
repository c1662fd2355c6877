"""Hears nothing: for sessions where only the audio's way there and back matters."""

from __future__ import annotations

from replay.sandbox.recognizers.base import Event, Heard, Stream, StreamSettings


class SilentStream:
    async def hear(self, heard: Heard) -> list[Event]:  # noqa: ARG002
        return []

    async def think(self, behind: float) -> list[Event]:  # noqa: ARG002
        return []

    async def finish(self) -> list[Event]:
        return []


class SilentRecognizer:
    name = "silent"
    wants_audio = False
    languages = None
    load = None

    async def prepare(self) -> None:
        """Nothing to load."""

    def stream(self, settings: StreamSettings) -> Stream:  # noqa: ARG002
        return SilentStream()

    def close(self) -> None:
        """Nothing to let go of."""
