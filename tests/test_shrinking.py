"""`replay shrink`: from a stored run that failed to the one fault that did it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec import structs

from replay import journal as j
from replay.audio import wav_header
from replay.cli import root
from replay.cli.run import command
from replay.errors import UsageError
from replay.faults import Plan, parse_plan, parse_plan_file
from replay.policy import Policy
from replay.repeating import command_line, facts
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.shrinking import Scene, read_failure, shrink_failure, virtual_trial
from replay.simulation import Simulated, Simulation, simulate
from replay.source import SourceSpec
from replay.target import Target

SCRIPT = Script([ScriptWord(f"word{n}", 0.2 + n * 0.5, 0.6 + n * 0.5) for n in range(7)])
DEFECT = "restart-acks"
#: Eight, of which only the reset brings the defect to light.
FAULTS = (
    "hold(up, 200ms) @ 500ms",
    "delay(down, 30ms, 10ms, 300ms) @ 800ms",
    "slice(up, 100, 500ms) @ 1s",
    "reset @ 2153ms",
    "coalesce(up, 2, 500ms) @ 2900ms",
    "throttle(up, 64000/s, 300ms) @ 3s",
    "hold(down, 150ms) @ 3200ms",
    "slice(down, 50, 200ms) @ 3500ms",
)


def spec(faults: Sequence[str] = FAULTS, defect: str = DEFECT) -> Simulation:
    defects = (planted(defect),) if defect else ()
    return Simulation(
        seconds=4.0, script=SCRIPT, plan=parse_plan(faults), settings=Settings(defects=defects)
    )


def store(done: Simulated, path: Path, **options: Any) -> Path:
    """A simulated run as `replay run` would have left it."""
    path.mkdir()
    header, *rest = done.entries
    assert isinstance(header, j.Header)
    header = structs.replace(header, options=options)
    (path / "journal.jsonl").write_bytes(b"".join(map(j.encode, [header, *rest])))
    fmt = done.timeline.format
    (path / "sent.wav").write_bytes(wav_header(fmt, len(done.sent)) + done.sent)
    assert done.recorded is not None
    (path / "recorded.wav").write_bytes(wav_header(fmt, len(done.recorded)) + done.recorded)
    return path


def ask(*arguments: object) -> Any:
    return CliRunner().invoke(root, [str(each) for each in arguments])


def test_eight_faults_shrink_to_the_one_that_matters(tmp_path: Path) -> None:
    """A defect that shows only after a reset is found with that reset alone, at a round place."""
    run = store(simulate(spec()), tmp_path / "run", sandbox=["--defect", DEFECT])
    small = tmp_path / "small.yaml"
    done = ask("shrink", run, "--out", small, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (text,) = found["plan"]
    assert text.startswith("reset")
    assert (found["clock"], len(found["whole"])) == ("virtual", len(FAULTS))
    assert parse_plan_file(small.read_text()).texts == (text,)
    words = shlex.split(found["command"])
    assert words[-3:] == [f"--sandbox-option=--defect={DEFECT}", "--fault", text]
    again = simulate(replace(spec(), plan=parse_plan([text]))).summarise()
    assert set(found["reasons"]) & {each.invariant for each in again.findings}


def test_each_trial_is_told_and_counted(tmp_path: Path) -> None:
    """Nothing is played twice, and what is told is what was played."""
    run = store(simulate(spec()), tmp_path / "run")
    failure = read_failure(run)
    told: list[tuple[int, Plan, bool]] = []
    trial = virtual_trial(failure, Scene(spec().settings, script=SCRIPT))
    assert trial is not None
    shrunk = shrink_failure(
        failure,
        trial,
        virtual=True,
        watch=lambda number, plan, bad: told.append((number, plan, bad)),
    )
    assert shrunk is not None
    assert [number for number, *_ in told] == list(range(1, shrunk.trials + 1))
    assert len({plan for _, plan, _ in told}) == shrunk.trials
    assert (shrunk.plan, True) in [(plan, bad) for _, plan, bad in told]


def test_a_failure_that_does_not_come_again_is_unknown(tmp_path: Path) -> None:
    """Without the defect the plan passes in virtual time: exit 3, and one line says what to do."""
    run = store(simulate(spec()), tmp_path / "run")  # the header does not tell of the defect
    done = ask("shrink", run)
    assert done.exit_code == 3
    assert "does not fail in virtual time; --real" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("faults", "defect", "says"),
    [((), DEFECT, "had no faults"), (("reset @ 2s",), "", "did not fail")],
)
def test_what_cannot_be_shrunk_is_refused(
    tmp_path: Path, faults: tuple[str, ...], defect: str, says: str
) -> None:
    """A run without faults, or without a failure, has nothing to shrink."""
    run = store(simulate(spec(faults, defect)), tmp_path / "run")
    with pytest.raises(UsageError, match=says):
        read_failure(run)


def test_a_restart_is_nothing_for_virtual_time(tmp_path: Path) -> None:
    """A plan that kills the target's process is left to `--real`."""
    run = store(simulate(spec()), tmp_path / "run")
    failure = replace(read_failure(run), plans=(parse_plan(["restart(1s)"]),))
    assert virtual_trial(failure, Scene()) is None


def test_the_command_line_has_everything_that_was_asked_for() -> None:
    """What a header keeps comes out as options that the command line knows."""
    header = simulate(spec()).timeline.header
    options = facts(
        SourceSpec("a b.wav", start=1.5, duration=20.0, loops=None),
        Policy(json_frames=True, ack_timeout=2.0),
        Target("sandbox", sandbox=("--script", "w.json", "--defect=forget")),
    )
    header = structs.replace(
        header,
        options=options,
        seed=7,
        config={"endpointing": 0.3, "language_config": {"languages": ["en"]}},
    )
    words = shlex.split(command_line(header, parse_plan(["reset @ 3s"])))
    assert words[:3] == ["replay", "run", "a b.wav"]
    parsed = command.make_context("run", words[2:]).params
    assert parsed["sandbox_options"] == ("--script=w.json", "--defect=forget")
    assert (float(parsed["start"]), float(parsed["duration"]), parsed["loop"]) == (1.5, 20, None)
    assert (parsed["frames"], float(parsed["ack_timeout"]), parsed["seed"]) == ("json", 2, 7)
    assert (float(parsed["endpointing"]), parsed["languages"]) == (0.3, ("en",))
    assert parsed["faults"] == ("reset @ 3s",)


def test_the_address_of_a_stream_is_not_kept() -> None:
    """It may hold a password, and a stream does not come again."""
    kept = facts(SourceSpec("rtsp://me:secret@camera/1"), Policy(), Target("gladia", "https://x"))
    assert set(kept) == {"policy"}


def test_a_real_run_shrinks(tmp_path: Path) -> None:
    """`replay run` against a sandbox with a defect, then `replay shrink` of what it left."""
    run = tmp_path / "run"
    done = ask(
        *("run", "counter", "--duration", "2s", "--recognizer", "silent", "--out", run),
        *(f"--sandbox-option=--defect={DEFECT}", "--fault", "hold(up, 100ms) @ 300ms"),
        *("--fault", "reset @ 1s", "--json"),
    )
    assert done.exit_code == 1, done.output
    done = ask("shrink", run, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (text,) = found["plan"]
    assert text.startswith("reset")
    assert f"--sandbox-option=--defect={DEFECT}" in found["command"]


def test_a_restart_shrinks_for_real(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--real` plays each plan with processes that are killed and started again: of two faults the
    restart is left, what was tried is told, and the command that comes of it fails like the run.
    What is planted in the sandbox is told once, and by none of its processes."""
    run, small = tmp_path / "run", tmp_path / "small.yaml"
    played = ("run", "counter", "--duration", "1s", "--speed", "8", "--recognizer", "silent")
    planted = f"--sandbox-option=--defect={DEFECT}"
    done = ask(
        *(*played, planted, "--out", run, "--json"),
        *("--fault", "hold(up, 1ms) @ conn#1", "--fault", "restart(1ms) @ conn#1 + byte 16000"),
    )
    assert done.exit_code == 1, done.output
    left = ask("shrink", run)
    assert (left.exit_code, "restarts a process; --real plays" in left.stderr) == (3, True)
    capfd.readouterr()
    done = ask("shrink", run, "--real", "--out", small, "--json")
    assert done.exit_code == 0, done.output
    said = done.stderr.count("planted defects"), capfd.readouterr().err.count("planted defects")
    assert said == (1, 0)
    found = json.loads(done.stdout)
    (text,) = found["plan"]
    assert text.startswith("restart(1ms) @ conn#1 + byte")
    assert (found["clock"], len(found["whole"])) == ("real", 2)
    assert done.stderr.count(" passes  ") + done.stderr.count(" fails   ") == found["trials"]
    again = ask(*shlex.split(found["command"])[1:], "--out", tmp_path / "again", "--json")
    assert again.exit_code == 1, again.output
    # What is planted breaks A3 each time; what else is found hangs on where the kill fell.
    assert "A3" in found["reasons"]
    assert "A3" in {f["invariant"] for f in json.loads(again.stdout)["findings"]}
    assert parse_plan_file(small.read_text()).texts == (text,)
