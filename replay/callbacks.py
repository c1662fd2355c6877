"""Callbacks beside the websocket: how much later each message came, and which never did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct

from replay import journal
from replay.statistics import Distribution, milliseconds
from replay.timeline import Timeline
from replay.wire import messages as m
from replay.wire import posting
from replay.wire.config import CallbackConfig
from replay.wire.gating import wanted


class Callbacks(Struct, kw_only=True):
    """In ms. `final`: from the end of the utterance, by the plan, to the callback of its final.
    `behind`: from a message's arrival over the websocket to that of the same by callback.

    `missing`: of what came over the websocket and was asked for. `duplicated`: came again.
    `out_of_order`: came after one that the websocket told later.
    """

    count: int
    final: Distribution
    behind: Distribution
    missing: int
    duplicated: int
    out_of_order: int


@dataclass(frozen=True, slots=True)
class Told:
    """One message. `heard`: when it came over the websocket, in ns; `came`: when by callback."""

    message: m.Message
    heard: int | None
    came: list[int] = field(default_factory=list)

    @property
    def once(self) -> bool:
        """Does a session tell it once: finals, lifecycle, results?"""
        return bool(posting.once(self.message))


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a session told, by websocket and by callback.

    Attributes:
        every: those over the websocket in its order, as far as they were asked for, then others.
        late: those that came by callback after one that is told later.
        strange: when came what was posted and is no callback, in ns.
    """

    every: list[Told]
    late: list[Told]
    strange: list[int]

    @property
    def missing(self) -> list[Told]:
        return [each for each in self.every if not each.came]


class Owed:
    """What is still to come by callback of a session that goes to its end."""

    def __init__(self, config: CallbackConfig) -> None:
        self._config = config
        self._owed = set(posting.lifecycle()) if config.receive_lifecycle_events else set()
        self._came: set[str] = set()

    def hear(self, message: m.Received) -> None:
        """`message` came over the websocket."""
        if isinstance(message, m.Message) and wanted(message, self._config):
            self._owed.add(_name(message))

    def take(self, message: m.Received) -> None:
        """`message` came by callback."""
        if isinstance(message, m.Message):
            self._came.add(_name(message))

    def __bool__(self) -> bool:
        return not self._owed <= self._came


def asked(config: Mapping[str, Any]) -> CallbackConfig:
    """Which callbacks a run asks for, whose configuration is `config`."""
    return msgspec.convert(config.get("callback_config", {}), CallbackConfig)


def gather(timeline: Timeline) -> Gathered | None:
    """None when callbacks were not asked for."""
    if not timeline.header.options.get("callback"):
        return None
    config = asked(timeline.header.config)
    every: dict[str, Told] = {}
    for heard in timeline.heard:
        if isinstance(heard.message, m.Message) and wanted(heard.message, config):
            every.setdefault(_name(heard.message), Told(heard.message, heard.t))
    arrivals: list[Told] = []
    strange = []
    for t, message in _posted(timeline):
        if not isinstance(message, m.Message):
            strange.append(t)
            continue
        told = every.setdefault(_name(message), Told(message, None))
        told.came.append(t)
        if len(told.came) == 1:
            arrivals.append(told)
    return Gathered(list(every.values()), _late(every, arrivals), strange)


def measure(timeline: Timeline, ends: Mapping[str, float]) -> Callbacks | None:
    """None when callbacks were not asked for. `ends`: when the plan had each utterance spoken, in
    ns, by its id."""
    told = gather(timeline)
    if told is None:
        return None
    finals, never = [], []
    for each in told.every:
        if isinstance(each.message, m.Transcript) and each.message.data.is_final:
            end = ends.get(each.message.data.id, np.nan)
            if each.came:
                finals.append(each.came[0] - end)
            else:
                never.append(timeline.last - end)
    both = [
        each.came[0] - each.heard for each in told.every if each.came and each.heard is not None
    ]
    return Callbacks(
        count=sum(len(each.came) for each in told.every),
        final=milliseconds(np.array(finals, dtype=np.float64), never),
        behind=milliseconds(np.array(both, dtype=np.float64)),
        missing=len(told.missing),
        duplicated=sum(max(len(each.came) - 1, 0) for each in told.every),
        out_of_order=len(told.late),
    )


def _name(message: m.Message) -> str:
    """Says that two messages are the same."""
    return posting.once(message) or m.encode(message)


def _posted(timeline: Timeline) -> Iterator[tuple[int, m.Received | None]]:
    for entry in timeline.all(journal.CallbackReceived):
        post = None if entry.body is UNSET else posting.decode(bytes(entry.body))
        told = post is not None and posting.is_callback(post)
        yield entry.t, posting.told(post) if post is not None and told else None


def _late(every: Mapping[str, Told], arrivals: list[Told]) -> list[Told]:
    """Of what came by callback, in its order, those that something later had come before."""
    places = {
        id(told): place for place, told in enumerate(every.values()) if told.heard is not None
    }
    late, furthest = [], -np.inf
    for told in arrivals:
        place: float | None = places.get(id(told))
        # These have their place even where the websocket does not tell them.
        match told.message:
            case m.StartSession():
                place = -2.0
            case m.StartRecording():
                place = -1.0
            case m.EndSession():
                place = np.inf
        if place is None:
            continue
        if place < furthest:
            late.append(told)
        furthest = max(furthest, place)
    return late
