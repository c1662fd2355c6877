"""Many paced sessions at once, in processes of our own: what `replay capacity` loads a target with.

`owner` spreads sessions over workers and asks them to count; a `worker` plays its share, each a
`member` with our real client, whose recorder (`tape`) keeps figures instead of files. `ramp` goes
from step to step.
"""

from __future__ import annotations
