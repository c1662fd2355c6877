"""Outages, validity, verdicts: what a run comes to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from journals import Builder, Cut, ns

from replay import journal as j
from replay import outages, resources, rundir, utterances
from replay.audio import AudioFormat, wav_header
from replay.continuity import compare
from replay.errors import UsageError
from replay.report import json
from replay.summary import Summary, summarise
from replay.verify import verify

WORDS = [(f"word{k}", 100 * k, 100 * k + 80) for k in range(40)]
AUDIO = bytes(range(256)) * 500


def complete(**options: object) -> Builder:
    """Four seconds with forty words, a final of each 150 ms after its end, all well."""
    built = Builder(reference=WORDS, **options).play()  # type: ignore[arg-type]
    for k, word in enumerate(WORDS):
        built.transcript(word[2] + 150, [word], final=True, name=str(k))
    return built.finish(4600)


def judged(built: Builder, recorded: bytes | None = AUDIO) -> Summary:
    comparison = None if recorded is None else compare(AUDIO, recorded, 2)
    return summarise(built.timeline(), comparison)


def test_an_undisturbed_run_passes() -> None:
    """Complete, nothing lost, the result fetched, a valid measurement: pass, without reasons."""
    found = judged(complete())
    assert (found.verdict, found.reasons) == ("pass", [])
    assert (found.validity.verdict, found.validity.reasons) == ("valid", [])
    assert found.session.result_fetched
    assert found.findings == []


def test_lost_audio_fails() -> None:
    """One lost sample is enough, and the reason says how much."""
    found = judged(complete(), AUDIO[:1000] + AUDIO[1002:])
    assert (found.verdict, found.reasons) == (
        "fail",
        ["2 bytes (0.1 ms) sent and not recorded, from 0.031 s"],
    )


@pytest.mark.parametrize("outcome", ["gave_up", "refused", "timeout"])
def test_a_session_that_was_not_finished_fails(outcome: str) -> None:
    """However it broke off."""
    built = complete()
    built.entries.append(j.Ended(t=ns(4601), outcome=outcome, code=1000))  # type: ignore[arg-type]
    assert judged(built).verdict == "fail"


def test_an_error_seen_on_the_way_fails() -> None:
    """A finding of the session itself is a reason; a warning is not."""
    for severity, verdict in (("error", "fail"), ("warning", "pass")):
        built = complete()
        seen = j.Observation(t=ns(5), invariant="A3", severity=severity, detail="acks went back")  # type: ignore[arg-type]
        built.entries.append(seen)
        found = judged(built)
        assert (found.verdict, found.findings[0].detail) == (verdict, "acks went back")


def test_a_result_in_nobodys_hands_is_unknown() -> None:
    """Neither fetched nor delivered on the socket: nothing to pass, nothing proved broken."""
    built = Builder().play().finish(4600, fetched=False)
    found = judged(built)
    assert (found.verdict, "the final result was not fetched" in found.reasons) == ("unknown", True)


def test_without_a_recording_acknowledgements_decide() -> None:
    """All acknowledged passes; what was not is unknown."""
    assert judged(complete(), None).verdict == "pass"
    built = complete()
    built.entries = [e for e in built.entries if not (isinstance(e, j.Ack) and e.t > ns(3950))]
    found = judged(built, None)
    assert found.reasons == ["3200 bytes were not acknowledged, and no recording was fetched"]


def test_a_journal_cut_short_still_reports() -> None:
    """Wherever it ends, there is a summary, and it is not a pass."""
    lines = complete().lines().splitlines(keepends=True)
    for end in range(1, len(lines), 7):
        torn = [*lines[:end], lines[end][:-5]]
        found = summarise(rundir.Timeline(j.decode_lines(torn)), None)
        assert found.verdict == "unknown"
        assert "the journal was cut short" in found.reasons


def test_an_interrupted_run_is_unknown() -> None:
    """Ctrl-C is no failure of the service, and no pass."""
    built = complete()
    built.entries.append(j.Interrupted(t=ns(2000), how="graceful"))
    assert judged(built).verdict == "unknown"


# ------------------------------------------------------------------ validity


def test_late_chunks_make_a_run_invalid_and_its_verdict_unknown() -> None:
    """Lateness of more than a tenth of the smallest latency says more of us than of them."""
    built = Builder(reference=WORDS).play(late=16)
    for k, word in enumerate(WORDS):
        built.transcript(word[2] + 150, [word], final=True, name=str(k))
    found = judged(built.finish(4600))
    assert (found.validity.verdict, found.validity.bound_ms) == ("invalid", 15)
    assert found.verdict == "unknown"
    assert found.reasons == found.validity.reasons[:1]


def test_a_single_late_chunk_is_suspicious_no_more() -> None:
    """In forty chunks one is beyond every percentile that they can carry."""
    built = complete()
    late = next(e for e in built.entries if isinstance(e, j.Produced))
    late.t += 30_000_000
    found = judged(built)
    assert (found.validity.verdict, found.verdict) == ("suspect", "pass")
    assert found.validity.reasons == ["one own chunk was 30.0 ms late; this run bears 15.0 ms"]


def test_an_unpaced_run_measures_no_latency() -> None:
    """It says so, and claims no lateness either."""
    built = complete()
    built.entries[0].plan.speed = 0.0
    found = judged(built)
    assert "played without pacing: not a latency measurement" in found.reasons
    assert found.pacing.lateness_ms.n == 0


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        (j.Stall(t=ns(2000), lasted=20_000_000), "suspect"),
        (j.Stall(t=ns(2000), lasted=90_000_000), "invalid"),
        (j.Interrupted(t=ns(2000), how="graceful"), "suspect"),
    ],
)
def test_disturbances_of_the_instrument_count(entry: j.Entry, verdict: str) -> None:
    """A stall colours a run, a long one spoils it."""
    built = complete()
    built.entries.append(entry)
    assert judged(built).validity.verdict == verdict


def test_other_reasons_for_suspicion() -> None:
    """Backpressure, negative times, speed and small samples are each named."""
    built = complete()
    for frame in built.entries:
        if isinstance(frame, j.Frame):
            frame.done += 40_000_000
    assert "held frames back" in judged(built).validity.reasons[0]
    built = complete().transcript(300, [WORDS[-1]], final=False, name="39")
    assert "2 word times lie before true end" in judged(built).validity.reasons[0]
    assert "2 times real time" in judged(complete(speed=2)).validity.reasons[-1]
    assert judged(Builder().play().finish(4600)).validity.reasons == ["no word was measured"]


# ------------------------------------------------------------------ outages


def test_an_outage_is_split_into_its_steps() -> None:
    """Lost at 1210, waited 300, connected at 1905, first ack at 1925, text at 2600."""
    built = Builder().play([Cut(1210, 1905, backoff=300)])
    built.transcript(700, [("a", 0, 500)], final=False)
    built.transcript(2600, [("a", 0, 500), ("b", 1500, 2000)], final=False, connection=2)
    built.transcript(2700, [("a", 0, 500), ("b", 1500, 2600)], final=False, connection=2)
    timeline = built.finish(4600, connection=2).timeline()
    (found,) = outages.measure(timeline, utterances.gather(timeline))
    assert (found.connection, found.cause) == (1, "wire")
    # The last acknowledgement before the cut came at 1120.
    assert found.detect_ms == 90
    assert (found.down_ms, found.backoff_ms, found.connect_ms) == (695, 300, 395)
    assert (found.flush_ms, found.first_ack_ms, found.first_transcript_ms) == (5, 20, 695)
    # The lag was 200 before. At 2600 it is 700 (the service's 2000 is our 1900), at 2700 it is
    # 200 again (its 2600 is our 2500).
    assert found.caught_up_ms == 2700 - 1905
    assert found.resent_bytes == 3200


def test_an_outage_is_known_to_have_lasted_until_nothing_was_heard_any_more() -> None:
    """Partials came again, and their lag was never back: it ends with the last of them. Where none
    came nothing is known, and where it was back nothing is open."""

    def lasting(*partials: tuple[float, float]) -> float | None:
        built = Builder().play([Cut(1210, 1905, backoff=300)])
        built.transcript(700, [("a", 0, 500)], final=False)
        for at, end in partials:
            words = [("a", 0, 500), ("b", 1500, end)]
            built.transcript(at, words, final=False, connection=2)
        timeline = built.finish(4600, connection=2).timeline()
        gathered = utterances.gather(timeline)
        (found,) = outages.unended(timeline, gathered, outages.measure(timeline, gathered))
        return found

    assert lasting((2600, 2000), (3600, 3000)) == 3600 - 1210
    assert lasting((2600, 2000), (2700, 2600)) is None
    assert lasting() is None


def test_an_outage_without_end_has_open_steps() -> None:
    """What was never reached is null, not zero and not the time of giving up."""
    built = Builder(seconds=1).play()
    built.entries.append(j.Lost(t=ns(1020), connection=1, code=1006, cause="wire", unacked=0))
    built.entries.append(j.Connecting(t=ns(1100), connection=2, attempt=1))
    built.entries.append(j.ConnectRefused(t=ns(1150), connection=2, attempt=1, error="refused"))
    timeline = built.timeline()
    (found,) = outages.measure(timeline, utterances.gather(timeline))
    assert (found.down_ms, found.flush_ms, found.caught_up_ms) == (None, None, None)
    assert found.connect_ms == 50
    gathered = utterances.gather(timeline)
    # The journal ends 130 ms after the loss; a session that came to its result has nothing open.
    assert outages.unended(timeline, gathered, [found]) == [130]
    built.entries.append(j.Ended(t=ns(1150), outcome="recovered"))
    timeline = built.timeline()
    assert outages.unended(timeline, utterances.gather(timeline), [found]) == [None]


@pytest.mark.parametrize(("code", "cause"), [(1000, "closed"), (4403, "closed"), (1006, "ended")])
def test_the_sessions_own_end_is_no_outage(code: int, cause: str) -> None:
    """Neither the service's last close, nor ours, nor one that says that the job has ended."""
    built = Builder().play()
    built.entries.append(j.Lost(t=ns(4500), connection=1, code=code, cause=cause))  # type: ignore[arg-type]
    timeline = built.timeline()
    assert outages.measure(timeline, utterances.gather(timeline)) == []


def test_resources_are_peaks_and_slopes() -> None:
    """The highest sample counts; growth is per reconnection."""
    built = Builder()
    for k in range(5):
        built.entries.append(j.Connected(t=ns(k * 100), connection=k + 1, attempt=1, resume_at=0))
        sample = {"rss_bytes": 1000 + 10 * k, "fds": 7, "threads": 2, "tasks": 9 - k}
        built.entries.append(j.Resources(t=ns(k * 100 + 50), cpu_ns=k * 5_000_000, **sample))
    found = resources.measure(built.timeline())
    assert (found.rss_bytes, found.fds, found.tasks, found.cpu_share) == (1040, 7, 9, 0.05)
    assert (found.slopes.rss_bytes, found.slopes.fds, found.slopes.tasks) == (10, 0, -1)


# ------------------------------------------------------------------ files


def write_run(path: Path, built: Builder, recorded: bytes | None = AUDIO) -> Path:
    path.mkdir()
    (path / "journal.jsonl").write_bytes(built.lines())
    fmt = AudioFormat()
    (path / "sent.wav").write_bytes(wav_header(fmt, len(AUDIO)) + AUDIO)
    if recorded is not None:
        (path / "recorded.wav").write_bytes(wav_header(fmt, None) + recorded)
    return path


def test_a_run_directory_is_read_back(tmp_path: Path) -> None:
    """Journal and both recordings; a header without a size is followed by audio to the end."""
    run = rundir.load(write_run(tmp_path / "run", complete()))
    comparison = run.compare()
    assert comparison is not None
    assert comparison.same
    assert comparison.sent_bytes == 128_000
    assert rundir.load(run.path / "journal.jsonl").path == run.path


def test_without_recording_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """An absent file is no finding."""
    assert rundir.load(write_run(tmp_path / "run", complete(), None)).compare() is None


def fetched() -> Builder:
    """A complete run whose journal says what was recorded."""
    built = complete()
    digest = hashlib.sha256(AUDIO).hexdigest()
    built.entries.append(j.Recorded(t=ns(4615), size=len(AUDIO), sha256=digest))
    return built


def resized(path: Path, name: str, size: int) -> rundir.Run:
    """The run with one of its files cut to this size."""
    file = path / name
    file.write_bytes(file.read_bytes()[:size])
    return rundir.load(path)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("recorded.wav", 5000, "it holds 4,956 bytes instead of 128,000"),
        ("recorded.wav", 20, "it holds 20 bytes instead of 128,000"),
        ("recorded.wav", 0, "it holds 0 bytes instead of 128,000"),
        ("sent.wav", 5000, "it holds 4,956 of 128,000 bytes played"),
        ("sent.wav", 0, "it holds 0 of 128,000 bytes played"),
    ],
)
def test_a_damaged_file_is_not_held_against_the_service(
    tmp_path: Path, name: str, size: int, reason: str
) -> None:
    """What the journal says of a file exposes it: nothing is compared, the verdict is unknown."""
    path = write_run(tmp_path / "run", fetched())
    whole = rundir.load(path)
    assert summarise(whole.timeline, whole.compare(), damage=whole.damage).verdict == "pass"
    run = resized(path, name, size)
    found = summarise(run.timeline, run.compare(), damage=run.damage)
    assert (found.verdict, found.audio.recorded_bytes) == ("unknown", None)
    assert found.reasons == [f"{name} does not match the journal: {reason}"]
    assert verify(path).reasons == found.reasons


def test_a_changed_recording_is_seen_by_its_digest(tmp_path: Path) -> None:
    """Its size alone would not tell."""
    path = write_run(tmp_path / "run", fetched(), AUDIO[:-1] + b"?")
    run = rundir.load(path)
    assert run.compare() is None
    assert run.damage == (
        "recorded.wav does not match the journal: it was changed after it was fetched",
    )


def test_a_download_cut_short_is_not_compared(tmp_path: Path) -> None:
    """A journal that ends before the recording was in hand says that the file is not all of it."""
    built = complete()
    built.entries = [entry for entry in built.entries if not isinstance(entry, j.Closed)]
    run = rundir.load(write_run(tmp_path / "run", built, AUDIO[:1000]))
    assert run.compare() is None
    assert run.damage == ("recorded.wav was not fetched to its end",)


def test_a_recording_that_is_no_audio_is_not_compared(tmp_path: Path) -> None:
    """What a target gave out in its place leaves the question open."""
    path = write_run(tmp_path / "run", complete())
    (path / "recorded.wav").write_bytes(b"<html>")
    assert rundir.load(path).damage == ("recorded.wav is not a WAV file",)
    assert rundir.load(path).compare() is None


def test_any_file_of_a_run_names_it(tmp_path: Path) -> None:
    """Its summary as well as its journal."""
    path = write_run(tmp_path / "run", complete())
    (path / "summary.json").write_bytes(b"{}")
    for name in ("summary.json", "journal.jsonl", "sent.wav"):
        assert rundir.load(path / name).path == path


@pytest.mark.parametrize("rest", [b"", b',"format":"said otherwise"'])
def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path, rest: bytes) -> None:
    """In one line that says so, even when its header cannot be read otherwise."""
    path = write_run(tmp_path / "run", complete())
    first, _, others = (path / "journal.jsonl").read_bytes().partition(b"\n")
    newer = first.replace(b'"schema":1', b'"schema":99' + rest)
    (path / "journal.jsonl").write_bytes(newer + b"\n" + others)
    with pytest.raises(UsageError, match=r"written by a newer replay \(0; journal schema 99"):
        rundir.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a run directory: it has no journal.jsonl"),
        (b"", "not a journal of this program: there is no header"),
        (b'{"kind":"started","t":1}\n', "there is no header"),
        (b"what\n", "not a journal of this program: line 1"),
    ],
)
def test_what_is_no_run_is_refused_in_a_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """Anything else is named, and why."""
    if content is not None:
        (tmp_path / "journal.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        rundir.load(tmp_path)


def test_the_summary_has_the_promised_keys(tmp_path: Path) -> None:
    """Other programs read them: none may go missing."""
    run = rundir.load(write_run(tmp_path / "run", complete()))
    rundir.write_summary(run.path, json.render(summarise(run.timeline, run.compare())))
    found = msgspec.json.decode((run.path / "summary.json").read_bytes())
    promised = {
        "": "schema replay_version verdict reasons seed target source validity pacing latency "
        "stability audio transcript outages faults session resources findings",
        "target": "kind url region",
        "source": "name seconds sha256",
        "validity": "verdict reasons",
        "pacing": "phase chunk_ms chunks lateness_ms drift_ppm",
        "latency": "from_plan from_send end_of_session_ms",
        "stability": "unstable_partial_word_ratio erasure",
        "audio": "sent_bytes acked_bytes recorded_bytes lost_bytes repeated_bytes reordered "
        "garbage_bytes ranges",
        "transcript": "text finals words lost duplicated changed wer",
        "faults": "asked fired",
        "session": "id status close_code reconnects posts post_processing result_fetched",
        "resources": "rss_bytes fds tasks slopes",
    }
    for name, keys in promised.items():
        assert set(keys.split()) <= set(found[name] if name else found)
    dist = "n min p50 p90 p95 p99 max mean censored"
    assert set(dist.split()) <= set(found["pacing"]["lateness_ms"]) <= {*dist.split(), "needed"}
    for measure in "ack first_partial partial_lag word_first word_stable word_final final".split():
        assert set(dist.split()) <= set(found["latency"]["from_plan"][measure])
    assert [p.name for p in run.path.iterdir() if p.suffix == ".tmp"] == []


def test_words_that_were_never_played_are_not_missed() -> None:
    """A run that was stopped half way is held against what was said until then."""
    built = Builder(reference=WORDS).play()
    for k, word in enumerate(WORDS[:20]):
        built.transcript(word[2] + 150, [word], final=True, name=str(k))
    built.finish(4600)
    half = AudioFormat().bytes_in(2)
    built.entries = [
        entry
        for entry in built.entries
        if not isinstance(entry, j.Produced | j.Frame) or entry.offset < half
    ]
    found = judged(built, None).transcript
    assert (found.lost, found.wer) == (0, 0.0)


def test_a_word_cut_off_by_the_stop_is_not_missed() -> None:
    """A word whose end was never played is nobody's to recognise, however much of it was."""
    built = Builder(reference=WORDS).play()
    for k, word in enumerate(WORDS[:20]):
        built.transcript(word[2] + 150, [word], final=True, name=str(k))
    built.finish(4600)
    stop = AudioFormat().bytes_in(2.06)  # word20 lasts from 2.0 to 2.08 s
    built.entries = [
        entry
        for entry in built.entries
        if not isinstance(entry, j.Produced | j.Frame) or entry.offset < stop
    ]
    last = max(
        (entry for entry in built.entries if isinstance(entry, j.Produced)),
        key=lambda entry: entry.offset,
    )
    last.size = stop - last.offset
    found = judged(built, None).transcript
    assert (found.lost, found.wer) == (0, 0.0)
