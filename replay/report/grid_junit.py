"""A grid as JUnit XML: a suite for each agent, a test for each case."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from replay.grid.results import Agent, CaseFacts, Cell, Grid
from replay.report.grid_text import words

#: What XML 1.0 cannot carry, not even escaped; programs print such things.
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(grid: Grid) -> bytes:
    """The file's bytes. Cells that are tolerable or informational pass, and say why in their
    output; cells without an answer are skipped."""
    root = Element("testsuites", name="replay grid", time=f"{grid.seconds:.1f}")
    for agent in grid.agents:
        _suite(root, grid, agent)
    indent(root)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _suite(root: Element, grid: Grid, agent: Agent) -> None:
    count = grid.count(agent.name)
    suite = SubElement(
        root,
        "testsuite",
        name=agent.name,
        tests=str(len(grid.cases)),
        failures=str(count["failed"]),
        errors="0",
        skipped=str(len(grid.cases) - sum(count.values()) + count["not run"]),
    )
    for case in grid.cases:
        _test(suite, agent, case, grid.cell(agent.name, case.name))


def _test(suite: Element, agent: Agent, case: CaseFacts, cell: Cell | None) -> None:
    seconds = cell.seconds if cell else 0.0
    test = SubElement(
        suite, "testcase", classname=agent.name, name=case.name, time=f"{seconds:.1f}"
    )
    if cell is None or cell.state == "not run":
        SubElement(test, "skipped", message=_clean(cell.headline if cell else "not run"))
        return
    told = [words(note) for note in cell.notes if note.severity != "info"]
    text = "\n".join([*told, *([cell.repeat] if cell.repeat else [])])
    if cell.state == "failed":
        SubElement(test, "failure", message=_clean(cell.headline)).text = _clean(text)
    elif told:
        SubElement(test, "system-out").text = _clean(f"{cell.state}\n{text}")


def _clean(text: str) -> str:
    return _UNSPEAKABLE.sub("�", text)
