"""Where the verbs print what has columns and colours."""

from __future__ import annotations

import rich.console


class Console(rich.console.Console):
    """Rich's, which would exit with 1 when its reader has gone; here that is a failed run."""

    def on_broken_pipe(self) -> None:
        """Leave it to `replay.cli`, which knows the exit code.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError
