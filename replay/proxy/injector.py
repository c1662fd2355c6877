"""The injector itself: clients in front, the target behind, and the sessions in between.

It stands on streams and values only. `server` gives it sockets; in virtual time it runs over
streams in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Protocol

import trio

from replay import journal as j
from replay.errors import ConnectFailed, TransportError
from replay.faults import DOWN, UP, Firing, Plan
from replay.faults.events import HttpRequest
from replay.faults.rules import Rule
from replay.proxy.door import Door
from replay.proxy.effects import EFFECTS, Aim, Target, check_sandbox
from replay.proxy.exchange import Request, Response
from replay.proxy.gates import Answering, Gate, Visitor, error_response
from replay.proxy.handshake import Head, error_answer, read_head
from replay.proxy.link import Link
from replay.proxy.pump import GONE
from replay.proxy.requests import serve_requests
from replay.proxy.upstream import Upstream, websocket_url
from replay.proxy.watch import Watch, Witness
from replay.wire.http import InitAnswer, redact, rewrite_url, route_of, session_token

#: A client that connects and asks for nothing is let go after so long.
_HEAD_SECONDS = 60.0
_BAD_GATEWAY = 502


class Archive(Protocol):
    """Keeps what is seen, a witness for each session."""

    def witness(self) -> Witness:
        """For a session that is yet to be opened."""

    def asked(self, witness: Witness, request: Request) -> int:
        """A session was asked for and is there; returns the bytes of a second of its audio."""

    def opened(self, witness: Witness, answer: InitAnswer) -> None:
        """The session of this witness is open."""

    def over(self, witness: Witness) -> bool:
        """Is that session over, and nothing more of it kept?"""


class Injector:
    """Passes on what clients and target say, and does what the plan asks for.

    Attributes:
        url: where clients are to go; set by whoever opens the door.
        watches: the sessions that are not over; the last may be one that is yet to be opened, or
            the newest that was.
    """

    def __init__(
        self,
        upstream: Upstream,
        plan: Plan,
        archive: Archive,
        rng: Random,
        background: trio.Nursery,
        *,
        sandbox: Target | None = None,
        bytes_per_second: int = 32_000,
    ) -> None:
        self.url = ""
        self.door: Door
        self.gates: list[Gate] = []
        self.answers: list[Answering] = []
        self.background = background
        self.sandbox = sandbox
        self.watches: list[Watch] = []
        self._upstream = upstream
        self._plan = plan
        self._archive = archive
        self._rng = rng
        self._bytes_per_second = bytes_per_second
        self._urls: dict[str, str] = {}  # where a session's token leads to
        self._by_token: dict[str, Watch] = {}
        self._by_job: dict[str, Watch] = {}
        self._past: dict[str, Witness] = {}  # of sessions that are over, by token and by job
        for rule in plan:
            self._check(rule)

    def start(self) -> None:
        """Watch for the first session; what fires at `start` does."""
        self._pending()

    # ------------------------------------------------------------------ by hand

    def arm(self, rule: Rule) -> trio.Event:
        """One more rule for the newest session, or for the next where that is over; the result is
        set once what fires now is done.

        Raises:
            UsageError: it cannot be done here.
        """
        self._check(rule)
        newest = self.watches[-1]
        return (self._pending() if self._archive.over(newest.witness) else newest).add(rule)

    async def heal(self) -> None:
        """End everything that is being done, and let nothing more fire."""
        for watch in self.watches:
            await watch.heal()
        self.gates.clear()
        self.answers.clear()
        await self.door.open()

    def through(self, url: str) -> str:
        """A session's URL as clients of ours are to use it."""
        self._urls[session_token(url)] = url
        target = url.split("://", 1)[-1].partition("/")[2]
        return websocket_url(self.url, "/" + target)

    # ------------------------------------------------------------------ clients

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection of a client to its end."""
        try:
            head = None
            with trio.move_on_after(_HEAD_SECONDS):
                head = await read_head(stream)
            if head is not None and not head.asks_for_websocket:
                head = await serve_requests(stream, head.raw + head.rest, self.exchange)
            if head is not None:
                await self._relay(stream, head)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def dial(self, url: str) -> trio.abc.Stream:
        return await self._upstream.dial(url)

    async def _relay(self, stream: trio.abc.Stream, head: Head) -> None:
        watch = self._watch_of_token(session_token(head.target))
        done = watch.attempted()
        if done is not None:
            await done.wait()
        url = self._urls.get(session_token(head.target)) or websocket_url(
            self._upstream.base_url, head.target
        )
        hello = head.for_target(url)
        connect = partial(self._link, watch, stream, url, hello)
        now = trio.current_time()
        self.gates = [gate for gate in self.gates if gate.stands(now)]
        if self.gates:
            await self.gates[0].meet(Visitor(stream, head, watch, connect))
            return
        try:
            target = await self.dial(url)
        except ConnectFailed as error:
            await _say(stream, error_answer(_unanswered(error), said=f"the target: {error}"))
            return
        try:
            await self._join(stream, target, head, hello, connect, watch)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(target)

    async def _join(
        self,
        stream: trio.abc.Stream,
        target: trio.abc.Stream,
        head: Head,
        hello: bytes,
        connect: Callable[[trio.abc.Stream], Link],
        watch: Watch,
    ) -> None:
        """Pass the handshake on; if it comes to a websocket, carry that to its end."""
        answer = await _handshake(target, hello)
        if answer is None:
            return
        if not await _say(stream, answer.raw):
            return
        if not answer.raw.startswith(b"HTTP/1.1 101"):
            await _say(stream, answer.rest)
            await _copy(target, stream)
            return
        link = connect(target)
        link.pumps[UP].first, link.pumps[DOWN].first = head.rest, answer.rest
        await watch.opened(link).wait()
        await link.run()

    def _link(
        self, watch: Watch, stream: trio.abc.Stream, url: str, hello: bytes, target: trio.abc.Stream
    ) -> Link:
        number = watch.traffic.connections + 1
        return Link(
            number, stream, target, watch.ways, watch.passing, watch.lost, url=url, hello=hello
        )

    # ------------------------------------------------------------------ requests

    @asynccontextmanager
    async def exchange(self, request: Request) -> AsyncIterator[Response]:
        """The answer to a request: the target's, or what a fault makes of it."""
        route, job_id = route_of(request.method, request.path)
        watch = self._pending() if route == "init" else self._watch_of_job(job_id)
        t = watch.witness.now()
        await watch.tell(HttpRequest(request.method, route)).wait()
        began = trio.current_time()
        late = 0.0
        made: Response | None = None
        for answering in self._answering(route):
            met = answering.meet(request.path)
            if isinstance(met, float):
                late = met
            else:
                made = met
                break
        if made is not None:
            await trio.sleep_until(began + late)
            self._note(watch, t, request, made.status)
            yield made
            return
        answered = False
        try:
            async with self._upstream.request(request) as answer:
                response = answer
                if route == "init" and answer.status == 201:
                    watch, response = await self._opened(watch, request, answer)
                    t = min(t, watch.witness.now())  # another session's clock begins now
                await trio.sleep_until(began + late)
                self._note(watch, t, request, response.status)
                answered = True
                yield response
        except TransportError as error:
            if answered:
                raise  # in the middle of a body: nothing else can be answered any more
            self._note(watch, t, request, 0, str(error))
            said = f"the target: {error}"
            yield error_response(_unanswered(error), request.path, said)

    def _answering(self, route: str) -> list[Answering]:
        now = trio.current_time()
        self.answers = [answer for answer in self.answers if answer.stands(now)]
        return [answer for answer in self.answers if answer.takes(route)]

    async def _opened(
        self, watch: Watch, request: Request, response: Response
    ) -> tuple[Watch, Response]:
        """The session that an answer opens, and that answer, leading to us instead of the target.
        Of several that were asked for at once, the first to be there gets the watch of them all."""
        body = b"".join([piece async for piece in response.pieces()])
        rewritten = rewrite_url(body, self.through)
        if rewritten is None:
            return watch, Response.of(response.status, response.headers, body)
        body, answer = rewritten
        watch = self._pending() if watch.taken else watch
        watch.taken = True
        self._rate(watch, self._archive.asked(watch.witness, request))
        self._by_token[session_token(answer.url)] = self._by_job[answer.id] = watch
        now = watch.witness.now()
        self._archive.opened(watch.witness, answer)
        watch.witness.write(
            j.Init(t=now, done=now, attempt=1, status=201, id=answer.id, url=redact(answer.url))
        )
        return watch, Response.of(response.status, response.headers, body)

    def _note(self, watch: Watch, t: int, request: Request, status: int, error: str = "") -> None:
        watch.witness.write(
            j.Http(
                t=t,
                done=watch.witness.now(),
                method=request.method,
                path=request.path,
                status=status,
                error=error,
            )
        )

    # ------------------------------------------------------------------ sessions

    def _pending(self) -> Watch:
        """The session that is yet to be opened."""
        if self.watches and not self.watches[-1].taken:
            return self.watches[-1]
        self._release()
        rng = Random(self._rng.getrandbits(64))  # noqa: S311 - spreads faults, guards nothing
        watch = self._watch(self._plan, rng, self._archive.witness())
        self.watches.append(watch)
        self.background.start_soon(watch.run)
        return watch

    def _past_watch(self, name: str) -> Watch:
        """One that lets pass what a session's client still does when the session is over."""
        return self._watch(Plan(), Random(0), self._past[name])  # noqa: S311 - draws nothing

    def _watch(self, plan: Plan, rng: Random, witness: Witness) -> Watch:
        return Watch(plan, rng, self._bytes_per_second, witness, self._strike)

    def _release(self) -> None:
        """Forget sessions that are over, but for who their clients are: these may still come."""
        gone = [
            watch for watch in self.watches if not watch.links and self._archive.over(watch.witness)
        ]
        for watch in gone:
            self.watches.remove(watch)
            watch.release()
        for known in (self._by_token, self._by_job):
            for name in [name for name, watch in known.items() if watch in gone]:
                self._past[name] = known.pop(name).witness

    def _watch_of_job(self, job_id: str) -> Watch:
        """The session that a request is about; the newest, where it does not say."""
        if job_id in self._past:
            return self._past_watch(job_id)
        return self._by_job.get(job_id) or self.watches[-1]

    def _watch_of_token(self, token: str) -> Watch:
        """The session of a websocket; one that was opened elsewhere is taken for the next one."""
        if token in self._past:
            return self._past_watch(token)
        if token not in self._by_token:
            self._by_token[token] = watch = self._pending()
            watch.taken = True
        return self._by_token[token]

    def _rate(self, watch: Watch, bytes_per_second: int) -> None:
        if not watch.traffic.connections:
            watch.schedule.set_rate(bytes_per_second)

    def _check(self, rule: Rule) -> None:
        if any(step.fault.kind == "restart" for step in rule.steps):
            check_sandbox(self)

    async def _strike(self, watch: Watch, firing: Firing, link: Link | None) -> None:
        await EFFECTS[firing.fault.kind].strike(Aim(firing, watch, link, self))


def _unanswered(error: TransportError) -> int:
    """The status for a client whose target cannot be reached: one that ends its attempts where
    more of them are of no use."""
    status = error.status if isinstance(error, ConnectFailed) else None
    return status or _BAD_GATEWAY


async def _say(stream: trio.abc.Stream, data: bytes) -> bool:
    """Send; False when nobody hears it any more."""
    try:
        await stream.send_all(data)
    except GONE:
        return False
    return True


async def _handshake(target: trio.abc.Stream, hello: bytes) -> Head | None:
    """Ask the target; None when it hangs up instead of answering."""
    if not await _say(target, hello):
        return None
    return await read_head(target)


async def _copy(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
    try:
        while data := await source.receive_some():
            await sink.send_all(bytes(data))
    except GONE:
        return
