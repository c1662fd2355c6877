"""Sizes and times that the service is known to hold to (protocol 3.5, 4, 7.4)."""

from __future__ import annotations

#: A larger frame is answered with close 1009.
FRAME_BYTES = 1 << 20
#: Base64 makes 4 characters of 3 bytes, and the JSON around it takes some more.
JSON_FRAME_AUDIO_BYTES = (FRAME_BYTES - 1024) // 4 * 3
#: The service ends a session after three hours.
SESSION_SECONDS = 3 * 3600
#: Without any incoming audio the service drops the connection after about this long.
IDLE_SECONDS = 30
