"""Parts of a soak, from several machines or several nights, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from replay.endurance.outcome import Outcome
from replay.endurance.resources import Sample
from replay.endurance.summary import Death
from replay.errors import UsageError
from replay.soak.assess import unjudged, unplayed
from replay.soak.store import OUTCOMES, SAMPLES, Asked, State, Store, prepare

#: What has to be the same of parts that are one soak, and what that is called.
_SAME = {
    "target": "targets",
    "faults": "faults",
    "common": "faults",
    "chaos": "chaos",
    "audio": "audio",
}


def merge(paths: Sequence[Path], out: Path) -> Store:
    """Put parts together in a new directory, which can be summed up, rendered and merged like any.

    Sessions stay where they are: the new directory has what came of them.

    Raises:
        UsageError: one is no soak, they are parts of different ones, or one is there twice.
        MachineError: it cannot be written.
    """
    parts = [Store.open(path) for path in paths]
    if len({part.path.resolve() for part in parts}) < len(parts):
        raise UsageError("the same directory is given twice")
    first = parts[0]
    for part in parts[1:]:
        _check_same(first, part)
    played = [[*part.read(OUTCOMES, Outcome)] for part in parts]
    missing = [*_missing(parts, played), *_other_shards(parts)]
    known = _outcomes(parts, played)
    prepare(out, resumable=False)
    merged = Store.create(out, _asked(parts, out.name))
    merged.state = State(
        elapsed=max(part.state.elapsed for part in parts),
        runs=sum(part.state.runs for part in parts),
        deaths=[_death(n, each) for n, part in enumerate(parts, 1) for each in part.state.deaths],
        missing=missing,
    )
    merged.checkpoint(merged.state.elapsed)
    for outcome in known:
        merged.add(OUTCOMES, outcome)
    for number, part in enumerate(parts, 1):
        for sample in part.read(SAMPLES, Sample):
            sample.who = f"part {number}: {sample.who}"
            merged.add(SAMPLES, sample)
    return merged


def _missing(parts: Sequence[Store], played: Sequence[Sequence[Outcome]]) -> Iterator[str]:
    """What each of them lacks."""
    for part, outcomes in zip(parts, played, strict=True):
        judged = {outcome.place.path for outcome in outcomes}
        for text in (*unplayed(part), *unjudged(part, judged)):
            yield f"{part.asked.name}: {text}"


def _other_shards(parts: Sequence[Store]) -> Iterator[str]:
    """Shards of the same soak that are not there."""
    found: dict[tuple[int, int], set[int]] = {}
    for part in parts:
        number, of = part.asked.rota.shard
        found.setdefault((part.asked.seed, of), set()).add(number)
    for (_, of), numbers in found.items():
        for number in sorted({*range(1, of + 1)} - numbers):
            yield f"shard {number}/{of} is not there"


def _check_same(first: Store, other: Store) -> None:
    one, two = first.asked, other.asked
    differing = [what for name, what in _SAME.items() if getattr(one, name) != getattr(two, name)]
    if one.playlist.sha256 != two.playlist.sha256:
        differing.append("recordings")
    if one.rota.session_length != two.rota.session_length:
        differing.append("session lengths")
    if differing:
        raise UsageError(f"{first.path} and {other.path} have other {differing[0]}: not one soak")


def _outcomes(parts: Sequence[Store], played: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """All of them, each with a path that says which part it is of."""
    seen: dict[tuple[int, int, int, int], Path] = {}
    found = []
    for part, outcomes in zip(parts, played, strict=True):
        for outcome in outcomes:
            place = outcome.place
            # A session's own seed: a part that was put together itself is of several.
            key = (place.seed or part.asked.seed, place.slot, place.number, place.attempt)
            if key in seen and part.path != seen[key]:
                raise UsageError(
                    f"{seen[key]} and {part.path} have played the same sessions: "
                    "give each machine its own --shard, or another --seed"
                )
            seen[key] = part.path
            place.path = f"{part.asked.name}/{place.path}"
            found.append(outcome)
    return found


def _asked(parts: Sequence[Store], name: str) -> Asked:
    first = parts[0].asked
    rota = structs.replace(
        first.rota, seconds=max(part.asked.rota.seconds for part in parts), shard=(1, 1)
    )
    return structs.replace(
        first,
        name=name,
        rota=rota,
        processes=sum(part.asked.processes for part in parts),
        parts=[each for part in parts for each in (part.asked.parts or [part.asked.name])],
    )


def _death(number: int, death: Death) -> Death:
    return structs.replace(death, why=f"part {number}: {death.why}")
