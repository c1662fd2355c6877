"""Whom the sandbox posts to, and whom it does not."""

from __future__ import annotations

import pytest

from replay.sandbox.reach import OutOfReach, Pattern, Reach


def names(**hosts: str) -> Reach:
    """A reach in a world of these hosts; all others are addresses as the machine reads them."""
    return allowing(hosts=hosts)


def allowing(*patterns: str, hosts: dict[str, str] | None = None) -> Reach:
    async def resolve(host: str, port: int) -> list[str]:
        known = {name.replace("_", "."): addresses for name, addresses in (hosts or {}).items()}
        if host in known:
            return known[host].split()
        from replay.sandbox.reach import resolve as really

        return await really(host, port)

    return Reach([Pattern.parse(each) for each in patterns], resolve)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("http://127.0.0.1:9000/hook?a=1", "127.0.0.1", 9000),
        ("http://127.9.9.9/", "127.9.9.9", 80),
        ("https://127.0.0.1/", "127.0.0.1", 443),
        ("http://localhost:9000", "127.0.0.1", 9000),
        ("http://[::1]:9000/", "::1", 9000),
        ("http://[::ffff:127.0.0.1]:9000/", "127.0.0.1", 9000),
        ("http://[::ffff:7f00:1]/", "127.0.0.1", 80),
        ("http://2130706433/", "127.0.0.1", 80),
        ("http://127.1/", "127.0.0.1", 80),
        ("http://0x7f.0.0.1/", "127.0.0.1", 80),
        ("HTTP://LOCALHOST./", "127.0.0.1", 80),
    ],
)
async def test_this_machine_is_in_reach(url: str, address: str, port: int) -> None:
    """Loopback in every spelling, as the address that it is."""
    place = await names(localhost="127.0.0.1").find(url)
    assert (place.address, place.port) == (address, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://192.168.1.1:9000/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0:9000/",
        "http://0/",
        "http://[::]:9000/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:0.0.0.0]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1]/",
        "http://167772161/",
        "http://0x0a000001/",
        "http://012.0.0.1/",
        "http://inside.example/",
        "http://127.0.0.1.inside.example/",
        "http://user@127.0.0.1/",
        "http://user:password@127.0.0.1/",
        "http://127.0.0.1@10.0.0.1/",
        "http://10.0.0.1\\@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1 /",
        "http://127.0.0.1/\r\nx: y",
        "http://１２７.0.0.1/",
        "http:///path",
        "http://",
        "//127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "127.0.0.1:9000",
        "",
    ],
)
async def test_everything_else_is_out_of_reach(url: str) -> None:
    """Other machines, addresses that stand for none, and what is no URL to post to."""
    hosts = {"inside_example": "10.0.0.1", "127_0_0_1_inside_example": "10.0.0.1"}
    with pytest.raises(OutOfReach, match="must"):
        await names(**hosts).find(url)


async def test_a_name_without_an_address_is_told() -> None:
    """The reason names the host."""

    async def nothing(_host: str, _port: int) -> list[str]:
        raise OSError

    with pytest.raises(OutOfReach, match=r"without an address: nowhere\.example"):
        await Reach((), nothing).find("http://nowhere.example/")


async def test_an_allowed_address_among_several_is_the_one() -> None:
    """Of all that a name has, only one that is allowed is connected to."""
    reach = names(two_example="10.0.0.1 127.0.0.1")
    assert (await reach.find("http://two.example/")).address == "127.0.0.1"


@pytest.mark.parametrize(
    ("pattern", "url", "fine"),
    [
        ("10.1.0.0/16", "http://10.1.2.3:9000/", True),
        ("10.1.0.0/16", "http://10.2.0.1/", False),
        ("10.1.0.0/16", "http://inside.example/", True),
        ("10.1.0.0/16", "http://[::ffff:10.1.2.3]/", True),
        ("10.1.2.3:8080", "http://10.1.2.3:8080/", True),
        ("10.1.2.3:8080", "http://10.1.2.3/", False),
        ("[fd00::/8]:80", "http://[fd00::7]/", True),
        ("[fd00::/8]:80", "http://[fd00::7]:81/", False),
        ("inside.example", "http://inside.example:1234/", True),
        ("inside.example", "http://INSIDE.example/", True),
        ("inside.example", "http://inside.example.evil.example/", False),
        ("inside.example:443", "https://inside.example/", True),
        ("inside.example:443", "http://inside.example/", False),
        ("*.example", "http://inside.example/", True),
        ("*.example", "http://10.1.2.3/", False),
        ("10.*", "http://10.1.2.3/", True),
        ("*", "http://10.1.2.3/", True),
    ],
)
async def test_patterns_allow_more(pattern: str, url: str, fine: bool) -> None:
    """Networks by the address, names by the name, and a port only where one is given."""
    hosts = {"inside_example": "10.1.0.9", "inside_example_evil_example": "10.9.9.9"}
    reach = allowing(pattern, hosts=hosts)
    if fine:
        assert (await reach.find(url)).address
    else:
        with pytest.raises(OutOfReach):
            await reach.find(url)


@pytest.mark.parametrize(
    "text", ["", "http://x/", "10.0.0.0/99", "10.0.0.1/8", "a b", "x:0", "[x]"]
)
def test_patterns_that_are_none_are_refused(text: str) -> None:
    """The text itself is in the reason."""
    with pytest.raises(ValueError, match="'"):
        Pattern.parse(text)
