"""`replay listen`: what callbacks and webhooks really bring."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from replay.cli.mail import secret_from
from replay.cli.types import DURATION
from replay.errors import MachineError

if TYPE_CHECKING:
    from replay.receiver import Arrival

_JOURNAL = "arrivals.jsonl"
_SHOWN = 80


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 for any."
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Check webhooks' signatures with this secret; wrong ones are answered with 401.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Also write everything into DIR/{_JOURNAL}, a line each.",
)
@click.option(
    "--status",
    type=click.IntRange(200, 599),
    default=200,
    show_default=True,
    help="Answer with this, to see somebody try again.",
)
@click.option("--delay", type=DURATION, default="0", help="Answer so much later.")
def command(**options: Any) -> None:
    """Receive callbacks and webhooks, a line each, until Ctrl-C or SIGTERM.

    The first line on standard output is JSON with the URL to post to.

    \b
    replay listen
    replay listen --port 0 --secret-file secret.txt --out received
    replay listen --status 500
    """
    import trio

    trio.run(_listen, options, secret_from(None, options["secret_file"]))


async def _listen(options: dict[str, Any], key: bytes | None) -> None:
    import msgspec
    import trio

    from replay.receiver import Answers, open_receiver

    answers = Answers(status=options["status"], delay=float(options["delay"]))
    began = trio.current_time()
    with (
        ExitStack() as stack,
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
    ):
        journal = stack.enter_context(_journal(options["out"])) if options["out"] else None

        def tell(arrival: Arrival) -> None:
            # First on record: whoever reads the line may look there.
            if journal is not None:
                _write(journal, _record(arrival, began))
            click.echo(_line(arrival))

        async with open_receiver(
            tell, host=options["host"], port=options["port"], key=key, answers=answers
        ) as url:
            click.echo(msgspec.json.encode({"url": url, "pid": os.getpid()}))
            sys.stdout.flush()
            async for _ in signals:
                return


def _journal(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return (directory / _JOURNAL).open("ab", buffering=0)
    except OSError as error:
        raise MachineError(
            f"cannot write {directory / _JOURNAL}: {error.strerror or error}"
        ) from None


def _write(journal: IO[bytes], line: bytes) -> None:
    try:
        journal.write(line)
    except OSError as error:
        raise MachineError(f"cannot write {journal.name}: {error.strerror or error}") from None


def _record(arrival: Arrival, began: float) -> bytes:
    """A line of the journal. `t`: ns on the monotonic clock since the start; `at`: time of day."""
    import msgspec

    from replay import journal
    from replay.audio import NS

    raw = journal.raw(arrival.body)
    signature = {} if arrival.signature is None else {"signature": arrival.signature or "good"}
    line = {
        "t": round((arrival.moment - began) * NS),
        "at": _at(arrival).isoformat(timespec="milliseconds"),
        "path": arrival.path,
        **signature,
        **({"text": arrival.body.decode("utf-8", "replace")} if raw is None else {"body": raw}),
    }
    return msgspec.json.encode(line) + b"\n"


def _at(arrival: Arrival) -> datetime:
    return datetime.fromtimestamp(arrival.wall, UTC)


def _line(arrival: Arrival) -> str:
    parts = [_at(arrival).strftime("%H:%M:%S.%f")[:-3]]
    if arrival.post is None:
        parts.append(f"{len(arrival.body)} bytes that are no callback and no webhook")
    else:
        parts += [_printable(arrival.post.event), _printable(_what(arrival))]
    if arrival.signature is not None:
        parts.append(f"({arrival.signature or 'signature good'})")
    return "  ".join(part for part in parts if part)


def _what(arrival: Arrival) -> str:
    """What the message says, where that is a text, else whose it is."""
    from replay.wire import messages as m
    from replay.wire import posting

    assert arrival.post is not None
    match posting.told(arrival.post):
        case m.Transcript(data=data):
            return f"{'final' if data.is_final else 'partial'}  {data.utterance.text.strip()}"
        case (
            m.Translation(error=m.MessageError(message=said))
            | m.NamedEntities(error=m.MessageError(message=said))
            | m.Sentiment(error=m.MessageError(message=said))
            | m.PostSummarization(error=m.MessageError(message=said))
        ):
            return f"failed: {said}"
        case m.Translation(data=m.TranslationData() as data):
            return f"{data.target_language}  {data.translated_utterance.text.strip()}"
        case m.NamedEntities(data=m.NamedEntitiesData(results=found)):
            return ", ".join(f"{each.text} ({each.entity_type})" for each in found) or "nothing"
        case m.Sentiment(data=m.SentimentData(results=felt)):
            return ", ".join(each.sentiment for each in felt) or "nothing"
        case m.PostSummarization(data=m.SummaryText(results=text)):
            return text or "nothing"
        case m.Message(session_id=name):
            return name
    return ""


def _printable(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " …"
