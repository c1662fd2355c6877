"""The recordings of a benchmark: files, directories of them, or a manifest that pins them.

A manifest is JSON (`{"recordings": [{"path", "sha256", "text", "words"}]}`) or JSON lines with the
same keys, where NeMo's `audio_filepath` does for `path`. Paths begin at the manifest's own place;
`words` is a list of `{"word", "start", "end", "channel"}` or the path of a file with such a list.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from replay.benchmark import Recording
from replay.errors import SourceError, UsageError
from replay.journal import ReferenceWord
from replay.source import Spoken, open_source
from replay.source.reference import read_reference
from replay.take import RunOptions

_SOUNDS = frozenset(
    ".wav .flac .mp3 .ogg .opus .oga .m4a .aac .mp4 .mkv .webm .mka .mov .wma .aif .aiff".split()
)
_MANIFESTS = (".json", ".jsonl")


def gather(sources: Sequence[str]) -> list[Recording]:
    """Every recording that the sources name, in order, each with a name of its own.

    Raises:
        UsageError: one is not there, is no recording, or is not the one that a manifest pins.
    """
    found = [recording for source in sources for recording in _gather(source)]
    once = {each.path: each for each in found}
    if not once:
        raise UsageError(f"no recording in {', '.join(sources)}")
    return _named(list(once.values()))


async def probe(recordings: Sequence[Recording], options: RunOptions) -> None:
    """Open every recording once, and put down how long it is.

    Raises:
        SourceError: one cannot be played; better now than in the last hour.
    """
    for each in recordings:
        spec = replace(options.source, location=each.path)
        async with open_source(spec, options.shape, options.chunk) as source:
            each.seconds = round(source.facts.seconds or 0.0, 3)


def check(recordings: Sequence[Recording]) -> None:
    """See that the recordings are still those that were pinned.

    Raises:
        UsageError: one is gone, or has changed.
    """
    for each in recordings:
        if _digest(Path(each.path)) != each.sha256:
            raise UsageError(f"{each.path}: has changed since the benchmark began: begin a new one")


def spoken(recording: Recording) -> Spoken | None:
    """What a manifest says is said in it; None where it says nothing."""
    if recording.words is not None:
        words = tuple(ReferenceWord(*word) for word in recording.words)
        return Spoken(recording.text or " ".join(word.word for word in words), words)
    return None if recording.text is None else Spoken(recording.text)


def manifest(recordings: Sequence[Recording]) -> bytes:
    """A manifest of these recordings, pinned."""
    rows: list[dict[str, Any]] = []
    for each in recordings:
        row: dict[str, Any] = {"path": each.path, "sha256": each.sha256}
        if each.text is not None:
            row["text"] = each.text
        if each.words is not None:
            row["words"] = [
                {"word": word, "start": start, "end": end, "channel": channel}
                for word, start, end, channel in each.words
            ]
        rows.append(row)
    return json.dumps({"recordings": rows}, indent=1, ensure_ascii=False).encode() + b"\n"


def _gather(source: str) -> Iterator[Recording]:
    path = Path(source)
    if "://" in source or source == "-":
        raise UsageError(f"{source}: a benchmark plays recordings, which are the same each time")
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.suffix.lower() in _SOUNDS and each.is_file():
                yield _recording(each)
    elif path.suffix.lower() in _MANIFESTS and path.is_file():
        yield from _read_manifest(path)
    else:
        yield _recording(path)


def _recording(path: Path) -> Recording:
    return Recording(name=path.name, path=str(path.resolve()), sha256=_digest(path))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _named(recordings: list[Recording]) -> list[Recording]:
    """Files of the same name in several places are told apart by a number."""
    count: Counter[str] = Counter()
    for each in recordings:
        count[each.name] += 1
        if count[each.name] > 1:
            each.name = f"{each.name}~{count[each.name]}"
    return recordings


# ------------------------------------------------------------------ manifests


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    channel: int = 0


class _Row(msgspec.Struct):
    path: Annotated[str, Meta(min_length=1)] = ""
    audio_filepath: str = ""
    sha256: str = ""
    text: str | None = None
    words: list[_Word] | str | None = None


class _Manifest(msgspec.Struct):
    recordings: list[_Row]


def _read_manifest(path: Path) -> Iterator[Recording]:
    for row in _rows(path):
        name = row.path or row.audio_filepath
        if not name:
            raise UsageError(f'manifest {path}: a recording without "path"')
        found = _recording(path.parent / name)
        if row.sha256 and row.sha256.lower() != found.sha256:
            raise UsageError(
                f"{path.parent / name}: is not the recording that {path} pins "
                f"(sha256 {found.sha256[:12]}…, pinned {row.sha256[:12]}…)"
            )
        found.text = row.text
        found.words = _words(path, row.words)
        yield found


def _rows(path: Path) -> list[_Row]:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".jsonl":
            lines = [line for line in data.splitlines() if line.strip()]
            return [msgspec.json.decode(line, type=_Row) for line in lines]
        return msgspec.json.decode(data, type=_Manifest).recordings
    except OSError as error:
        raise UsageError(f"manifest {path}: {(error.strerror or str(error)).lower()}") from None
    except msgspec.DecodeError as error:
        raise UsageError(
            f"manifest {path}: {error}; expected "
            '{"recordings": [{"path", "sha256", "text", "words"}]}, or such rows as lines'
        ) from None


def _words(
    path: Path, words: list[_Word] | str | None
) -> list[tuple[str, float, float, int]] | None:
    if words is None:
        return None
    if isinstance(words, str):
        return [
            (each.word, each.start, each.end, each.channel)
            for each in read_reference(path.parent / words).words
        ]
    return [(each.word, each.start, each.end, each.channel) for each in words]
