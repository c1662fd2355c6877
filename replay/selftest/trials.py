"""The trials of a selftest.

The words are made of syllables, so that no normalisation of texts takes them for something else.
Times are chosen so that in the constant trial no two answers fall into the same moment: what falls
together waits for each other, which is a matter of how much a machine does at once, and seen in the
jitter trial. Nor does a final come within 40 ms of the stop, behind which it would count as forced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from replay.journal import ReferenceWord
from replay.latency import Latencies
from replay.sandbox.recognizers.scripted import Script, ScriptWord
from replay.selftest.result import FROM_SEND
from replay.selftest.trial import FORMAT, Trial

#: How long the constant trial's rounds are, in seconds, and how many.
SECONDS, ROUNDS = 7.5, 4

_CONSONANTS, _VOWELS = "bdfgklmnprtv", "aiou"
_SYLLABLES = [a + b for a, b in product(_CONSONANTS, _VOWELS)]
#: Has no factor in common with the number of words, so that all of them come once.
_STEP = 35393


def trials(seconds: float = SECONDS, rounds: int = ROUNDS) -> list[Trial]:
    """All of them. `seconds`: of each round of the constant trial.

    The chunks of those that are played side by side have no common measure, so that they do not
    fall due together time and again.
    """
    return [constant(seconds, rounds), jitter(), clock(), drops(), losses()]


def constant(seconds: float, rounds: int) -> Trial:
    """Every answer takes the same time. A word ends 7 ms behind a chunk, and waits 13 ms for its
    own."""
    script = [
        ScriptWord(word, start, end)
        for word, start, end in _utterances(seconds - 0.02, at=147, words=(20, 20, 20), every=140)
    ]
    return Trial(
        name="constant",
        title="constant latency",
        figures=(*_LATENCIES, *(FROM_SEND + name for name in _LATENCIES[:-1]), *_SESSION),
        rounds=rounds,
        seconds=seconds,
        chunk=Fraction(1, 50),
        script=Script(script),
        said=_reference(script),
        endpointing=0.04,
        latency="ack=4ms,partial=108ms,speech=32ms,final=156ms,post=50ms",
    )


def jitter() -> Trial:
    """Every answer takes its own time, and three partials in ten end in a wrong word. Each word
    stands in the script in several forms, so that some slips are slips of the pen alone."""
    script = [
        ScriptWord(_form(k), start, end)
        for k, (_, start, end) in enumerate(_utterances(4.4, at=103, words=(37,) * 5, every=268))
    ]
    return Trial(
        name="jitter",
        title="jitter and flicker",
        figures=(*_LATENCIES, *_STABILITY),
        seconds=4.5,
        chunk=Fraction(1, 50),
        script=Script(script),
        said=_reference(script),
        endpointing=0.04,
        latency="ack=12ms±8ms,partial=120ms±40ms,speech=40ms±20ms,final=240ms±60ms,post=30ms±20ms",
        flicker=0.3,
        seed=_SEED,
    )


def clock() -> Trial:
    """The service's clock is five seconds ahead and gains five in a thousand."""
    script = [
        ScriptWord(word, start, end)
        for word, start, end in _utterances(4.4, at=187, words=(70, 70), every=300)
    ]
    return Trial(
        name="clock",
        title="a clock that is ahead and gains",
        figures=_NETWORK,
        seconds=4.5,
        chunk=Fraction(37, 1000),
        script=Script(script),
        said=_reference(script),
        endpointing=0.1,
        latency="partial=130ms,speech=70ms,final=250ms",
        clock=(5.0, 5000.0),
    )


def drops() -> Trial:
    """What goes up is held for a quarter of a second; later the connection is reset when a chunk is
    on record and not acknowledged. That chunk is recorded twice, so that from there on the
    service's count is a chunk ahead. Nothing is said around the reset."""
    chunk = Fraction(53, 1000)
    cut = 60
    seam = float(cut * chunk)
    script = [
        ScriptWord(word, start, end)
        for word, start, end in _utterances(4.45, at=107, words=(70, 70, 70), every=380)
        if not seam - 0.6 < start < seam + 0.5
    ]
    said = []
    for word in script:
        twice = float(chunk) * (word.start > seam)
        said.append(ReferenceWord(word.word, word.start - twice, word.end - twice))
    return Trial(
        name="drops",
        title="a hold and a reset",
        figures=_DROPS,
        seconds=4.5,
        chunk=chunk,
        script=Script(script),
        said=said,
        endpointing=0.1,
        latency="ack=6ms,partial=115ms,speech=31ms,final=220ms",
        hold=(20, 0.25),
        cut=cut,
        seed=3,
    )


def losses() -> Trial:
    """The service loses audio once; of what is said it leaves words out, changes some, and says
    some twice."""
    lost = 5000
    script, said = [], []
    for k, (word, start, end) in enumerate(
        _utterances(4.3, at=107, words=(45, 45, 45, 45), every=280)
    ):
        # By the client's count what comes after the loss lies later.
        shift = FORMAT.seconds(lost) * (start > 1.0)
        said.append(ReferenceWord(word, start + shift, end + shift))
        if k % 10 == 3:
            continue
        if k % 10 == 6:
            script.append(ScriptWord(_word(1000 + k), start, end))
            continue
        middle = (start + end) / 2 if k % 20 == 9 else start
        if middle > start:
            script.append(ScriptWord(word, start, middle))
        script.append(ScriptWord(word, middle, end))
    return Trial(
        name="losses",
        title="words and audio lost",
        figures=_LOSSES,
        seconds=4.5,
        chunk=Fraction(97, 1000),
        script=Script(script),
        said=said,
        endpointing=0.06,
        latency="partial=100ms,final=200ms",
        lose=lost,
    )


#: With it the jitter trial has slips of both kinds, and none that could be taken for a later word.
_SEED = 47

_LATENCIES = (*Latencies.__struct_fields__, "partial_gap")
_SESSION = ("round_trip", "first_text", "end_of_session", "partials", "finals", "words")
_STABILITY = (
    "unstable_partial_word_ratio",
    "erasure",
    "revised_partials",
    "raw_unstable_partial_word_ratio",
    "raw_erasure",
    "raw_revised_partials",
    "wer_streaming",
    "partials",
    "finals",
    "words",
)
_NETWORK = (
    "clock_ahead",
    "clock_gain",
    "error_bound",
    "uplink.p50",
    "downlink.p50",
    "service_partial.p50",
    "service_final.p50",
    "step_rest",
    "step_frame",
    "step_uplink.p50",
    "step_endpointing.p50",
    "step_decoding.p50",
    "step_downlink.p50",
)
_DROPS = (
    "ack.p50",
    "word_first",
    "word_final",
    "detect",
    "backoff",
    "lost_bytes",
    "repeated_bytes",
    "resent_bytes",
    "reconnects",
    "faults_fired",
    "lost_words",
    "duplicated_words",
    "words",
)
_LOSSES = (
    "lost_words",
    "changed_words",
    "duplicated_words",
    "wer",
    "wer_streaming",
    "wer_result",
    "words_used",
    "lost_bytes",
    "repeated_bytes",
)


def _utterances(
    until: float, *, at: int, words: Sequence[int], every: int
) -> Iterator[tuple[str, float, float]]:
    """Words with their times in s, no two the same. `words`: their lengths in one utterance, in
    ms; `at`: where the first utterance begins, `every`: from one to the next."""
    count = 0
    while (at + sum(words)) / 1e3 <= until:
        start = at
        for length in words:
            yield _word(count), start / 1e3, (start + length) / 1e3
            start += length
            count += 1
        at += every


def _word(number: int) -> str:
    """The `number`th of more than a hundred thousand words."""
    code = number * _STEP % len(_SYLLABLES) ** 3
    first, rest = divmod(code, len(_SYLLABLES) ** 2)
    return "".join(_SYLLABLES[k] for k in (first, *divmod(rest, len(_SYLLABLES))))


def _form(number: int) -> str:
    """Few words in four forms each, none twice within twenty-four."""
    word, form = _word(number * 7 % 24), number // 24 % 4
    return (word, word.capitalize(), f"{word}.", f"{word.capitalize()},")[form]


def _reference(script: Sequence[ScriptWord]) -> list[ReferenceWord]:
    return [ReferenceWord(word.word, word.start, word.end) for word in script]
