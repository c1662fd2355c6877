"""The run directory of an hour's session, made up: every chunk sent and acknowledged, ten thousand
words with their partials and finals, ten cuts with audio that was recorded twice.

All of it is drawn from one seed. Offsets and acknowledgements, word times and shifts of the
service's count, what the journal says of the audio and the files themselves fit together as in a
real run, so that the whole judgement is exercised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from speech import Said, Speaker, timed, transcript

from replay import journal as j
from replay.audio import AudioFormat, wav_header
from replay.rundir import JOURNAL, RECORDED, SENT
from replay.wire import messages as m
from replay.wire.http import Job, JobResult

CHUNK_SECONDS = 0.1
FORMAT = AudioFormat()
SIZE = FORMAT.bytes_in(CHUNK_SECONDS)
ZERO = 1.0  # seconds from the journal's origin to the plan's beginning
_BORN = datetime(2026, 11, 24, 9, tzinfo=UTC)
_TOLD_EVERY = 0.3
_ID = "0b6c7b4e-0000-4000-8000-000000000001"


def ns(seconds: float) -> int:
    """Journal time of a moment in seconds from the plan's zero."""
    return round((ZERO + seconds) * 1e9)


@dataclass(frozen=True)
class Span:
    """One connection: when it opened and broke, in seconds of the plan."""

    number: int
    opened: float
    lost: float


@dataclass
class Hour:
    """Collects the entries. `recorded`: the chunks as the service recorded them, in order."""

    seconds: int = 3600
    words: int = 10_000
    cuts: int = 10
    seed: int = 5
    entries: list[j.AnyEntry] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.chunks = round(self.seconds / CHUNK_SECONDS)
        self.spans = list(_spans(self.rng, self.seconds, self.cuts))
        #: When each chunk was first sent, on which connection, and the service's lead there.
        self.sent: dict[int, tuple[float, Span, float]] = {}
        #: When the service said its last word so far: one websocket keeps the order.
        self.told = 0.0

    # ------------------------------------------------------------------ the audio

    def play(self) -> None:
        """Chunks, frames, acknowledgements, losses and recoveries."""
        came = [(k + 1) * CHUNK_SECONDS + self.rng.uniform(2e-5, 4e-4) for k in range(self.chunks)]
        self.entries.append(j.Started(t=ns(0)))
        for k, t in enumerate(came):
            due = ns((k + 1) * CHUNK_SECONDS)
            self.entries.append(j.Produced(t=ns(t), due=due, offset=k * SIZE, size=SIZE))
        acked = 0
        for span in self.spans:
            self._open(span, acked)
            acked = self._connection(span, acked, came)
        for each in range(0, self.seconds, 2):
            self.entries.append(self._resources(each))

    def _open(self, span: Span, acked: int) -> None:
        number, add = span.number, self.entries.append
        if number > 1:
            before = self.spans[number - 2]
            rule = {"rule": number - 2, "fault": "reset", "text": "reset"}
            at = {"connection": number - 1, "trigger": f"{round(before.lost)}s"}
            t, open_ = ns(before.lost), (max(self.sent) + 1 - acked) * SIZE
            add(j.FaultFired(t=t - 200_000, **rule, connection=number - 1, at=at))  # type: ignore[arg-type]
            add(j.Lost(t=t, connection=number - 1, code=1006, cause="wire", unacked=open_))
            add(j.Backoff(t=t, until=ns(span.opened) - 3_000_000, attempt=1))
        add(j.Connecting(t=ns(span.opened) - 2_900_000, connection=number, attempt=1))
        add(
            j.Connected(
                t=ns(span.opened),
                connection=number,
                attempt=1,
                resume_at=acked * SIZE,
                tcp_ns=400_000,
                upgrade_ns=2_000_000,
            )
        )

    def _connection(self, span: Span, acked: int, came: list[float]) -> int:
        """Send from chunk `acked` on, at most at four times the pace of speech; what is acked."""
        sent, behind, told = span.opened, span.number > 1, 0.0
        lead = len(self.recorded) - acked
        for k in range(acked, self.chunks):
            if behind and came[k] > sent + CHUNK_SECONDS / 4:
                behind = False
                self.entries.append(j.CaughtUp(t=ns(sent), connection=span.number))
            at = sent + CHUNK_SECONDS / 4 if behind else came[k] + self.rng.uniform(5e-5, 2e-4)
            if at >= span.lost:
                return acked
            done = at + self.rng.uniform(1e-4, 4e-4)
            sent = at
            self.entries.append(
                j.Frame(t=ns(at), done=ns(done), connection=span.number, offset=k * SIZE, size=SIZE)
            )
            start = len(self.recorded)
            self.recorded.append(k)
            self.sent.setdefault(k, (at, span, lead * CHUNK_SECONDS))
            told = max(told + 1e-5, at + self.rng.uniform(0.015, 0.045))
            if told < span.lost:
                acked = k + 1
                self.entries.append(
                    j.Ack(
                        t=ns(told),
                        connection=span.number,
                        start=start * SIZE,
                        end=(start + 1) * SIZE,
                        upto=acked * SIZE,
                        created_at=stamp(told - 0.012),
                    )
                )
        return acked

    def _resources(self, at: float) -> j.Resources:
        rss = 90_000_000 + self.rng.randrange(4_000_000)
        cpu = round(at * 3e7) + 400_000_000
        return j.Resources(t=ns(at), rss_bytes=rss, fds=23, threads=2, tasks=23, cpu_ns=cpu)

    # ------------------------------------------------------------------ the words

    def talk(self) -> list[m.Utterance]:
        """Partials and finals, and the reference beside the source; the finals."""
        speaker = Speaker(self.rng)
        said: list[list[Said]] = []
        pace = self.seconds / (self.words + self.words / 12)
        at = 0.5
        while sum(map(len, said)) < self.words:
            utterance = []
            for word in speaker.utterance():
                end = at + pace * self.rng.uniform(0.6, 1.2)
                utterance.append(Said(word, round(at, 3), round(end, 3)))
                at = end + 0.01
            said.append(utterance)
            at += pace * self.rng.uniform(0.8, 1.6)
        assert at < self.seconds, "the words do not fit"
        words = [word for utterance in said for word in utterance]
        listed = [j.ReferenceWord(word.text, word.start, word.end) for word in words]
        text = " ".join(word.text for word in words)
        self.entries.append(j.Reference(t=0, text=text, words=listed))
        return [
            self._utterance(n, timed(each, speaker.heard([w.text for w in each])), speaker)
            for n, each in enumerate(said)
        ]

    def _utterance(self, n: int, words: list[Said], speaker: Speaker) -> m.Utterance:
        if not words:
            words = [Said("Yes.", 60.0, 60.2)]
        name, start, end = f"00_{n:08x}", words[0].start, words[-1].end
        lead = self._sent_at(start)[1]
        self._say(start + 0.15, m.SpeechStart(data=m.SpeechTime(time=start + lead)), lasting=False)
        known = start + _TOLD_EVERY
        while known < end + _TOLD_EVERY:
            shown = [word for word in words if word.end <= known]
            if shown:
                low = [self._flickering(word, word is shown[-1], speaker) for word in shown]
                self._say(known, transcript(name, low, lead, final=False), lasting=False)
            known += _TOLD_EVERY
        self._say(end + 0.3, m.SpeechEnd(data=m.SpeechTime(time=end + lead)), lasting=True)
        final = transcript(name, words, lead, final=True)
        self._say(end + 0.32, final, lasting=True)
        return final.data.utterance

    def _flickering(self, word: Said, last: bool, speaker: Speaker) -> Said:
        """As a partial shows a word: plain, and now and then another one."""
        text = word.text.lower().rstrip(".,?!") or word.text
        if self.rng.random() < (0.1 if last else 0.01):
            text = speaker.content()
        return Said(text, word.start, word.end)

    def _say(self, known: float, message: m.Message, *, lasting: bool) -> None:
        """The service tells what it knows once it has the audio up to `known`; what is lost with a
        connection comes again when it is `lasting`."""
        sent, _, span = self._sent_at(known)
        t = self.told = max(self.told + 1e-5, sent + self.rng.uniform(0.06, 0.2))
        if t >= span.lost:
            if not lasting:
                return
            span = self.spans[span.number]
            t = self.told = span.opened + self.rng.uniform(0.02, 0.05)
        self.message(t, message, span)

    def message(self, t: float, message: m.Message, span: Span) -> None:
        message.session_id, message.created_at = _ID, stamp(t - 0.012)
        body = msgspec.Raw(m.encode(message).encode())
        self.entries.append(j.Received(t=ns(t), connection=span.number, body=body))

    def _sent_at(self, seconds: float) -> tuple[float, float, Span]:
        """When the audio up to there was sent, the service's lead, and the connection."""
        k = min(int(seconds / CHUNK_SECONDS), self.chunks - 1)
        at, span, lead = self.sent[k]
        return at, lead, span

    # ------------------------------------------------------------------ beginning and end

    def begin(self) -> None:
        """The header, what was to be done, and the opening of the session."""
        wanted = {"receive_partial_transcripts": True, "receive_lifecycle_events": True}
        self.entries.append(
            j.Header(
                t=0,
                schema=j.SCHEMA,
                replay_version="0.1.0",
                created_at=stamp(-ZERO),
                name="hour",
                source=j.SourceFacts(name="hour.wav", seconds=float(self.seconds)),
                format=j.FormatFacts(encoding="PCM", sample_rate=16000, bit_depth=16, channels=1),
                plan=j.PlanFacts(phase="live", chunk_ns=100_000_000, speed=1.0),
                target=j.TargetFacts(kind="sandbox", url="http://127.0.0.1:1"),
                config={
                    "messages_config": wanted,
                    "language_config": {"languages": ["en"], "code_switching": False},
                },
                seed=self.seed,
            )
        )
        for span in self.spans[:-1]:
            text = f"reset @ {round(span.lost)}s"
            self.entries.append(j.FaultPlanned(t=1, rule=span.number - 1, text=text))
        url = "ws://127.0.0.1:1/v2/live?token=***"
        self.entries.append(
            j.Init(t=ns(-0.05), done=ns(-0.04), attempt=1, status=201, id=_ID, url=url)
        )

    def end(self, finals: list[m.Utterance]) -> None:
        """The stop, the results over the connection and fetched, and the recording."""
        span, over = self.spans[-1], self.seconds + 0.4
        length = len(self.recorded) * CHUNK_SECONDS
        text = " ".join(each.text.strip() for each in finals)
        told = m.Transcription(full_transcript=text, languages=["en"], utterances=finals)
        figures = m.ResultMetadata(
            audio_duration=length,
            number_of_distinct_channels=1,
            billing_time=length,
            transcription_time=length,
        )
        stopped = m.StopAckData(recording_duration=length, recording_left_to_process=0)
        self.entries.append(j.StopAsked(t=ns(self.seconds + 0.001)))
        self.entries.append(
            j.StopSent(
                t=ns(self.seconds + 0.002), done=ns(self.seconds + 0.003), connection=span.number
            )
        )
        self.message(over, m.StopAck(acknowledged=True, data=stopped), span)
        self.message(over + 0.1, m.PostTranscript(data=told), span)
        result = m.FinalResult(metadata=figures, transcription=told)
        self.message(over + 0.2, m.PostFinalTranscript(data=result), span)
        self.message(over + 0.3, m.EndSession(), span)
        self.entries.append(
            j.Lost(t=ns(over + 0.4), connection=span.number, code=1000, cause="closed")
        )
        job = Job(
            id=_ID,
            request_id="G-0b6c7b4e",
            version=2,
            status="done",
            created_at=stamp(0),
            result=JobResult(metadata=figures, transcription=told),
        )
        self.entries.append(j.Result(t=ns(over + 0.5), body=msgspec.Raw(msgspec.json.encode(job))))
        self.entries.append(j.Ended(t=ns(over + 0.5), outcome="complete", code=1000))

    def close(self, recorded_sha256: str) -> None:
        t = ns(self.seconds + 2)
        size = len(self.recorded) * SIZE
        self.entries.append(j.Recorded(t=t, size=size, sha256=recorded_sha256))
        self.entries.append(j.Sessions(t=t, ids=[_ID]))
        self.entries.append(j.Closed(t=t + 1))


def write(directory: Path, hour: Hour) -> None:
    """Make the run directory: `journal.jsonl`, `sent.wav`, `recorded.wav`."""
    hour.begin()
    hour.play()
    finals = hour.talk()
    hour.end(finals)
    sent = np.random.default_rng(hour.seed).integers(0, 256, (hour.chunks, SIZE), dtype=np.uint8)
    (directory / SENT).write_bytes(wav_header(FORMAT, sent.size) + sent.tobytes())
    recorded = sent[hour.recorded].tobytes()
    hour.close(hashlib.sha256(recorded).hexdigest())
    (directory / RECORDED).write_bytes(wav_header(FORMAT, len(recorded)) + recorded)
    ordered = [hour.entries[0], *sorted(hour.entries[1:], key=lambda entry: entry.t)]
    with (directory / JOURNAL).open("wb") as file:
        file.writelines(map(j.encode, ordered))


def stamp(seconds: float) -> str:
    """The wall clock at a moment of the plan, as the service writes it."""
    born = _BORN + timedelta(seconds=ZERO + seconds)
    return born.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _spans(rng: Random, seconds: int, cuts: int) -> Iterator[Span]:
    opened = -0.02
    for number in range(1, cuts + 1):
        lost = float(round(seconds * number / (cuts + 1))) + rng.uniform(0.001, 0.09)
        yield Span(number, opened, lost)
        opened = lost + rng.uniform(0.4, 4.0)
    yield Span(cuts + 1, opened, float("inf"))
