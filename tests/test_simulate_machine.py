"""A state machine that plays with a world by hand: sessions, faults, waits, in any order.

The client, the injector and the sandbox run in virtual time. A rule hands the world a wish, the
world fulfils it and stands still; at the end all sessions are stopped, and judged by all
invariants.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from replay import journal as j
from replay.counter import counted
from replay.faults import parse_plan
from replay.player import Pace, Player
from replay.proxy.injector import Injector
from replay.sandbox.defects import planted
from replay.sandbox.hub import Sandbox, open_sandbox
from replay.sandbox.recognizers.scripted import Manner, ScriptedRecognizer
from replay.sandbox.settings import Settings
from replay.simulation.clock import VirtualClock
from replay.simulation.kernel import run
from replay.simulation.play import BEGAN, play
from replay.simulation.spec import Simulated, Simulation
from replay.simulation.verdict import judged
from replay.tasks import open_flat_nursery

LONGEST = 60.0
FAULTS = (
    "reset", "fin", "hold(up, 2s)", "hold(both, 6s)", "halfclose(up)", "halfclose(down)",
    "blackhole(up)", "blackhole(down)", "blackhole(both)", "close(1011)", "close_open(1001)",
    "delay(both, 300ms, 20ms, 5s)", "throttle(both, 16000/s, 3s)", "slice(both, 100, 1s)",
    "coalesce(down, 5, 2s)", "loseacks(5)", "dupack", "cutframe(17)", "refuse(3s)", "mute(2s)",
    "unreachable(4s)", "zero_window(2s)", "oversize", "corrupt(type)",
)  # fmt: skip
"""What may be armed by hand; none of them is the end of a correct client."""


@dataclass
class Wish:
    """One thing to do to the world. `session`: which one, counted round."""

    what: str
    session: int = 0
    text: str = ""
    seconds: float = 0.0


class Hand:
    """A session under somebody's hand."""

    def __init__(self) -> None:
        self.open = trio.Event()
        self.over = trio.Event()
        self.injector: Injector
        self.player: Player
        self.done: Simulated

    def take(self, injector: Injector, player: Player) -> None:
        self.injector, self.player = injector, player
        self.open.set()

    async def play(self, spec: Simulation, sandbox: Sandbox, clock: VirtualClock) -> None:
        self.done = await play(spec, sandbox, clock, alone=False, begun=self.take)
        self.over.set()


def tell(wishes: list[Wish], defect: str = "") -> list[str]:
    """Have all wishes fulfilled in one world; what is wrong with its sessions at the end."""
    clock = VirtualClock()
    return run(_live, wishes, defect, clock, clock=clock, seed=len(wishes))


async def _live(wishes: list[Wish], defect: str, clock: VirtualClock) -> list[str]:
    planted_ = (planted(defect),) if defect else ()
    sandbox_settings = Settings(defects=planted_)
    sessions: list[Hand] = []
    wrong: list[str] = []
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(open_flat_nursery())
        sandbox = await stack.enter_async_context(
            open_sandbox(
                sandbox_settings,
                ScriptedRecognizer(Simulation().script, Manner()),
                rng=Random(1),
                began=BEGAN,
            )
        )
        for wish in wishes:
            await _fulfil(wish, sandbox, sessions, nursery, clock)
        for session in sessions:
            session.player.stop()
        with trio.fail_after(3600):
            for session in sessions:
                await session.over.wait()
                done = session.done
                found = judged(done)
                wrong += [f"{each.invariant}: {each.detail}" for each in found.findings]
                wrong += [] if found.state != "fail" else found.reasons
                ended = [each for each in done.entries if isinstance(each, j.Ended)]
                if not ended or ended[-1].outcome not in ("complete", "recovered"):
                    wrong.append("the session did not come to its end")
    return wrong


async def _fulfil(
    wish: Wish,
    sandbox: Sandbox,
    sessions: list[Hand],
    nursery: trio.Nursery,
    clock: VirtualClock,
) -> None:
    if wish.what == "open":
        number = len(sessions)
        spec = Simulation(
            audio=counted(number << 24, 32_000 * int(LONGEST)),
            chunk=Fraction(1, 10),
            pace=Pace(),
            seed=number,
            latency=0.02 + 0.03 * number,
            said=(),
        )
        hand = Hand()
        nursery.start_soon(hand.play, spec, sandbox, clock)
        await hand.open.wait()
        sessions.append(hand)
        return
    if wish.what == "wait":
        await trio.sleep(wish.seconds)
        return
    session = sessions[wish.session % len(sessions)]
    if session.over.is_set():
        return
    match wish.what:
        case "arm":
            session.injector.arm(parse_plan([wish.text]).rules[0])
        case "heal":
            await session.injector.heal()
        case "stop":
            session.player.stop()
    await trio.sleep(wish.seconds)


class Machine(RuleBasedStateMachine):
    """`defect`: planted in the sandbox of every world."""

    defect = ""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Wish] = []
        self.opened = 0

    @precondition(lambda self: self.opened < 3)
    @rule()
    def open(self) -> None:
        self.opened += 1
        self.wishes.append(Wish("open"))

    @rule(seconds=st.integers(1, 160).map(lambda n: n / 20))
    def wait(self, seconds: float) -> None:
        self.wishes.append(Wish("wait", seconds=seconds))

    @precondition(lambda self: self.opened)
    @rule(
        which=st.integers(0, 2),
        text=st.sampled_from(FAULTS),
        seconds=st.integers(0, 100).map(lambda n: n / 20),
    )
    def arm(self, which: int, text: str, seconds: float) -> None:
        self.wishes.append(Wish("arm", which, text, seconds))

    @precondition(lambda self: self.opened)
    @rule(which=st.integers(0, 2))
    def heal(self, which: int) -> None:
        self.wishes.append(Wish("heal", which))

    @precondition(lambda self: self.opened)
    @rule(which=st.integers(0, 2))
    def stop(self, which: int) -> None:
        self.wishes.append(Wish("stop", which))

    def teardown(self) -> None:
        assert tell(self.wishes, self.defect) == []


USUAL = settings(
    max_examples=60,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


#: To find is enough: to tell the shortest story takes many more.
FINDING = settings(USUAL, phases=[Phase.generate], print_blob=False)


def machine(defect: str) -> Callable[[], Any]:
    return type("Planted", (Machine,), {"defect": defect})


def test_whatever_is_done_to_sessions_they_lose_nothing() -> None:
    """Any faults by hand, at any time, to any of up to three sessions that share a sandbox: all
    invariants hold at the end of each."""
    run_state_machine_as_test(Machine, settings=USUAL)


@pytest.mark.parametrize("defect", ["lose=100", "forget"])
def test_a_planted_defect_is_found(defect: str) -> None:
    """Planted: the machine finds a story in which it shows."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine(defect), settings=FINDING)


def test_the_same_story_comes_out_the_same() -> None:
    """It is a simulation like any other."""
    wishes = [Wish("open"), Wish("wait", seconds=3.0), Wish("arm", 0, "reset", 1.0)]
    assert tell(wishes) == tell(wishes) == []
    assert any("A1" in each for each in tell(wishes, "lose=100"))
