"""Sessions with add-ons: what they say, when, and what becomes of it in the result."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schema
import trio
import trio.testing
from sandboxes import ALL, SECOND, Client, join, sandbox, scripted, words
from test_sandbox_recognizers import SPEECH as FILES
from test_sandbox_restart import lived_through
from test_sandbox_schema import Reader, job_of, place, web
from test_sandbox_schema import join as read

from replay.audio import HEADER_BYTES, AudioFormat
from replay.sandbox import processing, result
from replay.sandbox.addons.entities import recognise
from replay.sandbox.addons.summary import summarise
from replay.sandbox.hub import Entry
from replay.sandbox.recognizers import make
from replay.sandbox.recognizers.base import Final
from replay.sandbox.recognizers.scripted import Script
from replay.wire import messages as m
from replay.wire import posting
from replay.wire.config import complete

SPEECH = Script(
    [
        *words(("I", 0.1, 0.2), ("love", 0.2, 0.4), ("gladya,", 0.4, 0.7), ("Peter.", 0.7, 1.0)),
        *words(("It", 1.5, 1.6), ("costs", 1.6, 1.8), ("ten", 1.8, 2.0), ("dollars.", 2.0, 2.4)),
    ]
)
EVERYTHING: dict[str, Any] = {
    "language_config": {"languages": ["en"]},
    "realtime_processing": {
        "custom_vocabulary": True,
        "custom_vocabulary_config": {"vocabulary": ["Gladia"]},
        "custom_spelling": True,
        "custom_spelling_config": {"spelling_dictionary": {"Pyotr": ["peter"]}},
        "translation": True,
        "translation_config": {"target_languages": ["de", "fr"]},
        "named_entity_recognition": True,
        "sentiment_analysis": True,
    },
    "post_processing": {
        "summarization": True,
        "summarization_config": {"type": "concise"},
        "chapterization": True,
    },
}
EACH = ["translation", "translation", "named_entity_recognition", "sentiment_analysis"]
ENVELOPES = ("translation", "summarization", "named_entity_recognition", "sentiment_analysis")


async def session(body: dict[str, Any], script: Script = SPEECH) -> tuple[Reader, schema.Job]:
    """A session of three seconds, its messages and its job held against the reference."""
    async with place(script) as (box, client, nursery):
        entry = box.init({"endpointing": 0.2, **body})
        reader = await read(nursery, entry)
        await reader.say(bytes(3 * SECOND), m.STOP_RECORDING)
        await trio.sleep(5)
        job = await job_of(client, entry)
    assert job.status == "done"
    assert reader.closed == (1000, "")
    return reader, job


async def test_everything_on(autojump_clock: trio.testing.MockClock) -> None:
    """Behind each final comes what every add-on has to say of it, and behind the last transcript
    the summary; chapters, which the service has given up, come to nothing."""
    reader, job = await session(EVERYTHING)
    assert [kind for kind in reader.kinds() if kind not in ("speech_start", "speech_end")] == [
        "stop_recording",
        *("transcript", *EACH),
        *("transcript", *EACH),
        *("post_transcript", "post_summarization", "post_final_transcript"),
    ]
    assert reader.finals() == [" I love Gladia, Pyotr.", " It costs ten dollars."]
    assert [t.error.status_code for t in reader.all(m.Translation)] == [501] * 4
    named = [[e.entity_type for e in n.data.results] for n in reader.all(m.NamedEntities)]
    assert named == [[], ["MONEY"]]
    felt = [[s.sentiment for s in n.data.results] for n in reader.all(m.Sentiment)]
    assert felt == [["positive"], ["neutral"]]
    ids = [t.data.id for t in reader.all(m.Transcript)]
    assert [n.data.utterance_id for n in reader.all(m.NamedEntities)] == ids
    assert [n.data.utterance_id for n in reader.all(m.Sentiment)] == ids
    (told,) = reader.all(m.PostSummarization)
    assert told.data.results == "I love Gladia, Pyotr."
    (final,) = reader.all(m.PostFinalTranscript)
    for found in (final.data, job.result):
        check_envelopes(found)


def check_envelopes(found: Any) -> None:
    assert (found.translation.success, found.translation.is_empty) == (False, True)
    assert found.translation.error.exception == "NoTranslationModel"
    assert found.summarization.success
    assert found.summarization.results == "I love Gladia, Pyotr."
    assert found.named_entity_recognition.success
    (entity,) = msgspec.to_builtins(found.named_entity_recognition.results)
    assert (entity["entity_type"], entity["text"], entity["end"]) == ("MONEY", "ten dollars", 2.4)
    felt = json.loads(found.sentiment_analysis.results)
    assert [each["sentiment"] for each in felt] == ["positive", "neutral"]
    assert found.transcription.full_transcript == "I love Gladia, Pyotr. It costs ten dollars."


async def test_partials_are_corrected(autojump_clock: trio.testing.MockClock) -> None:
    """Partials are written as the finals will be, and no add-on speaks of them."""
    async with sandbox(scripted(SPEECH)) as box, trio.open_nursery() as nursery:
        client = await join(nursery, box.init({**ALL, **EVERYTHING, "endpointing": 0.2}))
        for _ in range(9):
            await client.say(bytes(SECOND // 10))
        assert client.partials()[-1] == " I love Gladia,"
        assert not client.all(m.NamedEntities)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("group", "silenced"),
    [
        ("receive_realtime_processing_events", set(EACH)),
        ("receive_post_processing_events", {"post_summarization"}),
    ],
)
async def test_gated(
    group: str, silenced: set[str], autojump_clock: trio.testing.MockClock
) -> None:
    """Who does not want the messages of add-ons finds what they came to in the result."""
    reader, job = await session({**EVERYTHING, "messages_config": {group: False}})
    assert not silenced & set(reader.kinds())
    assert {*EACH, "post_summarization"} - silenced <= set(reader.kinds())
    check_envelopes(job.result)


async def test_nothing_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    """Without add-ons there is no message and no place in the result for them, and a configuration
    of one that is switched off changes nothing."""
    off = {**EVERYTHING["realtime_processing"], "post_processing": {}}
    off = {name: value for name, value in off.items() if name.endswith("_config")}
    reader, job = await session({"realtime_processing": off})
    assert not {*EACH, "post_summarization"} & set(reader.kinds())
    assert reader.finals()[0] == " I love gladya, Peter."
    for name in ENVELOPES:
        assert getattr(job.result, name) is msgspec.UNSET


async def test_nothing_said(autojump_clock: trio.testing.MockClock) -> None:
    """Of a session without speech every add-on says that there is nothing."""
    reader, job = await session(EVERYTHING, Script([]))
    (told,) = reader.all(m.PostSummarization)
    assert (told.error, told.data.results) == (None, "")
    assert job.result is not None
    for name in ENVELOPES:
        envelope = getattr(job.result, name)
        assert (envelope.success, envelope.is_empty) == (name != "translation", True)
    assert json.loads(msgspec.to_builtins(job.result.sentiment_analysis)["results"]) == []


def broken(*_arguments: Any) -> Any:
    raise ZeroDivisionError("planted")


@pytest.mark.parametrize(
    ("where", "kind", "envelope"),
    [
        ("entities.recognise", m.NamedEntities, "named_entity_recognition"),
        ("sentiment.analyse", m.Sentiment, "sentiment_analysis"),
        ("summary.summarise", m.PostSummarization, "summarization"),
    ],
)
async def test_one_breaks_down(
    where: str,
    kind: type,
    envelope: str,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An add-on that breaks down says so in its own messages and its own place in the result, once
    in the log, and everything else is as ever."""
    monkeypatch.setattr(f"replay.sandbox.processing.{where}", broken)
    reader, job = await session(EVERYTHING)
    for message in reader.all(kind):
        assert message.data is None
        assert message.error.exception == "ZeroDivisionError"
    for name in set(ENVELOPES) - {"translation"}:
        found = getattr(job.result, name)
        assert found.success is (name != envelope)
        assert (found.error is not None) is (name == envelope)
    assert len([r for r in caplog.records if "planted" in r.getMessage()]) == 1
    kinds = set(reader.kinds())
    assert {*EACH, "post_summarization", "post_final_transcript"} <= kinds


@pytest.mark.parametrize("which", ["Vocabulary", "Spelling"])
async def test_corrections_break_down(
    which: str, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction that breaks down leaves the words as they were heard, or as the other one
    wrote them."""
    monkeypatch.setattr(getattr(processing, which), "apply", broken)
    reader, _ = await session(EVERYTHING)
    written = {"Vocabulary": " I love gladya, Pyotr.", "Spelling": " I love Gladia, Peter."}
    assert reader.finals()[0] == written[which]


async def test_large_work_runs_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long runs in a thread, and comes to the same."""
    threads: set[int] = set()

    def spied(utterance: m.Utterance) -> list[m.NamedEntity]:
        threads.add(threading.get_ident())
        return recognise(utterance)

    monkeypatch.setattr(processing.entities, "recognise", spied)
    word = m.Word(word=" gladya", start=1.0, end=1.2, confidence=0.9)
    heard = m.Utterance(
        start=1.0, end=1.2, confidence=0.9, channel=0, words=[word], text=" gladya", language="en"
    )
    addons = processing.Processing("a session", complete(EVERYTHING))

    async def everything() -> Any:
        corrected = await addons.correct(Final(heard))
        assert isinstance(corrected, Final)
        results = await addons.sum_up([corrected.utterance])
        for name in ENVELOPES:
            getattr(results, name).exec_time = 0.0
        return corrected, await addons.messages("00_00000000", corrected.utterance), results

    small = await everything()
    assert small[0].utterance.text == " Gladia"
    assert threads == {threading.get_ident()}
    monkeypatch.setattr(processing, "_MANY", 0)
    monkeypatch.setattr(processing, "_LONG", 0)
    assert await everything() == small
    assert len(threads) > 1


def test_listen_says_what_they_found() -> None:
    """A receiver of callbacks shows what each add-on came to, or why it failed."""
    said = m.Utterance(
        start=0.0, end=1.0, confidence=0.9, channel=0, words=[], text=" Hallo.", language="de"
    )
    name = {"utterance_id": "00_00000000", "utterance": said}
    found = [
        m.NamedEntity(entity_type="MONEY", text="ten dollars", start=0.0, end=1.0),
        m.NamedEntity(entity_type="NAME_GIVEN", text="Peter", start=0.0, end=1.0),
    ]
    felt = m.SentimentSpan(
        sentiment="mixed", emotion="neutral", text="", start=0.0, end=1.0, channel=0
    )
    translated = m.TranslationData(
        **name, original_language="en", target_language="de", translated_utterance=said
    )
    shown = [
        (m.Translation(error=m.MessageError(message="no model")), "failed: no model"),
        (m.Translation(data=translated), "de  Hallo."),
        (
            m.NamedEntities(data=m.NamedEntitiesData(**name, results=found)),
            "ten dollars (MONEY), Peter (NAME_GIVEN)",
        ),
        (m.NamedEntities(data=m.NamedEntitiesData(**name, results=[])), "nothing"),
        (m.Sentiment(data=m.SentimentData(**name, results=[felt, felt])), "mixed, mixed"),
        (m.Sentiment(error=m.MessageError(message="broken")), "failed: broken"),
        (m.PostSummarization(data=m.SummaryText(results="It was good.")), "It was good."),
        (m.PostSummarization(data=m.SummaryText(results="")), "nothing"),
    ]
    command = [sys.executable, "-m", "replay", "listen", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = json.loads(program.stdout.readline())["url"]
        with httpx.Client(trust_env=False) as client:
            for message, _ in shown:
                client.post(url, content=posting.callback_body("7", message))
        lines = [program.stdout.readline().rstrip("\n").split("  ", 2)[1:] for _ in shown]
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0
    assert lines == [[f"live.{m.message_type(message)}", text] for message, text in shown]


# ------------------------------------------------------------------ the longest session

EVERY_WORD = (
    "I hate it. Peter paid ten dollars. Anna Miller loves it. At noon call Dr. Smith!".split()
)


class Weighing(Client):
    """A client that knows how large its largest message was."""

    largest = 0

    async def send(self, text: str) -> None:
        self.largest = max(self.largest, len(text.encode()))
        await super().send(text)


async def test_three_hours(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every add-on on, no message of the longest session is over 1 MiB; the last one has the
    first of what was found, and the job has it all."""
    monkeypatch.setattr(processing, "_LONG", 1e9)  # virtual time waits for no thread
    said = [EVERY_WORD[n % len(EVERY_WORD)] for n in range(48)]
    script = Script(words(*((word, n * 0.4, n * 0.4 + 0.3) for n, word in enumerate(said))))
    fmt = AudioFormat(sample_rate=8000, bit_depth=8)
    async with (
        sandbox(scripted(script, repeat=19.5)) as box,
        web(box) as routes,
        trio.open_nursery() as nursery,
    ):
        body = {"bit_depth": 8, "sample_rate": 8000, "endpointing": 0.3, **EVERYTHING}
        entry = box.init(body)
        client = Weighing()
        nursery.start_soon(entry.live.serve, client)
        for _ in range(3 * 60):
            await client.say(fmt.silence(fmt.bytes_in(60)))
        await trio.sleep(1)
        job = schema.job((await routes.get(f"/v2/live/{entry.live.id}")).content)
    assert client.closed == (1000, "")
    assert 900_000 < client.largest <= schema.MESSAGE_BYTES
    assert job.result is not None
    (final,) = client.all(m.PostFinalTranscript)
    assert final.data.transcription.full_transcript == job.result.transcription.full_transcript
    assert len(client.all(m.NamedEntities)) == len(client.finals()) > 2000
    for name in ("named_entity_recognition", "sentiment_analysis"):
        whole = msgspec.to_builtins(getattr(job.result, name))["results"]
        part = getattr(final.data, name).results
        if name == "sentiment_analysis":
            whole, part = json.loads(whole), json.loads(part)
        else:
            spoken = [e for n in client.all(m.NamedEntities) for e in n.data.results]
            assert whole == msgspec.to_builtins(spoken)
        assert 1000 < len(part) < len(whole)
        assert part == whole[: len(part)]


def test_results_that_no_message_holds() -> None:
    """Whatever add-ons found and however it is written, the last messages can be taken by every
    client."""
    text = '"\\" \x01 caf\u00e9 ' * 3
    span = m.SentimentSpan(
        sentiment="neutral", emotion="neutral", text=text, start=1.0, end=2.0, channel=0
    )
    found = msgspec.to_builtins([span] * 50_000)
    envelope = m.AddonResult(success=True, is_empty=False, exec_time=1.0, results=found)
    addons = m.AddonResults(
        summarization=m.AddonResult(
            success=True, is_empty=False, exec_time=0.0, results=summarise("\x01" * 90_000)
        ),
        named_entity_recognition=envelope,
        sentiment_analysis=envelope,
    )
    word = m.Word(word=" caf\u00e9", start=1.0, end=2.0, confidence=0.5)
    utterance = m.Utterance(
        start=1.0, end=2.0, confidence=0.5, channel=0, words=[word] * 9, text=text, language="en"
    )
    facts = result.metadata(AudioFormat(), 10_800.0, 1.0)
    whole = result.transcription([utterance] * 50_000)
    sizes = [len(m.encode(each).encode()) for each in result.last_messages(whole, facts, addons)]
    assert 900_000 < max(sizes) <= 1_000_200


@pytest.mark.local
async def test_real_recognition() -> None:
    """What is really heard is spelled, judged and summed up, and marked with the language that it
    was understood as, whatever was asked for."""
    audio = (FILES / "beckett.wav").read_bytes()[HEADER_BYTES:]
    body = {
        "language_config": {"languages": ["de"]},
        "endpointing": 0.3,
        "realtime_processing": {
            "custom_spelling": True,
            "custom_spelling_config": {"spelling_dictionary": {"EVER": ["ever"]}},
            "named_entity_recognition": True,
            "sentiment_analysis": True,
        },
        "post_processing": {"summarization": True},
    }
    async with sandbox(make("moonshine")) as box, trio.open_nursery() as nursery:
        entry = box.init(body)
        client = await join(nursery, entry)
        await client.say(audio, m.STOP_RECORDING)
        with trio.fail_after(60):
            while client.closed is None:  # noqa: ASYNC110 - the client is a plain record
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    (final,) = client.all(m.PostFinalTranscript)
    assert final.data.transcription.languages == ["en"]
    assert "EVER tried" in final.data.transcription.full_transcript
    assert {n.error for n in [*client.all(m.NamedEntities), *client.all(m.Sentiment)]} == {None}
    assert len(client.all(m.Sentiment)) == len(client.finals()) > 0
    felt = json.loads(final.data.sentiment_analysis.results)
    assert "negative" in {each["sentiment"] for each in felt}
    told = final.data.summarization.results
    assert told
    assert set(told.split()) <= set(final.data.transcription.full_transcript.split())


# ------------------------------------------------------------------ deaths of the sandbox

ADDONS = {
    "realtime_processing": {
        "named_entity_recognition": True,
        "sentiment_analysis": True,
        "translation": True,
        "translation_config": {"target_languages": ["de"]},
    },
    "post_processing": {"summarization": True},
}


async def test_death_at_any_moment(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """Wherever the sandbox dies, each add-on speaks once of each utterance."""
    expected = await lived_through(tmp_path / "undisturbed", [], **ADDONS)
    for kind in ("translation", "named_entity_recognition", "sentiment_analysis"):
        assert len([text for text in expected[0] if f'"type":"{kind}"' in text]) == 5
    for step in range(2, 46, 3):
        at = step * 0.1 + 0.03
        assert await lived_through(tmp_path / f"{at}", [at], **ADDONS) == expected, f"killed {at}"


@pytest.mark.parametrize("lost", range(9))
async def test_death_between_two_messages(
    lost: int, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """When the sandbox died with only some of an utterance's messages on record, the others follow
    after the restart, and none comes twice."""

    def told(client: Client) -> list[str]:
        return [kind for kind in client.kinds() if kind in {"transcript", *EACH}]

    async def first(entry: Entry, nursery: trio.Nursery) -> None:
        client = await join(nursery, entry, reading=False)
        await client.say(bytes(3 * SECOND))
        client.hang_up()
        client.read_on()
        await trio.sleep(1)

    async with sandbox(scripted(SPEECH), data=tmp_path) as box, trio.open_nursery() as nursery:
        entry = box.init({"endpointing": 0.2, **ADDONS})
        await first(entry, nursery)
        nursery.cancel_scope.cancel()
    path = tmp_path / entry.live.id / "messages.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    spoken = [line for line in lines if b'"speech_' not in line]
    assert len(spoken) == 8
    others = [line for line in lines if b'"speech_' in line]
    path.write_bytes(b"".join([*others, *spoken[: len(spoken) - lost]]))
    async with sandbox(scripted(SPEECH), data=tmp_path) as box, trio.open_nursery() as nursery:
        entry = box.find(entry.live.id)
        client = await join(nursery, entry)
        await client.stop()
        await trio.sleep(1)
        once = ["transcript", *EACH[1:]]
        assert sorted(told(client)) == sorted(2 * once)
        ids = [n.data.utterance_id for n in client.all(m.Sentiment)]
        assert ids == ["00_00000000", "00_00000001"]
        nursery.cancel_scope.cancel()
