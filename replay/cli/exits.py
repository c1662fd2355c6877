"""Exit codes of verdicts; 2 is a usage error, or a machine that cannot do it."""

EXITS = {"pass": 0, "fail": 1, "unknown": 3}
