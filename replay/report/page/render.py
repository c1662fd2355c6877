"""A template with its values as one file that needs no other: its looks, its script and its data
inside, and a policy that lets nothing else in.

What was said, what services and users wrote, is text and nothing else: the template engine escapes
it. The data of timelines is compressed, and taken apart only after the page stands.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from replay.charts.session import Session
from replay.report.page import axes, cells

#: Put together to the one script of a page, in this order.
_SCRIPTS = (
    *("unpack", "view", "paint", "paint-audio", "paint-text", "paint-whole"),
    *("find", "details", "timeline", "curves", "soak", "main"),
)
#: The best compression takes ten times as long, and saves a twentieth.
_EFFORT = 6


def render(template: str, **values: Any) -> bytes:
    """The whole page."""
    text = _environment().get_template(template).render(values)
    return text.encode("utf-8", "replace")


def pack(session: Session) -> Markup:
    """A session's data as it stands in a page."""
    data = gzip.compress(msgspec.json.encode(session), _EFFORT, mtime=0)
    return Markup(b64encode(data).decode())  # noqa: S704 - letters, digits, + / and = alone


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("replay.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["clock"] = axes.clock
    made.filters["plural"] = cells.plural
    made.filters["pc"] = lambda share: f"{share * 100:.3g}%"
    style, script = _asset("page.css"), _script()
    made.globals["style"] = Markup(style)  # noqa: S704 - ours
    made.globals["script"] = Markup(script)  # noqa: S704 - ours
    made.globals["policy"] = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return made


def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _asset(name: str) -> str:
    return (files("replay.report.page") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
