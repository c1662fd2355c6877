"""How many sessions a target holds: the search, what is said of a step, and the answer, in made-up
figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.benchmark import Machine
from replay.capacity import judge, records, result
from replay.capacity.judge import parse_slo
from replay.capacity.records import Asked, Client, Cores, Failure, Interrupted, Measured
from replay.capacity.search import Found, Range, State, Try, follow
from replay.endurance.histogram import Encoded, Histogram
from replay.errors import ConditionError

Target = Callable[[int, int], Try]


def search(where: Range, target: Target, most: int = 200) -> tuple[Found, list[Try]]:
    """To its end; `target`: what comes of so many sessions, the how-manieth try of all this is."""
    tries: list[Try] = []
    while not isinstance(wanted := follow(where, tries), Found):
        tries.append(target(wanted, len(tries)))
        assert len(tries) < most, "it does not come to an end"
    return wanted, tries


def holding(capacity: int, above: State = "missed") -> Target:
    """A target, or a client, that can do so many and no more."""
    return lambda n, _: Try(n, "held" if n <= capacity else above)


RANGES = st.builds(
    Range, st.integers(1, 200), st.one_of(st.integers(1, 20), st.floats(0.01, 0.5)), st.none()
)

# ------------------------------------------------------------------ the search


@given(RANGES, st.integers(0, 3000))
def test_a_known_capacity_is_found_within_a_step(where: Range, capacity: int) -> None:
    """Never more than there is, and less by no more than was asked for; the answer held twice, and
    what is above it did not, twice."""
    found, tries = search(where, holding(capacity))
    assert found.limit == "missed"
    assert found.above is not None
    assert found.sessions <= capacity < found.above
    assert found.above - found.sessions <= max(1, where.grain(found.sessions))
    of = {n: [t.state for t in tries if t.sessions == n] for n in (found.sessions, found.above)}
    assert of[found.above] == ["missed", "missed"]
    assert not found.sessions or of[found.sessions].count("held") >= 2


@given(RANGES, st.integers(1, 3000), st.data())
def test_bursts_of_other_programs_do_not_decide(
    where: Range, capacity: int, data: st.DataObject
) -> None:
    """Of any three tries of the same number of sessions one goes wrong through no fault of the
    target's: it is found all the same."""
    seen: dict[int, int] = {}
    spoilt: dict[int, int] = {}

    def target(n: int, _: int) -> Try:
        number = seen[n] = seen.get(n, 0) + 1
        if n not in spoilt:
            spoilt[n] = data.draw(st.integers(1, 4))  # the fourth try there never is
        good = n <= capacity and number != spoilt[n]
        return Try(n, "held" if good else "missed")

    found, _ = search(where, target)
    assert found.sessions <= capacity
    assert found.above is not None
    assert found.above > capacity
    assert found.above - found.sessions <= max(1, where.grain(found.sessions))


@given(RANGES, st.integers(0, 500), st.integers(0, 500))
def test_a_client_that_ends_first_is_named(where: Range, capacity: int, client: int) -> None:
    """The limit is whichever comes first: the target's, or our own client's."""
    found, _ = search(
        where,
        lambda n, _: Try(n, "held" if n <= min(capacity, client) else
                         "missed" if n <= client else "strained"),
    )  # fmt: skip
    assert found.above is not None
    assert found.limit == ("client" if found.above > client else "missed")


@given(RANGES, st.integers(1, 500), st.integers(1, 500))
def test_a_refusal_is_the_answer(where: Range, limit: int, capacity: int) -> None:
    """A target that lets in so many is asked for just as many: it holds them, or fewer."""

    def target(n: int, _: int) -> Try:
        if n > limit:
            return Try(n, "refused", limit)
        return Try(n, "held" if n <= capacity else "missed")

    found, tries = search(where, target)
    if limit <= capacity:
        assert found == Found(limit, "refused", limit + 1)
        assert sum(each.state == "refused" for each in tries) == 1
    else:
        assert found.sessions <= capacity
        assert found.limit == "missed"


@given(RANGES, st.integers(1, 500), st.integers(1, 500))
def test_no_more_than_the_most(where: Range, most: int, capacity: int) -> None:
    """Nobody asks for more than was allowed, and the answer says so."""
    limited = Range(min(where.start, most), where.step, most)
    found, tries = search(limited, holding(capacity))
    assert max(each.sessions for each in tries) <= most
    assert (found.limit == "most") == (capacity >= most)
    assert found.sessions == most or found.limit == "missed"


def test_a_lost_session_is_decisive_at_once() -> None:
    """No burst of another program loses audio: it is not tried again, and nothing above it."""
    found, tries = search(Range(8, 1, None), holding(20, "lost"))
    assert found == Found(20, "lost", 21)
    assert [t.sessions for t in tries] == [8, 16, 32, 24, 20, 22, 21, 20]


def test_what_cannot_be_judged_ends_the_search() -> None:
    """A condition on what never comes is not searched for in the dark."""
    assert follow(Range(), [Try(8, "held"), Try(16, "unknown")]) == Found(8, "unknown", None)


def test_leaps_end_where_a_core_is_full() -> None:
    """Far beyond it nothing is learnt: from 100 sessions at 80 % of a core not to 200."""
    assert follow(Range(), [Try(100, "held", busiest=0.8)]) == 143
    assert follow(Range(), [Try(100, "held", busiest=0.2)]) == 200
    assert follow(Range(), [Try(100, "held", busiest=1.3)]) == 110


# ------------------------------------------------------------------ one step


def encoded(*values: float, times: int = 1000, never: int = 0) -> Encoded:
    made = Histogram()
    made.add(list(values) * times, [2000.0] * never)
    return made.encoded()


def client(late: float = 1.0, cpu: float = 0.5, **changes: Any) -> Client:
    """One process, ten seconds long; `late`: ms of every chunk; `cpu`: of a core."""
    fields: dict[str, Any] = {
        "sessions": 10,
        "seconds": 10.0,
        "cpu_s": cpu * 10,
        "stalls": 0,
        "stalled_ms": 0.0,
        "lateness": encoded(late),
        "missing": 0,
        "rss_bytes": 1 << 20,
    }
    return Client(**{**fields, **changes})


def step(
    sessions: int = 10, ack: Encoded | None = None, *clients: Client, **changes: Any
) -> Measured:
    fields: dict[str, Any] = {
        "sessions": sessions,
        "at_s": 1.0,
        "opened": sessions,
        "figures": {"ack": ack or encoded(20.0)},
        "clients": list(clients) or [client()],
    }
    return Measured(**{**fields, **changes})


def judged(measured: Measured, *slo: str) -> judge.Step:
    return judge.judge(measured, [parse_slo(text) for text in slo or ("ack.p99 < 100ms",)])


def failure(cause: records.Cause, **changes: Any) -> dict[str, Any]:
    told = Failure(session=3, cause=cause, detail="why", **changes)
    return {"failures": [told], "failed": 1}


@pytest.mark.parametrize(
    ("measured", "state", "reason"),
    [
        (step(), "held", None),
        (step(10, encoded(20.0, 150.0)), "missed", "ack.p99 is 150 ms"),
        (step(10, encoded(20.0, never=100)), "missed", "ack.p99 is ≥2000 ms"),
        (step(10, encoded(20.0, times=5)), "unknown", "p99 needs 368 values, there are 5"),
        (step(figures={}), "unknown", "not measured"),
        (step(10, None, client(), client(late=11)), "strained", "own lateness is 11.0 ms at p99"),
        (step(10, encoded(150.0), client(late=11)), "strained", "own lateness"),
        (step(10, None, client(missing=7)), "strained", "did not get to 7 chunks"),
        (step(10, None, client(cpu=0.99)), "strained", "process 1 of the client has no more"),
        (step(10, None, client(stalls=9, stalled_ms=300)), "strained", "was held for 300 ms"),
        (step(**failure("machine")), "strained", "this machine: why"),
        (step(**failure("refused", status=429), opened=4), "refused", "4 sessions were let in"),
        (step(10, None, client(late=99), **failure("refused", status=429)), "refused", "let in"),
        (step(**failure("closed", status=1011)), "lost", "session 3: why"),
        (step(**failure("silent")), "lost", "session 3: why"),
        (step(**failure("audio")), "lost", "session 3: why"),
        (step(10, None, client(late=99), **failure("silent")), "strained", "own lateness"),
        (step(**failure("unreachable")), "missed", "session 3: why"),
    ],
)
def test_what_is_said_of_a_step(measured: Measured, state: State, reason: str | None) -> None:
    """The target held, or did not, or it was our own client that was measured; and why."""
    found = judged(measured)
    assert found.state == state
    assert (reason is None) == (not found.reasons)
    assert reason is None or reason in found.reasons[0]


def told(finals: int, sessions: int = 10) -> Measured:
    """Ten seconds in which so many final words came, each after 300 ms."""
    words = encoded(300.0, times=finals)
    return step(sessions, None, client(sessions=sessions), figures={"word_final": words})


def test_sessions_that_are_told_nothing_do_not_hold() -> None:
    """Of a hundred, eighty are acknowledged and hear no word: those that do are no answer for
    them. The same words a second are usual, and a little less is no news."""
    slo = [parse_slo("word_final.p95 < 800ms")]
    usual = [told(200), told(220)]
    state = {words: judge.judge(told(words, 100), slo, usual) for words in (400, 1000, 1100, 2100)}
    assert {words: each.state for words, each in state.items()} == {
        400: "missed", 1000: "missed", 1100: "held", 2100: "held",
    }  # fmt: skip
    assert state[400].reasons == ["word_final: 400 came, where about 2,100 are usual"]
    # Nothing is usual before anything has held, nor of what no condition is about.
    assert judge.judge(told(400, 100), slo).state == "held"
    other = [parse_slo("ack.p99 < 100ms")]
    quiet = step(100, None, client(sessions=100))
    assert judge.judge(quiet, other, usual).state == "held"


def test_own_lateness_is_held_against_the_smallest_limit() -> None:
    """A tenth of it, as a run's is against the smallest latency that it claims."""
    assert judge.lateness_bound([parse_slo("ack.p99 < 100ms")]) == 10
    assert judge.lateness_bound([parse_slo("ack.p99 < 1s"), parse_slo("final.p50 < 300ms")]) == 30
    assert judge.lateness_bound([parse_slo("ack.p50 < 2ms")]) == 1
    assert judge.lateness_bound([parse_slo("ack.n > 100")]) == 10


def test_a_step_is_as_long_as_its_percentiles_need() -> None:
    """One session takes 37 s for a p99 of its acknowledgements, a hundred 0.4 s; and an answer is
    waited for beyond the limit that it may take."""
    conditions = [parse_slo("ack.p99 < 4s"), parse_slo("final.p99 < 1s")]
    assert judge.least_seconds(conditions, 1, 0.1) == pytest.approx(36.8)
    assert judge.least_seconds(conditions, 100, 0.1) == pytest.approx(0.4)
    assert judge.patience(conditions) == 5
    assert judge.patience([parse_slo("ack.p99 < 100ms")]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ack.p99 > +8%", "changes are told of pairs"),
        ("ack.p50 > +8%", "is about a change; a step is held against a figure"),
        ("wer < 5%", "no step measures wer; use ack, round_trip"),
        ("lateness.p99 < 5ms", "no step measures lateness"),
        ("ack.p97 < 5ms", "ack has no 'p97'"),
        ("quickly", "cannot be read"),
    ],
)
def test_conditions_that_no_step_can_decide(text: str, said: str) -> None:
    """Each is refused in one line that says what would do."""
    with pytest.raises(ConditionError) as error:
        parse_slo(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ the answer


def asked(**changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "replay_version": "0",
        "created_at": "2026-01-01T00:00:00+00:00",
        "target": "sandbox",
        "source": "silence",
        "slo": ["ack.p99 < 100ms"],
        "chunk_ms": 100.0,
        "hold_s": 10.0,
        "start": 8,
        "step": 1.0,
        "processes": 2,
        "cores": Cores(client=[1, 2]),
        "machine": Machine(system="", processor="", cores=2, python="", packages={}),
    }
    return Asked(**{**fields, **changes})


def searched(
    question: Asked, come_of: Callable[[int], Measured], stop_after: int = 1000
) -> list[records.Record]:
    """The records of a search, each step as `come_of` makes it."""
    found: list[records.Record] = [question]
    while len(found) <= stop_after:
        wanted = result.what_next(question, result.steps_of(found))
        if isinstance(wanted, Found):
            return found
        found.append(come_of(wanted))
    return [*found, Interrupted(at_s=9.0)]


def slow_above(capacity: int) -> Callable[[int], Measured]:
    return lambda n: step(n, encoded(20.0 if n <= capacity else 150.0), client(cpu=0.1))


def test_the_answer_is_a_fold_over_the_lines() -> None:
    """Written down and read again they say the same, whatever a crash did to the last."""
    lines = [records.encode(each) for each in searched(asked(), slow_above(50))]
    found = result.fold(records.decode_lines(lines))
    assert (found.verdict, found.sessions, found.limit, found.above) == ("pass", 50, "missed", 51)
    assert found.answer == "the target holds 50 sessions; 51 would be too many"
    assert found.reasons == ["51 sessions: ack.p99 is 150 ms"]
    assert found.per_core == 25
    assert found.cpu_ms == 2
    assert result.fold(records.decode_lines([*lines, lines[-1][:-9]])) == found
    with pytest.raises(ValueError, match="line 2: "):
        result.fold(records.decode_lines([lines[0], b"{}\n"]))
    with pytest.raises(ValueError, match="does not say what was asked for"):
        result.fold(records.decode_lines(lines[1:]))


def test_a_planted_limit_of_the_client_is_named_as_the_clients() -> None:
    """The target would go on; the answer says that it is at least so many, and why it ended."""

    def tired(n: int) -> Measured:
        return step(n, encoded(20.0), client(late=2 if n <= 30 else 40, cpu=0.1))

    found = result.fold(searched(asked(), tired))
    assert (found.verdict, found.sessions, found.limit) == ("pass", 30, "client")
    assert found.answer == (
        "the target holds at least 30 sessions; this machine's client ends there"
    )
    assert found.reasons == [
        "31 sessions: the client's own lateness is 40.0 ms at p99, beyond 10 ms",
        "31 sessions: its processes took 10% of a core at most: something else kept them from it",
    ]


def test_what_a_refusal_says() -> None:
    """How many were let in, and the target's own words."""

    def full(n: int) -> Measured:
        told = [Failure(session=9, cause="refused", status=429, detail="429: too many")]
        if n <= 20:
            return step(n)
        return step(n, opened=20, failures=told, failed=1, figures={})

    found = result.fold(searched(asked(), full))
    assert found.answer == "the target holds 20 sessions; it refuses more"
    assert found.reasons == ["32 sessions: 20 sessions were let in, then: 429: too many"]


@pytest.mark.parametrize(
    ("at_least", "capacity", "limit", "verdict"),
    [
        (40, 50, "missed", "pass"),
        (60, 50, "missed", "fail"),
        (60, 50, "client", "unknown"),
        (40, 50, "client", "pass"),
    ],
)
def test_fewer_than_were_asked_for(at_least: int, capacity: int, limit: str, verdict: str) -> None:
    """Only the target's own limit is a failure of the target's."""

    def come_of(n: int) -> Measured:
        if limit == "client":
            return step(n, None, client(late=1 if n <= capacity else 50, cpu=0.1))
        return slow_above(capacity)(n)

    assert result.fold(searched(asked(at_least=at_least), come_of)).verdict == verdict


def test_an_interrupted_search_tells_what_it_knows() -> None:
    """Nothing is found, but so many held."""
    found = result.fold(searched(asked(), slow_above(50), stop_after=3))
    assert (found.verdict, found.sessions, found.limit) == ("unknown", 32, None)
    assert found.answer == "the target holds at least 32 sessions; the search was not finished"
    assert found.interrupted
    nothing = result.fold([asked(), Interrupted(at_s=0.1)])
    assert (nothing.verdict, nothing.sessions) == ("unknown", None)
    assert "an unknown number of sessions" in nothing.answer


def test_the_most_that_was_asked_for() -> None:
    """It may hold more; nobody asked."""
    found = result.fold(searched(asked(most=20), slow_above(500)))
    assert found.answer == "the target holds at least 20 sessions: no more were asked for"


def test_a_target_that_holds_none() -> None:
    """One session is too many: that is an answer."""
    found = result.fold(searched(asked(), slow_above(0)))
    assert (found.verdict, found.sessions, found.above) == ("pass", 0, 1)
    assert found.answer == "the target holds 0 sessions; 1 would be too many"


def test_nothing_is_known_of_a_target_that_no_client_could_try() -> None:
    """Our own client was not fit for one session: that is no zero of the target's."""
    found = result.fold(searched(asked(), lambda n: step(n, None, client(late=50, cpu=0.1))))
    assert (found.verdict, found.sessions, found.limit) == ("unknown", None, "client")
    assert found.answer == (
        "the target holds an unknown number of sessions; this machine's client ends there"
    )
