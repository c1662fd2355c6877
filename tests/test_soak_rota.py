"""Who plays when in a soak."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.soak.rota import LEAST_SECONDS, PROFILES, Rota, Visit, visits

rotas = st.builds(
    Rota,
    seconds=st.floats(10, 1e5),
    sessions=st.integers(1, 40),
    session_length=st.floats(10, 9000),
    ramp=st.floats(0, 100),
    profile=st.sampled_from(PROFILES),
)


def at_once(rota: Rota, moment: float) -> int:
    """How many slots play then."""
    return sum(
        any(each.begin <= moment < each.end for each in visits(rota, slot)) for slot in rota.slots
    )


def test_sessions_follow_each_other() -> None:
    """Slots begin one after another, and make room at different times; nothing is left over."""
    rota = Rota(seconds=100, sessions=2, session_length=40, ramp=10)
    assert list(visits(rota, 0)) == [
        Visit(0, 1, 0, 20), Visit(0, 2, 20, 60), Visit(0, 3, 60, 100)
    ]  # fmt: skip
    assert list(visits(rota, 1)) == [Visit(1, 1, 5, 45), Visit(1, 2, 45, 85), Visit(1, 3, 85, 100)]


def test_the_shortest_first_session_may_begin_late() -> None:
    """What is told to begin at 0 never begins at 0."""
    rota = Rota(seconds=24.0, sessions=4, session_length=8.0, ramp=2.4)
    for slot in range(4):
        begun = next(visits(rota, slot))
        (again, *_) = visits(rota, slot, since=begun.begin + 0.9)
        assert (begun.number, again.number) == (1, 1)


def test_what_was_stopped_goes_on() -> None:
    """From the middle of a session on, its number stays and it plays what is left."""
    rota = Rota(seconds=100, sessions=2, session_length=40, ramp=10)
    assert list(visits(rota, 0, since=50)) == [Visit(0, 2, 50, 60), Visit(0, 3, 60, 100)]
    assert list(visits(rota, 0, since=58)) == [Visit(0, 3, 60, 100)]
    assert list(visits(rota, 0, since=100)) == []


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("constant", [8, 8, 8, 8, 8, 8]),
        ("ramp", [1, 2, 4, 5, 7, 8]),
        ("steps", [2, 2, 4, 6, 8, 8]),
        ("spike", [2, 8, 2, 8, 2, 2]),
    ],
)
def test_profiles(profile: str, expected: list[int]) -> None:
    """How many sessions play at 1, 24, 45, 54, 75 and 99 per cent of the time."""
    rota = Rota(seconds=1000, sessions=8, session_length=50, profile=profile)  # type: ignore[arg-type]
    assert [at_once(rota, moment) for moment in (10, 240, 450, 540, 750, 990)] == expected


@given(rotas, st.integers(1, 5))
def test_shards_are_all_slots_once(rota: Rota, parts: int) -> None:
    """Whatever one machine leaves out another has."""
    shards = [
        Rota(**{**{name: getattr(rota, name) for name in rota.__struct_fields__},
                "shard": (part, parts)}).slots
        for part in range(1, parts + 1)
    ]  # fmt: skip
    assert sorted(slot for shard in shards for slot in shard) == rota.slots


@given(rotas, st.floats(0, 1e5))
def test_visits_hold_together(rota: Rota, since: float) -> None:
    """In order, without overlap, numbered, within the soak, never crumbs, never longer than asked
    by more than a crumb; those after `since` are the same with the rest left out."""
    for slot in rota.slots[:3]:
        whole = list(visits(rota, slot))
        assert [each.number for each in whole] == sorted({each.number for each in whole})
        assert all(one.end <= two.begin for one, two in pairwise(whole))
        for each in whole:
            assert 0 <= each.begin < each.end <= rota.seconds + 1e-6 + LEAST_SECONDS
            assert each.end - each.begin >= LEAST_SECONDS
            assert each.end - each.begin <= rota.session_length + 2 * LEAST_SECONDS
        rest = list(visits(rota, slot, since))
        assert [(v.number, v.end) for v in rest] == [
            (v.number, v.end) for v in whole if v.end - max(v.begin, since) >= LEAST_SECONDS
        ]
