"""Faults and moments one by one in virtual time: how each landed, and what our client made of it.
`test_proxy_every` sees that none is left out."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from random import Random

import pytest
from injected import Injected, open_injected
from judging import judge_recording
from world import counting, play, words

from replay import journal as j
from replay.audio import AudioFormat
from replay.client import LiveSession
from replay.session import Policy

SECONDS = 4.0
SECOND = AudioFormat().bytes_per_second
AUDIO = counting(AudioFormat(), SECONDS)


class Played:
    """A run that is over, and what its journal says."""

    def __init__(self, world: Injected, session: LiveSession) -> None:
        self.world = world
        self.session = session
        self.entries = world.recorder.entries
        self.fired = world.fired
        self.recorded = world.recorded(session.id)

    def all(self, kind: type) -> list:
        return [entry for entry in self.entries if isinstance(entry, kind)]

    @property
    def codes(self) -> list[int]:
        """Of all connections that were lost before the end."""
        return [lost.code for lost in self.all(j.Lost)[:-1]]

    @property
    def repeated(self) -> int:
        return len(self.recorded) - len(AUDIO)

    def at(self, index: int = 0) -> float:
        """When a fault fired, in seconds since the first connection opened."""
        return (self.fired[index].t - self.all(j.Connected)[0].t) / 1e9


async def played(*faults: str, whole: bool = True, **options: object) -> Played:
    """Play four seconds under these faults. `whole`: nothing may be lost."""
    async with open_injected(*faults, latency=0.02, script=words(6)) as world:
        session = await play(
            world,
            AUDIO,
            recorder=world.recorder,
            policy=Policy(ack_timeout=2.0, **options),
            rng=Random(1),
            config={"messages_config": {"receive_partial_transcripts": True, **LIFECYCLE}},
        )
        done = Played(world, session)
        if whole:
            assert session.ended is not None
            assert session.ended.outcome in ("complete", "recovered")
            judge_recording(AUDIO, done.recorded, done.entries, 2)
        return done


LIFECYCLE = {"receive_lifecycle_events": True}

# ------------------------------------------------------------------ kinds

#: What is done, how many connections our client then needs, and how it lost them.
ENDS = {
    "reset @ 1s": [1006],
    "fin @ 1s": [1006],
    "halfclose(up) @ 1s": [1006],
    "halfclose(down) @ 1s": [1006],
    "cutframe(7) @ frame 10": [1006],
    'close(1012, "going down") @ 1s': [1012],
    "close(1005) @ 1s": [1005],
    "close(1006) @ 1s": [1006],
    "close_open(1001) @ 1s": [1001],
    "blackhole(up) @ 1s": [1006],
    "blackhole(down) @ 1s": [1006],
    "blackhole(both, 5s) @ 1s": [1006],
    "zero_window(5s) @ 1s": [1006],
    "corrupt(utf8) @ ack#10": [1007],
    "reset @ 1s then accept_then_close(1013, 2)": [1006, 1013, 1013],
    "hold(both, 1500ms) @ 1s": [],
    "hold(up, 4s) @ 1s": [1006],
    "throttle(up, 24000/s, 2s) @ 1s": [],
    "delay(both, 150ms, 50ms, 2s) @ 1s": [],
    "slice(both, 7, 500ms) @ 1s": [],
    "coalesce(up, 5, 2s) @ 1s": [],
    "loseacks(3) @ ack#10": [],
    "dupack @ ack#10": [],
    "regressack @ ack#10": [],
    "corrupt(json) @ ack#10": [],
    "corrupt(type) @ ack#10": [],
    "oversize @ ack#10": [],
    "slow_http(3s) @ start": [],
    "http_error(503, init, 2) @ start": [],
    "reject(429, 2s, on=post) @ start": [],
}
OUTAGES = {
    "reset @ 1s then refuse(2s)": "refused",
    "reset @ 1s then unreachable(2s)": "no answer",
    "reset @ 1s then mute(2s)": "no answer",
    "reset @ 1s then reject(503, none, 2s)": "HTTP 503",
}


@pytest.mark.parametrize("fault", ENDS)
async def test_a_fault_lands_and_nothing_is_lost(autojump_clock: object, fault: str) -> None:
    """Each fault is told where it hit, and our client loses its connection in the way that fits it,
    or not at all, and never any audio."""
    done = await played(fault)
    kind = fault.split(" then ")[-1].split("(")[0].split(" ")[0]
    assert done.fired[-1].fault == kind
    assert done.codes == ENDS[fault]


@pytest.mark.parametrize("fault", OUTAGES)
async def test_an_outage_lasts_as_long_as_it_is_told_to(autojump_clock: object, fault: str) -> None:
    """While clients are kept out, attempts fail in the way that fits; after that, one succeeds."""
    done = await played(fault, connect_timeout=0.5)
    failures = done.all(j.ConnectRefused)
    assert failures
    assert all(OUTAGES[fault] in entry.error for entry in failures)
    lost, back = done.all(j.Lost)[0], done.all(j.Connected)[1]
    assert back.t - lost.t >= 2.0e9 - 0.1e9
    assert len(done.fired) == 2


async def test_a_twin_takes_the_place_of_the_first(autojump_clock: object) -> None:
    """The target sees a second connection to the session, and ends the first."""
    done = await played("twin @ 1s", whole=False)
    assert len(done.world.upstream.dialled) == 2
    assert len(set(done.world.upstream.dialled)) == 1
    assert done.fired[0].fault == "twin"
    assert done.all(j.Lost)[0].code == 4409


async def test_held_bytes_all_come_later(autojump_clock: object) -> None:
    """A hold keeps what is sent meanwhile: acknowledgements stop, then all come, in order."""
    done = await played("hold(up, 1500ms) @ 1s")
    acks = done.all(j.Ack)
    gaps = [b.t - a.t for a, b in pairwise(acks)]
    assert 1.4e9 < max(gaps) < 1.6e9
    assert done.repeated == 0
    assert len(done.all(j.Connected)) == 1


async def test_a_throttled_way_carries_no_more_than_it_is_told(autojump_clock: object) -> None:
    """At three quarters of the audio's rate the acknowledgements fall behind by a quarter."""
    done = await played("throttle(up, 24000/s, 2s) @ 1s")
    opened = done.all(j.Connected)[0].t
    (reached,) = [
        max(a.end for a in done.all(j.Ack) if (a.t - opened) / 1e9 <= at) for at in (2.95,)
    ]
    assert reached == pytest.approx(SECOND + 2 * 24_000, abs=6_400)


async def test_delayed_bytes_keep_their_order(autojump_clock: object) -> None:
    """With a jitter larger than the distance of frames, all arrive later and none out of turn."""
    done = await played("delay(up, 300ms, 250ms, 2s) @ 1s")
    assert done.recorded == AUDIO
    acks = [ack for ack in done.all(j.Ack) if done.fired[0].t < ack.t < done.fired[0].until]
    frames = {frame.offset + frame.size: frame.t for frame in done.all(j.Frame)}
    late = [ack.t - frames[ack.end] for ack in acks if frames[ack.end] > done.fired[0].t]
    assert max(late) > 0.3e9
    assert min(late) >= 0.05e9


async def test_what_was_late_on_one_connection_makes_nothing_late_on_the_next(
    autojump_clock: object,
) -> None:
    """The delay is over when the second one opens, though what the first had to carry would come
    later still."""
    done = await played("delay(down, 10s, 0ms, 500ms) @ 1s then reset after 400ms")
    assert done.codes == [1006]
    opened, again = (each.t for each in done.all(j.Connected))
    assert again - opened > 1.5e9
    frames = {frame.offset + frame.size: frame.t for frame in done.all(j.Frame)}
    late = [ack.t - frames[ack.upto] for ack in done.all(j.Ack) if ack.t > again]
    assert late
    assert max(late) == min(late) < 0.1e9


async def test_a_lost_acknowledgement_makes_a_repeat(autojump_clock: object) -> None:
    """Recorded, but the acknowledgement is thrown away with the connection: that audio is sent
    again, and the client finds it out."""
    done = await played("reset @ between(recorded, ack)#10")
    assert done.repeated == 3200
    assert [finding.invariant for finding in done.all(j.Observation)] == ["A2"]


@pytest.mark.parametrize(
    ("text", "arrives"),
    [("dupack", [10, 10]), ("regressack", [10, 6]), ("loseacks(1)", []), ("corrupt(json)", [])],
)
async def test_what_is_done_to_the_acknowledgement_of_the_moment_is_all_that_is(
    autojump_clock: object, text: str, arrives: list[int]
) -> None:
    """Where the fault is done to that acknowledgement, it is not thrown away besides; whatever
    becomes of it is in the journal."""
    done = await played(f"{text} @ between(recorded, ack)#10")
    assert [fault.text for fault in done.fired] == [text]
    acks = [ack.end // 3200 for ack in done.all(j.Ack)]
    assert acks[:9] == list(range(1, 10))
    assert acks[9 : 9 + len(arrives)] == arrives
    assert acks[9 + len(arrives)] == 11


async def test_what_finds_no_acknowledgement_harms_none(autojump_clock: object) -> None:
    """None that is older has passed at the first one: it passes unharmed, and so do the others
    until one can be followed by an older."""
    done = await played("regressack @ between(recorded, ack)#1")
    assert [fault.fault for fault in done.fired] == ["regressack"]
    assert [ack.end // 3200 for ack in done.all(j.Ack)][:4] == [1, 2, 1, 3]


async def test_a_swallowed_way_is_felt_as_silence(autojump_clock: object) -> None:
    """When acknowledgements vanish the client gives the path up after its limit, not before."""
    done = await played("blackhole(down) @ 1s")
    lost = done.all(j.Lost)[0]
    assert lost.cause == "silence"
    assert 1.9e9 < lost.t - done.fired[0].t < 2.6e9


async def test_a_black_hole_that_ends_takes_the_connection_with_it(
    autojump_clock: object,
) -> None:
    """With a piece missing the connection is of no use: it is reset, and nothing is recorded with
    a hole in it."""
    done = await played("blackhole(up, 1s) @ 1s")
    lost = done.all(j.Lost)[0]
    assert lost.cause == "wire"
    assert done.fired[0].until is not None
    assert lost.t == pytest.approx(done.fired[0].until, abs=0.1e9)


async def test_an_acknowledgement_held_back_has_not_passed(autojump_clock: object) -> None:
    """A connection that is reset while its acknowledgements are held: the client has none of
    them, sends that audio again, and `resend` comes."""
    done = await played("hold(down, 5s) @ 1s then reset after 500ms then fin @ resend")
    assert [fault.fault for fault in done.fired] == ["hold", "reset", "fin"]
    assert done.fired[-1].at["trigger"] == "resend"
    assert done.repeated > SECOND * 0.4


@pytest.mark.parametrize("way", ["up", "down", "both"])
async def test_black_holes_end_when_the_last_does(autojump_clock: object, way: str) -> None:
    """The end of the shorter one opens nothing that the longer one still swallows."""
    done = await played(f"blackhole({way}, 1s) @ 1s", f"blackhole({way}, 300ms) @ 1s")
    lost = done.all(j.Lost)[0]
    longer = max(fault.until or 0 for fault in done.fired)
    assert lost.cause == "wire"
    assert lost.t == pytest.approx(longer, abs=0.1e9)


async def test_an_answer_that_asks_to_wait_is_obeyed(autojump_clock: object) -> None:
    """Retry-After reaches the client, which does not ask again before."""
    done = await played("reject(429, 3s, 1s, on=post) @ start")
    refused, opened = done.all(j.Init)
    assert (refused.status, refused.retry_after) == (429, 3.0)
    assert opened.t - refused.done >= 3e9


async def test_a_late_answer_is_late_by_so_much(autojump_clock: object) -> None:
    """`slow_http` delays one answer by its time, and no other."""
    done = await played("slow_http(3s) @ start")
    (opened,) = done.all(j.Init)
    assert 3.0e9 <= opened.done - opened.t <= 3.1e9
    assert len(done.fired) == 1


@pytest.mark.parametrize("route", ["job", "file"])
async def test_an_error_on_a_route_hits_that_route(autojump_clock: object, route: str) -> None:
    """`http_error` answers requests of the route it names, so often as it is told."""
    async with open_injected(f"http_error(503, {route}, 1) @ start", script=words(6)) as world:
        session = await play(world, AUDIO, recorder=world.recorder)
        path = f"/v2/live/{session.id}" + "/file" * (route == "file")
        before = [r.path for r in world.upstream.requests].count(path)
        if route == "job":
            statuses = [e.status for e in world.recorder.entries if isinstance(e, j.Http)]
            assert statuses == [503, 200]
            assert before == 1
        else:
            with pytest.raises(Exception, match="503"):
                await world.download(session.id, BytesIO())
        assert [fault.fault for fault in world.fired] == ["http_error"]


# ------------------------------------------------------------------ moments

#: A rule for each moment, and what its place is called in the journal.
TRIGGERS = {
    "refuse(500ms) @ start": "start",
    "reset @ conn#1": "conn#1",
    "reset @ frame 12": "conn#1 + byte 38400",
    "reset @ byte 32000": "conn#1 + byte 32000",
    "reset @ audio 1s": "conn#1 + byte 32000",
    "reset @ ack#7": "ack#7",
    "reset @ between(recorded, ack)#7": "between(recorded, ack)#7",
    "reset @ partial#2": "partial#2",
    "reset @ final#1": "final",
    "reset @ speech_start#1": "speech_start",
    "reset @ stop.sent": "stop.sent",
    "reset @ stop.acked": "stop.acked",
    "reset @ end_recording": "end_recording",
    "reset @ post#1": "post",
    "reset @ 1s then mute(200ms) @ reconnecting": "reconnecting",
    "reset @ between(recorded, ack)#9 then reset @ resend": "resend",
    "reset @ between(recorded, ack)#9 then reset @ caught_up": "caught_up",
    "slow_http(100ms) @ http#1": "http.init",
    "slow_http(100ms) @ http.init": "http.init",
    "slow_http(100ms) @ http.job": "http.job",
}


@pytest.mark.parametrize("rule", TRIGGERS)
async def test_a_moment_is_met(autojump_clock: object, rule: str) -> None:
    """Each moment comes, the fault fires at it and says so, and nothing is lost."""
    done = await played(rule)
    assert done.fired[-1].at["trigger"] == TRIGGERS[rule]
    assert done.fired[-1].at["after_ms"] == 0


async def test_a_time_counts_from_the_first_connection(autojump_clock: object) -> None:
    """`1500ms` is one and a half seconds after the first connection opened."""
    done = await played("reset @ 1500ms")
    assert done.at() == pytest.approx(1.5, abs=0.03)  # the network's length
    assert done.fired[0].at["connection_ms"] == 1500.0


async def test_repeats_and_sequences_fire_as_often_as_asked(autojump_clock: object) -> None:
    """`every`, `xN` and `then` come to as many firings as they say."""
    done = await played("reset @ every 700ms x3", "hold(50ms) @ 500ms then fin after 300ms")
    assert [fault.fault for fault in done.fired].count("reset") == 3
    assert [fault.fault for fault in done.fired].count("fin") == 1
    assert len(done.codes) == 4


async def test_a_fault_without_its_moment_is_not_told_as_fired(autojump_clock: object) -> None:
    """What never came is planned in the journal, and not fired."""
    done = await played("reset @ final#500", "corrupt(json) @ ack#500", "mute(1s) @ 1s")
    assert len(done.all(j.FaultPlanned)) == 3
    assert done.fired == []
