"""Control runs: the same source, played undisturbed, to hold a run's transcript against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from replay import journal as j
from replay.errors import Interrupted, UsageError
from replay.faults import Plan
from replay.judge import told
from replay.run import RunOptions, View, run
from replay.rundir import load
from replay.timeline import Timeline

_MOST = 100


def control_of(path: Path) -> j.Control:
    """What a stored run understood.

    Raises:
        UsageError: it is no run, or one that was disturbed or did not come to its end.
    """
    timeline = load(path).timeline
    if timeline.all(j.Interrupted):
        raise UsageError(f"{path}: no control run: it was interrupted before its source was over")
    ended = timeline.final(j.Ended)
    if ended is None or ended.outcome != "complete":
        raise UsageError(f"{path}: no control run: its session did not come to its end")
    if timeline.all(j.FaultFired):
        raise UsageError(f"{path}: no control run: faults were injected into it")
    return j.Control(t=0, name=path.resolve().name, finals=finals(timeline))


def finals(timeline: Timeline) -> list[j.ControlFinal]:
    """The finals of a run in the order of speech."""
    return [
        j.ControlFinal(each.text, round(each.start, 3), round(each.end, 3), each.channel)
        for each in told.once(told.told(timeline))
    ]


def with_controls(
    options: RunOptions, asked: Sequence[str], make_view: Callable[[str], Callable[[], View]]
) -> RunOptions:
    """`options` with the controls that `asked` names: stored runs, and numbers of runs to play
    first, without their faults. `make_view` gives each of those the view with this title.

    Raises:
        UsageError: neither a number of runs nor a control run.
        Interrupted: a control was, so that it is none, and what it was for is not wanted either.
        ReplayError: a control could not be played.
    """
    found = []
    for text in asked:
        if not text.isdecimal():
            found.append(control_of(Path(text)))
            continue
        if not 1 <= int(text) <= _MOST:
            raise UsageError(f"{text} control runs: ask for 1 to {_MOST}")
        for number in range(1, int(text) + 1):
            calm = replace(
                options,
                plan=Plan(),
                chaos=None,
                controls=(),
                callback=False,
                out=_out(options, number),
            )
            view = make_view(f"control {number} of {text}")
            played = trio.run(partial(run, calm, view))
            if load(played).timeline.all(j.Interrupted):
                raise Interrupted(f"interrupted in control {number} of {text}; see {played}")
            found.append(control_of(played))
    return replace(options, controls=tuple(found))


def _out(options: RunOptions, number: int) -> Path | None:
    out = options.out
    return None if out is None else out.with_name(f"{out.name}-control-{number}")
