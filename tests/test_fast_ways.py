"""What is found fast is what a walk through everything finds (`plain`), on whatever journal."""

from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
import plain
from hour import Hour, write
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import Builder, ns

from replay import align, outages, rundir, statistics, utterances
from replay import journal as j
from replay.judge.acks import account
from replay.judge.case import Case
from replay.judge.told import _About, final
from replay.summary import summarise
from replay.timeline import Timeline
from replay.wire.messages import Transcript

WORDS = st.lists(st.sampled_from("abcde"), max_size=9)
#: Few different times, so that entries meet.
T = st.integers(0, 8).map(lambda k: ns(k * 100))
CONNECTION = st.integers(1, 3)
BYTES = st.integers(-1, 6).map(lambda k: k * 100)
SIZE = st.integers(0, 3).map(lambda k: k * 100)


@given(WORDS, WORDS, st.booleans())
def test_the_table_of_costs(a: list[str], b: list[str], open_end: bool) -> None:
    """Row by row, and not at all where no word is in both: the same pairs as by full tables."""
    assert align._exact(a, b, open_end=open_end) == plain.pairs(a, b, open_end=open_end)


@given(WORDS, WORDS)
def test_how_many_match(a: list[str], b: list[str]) -> None:
    """Told by the number of edits where that tells, it is the number of pairs."""
    assert align.matched(a, b) == len(plain.pairs(a, b, open_end=False))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=201, max_size=230), st.integers(0, 200))
@settings(max_examples=30)
def test_how_many_match_in_long_texts(a: list[str], at: int) -> None:
    """Beyond the exact table as well."""
    b = [*a[:at], "x", *a[at + 1 :], "y"]
    assert len(a) * len(b) > align._TABLE
    assert align.matched(a, b) == len(align.align(a, b)) == len(a) - 1


SPANS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 1)), max_size=8)


@given(SPANS, SPANS)
def test_what_was_said_about_there(one: list[tuple[int, ...]], two: list[tuple[int, ...]]) -> None:
    """By columns, the words of exactly the finals that lie near, in their order."""
    spans = [[(s / 4, (s + long) / 4, channel) for s, long, channel in each] for each in (one, two)]
    wanted, found = ([final(f"word{a} {b}", a, b, c) for a, b, c in each] for each in spans)
    about = _About(found)
    assert [about.words(each) for each in wanted] == [plain.near(each, found) for each in wanted]


@given(st.lists(st.integers(-5, 5), min_size=301, max_size=900))
@settings(max_examples=30)
def test_medians_of_stretches(values: list[int]) -> None:
    """All at once, as one by one."""
    cuts = np.linspace(0, len(values), 301).astype(int)
    spans = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    column = np.array(values, dtype=np.float64)
    each = [float(np.median(column[a:b])) for a, b in spans]
    assert statistics._medians(column, spans).tolist() == each


def timeline(built: Builder, *entries: list[j.Entry]) -> Timeline:
    """The journal with these entries besides."""
    built.entries += chain(*entries)
    return Timeline([built.entries[0], *sorted(built.entries[1:], key=lambda each: each.t)])


FRAMES = st.builds(j.Frame, t=T, done=T, connection=CONNECTION, offset=SIZE, size=SIZE)
ACKS = st.builds(j.Ack, t=T, connection=CONNECTION, start=BYTES, end=BYTES, upto=SIZE)
OPENED = st.builds(j.Connected, t=T, connection=CONNECTION, attempt=st.just(1), resume_at=SIZE)
LOST = st.builds(
    j.Lost,
    t=T,
    connection=CONNECTION,
    code=st.sampled_from([1000, 1006]),
    cause=st.sampled_from(["wire", "closed", "silence", "ended"]),
)
EATEN = st.builds(
    j.FaultFired,
    t=T,
    rule=st.just(0),
    text=st.sampled_from(["hold", "reset"]),
    fault=st.sampled_from(["hold", "loseacks", "reset"]),
    connection=st.integers(0, 4),
)
PAUSES = st.builds(j.Backoff, t=T, until=T, attempt=st.just(1))
ATTEMPTS = st.builds(j.Connecting, t=T, connection=CONNECTION, attempt=st.just(1))
REFUSED = st.builds(
    j.ConnectRefused, t=T, connection=CONNECTION, attempt=st.just(1), error=st.just("")
)
CAUGHT = st.builds(j.CaughtUp, t=T, connection=CONNECTION)
OTHERS = st.one_of(
    st.builds(j.Init, t=T, done=T, attempt=st.just(1), id=st.just("a")),
    st.builds(j.Ended, t=T, outcome=st.just("complete")),
)


@given(
    st.lists(st.one_of(FRAMES, ACKS, ACKS), min_size=9, max_size=30),
    st.lists(st.one_of(LOST, EATEN, OTHERS), max_size=5),
    st.booleans(),
)
@settings(max_examples=400)
def test_the_account_of_acknowledgements(
    audio: list[j.Entry], rest: list[j.Entry], foreign: bool
) -> None:
    """By columns, whatever the service says: the findings and sums of one after the other."""
    opened: list[j.Entry] = [
        j.Connected(t=0, connection=number, attempt=1, resume_at=0) for number in (1, 2, 3)
    ]
    built = timeline(Builder(seconds=1.0), opened, audio, rest)
    built.header.vantage = "proxy" if foreign else "client"
    assert account(Case(built)) == plain.account(Case(built))


@given(
    st.lists(st.one_of(FRAMES, FRAMES, ACKS, CAUGHT), min_size=3, max_size=20),
    st.lists(OPENED, min_size=1, max_size=4),
    st.lists(LOST, min_size=1, max_size=4),
    st.lists(st.one_of(PAUSES, ATTEMPTS, REFUSED), min_size=2, max_size=12),
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9), CONNECTION), min_size=3, max_size=8),
)
@settings(max_examples=400)
def test_outages(
    audio: list[j.Entry],
    opened: list[j.Entry],
    lost: list[j.Entry],
    events: list[j.Entry],
    told: list[tuple[int, int, int]],
) -> None:
    """By indexes, every step of every outage as by walks through the journal."""
    built = Builder(seconds=1.0)
    for at, end, connection in told:
        words = [("word", 0, end * 100)]
        built.transcript(at * 100, words, final=False, connection=connection)
    found = timeline(built, audio, opened, lost, events)
    spoken = utterances.gather(found)
    assert outages.measure(found, spoken) == plain.lost(found, spoken)


def test_an_hour_made_up_is_a_whole_run() -> None:
    """A minute of what `make bench-rescore` measures: its parts fit together, and the figures are
    those of plain ways."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        write(path, Hour(seconds=60, words=160, cuts=3))
        run = rundir.load(path)
        found = summarise(run.timeline, run.compare(), damage=run.damage)
    assert (found.verdict, found.reasons) == ("pass", [])
    assert found.session.reconnects == found.faults.fired == len(found.outages) == 3
    assert found.transcript.wer is not None
    assert 0 < found.transcript.wer < 0.3
    spoken = utterances.gather(run.timeline)
    assert outages.measure(run.timeline, spoken) == plain.lost(run.timeline, spoken)
    case = Case(run.timeline)
    assert account(case) == plain.account(case)
    told = [each for each in run.timeline.heard if isinstance(each.message, Transcript)]
    assert [each for each, _ in run.timeline.messages(Transcript)] == told
