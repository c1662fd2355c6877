"""Nothing that the language of faults can say goes untried: each kind, each moment and each form of
a rule is in a rule here that fires for real, and V1 finds in the journal that it did."""

from __future__ import annotations

import json
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from random import Random
from typing import get_args, get_type_hints

import pytest
from click.testing import CliRunner
from injected import open_injected
from test_judge_faults import run
from test_proxy_server import proxied
from world import counting, play

from replay import journal as j
from replay.audio import AudioFormat
from replay.cli import root
from replay.errors import Refused
from replay.faults import KINDS, parse
from replay.faults.fired import tally
from replay.faults.moments import MOMENTS, Seen, Wait
from replay.faults.rules import Every, Repeat, Rule
from replay.transport.http import HttpService, open_service

# ------------------------------------------------------------------ what there is to be tried


def said(rule: Rule) -> set[str]:
    """What of the language a rule uses. A wait comes `first`, `+` after another, or behind a
    `then`."""
    found = {f"kind {step.fault.kind}" for step in rule.steps}
    for number, step in enumerate(rule.steps):
        for place, wait in enumerate(step.waits):
            where = "+" if place else "then" if number else "first"
            found.add(f"{where} {type(wait).__name__}")
            if isinstance(wait, Seen):
                found.add(f"moment {wait.name}")
    if len(rule.steps) > 1 and any(not step.waits for step in rule.steps[1:]):
        found.add("then at once")
    if rule.repeat is not None:
        found |= {
            f"repeat {each.name}" for each in fields(Repeat) if _given(rule.repeat, each.name)
        }
        period = rule.repeat.period
        if period is None:
            found.add("repeat by its moment")
        elif isinstance(period, Every) and period.low < period.high:
            found.add("repeat Every, drawn")
        else:
            found.add(f"repeat {type(period).__name__}")
    return found


def _given(repeat: Repeat, name: str) -> bool:
    return getattr(repeat, name) is not None


def language() -> set[str]:
    """All that there is to say, from the tables and types that the parser makes rules of."""
    periods = set(get_args(get_type_hints(Repeat)["period"])) - {type(None)}
    return {
        *(f"kind {name}" for name in KINDS),
        *(f"moment {name}" for name in MOMENTS),
        *(
            f"{where} {wait.__name__}"
            for where in ("first", "+", "then")
            for wait in get_args(Wait)
        ),
        *(f"repeat {each.__name__}" for each in periods),
        *(f"repeat {each.name}" for each in fields(Repeat)),
        "repeat Every, drawn",
        "repeat by its moment",
        "then at once",
    }


# ------------------------------------------------------------------ in virtual time

#: Played by our client for 16 s in virtual time, and survived.
SURVIVED = (
    "reset @ 3s",
    "fin @ audio 4s",
    "halfclose(down) @ byte 64000",
    "blackhole(down, 8s) @ frame 30",
    "hold(up, 1500ms) @ ack#17",
    "throttle(up, 24000/s, 2s) @ partial#4",
    "delay(both, 150ms, 50ms, 2s) @ final#1",
    "slice(down, 7, 2s) @ speech_start#1",
    "coalesce(up, 5, 2s) @ conn#1 + 50ms",
    "cutframe(7) @ conn#1 + byte 64000",
    "reset @ conn#1 + audio 2s",
    "reset @ 3s then refuse(2s)",
    "reset @ 3s then unreachable(2s)",
    "reset @ 3s then mute(2s) @ reconnecting",
    "reset @ 3s then reject(503, none, 2s)",
    "close(1012) @ speech_start#1 + ack#2 + 10ms",
    "close_open(1001) @ 3s",
    "reset @ 3s then accept_then_close(1011, 2)",
    "zero_window(5s) @ audio 4s",
    "loseacks(3) @ ack#10",
    "dupack @ ack#10",
    "regressack @ ack#10",
    "corrupt(json) @ ack#10",
    "oversize @ final#1",
    "slow_http(1s) @ start",
    "slow_http(1s) @ http#1",
    "reset @ between(recorded, ack)#9 then reset @ resend",
    "reset @ between(recorded, ack)#9 then reset @ caught_up",
    "reset @ stop.sent",
    "reset @ stop.acked",
    "reset @ end_recording",
    "reset @ post#1",
    "reset @ every 3s x3",
    "reset @ every 2s..4s x2",
    "reset @ poisson 30/min x2",
    "hold(100ms) @ every 3s until 10s",
    "reset @ conn#1 + 50ms x3",
    "hold(50ms) @ 3s then reset after 300ms",
    "reset @ 3s then reset @ conn + byte 32000",
    "hold(50ms) @ 3s then reset @ byte 32000",
    "hold(50ms) @ 3s then reset @ audio 1s",
)


@pytest.mark.parametrize("text", SURVIVED)
def test_a_rule_fires_and_is_survived(text: str) -> None:
    """The journal has each of its faults, at its moment and felt, and our client lost nothing."""
    found = run(text)
    assert found.invariants["V1"] == "pass"
    assert found.faults.fired >= len(parse(text).steps)
    assert found.verdict == "pass", found.reasons


TWIN = "twin @ 3s"


async def test_a_twin_ends_the_session_of_the_first(autojump_clock: object) -> None:
    """The newest connection wins: ours is closed for good, and the journal has both."""
    async with open_injected(TWIN) as world:
        audio = counting(AudioFormat(), 6.0)
        session = await play(world, audio, recorder=world.recorder, rng=Random(1))
        assert not any(line.missed for line in tally(world.recorder.entries))
        assert [e.code for e in world.recorder.entries if isinstance(e, j.Lost)] == [4409]
        assert session.ended is not None


# ------------------------------------------------------------------ over sockets

#: Of requests that a session does not make by itself: what asks, for each rule.
REQUESTS = {
    f"http_error(503, {name}) @ http.{name}": name
    for name in ("init", "job", "file", "list", "delete")
}


async def ask(service: HttpService, what: str, job_id: str) -> None:
    match what:
        case "init":
            await service.init({}, None)
        case "job":
            await service.job(job_id)
        case "file":
            await service.download(job_id, BytesIO())
        case "list":
            await service.jobs({})
        case "delete":
            await service.delete(job_id)


@pytest.mark.parametrize("text", REQUESTS)
async def test_a_request_meets_what_was_asked_for(text: str) -> None:
    """The first request of its kind is refused to our client, and those of other kinds are not."""
    async with proxied(text) as (url, proxy, recorder), open_service(proxy.url) as service:
        async with open_service(url) as direct:
            job_id = (await direct.init({}, None)).id
        for what in REQUESTS.values():
            try:
                await ask(service, what, job_id)
            except Refused as error:
                refused = error.status == 503
            else:
                refused = False
            assert refused == (what == REQUESTS[text]), what
        assert not any(line.missed for line in tally(recorder.entries))


# ------------------------------------------------------------------ over processes

RESTART = "restart(100ms) @ byte 16000"


def test_a_killed_target_comes_back(tmp_path: Path) -> None:
    """The sandbox's process is killed in the middle and started again: nothing is lost."""
    done = CliRunner().invoke(
        root,
        [
            *("run", "counter", "--duration", "1s", "--speed", "2", "--recognizer", "silent"),
            *("--out", str(tmp_path / "run"), "--json", "--fault", RESTART),
        ],
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["invariants"]["V1"] == "pass"


# ------------------------------------------------------------------ all of it


def test_all_that_can_be_said_is_tried() -> None:
    """What a rule of these tests says, as the parser reads it, is the whole language: a kind, a
    moment or a form that is added needs a rule that fires."""
    tried = [*SURVIVED, TWIN, *REQUESTS, RESTART]
    assert set().union(*(said(parse(text)) for text in tried)) == language()
