"""Signatures of webhooks as Svix makes them: HMAC-SHA256 over id, time and body.

The form is the published one of Standard Webhooks, with Svix's names for the headers. A secret is
`whsec_` and base64; several signatures may stand in one header, with spaces between them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "svix-id", "svix-timestamp", "svix-signature"
_MARK = "whsec_"
_VERSION = "v1,"
#: A signature is good for so many seconds before and after the time it names.
TOLERANCE = 300


def read_secret(text: str) -> bytes:
    """The key in a secret.

    Raises:
        ValueError: it is none; the message does not repeat it.
    """
    try:
        key = base64.b64decode(text.strip().removeprefix(_MARK), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is whsec_ followed by base64")
    return key


def sign(key: bytes, post_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that go with `body`. `timestamp`: POSIX seconds."""
    return {
        ID_HEADER: post_id,
        TIME_HEADER: str(timestamp),
        SIGNATURE_HEADER: _signature(key, post_id, str(timestamp), body),
    }


def verify(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """What is wrong with a signature, "" when nothing is. `headers`: names in lower case;
    `now`: POSIX seconds."""
    values = [headers.get(name) for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER)]
    post_id, timestamp, given = values
    if post_id is None or timestamp is None or given is None:
        return "not signed"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        return "its timestamp is no number"
    expected = _signature(key, post_id, timestamp, body).encode()
    if not any(hmac.compare_digest(expected, each.encode()) for each in given.split(" ")):
        return "wrong signature"
    if abs(now - int(timestamp)) > TOLERANCE:
        return "signed too long ago, or in the future"
    return ""


def _signature(key: bytes, post_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{post_id}.{timestamp}.".encode() + body
    return _VERSION + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
