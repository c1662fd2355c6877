"""Recovery times over many runs, by kind of fault."""

from __future__ import annotations

import io
import json
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from replay.cli.report import command
from replay.faults import parse_plan
from replay.outages import Outage
from replay.recoveries import recoveries
from replay.report import recoveries as report
from replay.simulation import Simulation, simulate


def outage(fault: str | None, down: float | None, resent: int = 0) -> Outage:
    return Outage(connection=1, cause="wire", fault=fault, down_ms=down, resent_bytes=resent)


MANY = [
    *(outage("reset", float(n), resent=3200 * n) for n in range(1, 73)),
    *(outage(f"refuse({n}s)", 1000.0 * n) for n in (1, 2, 3)),
    outage("refuse(1h)", None),
    outage(None, 5.0),
]


def test_outages_are_summed_up_by_kind() -> None:
    """Whatever a fault was given as arguments; nearest-rank, and p95 only from 72 values on."""
    none, refuse, reset = recoveries(MANY)
    assert [none.fault, refuse.fault, reset.fault] == [None, "refuse", "reset"]
    assert (reset.down_ms.n, reset.down_ms.p50, reset.down_ms.p95) == (72, 36.0, 69.0)
    assert (reset.resent_bytes.p50, reset.resent_bytes.max) == (36 * 3200, 72 * 3200)
    assert (refuse.down_ms.p50, refuse.down_ms.p95) == (2000.0, None)


def test_what_never_came_is_counted_and_gives_no_time() -> None:
    """An outage without an end is among the outages, and not in the figures of its steps."""
    _, refuse, _ = recoveries(MANY)
    assert (refuse.outages, refuse.down_ms.n, refuse.detect_ms.n) == (4, 3, 0)


def test_they_are_shown_under_the_names_of_the_summary() -> None:
    """JSON, plain lines, and a table on a terminal tell the same."""
    found = recoveries(MANY)
    document = json.loads(report.render(found, 5))
    assert document["runs"] == 5
    assert document["recoveries"][2]["down_ms"]["p95"] == 69.0
    assert "recovery.reset.down_ms: n=72 p50=36 p95=69" in list(report.lines(found, 5))
    out = io.StringIO()
    report.show(found, 5, Console(file=out, force_terminal=True, width=160, color_system=None))
    assert "36 / 69" in out.getvalue()
    assert "2,000 / –" in out.getvalue()


def test_nothing_gives_nothing() -> None:
    """No outage, no kind."""
    assert recoveries([]) == []


def test_reports_of_several_runs_end_with_them(tmp_path: Path) -> None:
    """Of two runs that lost a connection and one that lost none; one run alone has its own."""
    for name, faults in (("a", ["reset @ 1s"]), ("b", ["reset @ 2s"]), ("calm", [])):
        (tmp_path / name).mkdir()
        done = simulate(Simulation(seconds=3.0, plan=parse_plan(faults)))
        (tmp_path / name / "journal.jsonl").write_bytes(done.journal)
    runs = [str(tmp_path / name) for name in ("a", "b", "calm")]
    told = CliRunner().invoke(command, runs)
    assert told.exit_code == 0, told.output
    assert "recoveries: 2 runs\nrecovery.reset.outages: 2\n" in told.stdout
    last = CliRunner().invoke(command, [*runs, "--json"]).stdout.rpartition("\n}\n{\n")[2]
    assert json.loads("{" + last)["recoveries"][0]["down_ms"]["n"] == 2
    assert "recover" not in CliRunner().invoke(command, runs[:1]).stdout
