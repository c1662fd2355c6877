"""Opening a session: the body of the request, held against the protocol, and the request itself."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import trio

from replay import journal as j
from replay.errors import ConfigError, ConnectFailed, Refused, ServiceError, TransportError
from replay.recorder import Recorder
from replay.session import Policy
from replay.transport import Service
from replay.wire.closing import Close, on_status
from replay.wire.config import problems
from replay.wire.http import InitAnswer, redact

#: A target that cannot be reached at all is tried so often before the user hears of it.
_UNREACHABLE_ATTEMPTS = 3


def request_body(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` as it is sent: acknowledgements switched on, since recovery stands on them.

    Raises:
        ConfigError: the service would refuse it; all reasons in one line.
    """
    found = problems(config)
    if found:
        raise ConfigError("configuration: " + "; ".join(map(str, found)))
    body = dict(config)
    asked = {**config.get("messages_config", {}), "receive_acknowledgments": True}
    body["messages_config"] = asked
    return body


async def init(
    service: Service,
    body: Mapping[str, Any],
    region: str | None,
    policy: Policy,
    rng: Random,
    recorder: Recorder,
) -> InitAnswer:
    """`POST /v2/live` until there is an answer.

    Tried again after 408, 429 and 5xx (not before Retry-After is over) and when no connection could
    be made; never when the request may have arrived, which could open a second session.

    Raises:
        Refused, TransportError: the last failure.
    """
    gives_up = trio.current_time() + policy.give_up_after
    attempt = 0
    failure: ServiceError | TransportError
    while True:
        attempt += 1
        t = recorder.now()
        try:
            answer = await _ask(service, body, region, gives_up)
        except (ServiceError, TransportError) as error:
            recorder.write(
                j.Init(
                    t=t,
                    done=recorder.now(),
                    attempt=attempt,
                    status=getattr(error, "status", None) or 0,
                    request_id=getattr(error, "request_id", ""),
                    error=str(error),
                    retry_after=getattr(error, "retry_after", None),
                )
            )
            if not _worth_another(error, attempt):
                raise
            failure = error
        else:
            recorder.write(
                j.Init(
                    t=t,
                    done=recorder.now(),
                    attempt=attempt,
                    status=201,
                    id=answer.id,
                    url=redact(answer.url),
                )
            )
            return answer
        at_least = getattr(failure, "retry_after", None) or 0.0
        ceiling = min(policy.backoff_cap, policy.backoff_base * 2 ** (attempt - 1))
        at = trio.current_time() + at_least + rng.uniform(0, ceiling)
        if at > gives_up:
            raise failure
        await trio.sleep_until(at)


async def _ask(
    service: Service, body: Mapping[str, Any], region: str | None, gives_up: float
) -> InitAnswer:
    with trio.CancelScope(deadline=gives_up):
        return await service.init(body, region)
    raise TransportError("POST /v2/live: no answer in time")


def _worth_another(error: ServiceError | TransportError, attempt: int) -> bool:
    match error:
        case Refused(status=status):
            return on_status(status) is Close.RECONNECT
        case ConnectFailed(status=None):
            return attempt < _UNREACHABLE_ATTEMPTS
        case _:
            return False
