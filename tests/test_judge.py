"""Each invariant by itself: silent on a clean journal, and heard on one with a planted defect."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from journals import Builder, Cut, ns

from replay import journal as j
from replay.continuity import compare
from replay.judge import BY_ID, INVARIANTS, Case, Limits, Outcome, judge, told
from replay.judge.case import took_ack

NOISE = random.Random(1).randbytes(128_000)
Plant = Callable[[Builder], None]
WORDS = [(f"word{k}", 400 * k, 400 * k + 300) for k in range(9)]
DOCS = Path(__file__).parent.parent / "docs" / "invariants.md"


def clean(cuts: list[Cut] | None = None, **options: Any) -> Builder:
    """Four seconds, every word final soon after it was said, the session opened and ended well."""
    built = Builder(**options).play(cuts if cuts is not None else [])
    built.entries.append(j.Init(t=ns(-300), done=ns(-200), attempt=1, status=201, id="job"))
    built.entries.append(j.Connecting(t=ns(-150), connection=1, attempt=1))
    last = 1 + len(cuts or [])
    for k, word in enumerate(WORDS):
        at = word[2] + 50
        number = 1 + sum(cut.back <= at for cut in cuts or [])
        built.transcript(at, [word], final=True, name=str(k), connection=number)
    return built.finish(4600, connection=last)


def cut() -> Builder:
    """The same, lost at 1.21 s and back at 1.905 s."""
    return clean([Cut(1210, 1905)])


def outcome(built: Builder, name: str, recorded: bytes | None = NOISE, **limits: Any) -> Outcome:
    """What comes of one invariant."""
    comparison = None if recorded is None else compare(NOISE, recorded, 2)
    return judge(Case(built.timeline(), comparison, Limits(**limits)))[name]


def change(kind: type[j.Entry], **values: Any) -> Plant:
    """Sets these fields in the last entry of this kind."""

    def plant(built: Builder) -> None:
        entry = [each for each in built.entries if isinstance(each, kind)][-1]
        for name, value in values.items():
            setattr(entry, name, value)

    return plant


def add(*entries: j.Entry) -> Plant:
    def plant(built: Builder) -> None:
        built.entries.extend(entries)

    return plant


def drop(kind: type[j.Entry]) -> Plant:
    def plant(built: Builder) -> None:
        built.entries = [each for each in built.entries if not isinstance(each, kind)]

    return plant


def fault(text: str, when: float, connection: int = 1, **more: Any) -> j.FaultFired:
    kind = text.partition("(")[0]
    return j.FaultFired(t=ns(when), rule=0, text=text, fault=kind, connection=connection, **more)


def planned(text: str) -> j.FaultPlanned:
    return j.FaultPlanned(t=1, rule=0, text=text)


def refused(count: int, pause: float, status: int | None = None) -> Plant:
    """Attempts in a row before the second connection of `cut`, so many ms apart."""

    def plant(built: Builder) -> None:
        drop_attempts(built)
        for k in range(1, count + 2):
            at = 1210 + k * (pause + 0.1)
            built.entries.append(j.Connecting(t=ns(at), connection=2, attempt=k))
            if k <= count:
                error = j.ConnectRefused(
                    t=ns(at + 0.1), connection=2, attempt=k, error="no", status=status
                )
                built.entries.append(error)
        change(j.Connected, attempt=count + 1)(built)

    return plant


def drop_attempts(built: Builder) -> None:
    """Nobody tries to come back."""
    built.entries = [
        e for e in built.entries if not (isinstance(e, j.Connecting) and e.connection == 2)
    ]


def all_of(*plants: Plant) -> Plant:
    def plant(built: Builder) -> None:
        for each in plants:
            each(built)

    return plant


def gave_up(built: Builder) -> None:
    """The second connection never comes."""
    back = next(e for e in built.entries if isinstance(e, j.Connected) and e.connection == 2).t
    built.entries = [e for e in built.entries if e.t < back or isinstance(e, j.Closed)]
    built.entries.append(j.Ended(t=ns(4000), outcome="gave_up", detail="no connection for 2 s"))


def leaking(built: Builder) -> None:
    """Every reconnection leaves a file, a task and a megabyte behind."""
    for k in range(40):
        n = 1 if ns(100 * k) < ns(1210) else 20
        built.entries.append(
            j.Resources(
                t=ns(100 * k), rss_bytes=1 << 20, fds=10 + n, threads=3, tasks=8 + n, cpu_ns=k
            )
        )
    change(j.Ended, t=ns(60_000))(built)
    late = j.Resources(t=ns(50_000), rss_bytes=1 << 20, fds=30, threads=3, tasks=28, cpu_ns=99)
    built.entries.append(late)


def many_connections(built: Builder) -> None:
    for k in range(2, 30):
        built.entries.append(
            j.Connected(t=ns(4700 + 100 * k), connection=k + 10, attempt=1, resume_at=0)
        )
        built.entries.append(
            j.Resources(
                t=ns(4750 + 100 * k), rss_bytes=k << 20, fds=9, threads=1, tasks=1, cpu_ns=k
            )
        )


def late_source(built: Builder) -> None:
    """The source stands still while the connection is down."""
    for entry in built.entries:
        if isinstance(entry, j.Produced) and ns(1300) <= entry.t <= ns(1500):
            entry.t += 300_000_000


def body(message: dict[str, Any], at: float, connection: int = 1) -> j.Received:
    raw = msgspec.Raw(json.dumps(message).encode())
    return j.Received(t=ns(at), connection=connection, body=raw)


def final(text: str, start: float, end: float, name: str, at: float, connection: int = 1) -> Any:
    built = Builder()
    built.transcript(at, [(text, start, end)], final=True, name=name, connection=connection)
    return built.entries[-1]


STOP_ACK = {"type": "stop_recording", "acknowledged": True}
CONTROL = j.Control(
    t=2, name="calm", finals=[j.ControlFinal(w, a / 1e3, b / 1e3) for w, a, b in WORDS]
)
WORDY = j.ControlFinal("never understood", 3.7, 3.9)

#: The invariant, the journal it begins with, what is planted, and words of what is found.
PLANTED: list[tuple[str, Callable[[], Builder], Plant, str]] = [
    ("A3", clean, change(j.Ack, start=1, end=3), "went back"),
    ("A3", clean, change(j.Ack, end=130_000), "2000 bytes more than were sent"),
    ("A5", cut, change(j.Connected, resume_at=35_201), "within a sample, at byte 35201"),
    ("A6", clean, change(j.Frame, size=1 << 21), "a frame of 2097152 bytes"),
    ("A6", clean, change(j.Lost, code=1009), "too large"),
    ("T1", clean, add(final("word1", 400, 700, "1", 800)), "final told twice: “word1”"),
    ("T1", clean, add(final("other", 3700, 3900, "1", 4100)), "two utterances are called 1"),
    ("T1", clean, add(j.Control(t=2, name="c", finals=[*CONTROL.finals, WORDY])), "was lost"),
    ("T3", cut, add(final("again", 0, 100, "9", 1940, 2)), "times went back from 1.50 s"),
    ("R1", cut, gave_up, "did not recover from the loss of connection 1: gave_up"),
    ("R2", cut, gave_up, "gave up after 2.79 s; an outage may take 30 s"),
    (
        "R3",
        clean,
        all_of(add(fault("blackhole(both, forever)", 500)), change(j.Lost, t=ns(8000))),
        "kept for 7.50 s",
    ),
    (
        "R3",
        clean,
        all_of(add(fault("close_open(1001)", 550)), change(j.Lost, t=ns(9050))),
        "kept for 8.50 s",
    ),
    ("R4", cut, refused(8, 1), "9 attempts in a row without a pause"),
    ("R5", cut, refused(8, 50, 403), "more attempts after status 403"),
    ("R6", cut, refused(100, 5), "attempts in a minute; 60 are plenty"),
    ("M1", clean, many_connections, "memory grew by 1,024 KiB with each reconnection"),
    ("M2", cut, leaking, "30 fds after the last recovery, 11 before the first loss"),
    ("P1", cut, late_source, "the source was held up for 0.30 s"),
    ("S1", clean, add(j.Init(t=ns(10), done=ns(20), attempt=1, status=201, id="b")), "2 sessions"),
    ("S1", clean, add(j.Sessions(t=ns(4650), ids=["job", "x"])), "nobody was told of x"),
    (
        "S3",
        cut,
        all_of(
            drop(j.Lost), add(j.Frame(t=ns(3500), done=ns(3500), connection=1, offset=0, size=2))
        ),
        "connections 1 and 2 were open at once",
    ),
    ("S4", clean, add(body(STOP_ACK, 1000)), "bytes of audio were taken in after the stop"),
    ("S4", clean, change(j.Ended, t=ns(200_000)), "took 196.00 s to end after the stop"),
    ("E2", clean, change(j.Ended, outcome="refused", code=0, detail=""), "without a reason"),
]
#: Those whose findings are warnings, or are planted in the recording,
#: or in callbacks (`test_callback_runs`).
ELSEWHERE = {"A1", "A2", "A4", "E1", "T2", "V1", "S2", "C1"}


@pytest.mark.parametrize(
    ("name", "base", "plant", "says"),
    PLANTED,
    ids=[f"{each[0]}-{number}" for number, each in enumerate(PLANTED)],
)
def test_a_planted_defect_breaks_its_invariant(
    name: str, base: Callable[[], Builder], plant: Plant, says: str
) -> None:
    """It holds before, is broken after, and the finding says how."""
    before = outcome(base(), name)
    assert before.state in ("pass", "not applicable", "unknown")
    assert [each for each in before.findings if each.severity != "info"] == []
    built = base()
    plant(built)
    after = outcome(built, name)
    assert after.state == "fail", after
    assert any(says in each.detail for each in after.findings), after.findings


def test_every_invariant_has_a_planted_defect() -> None:
    """Nothing is promised that has not been seen to be caught."""
    assert {each.id for each in INVARIANTS} == {name for name, *_ in PLANTED} | ELSEWHERE


@pytest.mark.parametrize("base", [clean, cut])
def test_a_clean_journal_breaks_nothing(base: Callable[[], Builder]) -> None:
    """No invariant fails, none warns."""
    found = judge(Case(base().timeline(), compare(NOISE, NOISE, 2)))
    assert [name for name, each in found.items() if each.state == "fail"] == []
    assert [each for out in found.values() for each in out.findings] == []


@pytest.mark.parametrize(
    ("recorded", "name", "says"),
    [
        (
            NOISE[:3200] + NOISE[6400:],
            "A1",
            "3200 bytes (100.0 ms) sent and not recorded, from 0.1",
        ),
        (NOISE + b"\1\2\3\4" * 8, "A1", "32 bytes (1.0 ms) recorded and never sent, from 4.000 s"),
        (NOISE[:9600] + NOISE[6400:], "A2", "3200 bytes (100.0 ms) recorded again; at most 0"),
        (NOISE[:64] + NOISE[6400:9600] + NOISE[64:6400] + NOISE[9600:], "A4", "out of order"),
        (NOISE[:6400] + b"\7" + NOISE[6400:], "A5", "shifted"),
    ],
)
def test_what_is_wrong_with_the_recording_is_told_to_the_byte(
    recorded: bytes, name: str, says: str
) -> None:
    """Where from, how many bytes, how many milliseconds."""
    found = outcome(clean(), name, recorded)
    assert found.state == "fail"
    assert says in found.findings[-1].detail


def test_without_a_recording_nothing_is_known_of_it() -> None:
    """A1, A2 and A4 are unknown, never passed."""
    found = judge(Case(clean().timeline(), None))
    assert {found[name].state for name in ("A1", "A2", "A4")} == {"unknown"}


def test_strict_allows_no_repeat() -> None:
    """What was in flight at a cut may be there twice, unless nothing may."""
    twice = NOISE[:40_000] + NOISE[36_800:]
    assert outcome(cut(), "A2", twice).state == "pass"
    assert outcome(cut(), "A2", twice, repeats="strict").state == "fail"


def test_a_refused_opening_that_was_not_waited_for() -> None:
    """Retry-After counts from the answer."""
    refusal = j.Init(t=ns(-900), done=ns(-800), attempt=1, status=429, retry_after=0.5)
    built = clean()
    built.entries.append(refusal)
    assert outcome(built, "R5").state == "pass"
    refusal.retry_after = 2.0
    (found,) = outcome(built, "R5").findings
    assert found.detail == "asked to wait 2 s and tried again after 0.50 s"


@pytest.mark.parametrize(("told", "state"), [(None, "fail"), (8, "pass"), (1.0, "fail")])
def test_a_client_is_held_to_the_silence_it_was_told_to_bear(
    told: float | None, state: str
) -> None:
    """Kept for 7.5 s: too long for who has said nothing, and right for who was told 8 s."""
    built = clean()
    if told is not None:
        built.entries[0].options = {"policy": {"ack_timeout": told}}
    built.entries.append(fault("blackhole(both, forever)", 500))
    change(j.Lost, t=ns(8000))(built)
    assert outcome(built, "R3").state == state


def test_a_path_dead_for_less_than_a_client_bears_asks_nothing_of_it() -> None:
    """Silence that ends before anybody had to notice it."""
    built = clean()
    built.entries.append(fault("blackhole(both, 3s)", 500))
    assert outcome(built, "R3").state == "not applicable"
    built.entries[0].options = {"policy": {"ack_timeout": 1.0}}
    assert outcome(built, "R3").state == "fail"


def test_pauses_that_nothing_spreads_are_a_warning() -> None:
    """Attempts always so far apart would come in step with those of all other clients."""
    built = cut()
    refused(4, 120)(built)
    found = outcome(built, "R4")
    assert (found.state, found.findings[0].severity) == ("pass", "warning")
    assert "no growth" in found.findings[0].detail


@pytest.mark.parametrize(
    ("code", "returns", "state"),
    [(1011, True, "pass"), (1011, False, "fail"), (4404, True, "fail"), (4404, False, "pass")],
)
def test_a_close_code_says_what_to_do(code: int, returns: bool, state: str) -> None:
    """Come back after 1011, stop after 4404."""
    built = cut()
    if not returns:
        gave_up(built)
        drop_attempts(built)
    closed = next(e for e in built.entries if isinstance(e, j.Lost) and e.connection == 1)
    closed.code, closed.cause = code, "closed"
    assert outcome(built, "S2").state == state


@pytest.mark.parametrize("harm", ["blackhole(both, forever)", "reset"])
def test_a_close_that_a_client_cannot_have_heard_asks_nothing_of_it(harm: str) -> None:
    """A proxy sees the target's close; what was on the way down was thrown away."""
    built = cut()
    closed = next(e for e in built.entries if isinstance(e, j.Lost) and e.connection == 1)
    closed.code, closed.cause = 4408, "closed"
    built.entries[0].vantage = "proxy"
    assert outcome(built, "S2").state == "fail"
    built.entries.append(fault(harm, 1000))
    assert outcome(built, "S2").state == "pass"


@pytest.mark.parametrize(
    ("text", "until", "state"),
    [
        ("hold(up, 3s)", 3500, "pass"),
        ("zero_window(3s)", 3500, "pass"),
        ("hold(down, 3s)", 3500, "fail"),
        # Over for long when the second one opened, at 9.9 s.
        ("hold(up, 1s)", 1500, "fail"),
        ("delay(up, 9s, 0ms, 1s)", 1500, "pass"),
    ],
)
def test_a_proxy_that_reads_late_cannot_say_that_two_were_open_at_once(
    text: str, until: float, state: str
) -> None:
    """What the first one brings after the second was sent before, by a client that had left."""
    built = cut()
    for entry in built.entries:
        if entry.t > ns(1905 - 1):
            entry.t += ns(8000) - ns(0)
    drop(j.Lost)(built)
    built.entries.append(j.Frame(t=ns(11_500), done=ns(11_500), connection=1, offset=0, size=2))
    built.entries[0].vantage = "proxy"
    assert outcome(built, "S3").state == "fail"
    way = "down" if "down" in text else "up" if "up" in text else ""
    shift = 8000 if until > 2000 else 0
    fired = fault(text, 500 + shift, direction=way, until=ns(until + shift))
    built.entries.append(fired)
    assert outcome(built, "S3").state == state


def test_a_final_result_that_never_came() -> None:
    """Broken when the session was ended over the connection and the result had to be fetched."""
    assert outcome(clean(), "T2").state == "pass"
    built = Builder().play().finish(4600, post=False)
    assert outcome(built, "T2").state == "fail"
    assert outcome(Builder().play().finish(4600, fetched=False), "T2").state == "unknown"


@pytest.mark.parametrize(("at", "state"), [(3000, "fail"), (4550, "pass")])
def test_a_final_result_may_go_down_with_a_connection(at: int, state: str) -> None:
    """A cut after the stop may have taken it along; one before the stop cannot have."""
    built = Builder().play().finish(4600, post=False)
    built.entries.append(j.Lost(t=ns(at), connection=1, code=1006, cause="wire"))
    for entry in built.entries:
        if entry.t > ns(at) and isinstance(entry, j.Lost | j.Received):
            entry.connection = 2
    built.entries.append(j.Connected(t=ns(at + 1), connection=2, attempt=1, resume_at=0))
    assert outcome(built, "T2").state == state


def test_a_session_that_does_not_bear_a_bad_message() -> None:
    """A malformed message is a warning; a session that ends with it is broken."""
    spoilt = j.Received(t=ns(1000), connection=1, text="{")
    built = clean()
    built.entries.append(spoilt)
    found = outcome(built, "E1")
    assert (found.state, found.findings[0].severity) == ("pass", "warning")
    built = cut()
    gave_up(built)
    built.entries.append(spoilt)
    assert outcome(built, "E1").state == "fail"


def test_what_our_own_faults_spoil_is_held_against_nobody() -> None:
    """An acknowledgement that an injected fault repeated is told, and no failure; nor is it a
    failure of any other kind that it was there."""
    copy = j.Ack(t=ns(1021), connection=1, start=28_800, end=32_000, upto=32_000)
    built = clean()
    built.entries.append(copy)
    assert outcome(built, "A3").state == "fail"
    built.entries.append(fault("dupack", 1000))
    found = outcome(built, "A3")
    assert (found.state, [each.severity for each in found.findings]) == ("pass", ["info"])


@pytest.mark.parametrize(
    ("text", "plant"),
    [
        ("dupack", change(j.Ack, start=1, end=3)),
        ("dupack", add(*[j.Ack(t=ns(1021), connection=1, start=0, end=3200, upto=3200)])),
        ("regressack", change(j.Ack, start=1, end=3)),
        ("regressack", change(j.Ack, end=130_000)),
        ("loseacks(1)", change(j.Ack, start=1, end=3)),
        ("loseacks(1)", change(j.Ack, start=131_200, end=134_400)),
        ("corrupt(json)", change(j.Ack, end=130_000)),
    ],
)
def test_a_fault_excuses_only_what_it_did(text: str, plant: Plant) -> None:
    """A service that is broken in the same session is found."""
    built = clean()
    plant(built)
    built.entries.append(fault(text, 1000))
    assert outcome(built, "A3").state == "fail"


@pytest.mark.parametrize(("text", "excused"), [("loseacks(2)", True), ("loseacks(1)", False)])
def test_a_gap_is_excused_up_to_what_was_thrown_away(text: str, excused: bool) -> None:
    """Two chunks are missing between two acknowledgements."""
    built = clean()
    lost = [e for e in built.entries if isinstance(e, j.Ack) and ns(1000) < e.t < ns(1200)]
    assert len(lost) == 2
    built.entries = [each for each in built.entries if each not in lost]
    built.entries.append(fault(text, 1000))
    assert outcome(built, "A3").state == ("pass" if excused else "fail")


# ------------------------------------------------------------------ V1


def with_fault(text: str, *entries: j.Entry, base: Callable[[], Builder] = cut) -> Outcome:
    built = base()
    built.entries += [planned(text), *entries]
    return outcome(built, "V1")


def test_a_fault_that_fired_and_was_felt() -> None:
    """At its moment, on a connection that was lost by it, and the client came back."""
    assert with_fault("reset @ 1310ms", fault("reset", 1210)).state == "pass"


@pytest.mark.parametrize(
    ("text", "entries", "base", "says"),
    [
        ("reset @ 3s", [], cut, "reset @ 3s never fired"),
        ("reset @ 1310ms every 1s x3", [fault("reset", 1210)], cut, "fired 1 of 3 times"),
        ("reset @ 100ms", [fault("reset", 1210)], cut, "+1210 ms off"),
        ("reset @ byte 3200", [fault("reset", 1210, at={"offset": 38_400})], cut, "at byte 38400"),
        ("reset @ frame 3", [fault("reset", 1210, at={"frame": 12})], cut, "at frame 12"),
        ("reset @ final#2", [fault("reset", 1210, at={"trigger": "final#1"})], cut, "at final#1"),
        ("reset @ 1310ms", [fault("reset", 1210, 3)], cut, "its connection went on"),
        ("reset @ 3s", [fault("reset", 2900)], cut, "when its connection was over"),
        ("refuse(1s) @ 2s", [fault("refuse(1s)", 1900, 0, until=ns(2900))], cut, "nobody tried"),
    ],
)
def test_a_fault_that_proves_nothing(
    text: str, entries: list[j.Entry], base: Callable[[], Builder], says: str
) -> None:
    """It did not fire, or elsewhere, or harmed nothing: unknown, never a pass."""
    found = with_fault(text, *entries, base=base)
    assert found.state == "unknown"
    assert says in found.why


@pytest.mark.parametrize(
    ("text", "trigger", "took"),
    [
        ("reset", "between(recorded, ack)#3", True),
        ("slice(up, 7, 1s)", "between(recorded, ack)", True),
        ("dupack", "between(recorded, ack)#3", False),
        ("loseacks(2)", "between(recorded, ack)#3", False),
        ("reset", "ack#3", False),
    ],
)
def test_which_faults_throw_the_acknowledgement_of_their_moment_away(
    text: str, trigger: str, took: bool
) -> None:
    """Not those that are done to it."""
    assert took_ack(fault(text, 500, at={"trigger": trigger})) is took


# ------------------------------------------------------------------ T1 by itself


@pytest.mark.parametrize(
    ("second", "state", "says"),
    [(1220, "pass", "whose audio was recorded twice"), (1125, "fail", "final told twice")],
)
def test_what_was_recorded_twice_may_be_told_twice(second: float, state: str, says: str) -> None:
    """After the cut, the service has the 100 ms from 1.1 s on again, from 1.2 s of its recording:
    words that it heard there are told again rightly, on one connection; others are not."""
    built = cut()
    built.entries.append(final("twice", 1120, 1180, "20", 1990, 2))
    built.entries.append(final("twice", second, second + 60, "21", 2100, 2))
    found = outcome(built, "T1")
    assert found.state == state
    assert any(says in each.detail for each in found.findings)


@pytest.mark.parametrize(("end", "excused"), [(4.0, True), (2.0, False)])
def test_a_final_on_its_way_is_timed_by_the_common_one(end: float, excused: bool) -> None:
    """Finals come a second after their audio, but for one that seemed to come at once."""
    built = Builder(seconds=8.0).play([Cut(5010, 5200)])
    for k, said in enumerate((500, 900, 1300, 1700, 2500, 3100)):
        built.transcript(said + (5 if k == 3 else 1000), [(f"w{k}", said - 200, said)], final=True)
    case = Case(built.finish(9000, connection=2).timeline(), None)
    unheard = told.final("unheard", end - 0.3, end, recorded=(end - 0.3, end))
    assert told.on_its_way(case, unheard, told.told(case.timeline)) is excused


def test_what_was_held_back_is_no_sign_that_all_has_come() -> None:
    """A message comes at the end of a hold, and is as old as that; what followed it was lost."""
    built = Builder(seconds=12.0).play([Cut(9000, 9200)])
    for said in (500, 900, 1300, 1700, 2500):
        built.transcript(said + 100, [(f"w{said}", said - 200, said)], final=True)
    built.entries = [e for e in built.entries if not (isinstance(e, j.Ack) and e.t > ns(3050))]
    built.speech_end(6500, 2900)
    built.entries.append(fault("hold(both, 3.4s)", 3100, direction="both", until=ns(6500)))
    unheard = told.final("unheard", 2.7, 2.95, recorded=(2.7, 2.95))
    case = Case(built.finish(13_000, connection=2).timeline(), None)
    assert told.on_its_way(case, unheard, told.told(case.timeline))
    drop(j.FaultFired)(built)
    case = Case(built.timeline(), None)
    assert not told.on_its_way(case, unheard, told.told(case.timeline))


# ------------------------------------------------------------------ T1 against controls


def controlled(*controls: j.Control, words: list[tuple[str, float, float]] = WORDS) -> Outcome:
    built = Builder().play()
    built.entries += controls
    for k, word in enumerate(words):
        built.transcript(word[2] + 50, [word], final=True, name=str(k))
    return outcome(built.finish(4600), "T1")


def varied(text: str) -> j.Control:
    return j.Control(t=2, name="v", finals=[j.ControlFinal(text, 0.0, 0.3), *CONTROL.finals[1:]])


def test_the_same_words_pass() -> None:
    """Also in other utterances, with other case and punctuation."""
    assert controlled(CONTROL).state == "pass"
    whole = j.ControlFinal("Word0, word1 word2.", 0.0, 1.1)
    assert controlled(j.Control(t=2, name="c", finals=[whole, *CONTROL.finals[3:]])).state == "pass"


def test_one_control_does_not_say_how_much_may_differ() -> None:
    """A final that reads otherwise is open with one control, and a warning beyond the spread."""
    two = varied("word0 indeed")
    assert controlled(two).state == "unknown"
    assert controlled(two, two).findings[0].severity == "warning"
    assert controlled(CONTROL, two).findings == []


def test_what_controls_lose_themselves_may_be_lost() -> None:
    """Beyond their own spread it is a failure."""
    short = j.Control(t=2, name="s", finals=CONTROL.finals[1:])
    assert controlled(CONTROL, short, words=WORDS[1:]).state == "pass"
    assert controlled(CONTROL, CONTROL, words=WORDS[1:]).state == "fail"


# ------------------------------------------------------------------ the page


def test_the_page_has_every_invariant_as_it_is() -> None:
    """Ids and sentences in the documentation are those of the judge."""
    rows = [f"| {each.id} | {each.says} | {each.needs} |" for each in INVARIANTS]
    text = DOCS.read_text()
    assert [row for row in rows if row not in text] == []
    assert text.count("\n| A") + text.count("\n| V") == len([i for i in BY_ID if i[0] in "AV"])


def test_what_a_connection_never_brought_may_have_been_lost_with_it() -> None:
    """A connection that brought nothing was in doubt since it opened: the result has the final that
    was due then, and nobody is to blame for its never having come."""
    built = clean([Cut(1210, 1505)])
    built.entries = [
        each
        for each in built.entries
        if not (isinstance(each, j.Ack | j.Received) and ns(1500) < each.t < ns(3500))
    ]
    lost = j.Lost(t=ns(3500), connection=2, code=1006, cause="silence", unacked=3200)
    back = j.Connected(t=ns(3505), connection=3, attempt=1, resume_at=38_400)
    for each in built.entries:
        if getattr(each, "connection", 1) == 2 and each.t > ns(3500):
            each.connection = 3
    built.entries += [lost, back]
    case = Case(built.timeline(), None)
    assert (ns(1505), ns(3500)) in told._in_doubt(case)
