"""Opening a session: what is refused before it is asked, what is asked again, and when."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import IO, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from replay import journal as j
from replay.client import open_session
from replay.errors import (
    ConfigError,
    ConnectFailed,
    ProtocolViolation,
    Refused,
    ReplayError,
    TransportError,
)
from replay.opening import init, request_body
from replay.recorder import ListRecorder
from replay.session import Policy
from replay.transport import Wire
from replay.transport.retry_after import retry_after
from replay.wire.http import InitAnswer, Job

ANSWER = InitAnswer(id="job", url="ws://h/v2/live?token=token-secret")


class Middle(Random):
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class Answers:
    """A service that answers the POST with one thing after another, the last one for ever."""

    def __init__(self, *answers: ReplayError | InitAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []
        self.bodies: list[Mapping[str, Any]] = []

    async def init(self, body: Mapping[str, Any], region: str | None) -> InitAnswer:
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        self.bodies.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ReplayError):
            raise answer
        return answer

    def dial(self, url: str, deadline: float) -> AbstractAsyncContextManager[Wire]:
        raise AssertionError("no session was opened")

    async def job(self, job_id: str) -> tuple[bytes, Job]:
        raise AssertionError("no session was opened")

    async def download(self, job_id: str, into: IO[bytes]) -> int:
        raise AssertionError("no session was opened")


def refused(status: int, wait: float | None = None) -> Refused:
    return Refused(f"no ({status})", status=status, request_id="G-1", retry_after=wait)


async def ask(
    service: Answers, policy: Policy | None = None
) -> tuple[InitAnswer | ReplayError, list[j.Init]]:
    """What came of it, and what was put down."""
    recorder = ListRecorder()
    came: InitAnswer | ReplayError
    try:
        came = await init(service, {}, None, policy or Policy(), Middle(), recorder)
    except ReplayError as error:
        came = error
    entries = [entry for entry in recorder.entries if isinstance(entry, j.Init)]
    assert len(entries) == len(service.asked)
    return came, entries


# ------------------------------------------------------------------ the configuration


def test_every_problem_is_named_with_what_is_allowed() -> None:
    """One refusal names all that is wrong, each with its rule, before anything is sent."""
    with pytest.raises(ConfigError) as caught:
        request_body(
            {
                "sample_rate": 22050,
                "endpointing": 0,
                "langauge_config": {},
                "language_config": {"languages": ["en", "en-US"]},
                "realtime_processing": {"translation_config": {"target_languages": []}},
            }
        )
    said = str(caught.value)
    assert "\n" not in said
    for field, rule in (
        ("sample_rate", "must be one of 8000, 16000, 32000, 44100, 48000"),
        ("endpointing", "must not be less than 0.01"),
        ("langauge_config", "is unknown"),
        ("language_config.languages[1]", "must be one of af, am"),
        ("realtime_processing.translation_config.target_languages", "at least 1 item"),
    ):
        assert rule in said[said.index(f'"{field}"') :].partition("; ")[0]


@pytest.mark.parametrize(
    "config",
    [
        {"sample_rate": 16000.0},
        {"bit_depth": True},
        {"channels": 0},
        {"channels": 1.0},
        {"endpointing": float("nan")},
        {"encoding": ["wav/pcm"]},
        {"encoding": "wav/alaw"},
        {"messages_config": None},
        {"custom_metadata": {"text": "x" * 2000}},
        {"callback_config": {"url": 5}},
        {"region": "us-west"},
    ],
)
async def test_a_refused_configuration_is_never_sent(config: dict[str, Any]) -> None:
    """What the service would refuse is one error of ours, and no request is made."""
    service = Answers(ANSWER)
    with pytest.raises(ConfigError):
        async with open_session(service, config):
            raise AssertionError("there is no session")
    assert service.asked == []


def test_acknowledgements_are_always_asked_for() -> None:
    """Recovery stands on them; the rest of the configuration goes as it was given."""
    given = {"messages_config": {"receive_acknowledgments": False, "receive_errors": False}}
    body = request_body({**given, "endpointing": 0.5})
    assert body == {
        "endpointing": 0.5,
        "messages_config": {"receive_acknowledgments": True, "receive_errors": False},
    }
    assert given["messages_config"]["receive_acknowledgments"] is False
    assert request_body({}) == {"messages_config": {"receive_acknowledgments": True}}


# ------------------------------------------------------------------ the request


async def test_the_answer_is_put_down_without_its_token(autojump_clock: None) -> None:
    """The journal has the session's id and its URL, not the secret in it."""
    came, entries = await ask(Answers(ANSWER))
    assert came is ANSWER
    assert (entries[0].status, entries[0].id) == (201, "job")
    assert entries[0].url == "ws://h/v2/live?token=***"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_a_refusal_stops_at_once(autojump_clock: None, status: int) -> None:
    """The service's message and request id are what the caller gets, after one request."""
    service = Answers(refused(status))
    came, entries = await ask(service)
    assert came is service.answers[0]
    assert len(service.asked) == 1
    assert (entries[0].status, entries[0].request_id) == (status, "G-1")
    assert entries[0].error == f"no ({status})"


async def test_retry_after_is_honoured(autojump_clock: None) -> None:
    """No request before the time that the service asked for."""
    service = Answers(refused(429, 7.0), refused(503, 20.0), ANSWER)
    came, _ = await ask(service)
    assert came is ANSWER
    assert service.asked == [0, 7.25, 7.25 + 20.5]


async def test_server_errors_are_tried_again_for_as_long_as_an_outage_may_last(
    autojump_clock: None,
) -> None:
    """5xx: with full jitter up to the cap, then the last answer is raised."""
    service = Answers(refused(500))
    came, entries = await ask(service, Policy(give_up_after=30.0))
    assert isinstance(came, Refused)
    waits = [b - a for a, b in zip(service.asked, service.asked[1:], strict=False)]
    assert waits[:6] == [0.25, 0.5, 1, 2, 4, 4]
    assert 26 <= service.asked[-1] <= 30
    assert [entry.attempt for entry in entries] == list(range(1, len(entries) + 1))


async def test_a_wait_beyond_the_limit_is_not_waited(autojump_clock: None) -> None:
    """A service that asks for an hour is reported at once."""
    came, _ = await ask(Answers(refused(429, 3600.0)))
    assert isinstance(came, Refused)
    assert trio.current_time() == 0


async def test_a_lost_answer_is_not_asked_for_again(autojump_clock: None) -> None:
    """A request that may have arrived could have opened a session: never a second one."""
    came, entries = await ask(Answers(TransportError("POST /v2/live: no answer in time")))
    assert isinstance(came, TransportError)
    assert len(entries) == 1
    assert "no answer in time" in entries[0].error


async def test_an_answer_that_is_none_is_not_asked_for_again(autojump_clock: None) -> None:
    """A 201 that cannot be read opened a session all the same."""
    came, entries = await ask(Answers(ProtocolViolation("the answer breaks the protocol")))
    assert isinstance(came, ProtocolViolation)
    assert len(entries) == 1


async def test_an_unreachable_target_is_tried_three_times(autojump_clock: None) -> None:
    """A wrong address is heard of soon."""
    service = Answers(ConnectFailed("cannot connect to h: connection refused"))
    came, _ = await ask(service)
    assert isinstance(came, ConnectFailed)
    assert service.asked == [0, 0.25, 0.75]


async def test_an_untrusted_certificate_is_heard_of_at_once(autojump_clock: None) -> None:
    """It will not be trusted the next time either."""
    service = Answers(ConnectFailed("no TLS", status=495))
    await ask(service)
    assert len(service.asked) == 1


# ------------------------------------------------------------------ Retry-After

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Sun, 01 Mar 2026 12:01:00", 60.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    """Both forms of RFC 9110 are read; anything else says nothing, and nothing is negative."""
    assert retry_after(value, NOW) == seconds


@given(st.one_of(st.text(max_size=40), st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \S*")))
def test_no_retry_after_raises(value: str) -> None:
    """Whatever a server writes there: a time, or nothing."""
    waited = retry_after(value, NOW)
    assert waited is None or waited >= 0
