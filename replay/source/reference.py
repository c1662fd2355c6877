"""What is said in a recording, from the files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from replay.errors import SourceError
from replay.journal import ReferenceWord

#: Words that a repeated reference may come to.
_MOST_REPEATED = 200_000


@dataclass(frozen=True, slots=True)
class Spoken:
    """The words of a source as it is played. `words` is empty when their times are not known."""

    text: str
    words: tuple[ReferenceWord, ...] = ()


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    channel: int = 0


class _File(msgspec.Struct):
    words: list[_Word]


def find_reference(
    location: str,
    start: float = 0.0,
    duration: float | None = None,
    *,
    loops: int = 1,
    length: float | None = None,
    channels: int = 1,
) -> Spoken | None:
    """The reference beside `location`, as it comes out of the played section.

    For `dir/NAME.flac` that is `dir/NAME.words.json` (`{"words": [{"word", "start", "end",
    "channel"}]}`, seconds of the whole recording) and `dir/NAME.txt`; recordings that differ only
    in their suffix share them. A word belongs to the section when its middle does; times are
    counted from the section's start. Without word times a cut section has no reference, and a
    repeated one has none where it would come to more than 200,000 words.

    Args:
        location: as in `SourceSpec`; only paths have files beside them.
        start: seconds left out.
        duration: seconds played after that; None for the rest.
        loops: how often the section is repeated.
        length: seconds of one pass, needed to repeat words.
        channels: of the session; words of channels that were mixed away count for channel 0.

    Raises:
        SourceError: the file is there but cannot be read.
    """
    if location == "-" or "://" in location:
        return None
    text = _read(Path(location).with_suffix(".txt"))
    timed = _read(Path(location).with_suffix(".words.json"))
    cut = start > 0 or duration is not None
    if timed is None:
        if text is None or cut:
            return None
        said = text.split()
        return None if _endless(len(said), loops) else Spoken(" ".join(said * loops))
    words = _section(_parse(timed, location), start, duration, channels)
    if _endless(len(words), loops):
        return None
    if loops > 1 and length is None:
        raise ValueError("repeating words needs the length of a pass")
    again = tuple(
        ReferenceWord(w.word, w.start + n * (length or 0.0), w.end + n * (length or 0.0), w.channel)
        for n in range(loops)
        for w in words
    )
    once = " ".join(w.word for w in words) if cut or text is None else " ".join(text.split())
    return Spoken(" ".join([once] * loops), again)


def _endless(words: int, loops: int) -> bool:
    """More than anybody would align: days of speech, and minutes of this machine's time."""
    return loops > 1 and words * loops > _MOST_REPEATED


def read_reference(path: Path) -> Spoken:
    """What is said, from a file the user names: a `.json` of word times, or a text.

    Raises:
        SourceError: it is not there, or cannot be read.
    """
    text = _read(path)
    if text is None:
        raise SourceError(f"reference {path}: no such file")
    if path.suffix != ".json":
        return Spoken(" ".join(text.split()))
    words = sorted(_parse(text, str(path)), key=lambda w: w.start)
    listed = tuple(ReferenceWord(w.word, w.start, w.end, w.channel) for w in words)
    return Spoken(" ".join(w.word for w in words), listed)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise SourceError(f"{path}: {(error.strerror or '').lower()}") from None


def _parse(text: str, location: str) -> list[_Word]:
    try:
        return msgspec.json.decode(text, type=_File).words
    except msgspec.DecodeError as error:
        name = Path(location).with_suffix(".words.json")
        raise SourceError(f"{name}: is not a list of word times: {error}") from None


def _section(
    words: list[_Word], start: float, duration: float | None, channels: int
) -> list[ReferenceWord]:
    end = float("inf") if duration is None else start + duration
    return [
        ReferenceWord(
            w.word,
            max(w.start, start) - start,
            min(w.end, end) - start,
            w.channel if w.channel < channels else 0,
        )
        for w in sorted(words, key=lambda w: w.start)
        if start <= (w.start + w.end) / 2 < end
    ]
