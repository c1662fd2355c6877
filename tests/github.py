"""Markdown as GitHub renders it."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

from replay.report import markup

#: Everything that this project's Markdown may become.
TAGS = frozenset(
    "a h2 h3 ul li p em strong code pre br details summary table thead tbody tr th td".split()
) - {"a"}


class Page(HTMLParser):
    """HTML as cells of tables, texts outside of code, and tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.plain = ""
        self.depth = self.code = self.cell = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.depth += tag == "details"
        self.code += tag in ("code", "pre")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell += 1
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"
        self.code -= tag in ("code", "pre")
        self.cell -= tag in ("td", "th")

    def handle_data(self, data: str) -> None:
        if not self.code:
            self.plain += data
        if self.cell:
            self.rows[-1][-1] += data


def rendered(source: str) -> Page:
    """As GitHub has it, before it looks for names and numbers in the text."""
    return Page(cmarkgfm.github_flavored_markdown_to_html(source, Options.CMARK_OPT_UNSAFE))


def seen(said: str) -> str:
    """A text as it can be seen on one line."""
    unseen = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    spaces = ("Cc", "Zl", "Zp")
    shown = "".join(" " if unicodedata.category(c) in spaces or c in unseen else c for c in said)
    return markup.cut(" ".join(shown.split()), 160)
