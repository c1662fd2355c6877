"""What is drawn for each session of a simulated world: the same for the same seed and place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

from replay.audio import AudioFormat
from replay.counter import counted
from replay.faults import Plan, chaos
from replay.policy import Policy
from replay.sandbox.defects import Planted
from replay.sandbox.latency import Spread
from replay.sandbox.recognizers.scripted import Manner, Script, ScriptWord
from replay.sandbox.settings import Settings
from replay.simulation.spec import Simulation

#: What is said goes round after so many seconds.
ROUND_SECONDS = 30.0
#: Finished sessions are kept by the sandbox for so long.
_KEPT_SECONDS = 60.0
#: Counting audio begins anew after so many bytes; no two sessions of a world have the same.
_COUNTER_BYTES = 1 << 34
_SLOT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a world is asked to be.

    Attributes:
        seed: of everything that is drawn.
        hours: of virtual time.
        slots: sessions at a time; each slot plays one after another.
        length: of a session at most, in seconds of audio.
        chaos: level of the faults that are drawn for each session, None for none.
        plan: rules for every session, beside what is drawn.
        chunk: seconds of audio in a chunk.
        audio, script: what is played and said over and over; by default it counts.
        defects: planted in the sandbox.
        only: slot and number of the one session that is played, without the others.
    """

    seed: int
    hours: float
    slots: int = 4
    length: float = 600.0
    chaos: str | None = None
    plan: Plan = field(default_factory=Plan)
    chunk: Fraction = Fraction(1, 10)
    audio: bytes | None = field(default=None, repr=False)
    script: Script | None = None
    defects: tuple[Planted, ...] = ()
    only: tuple[int, int] | None = None

    @property
    def ends(self) -> float:
        """When no session begins any more, in virtual seconds."""
        return self.hours * 3600.0


def settings(terms: Terms) -> Settings:
    """The sandbox that all sessions of a world share."""
    rng = Random(f"{terms.seed}/sandbox")  # noqa: S311 - to be had again, not to be kept secret
    late = rng.random() < 0.25
    return Settings(
        keep=_KEPT_SECONDS,
        ack=Spread(rng.uniform(0.005, 0.1), rng.uniform(0, 0.05)) if late else Spread(0.0),
        start_session=rng.random() < 0.5,
        commit="ack" if rng.random() < 0.25 else "receipt",
        defects=terms.defects,
        seed=terms.seed,
    )


def script(terms: Terms) -> Script:
    """What is said in every session, once round."""
    if terms.script is not None:
        return terms.script
    rng = Random(f"{terms.seed}/script")  # noqa: S311 - as above
    words: list[ScriptWord] = []
    at = rng.uniform(0.2, 1.0)
    while at < ROUND_SECONDS - 1.0:
        for _ in range(rng.randint(2, 7)):
            length = rng.uniform(0.15, 0.5)
            words.append(ScriptWord(f"word{len(words)}", at, at + length))
            at += length + rng.uniform(0.02, 0.1)
        at += rng.uniform(0.5, 4.0)
    return Script([word for word in words if word.end < ROUND_SECONDS])


def manner(terms: Terms) -> Manner:
    """How the sandbox tells what is said."""
    rng = Random(f"{terms.seed}/manner")  # noqa: S311 - as above
    return Manner(
        partial=Spread(rng.uniform(0, 0.3), 0.0),
        final=Spread(rng.uniform(0, 0.6), 0.0),
        repeat=ROUND_SECONDS if terms.audio is None else AudioFormat().seconds(len(terms.audio)),
    )


def session(terms: Terms, slot: int, number: int, seconds: float) -> Simulation:
    """The session of this number in this slot, both from 1."""
    rng = Random(f"{terms.seed}/{slot}/{number}")  # noqa: S311 - as above
    fmt = AudioFormat()
    plan = terms.plan
    seed = rng.getrandbits(32)
    if terms.chaos is not None:
        plan = Plan(plan.rules + chaos(terms.chaos, seed, seconds).rules)
    size = fmt.bytes_in(seconds)
    partials = rng.random() < 0.5
    return Simulation(
        seconds=seconds,
        audio=_audio(terms, slot, number, size),
        format=fmt,
        script=script(terms),
        manner=manner(terms),
        said=(),
        # Rounded: machines differ in the last digit of a logarithm.
        latency=round(math.exp(rng.uniform(math.log(0.002), math.log(0.15))), 4),
        config={
            "endpointing": 0.3,
            "messages_config": {
                "receive_partial_transcripts": partials,
                "receive_lifecycle_events": True,
            },
        },
        policy=Policy(json_frames=rng.random() < 0.1),
        chunk=terms.chunk,
        plan=plan,
        seed=seed,
        settings=settings(terms),
        name=f"{terms.seed}-{slot}-{number}",
    )


def _audio(terms: Terms, slot: int, number: int, size: int) -> bytes:
    if terms.audio is None:
        start = (slot * _SLOT_BYTES + (number - 1) * size) % (_COUNTER_BYTES - size)
        return counted(start - start % 4, size)
    times = -(-size // len(terms.audio))
    return (terms.audio * times)[:size]
