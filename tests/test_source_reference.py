"""References found beside a recording."""

import tracemalloc
from pathlib import Path

import pytest

from replay.errors import SourceError
from replay.journal import ReferenceWord
from replay.source import find_reference

WORDS = """{"words": [
 {"word": "one", "start": 0.5, "end": 0.9, "channel": 0},
 {"word": "two", "start": 1.0, "end": 1.4, "channel": 1},
 {"word": "three", "start": 2.0, "end": 2.5, "channel": 0}]}"""


@pytest.fixture
def recording(tmp_path: Path) -> str:
    (tmp_path / "count.words.json").write_text(WORDS)
    (tmp_path / "count.txt").write_text("One, two,\nthree.\n")
    return str(tmp_path / "count.flac")


def test_words_and_text_lie_beside_the_recording(recording: str) -> None:
    """An uncut recording has the written text and every word with its channel."""
    found = find_reference(recording, channels=2)
    assert found is not None
    assert found.text == "One, two, three."
    assert found.words[1] == ReferenceWord("two", 1.0, 1.4, 1)


def test_a_section_has_its_own_words_and_times(recording: str) -> None:
    """Words whose middle lies in the section count, from its start; mixed channels are one."""
    found = find_reference(recording, start=0.75, duration=1.6)
    assert found is not None
    assert found.text == "two three"
    assert found.words == (
        ReferenceWord("two", 0.25, pytest.approx(0.65), 0),
        ReferenceWord("three", 1.25, pytest.approx(1.6), 0),
    )


def test_loops_repeat_the_words(recording: str) -> None:
    """Each pass says the words again, one pass length later."""
    found = find_reference(recording, loops=2, length=3.0)
    assert found is not None
    assert found.text == "One, two, three. One, two, three."
    assert [word.start for word in found.words] == [0.5, 1.0, 2.0, 3.5, 4.0, 5.0]
    assert len(found.words) == 6


@pytest.mark.parametrize("timed", [True, False])
def test_very_many_loops_have_no_reference(recording: str, timed: bool) -> None:
    """Beyond 200,000 words there is none, and none is built to find that out."""
    if not timed:
        Path(recording).with_suffix(".words.json").unlink()
    just = find_reference(recording, loops=66_666, length=3.0)
    assert just is not None
    assert len(just.text.split()) == 199_998
    tracemalloc.start()
    assert find_reference(recording, loops=66_667, length=3.0) is None
    assert find_reference(recording, loops=10**12, length=3.0) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_text_alone_serves_the_whole_recording_only(recording: str) -> None:
    """Without word times nobody knows what is said in a section."""
    Path(recording).with_suffix(".words.json").unlink()
    whole = find_reference(recording)
    assert whole is not None
    assert whole.text == "One, two, three."
    assert whole.words == ()
    assert find_reference(recording, start=1) is None


@pytest.mark.parametrize("location", ["-", "http://host/count.flac", "/nowhere/count.flac"])
def test_other_places_have_no_reference(location: str) -> None:
    """Streams, standard input and recordings without such files have none."""
    assert find_reference(location) is None


def test_a_broken_file_is_named(recording: str) -> None:
    """A file that is there but is no list of words is an error, not silently ignored."""
    Path(recording).with_suffix(".words.json").write_text('{"words": [{"word": 3}]}')
    with pytest.raises(SourceError, match=r"count\.words\.json: is not a list of word times"):
        find_reference(recording)
