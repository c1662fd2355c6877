"""A soak's directory: what was asked, how far it has come, and what came of it so far."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from replay import storing
from replay.endurance.summary import Death
from replay.errors import MachineError, UsageError
from replay.lines import decode_lines
from replay.recorder import cannot_write
from replay.soak.playlist import Playlist
from replay.soak.rota import Rota

SCHEMA = 1
PLAN = "soak.json"
STATE = "state.json"
OUTCOMES = "outcomes.jsonl"
SAMPLES = "resources.jsonl"
EVENTS = "events.jsonl"
SESSIONS = "sessions"
LOGS = "workers"
SUMMARY = "summary.json"

Keep = Literal["failing", "all", "summary"]

T = TypeVar("T")


class Asked(Struct, kw_only=True):
    """What was asked for (`soak.json`).

    Attributes:
        arguments: of the command line, word by word, and the directory it was given in.
        common: the faults that hit all sessions at once; `faults`: those that each has for itself.
        processes: how many workers.
        parts: names of the soaks that this one was put together from.
        audio: what sessions send, in words.
    """

    schema: int = SCHEMA
    replay_version: str
    created_at: str
    name: str
    arguments: list[str]
    directory: str
    sources: list[str]
    target: str
    rota: Rota
    processes: int
    seed: int
    keep: Keep
    faults: list[str]
    common: list[str]
    chaos: str | None
    assertions: list[str]
    watched: list[int]
    playlist: Playlist
    machine: dict[str, Any] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    audio: str = ""


class Line(Struct, kw_only=True):
    """A line of the log; the others have none of the fields but the first."""

    event: str
    session: str = ""
    worker: int = 0
    seed: int = 0
    at: float = 0.0


class State(Struct, kw_only=True):
    """How far it has come: replaced every few seconds.

    Attributes:
        elapsed: seconds of the soak's clock.
        runs: how often it has been started.
        deaths: of workers.
        missing: what the whole lacks, in words: a watched process that ended, what a part has not
            played.
    """

    elapsed: float = 0.0
    runs: int = 0
    deaths: list[Death] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Store:
    """A directory of its own; `asked` says what belongs into it. Everything that is added is on
    disk when the call returns, so that a crash loses nothing of it."""

    def __init__(self, path: Path, asked: Asked, state: State) -> None:
        self.path = path
        self.asked = asked
        self.state = state

    @classmethod
    def create(cls, path: Path, asked: Asked) -> Store:
        """Begin a soak in a directory that `prepare` has made.

        Raises:
            MachineError: it cannot be written.
        """
        store = cls(path, asked, State())
        store.write({PLAN: msgspec.json.format(msgspec.json.encode(asked), indent=1) + b"\n"})
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """Read what is there.

        Raises:
            UsageError: it is no soak, or one of another version.
        """
        try:
            asked = msgspec.json.decode((path / PLAN).read_bytes(), type=Asked)
        except FileNotFoundError:
            raise _no_soak(path) from None
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{path / PLAN}: cannot be read: {error}") from None
        if asked.schema != SCHEMA:
            raise UsageError(f"{path}: a soak of another version: begin a new one")
        try:
            state = msgspec.json.decode((path / STATE).read_bytes(), type=State)
        except FileNotFoundError:
            state = State()
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{path / STATE}: cannot be read: {error}") from None
        return cls(path, asked, state)

    @property
    def left(self) -> float:
        """Seconds that are still to be played."""
        return max(0.0, self.asked.rota.seconds - self.state.elapsed)

    # ------------------------------------------------------------------ what comes in

    def checkpoint(self, elapsed: float) -> None:
        """Put down how far it has come; on disk when this returns."""
        self.state.elapsed = max(self.state.elapsed, min(elapsed, self.asked.rota.seconds))
        self._replace(STATE, msgspec.json.encode(self.state), sync=True)

    def add(self, name: str, what: Struct, *, sync: bool = False) -> None:
        """Append a line to one of the files.

        Raises:
            MachineError: the disk is full.
        """
        self._append(name, msgspec.json.encode(what), sync=sync)

    def event(self, event: str, **details: Any) -> None:
        """A line of the structured log."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        self._append(EVENTS, msgspec.json.encode({**line, **details}), sync=False)

    def _append(self, name: str, line: bytes, *, sync: bool) -> None:
        path = self.path / name
        try:
            storing.append(path, line + b"\n", sync=sync)
        except OSError as error:
            raise cannot_write(path, error) from None

    def read(self, name: str, kind: type[T]) -> Iterator[T]:
        """What has been added to a file; a line that a crash cut short is left out.

        Raises:
            UsageError: it cannot be read.
        """
        path = self.path / name
        decoder = msgspec.json.Decoder(kind)
        try:
            with path.open("rb") as lines:
                yield from decode_lines(lines, decoder.decode)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            raise UsageError(f"{path}, {error}") from None

    def unjudged(self, judged: set[str]) -> list[Path]:
        """Sessions of which nothing has been put down yet, relative to the directory."""
        found = sorted((self.path / SESSIONS).glob("*/journal.jsonl"))
        paths = [each.parent.relative_to(self.path) for each in found]
        return [each for each in paths if str(each) not in judged]

    def begun(self) -> dict[str, Line]:
        """When each session began, by its path, from the log."""
        found = {}
        for each in self.read(EVENTS, Line):
            if each.event == "begun":
                found[each.session] = each
        return found

    # ------------------------------------------------------------------ what it came to

    def write(self, files: dict[str, bytes]) -> None:
        """Put files into the directory, each whole or not at all.

        Raises:
            MachineError: the disk is full.
        """
        for name, data in files.items():
            self._replace(name, data)

    def _replace(self, name: str, data: bytes, *, sync: bool = False) -> None:
        path = self.path / name
        try:
            storing.replace(path, data, sync=sync)
        except OSError as error:
            raise cannot_write(path, error) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have a soak's directory for this process alone; a crash or a reboot lets go of it.

    Raises:
        UsageError: another process has it, or there is no soak.
    """
    try:
        file = (path / PLAN).open("rb")
    except FileNotFoundError:
        raise _no_soak(path) from None
    except OSError as error:
        raise UsageError(f"{path / PLAN}: cannot be read: {error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path}: this soak is running; end that process first") from None
        yield


def _no_soak(path: Path) -> UsageError:
    return UsageError(f"{path}: no soak: it has no {PLAN}")


def prepare(path: Path, *, resumable: bool = True) -> None:
    """Make a directory for a soak.

    Args:
        resumable: what may be there already could go on instead.

    Raises:
        UsageError: there is something already.
        MachineError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            hint = f", or go on with what is there: replay soak --resume {path}" * resumable
            raise UsageError(f"{path} is not empty: give another --out{hint}")
        (path / SESSIONS).mkdir()
        (path / LOGS).mkdir()
    except OSError as error:
        raise MachineError(f"{path}: {(error.strerror or str(error)).lower()}") from None
