"""How late this machine wakes a program that sleeps, and does nothing else.

Run as a process of its own, beside the one that measures, until its standard input is closed; then
it writes for each tick when it was due and how many ms late it was, as JSON. What it finds is the
machine's doing alone, so that a machine too busy to measure on can be told from an instrument that
is wrong.
"""

from __future__ import annotations

import json
import select
import sys
import time

_STEP = 0.005


def main() -> None:
    """Every instant counts, also those that were slept through."""
    late = []
    due = time.monotonic()
    while True:
        due += _STEP
        ended, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ended:
            break
        late.append((due, round((time.monotonic() - due) * 1e3, 3)))
    sys.stdout.write(json.dumps(late))


if __name__ == "__main__":
    main()
