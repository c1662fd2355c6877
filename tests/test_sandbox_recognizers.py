"""The recognisers: what all must do alike, and what each promises."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from sandboxes import GOOD_DAY, words

from replay.audio import AudioFormat, Encoding
from replay.errors import UsageError
from replay.pcm import to_floats
from replay.sandbox import recognizers
from replay.sandbox.decode import Decoder
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.base import (
    RATE,
    Event,
    Final,
    Heard,
    Partial,
    Recognizer,
    Samples,
    SpeechEnded,
    SpeechStarted,
    StreamSettings,
)
from replay.sandbox.recognizers.moonshine import loops, spread
from replay.sandbox.recognizers.scripted import (
    Manner,
    Script,
    ScriptedRecognizer,
    ScriptWord,
    load_script,
)
from replay.sandbox.recognizers.silent import SilentRecognizer
from replay.sandbox.recognizers.voice import FRAME_SECONDS, Began, Segmenter, Span

WHEEL = find_spec("moonshine_voice")
SPEECH = Path(WHEEL.origin).parent / "assets" if WHEEL and WHEEL.origin else Path()


def speech(name: str, seconds: float) -> Samples:
    """Human speech from the recogniser's wheel, at 16 kHz."""
    with wave.open(str(SPEECH / name)) as file:
        rate = file.getframerate()
        data = file.readframes(round(seconds * rate))
    decoder = Decoder(AudioFormat(sample_rate=rate))
    return np.concatenate([*decoder.feed(data), *decoder.finish()])


def moonshine() -> Recognizer:
    return recognizers.make("moonshine")


def scripted() -> Recognizer:
    spoken = [(f"w{k}", k * 0.5, k * 0.5 + 0.3) for k in range(18)]
    return ScriptedRecognizer(
        Script(words(*spoken)),
        Manner(partial=Spread(0.05, 0.05), final=Spread(0.1, 0.05), flicker=0.3),
    )


async def listen(
    recognizer: Recognizer, audio: Samples, step: float = 0.1, **settings: float | bool
) -> list[Event]:
    """Everything that a stream says about `audio`, handed over in steps."""
    stream = recognizer.stream(StreamSettings(channel=0, **settings))  # type: ignore[arg-type]
    size = round(step * RATE)
    events: list[Event] = []
    for at in range(0, len(audio), size):
        piece = audio[at : at + size]
        heard = Heard(at / RATE, (at + len(piece)) / RATE, piece)
        events += await stream.hear(heard)
        events += await stream.think(0.0)
    return events + await stream.finish()


def check_story(events: list[Event], seconds: float, longest: float) -> None:
    """What holds for any recogniser: see the messages."""
    speaking = False
    open_partial = False
    last_end = 0.0
    for event in events:
        assert event.delay >= 0
        match event:
            case SpeechStarted(time):
                assert not speaking, "speech begins once"
                assert time >= last_end - 0.5, "speech begins after the last one"
                speaking = True
            case SpeechEnded(time):
                assert speaking, "only speech that began ends"
                assert 0 <= time <= seconds
                speaking = False
            case Partial(utterance) | Final(utterance):
                open_partial = isinstance(event, Partial)
                assert 0 <= utterance.start <= utterance.end <= seconds + 0.05
                assert utterance.end - utterance.start <= longest + 0.05, "no longer than allowed"
                assert utterance.text.startswith(" "), "texts begin with a space"
                assert "".join(word.word for word in utterance.words) == utterance.text
                for word in utterance.words:
                    assert utterance.start - 0.01 <= word.start <= word.end
                    assert word.end <= utterance.end + 0.01
                if isinstance(event, Final):
                    assert utterance.start >= last_end - 0.01, "finals do not overlap"
                    last_end = utterance.end
    assert not speaking, "speech that began ends"
    assert not open_partial, "what was shown as partial becomes final"


async def check_recognizer(make: Callable[[], Recognizer], audio: Samples) -> None:
    """Conformance: the story holds at any step, and partials are there only when wanted."""
    recognizer = make()
    await recognizer.prepare()
    try:
        for step, longest, partials in ((0.1, 5.0, True), (0.777, 5.0, False), (30.0, 5.0, True)):
            events = await listen(recognizer, audio, step, longest=longest, partials=partials)
            check_story(events, len(audio) / RATE, longest)
            assert partials or not any(isinstance(event, Partial) for event in events)
        assert await listen(recognizer, audio[:0]) == []
    finally:
        recognizer.close()


async def test_scripted_conforms() -> None:
    """The scripted recogniser keeps to what holds for all."""
    await check_recognizer(scripted, np.zeros(10 * RATE, np.float32))


async def test_silent_conforms() -> None:
    """The silent recogniser keeps to what holds for all."""
    await check_recognizer(SilentRecognizer, np.zeros(10 * RATE, np.float32))


@pytest.mark.local
async def test_moonshine_conforms() -> None:
    """The real recogniser keeps to what holds for all."""
    await check_recognizer(moonshine, speech("two_cities.wav", 8))


@pytest.mark.parametrize(
    "story",
    [
        [SpeechEnded(1.0)],
        [SpeechStarted(1.0)],
        [SpeechStarted(1.0), SpeechStarted(1.1), SpeechEnded(2.0)],
    ],
)
def test_conformance_can_fail(story: list[Event]) -> None:
    """The conformance check refuses stories that do not hold together."""
    with pytest.raises(AssertionError):
        check_story(story, 10, 5)


@pytest.mark.local
@pytest.mark.parametrize(
    ("name", "seconds", "expected"),
    [
        ("two_cities.wav", 9, "it was the best of times it was the worst of times"),
        ("beckett.wav", 10, "ever tried ever failed no matter try again"),
    ],
)
async def test_moonshine_hears_people(name: str, seconds: float, expected: str) -> None:
    """People reading aloud are understood, with partials on the way, at default endpointing."""
    recognizer = moonshine()
    events = await listen(recognizer, speech(name, seconds))
    recognizer.close()
    text = "".join(event.utterance.text for event in events if isinstance(event, Final))
    plain = "".join(c for c in text.lower() if c.isalpha() or c == " ").strip()
    assert plain.startswith(expected)
    assert any(isinstance(event, Partial) for event in events)


@pytest.mark.local
async def test_moonshine_skips_partials_when_behind() -> None:
    """While audio waits, partials are left out and finals are not."""
    recognizer = moonshine()
    stream = recognizer.stream(StreamSettings(channel=0))
    audio = speech("two_cities.wav", 5)
    events: list[Event] = []
    for at in range(0, len(audio), 1600):
        events += await stream.hear(Heard(at / RATE, at / RATE + 0.1, audio[at : at + 1600]))
        events += await stream.think(behind=3.0)
    events += await stream.finish()
    recognizer.close()
    assert not any(isinstance(event, Partial) for event in events)
    assert any(isinstance(event, Final) for event in events)


@pytest.mark.local
async def test_moonshine_shares_its_models() -> None:
    """Streams at the same time each get their own words."""
    recognizer = recognizers.make("moonshine")
    told: dict[str, str] = {}

    async def one(name: str) -> None:
        events = await listen(recognizer, speech(name, 5), partials=False)
        told[name] = "".join(e.utterance.text for e in events if isinstance(e, Final)).lower()

    async with trio.open_nursery() as nursery:
        for name in ("two_cities.wav", "beckett.wav"):
            nursery.start_soon(one, name)
    recognizer.close()
    assert "best of times" in told["two_cities.wav"]
    assert "ever tried" in told["beckett.wav"]


@pytest.mark.local
async def test_moonshine_leaves_clicks_alone() -> None:
    """Noise and a click are no words."""
    recognizer = moonshine()
    noise = np.random.default_rng(1).normal(0, 0.01, 3 * RATE).astype(np.float32)
    noise[RATE : RATE + 100] = 0.9
    events = await listen(recognizer, noise)
    recognizer.close()
    assert not any(isinstance(event, Final) for event in events)


def test_loops_are_seen() -> None:
    """One word four times is a loop; three times is speech."""
    assert loops("its noisy tho Tho tho tho")
    assert not loops("no no no, never")
    assert not loops("")


def test_words_are_spread_by_length() -> None:
    """Words share their utterance by length, in order and without gaps."""
    found = [(word.word, word.start, word.end) for word in spread("a bbb", 1.0, 3.0)]
    assert found == [(" a", 1.0, 1.5), (" bbb", 1.5, 3.0)]


# ------------------------------------------------------------------ scripted

scripts = st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 1)), max_size=30).map(
    lambda gaps: Script(
        [
            ScriptWord(f"w{k}", at := sum(a + b for a, b in gaps[:k]) + gap, at + length)
            for k, (gap, length) in enumerate(gaps)
        ]
    )
)


@given(scripts, st.floats(0.05, 3), st.floats(0.02, 1), st.floats(5, 20))
def test_script_is_said_whole(script: Script, step: float, pause: float, longest: float) -> None:
    """Whatever the pieces, every word of a script comes once, in order, with its own times."""
    end = max((word.end for word in script.words), default=0) + 0.1
    stream = ScriptedRecognizer(script).stream(
        StreamSettings(channel=0, endpointing=pause, longest=longest)
    )

    async def run() -> list[Event]:
        events: list[Event] = []
        at = 0.0
        while at < end:
            events += await stream.hear(Heard(at, at + step))
            at += step
        return events + await stream.finish()

    events = trio.run(run)
    check_story(events, at_least(end, step), longest)
    said = [w for e in events if isinstance(e, Final) for w in e.utterance.words]
    assert [(w.word, w.start, w.end) for w in said] == [
        (f" {w.word}", w.start, w.end) for w in script.words
    ]


def at_least(end: float, step: float) -> float:
    return end + step


async def test_longest_utterance_is_cut() -> None:
    """An utterance at its longest ends between words, without an end of speech."""
    spoken = [(f"w{k}", k * 0.5, k * 0.5 + 0.5) for k in range(16)]
    recognizer = ScriptedRecognizer(Script(words(*spoken)))
    events = await listen(recognizer, np.zeros(9 * RATE, np.float32), partials=False)
    assert [type(event) for event in events] == [SpeechStarted, Final, SpeechEnded, Final]
    finals = [event for event in events if isinstance(event, Final)]
    assert [len(event.utterance.words) for event in finals] == [10, 6]


async def test_script_repeats() -> None:
    """A script can be said again and again, later each time."""
    recognizer = ScriptedRecognizer(GOOD_DAY, Manner(repeat=2.0))
    events = await listen(recognizer, np.zeros(6 * RATE, np.float32))
    starts = [event.utterance.start for event in events if isinstance(event, Final)]
    assert starts == [0.4, 2.4, 4.4]


async def test_seed_decides_everything() -> None:
    """The same seed tells a script in the same way, another in another."""
    audio = np.zeros(10 * RATE, np.float32)
    script = Script(words(*[(f"w{k}", k * 0.5, k * 0.5 + 0.3) for k in range(18)]))

    async def told(seed: int) -> list[Event]:
        manner = Manner(partial=Spread(0.1, 0.1), flicker=0.5, seed=seed)
        return await listen(ScriptedRecognizer(script, manner), audio)

    assert await told(1) == await told(1)
    assert await told(1) != await told(2)


async def test_flicker_never_reaches_finals() -> None:
    """Wrong words come in partials only."""
    recognizer = ScriptedRecognizer(GOOD_DAY, Manner(flicker=1.0))
    events = await listen(recognizer, np.zeros(2 * RATE, np.float32))
    partials = [e.utterance.text for e in events if isinstance(e, Partial)]
    assert partials == [" day.", " Good Good"]
    assert [e.utterance.text for e in events if isinstance(e, Final)] == [" Good day."]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        ("[1", "expected"),
        ('{"words":[{"word":"a","start":1}]}', "end"),
        ('{"words":[{"word":"a","start":-1,"end":0}]}', ">= 0"),
        (json.dumps({"words": [{"word": "a", "start": 2, "end": 1}]}), "ends before it starts"),
    ],
)
def test_bad_scripts(tmp_path: Path, content: str | None, complaint: str) -> None:
    """A script that is none is refused in one line that says why."""
    path = tmp_path / "words.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        load_script(path)
    assert "\n" not in str(caught.value)


def test_unknown_recogniser() -> None:
    """A name that is none is refused with the names there are; a script is asked for."""
    with pytest.raises(UsageError, match="moonshine, scripted, silent"):
        recognizers.make("whisper")
    with pytest.raises(UsageError, match="--script"):
        recognizers.make("scripted")


# ------------------------------------------------------------------ voice


def segments(chances: list[float], **options: float) -> list[Began | Span]:
    given = {"threshold": 0.6, "endpointing": 0.1, "longest": 5.0} | options
    segmenter = Segmenter(**given)
    found: list[Began | Span] = []
    for k, chance in enumerate(chances):
        found += segmenter.feed(chance, float(k % 7))
    return found + list(segmenter.finish())


def test_speech_ends_after_endpointing() -> None:
    """Silence shorter than endpointing does not end an utterance, silence as long does."""
    spoken = [0.9] * 10
    assert segments([*spoken, *[0.1] * 3, *spoken, *[0.1] * 4, *spoken]) == [
        Began(0),
        Span(0, 27, 23, False),
        Began(27),
        Span(27, 37, 37, False),
    ]


def test_hysteresis() -> None:
    """Speech goes on below the probability that began it, and does not begin there."""
    assert segments([0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5]) == [Began(1), Span(1, 7, 7, False)]


@given(st.lists(st.floats(0, 1), max_size=600), st.floats(0.01, 1), st.floats(5, 8))
def test_spans_never_overlap(chances: list[float], endpointing: float, longest: float) -> None:
    """Utterances follow each other, and none is longer than allowed."""
    found = segments(chances, endpointing=endpointing, longest=longest)
    at = 0
    for span in found:
        if isinstance(span, Span):
            assert at <= span.start < span.voiced_end <= span.end
            assert (span.end - span.start) * FRAME_SECONDS <= longest + FRAME_SECONDS
            at = span.end
    assert at <= len(chances)


# ------------------------------------------------------------------ decode


@pytest.mark.parametrize(
    ("fmt", "data", "expected"),
    [
        (AudioFormat(bit_depth=8), b"\x80\x00\xc0", [0, -1, 0.5]),
        (AudioFormat(bit_depth=16), b"\x00\x00\x00\x80\x00\x40", [0, -1, 0.5]),
        (AudioFormat(bit_depth=24), b"\x00\x00\x00\x00\x00\x80\x00\x00\x40", [0, -1, 0.5]),
        (AudioFormat(bit_depth=32), b"\x00\x00\x00\x80\x00\x00\x00\x40", [-1, 0.5]),
    ],
)
def test_pcm_depths(fmt: AudioFormat, data: bytes, expected: list[float]) -> None:
    """Every depth of PCM becomes the same numbers."""
    assert to_floats(data, fmt)[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("encoding", "codec"), [(Encoding.ALAW, "pcm_alaw"), (Encoding.ULAW, "pcm_mulaw")]
)
def test_laws(encoding: Encoding, codec: str) -> None:
    """All 256 codes of both laws decode as another decoder does it."""
    fmt = AudioFormat(encoding, 8000, 8, 1)
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    (frame,) = context.decode(av.Packet(bytes(range(256))))
    expected = frame.to_ndarray()[0] / 32768
    assert to_floats(bytes(range(256)), fmt)[:, 0].tolist() == expected.tolist()


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_resampling(rate: int, channels: int) -> None:
    """A tone at any rate stays that tone, in its own channel, with the right length."""
    fmt = AudioFormat(sample_rate=rate, channels=channels)
    time = np.arange(rate) / rate
    tones = np.stack([np.sin(2 * np.pi * 440 * (k + 1) * time) for k in range(channels)], axis=1)
    data = (tones * 16000).astype("<i2").tobytes()
    decoder = Decoder(fmt)
    size = fmt.bytes_in(0.0313)
    pieces = [decoder.feed(data[at : at + size]) for at in range(0, len(data), size)]
    pieces.append(decoder.finish())
    for channel in range(channels):
        whole = np.concatenate([piece[channel] for piece in pieces])
        assert abs(len(whole) - RATE) <= 20
        spectrum = np.abs(np.fft.rfft(whole[:16000], 16000))
        assert abs(int(spectrum.argmax()) - 440 * (channel + 1)) <= 1
