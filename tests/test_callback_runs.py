"""Callbacks of a run: how far behind they are, which are missed, and how long a run waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from click.testing import CliRunner
from journals import Builder, ns

from replay import journal as j
from replay.callbacks import gather
from replay.calling import Calls
from replay.cli import root
from replay.faults import parse_plan
from replay.judge import Case, Outcome, judge
from replay.receiver import Arrival
from replay.recorder import ListRecorder
from replay.repeating import command_line
from replay.rundir import load
from replay.shrinking import options_of
from replay.summary import summarise
from replay.wire import messages as m
from replay.wire import posting

LIFECYCLE = ["start_session", "start_recording", "end_recording", "end_session"]
END = {"type": "end_recording", "data": {"recording_duration": 4.0}}
Plant = Callable[[list[Any]], object]


def told(built: Builder) -> list[tuple[float, dict[str, Any]]]:
    """What comes by callback as it should: ms, and the message."""
    finals = [
        (e.t / 1e6 - 1000, json.loads(bytes(e.body)))
        for e in built.entries
        if isinstance(e, j.Received) and isinstance(e.body, msgspec.Raw)
    ]
    early: list[tuple[float, dict[str, Any]]] = [(-190, {"type": "start_session"})]
    early.append((-90, {"type": "start_recording"}))
    wanted = [(at + 7, body) for at, body in finals if body["type"] != "end_session"]
    return [*early, *wanted, (4605, END), (4607, {"type": "end_session"})]


def run(plant: Plant = len, *, ended: bool = True, fault: str = "", **config: Any) -> Builder:
    """A session of four words, each final by websocket and 7 ms later by callback."""
    built = Builder(config={"callback_config": config}).play()
    for k in range(4):
        built.transcript(
            400 * k + 350, [(f"w{k}", 400 * k, 400 * k + 300)], final=True, name=f"{k}"
        )
    if ended:
        built.finish(4600)
    posts = told(built)
    plant(posts)
    built.entries[0].options = {"callback": True}
    for at, body in posts:
        post = {"id": "job", "event": f"live.{body['type']}", "payload": body}
        raw = msgspec.Raw(json.dumps(post).encode())
        built.entries.append(j.CallbackReceived(t=ns(at), body=raw))
    if fault:
        built.entries.append(j.FaultFired(t=ns(-50), rule=0, text=fault, fault=fault, connection=1))
    return built


def c1(built: Builder) -> Outcome:
    return judge(Case(built.timeline()))["C1"]


def swap(one: int, other: int) -> Plant:
    def plant(posts: list[Any]) -> None:
        (at, first), (later, second) = posts[one], posts[other]
        posts[one], posts[other] = (at, second), (later, first)

    return plant


def test_the_figures_are_what_was_put_in() -> None:
    """Behind the websocket 7 ms, from the end of the words 57; nothing missed, nothing twice."""
    timeline = run().timeline()
    found = summarise(timeline, None).latency.callback
    assert found is not None
    assert (found.behind.min, found.behind.p50, found.behind.max) == (7.0, 7.0, 7.0)
    assert (found.final.n, found.final.p50, found.final.max) == (4, 57.0, 57.0)
    assert (found.missing, found.duplicated, found.out_of_order) == (0, 0, 0)
    assert found.count == 9
    assert c1(run()).state == "pass"
    assert c1(run()).findings == []


def test_a_final_that_never_came_is_no_quick_one() -> None:
    """It stands in the distribution as one that never came."""
    found = summarise(run(lambda posts: posts.pop(3)).timeline(), None).latency.callback
    assert found is not None
    assert (found.final.n, found.final.censored, found.final.max) == (4, 1, None)
    assert found.missing == 1


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (lambda posts: posts.pop(3), "final 1 did not come by callback"),
        (lambda posts: posts.pop(0), "start_session did not come by callback"),
        (lambda posts: posts.pop(), "end_session did not come by callback"),
        (swap(2, 4), "final 1 came by callback after what is told later"),
        (swap(0, 1), "start_session came by callback after what is told later"),
        (swap(-1, -3), "post_final_transcript came by callback after what is told later"),
        (list.clear, "final 0 did not come by callback"),
    ],
)
def test_what_is_missing_or_out_of_order_fails_the_run(plant: Plant, says: str) -> None:
    """Finals, lifecycle and results: an error, which is in the verdict's reasons."""
    summary = summarise(run(plant).timeline(), None)
    errors = [f.detail for f in summary.findings if (f.invariant, f.severity) == ("C1", "error")]
    assert says in errors
    assert (summary.verdict, summary.invariants["C1"]) == ("fail", "fail")
    assert says in summary.reasons


def test_one_that_comes_again_is_a_warning() -> None:
    """They come at least once."""
    found = c1(run(lambda posts: posts.append((4700, posts[2][1]))))
    assert found.state == "pass"
    assert [(f.severity, f.detail) for f in found.findings] == [
        ("warning", "final 0 came by callback 2 times")
    ]


def test_partials_may_be_dropped() -> None:
    """Those that were asked for and did not come are a warning; those not asked for are nothing."""
    for asked, expected in ((True, ["warning"]), (False, [])):
        built = run(receive_partial_transcripts=asked)
        built.transcript(200, [("w", 0, 100)], final=False, name="0")
        assert [each.severity for each in c1(built).findings] == expected
        assert c1(built).state == "pass"


def test_what_is_no_callback_is_told() -> None:
    """Something else that was posted, JSON or not."""
    built = run()
    built.entries.append(j.CallbackReceived(t=ns(100), text="hello"))
    built.entries.append(j.CallbackReceived(t=ns(110), body=msgspec.Raw(b'{"a":1}')))
    assert [each.severity for each in c1(built).findings] == ["warning", "warning"]


def test_without_the_end_nobody_knows() -> None:
    """What has not come by then may still be on its way."""
    assert c1(run(lambda posts: posts.pop(3), ended=False)).state == "unknown"


def test_our_own_fault_is_not_held_against_callbacks() -> None:
    """A message that a fault spoilt on the websocket is not missed."""
    found = c1(run(lambda posts: posts.pop(3), fault="corrupt"))
    assert (found.state, [each.severity for each in found.findings]) == ("pass", ["info"])
    assert c1(run(lambda posts: posts.pop(3), fault="reset")).state == "fail"


def test_journals_without_callbacks_are_as_before() -> None:
    """Not applicable, no figures, and none asked for when it is played again."""
    built = Builder().play().finish(4600)
    timeline = built.timeline()
    assert gather(timeline) is None
    assert c1(built).state == "not applicable"
    assert "--callback" not in command_line(timeline.header, parse_plan([]))
    assert summarise(timeline, None).latency.callback is None


# ------------------------------------------------------------------ waiting


END_RECORDING = m.EndRecording(data=m.RecordingDuration(recording_duration=4.0))


def arrival(message: m.Message) -> Arrival:
    body = posting.callback_body("job", message)
    return Arrival(trio.current_time(), 0.0, "/", body, posting.decode(body))


def calls(**config: Any) -> Calls:
    made = Calls(ListRecorder(), {"callback_config": config})
    made.ask("http://127.0.0.1:1/")
    return made


async def test_a_run_waits_for_the_last_callback_and_no_longer(autojump_clock: object) -> None:
    """Here it comes after 3 s; one that never comes is given 10 s."""
    lifecycle = [m.StartSession(), m.StartRecording(), END_RECORDING, m.EndSession()]
    for taken, seconds in ((4, 3.0), (3, 10.0)):
        waiting = calls()
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiting.wait)
            await trio.sleep(3)
            for message in lifecycle[:taken]:
                waiting.take(arrival(message))
        assert trio.current_time() - begun == seconds


async def test_nothing_owed_is_not_waited_for(autojump_clock: object) -> None:
    """Without lifecycle callbacks the last is the last that the websocket told."""
    waiting = calls(receive_lifecycle_events=False, receive_acknowledgments=True)
    waiting.hear(END_RECORDING)  # not asked for
    begun = trio.current_time()
    await waiting.wait()
    waiting.hear(m.StopAck(acknowledged=True))
    waiting.take(arrival(m.StopAck(acknowledged=True)))
    await waiting.wait()
    assert trio.current_time() == begun


# ------------------------------------------------------------------ as a program


def ask(*arguments: object) -> Any:
    return CliRunner().invoke(root, [str(each) for each in arguments])


def test_a_run_with_callbacks_and_a_fault(tmp_path: Path) -> None:
    """They come past the fault, are in the journal and the report, and it can be had again."""
    out, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text('{"callback_config": {"receive_acknowledgments": true}}')
    source = ("counter", "--duration", "2s", "--config", config, "--out", out)
    box = "--sandbox-option=--recognizer=silent"
    done = ask("run", *source, "--callback", "--fault", "reset @ 1s", box)
    assert done.exit_code in (0, 3), done.output
    assert "latency.callback.behind: n=" in done.output
    assert "latency.callback.missing: 0" in done.output
    timeline = load(out).timeline
    found = gather(timeline)
    assert found is not None
    came = {m.message_type(each.message) for each in found.every if each.came}
    assert came >= {*LIFECYCLE, "audio_chunk", "stop_recording"}
    assert judge(Case(timeline))["C1"].state == "pass"
    assert json.loads(ask("verify", out, "--json").stdout)["invariants"]["C1"]["state"] == "pass"
    assert options_of(timeline.header, None, 0.0).callback
    assert "--callback" in command_line(timeline.header, parse_plan([]))
    assert "url" not in json.dumps(timeline.header.config)


@pytest.mark.parametrize(
    ("config", "arguments", "says"),
    [
        ('{"callback_config": {"url": "http://127.0.0.1:1/"}}', (), "no other URL"),
        ("{}", ("--target", "https://stt.example"), "on this machine"),
    ],
)
def test_where_callbacks_cannot_be_received_is_said(
    config: str, arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    """One line, before anything is started."""
    (tmp_path / "c.json").write_text(config)
    done = ask("run", "counter", "--callback", "--config", tmp_path / "c.json", *arguments)
    assert isinstance(done.exception, Exception)
    assert says in str(done.exception)
