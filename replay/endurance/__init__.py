"""Hours of sessions, folded: what became of each, and what that says of all of them. Pure.

`outcome`: one session, small enough to be kept; `moments`: its values by the minute. `hdr`,
`histogram`: distributions whose parts add up exactly. `tally`: any number of outcomes as one.
`resources`: what processes took. `trend`: robust slopes that say how sure they are; `growth`: leaks
and drifts by them. `promises`: conditions held against all that; `summary`, `judging`: the verdict.
"""
