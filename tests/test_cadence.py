"""How often partials come."""

from __future__ import annotations

from journals import Builder, ns

from replay import cadence, connect, latency, utterances, validity
from replay import journal as j
from replay.reading import read
from replay.timeline import Timeline


def partials(times: list[float]) -> Builder:
    built = Builder(seconds=8).play()
    for at in times:
        built.transcript(at, [("good", 200, 500)], final=False)
    return built.transcript(7500, [("good", 200, 500)], final=True).finish(8600)


def measured(built: Builder) -> cadence.Cadence:
    return cadence.measure(utterances.gather(built.timeline()))


def judged(timeline: Timeline) -> validity.Validity:
    found = read(timeline)
    return validity.judge(timeline, latency.measure(found), cadence.measure(found.utterances))


def test_gaps_are_between_the_partials_of_one_utterance() -> None:
    """Three partials have two gaps; the next utterance's first has none."""
    built = Builder().play()
    for at, name in ((600, "0"), (750, "0"), (1050, "0"), (2000, "1")):
        built.transcript(at, [("good", 200, 500)], final=False, name=name)
    found = measured(built)
    assert (found.partials, found.gaps_ms.n) == (4, 2)
    assert (found.gaps_ms.min, found.gaps_ms.max, found.grid_ms) == (150, 300, None)


def test_a_fixed_step_is_a_grid() -> None:
    """Every half second, give or take 40 ms, once left out: that is a grid of half a second."""
    steps = [500, 1010, 1490, 2000, 3040, 3500, 4000, 4530, 5000, 5500, 6000, 6500]
    found = measured(partials([200.0 + step for step in steps]))
    assert found.grid_ms == 500


def test_partials_that_come_freely_are_on_no_grid() -> None:
    """With each word, say."""
    steps = [300, 420, 700, 1330, 1500, 1990, 2100, 2900, 3050, 3700, 4110, 4900]
    assert measured(partials([float(step) for step in steps])).grid_ms is None


def test_a_grid_is_told_with_the_measurement_and_is_no_fault_of_it() -> None:
    """It has to be known to read times of first words; chunks of our own are no grid."""

    def notes(step: float) -> list[str]:
        timeline = partials([600 + step * k for k in range(12)]).timeline()
        return judged(timeline).notes

    assert notes(500) == ["partials come on a grid of 500 ms: times of first words are its steps"]
    assert notes(100) == []


def test_a_way_that_changes_in_the_middle_is_suspect() -> None:
    """Round trips of 20 ms, and of 80 ms in the last quarter: two measurements in one."""
    built = Builder(seconds=20).play().finish(20_600)
    for ack in (e for e in built.entries if isinstance(e, j.Ack)):
        if ack.t > ns(15_000):
            ack.t += 60_000_000
    said = "the round trip moved from 20.0 to 80.0 ms (medians of quarters 1 and 4 of the run)"
    assert said in judged(built.timeline()).reasons


def test_the_steps_of_the_first_connection() -> None:
    """As the client put them down; the first acknowledgement counts from the first audio."""
    built = Builder().play(ack=35)
    built.entries.append(j.Init(t=ns(-200), done=ns(-159), attempt=1, status=201, id="job"))
    first = next(e for e in built.entries if isinstance(e, j.Connected))
    first.tcp_ns, first.tls_ns, first.upgrade_ns = 400_000, 12_000_000, 3_250_000
    found = connect.measure(built.timeline())
    assert (found.init, found.tcp, found.tls, found.upgrade) == (41, 0.4, 12, 3.25)
    assert found.first_ack == 35
    assert connect.measure(Builder().timeline()) == connect.Connect()
