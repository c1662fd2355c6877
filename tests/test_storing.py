"""Small files that survive a crash: lines that are appended, files that are replaced."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.bench.store import PLAYS, _plays
from replay.benchmark import Play
from replay.lines import decode_lines
from replay.storing import append, replace


@pytest.mark.parametrize("sync", [True, False])
def test_lines_are_appended_after_what_is_whole(tmp_path: Path, sync: bool) -> None:
    """What a crash has cut short makes room, also when it is all there is."""
    path = tmp_path / "lines"
    append(path, b"one\n", sync=sync)
    append(path, b"two\nthree\n", sync=sync)
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    path.write_bytes(b"one\ntwo\nthr")
    append(path, b"four\n", sync=sync)
    assert path.read_bytes() == b"one\ntwo\nfour\n"
    path.write_bytes(b"on")
    append(path, b"five\n", sync=sync)
    assert path.read_bytes() == b"five\n"


@given(st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"")), max_size=6), st.data())
def test_whatever_is_cut_whole_lines_come_back(lines: list[bytes], data: st.DataObject) -> None:
    """All before the cut, and no half of one."""
    whole = b"".join(line + b"\n" for line in lines)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    found = list(decode_lines(BytesIO(cut), lambda line: line[:-1]))
    assert found == cut.split(b"\n")[:-1]


def test_a_broken_line_is_named_by_its_number() -> None:
    """It is not the last, so no crash has made it."""
    with pytest.raises(ValueError, match="line 2: JSON is malformed"):
        list(decode_lines([b"1\n", b"x\n", b"3\n"], msgspec.json.decode))


def test_a_file_is_replaced_or_stays(tmp_path: Path) -> None:
    """Nothing else is left beside it."""
    path = tmp_path / "file"
    replace(path, b"one")
    replace(path, b"two", sync=True)
    assert path.read_bytes() == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    with pytest.raises(OSError, match="No such file"):
        replace(tmp_path / "no" / "file", b"")


def test_a_benchmark_goes_on_after_a_line_was_cut(tmp_path: Path) -> None:
    """The session that was cut is played again, and the line after it can be read."""
    plays = [Play(arm="A", round=1, recording=name, attempt=1, path=name) for name in "abc"]
    path = tmp_path / PLAYS
    path.write_bytes(msgspec.json.encode(plays[0]) + b'\n{"arm":"A","rou')
    append(path, msgspec.json.encode(plays[2]) + b"\n")
    assert _plays(path) == [plays[0], plays[2]]
