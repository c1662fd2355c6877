"""A corpus played several times, in rounds: what `replay bench` does.

`corpus` finds the recordings and pins them, `schedule` says in which order they are played,
`runner` plays them, `store` keeps what was played, `assess` makes `bench.json` of it.
"""
