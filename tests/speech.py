"""Speech that nobody has said: utterances of varied words, and how a service might write them down.

No sentence comes twice, and four thousand words are drawn as in real text, a few often and most of
them seldom; numbers, amounts, times of day, contractions and abbreviations come about as often as
in conversation. What is heard differs from what was said in about eight words of a hundred, and in
how numbers are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from replay.wire import messages as m

FUNCTION = """the of and to a in that is was he for it with as his on be at by i this had not
are but from or have an they which you were her all she there would their we him been has when
who will more no if out so said what up its about into than them can only other new some could
time these two may then do first any my now such like our over man me even most made after also
did many before must through back years where much your way well down should because each just
those people how too little good very still see work life never under might while last us""".split()
CONTRACTED = """it's don't I'm that's can't we'll they're you've didn't won't he'd isn't there's
let's I'd we've couldn't what's o'clock gonna""".split()
BRITISH = """colour organisation centre travelling recognise grey favourite labour programme analyse
defence licence neighbour theatre catalogue""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ONES = "one two three four five six seven eight nine".split()
_SYLLABLES = """ba be bi ca co da de di fa fe fi ga go ha he hi ka ki la le li lo ma me mi mo na
ne no pa pe po ra re ri ro sa se si so ta te ti to va ve vi vo wa we za""".split()
_ENDINGS = ["", "n", "r", "s", "t", "l", "ing", "ed", "tion", "ment", "ly", "er", "ness"]
_ERRORS = {"changed": 0.05, "lost": 0.015, "added": 0.01, "doubled": 0.005}


@dataclass(frozen=True)
class Said:
    """A word: as written, when it was said (the source's seconds)."""

    text: str
    start: float
    end: float


class Speaker:
    """Draws utterances. Each is a list of words as written, with punctuation."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        drawn = {self._made_up(): None for _ in range(6000)}
        self._content = [*BRITISH, *drawn][:4000]
        rng.shuffle(self._content)
        self._weights = list(accumulate(1 / rank for rank in range(3, len(self._content) + 3)))

    def utterance(self) -> list[str]:
        """About twelve words."""
        rng = self._rng
        size = rng.randint(6, 18)
        words: list[str] = []
        while len(words) < size:
            words += self._next()
        words[0] = words[0][0].upper() + words[0][1:]
        if size > 9:
            middle = rng.randrange(3, size - 3)
            words[middle] = words[middle].rstrip(".,") + ","
        words[-1] = words[-1].rstrip(".,") + rng.choice("...?!")
        return words

    def content(self) -> str:
        """One word that means something."""
        return self._rng.choices(self._content, cum_weights=self._weights)[0]

    def heard(self, words: list[str]) -> list[list[str]]:
        """What a service makes of each of `words`: mostly the same, none, or several."""
        return [self._heard(word) for word in words]

    def _heard(self, word: str) -> list[str]:
        rng = self._rng
        written = _otherwise(word) if rng.random() < 0.3 else [word]
        what = rng.choices([*_ERRORS, "right"], [*_ERRORS.values(), 1 - sum(_ERRORS.values())])[0]
        match what:
            case "changed":
                return [self.content()]
            case "lost":
                return []
            case "added":
                return [*written, self.content()]
            case "doubled":
                return [*written, *written]
        return written

    def _next(self) -> list[str]:
        draw = self._rng.random()
        if draw < 0.50:
            return [self._rng.choice(FUNCTION)]
        if draw < 0.92:
            return [self.content()]
        if draw < 0.96:
            return [self._rng.choice(CONTRACTED)]
        return self._figure()

    def _figure(self) -> list[str]:
        rng = self._rng
        one, ten, big = rng.choice(ONES), rng.choice(TENS), rng.randint(2, 99)
        forms = [
            [f"{ten}-{one}"],
            [one, "hundred", "and", ten, one],
            [f"${big}.{rng.randint(10, 99)}"],
            [one, "million", "dollars"],
            [one, ten, rng.choice(["a.m.", "p.m."])],
            [f"{rng.randint(1, 12)}:{rng.randint(10, 59)}", rng.choice(["am", "pm"])],
            [f"{big},{rng.randint(100, 999)}"],
            [f"{big}%"],
            [f"{big}.{rng.randint(1, 9)}"],
            [one, "point", rng.choice(ONES), rng.choice(ONES)],
            [rng.choice(["first", "second", "third", "21st", "4th"])],
            [rng.choice(["U.S.", "NATO", "B2B", "Mr.", "e.g.", "www.example.com", "VIII"])],
            [rng.choice(["um,", "uh,", "okay,", "yeah,"])],
            [rng.choice(ONES), rng.choice(ONES), rng.choice(ONES), rng.choice(ONES)],
        ]
        return rng.choice(forms)

    def _made_up(self) -> str:
        rng = self._rng
        return "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4))) + rng.choice(_ENDINGS)


def _otherwise(word: str) -> list[str]:
    """The same word, as somebody else would write it."""
    bare = word.rstrip(".,?!")
    if word in ("a.m.", "p.m."):
        return [word.replace(".", "")]
    if bare.startswith("$"):
        return [bare[1:], "dollars"]
    if bare.endswith("%"):
        return [bare[:-1], "percent"]
    if "-" in bare:
        ten, one = bare.split("-")
        return [str(10 * (TENS.index(ten.lower()) + 2) + ONES.index(one) + 1)]
    if "'" in bare:
        return [word.replace("'", "’")]
    return [word.replace(",", "")]


def timed(said: list[Said], heard: list[list[str]]) -> list[Said]:
    """What was heard of each word, spread over its time."""
    found = []
    for word, texts in zip(said, heard, strict=True):
        step = (word.end - word.start) / max(len(texts), 1)
        found += [
            Said(text, round(word.start + i * step, 3), round(word.start + (i + 1) * step, 3))
            for i, text in enumerate(texts)
        ]
    return found


def transcript(name: str, words: list[Said], lead: float, *, final: bool) -> m.Transcript:
    """A message, its times as the service counts: `lead` seconds ahead of the client."""
    shown = [
        m.Word(f" {w.text}", round(w.start + lead, 3), round(w.end + lead, 3), 0.93) for w in words
    ]
    spoken = m.Utterance(
        start=shown[0].start,
        end=shown[-1].end,
        confidence=0.91,
        channel=0,
        words=shown,
        text=" " + " ".join(word.text for word in words),
        language="en",
    )
    return m.Transcript(data=m.TranscriptData(id=name, is_final=final, utterance=spoken))
