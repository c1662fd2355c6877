"""What a location means: a file, a pipe, or something elsewhere."""

from __future__ import annotations

import math
import os
import stat
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from replay.errors import SourceError

STDIN = "-"
_PUSHED = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "udp", "rtp", "srt"})

# Streams without a header are otherwise looked at for five seconds and more before the first packet
# is handed out (libavformat's `analyzeduration`, in microseconds).
_QUICK = {"analyzeduration": "1000000"}
_OPTIONS = {
    "rtsp": {"rtsp_flags": "prefer_tcp"},  # what UDP loses or a firewall drops is not speech
    "udp": {"overrun_nonfatal": "1"},
    # Live playlists begin with their newest segment; finished ones are not affected.
    "http": {"live_start_index": "-1"},
    "https": {"live_start_index": "-1"},
}
_LISTEN = {"rtsp": {"rtsp_flags": "listen"}, "rtmp": {"listen": "1"}}
_SDP = {"protocol_whitelist": "file,crypto,data,udp,rtp"}


@dataclass(frozen=True, slots=True)
class Place:
    """A location, understood.

    Attributes:
        kind: `file` is on disk and can be opened again; `pipe` can be read once; `remote` is
            reached through libavformat's protocols.
        target: a path, or the URL for libavformat.
        name: what may be shown and kept: without user, password and query.
        pushed: comes at its own pace whatever is asked of it.
        options: for libavformat.
    """

    kind: Literal["file", "pipe", "remote"]
    target: str
    name: str
    pushed: bool = False
    options: dict[str, str] = field(default_factory=dict)


def locate(location: str, timeout: float) -> Place:
    """Looks at the disk; may block. `timeout`: seconds to wait for somebody to push to us.

    Raises:
        SourceError: there is nothing that could be read.
    """
    if location == STDIN:
        return Place("pipe", STDIN, "standard input", options=_QUICK)
    if location.lower().startswith("file://"):
        location = unquote(urlsplit(location).path)
    if "://" in location:
        return _remote(location, timeout)
    return _on_disk(location)


def _on_disk(path: str) -> Place:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{path}: is a directory; name one recording in it")
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb"):
                pass
    except OSError as error:
        raise SourceError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise SourceError(f"{path!r}: is not a path") from None
    if not stat.S_ISREG(status.st_mode):
        return Place("pipe", path, os.path.basename(path), options=_QUICK)
    if status.st_size == 0:
        raise SourceError(f"{path}: is empty (0 bytes)")
    if path.lower().endswith(".sdp"):
        return Place("remote", path, os.path.basename(path), True, _QUICK | _SDP)
    return Place("file", path, os.path.basename(path))


def _remote(url: str, timeout: float) -> Place:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise SourceError(f"{shown(url)}: is not a URL: {error}") from None
    scheme = parts.scheme.lower()
    options = dict(_OPTIONS.get(scheme, {}))
    if scheme in _PUSHED:
        options |= _QUICK
    query = parts.query
    if scheme in _LISTEN and "listen" in (word.partition("=")[0] for word in query.split("&")):
        options |= _LISTEN[scheme]
        if scheme == "rtsp":  # whose default is refused by libavformat itself
            options["listen_timeout"] = str(math.ceil(timeout))
        url = url.replace(f"?{query}", "", 1)
    if not host and not port and scheme in _PUSHED | {"http", "https"}:
        raise SourceError(f"{shown(url)}: names no host")
    return Place("remote", url, shown(url), scheme in _PUSHED, options)


def shown(location: str) -> str:
    """A location without what may be secret: user, password, query, and an RTMP stream's key."""
    if "://" not in location:
        return location
    scheme, _, rest = location.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    host = host.rpartition("@")[2]
    if scheme.lower().startswith("rtmp") and path.count("/"):
        path = path.partition("/")[0] + "/…"
    return f"{scheme}://{host}{slash}{path}"
