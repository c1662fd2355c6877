"""`replay proxy`: the injector, in front of anybody's client."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.faults import fault_options
from replay.cli.options import sandbox_options, target_options
from replay.cli.types import DURATION, Parsed
from replay.errors import UsageError

if TYPE_CHECKING:
    from replay.faults import Plan
    from replay.proxying import Proxied


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r}: write HOST:PORT or PORT, such as 127.0.0.1:8766")
    return host or "127.0.0.1", int(port)


@click.command(context_settings={"ignore_unknown_options": False})
@target_options
@click.option(
    "--listen",
    type=Parsed("address", _address),
    default="127.0.0.1:0",
    show_default=True,
    metavar="[HOST:]PORT",
    help="Where clients are to go; port 0 takes any.",
)
@fault_options
@click.option(
    "--chaos-length",
    type=DURATION,
    default="1m",
    show_default=True,
    help="How much audio --chaos is to reckon with.",
)
@click.option("--by-hand", multiple=True, metavar="TEXT", help="A fault that SIGUSR1 arms.")
@click.option(
    "--control",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Arm and heal over HTTP: GET /, POST /arm, POST /heal.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A directory for each session that passes. [default: runs/<time>-proxy]",
)
@click.option("--seed", type=int, default=0, help="Of the faults.")
@click.option(
    "--watch-pid",
    "watch",
    type=click.IntRange(1),
    multiple=True,
    metavar="PID",
    help="Judge whether this process leaks with its client's reconnections; repeatable. The "
    "COMMAND's own is watched in any case.",
)
@sandbox_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(**options: Any) -> None:
    """Stand between any client and a target, and harm what passes on purpose.

    With a COMMAND, it is run with GLADIA_API_URL pointing here (and GLADIA_API_KEY set to "local"
    if it is not set), and the exit code says what became of its sessions: 0 pass, 1 fail, 2 usage
    or environment, 3 unknown. Without one it runs until Ctrl-C. SIGUSR1 arms the next --by-hand
    fault, SIGUSR2 ends all that is being done.

    What the COMMAND and each --watch-pid take, children included, goes to resources.jsonl. One that
    surely takes more memory, files or threads with each reconnection fails; where that cannot be
    told of a --watch-pid, the outcome is unknown.

    \b
    replay proxy --fault 'reset @ 3s' -- python my_client.py call.wav
    replay proxy --target gladia --listen 8766 --journal sessions/
    """
    import trio

    from replay.faults import parse_plan
    from replay.proxying import ProxyOptions, proxy

    host, port = options["listen"]
    journal = options["journal"] or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-proxy"
    chosen = ProxyOptions(
        journal=journal,
        target=_target(options),
        host=host,
        port=port,
        plan=_plan(options),
        by_hand=parse_plan(options["by_hand"]).rules,
        control=options["control"],
        seed=options["seed"],
        command=tuple(options["command"]),
        watch=options["watch"],
    )
    verdicts = _Verdicts()
    done = trio.run(proxy, chosen, _ready, verdicts.judge, _late)
    verdicts.watched(done)
    sys.exit(verdicts.together(done.code))


def _ready(url: str) -> None:
    click.echo(f"replay: listening on {url}", err=True)


def _target(options: dict[str, Any]) -> Any:
    from replay.cli.options import target_from

    arguments: list[str] = []
    for name in ("recognizer", "script"):
        if options[name] is not None:
            arguments += [f"--{name}", str(options[name])]
    if options["sandbox_options"] and options["target"] != "sandbox":
        raise UsageError(f"--sandbox-option is for the sandbox, the target is {options['target']}")
    return target_from(options, (*arguments, *options["sandbox_options"]))


def _plan(options: dict[str, Any]) -> Plan:
    from replay.cli.faults import plan_from
    from replay.faults import Plan, chaos

    plan: Plan = plan_from(options)
    if options["chaos"] is None:
        return plan
    restart = options["target"] == "sandbox"
    seconds = float(options["chaos_length"])
    drawn = chaos(options["chaos"], options["seed"], seconds, restart=restart)
    return Plan(plan.rules + drawn.rules)


def _late(directory: Path) -> None:
    click.echo(
        f"replay: something came for {directory}/ after it was closed, and is not in there",
        err=True,
    )


class _Verdicts:
    """Sums each session up in its directory and shows its verdict in a line, once it is over."""

    def __init__(self) -> None:
        from replay.verify import Verifier

        self._verdicts: set[str] = set()
        self._verdicts_of_watched: set[str] = set()
        self._all_of_them = Verifier()

    async def judge(self, directory: Path) -> None:
        """Judge one session, in a thread: others go on meanwhile."""
        import trio

        await trio.to_thread.run_sync(self._judge, directory)

    def _judge(self, directory: Path) -> None:
        from replay.report import json as json_report
        from replay.rundir import load, write_summary
        from replay.summary import summarise

        stored = load(directory)
        summary = summarise(stored.timeline, stored.compare(), damage=stored.damage)
        write_summary(directory, json_report.render(summary))
        self._verdicts.add(summary.verdict)
        self._all_of_them.add(stored)
        _show(f"{summary.verdict}: {directory}/", summary.reasons)

    def watched(self, done: Proxied) -> None:
        """What was taken by the processes that were watched; the program's own is only ever held
        against it."""
        from replay.endurance.growth import sure
        from replay.proxying import PROGRAM
        from replay.report import watched

        for each in done.watched:
            if each.gone is not None and each.who != PROGRAM:
                click.echo(f"replay: {each.who} went away after {each.gone:.0f} s", err=True)
        asked = {each.who for each in done.watched} - {PROGRAM}
        told = {each.who for each in done.trends}
        leaky = {each.who for each in sure(done.trends)}
        unsure = {each.who for each in done.trends if each.state == "unknown"} | (asked - told)
        for who in (PROGRAM, *sorted(asked)):
            if who in asked or who in leaky:
                _show(f"{who}:", watched.lines(done.trends, who))
        if leaky:
            self._verdicts_of_watched.add("fail")
        elif asked & unsure:
            self._verdicts_of_watched.add("unknown")

    def together(self, code: int | None) -> int:
        """The exit code: the worst of all sessions, and of what only several can show."""
        verdicts = self._verdicts | self._verdicts_of_watched
        together = self._all_of_them.together()
        if together is not None:
            verdicts.add(together.verdict)
            _show("", together.reasons)
        if code:
            click.echo(f"replay: the command exited with {code}", err=True)
            verdicts.add("fail")
        if not self._verdicts:
            click.echo("replay: no session was opened", err=True)
            verdicts.add("unknown")
        return 1 if "fail" in verdicts else 3 if "unknown" in verdicts else 0


def _show(line: str, reasons: list[str]) -> None:
    shown = [line] * bool(line) + [f"  {reason}" for reason in reasons]
    if shown:
        click.echo("\n".join(shown), err=True)
