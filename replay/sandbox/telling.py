"""What a session says of its audio, in order: what was heard, what add-ons make of it, the result.

After a restart it goes on where its records end: an add-on's message that is on record is not put
out again, and one that is missing follows.
"""

from __future__ import annotations

from random import Random

from replay.sandbox import result
from replay.sandbox.outgoing import Outgoing, utterance_id
from replay.sandbox.past import Past
from replay.sandbox.processing import Processing
from replay.sandbox.recognizers.base import Final
from replay.sandbox.schedule import Schedule
from replay.sandbox.settings import Settings
from replay.sandbox.store import Store
from replay.waiting import wait_until
from replay.wire import messages as m


class Telling:
    def __init__(
        self,
        processing: Processing,
        *,
        schedule: Schedule,
        outgoing: Outgoing,
        store: Store,
        settings: Settings,
        past: Past,
    ) -> None:
        self._processing = processing
        self._schedule = schedule
        self._outgoing = outgoing
        self._store = store
        self._settings = settings
        self._channels = len(past.channels)
        self._addons_told = past.addons

    async def run(self) -> None:
        """Tell what is heard, as it comes, until all of it was told."""
        if self._processing.messages_each:
            await self._make_up()
        while (event := await self._schedule.next()) is not None:
            channel, said = event
            said = await self._processing.correct(said)
            name = self._outgoing.tell(channel, said)
            if isinstance(said, Final):
                await self._tell_addons(name, said.utterance)

    async def _make_up(self) -> None:
        """Tell what add-ons say of finals that were filed, and was not put out."""
        whole, half = divmod(self._addons_told, self._processing.messages_each)
        counts = [0] * self._channels
        for index, utterance in enumerate(self._store.utterances()):
            name = utterance_id(utterance.channel, counts[utterance.channel])
            counts[utterance.channel] += 1
            if index >= whole:
                await self._tell_addons(name, utterance, told=half if index == whole else 0)

    async def _tell_addons(self, name: str, utterance: m.Utterance, told: int = 0) -> None:
        for number, message in enumerate(await self._processing.messages(name, utterance)):
            if number >= told:
                self._outgoing.put(message, key=f"{m.message_type(message)} {name} {number}")

    async def sum_up(self) -> None:
        """File what the add-ons come to over all that was said."""
        if self._processing.sums_up:
            self._store.file_addons(await self._processing.sum_up(self._store.utterances()))

    async def end(self, facts: m.ResultMetadata, since: float) -> None:
        """Tell the last messages; those of the post-processing take the time they were given, the
        first one from `since` on."""
        rng = Random(f"{self._settings.seed}/post")  # noqa: S311
        text = result.transcription(self._store.utterances())
        for message in result.last_messages(text, facts, self._store.addons()):
            post = isinstance(
                message, m.PostTranscript | m.PostSummarization | m.PostFinalTranscript
            )
            if post and self._settings.post:
                since += self._settings.post.draw(rng)
                await wait_until(since, self._settings.spin)
            self._outgoing.put_once(message)
