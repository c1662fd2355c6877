"""The golden journals of `fixtures/journals/`: sessions small enough to be worked out by hand.

`tests/test_golden.py` holds what measuring makes of the files against figures that were worked out
on paper. Times are ms from the plan's zero. `python tests/golden.py` writes them again, and beside
a real session's journal what this version makes of it.
"""

from __future__ import annotations

from pathlib import Path

from journals import Builder, Cut, ns

from replay import journal as j
from replay.report import json
from replay.summary import Summary, summarise
from replay.timeline import Timeline

FOLDER = Path(__file__).parent.parent / "fixtures" / "journals"

GOOD, MORNING, EVERYONE = ("Good", 200, 500), ("morning", 550, 1000), ("everyone", 1100, 1650)
LOW = ("good", 200, 500)

BEFORE, DURING, AFTER = ("before", 200, 500), ("during", 1400, 1700), ("after", 2500, 3000)

SENTENCE = [
    (word, 600 * k, 600 * k + 500) for k, word in enumerate("the old cat sat on a mat".split(), 1)
]


def plain() -> Builder:
    """Undisturbed: one utterance, four partials, the second with a slip; all stamps are there.

    The service's clock is 7.5 s ahead. Every chunk is on time, and acknowledged after 20 ms.

    ====  ==========  ================================  ================
    t     what        shows                             made, by our clock
    ====  ==========  ================================  ================
    600   partial     good                              590
    1150  partial     good warning                      1140
    1300  partial     good morning                      1290
    1900  partial     good morning everyone             1890
    1987  speech_end  1.65 s                            1980
    2200  final       Good morning everyone             2193
    2420  stop ack    0.1 s left to process
    3000  end_session
    ====  ==========  ================================  ================
    """
    built = Builder(seconds=2.4, reference=[GOOD, MORNING, EVERYONE], ahead_ms=7500).play()
    built.entries.append(
        j.Init(t=ns(-200), done=ns(-159), attempt=1, status=201, id="job", url="ws://x")
    )
    first = next(entry for entry in built.entries if isinstance(entry, j.Connected))
    first.tcp_ns, first.upgrade_ns = 400_000, 3_250_000
    shown = ([LOW], [LOW, ("warning", 550, 1000)], [LOW, MORNING], [LOW, MORNING, EVERYONE])
    for at, words in zip((600, 1150, 1300, 1900), shown, strict=True):
        built.transcript(at, words, final=False, created=at - 10)
    built.speech_end(1987, 1650, created=1980)
    built.transcript(2200, [GOOD, MORNING, EVERYONE], final=True, created=2193)
    left = {"recording_duration": 2.4, "recording_left_to_process": 0.1}
    built.message(2420, {"type": "stop_recording", "acknowledged": True, "data": left})
    return built.finish(3000, text="Good morning, everyone!")


def outage() -> Builder:
    """The connection is reset at 1210, by a fault that fired at 1205, and open again at 1905.

    The chunk of 1200 was sent and recorded, and its acknowledgement lost: it is recorded twice, and
    all later times of the service are 100 ms ahead of the source's. The first attempt waits 300 ms.

    ====  =======  ======  =====================
    t     what     shows   ends, by the service
    ====  =======  ======  =====================
    700   partial  before  500
    900   final    before  500
    2005  partial  during  1800
    2305  final    during  1800
    3150  partial  after   3100
    3600  final    after   3100
    ====  =======  ======  =====================
    """
    built = Builder(seconds=4, reference=[BEFORE, DURING, AFTER])
    built.entries.append(j.FaultPlanned(t=0, rule=0, text="reset @ 1205ms"))
    built.play([Cut(1210, 1905, backoff=300)])
    built.entries.append(
        j.FaultFired(t=ns(1205), rule=0, text="reset", fault="reset", connection=1)
    )
    moved = [(word, start + 100, end + 100) for word, start, end in (DURING, AFTER)]
    told = zip(((700, 900, 1), (2005, 2305, 2), (3150, 3600, 2)), (BEFORE, *moved), strict=True)
    for number, ((partial, final, connection), word) in enumerate(told):
        name = f"00_{number:08d}"
        built.transcript(partial, [word], final=False, name=name, connection=connection)
        built.transcript(final, [word], final=True, name=name, connection=connection)
    return built.finish(4600, connection=2, text="Before, during. After.")


def unsure() -> Builder:
    """No word times beside the source, only a text: the service's own stand for the truth.

    Seven words of half a second, from 0.6 s on, one every 0.6 s. Partials come every half second
    from 1250 on, each with the words that ended by then, and all of them end in a wrong word once.
    The first utterance becomes final at 6000, without its word `sat`; the second is forced by the
    stop at 8000; the third never comes to a final. One word is shown 100 ms before its end.

    ==========  ================  =====================================================
    t           what              shows
    ==========  ================  =====================================================
    1250..5250  partials, nine    the words that ended by then, the seventh partial one wrong
    6000        final 1           the old cat on a mat
    7600        partial           today, which ends at 7700
    8300        final 2           today
    7900        partial           again, which ends at 7850
    ==========  ================  =====================================================
    """
    built = Builder(seconds=8, reference_text="the old cat sat on a mat today").play()
    for number in range(9):
        at = 1250 + 500 * number
        there = [word for word in SENTENCE if word[2] <= at]
        if number == 6:
            there[-1] = ("hat", *there[-1][1:])
        built.transcript(at, there, final=False, name="00_00000000")
    heard = [word for word in SENTENCE if word[0] != "sat"]
    built.transcript(6000, heard, final=True, name="00_00000000")
    today, again = ("today", 7200, 7700), ("again", 7400, 7850)
    built.transcript(7600, [today], final=False, name="00_00000001")
    built.transcript(8300, [today], final=True, name="00_00000001")
    built.transcript(7900, [again], final=False, name="00_00000002")
    return built.finish(9000, text="The old cat sat on a mat.")


JOURNALS = {"plain": plain, "outage": outage, "unsure": unsure}


def real_summary() -> Summary:
    """What this version makes of the real session, whose audio is not kept."""
    lines = (FOLDER / "real.jsonl").read_bytes().splitlines(keepends=True)
    return summarise(Timeline(j.decode_lines(lines)), None)


def main() -> None:
    """Write them again."""
    for name, make in JOURNALS.items():
        (FOLDER / f"{name}.jsonl").write_bytes(make().lines())
    (FOLDER / "real.summary.json").write_bytes(json.render(real_summary()))


if __name__ == "__main__":
    main()
