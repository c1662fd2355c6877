"""`replay simulate`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.exits import EXITS
from replay.cli.types import CHUNK, DURATION, PROCESSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replay.simulating import Progress
    from replay.simulation.asked import Asked
    from replay.simulation.verdict import SeedResult

#: Between two lines about how it stands, where no terminal shows it all the time, in seconds.
_LINE_SECONDS = 10.0
_LEVELS = ("mild", "rough", "cruel")


@click.command("simulate")
@click.argument("source", required=False)
@click.option("--hours", type=float, default=24.0, show_default=True, help="Of virtual time.")
@click.option(
    "--sessions", type=click.IntRange(1, 100), default=4, show_default=True, help="At a time."
)
@click.option(
    "--session-length",
    "length",
    type=DURATION,
    default="10m",
    show_default=True,
    help="Of a session's audio; then the next one begins.",
)
@click.option("--chunk", type=CHUNK, default="100ms", show_default=True, help="Of audio.")
@click.option("--chaos", type=click.Choice(_LEVELS), help="Faults by lot, for each session.")
@click.option(
    "--fault", "faults", multiple=True, metavar="TEXT", help="A fault in each session; repeatable."
)
@click.option(
    "--seeds", default="1", show_default=True, metavar="SEEDS", help="Like 7, 1..200 or 1,5..9."
)
@click.option("--only", metavar="SLOT-NUMBER", default="", help="One session, without the others.")
@click.option(
    "--defect", "defects", multiple=True, metavar="NAME", help="Planted in the sandbox; repeatable."
)
@click.option(
    "--shrink/--no-shrink",
    default=True,
    show_default=True,
    help="Look for the smallest plan with which a failing session still fails.",
)
@click.option(
    "--processes",
    type=PROCESSES,
    default="auto",
    show_default=True,
    metavar="auto|N",
    help="auto: one for each core.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Keep failing sessions here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON alone.")
def command(**options: Any) -> None:
    """Simulate days of sessions in minutes: our client, the injector and the sandbox in one process
    and in virtual time, each world from a seed.

    Every slot plays session after session into the one sandbox of its world; every session is
    judged by all invariants. A seed is one execution, the same on every machine: the hash of its
    journals is printed. What fails comes with the line that has it again, and with the smallest
    plan that still fails. Exit codes: 0 pass, 1 a session failed, 2 usage, 3 not known.

    \b
    replay simulate --hours 24 --sessions 4 --chaos cruel --seeds 1..200
    replay simulate --hours 2 --seeds 7 --fault 'reset @ poisson 2/min' --json
    replay simulate call.flac --hours 1 --chaos rough
    """
    from replay.machine import usable_cores
    from replay.report import simulate_text
    from replay.run import make_directory
    from replay.simulating import document, read_seeds, summed

    seeds = read_seeds(options["seeds"])
    workers = options["processes"] or len(usable_cores())
    asked = _asked(options)
    out = None if options["out"] is None else make_directory(options["out"], "simulate")
    progress, elapsed, cut = _simulate(asked, seeds, workers, out)
    found = summed(asked, progress, elapsed, cut=cut)
    if out is not None:
        _write(out / "simulate.json", document(found))
    if options["as_json"]:
        click.echo(document(found), nl=False)
    else:
        for line in simulate_text.lines(found):
            click.echo(line)
    sys.exit(EXITS[found.verdict])


def _asked(options: dict[str, Any]) -> Asked:
    """What is asked, refused here where it cannot be simulated.

    Raises:
        UsageError: a number or a text of it makes no sense.
    """
    from replay.audio import AudioFormat
    from replay.errors import UsageError
    from replay.simulation.asked import Asked
    from replay.source.spec import chunk_bytes

    hours, length = options["hours"], float(options["length"])
    if not 0 < hours <= 10_000:
        raise UsageError(f"--hours {hours:g}: use more than 0, and 10000 at most")
    if not 20 <= length <= 10_000:
        raise UsageError("--session-length: use 20s to 10000s; the service ends sessions at 3 h")
    chunk_bytes(AudioFormat(), options["chunk"])
    asked = Asked(
        hours=hours,
        sessions=options["sessions"],
        length=length,
        chaos=options["chaos"],
        faults=list(options["faults"]),
        chunk_ns=round(float(options["chunk"]) * 1e9),
        source="" if options["source"] in (None, "counter") else options["source"],
        only=options["only"],
        defects=list(options["defects"]),
        shrink=options["shrink"],
    )
    if any("restart" in rule for rule in asked.terms(0).plan.texts):
        raise UsageError("restart needs a process: nothing simulated has one")
    return asked


def _simulate(
    asked: Asked, seeds: Sequence[int], workers: int, out: Path | None
) -> tuple[Progress, float, bool]:
    """All worlds; how long it took, and whether the user has cut it short."""
    import trio

    from replay.cli.console import Console
    from replay.simulating import Progress as AllOfIt
    from replay.simulating import simulate_seeds
    from replay.tasks import until_signalled

    console = Console(stderr=True)

    async def main() -> tuple[Progress, float, bool]:
        shown: list[AllOfIt] = []
        with ExitStack() as stack:
            status = (
                stack.enter_context(console.status("starting …")) if console.is_terminal else None
            )
            teller = _Teller(status)

            def tell(progress: Progress, done: SeedResult | None) -> None:
                shown[:] = [progress]
                teller.tell(progress, done)

            work = partial(simulate_seeds, asked, seeds, workers, tell, out)
            cut = await until_signalled(work)
        return shown[0], shown[0].elapsed, cut

    return trio.run(main)


class _Teller:
    """Says how it stands: all the time on a terminal, else a line now and then."""

    def __init__(self, status: Any) -> None:
        self._status = status
        self._said = 0.0

    def tell(self, progress: Progress, done: SeedResult | None) -> None:
        from replay.report import simulate_text

        if done is not None:
            click.echo(simulate_text.seed_line(done), err=True)
        line = simulate_text.progress_line(progress)
        if self._status is not None:
            self._status.update(line)
        elif progress.elapsed >= self._said + _LINE_SECONDS:
            self._said = progress.elapsed
            click.echo(line, err=True)


def _write(path: Path, data: bytes) -> None:
    from replay.recorder import cannot_write

    try:
        path.write_bytes(data)
    except OSError as error:
        raise cannot_write(path, error) from None
