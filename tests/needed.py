"""Programs that tests need and Python does not bring."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(program: str) -> str:
    """Where it is. Without it the test is skipped, or fails where CI=true says that nothing may
    go unchecked."""
    found = shutil.which(program)
    if found is None:
        reason = f"needs {program} (as root, `make test` installs it where there is apt-get)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
