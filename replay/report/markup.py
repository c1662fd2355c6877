"""GitHub-flavoured Markdown, piece by piece; whatever a text says, it stays text.

Names and transcripts come from outside. In a comment they must not become a column of a table,
HTML, a link, or a mention that notifies somebody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

#: GitHub refuses a comment of 65,536 characters; whoever posts one may want to add a line.
LIMIT = 65_000
#: Of a text that stands in a line or in a cell.
_TEXT = 160
#: Of a text in a block of its own.
_BLOCK = 4_000
_LINE = 100
#: So many rows of each table and entries of each list, the first of these that fits.
_ROWS = (1_000_000, 1_000, 300, 100, 50, 20, 10, 5, 2, 1)

#: A sign for each verdict, of whatever it is.
MARKS = {
    **dict.fromkeys(("pass", "same", "better", "valid"), "✅"),
    **dict.fromkeys(("fail", "worse", "invalid"), "❌"),
    **dict.fromkeys(("unknown", "inconclusive"), "❔"),
    "suspect": "⚠️",
}

#: Control characters, those that turn the direction of writing, and halves of characters.
_CONTROLS = "\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_SPACES = re.compile(rf"[\s{_CONTROLS}\u2028\u2029]+")
#: What has a meaning inside a line; an underscore within a word has none.
_MARKS = re.compile(r"[\\`*\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
#: And what at its beginning.
_BEGINS = re.compile(r"(\d{0,9})([-+.)])(?=[\s-]|$)")
#: What GitHub makes something of after that: mentions, issues, links, small pictures.
_LINKS = re.compile(r"[@#]|:(?=//)|(?i:www)(?=\.)|:(?=[\w+-]+:)")
#: With something between its letters, even without width, it is no name and no number to GitHub.
_UNLINKED = r"\g<0>&#8203;"


def text(said: str) -> str:
    """A text inside a line or a cell, on one line, cut when it is long."""
    plain = cut(_SPACES.sub(" ", said).strip(), _TEXT)
    escaped = _MARKS.sub(r"\\\g<0>", html.escape(plain, quote=False))
    escaped = _BEGINS.sub(r"\1\\\2", escaped, count=1) if _BEGINS.match(escaped) else escaped
    return _LINKS.sub(_UNLINKED, escaped).replace("|", "&#124;")


def code(said: str) -> str:
    """A name as it is written, inside a line or a cell."""
    plain = cut(_SPACES.sub(" ", said).strip(), _TEXT)
    # In a span nothing is escaped, so that these two cannot stand there.
    return text(plain) if not plain or set(plain) & set("`|") else f"`{plain}`"


def block(said: str) -> list[str]:
    """A long text, as it is, in lines that can be read."""
    plain = cut(_SPACES.sub(" ", said).strip(), _BLOCK)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", plain))])
    return [f"{fence}text", *wrap(plain, _LINE, break_on_hyphens=False), fence]


def cut(said: str, length: int) -> str:
    """At most so many characters."""
    return said if len(said) <= length else said[: length - 1] + "…"


def bullets(entries: Sequence[str], most: int) -> Iterator[str]:
    """A list of Markdown, with at most so many entries and a line that tells of the rest."""
    yield from (f"- {entry}" for entry in entries[:most])
    if len(entries) > most:
        yield f"- … and {len(entries) - most} more"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    most: int = _ROWS[0],
    *,
    figures: bool = True,
) -> Iterator[str]:
    """A table of Markdown with at most so many rows; with `figures`, all but the first column of
    each stand to the right."""
    yield f"| {' | '.join(head)} |"
    yield f"|---{('|---:' if figures else '|---') * (len(head) - 1)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows[:most])
    if len(rows) > most:
        yield ""
        yield f"_… and {len(rows) - most:,} more rows, left out here._"


def details(summary: str, body: Iterator[str], *, opened: bool = False) -> Iterator[str]:
    """What is shown only when it is asked for, under a line of plain text."""
    # Inside HTML there is no Markdown, but what GitHub makes of names and numbers comes after both.
    plain = cut(_SPACES.sub(" ", summary).strip(), _TEXT)
    yield ""
    yield f"<details{' open' if opened else ''}>"
    yield f"<summary>{_LINKS.sub(_UNLINKED, html.escape(plain))}</summary>"
    yield ""
    yield from body
    yield ""
    yield "</details>"


def fitted(draw: Callable[[int], Iterator[str]]) -> bytes:
    """The document that `draw` makes, given how many rows each table of it may have at most."""
    for most in _ROWS[:-1]:
        if (document := _within(draw(most))) is not None:
            return document.encode()
    return "".join(f"{line}\n" for line in draw(_ROWS[-1])).encode()


def _within(lines: Iterator[str]) -> str | None:
    """A document of these lines; None as soon as it is too long for a comment."""
    kept, length = [], 0
    for line in lines:
        length += len(line) + 1
        if length > LIMIT:
            return None
        kept.append(f"{line}\n")
    return "".join(kept)
