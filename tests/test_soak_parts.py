"""The parts of a soak: what it plays, what it keeps, its sandbox, and how parts add up."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from played_soaks import session

from replay.audio import AudioFormat, Chunk, wav_header
from replay.endurance.outcome import Outcome
from replay.endurance.resources import History, Sample
from replay.endurance.summary import Death
from replay.endurance.tally import Tally, tally
from replay.errors import MachineError, UsageError
from replay.faults import parse_plan
from replay.journal import ReferenceWord
from replay.sandbox.process import SandboxProcess
from replay.soak import host, playlist
from replay.soak.assess import assess, sum_up
from replay.soak.merging import merge
from replay.soak.orders import Cut
from replay.soak.playlist import Playlist, Reel
from replay.soak.processes import Processes
from replay.soak.rota import Rota
from replay.soak.store import EVENTS, OUTCOMES, SAMPLES, STATE, Asked, Store, held, prepare
from replay.source import SourceSpec
from replay.take import RunOptions
from replay.watching import Usage, exists

FORMAT = AudioFormat()
OPTIONS = RunOptions(SourceSpec(""))


def record(path: Path, seconds: float, words: list[tuple[str, float, float]]) -> str:
    """A recording with what is said in it; its path."""
    data = np.random.default_rng(1).integers(0, 255, FORMAT.bytes_in(seconds), np.uint8).tobytes()
    path.write_bytes(wav_header(FORMAT, len(data)) + data)
    rows = [{"word": word, "start": start, "end": end} for word, start, end in words]
    path.with_suffix(".words.json").write_text(json.dumps({"words": rows}))
    return str(path)


def samples_of(path: str) -> bytes:
    return Path(path).read_bytes()[44:]


def asked(**facts: Any) -> Asked:
    """What a soak of an hour was asked for, unless told otherwise."""
    given: dict[str, Any] = {
        "replay_version": "1",
        "created_at": "2026-01-01T00:00:00+00:00",
        "name": "soak",
        "arguments": [],
        "directory": "/",
        "sources": ["a.wav"],
        "target": "sandbox",
        "rota": Rota(seconds=3600, sessions=4, session_length=60),
        "processes": 2,
        "seed": 1,
        "keep": "failing",
        "faults": [],
        "common": [],
        "chaos": None,
        "assertions": [],
        "watched": [],
        "playlist": Playlist(seconds=1.0, sha256="a"),
    }
    return Asked(**{**given, **facts})


def of_seed(outcome: Outcome, seed: int) -> Outcome:
    """One more session, of a soak with another seed."""
    outcome.place.seed = 1000 + seed
    return outcome


def begin(path: Path, **facts: Any) -> Store:
    prepare(path)
    return Store.create(path, asked(name=path.name, **facts))


# ------------------------------------------------------------------ what is played


async def test_a_playlist_is_all_recordings_with_a_pause_behind_each(tmp_path: Path) -> None:
    """Their audio is there to the byte, and what is said is where it is said."""
    one = record(tmp_path / "one.wav", 0.5, [("good", 0.1, 0.2)])
    two = record(tmp_path / "two.wav", 0.25, [("day", 0.0, 0.2)])
    made = await playlist.make(tmp_path, [one, two], OPTIONS)
    assert made.seconds == 2.75
    assert made.words
    reel = Reel(tmp_path, made, FORMAT)
    assert [(w.word, w.start, w.end) for w in reel.words] == [("good", 0.1, 0.2), ("day", 1.5, 1.7)]
    samples = bytes(reel.samples)
    assert samples[:16000] == samples_of(one)
    assert samples[16000:48000] == bytes(32000)
    assert samples[48000:56000] == samples_of(two)


@pytest.mark.parametrize("location", ["-", "rtsp://camera/audio"])
async def test_what_has_no_end_is_refused(tmp_path: Path, location: str) -> None:
    """A stream cannot be played again and again."""
    with pytest.raises(UsageError, match="a soak plays recordings again and again"):
        await playlist.make(tmp_path, [location], OPTIONS)


async def test_counting_audio_is_played_alone(tmp_path: Path) -> None:
    """It counts every byte of a session."""
    made = await playlist.make(tmp_path, ["counter"], OPTIONS)
    assert made.counter
    with pytest.raises(UsageError, match="played alone"):
        await playlist.make(tmp_path, ["counter", "a.wav"], OPTIONS)


async def test_a_recording_without_words_leaves_all_unknown(tmp_path: Path) -> None:
    """A script that knows of half the words would make the other half look wrong."""
    one = record(tmp_path / "one.wav", 0.5, [("good", 0.1, 0.2)])
    two = record(tmp_path / "two.wav", 0.5, [])
    Path(two).with_suffix(".words.json").unlink()
    made = await playlist.make(tmp_path, [one, two], OPTIONS)
    assert not made.words


async def test_a_changed_playlist_is_noticed(tmp_path: Path) -> None:
    """What is compared with must be what was played from the beginning."""
    one = record(tmp_path / "one.wav", 0.5, [])
    made = await playlist.make(tmp_path, [one], OPTIONS)
    path = tmp_path / playlist.WAV
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(MachineError, match="was changed"):
        Reel(tmp_path, made, FORMAT)
    path.unlink()
    with pytest.raises(MachineError, match="cannot be read"):
        Reel(tmp_path, made, FORMAT)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 9))
def test_a_reel_goes_round_to_the_byte(total: int, chunk: int, length: int) -> None:
    """Whatever does not fit, the audio is the recording again and again."""
    pieces: list[Chunk] = list(
        playlist._pieces(memoryview(bytes(range(length))), total, chunk)  # type: ignore[attr-defined]
    )
    assert b"".join(each.data for each in pieces) == bytes(at % length for at in range(total))
    assert [each.offset for each in pieces] == list(range(0, total, chunk))
    assert {len(each.data) for each in pieces[:-1]} <= {chunk}


def test_what_is_said_in_a_session() -> None:
    """Each pass says it again; what is cut off at the end is not said."""
    words = [ReferenceWord("good", 0.1, 0.2), ReferenceWord("day", 0.5, 0.8)]
    spoken = playlist.spoken_in(words, Playlist(seconds=1.0), 2.5)
    assert spoken is not None
    assert spoken.text == "good day good day good"
    assert [round(each.start, 3) for each in spoken.words] == [0.1, 0.5, 1.1, 1.5, 2.1]
    assert playlist.spoken_in([], Playlist(seconds=1.0), 2.5) is None


async def test_a_session_has_its_length_to_the_sample(tmp_path: Path) -> None:
    """Its source ends by itself."""
    one = record(tmp_path / "one.wav", 0.5, [])
    made = await playlist.make(tmp_path, [one], OPTIONS)
    source = Reel(tmp_path, made, FORMAT).source(3.21, Fraction(1, 10))
    sizes = [len(piece.data) async for piece in source]
    assert sizes == [3200] * 32 + [320]
    assert source.facts.seconds == 3.21


# ------------------------------------------------------------------ what is kept


def test_a_soak_is_found_again(tmp_path: Path) -> None:
    """What was asked, how far it has come, and everything that was added; not what a crash has cut
    short, after which it goes on."""
    store = begin(tmp_path / "soak")
    store.checkpoint(12.5)
    store.add(OUTCOMES, session(1), sync=True)
    with (store.path / OUTCOMES).open("ab") as file:
        file.write(b'{"place":{"slot"')
    again = Store.open(store.path)
    assert again.asked == store.asked
    assert again.state.elapsed == 12.5
    assert again.left == 3587.5
    assert list(again.read(OUTCOMES, Outcome)) == [session(1)]
    again.add(OUTCOMES, session(2))
    assert list(again.read(OUTCOMES, Outcome)) == [session(1), session(2)]


def test_the_clock_never_goes_back(tmp_path: Path) -> None:
    """Nor beyond the end."""
    store = begin(tmp_path / "soak")
    for elapsed in (10.0, 5.0):
        store.checkpoint(elapsed)
    assert store.state.elapsed == 10.0
    store.checkpoint(9999.0)
    assert store.state.elapsed == 3600.0


def test_a_soak_is_one_process_at_a_time(tmp_path: Path) -> None:
    """Whoever went on with one that is running would clear its sessions away."""
    store = begin(tmp_path / "soak")
    with (
        held(store.path),
        pytest.raises(UsageError, match="this soak is running"),
        held(store.path),
    ):
        pass
    with held(store.path):
        pass


def test_what_is_no_soak_is_said(tmp_path: Path) -> None:
    """One line each: no soak, a broken one, one of another version, one that is there already."""
    with pytest.raises(UsageError, match=r"no soak: it has no soak\.json"):
        Store.open(tmp_path)
    store = begin(tmp_path / "soak")
    with pytest.raises(UsageError, match="is not empty: give another --out"):
        prepare(store.path)
    (store.path / STATE).write_bytes(b"{")
    with pytest.raises(UsageError, match="cannot be read"):
        Store.open(store.path)
    (store.path / OUTCOMES).write_bytes(b"{}\n")
    with pytest.raises(UsageError, match="line 1"):
        list(store.read(OUTCOMES, Outcome))
    data = (store.path / "soak.json").read_bytes().replace(b'"schema": 1', b'"schema": 2')
    (store.path / "soak.json").write_bytes(data)
    with pytest.raises(UsageError, match="another version"):
        Store.open(store.path)


def test_sessions_that_nobody_has_judged(tmp_path: Path) -> None:
    """They are found by their journals, and when they began by the log."""
    store = begin(tmp_path / "soak")
    for name in ("0000-0001", "0001-0001"):
        (store.path / "sessions" / name).mkdir()
        (store.path / "sessions" / name / "journal.jsonl").touch()
        store.event("begun", session=f"sessions/{name}", worker=1, seed=3, at=1.5)
    store.event("judged", session="sessions/0000-0001", verdict="pass")
    assert store.unjudged({"sessions/0000-0001"}) == [Path("sessions/0001-0001")]
    assert store.begun()["sessions/0001-0001"].at == 1.5
    assert len((store.path / EVENTS).read_bytes().splitlines()) == 3


# ------------------------------------------------------------------ processes


def test_processes_begin_a_generation_with_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No slope is taken across a restart."""
    earlier = [
        Sample(t=1, who="worker 1", pid=7, generation=3, rss=1, fds=1, threads=1),
        Sample(t=1, who="sandbox", pid=8, generation=0, rss=1, fds=1, threads=1),
    ]
    processes = Processes(earlier)
    assert processes.first_generation("worker 1") == 4
    assert processes.first_generation("sandbox") == 1
    assert processes.first_generation("worker 2") == 0
    taken = processes.take(2.0, "supervisor", os.getpid(), 0, tasks=3, reconnects=5, sessions=2)
    assert taken is not None
    assert taken.rss > 1 << 20
    assert processes.latest == {"supervisor": taken}
    assert len(processes.history.tracks) == 3
    # Another process that has its number by now is not the same.
    other = Usage(began=0.0, rss=1, fds=1, threads=1, processes=1)
    monkeypatch.setattr("replay.soak.processes.sample", lambda *_, **__: other)
    assert processes.take(3.0, "supervisor", os.getpid(), 0, reconnects=5, sessions=2) is None
    monkeypatch.undo()
    gone = 2**22 + 1
    assert processes.take(2.0, "pid", gone, 0, reconnects=0, sessions=0) is None
    assert exists(os.getpid())
    assert not exists(gone)


class Sandbox:
    """Stands for the process: what was done to it, and when."""

    def __init__(self) -> None:
        self.done: list[tuple[float, str]] = []
        self.died: int | None = None
        self.pid = 1

    async def _do(self, what: str) -> None:
        self.done.append((trio.current_time(), what))
        await trio.lowlevel.checkpoint()

    async def kill(self) -> None:
        await self._do("kill")

    async def end(self) -> None:
        self.died = None
        await self._do("end")

    async def start(self) -> None:
        await self._do("start")


def hosted(sandbox: Sandbox, cuts: list[Cut], deaths: list[str]) -> host.Host:
    origin = trio.current_time()

    async def cut(cut: Cut) -> None:
        cuts.append(cut)

    return host.Host(
        cast("SandboxProcess", sandbox), 0, lambda: trio.current_time() - origin, cut, deaths.append
    )


async def test_the_sandbox_is_taken_away_as_planned(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Every ten seconds for two, on the soak's clock; each start is a generation."""
    sandbox, cuts = Sandbox(), list[Cut]()
    hosting = hosted(sandbox, cuts, [])
    with trio.move_on_after(25):
        await hosting.disturb(parse_plan(["restart(2s) @ every 10s"]), Random(1), 0.0)
    origin = sandbox.done[0][0] - 10
    assert [(round(at - origin, 3), what) for at, what in sandbox.done] == [
        (10, "kill"), (12, "end"), (12, "start"), (20, "kill"), (22, "end"), (22, "start"),
    ]  # fmt: skip
    assert cuts == [
        Cut(fault="restart(2s)", kind="restart", begun=at, over=at + 2) for at in (10, 20)
    ]
    assert hosting.generation == 2


async def test_what_an_earlier_run_has_done_is_not_done_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The schedule goes on where it was; once the soak is to end nothing is taken away."""
    sandbox, cuts = Sandbox(), list[Cut]()
    hosting = hosted(sandbox, cuts, [])
    plan = parse_plan(["restart(1s) @ 5s", "restart(1s) @ 15s", "restart(1s) @ 30s"])
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hosting.disturb, plan, Random(1), 10.0)
        await trio.sleep(10)
        hosting.calm = True
    assert [each.begun for each in cuts] == [15]


async def test_a_sandbox_that_dies_on_its_own_is_started_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And that is told."""
    sandbox, deaths = Sandbox(), list[str]()
    hosting = hosted(sandbox, [], deaths)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hosting.guard)
        await trio.sleep(5)
        sandbox.died = -9
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert deaths == ["exit code -9"]
    assert [what for _, what in sandbox.done] == ["end", "start"]


def test_what_a_sandbox_of_our_own_is_started_with() -> None:
    """It says what is played, unless somebody wants otherwise, and forgets what has ended."""
    known, unknown = Playlist(seconds=1.5, words=True), Playlist(seconds=1.5)
    assert host.arguments((), "w", known) == (
        "--script", "w", "--repeat", "1.500000s", "--keep", "2m"
    )  # fmt: skip
    assert host.arguments((), "w", unknown) == ("--recognizer", "silent", "--keep", "2m")
    given = ("--recognizer", "moonshine", "--keep=1h")
    assert host.arguments(given, "w", known) == given


# ------------------------------------------------------------------ what it came to


def test_a_load_that_still_grows_is_no_leak(tmp_path: Path) -> None:
    """What more sessions hold grows with them, and their reconnections do too: of a ramp nothing
    can be told, of steps the last one tells."""
    states: dict[Any, list[str]] = {}
    for profile in ("ramp", "steps", "constant"):
        rota = Rota(seconds=3600, sessions=40, session_length=60, profile=profile)
        store = begin(tmp_path / profile, rota=rota)
        store.checkpoint(3600)
        history, reconnects = History(), 0.0
        for t in range(0, 3600, 5):
            playing = {"ramp": t / 90, "steps": 10 * (1 + t // 900), "constant": 40}[profile]
            reconnects += playing * 5 / 30
            held = {"who": "worker 1", "pid": 7, "rss": 1, "threads": 1}
            held |= {"fds": 20 + 3 * round(playing), "reconnects": round(reconnects)}
            history.add(Sample(t=t, **held))
        trends = sum_up(store, Tally(), history, []).trends
        states[profile] = [each.state for each in trends if each.of == "fds"]
    assert states == {"ramp": ["unknown"], "steps": ["flat"], "constant": ["flat"]}


def test_parts_add_up(tmp_path: Path) -> None:
    """The whole says what one soak over all the sessions would have said."""
    stores = [
        begin(
            tmp_path / f"part-{n}",
            rota=Rota(seconds=3600, sessions=4, session_length=60, shard=(n, 2)),
        )
        for n in (1, 2)
    ]
    whole = Tally()
    for n, store in enumerate(stores):
        for number in range(3):
            each = session(number, slot=n, began=60.0 * number, reconnects=n + number)
            store.add(OUTCOMES, each)
            whole.add(each)
        store.add(SAMPLES, Sample(t=1, who="worker 1", pid=7, rss=1, fds=1, threads=1))
        store.state.deaths.append(Death(worker=1, t=2.0, why="killed"))
        store.checkpoint(100.0 * (n + 1))
    merged = merge([each.path for each in stores], tmp_path / "whole")
    found = assess(merged, [])
    alone = sum_up(merged, whole, History(), [])
    assert (found.shards, found.elapsed, found.reconnects) == (2, 200.0, 9)
    assert found.sessions == alone.sessions
    assert found.latency == alone.latency
    assert found.rows == alone.rows
    assert [each.who for each in found.resources] == ["part 1: worker 1", "part 2: worker 1"]
    assert [each.why for each in found.deaths] == ["part 1: killed", "part 2: killed"]
    assert {each.session for each in found.worst} == {
        f"part-{n}/sessions/{n - 1}-{k}" for n in (1, 2) for k in range(3)
    }


def test_what_parts_lack_is_a_doubt(tmp_path: Path) -> None:
    """One was stopped, one has a session that nobody has judged, and the third is not there."""
    parts = []
    for n in (1, 3):
        rota = Rota(seconds=3600, sessions=6, session_length=60, shard=(n, 3))
        store = begin(tmp_path / f"part-{n}", rota=rota)
        store.add(OUTCOMES, session(1, slot=n))
        store.checkpoint(3600 if n == 3 else 1800)
        parts.append(store)
    left = parts[1].path / "sessions" / "0002-0002"
    left.mkdir()
    (left / "journal.jsonl").touch()
    found = assess(merge([each.path for each in parts], tmp_path / "whole"), [])
    assert (found.verdict, found.reasons) == (
        "unknown",
        [
            "part-1: stopped after 30m of 1h",
            "part-3: 1 of its sessions were never judged",
            "shard 2/3 is not there",
        ],
    )
    assert assess(parts[0], []).reasons == ["stopped after 30m of 1h"]
    assert sum_up(parts[0], tally([session(1)]), History(), []).verdict == "pass"  # under way


def test_what_cannot_be_added_up(tmp_path: Path) -> None:
    """The same directory, the same sessions, other soaks."""
    one = begin(tmp_path / "one")
    one.add(OUTCOMES, session(1))
    with pytest.raises(UsageError, match="given twice"):
        merge([one.path, one.path], tmp_path / "whole")
    two = begin(tmp_path / "two")
    two.add(OUTCOMES, session(1))
    with pytest.raises(UsageError, match="have played the same sessions"):
        merge([one.path, two.path], tmp_path / "whole")
    # Nor once more by way of a whole that is made of it and of others.
    both = tmp_path / "both"
    for name, seed in (("four", 4), ("five", 5)):
        store = begin(tmp_path / name, seed=seed)
        store.add(OUTCOMES, of_seed(session(1), seed))
    merge([tmp_path / "four", tmp_path / "five"], both)
    with pytest.raises(UsageError, match="have played the same sessions"):
        merge([both, tmp_path / "five"], tmp_path / "whole")
    with pytest.raises(UsageError, match=r"is not empty: give another --out$"):
        merge([tmp_path / "four", one.path], both)
    three = begin(tmp_path / "three", faults=["reset @ 1s"])
    with pytest.raises(UsageError, match="other faults: not one soak"):
        merge([one.path, three.path], tmp_path / "whole")
    four = begin(tmp_path / "other", audio="ULAW, 8000 Hz")
    with pytest.raises(UsageError, match="other audio: not one soak"):
        merge([one.path, four.path], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
