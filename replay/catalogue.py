"""Every figure that has a name: what it is called, what it counts in, and what a person reads.

The one list that conditions, comparisons and all reports share. A figure is either a distribution,
of which a condition names a statistic (`word_final.p50`), or one number (`wer`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Unit = Literal["ms", "ratio", "bytes", "count"]
Group = Literal[
    "latency", "network", "waterfall", "session", "stability", "accuracy", "recovery", "audio",
    "instrument",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """Attributes:
    name: in conditions and files.
    title: for people.
    single: one number, not a distribution.
    more: more of it is better; of all others less.
    changes: the statistics of which a change between two sides can be told; "" for one number.
    """

    name: str
    title: str
    group: Group
    unit: Unit = "ms"
    single: bool = False
    more: bool = False
    changes: tuple[str, ...] = ()


#: With a value for each word or utterance, and with one for each run.
_ITEMS = ("p50", "p95", "p99")
_RUNS = ("p50",)


def _ratio(
    name: str, title: str, group: Group, *, more: bool = False, compared: bool = False
) -> Figure:
    changes = ("",) if compared else ()
    return Figure(name, title, group, "ratio", single=True, more=more, changes=changes)


_ALL = (
    Figure("ack", "acknowledgement", "latency", changes=_RUNS),
    Figure("first_partial", "first partial, from onset", "latency", changes=_ITEMS),
    Figure("partial_lag", "partial lag", "latency", changes=_RUNS),
    Figure("word_first", "word first shown", "latency", changes=_ITEMS),
    Figure("word_stable", "word stable", "latency", changes=_ITEMS),
    Figure("word_final", "word final", "latency", changes=_ITEMS),
    Figure("final", "final, from end of speech", "latency", changes=_ITEMS),
    Figure("final_forced", "final after the stop", "latency", changes=_ITEMS),
    Figure("endpointing", "speech end noticed", "latency", changes=_ITEMS),
    Figure("decoding", "speech end to final", "latency", changes=_ITEMS),
    Figure("partial_gap", "between partials", "latency", changes=_RUNS),
    Figure("round_trip", "round trip", "network", changes=_RUNS),
    Figure("uplink", "way up (estimate)", "network"),
    Figure("downlink", "way down (estimate)", "network"),
    Figure("service_partial", "service, partials (estimate)", "network"),
    Figure("service_final", "service, finals (estimate)", "network"),
    Figure("step_rest", "rest of the utterance", "waterfall"),
    Figure("step_frame", "waiting for the frame", "waterfall"),
    Figure("step_uplink", "uplink (estimate)", "waterfall"),
    Figure("step_endpointing", "endpointing (estimate)", "waterfall"),
    Figure("step_decoding", "decoding (estimate)", "waterfall"),
    Figure("step_downlink", "downlink (estimate)", "waterfall"),
    Figure("connect_init", "opening the session", "session"),
    Figure("connect_tcp", "TCP", "session"),
    Figure("connect_tls", "TLS", "session"),
    Figure("connect_upgrade", "websocket upgrade", "session"),
    Figure("connect_first_ack", "first acknowledgement", "session"),
    Figure("first_text", "first text, from the beginning", "session", changes=_RUNS),
    Figure("end_of_session", "end of session, from the stop", "session", changes=_RUNS),
    _ratio("unstable_partial_word_ratio", "words taken back", "stability", compared=True),
    _ratio("erasure", "erasure", "stability", compared=True),
    _ratio("revised_partials", "partials that revise", "stability", compared=True),
    _ratio("wer", "word error rate", "accuracy", compared=True),
    _ratio("wer_streaming", "word error rate of last partials", "accuracy", compared=True),
    _ratio("lost_words", "words lost", "accuracy", compared=True),
    _ratio("words_used", "words measured", "accuracy", more=True),
    Figure("detect", "loss noticed", "recovery"),
    Figure("down", "down", "recovery", changes=_RUNS),
    Figure("first_ack", "first acknowledgement again", "recovery"),
    Figure("first_transcript", "first transcript again", "recovery"),
    Figure("caught_up", "caught up", "recovery", changes=_RUNS),
    Figure("lost_bytes", "audio lost", "audio", "bytes", single=True),
    Figure("repeated_bytes", "audio recorded twice", "audio", "bytes", single=True),
    Figure("failed_runs", "runs that failed", "audio", "count", single=True),
    Figure("lateness", "own lateness", "instrument"),
)

CATALOGUE = {figure.name: figure for figure in _ALL}

#: What only many sessions have, one after another.
_OF_SOAKS = (
    Figure("recover", "recovered, from the loss", "recovery"),
    Figure("backoff", "waiting between attempts", "recovery"),
    Figure("connect", "connecting again", "recovery"),
    Figure("flush", "sent again", "recovery"),
    Figure("garbage_bytes", "audio recorded and never sent", "audio", "bytes", single=True),
    Figure("reordered_bytes", "audio recorded late", "audio", "bytes", single=True),
    Figure("words_lost", "words lost", "accuracy", "count", single=True),
    Figure("words_duplicated", "words written twice", "accuracy", "count", single=True),
    Figure("words_changed", "words changed", "accuracy", "count", single=True),
    Figure("finished_sessions", "sessions finished", "session", "count", single=True, more=True),
    Figure("failed_sessions", "sessions that failed", "session", "count", single=True),
    Figure("unknown_sessions", "sessions without an answer", "session", "count", single=True),
    Figure("reconnects", "reconnections", "session", "count", single=True, more=True),
    Figure("faults", "faults that fired", "session", "count", single=True, more=True),
    Figure("worker_deaths", "workers that died", "instrument", "count", single=True),
    Figure("stalls", "stalls of the event loop", "instrument", "count", single=True),
)
_LATENCIES = ("ack", "partial_lag", "word_first", "word_final", "final")
_SHARED = (
    *_LATENCIES, "detect", "down", "first_ack", "first_transcript", "caught_up", "lost_bytes",
    "repeated_bytes", "lateness",
)  # fmt: skip

#: The figures of a soak: `clear_…` is of what no outage touched.
SOAK = {
    **{name: CATALOGUE[name] for name in _SHARED},
    **{
        f"clear_{name}": replace(CATALOGUE[name], name=f"clear_{name}", changes=())
        for name in _LATENCIES
    },
    **{figure.name: figure for figure in _OF_SOAKS},
}
#: What of a soak has a slope: per reconnection of each process, and per hour.
PER_RECONNECT = ("rss", "fds", "threads", "tasks")
PER_HOUR = ("ack", "word_final", "recover")

#: What a condition can name of a distribution.
STATISTICS = ("p50", "p90", "p95", "p99", "min", "max", "mean", "n", "censored")
