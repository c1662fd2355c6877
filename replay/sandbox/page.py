"""The status page: one HTML document with everything in it, made of a `Status`.

It can be read without JavaScript, and is then loaded again every few seconds; the script only
spares that. What others wrote is escaped, and the page's policy runs no other script.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape

from replay.sandbox.page_parts import SCRIPT, STYLE
from replay.sandbox.status import SessionStatus, Status
from replay.sandbox.tail import Line
from replay.wire.http import API_KEY_HEADER, LIVE_PATH

#: Recognition that is this many seconds behind is marked.
_LATE = 2.0
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


#: What the page is sent with.
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="2"></noscript>
<link rel="icon" href="data:,">
<title>replay sandbox</title><style>{STYLE}</style></head><body>
<p id="lost" role="alert" hidden>The sandbox does not answer. This is how it was last.</p>
"""
_TAIL = f"<script>{SCRIPT}</script></body></html>\n"


def render(status: Status) -> str:
    """The whole page."""
    parts: Iterable[str] = (
        *_intro(status),
        *_totals(status),
        *(_guard() if status.guarded else _sessions(status)),
    )
    return f"{_HEAD}<main>{''.join(parts)}</main>{_TAIL}"


def _intro(status: Status) -> Iterator[str]:
    yield '<header><h1>replay sandbox</h1><p class="dim">'
    yield f"Version {_e(status.version)}, recogniser {_e(status.recognizer)}, "
    yield f"up {spell(status.up)} (since {status.began:%Y-%m-%d %H:%M:%S} UTC)</p></header>"
    if status.defects:
        planted = ", ".join(f"<code>{_e(defect)}</code>" for defect in status.defects)
        yield f'<p class="planted"><strong>Planted defects:</strong> {planted}</p>'


def _totals(status: Status) -> Iterator[str]:
    totals = status.totals
    yield '<dl class="totals" aria-label="Totals">'
    for name, value, bad in (
        ("live sessions", str(totals.live), False),
        ("with a client now", str(totals.connected), False),
        ("ended", str(totals.ended), False),
        ("broken down", str(totals.failed), totals.failed > 0),
        ("audio recorded", finely(totals.seconds), False),
        ("furthest behind", finely(totals.behind), totals.behind >= _LATE),
        ("warnings, errors", str(status.troubles_count), status.troubles_count > 0),
    ):
        mark = ' class="bad"' if bad else ""
        yield f"<div><dt>{name}</dt><dd{mark}>{value}</dd></div>"
    yield "</dl>"


def _guard() -> Iterator[str]:
    yield "<p>This sandbox asks for an API key, so its sessions, their transcripts and its errors "
    yield f"are shown only to requests that bring the key in <code>{API_KEY_HEADER}</code>.</p>"


def _sessions(status: Status) -> Iterator[str]:
    yield '<section id="live" aria-labelledby="live-title">'
    yield '<h2 id="live-title">Live sessions</h2>'
    if not status.live:
        yield f'<p class="dim">None. A client opens one with <code>POST {LIVE_PATH}</code>.</p>'
    yield '<div class="cards">'
    for session in status.live:
        yield from _live(session)
    yield "</div>"
    yield from _more(status.totals.live - len(status.live))
    yield "</section>"
    yield '<section id="ended" aria-labelledby="ended-title">'
    yield '<h2 id="ended-title">Ended sessions</h2>'
    yield from _ended(status.ended)
    yield from _more(status.totals.ended - len(status.ended))
    yield "</section>"
    yield from _troubles(status)


def _live(session: SessionStatus) -> Iterator[str]:
    name = _e(session.id)
    yield f'<article id="s-{name}" aria-labelledby="h-{name}">'
    yield f'<h3 id="h-{name}"><code>{name}</code></h3>'
    mark = "failed" if session.failure else "there" if session.connected else "away"
    yield f'<p><span class="state {mark}">{_e(session.state)}</span> {_e(session.failure)}</p>'
    late = ' class="bad"' if session.behind >= _LATE else ""
    yield '<dl class="facts">'
    yield f"<div><dt>client</dt><dd>{'connected' if session.connected else 'not connected'}</dd>"
    yield f"</div><div><dt>audio</dt><dd>{finely(session.seconds)}</dd></div>"
    yield f"<div><dt>behind</dt><dd{late}>{finely(session.behind)}</dd></div>"
    yield f"<div><dt>age</dt><dd>{spell(session.age)}</dd></div></dl>"
    yield f'<p class="dim small">{_e(session.audio)}{_metadata(session)}</p>'
    yield f'<div role="log" aria-live="polite" aria-label="Transcript of {name[:8]}">'
    for line in session.finals:
        yield f'<p id="f-{name}-{line.number}">{_line(line)}</p>'
    yield "</div>"
    for line in session.partials:
        yield f'<p id="p-{name}-{line.channel}" class="partial">{_line(line)}&nbsp;…</p>'
    if not session.finals and not session.partials:
        yield '<p class="dim">Nothing understood yet.</p>'
    yield "</article>"


def _ended(sessions: Sequence[SessionStatus]) -> Iterator[str]:
    if not sessions:
        yield '<p class="dim">None to show.</p>'
        return
    yield '<table><thead><tr><th scope="col">session</th><th scope="col">outcome</th>'
    yield '<th scope="col">audio</th><th scope="col">age</th></tr></thead><tbody>'
    for session in sessions:
        name = _e(session.id)
        yield f'<tr id="s-{name}"><th scope="row"><code>{name}</code>'
        if session.metadata:
            yield f'<div class="dim small"><code>{_e(session.metadata)}</code></div>'
        if session.finals:
            yield f"<div>{_line(session.finals[-1])}</div>"
        if session.failure:
            yield f'<div class="bad">{_e(session.failure)}</div>'
        mark = "failed" if session.failure else "over"
        yield f'</th><td><span class="state {mark}">{_e(session.state)}</span></td>'
        yield f"<td>{finely(session.seconds)}</td><td>{spell(session.age)}</td></tr>"
    yield "</tbody></table>"


def _troubles(status: Status) -> Iterator[str]:
    yield '<section id="troubles" aria-labelledby="troubles-title">'
    yield '<h2 id="troubles-title">Last errors</h2>'
    if not status.troubles:
        yield '<p class="dim">None.</p></section>'
        return
    yield '<table><thead><tr><th scope="col">time (UTC)</th><th scope="col">level</th>'
    yield '<th scope="col">what happened</th></tr></thead><tbody>'
    for trouble in status.troubles:
        mark = "warned" if trouble.level == "WARNING" else "failed"
        yield f"<tr><td>{trouble.at:%H:%M:%S}</td>"
        yield f'<td><span class="state {mark}">{_e(trouble.level.lower())}</span></td>'
        yield f'<td class="said">{_e(trouble.text)}</td></tr>'
    yield "</tbody></table>"
    yield from _more(status.troubles_count - len(status.troubles))
    yield "</section>"


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f'<p class="dim">And {count} more.</p>'


def _metadata(session: SessionStatus) -> str:
    return f", metadata <code>{_e(session.metadata)}</code>" if session.metadata else ""


def _line(line: Line) -> str:
    channel = f"channel {line.channel}, " if line.channel else ""
    said = f'<span class="said">{_e(line.text)}</span>'
    return f'<span class="at">{channel}{clock(line.start)}</span> {said}'


def spell(seconds: float) -> str:
    """A time for people: `12 s`, `3 min 4 s`, `2 h 5 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def finely(seconds: float) -> str:
    """The same, with tenths below a minute: `4.2 s`."""
    return f"{int(seconds * 10) / 10:.1f} s" if seconds < 60 else spell(seconds)


def clock(seconds: float) -> str:
    """A position in audio: `0:04`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _e(text: str) -> str:
    """`text` as nothing but text."""
    return escape(text.translate(_CONTROLS))
