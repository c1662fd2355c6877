"""One session's audio, from its record on disk to the recogniser, at the recogniser's pace."""

from __future__ import annotations

import math
from collections.abc import Iterable

from replay.audio import AudioFormat
from replay.sandbox.past import Past
from replay.sandbox.recognizers.base import Event, Heard, Recognizer, StreamSettings
from replay.sandbox.schedule import Schedule
from replay.sandbox.store import Store
from replay.wire.config import SessionConfig

#: At most this much audio at a time, so that a backlog is worked off without long pauses.
_BLOCK_SECONDS = 0.5
_NEVER = math.inf


class Listening:
    """Hands recorded audio on, whole frames only, and files what is said about it.

    Attributes:
        position: bytes of the record that were heard.
    """

    def __init__(
        self,
        config: SessionConfig,
        store: Store,
        recognizer: Recognizer,
        past: Past,
        spin: float = 0.0,
    ) -> None:
        """`spin`: see `Signal.wait_until`."""
        self._format: AudioFormat = config.format
        self._store = store
        self._block = self._format.bytes_in(_BLOCK_SECONDS)
        # Each channel goes on behind its own last final.
        self._since = [self._format.bytes_in(channel.heard) for channel in past.channels]
        self._streams = [
            recognizer.stream(_settings(config, number, channel.heard))
            for number, channel in enumerate(past.channels)
        ]
        self._decoder = None
        if recognizer.wants_audio:
            from replay.sandbox.decode import Decoder

            self._decoder = Decoder(self._format)
        self.schedule = Schedule(spin)
        self.position = min(self._since)

    @property
    def behind(self) -> float:
        """Seconds of recorded audio that were not heard yet."""
        return max(0.0, self._format.seconds(self._store.settled - self.position))

    async def step(self, since: float) -> bool:
        """Hear the next piece, the last of which came in at `since` (trio's clock). False when
        there is no whole frame to hear.

        Raises:
            RecognitionError: the recogniser broke down.
        """
        edge = min((each for each in self._since if each > self.position), default=_NEVER)
        ready = min(self._block, self._store.settled - self.position, edge - self.position)
        size = self._format.align(int(max(ready, 0)))
        if not size:
            return False
        first = self.position
        start = self._format.seconds(self.position)
        if self._decoder is None:
            pieces = None
        else:
            pieces = self._decoder.feed(self._store.read(self.position, size))
        self.position += size
        end = self._format.seconds(self.position)
        hearing = [pair for pair in enumerate(self._streams) if self._since[pair[0]] <= first]
        for channel, stream in hearing:
            heard = Heard(start, end, None if pieces is None else pieces[channel])
            self._file(channel, await stream.hear(heard), since)
        for channel, stream in hearing:
            self._file(channel, await stream.think(self.behind), since)
        return True

    async def finish(self, since: float) -> None:
        """The record is complete since then, and was heard: let the streams say the rest."""
        end = self._format.seconds(self.position)
        rest = self._decoder.finish() if self._decoder else None
        for channel, stream in enumerate(self._streams):
            if rest is not None:
                self._file(channel, await stream.hear(Heard(end, end, rest[channel])), since)
            self._file(channel, await stream.finish(), since)
        self.schedule.close()

    def close(self) -> None:
        """Let go of the streams; ended sessions are many, and kept."""
        self._streams.clear()
        self._decoder = None

    def _file(self, channel: int, events: Iterable[Event], since: float) -> None:
        for event in events:
            self.schedule.add(channel, event, since)


def _settings(config: SessionConfig, channel: int, since: float) -> StreamSettings:
    wanted = config.messages_config.receive_partial_transcripts
    if config.callback and config.callback_config:
        wanted = wanted or config.callback_config.receive_partial_transcripts
    return StreamSettings(
        channel=channel,
        since=since,
        endpointing=config.endpointing,
        longest=config.maximum_duration_without_endpointing,
        languages=tuple(config.language_config.languages),
        partials=wanted,
        threshold=config.pre_processing.speech_threshold,
    )
