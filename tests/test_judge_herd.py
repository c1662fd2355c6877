"""R4 over many sessions: clients that were cut off together, in step or spread out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from msgspec import structs

from replay import journal as j
from replay.audio import NS
from replay.cli.verify import command
from replay.faults import parse_plan
from replay.judge import Case, herd
from replay.judge.herd import Return
from replay.simulation import Simulated, Simulation, simulate

DRAWS = 400


@cache
def played(seed: int) -> Simulated:
    """A client that is cut off twice, its pauses drawn from this seed."""
    plan = parse_plan(["reset @ 1s", "reset @ 2500ms"])
    return simulate(Simulation(seconds=3.5, plan=plan, seed=seed))


def storm(*pauses: float, lost: float = 0.0) -> list[list[Return]]:
    """Sessions that were lost at `lost`, in seconds, and each made one attempt after its pause."""
    return [[Return(round(lost * NS), (round(pause * NS),))] for pause in pauses]


def test_clients_that_draw_alike_are_found() -> None:
    """Twelve of our own clients with the same random numbers, each by itself beyond reproach."""
    found = herd.r4([herd.returns(Case(played(1).timeline))] * 12)
    assert found.state == "fail"
    first, second = found.findings
    assert "12 sessions were cut off together, and 12 made attempt 1 in step" in first.detail
    assert first.at == {"sessions": 12, "attempt": 1, "distance": 0.0}
    assert second.severity == "error"
    assert [each for each in played(1).summarise().findings if each.severity != "info"] == []


def test_clients_that_draw_for_themselves_pass() -> None:
    """Twenty of our own clients, cut off in the same moment, twice."""
    found = herd.r4([herd.returns(Case(played(seed).timeline)) for seed in range(20)])
    assert (found.state, found.findings) == ("pass", [])


def test_too_few_sessions_say_nothing() -> None:
    """Eleven clients in step may be chance, for all that a test without assumptions can say."""
    found = herd.r4(storm(*[1.0] * 11))
    assert found.state == "unknown"
    assert found.why == "11 sessions are too few to tell whether they are spread"
    assert herd.r4(storm(*[1.0] * 12)).state == "fail"
    assert herd.r4(storm(1.0)).state == "not applicable"
    assert herd.r4([]).state == "not applicable"


@pytest.mark.parametrize(("n", "least"), [(12, 0.83), (16, 0.95), (20, 0.98)])
def test_clients_that_are_spread_pass_as_often_as_promised(n: int, least: float) -> None:
    """Evenly over half a second, as full jitter is at first; and they are no herd to it, ever."""
    rng = Random(n)
    states = [herd.r4(storm(*(rng.uniform(0, 0.5) for _ in range(n)))).state for _ in range(DRAWS)]
    assert states.count("pass") >= least * DRAWS
    assert states.count("fail") == 0


@pytest.mark.parametrize("pause", [0.0, 1.0, 30.0])
def test_a_busy_machine_does_not_spread_a_herd(pause: float) -> None:
    """The same pause, give or take what scheduling adds, is the same pause."""
    rng = Random(1)
    found = herd.r4(storm(*(pause + rng.uniform(0, 0.04) for _ in range(12))))
    assert found.state == "fail"


def test_later_attempts_are_judged_too() -> None:
    """A first attempt that was drawn does not excuse a second that was not."""
    rng = Random(3)
    firsts = [rng.uniform(0, 2) for _ in range(20)]
    sessions = [[Return(0, (round(first * NS), 5 * NS))] for first in firsts]
    found = herd.r4(sessions)
    assert found.state == "fail"
    assert [each.at["attempt"] for each in found.findings] == [2]


def test_losses_apart_are_no_storm() -> None:
    """Sessions that were cut off one after another came back one after another."""
    alone = [storm(1.0, lost=2.0 * k)[0] for k in range(20)]
    assert herd.r4(alone).state == "not applicable"
    twice = [
        first + second
        for first, second in zip(storm(*[1.0] * 6), storm(*[1.0] * 6, lost=0.5), strict=True)
    ]
    assert herd.r4(twice).why.startswith("6 sessions")


def test_who_was_asked_to_wait_did_not_choose() -> None:
    """What follows a Retry-After is the service's doing."""
    entries = [*played(1).entries]
    back = next(e for e in entries if isinstance(e, j.Connecting) and e.connection == 2)
    refusal = j.ConnectRefused(
        t=back.t, connection=2, attempt=back.attempt, error="busy", status=503, retry_after=2.0
    )
    asked = Simulated([*entries, refusal], b"", None)
    first = herd.returns(Case(asked.timeline))[0]
    assert len(first.attempts) == 1


def test_verify_judges_a_storm(tmp_path: Path) -> None:
    """One more verdict after those of the runs; theirs are what they were."""
    paths = []
    for k in range(12):
        run = played(1)
        path = tmp_path / str(k)
        path.mkdir()
        header = run.entries[0]
        assert isinstance(header, j.Header)
        late = structs.replace(header, created_at=f"2026-01-01T00:00:00.{k:03d}Z")
        lines = map(j.encode, [late, *run.entries[1:]])
        (path / "journal.jsonl").write_bytes(b"".join(lines))
        paths.append(str(path))
    found = CliRunner().invoke(command, [*paths, "--json"])
    *each, last = map(json.loads, found.stdout.splitlines())
    assert {one["invariants"]["R4"]["state"] for one in each} == {"not applicable"}
    assert (last["runs"], last["verdict"]) == (12, "fail")
    assert last["invariants"]["R4"]["state"] == "fail"
    assert found.exit_code == 1
    shown = CliRunner().invoke(command, paths).stdout
    assert "run: 12 runs together" in shown
    assert "made attempt 1 in step" in shown
    fewer = CliRunner().invoke(command, [*paths[:3], "--json"]).stdout.splitlines()
    assert json.loads(fewer[-1])["invariants"]["R4"]["state"] == "unknown"
