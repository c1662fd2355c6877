"""A command whose words are kept, so that what it began can go on later."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from replay.errors import UsageError


class Remembering(click.Command):
    """A command that knows what it was called with, word by word (`context.meta`)."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """As click does, once the words are put by."""
        context.meta["arguments"] = list(arguments)
        return super().parse_args(context, arguments)


def refuse_sources(options: Mapping[str, Any]) -> None:
    """What goes on plays what it was begun with.

    Raises:
        UsageError: it is told of sources.
    """
    if options["sources"]:
        raise UsageError("--resume goes on with what was begun: no sources")


def recalled(command: click.Command, arguments: Sequence[str], directory: str) -> dict[str, Any]:
    """The options that a command once had, by its words and the directory it was called in, where
    the process goes.

    Raises:
        UsageError: the directory is gone.
    """
    try:
        os.chdir(directory)
    except OSError as error:
        raise UsageError(f"{directory}: {(error.strerror or '').lower()}") from None
    return command.make_context(command.name, list(arguments)).params
