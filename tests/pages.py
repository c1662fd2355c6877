"""Runs and benchmarks made up on disk, as pages."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from benches import plan, play_all
from journals import BYTES_PER_MS, Builder, Cut, ns

from replay import journal as j
from replay import rundir
from replay.audio import AudioFormat, wav_header
from replay.bench.assess import assess, compare_with
from replay.bench.store import Store
from replay.benchmark import Benchmark
from replay.report.page import page_of_run
from replay.summary import summarise

EVIL = "</script><script>alert('x')</script><b onclick=\"y\">&amp;"
SENTENCE = "the old cat sat on a mat".split()
WORDS = [(word, 600.0 * k, 600.0 * k + 500) for k, word in enumerate(SENTENCE, 1)]


def write(path: Path, built: Builder) -> Path:
    """A run's directory: its journal, and a tone that rises and falls as what was played."""
    path.mkdir(parents=True, exist_ok=True)
    fmt = AudioFormat()
    count = round(built.seconds * 1000) * BYTES_PER_MS // 2
    time = np.arange(count) / fmt.sample_rate
    tone = np.sin(2 * math.pi * 200 * time) * np.abs(np.sin(2 * math.pi * 0.6 * time))
    audio = (tone * 12_000).astype("<i2").tobytes()
    (path / "journal.jsonl").write_bytes(built.lines())
    (path / "sent.wav").write_bytes(wav_header(fmt, len(audio)) + audio)
    return path


def page(path: Path) -> str:
    """The page of a run."""
    run = rundir.load(path)
    return page_of_run(run, summarise(run.timeline, run.compare(), damage=run.damage)).decode()


def told(text: list[tuple[str, float, float]] | None = None) -> Builder:
    """Seven words shown one by one, a slip among them, a cut, a fault, and one final at the end."""
    words = text or WORDS
    built = Builder(seconds=6, reference=words, ahead_ms=0).play([Cut(2010, 2500)])
    built.entries.append(j.FaultPlanned(t=0, rule=0, text="reset @ 2s"))
    built.entries.append(
        j.FaultFired(
            t=ns(2009), rule=0, fault="reset", text="reset", connection=1, at={"frame": 20}
        )
    )
    built.message(700, {"type": "speech_start", "data": {"time": 0.6, "channel": 0}})
    # What was sent twice moves the service's own times of all that came after it.
    late = built.shift_ms
    heard = [(w, a + late, b + late) if a > 1900 else (w, a, b) for w, a, b in words]
    for k, lag in enumerate((200, 200, 900, 500, 400, 200), 1):
        at = words[k - 1][2] + lag
        shown = [heard[0], ("cold", *heard[1][1:])] if k == 2 else heard[:k]
        built.transcript(at, shown, final=False, connection=1 if k < 3 else 2, created=at - 5)
    end = words[-1][2]
    built.speech_end(end + 150, end + late, created=end + 145)
    built.transcript(end + 400, heard, final=True, connection=2, created=end + 390)
    return built.finish(6400, connection=2)


def benchmark(root: Path, *, arms: tuple[str, ...] = ("A",), late: float = 150.0) -> Benchmark:
    """Three recordings in three rounds, the warm-up 100 ms slower, B 40 ms slower than A."""
    store = Store.create(root, plan(arms=arms))

    def lateness(arm: str, number: int, k: int) -> float:
        return late + 100 * (number == 0) + 40 * (arm == "B") + 2 * number + k

    play_all(store, lateness)
    return assess(store)


def compared(root: Path) -> tuple[Benchmark, Benchmark]:
    """A benchmark, and its baseline, which it is 60 ms slower than."""
    base = benchmark(root / "base")
    found = benchmark(root / "new", late=210.0)
    found.comparison = compare_with(found, base, label="base")
    return found, base


def text_of(page: str) -> str:
    """What can be read without a script."""

    class Reader(HTMLParser):
        text = ""
        hidden = 0

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.hidden += tag in ("script", "style")
            self.text += " "

        def handle_endtag(self, tag: str) -> None:
            self.hidden -= tag in ("script", "style")
            self.text += " "

        def handle_data(self, data: str) -> None:
            self.text += "" if self.hidden else data

    reader = Reader()
    reader.feed(page)
    return " ".join(reader.text.split())


#: Whatever makes a browser ask for something.
LINKS = re.compile(r"""(?:src|href|data|action|poster)\s*=\s*["']?([^"'\s>]+)|url\(([^)]*)\)""")


def links(page: str) -> set[str]:
    """Everything that a page points at, outside its own text."""
    bare = re.sub(r"<script type=\"text/plain\".*?</script>", "", page, flags=re.DOTALL)
    return {one or other for one, other in LINKS.findall(bare)}
