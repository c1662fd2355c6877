"""`replay jobs`: the finished sessions of a target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import msgspec
import trio
from rich.table import Table

from replay.cli.console import Console
from replay.cli.options import target_from, target_options
from replay.cli.types import PAIR
from replay.errors import ReplayError, UsageError
from replay.recorder import cannot_write
from replay.target import open_target
from replay.transport.http import HttpService
from replay.wire.http import Job, JobList, metadata_params

T = TypeVar("T")


@click.group()
def command() -> None:
    """List, show, fetch and delete the sessions of a target that stays."""


def _ask(options: dict[str, Any], question: Callable[[HttpService], Awaitable[T]]) -> T:
    target = target_from(options)
    if target.kind == "sandbox":
        raise UsageError("jobs needs a target that stays: --target gladia, or a base URL")

    async def ask() -> T:
        async with open_target(target) as service:
            return await question(service)

    return trio.run(ask)


@command.command("list")
@target_options
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many newest.")
@click.option(
    "--status", multiple=True, type=click.Choice(["queued", "processing", "done", "error"])
)
@click.option("--date", metavar="DAY", help="Of this day: 2026-11-23.")
@click.option("--before", "before_date", metavar="DATE", help="Opened before: ISO 8601.")
@click.option("--after", "after_date", metavar="DATE", help="Opened after: ISO 8601.")
@click.option(
    "--metadata", type=PAIR, multiple=True, metavar="KEY=VALUE", help="With this custom metadata."
)
@click.option("--json", "as_json", is_flag=True, help="Print the service's answer.")
def list_jobs(as_json: bool, **options: Any) -> None:
    """The newest sessions first."""
    names = ("limit", "offset", "status", "date", "before_date", "after_date")
    params = {name: options[name] for name in names if options[name]}
    params |= metadata_params(options["metadata"])
    page = _ask(options, lambda service: service.jobs(params))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(page), indent=2))
        return
    _show(page)


def _show(page: JobList) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "status", "created", "seconds", "said"):
        table.add_column(heading, no_wrap=heading != "said", overflow="ellipsis")
    for job in page.items:
        seconds = job.file.audio_duration if job.file else None
        table.add_row(
            job.id,
            job.status,
            job.created_at[:19],
            "" if seconds is None else f"{seconds:.1f}",
            _said(job)[:60],
        )
    Console().print(table)
    if page.next:
        click.echo(f"more: --offset with {len(page.items)} added", err=True)


def _said(job: Job) -> str:
    return job.result.transcription.full_transcript if job.result else ""


@command.command()
@click.argument("job_id")
@target_options
def get(job_id: str, **options: Any) -> None:
    """Print a session as the service tells it (JSON)."""
    body, _ = _ask(options, lambda service: service.job(job_id))
    click.echo(msgspec.json.format(body, indent=2))


@command.command("file")
@click.argument("job_id")
@target_options
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE")
def fetch_file(job_id: str, out: Path, **options: Any) -> None:
    """Fetch a session's recording (WAV)."""
    try:
        with out.open("xb") as file:
            try:
                size = _ask(options, partial(_download, job_id, file))
            except ReplayError:
                out.unlink()
                raise
    except FileExistsError:
        raise UsageError(f"{out} exists: name another file with --out") from None
    except OSError as error:
        raise cannot_write(out, error) from None
    click.echo(f"{out}: {size} bytes", err=True)


async def _download(job_id: str, into: IO[bytes], service: HttpService) -> int:
    return await service.download(job_id, into)


@command.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
@target_options
def delete(job_ids: tuple[str, ...], **options: Any) -> None:
    """Delete sessions and their recordings."""

    async def delete_all(service: HttpService) -> None:
        for job_id in job_ids:
            await service.delete(job_id)
            click.echo(f"deleted {job_id}", err=True)

    _ask(options, delete_all)
