"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, and no limit on one of them: this machine may be busy.
settings.register_profile("replay", derandomize=True, deadline=None)
settings.load_profile("replay")
