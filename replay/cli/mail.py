"""Options about callbacks and webhooks, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from replay.cli.types import Parsed
from replay.errors import UsageError
from replay.wire import signing

if TYPE_CHECKING:
    from replay.sandbox.mail import MailSettings

F = TypeVar("F", bound=Callable[..., Any])


def _pattern(text: str) -> Any:
    from replay.sandbox.reach import Pattern

    return Pattern.parse(text)


def _hook_url(text: str) -> str:
    from replay.sandbox.reach import OutOfReach, read

    try:
        read(text)
    except OutOfReach as error:
        raise ValueError(f"the URL {error}") from None
    return text


secret_options: tuple[Callable[[F], F], ...] = (
    click.option(
        "--webhook-secret",
        envvar="REPLAY_WEBHOOK_SECRET",
        metavar="whsec_…",
        help="Sign webhooks with this secret, as Svix does. The command line can be read by others "
        "on this machine: better in REPLAY_WEBHOOK_SECRET, or in a file.",
    ),
    click.option(
        "--webhook-secret-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The same, from a file.",
    ),
)


def mail_options(command: F) -> F:
    """The sandbox's."""
    options: tuple[Callable[[F], F], ...] = (
        click.option(
            "--callback-allow",
            multiple=True,
            type=Parsed("pattern", _pattern),
            metavar="PATTERN",
            help="Post callbacks there too, not only to this machine: a name (* for any letters), "
            "an address or a network, with :PORT if need be. May be repeated.",
        ),
        click.option(
            "--webhook-url",
            type=Parsed("url", _hook_url),
            metavar="URL",
            help="Tell every session's beginning and end there.",
        ),
        *secret_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


def mail_from(options: Mapping[str, Any]) -> MailSettings:
    """What the sandbox's options ask for.

    Raises:
        UsageError: the secret is none, or its file cannot be read.
    """
    from replay.sandbox.mail import MailSettings

    key = secret_from(options["webhook_secret"], options["webhook_secret_file"])
    if options["webhook_secret_file"] and not options["webhook_url"]:
        raise UsageError("--webhook-secret-file signs webhooks, and there is no --webhook-url")
    return MailSettings(
        allowed=options["callback_allow"], webhook_url=options["webhook_url"], webhook_key=key
    )


def secret_from(text: str | None, path: Path | None) -> bytes | None:
    """The key in a secret; the file, where one is named, goes first.

    Raises:
        UsageError: it cannot be read, or is no secret.
    """
    where = "--webhook-secret"
    if path is not None:
        where = str(path)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise UsageError(f"{path}: {reason.lower()}") from None
    if text is None:
        return None
    try:
        return signing.read_secret(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
