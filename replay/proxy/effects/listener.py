"""Faults that new connections and requests meet, and the death of the target."""

from __future__ import annotations

import trio

from replay.errors import MachineError
from replay.proxy.effects.aim import Aim, check_sandbox
from replay.proxy.gates import AcceptThenClose, ErrorAnswer, LateAnswer, Mute, Reject


class Refuse:
    async def strike(self, aim: Aim) -> None:
        await aim.scene.door.refuse(aim.fault.seconds())
        aim.landed()


class Unreachable:
    async def strike(self, aim: Aim) -> None:
        await aim.scene.door.vanish(aim.fault.seconds())
        aim.landed()


class Silence:
    async def strike(self, aim: Aim) -> None:
        aim.scene.gates.append(Mute(aim.until, aim.landed))


class Rejection:
    async def strike(self, aim: Aim) -> None:
        fault = aim.fault
        status, wait = fault.number("status"), fault.get("retry_after")
        retry_after = None if wait is None else fault.seconds("retry_after")
        if fault.word("on") == "post":
            aim.scene.answers.append(
                ErrorAnswer(
                    status, "init", None, aim.landed, until=aim.until, retry_after=retry_after
                )
            )
        else:
            aim.scene.gates.append(Reject(aim.until, aim.landed, status, retry_after))


class Brief:
    async def strike(self, aim: Aim) -> None:
        code, count = aim.fault.number("code"), aim.fault.number()
        aim.scene.gates.append(AcceptThenClose(code, count, aim.landed))


class SlowHttp:
    async def strike(self, aim: Aim) -> None:
        aim.scene.answers.append(LateAnswer(aim.fault.seconds(), aim.landed))


class HttpError:
    async def strike(self, aim: Aim) -> None:
        fault = aim.fault
        answer = ErrorAnswer(
            fault.number("status"), fault.word("route"), fault.number(), aim.landed
        )
        aim.scene.answers.append(answer)


class Restart:
    """While the target is away, its address refuses connections, as it would without us."""

    async def strike(self, aim: Aim) -> None:
        sandbox = check_sandbox(aim.scene)
        await aim.scene.door.refuse(float("inf"))
        await sandbox.kill()
        aim.landed()
        aim.scene.background.start_soon(self._return, aim)

    async def _return(self, aim: Aim) -> None:
        sandbox = check_sandbox(aim.scene)
        await trio.sleep_until(aim.until)
        if aim.until < float("inf"):
            try:
                await sandbox.start()
            except MachineError:
                return  # it said why; the target stays away
            await aim.scene.door.open()
