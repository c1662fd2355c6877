"""A benchmark's directory: its plan, what was played of it so far, and what it came to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay import benchmark, storing
from replay.bench import corpus
from replay.benchmark import Benchmark, Plan, Play, Recording
from replay.errors import MachineError, UsageError
from replay.lines import decode_lines

PLAN = "plan.json"
PLAYS = "plays.jsonl"
MANIFEST = "manifest.json"
RESULT = "bench.json"

#: A session that broke off, or whose measurement is not valid, is played so often in all.
ATTEMPTS = 2


class Store:
    """A directory of its own; `plan` says what belongs into it."""

    def __init__(self, path: Path, plan: Plan, plays: list[Play]) -> None:
        self.path = path
        self.plan = plan
        self.plays = plays

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Store:
        """Begin a benchmark.

        Raises:
            UsageError: there is something else already.
            MachineError: it cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(
                    f"{path} is not empty: give another --name or --out, "
                    f"or go on with what is there: replay bench --resume {path}"
                )
            storing.replace(path / MANIFEST, corpus.manifest(plan.recordings))
            storing.replace(
                path / PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n"
            )
        except OSError as error:
            raise _cannot(path, error) from None
        return cls(path, plan, [])

    @classmethod
    def open(cls, path: Path) -> Store:
        """Read what is there.

        Raises:
            UsageError: it is no benchmark.
        """
        try:
            plan = msgspec.json.decode((path / PLAN).read_bytes(), type=Plan)
        except FileNotFoundError:
            raise UsageError(f"{path}: no benchmark: it has no {PLAN}") from None
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{path / PLAN}: cannot be read: {error}") from None
        if plan.schema != benchmark.SCHEMA:
            raise UsageError(f"{path}: a benchmark of another version: begin a new one")
        return cls(path, plan, _plays(path / PLAYS))

    # ------------------------------------------------------------------ what was played

    def add(self, play: Play) -> None:
        """Put down that a session was played; on disk when this returns.

        Raises:
            MachineError: the disk is full.
        """
        line = msgspec.json.encode(play) + b"\n"
        try:
            storing.append(self.path / PLAYS, line)
        except OSError as error:
            raise _cannot(self.path / PLAYS, error) from None
        self.plays.append(play)

    def of(self, arm: str, number: int, recording: str) -> list[Play]:
        """Every attempt at one session, in order."""
        wanted = (arm, number, recording)
        return [each for each in self.plays if (each.arm, each.round, each.recording) == wanted]

    def wanting(self, arm: str, number: int) -> list[Recording]:
        """The recordings that are still to be played in this round: those that were not, and those
        that broke off or were not measured validly and have an attempt left."""
        return [
            recording
            for recording in self.plan.recordings
            if not self._settled(self.of(arm, number, recording.name))
        ]

    @property
    def left(self) -> int:
        """How many sessions of the plan are still to be played."""
        numbers = range(1 - self.plan.warmup, self.plan.runs + 1)
        return sum(
            len(self.wanting(arm.name, number)) for arm in self.plan.arms for number in numbers
        )

    def place(self, arm: str, number: int, recording: str) -> tuple[Path, int]:
        """An empty place for the next attempt at a session, and which attempt it is.

        Raises:
            MachineError: it cannot be made.
        """
        attempt = len(self.of(arm, number, recording)) + 1
        folder = f"round-{number:02d}" if number > 0 else f"warm-up-{1 - number}"
        name = recording if attempt == 1 else f"{recording}.attempt-{attempt}"
        path = self.path / "plays" / arm / folder / name
        try:
            shutil.rmtree(path, ignore_errors=True)  # what an interruption left of this attempt
            path.mkdir(parents=True)
        except OSError as error:
            raise _cannot(path, error) from None
        return path, attempt

    @staticmethod
    def _settled(attempts: Sequence[Play]) -> bool:
        fine = bool(attempts) and not attempts[-1].error and attempts[-1].validity != "invalid"
        return fine or len(attempts) >= ATTEMPTS

    # ------------------------------------------------------------------ what it came to

    def write(self, files: dict[str, bytes]) -> None:
        """Put files into the directory, each whole or not at all.

        Raises:
            MachineError: the disk is full.
        """
        for name, data in files.items():
            try:
                storing.replace(self.path / name, data)
            except OSError as error:
                raise _cannot(self.path / name, error) from None


def load_result(path: Path) -> Benchmark:
    """What a benchmark came to, from its directory or from `bench.json` wherever it lies.

    Raises:
        UsageError: it is neither.
    """
    file = path / RESULT if path.is_dir() else path
    try:
        return benchmark.decode(file.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no benchmark: there is no {RESULT}"
            if path.is_dir()
            else f"{path}: no such file"
        ) from None
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None


def _plays(path: Path) -> list[Play]:
    decoder = msgspec.json.Decoder(Play)
    try:
        with path.open("rb") as lines:
            return list(decode_lines(lines, decoder.decode))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise UsageError(f"{path}, {error}") from None


def _cannot(path: Path, error: OSError) -> MachineError:
    return MachineError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}")
