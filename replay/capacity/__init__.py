"""How many paced sessions a target holds: what was measured step by step, and what follows from it.

Pure: `records` are the lines of `capacity.jsonl`, `judge` says of a step whether it held, `search`
says what to try next, and `result` folds all of it into the answer.
"""

from __future__ import annotations
