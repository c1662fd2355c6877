"""`replay proxy` as a library call: an injector in front of a target, and somebody's program."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import trio

from replay.endurance.growth import leaks
from replay.endurance.trend import Trend
from replay.errors import MachineError, UsageError
from replay.faults import Plan
from replay.faults.rules import Rule
from replay.proxy.control import Control
from replay.proxy.injector import Injector
from replay.proxy.server import open_proxy
from replay.proxy.vantage import Journals, Told, open_journals
from replay.rundir import RESOURCES
from replay.target import Target, open_owned_target
from replay.tasks import end_process, open_flat_nursery
from replay.watching import Watch, Watched

#: A program that was told to end has so long to do so.
_END_SECONDS = 10.0
_NO_KEY = "local"
#: What the command's process is called.
PROGRAM = "the program"


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """An injector.

    Attributes:
        journal: where the sessions' directories go.
        by_hand: rules that SIGUSR1 arms, one after another.
        control: port for faults by hand, None for none.
        command: a program to run against it; without one it runs until Ctrl-C.
        watch: ids of processes to be watched, besides the command's own.
    """

    journal: Path
    target: Target = field(default_factory=Target)
    host: str = "127.0.0.1"
    port: int = 0
    plan: Plan = field(default_factory=Plan)
    by_hand: tuple[Rule, ...] = ()
    control: int | None = None
    seed: int = 0
    command: tuple[str, ...] = ()
    watch: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Proxied:
    """What came of it. `code`: the program's exit code, None where there was none. `watched`: the
    processes that were watched, the command's as `PROGRAM`; `trends`: what they took more of with
    each reconnection."""

    sessions: list[Path]
    code: int | None
    watched: list[Watched] = field(default_factory=list)
    trends: list[Trend] = field(default_factory=list)


async def proxy(
    options: ProxyOptions, ready: Callable[[str], None], told: Told, late: Callable[[Path], None]
) -> Proxied:
    """Stand between clients and the target until the command has ended, or Ctrl-C.

    Args:
        ready: is called with the injector's URL when it can be used.
        told: is called with each session's directory once the session is over, one by one.
        late: is called with the directory of a session of which something comes after that.

    Raises:
        UsageError: the plan asks for what cannot be done to this target, or a process to be watched
            is not there.
        MachineError: a port is taken, the sandbox or the command does not start.
    """
    async with open_owned_target(options.target) as (service, sandbox):
        facts = options.target.facts(service.base_url, None)
        async with open_journals(
            options.journal, service.base_url, facts, options.seed, told=told, late=late
        ) as journals:
            watch = Watch(options.journal / RESOURCES, lambda: journals.counts)
            for pid in options.watch:
                watch.add(pid)
            rng = Random(options.seed)  # noqa: S311 - faults to be had again, not kept secret
            async with (
                open_proxy(
                    service.base_url,
                    options.plan,
                    journals,
                    rng,
                    host=options.host,
                    port=options.port,
                    sandbox=sandbox,
                ) as injector,
                open_flat_nursery() as nursery,
            ):
                nursery.start_soon(watch.run)
                code = await _use(options, injector, nursery, ready, watch)
                nursery.cancel_scope.cancel()
            await _finish(journals)
    return Proxied(journals.directories, code, watch.watched, leaks(watch.history))


async def _finish(journals: Journals) -> None:
    await journals.finish()


async def _use(
    options: ProxyOptions,
    injector: Injector,
    nursery: trio.Nursery,
    ready: Callable[[str], None],
    watch: Watch,
) -> int | None:
    if options.control is not None:
        listeners = await _listen(options.control)
        nursery.start_soon(trio.serve_listeners, Control(injector).handle, listeners)
    over = trio.Event()
    await nursery.start(_heed_signals, options.by_hand, injector, over)
    ready(injector.url)
    if not options.command:
        await over.wait()
        return None
    return await _run_command(options.command, injector.url, over, watch)


async def _listen(port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host="127.0.0.1")
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise MachineError(f"cannot listen on 127.0.0.1:{port}: {reason}") from None


async def _heed_signals(
    by_hand: tuple[Rule, ...],
    injector: Injector,
    over: trio.Event,
    task_status: trio.TaskStatus[None],
) -> None:
    """SIGUSR1 arms the next rule, SIGUSR2 heals; SIGINT and SIGTERM end it."""
    rules = list(by_hand)
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    with trio.open_signal_receiver(*wanted) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGUSR1:
                if rules:
                    injector.arm(rules.pop(0))
            elif number == signal.SIGUSR2:
                await injector.heal()
            else:
                over.set()


async def _run_command(command: tuple[str, ...], url: str, over: trio.Event, watch: Watch) -> int:
    """Run somebody's program against the injector; its exit code."""
    environment = {"GLADIA_API_KEY": _NO_KEY, **os.environ, "GLADIA_API_URL": url}
    try:
        process = await trio.lowlevel.open_process(list(command), env=environment)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise MachineError(f"cannot run {command[0]}: {reason}") from None
    try:
        with suppress(UsageError):  # it is over already
            watch.add(process.pid, PROGRAM)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pass_on, process, over)
            code = await process.wait()
            nursery.cancel_scope.cancel()
        return code
    finally:
        with trio.CancelScope(shield=True):
            await end_process(process, _END_SECONDS)


async def _pass_on(process: trio.Process, over: trio.Event) -> None:
    """A program that is to end is told so, and ended when it does not."""
    await over.wait()
    await end_process(process, _END_SECONDS)
