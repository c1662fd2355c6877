"""The pure parts of a source: cutting and chunking."""

from hypothesis import given
from hypothesis import strategies as st

from replay.source.pieces import Chunker, Section

pieces = st.lists(st.binary(max_size=50), max_size=20)


@given(pieces, st.integers(1, 40))
def test_chunks_are_the_same_bytes_in_full_sizes(parts: list[bytes], size: int) -> None:
    """However the bytes come in, they go out in order, in full chunks with one shorter last."""
    chunker = Chunker(size)
    chunks = [chunk for part in parts for chunk in chunker.feed(part)]
    assert chunker.offset == sum(map(len, parts))
    chunks += chunker.flush()
    assert b"".join(chunk.data for chunk in chunks) == b"".join(parts)
    assert all(len(chunk.data) == size for chunk in chunks[:-1])
    assert [chunk.offset for chunk in chunks] == [size * number for number in range(len(chunks))]
    assert all(chunk.data for chunk in chunks)
    assert chunker.flush() == []


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 9)), max_size=20))
def test_a_chunk_bears_the_arrival_of_the_piece_that_completed_it(
    parts: list[tuple[bytes, int]],
) -> None:
    """The piece that brings a chunk's last byte gives it its arrival."""
    chunker = Chunker(7)
    owner = [when for data, when in parts for _ in data]
    for data, when in parts:
        for chunk in chunker.feed(data, when):
            assert chunk.arrival == owner[chunk.end - 1]


@given(pieces, st.integers(0, 30), st.none() | st.integers(1, 30), st.integers(1, 4))
def test_a_section_is_a_slice_of_the_whole(
    parts: list[bytes], start: int, length: int | None, frame: int
) -> None:
    """Cutting piece by piece equals slicing at once, and `done` means nothing follows."""
    section = Section(start, length, frame)
    got = b""
    for part in parts:
        finished = section.done
        cut = section.cut(part)
        assert not (finished and cut)
        got += cut
    end = None if length is None else (start + length) * frame
    assert got == b"".join(parts)[start * frame : end]
