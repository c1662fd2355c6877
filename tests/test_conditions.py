"""Conditions on figures: read, refused, and held."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import Builder, Cut

from replay.catalogue import CATALOGUE, STATISTICS
from replay.checks import check
from replay.conditions import OPERATORS, parse_condition
from replay.errors import ConditionError
from replay.figures import pooled, values
from replay.reading import read
from replay.samples import take
from replay.statistics import distribution
from replay.summary import summarise


@pytest.mark.parametrize(
    ("text", "name", "operator", "value", "relative", "percent"),
    [
        ("final.p95 < 800ms", "final.p95", "<", 800, False, False),
        ("final.p95<0.8s", "final.p95", "<", 800, False, False),
        ("  word_final.p50  >  +8% ", "word_final.p50", ">", 0.08, True, True),
        ("word_final.p50 > +30ms", "word_final.p50", ">", 30, True, False),
        ("word_first.p99 <= -1.5s", "word_first.p99", "<=", -1500, True, False),
        ("wer < 5%", "wer", "<", 0.05, False, False),
        ("wer <= .05", "wer", "<=", 0.05, False, False),
        ("wer > +0.01", "wer", ">", 0.01, True, False),
        ("wer > +10%", "wer", ">", 0.1, True, True),
        ("lost_bytes == 0", "lost_bytes", "==", 0, False, False),
        ("repeated_bytes < 512KiB", "repeated_bytes", "<", 524288, False, False),
        ("final.n >= 100", "final.n", ">=", 100, False, False),
        ("final.censored == 0", "final.censored", "==", 0, False, False),
        ("failed_runs != 1", "failed_runs", "!=", 1, False, False),
    ],
)
def test_conditions_are_read(
    text: str, name: str, operator: str, value: float, relative: bool, percent: bool
) -> None:
    """Figure, operator, value with its unit, and whether it is a change."""
    found = parse_condition(text)
    assert (found.name, found.operator, found.value) == (name, operator, pytest.approx(value))
    assert (found.relative, found.percent, found.text) == (relative, percent, text.strip())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read: write FIGURE.STATISTIC OPERATOR VALUE"),
        ("final.p95", "cannot be read"),
        ("final.p95 < fast", "cannot be read"),
        ("final.p95 << 8ms", "cannot be read"),
        ("final.p95 < 8 ms or so", "cannot be read"),
        ("finale.p95 < 8ms", "there is no figure 'finale'; did you mean final"),
        ("xyzzy < 8ms", "there is no figure 'xyzzy'; use ack, "),
        ("final < 8ms", "final is a distribution; use final.p50, "),
        ("final.p96 < 8ms", "final has no 'p96'; use final.p50"),
        ("wer.p50 < 5%", "wer is one number, without a dot"),
        ("final.p95 < 800", "800 has no unit: write 800ms or 800s"),
        ("final.p95 < 800KiB", "'800KiB' is no duration"),
        ("final.p95 < 8%", "'8%' is no duration"),
        ("wer < 5ms", "5ms is no ratio: write 0.05 or 5%"),
        ("lost_bytes < 5ms", "'5ms' is no size"),
        ("final.n > 5ms", "is no count: write a number"),
        ("final.p50 == +5%", "a change is held against <, <=, > or >="),
        ("final.p90 > +5%", "of it only final.p50, final.p95, final.p99"),
        ("uplink.p50 > +5%", "changes are told of pairs, none of it"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, said: str) -> None:
    """In one line, with what could have been meant."""
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is a condition or it is refused."""
    with suppress(ConditionError):
        parse_condition(text)


@given(st.sampled_from(sorted(CATALOGUE)), st.sampled_from(sorted(OPERATORS)), st.integers(0, 999))
def test_every_figure_can_be_named(name: str, operator: str, value: int) -> None:
    """With each operator, and each statistic that it has."""
    figure = CATALOGUE[name]
    unit = {"ms": "ms", "bytes": "KiB", "ratio": "%", "count": ""}[figure.unit]
    for statistic in [""] if figure.single else STATISTICS:
        counted = statistic in ("n", "censored")
        text = f"{name}{'.' if statistic else ''}{statistic} {operator} {value}"
        found = parse_condition(text if counted else f"{text}{unit}")
        assert (found.figure, found.statistic, found.operator) == (figure, statistic, operator)


@pytest.mark.parametrize(
    ("text", "state", "why"),
    [
        ("final.p50 < 600ms", "pass", ""),
        ("final.p50 < 490ms", "fail", ""),
        ("final.p50 >= 490ms", "pass", ""),
        ("final.p99 < 1s", "unknown", "p99 needs 368 values, there are 100"),
        ("final.n == 100", "pass", ""),
        ("ack.p50 < 9ms", "unknown", "not measured"),
        ("wer < 5%", "unknown", "not measured"),
        ("erasure < 5%", "pass", ""),
        # Ten of a hundred never came, and were waited for 2 s: p95 is one of them.
        ("first_partial.p95 < 1s", "fail", "at least this: something never came"),
        ("first_partial.p95 < 3s", "unknown", "decided by what never came"),
        ("first_partial.p95 > 1s", "pass", "at least this: something never came"),
        ("first_partial.p95 > 3s", "unknown", "decided by what never came"),
        ("first_partial.p95 == 2s", "unknown", "decided by what never came"),
        ("first_partial.p50 < 1s", "pass", ""),
    ],
)
def test_conditions_are_held(text: str, state: str, why: str) -> None:
    """What is not known is never a pass; what never came fails where it must."""
    hundred = np.linspace(400, 600, 101)[:100]
    figures = {
        "final": distribution(hundred),
        "first_partial": distribution(hundred[:90], np.full(10, 2000.0)),
        "erasure": 0.01,
        "wer": None,
    }
    found = check(parse_condition(text), figures)
    assert (found.state, found.why) == (state, why)


def test_the_figures_of_several_runs_are_pooled() -> None:
    """Values as one sample, ratios over all their counts, bytes in sum."""
    runs = []
    for late, cuts in ((150.0, []), (250.0, [Cut(2210, 2905)])):
        built = Builder(seconds=4, reference=[("good", 200, 500), ("day", 600, 900)]).play(cuts)
        built.transcript(500 + late, [("good", 200, 500)], final=True, name="0")
        if not cuts:
            built.transcript(900 + late, [("day", 600, 900)], final=True, name="1")
        timeline = built.finish(4600).timeline()
        reading, summary = read(timeline), summarise(timeline, None)
        runs.append(values(reading, summary, take(reading, summary)))
    found = pooled(runs, failed=1)
    assert (found["word_final"].n, found["word_final"].min, found["word_final"].max) == (
        3,
        150,
        250,
    )
    assert (found["down"].n, found["down"].p50) == (1, 695)
    assert found["end_of_session"].n == 2
    assert found["wer"] == found["lost_words"] == 0.25  # one of four words
    assert found["words_used"] == 0.75
    assert found["failed_runs"] == 1
    assert set(found) <= set(CATALOGUE)
