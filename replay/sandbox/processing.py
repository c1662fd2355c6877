"""The add-ons of one session: which were asked for, run where they hold nobody up.

One that breaks down says so in its own place, and nothing else notices. An utterance takes each
of them well below 5 ms, so they run between two awaits; what is larger runs in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from replay.sandbox.addons import entities, sentiment, summary
from replay.sandbox.addons.spelling import Spelling
from replay.sandbox.addons.spoken import pieces
from replay.sandbox.addons.vocabulary import Vocabulary
from replay.sandbox.recognizers.base import Event, Final, Partial
from replay.sandbox.result import transcription
from replay.wire import messages as m
from replay.wire.config import (
    SessionConfig,
    SpellingConfig,
    SummarizationConfig,
    TranslationConfig,
    VocabularyConfig,
)

_log = logging.getLogger(__name__)

#: Comparisons of words with a vocabulary, and characters, from which on a thread is used.
_MANY = 50_000
_LONG = 20_000
_NO_MODEL = "this sandbox has no translation model"

T = TypeVar("T")


class Processing:
    """Attributes:
    messages_each: how many messages follow the final of an utterance.
    sums_up: does any add-on have a place in the result?
    """

    def __init__(self, session_id: str, config: SessionConfig) -> None:
        self._id = session_id
        self._complained: set[str] = set()
        wants, after = config.realtime_processing, config.post_processing
        self._vocabulary: Vocabulary | None = None
        if wants.custom_vocabulary and isinstance(wants.custom_vocabulary_config, VocabularyConfig):
            self._vocabulary = Vocabulary(wants.custom_vocabulary_config)
        self._spelling: Spelling | None = None
        if wants.custom_spelling and isinstance(wants.custom_spelling_config, SpellingConfig):
            self._spelling = Spelling(wants.custom_spelling_config.spelling_dictionary)
        self._targets: Sequence[str] = ()
        if wants.translation and isinstance(wants.translation_config, TranslationConfig):
            self._targets = wants.translation_config.target_languages
        self._translates = wants.translation
        self._finds_entities = wants.named_entity_recognition
        self._finds_sentiment = wants.sentiment_analysis
        self._summary: summary.Kind | None = None
        if after.summarization:
            given = after.summarization_config
            self._summary = given.type if isinstance(given, SummarizationConfig) else "general"
        if self._finds_sentiment:
            sentiment.load()
        self.messages_each = len(self._targets) + self._finds_entities + self._finds_sentiment
        self.sums_up = bool(self.messages_each or self._translates or self._summary)

    # ------------------------------------------------------------------ before a transcript

    async def correct(self, event: Event) -> Event:
        """What a recogniser said, in the words that the session asked for."""
        if not isinstance(event, Partial | Final) or not (self._vocabulary or self._spelling):
            return event
        utterance = event.utterance
        if vocabulary := self._vocabulary:
            large = vocabulary.size * len(pieces(utterance)) > _MANY
            utterance = await self._changed("vocabulary", vocabulary.apply, utterance, large=large)
        if self._spelling:
            utterance = await self._changed(
                "spelling", self._spelling.apply, utterance, large=False
            )
        kind = Partial if isinstance(event, Partial) else Final
        return kind(utterance, event.delay)

    async def _changed(
        self,
        name: str,
        change: Callable[[m.Utterance], m.Utterance],
        utterance: m.Utterance,
        *,
        large: bool,
    ) -> m.Utterance:
        try:
            return await _run(change, utterance, large=large)
        except Exception as error:  # noqa: BLE001 - no add-on ends a session
            self._complain(f"custom {name}", error)
            return utterance

    # ------------------------------------------------------------------ behind a final

    async def messages(self, name: str, utterance: m.Utterance) -> list[m.Message]:
        """What is to be said of the utterance called `name`, always as many in the same order."""
        said: list[m.Message] = [
            m.Translation(error=_no_model(language)) for language in self._targets
        ]
        if self._finds_entities:
            found, wrong = await self._try("named entities", entities.recognise, utterance)
            data = None
            if found is not None:
                data = m.NamedEntitiesData(utterance_id=name, utterance=utterance, results=found)
            said.append(m.NamedEntities(error=wrong, data=data))
        if self._finds_sentiment:
            felt, wrong = await self._try("sentiment", sentiment.analyse, utterance)
            judged = None
            if felt is not None:
                judged = m.SentimentData(utterance_id=name, utterance=utterance, results=felt)
            said.append(m.Sentiment(error=wrong, data=judged))
        return said

    # ------------------------------------------------------------------ the result

    async def sum_up(self, utterances: Sequence[m.Utterance]) -> m.AddonResults:
        """What the add-ons came to over all utterances."""
        results = m.AddonResults()
        if self._translates:
            error = _no_model(", ".join(self._targets))
            results.translation = m.AddonResult(
                success=False, is_empty=True, exec_time=0.0, error=error
            )
        if self._finds_entities:
            results.named_entity_recognition = await self._over_all(
                "named entities", entities.recognise, utterances
            )
        if self._finds_sentiment:
            results.sentiment_analysis = await self._over_all(
                "sentiment", sentiment.analyse, utterances
            )
        if self._summary:
            results.summarization = await self._summarise(utterances, self._summary)
        return results

    async def _over_all(
        self,
        name: str,
        analyse: Callable[[m.Utterance], list[T]],
        utterances: Sequence[m.Utterance],
    ) -> m.AddonResult:
        began = trio.current_time()
        results: list[T] = []
        for utterance in sorted(utterances, key=lambda each: each.start):
            found, error = await self._try(name, analyse, utterance)
            if found is None:
                return _envelope(began, None, error)
            results += found
            await trio.lowlevel.checkpoint()
        return _envelope(began, msgspec.to_builtins(results), None)

    async def _summarise(
        self, utterances: Sequence[m.Utterance], kind: summary.Kind
    ) -> m.AddonResult:
        began = trio.current_time()
        text = transcription(list(utterances)).full_transcript
        try:
            found = await _run(
                lambda text: summary.summarise(text, kind), text, large=len(text) > _LONG
            )
        except Exception as error:  # noqa: BLE001 - no add-on ends a session
            return _envelope(began, None, self._complain("summary", error))
        return _envelope(began, found or None, None)

    async def _try(
        self, name: str, analyse: Callable[[m.Utterance], T], utterance: m.Utterance
    ) -> tuple[T | None, m.MessageError | None]:
        try:
            return await _run(analyse, utterance, large=len(utterance.text) > _LONG), None
        except Exception as error:  # noqa: BLE001 - no add-on ends a session
            return None, self._complain(name, error)

    def _complain(self, name: str, error: Exception) -> m.MessageError:
        if name not in self._complained:
            self._complained.add(name)
            _log.error("session %s: the add-on for %s failed: %r", self._id, name, error)
        return m.MessageError(
            message=f"the add-on failed: {error}", status_code=500, exception=type(error).__name__
        )


async def _run(function: Callable[[Any], T], value: Any, *, large: bool) -> T:
    if large:
        return await trio.to_thread.run_sync(function, value)
    return function(value)


def _envelope(began: float, results: Any, error: m.MessageError | None) -> m.AddonResult:
    return m.AddonResult(
        success=error is None,
        is_empty=not results,
        exec_time=round(trio.current_time() - began, 6),
        error=error,
        results=results,
    )


def _no_model(language: str) -> m.MessageError:
    message = f"{_NO_MODEL}: not translated into {language}" if language else _NO_MODEL
    return m.MessageError(message=message, status_code=501, exception="NoTranslationModel")
