"""A receiver of one run's callbacks, whose arrivals go into the run's journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from replay import journal as j
from replay.callbacks import Owed, asked
from replay.receiver import Arrival, open_receiver
from replay.recorder import Recorder
from replay.wire import messages as m
from replay.wire import posting

#: What a receiver that is never refused can still be owed after the session's end.
_WAIT_SECONDS = 10.0


class Calls:
    """One run's callbacks. Made by `open_calls`; without a receiver there are none.

    Attributes:
        fields: what asks for them, in the body of `POST /v2/live`.
    """

    def __init__(self, recorder: Recorder, config: Mapping[str, Any]) -> None:
        self.fields: dict[str, Any] = {}
        self._recorder = recorder
        self._config = config
        self._owed = Owed(asked(config))
        self._changed = trio.Event()

    def hear(self, message: m.Received) -> None:
        """`message` came over the websocket."""
        if self.fields:
            self._owed.hear(message)

    async def wait(self) -> None:
        """For what a session that went to its end still owes, though not for ever."""
        with trio.move_on_after(_WAIT_SECONDS):
            while self.fields and self._owed:
                self._changed = trio.Event()
                await self._changed.wait()

    def ask(self, url: str) -> None:
        """Have them posted to `url`."""
        wants = {**self._config.get("callback_config", {}), "url": url}
        self.fields = {"callback": True, "callback_config": wants}

    def take(self, arrival: Arrival) -> None:
        """Put down what was posted."""
        t, body = self._recorder.at(arrival.moment), j.raw(arrival.body)
        if body is None:
            text = arrival.body.decode("utf-8", "replace")
            self._recorder.write(j.CallbackReceived(t=t, text=text))
            return
        self._recorder.write(j.CallbackReceived(t=t, body=body))
        if arrival.post is not None and posting.is_callback(arrival.post):
            self._owed.take(posting.told(arrival.post))
            self._changed.set()


@asynccontextmanager
async def open_calls(
    recorder: Recorder, config: Mapping[str, Any], *, wanted: bool
) -> AsyncIterator[Calls]:
    """The callbacks of a run with this configuration; none unless they are `wanted`."""
    calls = Calls(recorder, config)
    if not wanted:
        yield calls
        return
    async with open_receiver(calls.take) as url:
        calls.ask(url)
        yield calls
