"""JUnit XML, piece by piece: suites of cases, as CI systems read them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

#: What XML 1.0 cannot carry, not even escaped; programs print such things.
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

State = Literal["pass", "failure", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was put to the test.

    Attributes:
        state: `failure`: it is not so; `error`: nobody knows; `skipped`: nobody asked.
        message: of a state other than pass, in a line; detail: everything there is to say.
        kind: of a failure or an error, in a word.
        seconds: that it took; None where that says nothing.
    """

    name: str
    state: State = "pass"
    message: str = ""
    detail: str = ""
    kind: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    cases: Sequence[Case]


def document(name: str, suites: Sequence[Suite], seconds: float | None = None) -> bytes:
    """The file's bytes; of a passing case, the detail is its output."""
    root = Element("testsuites", name=_clean(name))
    if seconds is not None:
        root.set("time", f"{seconds:.1f}")
    for suite in suites:
        _suite(root, suite)
    indent(root)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _suite(root: Element, suite: Suite) -> None:
    states = Counter(case.state for case in suite.cases)
    element = SubElement(
        root,
        "testsuite",
        name=_clean(suite.name),
        tests=str(len(suite.cases)),
        failures=str(states["failure"]),
        errors=str(states["error"]),
        skipped=str(states["skipped"]),
    )
    for case in suite.cases:
        _case(element, suite.name, case)


def _case(suite: Element, classname: str, case: Case) -> None:
    test = SubElement(suite, "testcase", classname=_clean(classname), name=_clean(case.name))
    if case.seconds is not None:
        test.set("time", f"{case.seconds:.1f}")
    if case.state == "pass":
        if case.detail:
            SubElement(test, "system-out").text = _clean(case.detail)
        return
    told = SubElement(test, case.state, message=_clean(case.message))
    if case.kind:
        told.set("type", case.kind)
    if case.detail:
        told.text = _clean(case.detail)


def _clean(text: str) -> str:
    # A reader of XML makes one end of line of all of them.
    return _UNSPEAKABLE.sub("�", text.replace("\r\n", "\n").replace("\r", "\n"))
