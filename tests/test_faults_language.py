"""The language of faults: what can be written, what is written back, and what errors say."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import FaultSyntaxError, UsageError
from replay.faults import KINDS, Fault, Rule, parse, parse_fault
from replay.faults.moments import (
    BETWEEN,
    FRAME,
    MOMENTS,
    START,
    Elapsed,
    Seen,
    SentAudio,
    SentBytes,
    Wait,
)
from replay.faults.rules import Every, Poisson, Repeat, Step, unsaid
from replay.faults.spec import Param, Type

PAGE = (Path(__file__).parent.parent / "docs" / "faults.md").read_text()

# ------------------------------------------------------------------ values of every shape

times = st.integers(0, 10**15)
counts = st.integers(1, 10**6)
texts = st.text(st.characters(codec="utf-8"), max_size=30)


def values(param: Param) -> st.SearchStrategy[object]:
    some: st.SearchStrategy[object]
    if param.words:
        some = st.sampled_from(param.words)
    elif param.type is Type.STRING:
        some = texts.filter(lambda text: len(text.encode()) <= param.high)
    else:
        some = st.integers(param.low, min(param.high, 10**15))
    return st.none() | some if param.none else some


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    return Fault(kind.name, tuple(draw(values(param)) for param in kind.params))  # type: ignore[misc]


named = st.builds(Seen, st.sampled_from(sorted(set(MOMENTS) - {START})), counts)
measured = st.builds(SentBytes, times) | st.builds(SentAudio, times)
waits: st.SearchStrategy[Wait] = named | measured | st.builds(Elapsed, times)
periods = st.builds(
    lambda low, more: Every(low, low + more), st.integers(10**6, 10**12), st.integers(0, 10**12)
) | st.builds(Poisson, st.integers(1, 3_600_000_000).map(lambda milli: Fraction(milli, 1000)))


@st.composite
def repeats(draw: st.DrawFn, waits: tuple[Wait, ...]) -> Repeat | None:
    again = bool(waits) and isinstance(waits[0], Seen) and waits[0].name != START
    times_ = draw(st.none() | counts)
    until = draw(st.none() | times)
    period = draw(periods if not waits else st.none() | periods)
    if period is None and (not again or (times_ is None and until is None)):
        return None
    return Repeat(period, times_, until)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    fault = draw(faults())
    head = draw(
        st.just(unsaid(fault))
        | st.just(())
        | st.lists(waits, min_size=1, max_size=3).map(tuple)
        | st.lists(waits, max_size=2).map(lambda rest: (Seen(START), *rest))
    )
    followers = st.one_of(
        st.just(()),
        times.map(lambda ns: (Elapsed(ns),)),
        st.tuples(named | measured, waits) | st.tuples(named | measured),
    )
    steps = draw(st.lists(st.builds(Step, faults(), followers), max_size=2))
    return Rule((Step(fault, head), *steps), draw(repeats(head)))


@given(rules())
def test_every_rule_has_a_text_that_reads_back(rule: Rule) -> None:
    """Parse after render is the identity, and render after parse keeps the canonical text."""
    assert parse(str(rule)) == rule
    assert str(parse(str(rule))) == str(rule)


@given(faults())
def test_every_fault_has_a_text_that_reads_back(fault: Fault) -> None:
    """Values survive being written, in every unit and with every quotation mark."""
    assert parse_fault(str(fault)) == fault


def test_a_fault_tells_its_values() -> None:
    """Durations in seconds, infinite for forever; numbers, words; no direction where none is."""
    hold, blackhole = parse_fault("hold(up, 300ms)"), parse_fault("blackhole(down)")
    assert (hold.seconds(), hold.direction) == (0.3, "up")
    assert (blackhole.seconds(), blackhole.direction) == (math.inf, "down")
    reject = parse_fault("reject(429, on=post)")
    assert (reject.number("status"), reject.get("retry_after"), reject.word("on")) == (
        429, None, "post"
    )  # fmt: skip
    assert (reject.direction, reject.spec.lasting) == ("", True)
    with pytest.raises(KeyError):
        reject.get("dir")


# ------------------------------------------------------------------ whatever comes in

WORDS = (
    "@ ( ) , = + # .. / then after every poisson until x3 x 3s 2/min 0s \"a 'b' audio byte T é 1.5 "
    "forever none up \x00 \ud800 ٣s between recorded"
)
pieces = st.sampled_from([*KINDS, *MOMENTS, *WORDS.split(" "), "9" * 30, "\n"])


@given(st.text() | st.lists(pieces, max_size=12).map(" ".join) | st.lists(pieces).map("".join))
def test_what_cannot_be_read_is_said_in_three_lines(text: str) -> None:
    """Whatever is given is read, or refused with a message, the text and a caret below it."""
    refusal = None
    try:
        rule = parse(text)
    except FaultSyntaxError as error:
        refusal = error
    if refusal is None:
        assert parse(str(rule)) == rule
        return
    _, shown, caret = str(refusal).split("\n")
    assert caret.strip() == "^"
    assert len(caret) <= len(shown) + 1
    assert 0 <= refusal.position <= len(text)


@given(rules(), st.integers(0, 200), st.sampled_from(["", "x", "(", "@", " then ", "9", "#", '"']))
def test_a_slip_in_a_good_rule_is_found_or_means_something(
    rule: Rule, where: int, slip: str
) -> None:
    """One character more or less never brings another error than a syntax error."""
    text = str(rule)
    where = min(where, len(text))
    with suppress(FaultSyntaxError):
        parse(text[:where] + slip + text[where + (not slip) :])


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("", "expected a fault", ""),
        ("rest @ 3s", "unknown fault 'rest': did you mean 'reset'?", "rest"),
        ("42", "expected a fault", "42"),
        ("reset @", "expected a moment", ""),
        ("reset 3s", "expected '@', 'then' or the end, not '3s'", "3s"),
        ("reset @ 3x", "'3x' is no duration", "3x"),
        ("reset @ 0.0000000001s", "finer than a nanosecond", "0.0"),
        ("reset @ acks#2", "unknown moment 'acks': did you mean 'ack'?", "acks"),
        ("reset @ stop.snt", "did you mean 'stop.sent'?", "stop.snt"),
        ("reset @ ack#0", "must be from 1", "0"),
        ("reset @ ack#1.5", "a whole number", "1.5"),
        ("reset @ start#2", "'start' comes only once", "#2"),
        ("reset @ 3s + start", "'start' comes before everything else", "start"),
        ("reset @ byte 5s", "'5s' is no size", "5s"),
        ("reset @ between(recorded, acks)", "expected 'ack'", "acks"),
        ("reset @ 3s x3", "comes only once", "3s"),
        ("reset @ audio 3s until 5m", "comes only once", "audio"),
        ("reset @ 3s evry 10s", "did you mean 'every'?", "evry"),
        ("reset @ every 0s", "at least 1ms", "0s"),
        ("reset @ every 5s..2s", "the longer time must come second", "5s"),
        ("reset @ every 5s poisson 2/min", "says again", "poisson"),
        ("reset @ every 5s x0", "from 1 to 1000000", "x0"),
        ("reset @ poisson 0/min", "more than 0", "0/min"),
        ("reset @ poisson 2/day", "expected s, min or h, not 'day'", "day"),
        ("reset @ poisson 2s/min", "a number, not '2s'", "2s"),
        ("reset after 2s", "'after' follows a 'then'", "after"),
        ("reset @ 3s every 5s + 2s", "repeats come last", "+"),
        ("reset @ 3s then", "expected a fault", ""),
        ("reset @ 3s then fin @ 4s", "write 'after' instead", "4s"),
        ("reset @ 3s then fin @ every 4s", "only the first fault", "every"),
        ("reset @ 3s then fin @ start", "is over by then", "start"),
        ("reset @ 3s then fin x3", "expected 'then' or the end", "x3"),
        ("reset(3)", "takes no values", "3"),
        ("hold(2s, sideways)", "expected dir (up, down, both), not 'sideways'", "sideways"),
        ("hold(up, dwn)", "expected T (a duration, or forever)", "dwn"),
        ("hold(up, 2s, 3s)", "has all its values", "3s"),
        ("hold(T=2s, T=3s)", "T was given already", "T=3s"),
        ("hold(T 2s)", "expected '='", "2s"),
        ("hold(up", "expected ')' or ','", ""),
        ("halfclose(both)", "expected dir (up, down)", "both"),
        ("reject(42)", "status must be from 300 to 599", "42"),
        ("reject(on=get)", "on must be one of handshake, post", "get"),
        ("throttle(up, 0)", "rate must be at least 1", "0"),
        ("throttle(up, 24KB/s)", "expected rate", "24KB"),
        ("close(1011, 'a)", "never closed", "'a)"),
        (r'close(1011, "\x")', "is no text", r'"\x'),
        (r'close(1011, "\ud800")', "is no text", r'"\ud'),
        (f"close(1011, '{'é' * 62}')", "at most 123 bytes long, not 124", "'é"),
        ("reset @ 3s; fin", "';' has no meaning here", ";"),
        ("reset @ " + "9" * 21, "too long", "999"),
    ],
)
def test_errors_name_what_is_wrong_and_where(text: str, said: str, at: str) -> None:
    """The message says what was expected, and the caret stands below the offending character."""
    with pytest.raises(FaultSyntaxError, match=re.escape(said)) as caught:
        parse(text)
    position = caught.value.position
    assert text[position:].startswith(at)
    assert position == len(text) or at
    _, shown, caret = str(caught.value).split("\n")
    assert shown[caret.index("^") :].startswith(at)
    assert caught.value.exit_code == UsageError.exit_code


def test_a_long_line_is_shown_around_the_error() -> None:
    """The caret stays near the left edge, below its character, however long the text is."""
    text = "reset @ 3s" + " then reset @ conn" * 50 + " the end"
    with pytest.raises(FaultSyntaxError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) <= 102
    assert shown[caret.index("^") :] == "the end"


@pytest.mark.parametrize(
    ("loose", "canonical"),
    [
        ("RESET@3S", "reset @ 3s"),
        ("reset @ 3", "reset @ 3s"),
        ("reset @ 0.5 m", "reset @ 30s"),
        ("reset @ conn", "reset"),
        ("refuse @ start", "refuse(2s)"),
        ("hold(2s)", "hold(both, 2s)"),
        ("hold(2s, up)", "hold(up, 2s)"),
        ("hold(t=90s)", "hold(both, 90s)"),
        ("hold()", "hold(both, 2s)"),
        ("blackhole(forever)", "blackhole(both, forever)"),
        ("throttle(24KiB)", "throttle(both, 24KiB/s, forever)"),
        ("throttle(up, 24000/s, 20s)", "throttle(up, 24000/s, 20s)"),
        ("reject(429, 5)", "reject(429, 5s, 2s, handshake)"),
        ("reject(on=post, 503)", "reject(503, none, 2s, post)"),
        ("accept_then_close(3)", "accept_then_close(1011, 3)"),
        ("http_error(503, 2)", "http_error(503, any, 2)"),
        ("close(1012, 'so \"long\"')", 'close(1012, "so \\"long\\"")'),
        ("reset @ frame#30", "reset @ frame 30"),
        ("reset @ Between ( recorded,ack ) # 3", "reset @ between(recorded, ack)#3"),
        ("reset @ every 1500ms until 1h x 3", "reset @ every 1.5s x3 until 1h"),
        ("reset @ poisson 0.5/m", "reset @ poisson 30/h"),
        ("reset @ 3s then fin @ conn#1 + 1s", "reset @ 3s then fin @ conn + 1s"),
    ],
)
def test_what_people_write_is_understood(loose: str, canonical: str) -> None:
    """Units, names, order and spaces are free; what is kept has one form."""
    assert str(parse(loose)) == canonical


# ------------------------------------------------------------------ the page


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_page_has_every_kind(kind: str) -> None:
    """Its parameters, what it does, its defaults and an example that can be read."""
    spec = KINDS[kind]
    names = ", ".join(param.name for param in spec.params)
    row = next(
        line
        for line in PAGE.splitlines()
        if line.startswith(f"| `{kind}({names})" if names else f"| `{kind}`")
    )
    assert f"| {spec.says} |" in row
    assert f"`{spec.example}`" in row
    for param in spec.params:
        assert f"`{param.name}`" in row
        assert f"(`{param.text(param.default)}`)" in row
        assert all(word in row for word in param.words)
    assert any(step.fault.kind == kind for step in parse(spec.example).steps)


@pytest.mark.parametrize("name", sorted(MOMENTS))
def test_the_page_has_every_moment(name: str) -> None:
    """What it means, and an example that waits for it."""
    moment = MOMENTS[name]
    assert f"| `{name}` | {moment.says} | `{moment.example}` |" in PAGE
    waited = [wait for step in parse(moment.example).steps for wait in step.waits]
    assert any(isinstance(wait, Seen) and wait.name == name for wait in waited)


def examples(page: str) -> list[str]:
    """The rules in the page's plain code blocks; two spaces or more begin a remark."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    return [re.split(r"\s{2,}", line)[0] for line in lines]


@pytest.mark.parametrize("text", examples(PAGE))
def test_every_example_of_the_page_can_be_read(text: str) -> None:
    """What the page shows is what the parser takes."""
    assert parse(text).steps


def test_the_page_has_examples_of_everything() -> None:
    """The blocks were found, and hold every word of the grammar."""
    found = " ".join(examples(PAGE))
    assert len(examples(PAGE)) > 20
    for word in ("audio", "byte", FRAME, "every", "..", "poisson", "until", "x3", "then", "after"):
        assert word in found
    assert BETWEEN in PAGE
