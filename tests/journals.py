"""Journals with a known truth: what is put in here is what measuring must read back.

Times are given in milliseconds from the plan's zero, which lies one second after the journal's
origin; audio is 16 kHz, 16 bit, mono, so that a millisecond is 32 bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from replay import journal as j
from replay.timeline import Timeline

ZERO_MS = 1000
BYTES_PER_MS = 32


def ns(ms: float) -> int:
    """Journal time of a moment given in ms from the plan's zero."""
    return round((ZERO_MS + ms) * 1e6)


@dataclass
class Cut:
    """The connection is lost at `at` and open again at `back`; all that was sent is recorded."""

    at: float
    back: float
    backoff: float = 0.0


@dataclass
class Builder:
    """Collects entries; `timeline()` puts them in order."""

    seconds: float = 4.0
    chunk_ms: int = 100
    phase: str = "live"
    speed: float = 1.0
    reference: list[tuple[str, float, float]] | None = None
    reference_text: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)
    shift_ms: float = 0.0
    #: The service's clock: how far it is ahead of ours at the plan's zero, and how much faster it
    #: runs; no stamps at all without.
    ahead_ms: float | None = None
    skew_ppm: float = 0.0
    #: Of a round trip, the share that is the way up.
    up_share: float = 0.5
    #: How many digits of a second stamps have.
    stamp_digits: int = 3

    def __post_init__(self) -> None:
        self.entries.append(
            j.Header(
                t=0,
                schema=j.SCHEMA,
                replay_version="0",
                created_at="2026-01-01T00:00:00.000Z",
                name="built",
                source=j.SourceFacts(name="built.wav", seconds=self.seconds),
                format=j.FormatFacts(encoding="PCM", sample_rate=16000, bit_depth=16, channels=1),
                plan=j.PlanFacts(
                    phase=self.phase, chunk_ns=self.chunk_ms * 1_000_000, speed=self.speed
                ),
                target=j.TargetFacts(kind="sandbox", url="http://127.0.0.1:1"),
                config=self.config,
            )
        )
        if self.reference is not None or self.reference_text is not None:
            words = [j.ReferenceWord(w, a / 1e3, b / 1e3) for w, a, b in self.reference or []]
            text = self.reference_text or " ".join(word.word for word in words)
            self.entries.append(j.Reference(t=0, text=text, words=words))

    def stamp(self, ms: float) -> str:
        """What the service writes on something that it creates at `ms` by our clock."""
        if self.ahead_ms is None:
            return ""
        seconds = (ZERO_MS + ms * (1 + self.skew_ppm / 1e6) + self.ahead_ms) / 1e3
        whole = datetime.fromisoformat("2026-01-01T00:00:00+00:00") + timedelta(seconds=seconds)
        text = whole.strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text[: len(text) - 6 + self.stamp_digits] + "Z"

    # ------------------------------------------------------------------ audio

    def play(self, cuts: list[Cut] | None = None, late: float = 0.0, ack: float = 20.0) -> Builder:
        """Every chunk on time, or `late`; each acknowledged `ack` ms after it was sent."""
        self.entries.append(j.Started(t=ns(0)))
        self.entries.append(j.Connected(t=ns(-100), connection=1, attempt=1, resume_at=0))
        waiting = list(cuts or [])
        sent = acked = recorded = 0
        connection = 1
        pending: list[tuple[float, int]] = []
        size = self.chunk_ms * BYTES_PER_MS
        for k in range(round(self.seconds * 1000 / self.chunk_ms)):
            due = (k + 1) * self.chunk_ms / (self.speed or 1)
            at = due + late
            while waiting and waiting[0].at <= at:
                cut = waiting[0]
                acked = max([acked, *(end for t, end in pending if t <= cut.at)])
                pending = [each for each in pending if each[0] <= cut.at]
                if cut.back > at:
                    break
                waiting.pop(0)
                spoken = k * size
                connection += 1
                self._reconnect(cut, connection, acked, sent, spoken, recorded, ack)
                self.shift_ms = (recorded - acked) / BYTES_PER_MS
                recorded += spoken - acked
                sent = acked = spoken
            self.entries.append(j.Produced(t=ns(at), due=ns(due), offset=k * size, size=size))
            if waiting and waiting[0].at <= at:
                continue
            self._frame(at, connection, sent, size)
            recorded += size
            sent += size
            gone = next((cut.at for cut in waiting if cut.at > at), float("inf"))
            if at + ack <= gone:
                self._ack(at + ack, connection, recorded - size, recorded, sent, at)
                pending.append((at + ack, sent))
        return self

    def _reconnect(
        self,
        cut: Cut,
        connection: int,
        acked: int,
        sent: int,
        spoken: int,
        recorded: int,
        ack: float,
    ) -> None:
        add = self.entries.append
        add(
            j.Lost(
                t=ns(cut.at),
                connection=connection - 1,
                code=1006,
                cause="wire",
                unacked=sent - acked,
            )
        )
        if cut.backoff:
            add(j.Backoff(t=ns(cut.at), until=ns(cut.at + cut.backoff), attempt=1))
        add(j.Connecting(t=ns(cut.at + cut.backoff), connection=connection, attempt=1))
        add(j.Connected(t=ns(cut.back), connection=connection, attempt=1, resume_at=acked))
        self._frame(cut.back, connection, acked, spoken - acked)
        add(j.CaughtUp(t=ns(cut.back + 5), connection=connection))
        end = recorded + spoken - acked
        self._ack(cut.back + ack, connection, recorded, end, spoken, cut.back)

    def _frame(self, at: float, connection: int, offset: int, size: int) -> None:
        self.entries.append(
            j.Frame(t=ns(at), done=ns(at), connection=connection, offset=offset, size=size)
        )

    def _ack(
        self, at: float, connection: int, start: int, end: int, upto: int, sent: float
    ) -> None:
        self.entries.append(
            j.Ack(
                t=ns(at),
                connection=connection,
                start=start,
                end=end,
                upto=upto,
                created_at=self.stamp(sent + (at - sent) * self.up_share),
            )
        )

    # ------------------------------------------------------------------ messages

    def message(
        self,
        at: float,
        body: dict[str, Any],
        connection: int = 1,
        created: float | None = None,
    ) -> Builder:
        """`created`: when the service made it, by our clock."""
        if created is not None:
            body = {**body, "created_at": self.stamp(created)}
        raw = msgspec.Raw(json.dumps(body).encode())
        self.entries.append(j.Received(t=ns(at), connection=connection, body=raw))
        return self

    def transcript(
        self,
        at: float,
        words: list[tuple[str, float, float]],
        *,
        final: bool,
        name: str = "00_00000000",
        connection: int = 1,
        channel: int = 0,
        created: float | None = None,
    ) -> Builder:
        """A partial or final; words as (text, start, end) in ms as the service counts."""
        body = {
            "start": words[0][1] / 1e3,
            "end": words[-1][2] / 1e3,
            "confidence": 0.9,
            "channel": channel,
            "language": "en",
            "text": " " + " ".join(word for word, _, _ in words),
            "words": [
                {"word": " " + w, "start": a / 1e3, "end": b / 1e3, "confidence": 0.9}
                for w, a, b in words
            ],
        }
        data = {"id": name, "is_final": final, "utterance": body}
        return self.message(at, {"type": "transcript", "data": data}, connection, created)

    def speech_end(self, at: float, time: float, created: float | None = None) -> Builder:
        """`time`: where the speech ended, in ms of audio."""
        data = {"time": time / 1e3, "channel": 0}
        return self.message(at, {"type": "speech_end", "data": data}, created=created)

    def finish(
        self,
        at: float,
        *,
        fetched: bool = True,
        post: bool | None = None,
        connection: int = 1,
        text: str = "",
    ) -> Builder:
        """Stop at the end of the audio, end_session at `at`, close 1000, and the result.

        `post`: the final result comes over the connection too; as a rule when it is fetched.
        `text`: the whole transcript in it.
        """
        stop = self.seconds * 1000
        self.entries.append(j.StopAsked(t=ns(stop)))
        self.entries.append(j.StopSent(t=ns(stop), done=ns(stop), connection=connection))
        if fetched if post is None else post:
            result = {
                "metadata": {
                    "audio_duration": self.seconds,
                    "number_of_distinct_channels": 1,
                    "billing_time": self.seconds,
                    "transcription_time": self.seconds,
                },
                "transcription": {"full_transcript": text, "languages": [], "utterances": []},
            }
            self.message(at, {"type": "post_final_transcript", "data": result}, connection)
        self.message(at, {"type": "end_session"}, connection)
        self.entries.append(j.Lost(t=ns(at + 1), connection=connection, code=1000, cause="closed"))
        self.entries.append(j.Ended(t=ns(at + 1), outcome="complete", code=1000))
        if fetched:
            job = {
                "id": "job",
                "request_id": "G-1",
                "version": 2,
                "status": "done",
                "created_at": "2026-01-01T00:00:00.000Z",
            }
            self.entries.append(j.Result(t=ns(at + 10), body=msgspec.Raw(json.dumps(job).encode())))
        self.entries.append(j.Closed(t=ns(at + 20)))
        return self

    # ------------------------------------------------------------------ out

    def ordered(self) -> list[Any]:
        return [self.entries[0], *sorted(self.entries[1:], key=lambda entry: entry.t)]

    def lines(self) -> bytes:
        return b"".join(map(j.encode, self.ordered()))

    def timeline(self) -> Timeline:
        """As read back from its own lines."""
        return Timeline(j.decode_lines(self.lines().splitlines(keepends=True)))
