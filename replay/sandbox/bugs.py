"""What nobody foresaw costs whoever it happened to, and is put down for us."""

from __future__ import annotations

import logging
import traceback

_log = logging.getLogger(__name__)


def log_bug(what: str, bug: BaseException, *secrets: str) -> None:
    """Put down what nobody foresaw and where it came from, without the `secrets`."""
    told = "".join(traceback.format_exception(bug)).rstrip()
    for secret in filter(None, secrets):
        told = told.replace(secret, "***")
    _log.error("%s:\n%s", what, told)
