"""Two benchmarks held against each other: pairs, their changes, and a verdict.

`pairs` puts values of the same audio side by side, `effects` estimates a change and its errors,
`levels` says how far is far, `changes` makes a verdict of one measure, `limits` holds conditions,
`comparison` puts it together.
"""

from replay.compare.comparison import Comparison, compare
from replay.compare.pairs import Side, Take

__all__ = ["Comparison", "Side", "Take", "compare"]
