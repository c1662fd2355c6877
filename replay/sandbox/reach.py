"""Whom the sandbox posts to: programs on this machine, and who was named when it was started.

Anybody who can open a session names a URL, so the sandbox must not become their way into a
network. A URL is judged by the address that its host has at that moment, and the connection goes to
exactly that address: a name that points elsewhere a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

import trio

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_PORTS = {"http": 80, "https": 443}
_RESOLVE_SECONDS = 5.0
_PATTERN = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"[a-z0-9_.*-]+")


class OutOfReach(Exception):
    """Nothing is posted there; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to post: connect to `address`, ask for `target`, and call it `host`."""

    scheme: str
    host: str
    port: int
    target: str
    address: str = ""

    @property
    def authority(self) -> str:
        """What goes into the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One that may be posted to: a name with `*` for any letters, or a network; and a port.

    A name is trusted with whatever address it has; a network is not, whatever the name is.
    """

    name: str = ""
    network: IPNetwork | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """`hooks.example.com`, `*.example.com:443`, `10.1.0.0/16`, `192.168.1.7:8080`,
        `[fd00::/8]:80`.

        Raises:
            ValueError: it is nothing of this.
        """
        found = _PATTERN.fullmatch(text.strip().lower())
        port = int(found["port"]) if found and found["port"] else None
        if found is None or (port is not None and not 0 < port < 65536):
            raise ValueError(f"{text!r}: write HOST, ADDRESS or NETWORK/BITS, and :PORT if need be")
        host = found["six"] or found["host"]
        try:
            return cls(network=ipaddress.ip_network(host), port=port)
        except ValueError as error:
            if found["six"] or "/" in host or not _NAME.fullmatch(host):
                raise ValueError(f"{text!r}: {error}") from None
        return cls(name=host, port=port)

    def knows(self, place: Place) -> bool:
        """Is the place allowed by its name?"""
        return bool(self.name) and self._port(place) and fnmatchcase(place.host, self.name)

    def holds(self, place: Place, address: IPAddress) -> bool:
        """Is it allowed by its address?"""
        return self.network is not None and self._port(place) and address in self.network

    def _port(self, place: Place) -> bool:
        return self.port in (None, place.port)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that `host` has now.

    Raises:
        OSError: none.
    """
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Reach:
    """Loopback addresses and `allowed`."""

    def __init__(self, allowed: Iterable[Pattern] = (), resolve: Resolve = resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    async def find(self, url: str, *, trusted: bool = False) -> Place:
        """Where to post for `url`, with the address to connect to; `trusted`: wherever it leads.

        Raises:
            OutOfReach: it is no URL to post to, leads nowhere, or to where it must not.
        """
        place = read(url)
        named = trusted or any(each.knows(place) for each in self._allowed)
        for address in await self._addresses(place):
            if named or address.is_loopback or any(p.holds(place, address) for p in self._allowed):
                return Place(place.scheme, place.host, place.port, place.target, str(address))
        raise OutOfReach(
            f"must lead to this machine, not to {place.authority} "
            "(the sandbox's option --callback-allow permits more)"
        )

    async def _addresses(self, place: Place) -> list[IPAddress]:
        try:
            with trio.fail_after(_RESOLVE_SECONDS):
                texts = await self._resolve(place.host, place.port)
        except (OSError, UnicodeError, trio.TooSlowError):
            raise OutOfReach(f"has a host without an address: {place.host}") from None
        return [_plain(ipaddress.ip_address(text)) for text in texts]


def read(url: str) -> Place:
    """The parts of a URL; no address yet.

    Raises:
        OutOfReach: it is not one that can be posted to.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise OutOfReach("must be a URL of ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port = _port(parts)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise OutOfReach("must be a URL such as http://127.0.0.1:9000/") from None
    if parts.scheme not in _PORTS or not host or not port:
        raise OutOfReach("must be an http or https URL such as http://127.0.0.1:9000/")
    if "@" in parts.netloc:
        raise OutOfReach("must not hold a user or a password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port, target)


def _port(parts: SplitResult) -> int:
    return _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port


def _plain(address: IPAddress) -> IPAddress:
    """IPv4 addresses that are written as IPv6 ones are judged as what they are."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
