"""A command whose words are kept, so that what it began can go on later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from replay.errors import UsageError


class Remembering(click.Command):
    """A command that knows what it was called with, word by word (`context.meta`)."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """As click does, once the words are put by."""
        context.meta["arguments"] = list(arguments)
        return super().parse_args(context, arguments)


def refuse_others(context: click.Context, *allowed: str) -> None:
    """What goes on is what was begun.

    Args:
        allowed: options that may be given beside --resume, by their parameters' names.

    Raises:
        UsageError: it is told something else.
    """
    for each in context.command.params:
        name = each.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and context.params[name] and name not in ("resume", *allowed):
            what = each.opts[0] if isinstance(each, click.Option) else name
            raise UsageError(f"--resume goes on with what was begun: no {what}")


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
