"""The pytest plugin: `stt_sandbox`, the API on this machine for a test of somebody's client.

Every pytest loads it where this package is installed, so whatever weighs something is imported
when the fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

_ARGS = "stt_sandbox_args"
_PAGE = 100


class SttSandbox:
    """A running sandbox, as one test sees it.

    Attributes:
        url: its base URL. The environment's GLADIA_API_URL says the same during the test.
    """

    def __init__(self, url: str, key: str) -> None:
        """`key`: what the sandbox wants to be shown, "" where it takes any."""
        self.url = url
        self._key = key
        self._last_before = next(self._newest_first(1), None)

    def jobs(self) -> list[dict[str, Any]]:
        """The sessions that were opened since the test began, the oldest first, each as
        `GET /v2/live/ID` tells it. Blocks for as long as the sandbox takes to answer."""
        found = []
        last = self._last_before
        for job in self._newest_first(_PAGE):
            # The last of before may have been deleted since: then those before it are older.
            if last and (job["id"] == last["id"] or job["created_at"] < last["created_at"]):
                break
            found.append(job)
        return found[::-1]

    def _newest_first(self, page: int) -> Iterator[dict[str, Any]]:
        import httpx

        from replay.wire.http import API_KEY_HEADER, LIVE_PATH

        # Whatever proxy the environment names is not for this machine.
        with httpx.Client(headers={API_KEY_HEADER: self._key}, trust_env=False) as client:
            link: str | None = f"{self.url}{LIVE_PATH}?limit={page}"
            while link:
                answer = client.get(link).raise_for_status().json()
                yield from answer["items"]
                link = answer["next"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _ARGS,
        "options of `replay sandbox` for the fixture stt_sandbox; paths begin at rootdir",
        type="args",
        default=[],
    )


@pytest.fixture(scope="session")
def stt_sandbox_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The base URL of a sandbox that runs for all tests of this process that ask for one."""
    from replay.errors import MachineError
    from replay.sandbox import sandbox_process_sync

    options = pytestconfig.getini(_ARGS)
    _key(pytestconfig)  # before the start, since this says more clearly what is wrong
    try:
        with sandbox_process_sync(*options, cwd=pytestconfig.rootpath) as url:
            yield url
    except MachineError as error:
        pytest.fail(f"{_ARGS}: {error}", pytrace=False)


@pytest.fixture
def stt_sandbox(
    stt_sandbox_url: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> SttSandbox:
    """The API on this machine: its `url`, and the `jobs()` that the test's client made of it."""
    monkeypatch.setenv("GLADIA_API_URL", stt_sandbox_url)
    return SttSandbox(stt_sandbox_url, _key(pytestconfig))


def _key(config: pytest.Config) -> str:
    """The API key that the options ask for; a wrong option fails the test in one line."""
    from click import ClickException

    from replay.cli.sandbox import command
    from replay.cli.types import api_key
    from replay.errors import UsageError

    try:
        asked = command.make_context("sandbox", list(config.getini(_ARGS))).params
        path = asked["api_key_file"]
        return api_key(path and config.rootpath / path, asked["key"]) or ""
    except ClickException as error:
        pytest.fail(f"{_ARGS}: {error.format_message()}", pytrace=False)
    except UsageError as error:
        pytest.fail(f"{_ARGS}: {error}", pytrace=False)
