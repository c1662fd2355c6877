"""One session as tracks of what happened when, for a viewer of traces. Pure.

`tracks`: what a trace is made of. `session`: a run sorted into tracks. `quantities`: what can be
counted while it runs.
"""

from replay.trace.session import fold
from replay.trace.tracks import Counter, Point, Span, Trace, Track

__all__ = ["Counter", "Point", "Span", "Trace", "Track", "fold"]
