"""What is asked of `replay simulate`, as it goes to its workers."""

from __future__ import annotations

import shlex
from fractions import Fraction

import msgspec
from msgspec import Struct

from replay.audio import AudioFormat
from replay.errors import UsageError
from replay.faults import Plan, chaos, parse_plan
from replay.faults.quantities import duration_text
from replay.sandbox.defects import planted
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.simulation.draw import Terms
from replay.simulation.verdict import Failure

_NS = 1_000_000_000
_MS = 1_000_000


class Asked(Struct, kw_only=True, omit_defaults=True):
    """Attributes:
    hours, sessions, chaos: see `draw.Terms`.
    length: of a session at most, in seconds of audio.
    faults: rules for every session, in the language of faults.
    chunk_ns: of audio in a chunk.
    source: a file of audio, played over and over; "" for audio that counts.
    only: the session that is simulated alone, as SLOT-NUMBER; "" for all.
    defects: planted in the sandbox.
    shrink: whether the plans of failing sessions are shrunk.
    """

    hours: float = 24.0
    sessions: int = 4
    length: float = 600.0
    chaos: str | None = None
    faults: list[str] = msgspec.field(default_factory=list)
    chunk_ns: int = 100 * _MS
    source: str = ""
    only: str = ""
    defects: list[str] = msgspec.field(default_factory=list)
    shrink: bool = True

    def terms(self, seed: int) -> Terms:
        """The world of this seed.

        Raises:
            UsageError: something of it cannot be simulated.
        """
        if self.chaos is not None:
            chaos(self.chaos, 0, self.length)
        audio, script = (None, None) if not self.source else read_source(self.source)
        return Terms(
            seed=seed,
            hours=self.hours,
            slots=self.sessions,
            length=self.length,
            chaos=self.chaos,
            plan=parse_plan(self.faults) if self.faults else Plan(),
            chunk=Fraction(self.chunk_ns, _NS),
            audio=audio,
            script=script,
            defects=tuple(map(planted, self.defects)),
            only=place(self.only) if self.only else None,
        )

    def command(self, seed: int) -> str:
        """The command line that simulates this very world again."""
        words = ["replay", "simulate"]
        words += [self.source] * bool(self.source)
        words += ["--seeds", str(seed)]
        if self.only:
            words += ["--only", self.only]
        else:
            words += ["--hours", f"{self.hours:g}", "--sessions", str(self.sessions)]
        if self.length != 600.0:
            words += ["--session-length", duration_text(round(self.length * _NS))]
        if self.chunk_ns != 100 * _MS:
            words += ["--chunk", duration_text(self.chunk_ns)]
        if self.chaos is not None:
            words += ["--chaos", self.chaos]
        for text in self.faults:
            words += ["--fault", text]
        for text in self.defects:
            words += ["--defect", text]
        return shlex.join(words)

    def again(self, seed: int, failure: Failure) -> str:
        """The command that has a failure again, no longer than it must be: what happens up to the
        session's end is the same in every world that goes on for a session's length more."""
        if failure.smallest is not None:
            alone = msgspec.structs.replace(
                self,
                only=f"{failure.slot}-{failure.number}",
                length=failure.length,
                chaos=None,
                faults=failure.smallest,
            )
            return alone.command(seed)
        needed = -(-(failure.ended + self.length) // 36) / 100
        return msgspec.structs.replace(self, hours=min(self.hours, needed)).command(seed)


def place(text: str) -> tuple[int, int]:
    """A session's slot and number, from SLOT-NUMBER.

    Raises:
        UsageError: it is none.
    """
    slot, _, number = text.partition("-")
    if not (slot.isascii() and slot.isdigit() and number.isascii() and number.isdigit()):
        raise UsageError(f"{text!r} is no session: use SLOT-NUMBER, like 2-31")
    if not int(slot) or not int(number):
        raise UsageError(f"{text!r} is no session: slots and numbers count from 1")
    return int(slot), int(number)


def read_source(location: str) -> tuple[bytes, Script | None]:
    """The audio of a file as sessions have it, and what is said in it, where a file beside it says.

    Raises:
        UsageError: there is too little of it.
        SourceError: it cannot be read.
    """
    import trio

    from replay.audio import Chunk
    from replay.source import Shape, SourceSpec, find_reference, open_source

    async def read() -> bytes:
        spec = SourceSpec(location)
        async with open_source(spec, Shape(channels=1), Fraction(1, 10)) as source:
            return b"".join([item.data async for item in source if isinstance(item, Chunk)])

    audio = trio.run(read)
    seconds = AudioFormat().seconds(len(audio))
    if seconds < 1.0:
        raise UsageError(f"{location}: {seconds:g} s of audio is too little to be simulated")
    spoken = find_reference(location, 0.0, None, loops=1, length=seconds, channels=1)
    if spoken is None or not spoken.words:
        return audio, Script([])
    return audio, Script([ScriptWord(w.word, w.start, w.end) for w in spoken.words])
