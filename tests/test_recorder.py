"""The journal and the sound of a run, on disks that are fine and disks that are not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from replay import journal as j
from replay.audio import AudioFormat, wav_data_offset, wav_header
from replay.errors import MachineError
from replay.recorder import (
    FileRecorder,
    ListRecorder,
    Spool,
    cannot_write,
    flush_forever,
    open_recorder,
    write_out,
)
from replay.source import PreparedSource, SourceSpec
from replay.spill import Spill
from replay.take import RunOptions, Take

FORMAT = AudioFormat()
KINDS: list[type[j.Entry]] = list(j.AnyEntry.__args__)

numbers = st.integers(-(2**53), 2**53)
texts = st.text(max_size=20)
raws = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


SIMPLE: dict[type[msgspec.inspect.Type], st.SearchStrategy[Any]] = {
    msgspec.inspect.IntType: numbers,
    msgspec.inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    msgspec.inspect.StrType: texts,
    msgspec.inspect.BoolType: st.booleans(),
    msgspec.inspect.NoneType: st.none(),
    msgspec.inspect.AnyType: raws,
    msgspec.inspect.RawType: raws.map(lambda value: Raw(msgspec.json.encode(value))),
}


def values(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Values for a field of that type."""
    mi = msgspec.inspect
    match kind:
        case mi.LiteralType(values=allowed):
            return st.sampled_from(allowed)
        case mi.UnionType(types=types):
            return st.one_of([values(each) for each in types])
        case mi.ListType(item_type=item):
            return st.lists(values(item), max_size=3)
        case mi.DictType(value_type=item):
            return st.dictionaries(texts, values(item), max_size=3)
        case mi.StructType(cls=cls):
            return entries(cls)
    return SIMPLE[type(kind)]


def entries(cls: type[Any]) -> st.SearchStrategy[Any]:
    described = msgspec.inspect.type_info(cls)
    assert isinstance(described, msgspec.inspect.StructType)
    return st.builds(cls, **{field.name: values(field.type) for field in described.fields})


def plain(value: Any) -> Any:
    """`value` without `Raw`, which does not compare by content."""
    return msgspec.json.decode(msgspec.json.encode(value))


# ------------------------------------------------------------------ lines


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_entry_survives_its_line(kind: type[j.Entry]) -> None:
    """One line, and the same entry again: whatever is in it."""

    @given(entries(kind))
    def check(entry: j.AnyEntry) -> None:
        line = j.encode(entry)
        assert line.count(b"\n") == 1
        again = j.decode(line)
        assert type(again) is kind
        assert plain(again) == plain(entry)

    check()


def test_a_line_cut_short_is_left_out() -> None:
    """A crash in the middle of the last line costs that line only."""
    whole = [j.encode(j.CaughtUp(t=n, connection=1)) for n in range(3)]
    text = b"".join(whole)
    for end in range(len(whole[0]) * 2, len(text)):
        found = list(j.decode_lines(text[:end].splitlines(keepends=True)))
        assert [entry.t for entry in found] == [0, 1]


def test_a_kind_of_tomorrow_is_skipped() -> None:
    """A journal of a newer version can be read as far as it is known."""
    lines = [b'{"kind":"aurora","t":1,"colour":"green"}\n', j.encode(j.CaughtUp(t=2, connection=1))]
    assert [entry.t for entry in j.decode_lines(lines)] == [2]


@pytest.mark.parametrize(
    "broken", [b"{\n", b"[]\n", b'{"kind":"lost","t":1}\n', b'{"t":1}\n', b'"\xff"\n', b"\n"]
)
def test_a_broken_line_is_named(broken: bytes) -> None:
    """What is no entry is an error with its line's number, not silently less."""
    lines = [j.encode(j.CaughtUp(t=1, connection=1)), broken]
    with pytest.raises(ValueError, match="line 2: "):
        list(j.decode_lines(lines))


@given(st.binary(max_size=60) | raws.map(msgspec.json.encode))
def test_whatever_came_over_the_wire_fits_into_a_line(data: bytes) -> None:
    """A message is embedded only where the line stays one line that can be read again."""
    raw = j.raw(data)
    if raw is not None:
        line = j.encode(j.Received(t=1, connection=1, body=raw))
        assert line.count(b"\n") == 1
        again = j.decode(line)
        assert isinstance(again, j.Received)
        assert again.body is not UNSET
        line.decode()


# ------------------------------------------------------------------ files


async def test_a_run_leaves_its_journal_and_its_sound(tmp_path: Path) -> None:
    """Every entry in order, the audio behind a header that says how much there is."""
    seen: list[j.AnyEntry] = []
    async with open_recorder(tmp_path, FORMAT, seen.append) as recorder:
        for n in range(100):
            recorder.write(j.CaughtUp(t=n, connection=1))
            recorder.audio(bytes([n]) * 32)
            if n == 50:
                await recorder.flush()
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert list(j.decode_lines(lines)) == seen
    assert [entry.t for entry in seen] == list(range(100))
    wav = (tmp_path / "sent.wav").read_bytes()
    assert wav[:44] == wav_header(FORMAT, 3200)
    assert wav[44:] == b"".join(bytes([n]) * 32 for n in range(100))


async def test_what_was_recorded_is_kept_when_the_run_breaks(tmp_path: Path) -> None:
    """Also after an error, or a cancellation, everything is on the disk."""
    with trio.CancelScope() as scope:
        async with open_recorder(tmp_path, FORMAT) as recorder:
            recorder.write(j.CaughtUp(t=1, connection=1))
            recorder.audio(bytes(64))
            scope.cancel()
            await trio.sleep_forever()
    assert (tmp_path / "journal.jsonl").read_bytes().endswith(b"\n")
    assert (tmp_path / "sent.wav").read_bytes()[:44] == wav_header(FORMAT, 64)


async def test_entries_written_during_a_flush_are_not_lost(tmp_path: Path) -> None:
    """The loop appends while the thread writes: nothing is missing, nothing is double."""
    async with open_recorder(tmp_path, FORMAT) as recorder, trio.open_nursery() as nursery:

        async def flush() -> None:
            while True:
                await recorder.flush()

        nursery.start_soon(flush)
        for n in range(3000):
            recorder.write(j.CaughtUp(t=n, connection=1))
            if n % 7 == 0:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert [entry.t for entry in j.decode_lines(lines)] == list(range(3000))


async def test_many_recorders_are_flushed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while some of them close: each journal is whole, nothing in it is double."""
    monkeypatch.setattr("replay.recorder._FLUSH_SECONDS", 0)
    recorders: list[FileRecorder] = []

    async def record(number: int) -> None:
        directory = tmp_path / str(number)
        directory.mkdir()
        async with open_recorder(directory, FORMAT) as recorder:
            recorders.append(recorder)
            for n in range(20 * number):
                recorder.write(j.CaughtUp(t=n, connection=number))
                recorder.audio(bytes(2))
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as flushing:
        flushing.start_soon(flush_forever, recorders)
        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(record, number)
        flushing.cancel_scope.cancel()
    for number in range(30):
        lines = (tmp_path / f"{number}/journal.jsonl").read_bytes().splitlines(keepends=True)
        assert [entry.t for entry in j.decode_lines(lines)] == list(range(20 * number))
        assert (tmp_path / f"{number}/sent.wav").stat().st_size == 44 + 40 * number


async def test_a_directory_with_a_journal_is_not_overwritten(tmp_path: Path) -> None:
    """A journal is never rewritten."""
    (tmp_path / "journal.jsonl").write_text("mine")
    with pytest.raises(MachineError, match="cannot write"):
        async with open_recorder(tmp_path, FORMAT):
            raise AssertionError("it was opened")
    assert (tmp_path / "journal.jsonl").read_text() == "mine"


async def test_a_full_disk_is_one_clear_line() -> None:
    """Said with what is kept, and as often as it is tried."""
    with FileIO("/dev/full", "w") as file:
        spool = Spool(Path("/runs/1/journal.jsonl"), file)
        spool.append(b"x\n")
        for _ in range(2):
            with pytest.raises(MachineError) as caught:
                await write_out([spool])
            assert str(caught.value) == (
                "the disk is full: cannot write /runs/1/journal.jsonl; what was written is kept"
            )


class Filling:
    """A file on a disk that takes so many bytes, then none, then again."""

    def __init__(self, takes: list[int]) -> None:
        self.takes = takes
        self.written = b""

    def write(self, data: memoryview) -> int:
        room = self.takes.pop(0)
        if not room:
            raise OSError(28, "No space left on device")
        self.written += bytes(data[:room])
        return min(room, len(data))


async def test_a_disk_that_was_full_for_a_while_leaves_no_gap() -> None:
    """What was not taken is written first when there is room again: no broken line in between."""
    file = Filling([5, 0, 7, 100])
    spool = Spool(Path("j"), file)  # type: ignore[arg-type]
    spool.append(b"first line\n")
    with pytest.raises(MachineError):
        await write_out([spool])
    spool.append(b"second line\n")
    await write_out([spool])
    assert file.written == b"first line\nsecond line\n"


_LIMITED = """
import sys
from pathlib import Path
import trio
from replay import journal as j
from replay.audio import AudioFormat
from replay.errors import MachineError
from replay.recorder import open_recorder

async def main():
    async with open_recorder(Path(sys.argv[1]), AudioFormat()) as recorder:
        for n in range(2000):
            recorder.write(j.CaughtUp(t=n, connection=1))
        recorder.audio(bytes(64000))

try:
    trio.run(main)
except MachineError as error:
    print(error)
"""


def test_what_a_full_disk_took_stays_valid(tmp_path: Path) -> None:
    """Files that could not grow any more: one line on the screen, whole lines in the journal, and
    a header that tells how much sound is really there."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_001, 20_001))

    done = subprocess.run(
        [sys.executable, "-B", "-c", _LIMITED, tmp_path],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"cannot write {tmp_path}")
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    found = list(j.decode_lines(lines))
    assert [entry.t for entry in found] == list(range(len(found)))
    assert len(found) > 300
    wav = (tmp_path / "sent.wav").read_bytes()
    assert wav_data_offset(wav) == 44
    assert wav[:44] == wav_header(FORMAT, len(wav) - 44)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "the disk is full: cannot write x"),
        (OSError(122, "Disk quota exceeded"), "the disk is full: cannot write x"),
        (OSError(13, "Permission denied"), "cannot write x: permission denied"),
        (OSError("odd"), "cannot write x: odd"),
    ],
)
def test_the_reason_is_said(error: OSError, said: str) -> None:
    """In the system's words, in one line."""
    assert str(cannot_write(Path("x"), error)).startswith(said)


# ------------------------------------------------------------------ memory and the spill


async def test_a_list_keeps_what_it_is_told_to(autojump_clock: None) -> None:
    """Times count from the recorder's making, and nothing is kept where nothing is wanted."""
    await trio.sleep(3)
    kept, dropped = ListRecorder(), ListRecorder(keep=False)
    await trio.sleep(1.5)
    assert kept.now() == 1_500_000_000
    assert kept.at(3.0) == 0
    for recorder in (kept, dropped):
        recorder.write(j.CaughtUp(t=1, connection=1))
    assert (len(kept.entries), dropped.entries) == (1, [])


async def test_a_spill_gives_back_what_it_took(tmp_path: Path) -> None:
    """By offset, in any order, from a file without a name."""
    async with Spill(tmp_path) as spill:
        for offset in (6400, 0, 3200):
            await spill.write(offset, bytes([offset // 3200]) * 3200)
        assert await spill.read(3000, 400) == bytes(200) + b"\x01" * 200
        assert os.listdir(tmp_path) == []


async def test_a_spill_that_has_no_place_says_so(tmp_path: Path) -> None:
    """A directory that is not there is one clear error."""
    async with Spill(tmp_path / "nowhere") as spill:
        with pytest.raises(MachineError, match=r"cannot write .*nowhere: no such file"):
            await spill.write(0, b"x")


async def test_the_header_has_the_time_of_the_journals_origin(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Not of its own line, which comes once everything is ready: all entries count from there. It
    is written in whole milliseconds."""
    recorder = ListRecorder()
    await trio.sleep(5)
    source = PreparedSource(bytes(3200), AudioFormat(), 0.1)
    options = RunOptions(SourceSpec("prepared"))
    service = SimpleNamespace(base_url="http://127.0.0.1:1")
    earliest = datetime.now(UTC) - timedelta(seconds=5, milliseconds=1)
    Take(options, source, service, nullcontext(), recorder, tmp_path)._write_head()
    latest = datetime.now(UTC) - timedelta(seconds=5)
    (header,) = recorder.entries
    assert earliest < datetime.fromisoformat(header.created_at) <= latest
