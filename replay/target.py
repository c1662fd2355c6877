"""What is played into: a sandbox of our own, the real service, or any base URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from replay import journal as j
from replay.errors import UsageError
from replay.transport.http import HttpService, check_base_url, open_service
from replay.wire.http import OFFICIAL_URL, redact

if TYPE_CHECKING:
    from replay.sandbox.process import SandboxProcess

Kind = Literal["sandbox", "gladia", "url"]


@dataclass(frozen=True, slots=True)
class Target:
    """A target as the user names it.

    Attributes:
        url: base URL; empty for a sandbox, which has none until it runs.
        sandbox: arguments of `replay sandbox`, for kind sandbox.
    """

    kind: Kind = "sandbox"
    url: str = ""
    api_key: str | None = field(default=None, repr=False)
    sandbox: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, api_key: str | None = None, sandbox: tuple[str, ...] = ()) -> Target:
        """`sandbox`, `gladia` or a base URL.

        Raises:
            UsageError: neither of them; or the real service without a key.
        """
        if text == "sandbox":
            return cls("sandbox", api_key=api_key, sandbox=sandbox)
        if text == "gladia":
            if not api_key:
                raise UsageError(
                    "target gladia needs an API key: set GLADIA_API_KEY or give --api-key-file"
                )
            return cls("gladia", OFFICIAL_URL, api_key)
        check_base_url(text)
        return cls("url", text, api_key)

    def facts(self, url: str, region: str | None) -> j.TargetFacts:
        """The target as the journal keeps it; `url`: where it really was."""
        return j.TargetFacts(kind=self.kind, url=redact(url), region=region)


@asynccontextmanager
async def open_target(target: Target) -> AsyncIterator[HttpService]:
    """The target's service; a sandbox is started in a process of its own and ended again.

    Raises:
        MachineError: the sandbox does not start.
    """
    async with open_owned_target(target) as (service, _):
        yield service


@asynccontextmanager
async def open_owned_target(
    target: Target,
) -> AsyncIterator[tuple[HttpService, SandboxProcess | None]]:
    """The same, and the sandbox's process where there is one.

    Raises:
        MachineError: the sandbox does not start.
    """
    if target.kind != "sandbox":
        async with open_service(target.url, target.api_key) as service:
            yield service, None
        return
    from replay.sandbox.process import owned_sandbox

    async with (
        owned_sandbox(*target.sandbox) as sandbox,
        open_service(sandbox.url, target.api_key) as service,
    ):
        yield service, sandbox
