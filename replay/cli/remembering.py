"""A command whose words are kept, so that what it began can go on later."""

from __future__ import annotations

import click


class Remembering(click.Command):
    """A command that knows what it was called with, word by word (`context.meta`)."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """As click does, once the words are put by."""
        context.meta["arguments"] = list(arguments)
        return super().parse_args(context, arguments)
