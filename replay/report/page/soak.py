"""The page of a soak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from replay import __version__
from replay.charts import soak as charts
from replay.endurance.summary import SoakSummary
from replay.judge import BY_ID
from replay.report.numbers import NONE, ms
from replay.report.page import cells, plots, soak_plots, soak_rows
from replay.report.page.cells import Fact, plural
from replay.report.page.render import render
from replay.report.page.run_facts import moment
from replay.report.soak_words import MEASURES, STEPS, clock, extent, facts, kind, span, title
from replay.statistics import RULE

_FINE = (
    "Every session that finished was kept whole, nothing grows or drifts beyond what is borne, and "
    "no process died."
)
_QUANTILES = ("p50", "p95", "p99", "max")


def page_of_soak(summary: SoakSummary) -> bytes:
    """One self-contained HTML file; nothing beside the summary is needed."""
    values = {
        **_head(summary),
        **_over_time(summary),
        **_recoveries(summary),
        **_latency(summary),
        "slopes": soak_rows.slopes(summary),
        "worst": list(_worst(summary)),
        **_judged(summary),
        **_origin(summary),
    }
    return render(
        "soak.html.j2",
        version=__version__,
        rule=RULE,
        packed=[],
        sections=_sections(values),
        **values,
    )


def _sections(values: dict[str, Any]) -> list[tuple[str, str]]:
    there = (
        ("asserted", "Conditions", values["checks"]),
        ("course", "Over time", values["lanes"] or values["latencies"] or values["resources"]),
        ("recovery", "Recovery", values["recovery_rows"]),
        ("storm", "After common cuts", values["storm"]),
        ("growth", "Leaks and drifts", values["slopes"]),
        ("latency", "Latency", values["tables"]),
        ("worst", "Worst sessions", values["worst"]),
        ("judged", "Findings", True),
        ("provenance", "Configuration", True),
    )
    return [(name, title_) for name, title_, known in there if known]


# ------------------------------------------------------------------ the head


def _head(summary: SoakSummary) -> dict[str, Any]:
    return {
        "verdict": summary.verdict,
        "reasons": summary.reasons,
        "fine": _FINE,
        "name": title(summary.plan),
        "target": str(summary.plan.get("target", "its target")),
        "when": moment(str(summary.plan.get("created_at", ""))).strip(),
        "what": extent(summary),
        "tiles": list(_tiles(summary)),
        "told": [Fact(label, said, "", taken) for label, said, taken in facts(summary)],
        "checks": summary.checks,
    }


def _tiles(summary: SoakSummary) -> Iterator[Fact]:
    sessions, audio = summary.sessions, summary.audio
    failed = sessions.failed + sessions.cut_failed
    note = f"{failed:,} failed" if failed else "none failed"
    yield Fact("sessions finished", f"{sessions.finished:,}", note, "bad" if failed else "")
    yield Fact("reconnections", f"{summary.reconnects:,}", f"{summary.faults.fired:,} faults fired")
    if audio.compared:
        kind_ = "bad" if audio.lost_bytes else "good"
        yield Fact(
            "audio lost, bytes", f"{audio.lost_bytes:,}", f"{span(audio.seconds)} played", kind_
        )
    else:
        yield Fact("audio lost", "not known", "no recording to compare with", "doubt")
    if summary.recoveries and summary.recoveries[0].recover.n:
        dist = summary.recoveries[0].recover
        yield Fact("recovered, p50", *_of(dist))
    if (known := summary.latency.all.get("word_final")) is not None:
        yield Fact(f"{MEASURES['word_final']}, p50", *_of(known))
    grown = [each for each in (*summary.trends, *summary.drifts) if each.state == "grows"]
    every = len(summary.trends) + len(summary.drifts)
    kind_ = "bad" if grown else ""
    yield Fact("leaks and drifts", f"{len(grown)}", f"of {every} trends looked at", kind_)


def _of(dist: Any) -> tuple[str, str]:
    cell = cells.statistic(dist, "p50")
    return cell.text + ("" if cell.kind == "need" else " ms"), cells.short(dist, ("p95", "max"))


# ------------------------------------------------------------------ over time


def _over_time(summary: SoakSummary) -> dict[str, Any]:
    whos = soak_plots.processes(summary)
    return {
        "lanes": soak_plots.lanes(summary),
        "latencies": soak_plots.latencies(summary),
        "load": soak_plots.load(summary),
        "resources": soak_plots.resources(summary),
        "processes": [(f"who-{k % soak_plots.COLOURS}", who) for k, who in enumerate(whos)],
        "shaded": soak_plots.shaded(summary),
        "row_minutes": summary.row_minutes,
        "died": bool(summary.deaths),
    }


# ------------------------------------------------------------------ recovery


def _recoveries(summary: SoakSummary) -> dict[str, Any]:
    bars = soak_rows.budget(summary)
    rows = [
        {
            "kind": kind(each.kind),
            "outages": f"{each.outages:,}",
            "unrecovered": f"{each.unrecovered:,}" if each.unrecovered else "",
            "recover": [cells.statistic(each.recover, name) for name in _QUANTILES],
            "steps": [cells.statistic(getattr(each, step), "p50") for step in STEPS],
            "resent": f"{each.resent_bytes:,}",
        }
        for each in summary.recoveries
        if each.outages
    ]
    found = summary.storm
    return {
        "budget": bars,
        "budget_steps": list(soak_rows.steps_of(bars)),
        "recovery_rows": rows,
        "recovery_steps": [f"{name} p50" for name in STEPS.values()],
        "storm": soak_plots.storm(found),
        "storm_state": found.state,
        "storm_why": found.why,
        "storm_told": f"{plural(found.attempts, 'attempt')} of {plural(found.sessions, 'session')} "
        f"after {plural(found.cuts, 'cut')} that at least half of all sessions suffered together",
    }


# ------------------------------------------------------------------ latency


def _latency(summary: SoakSummary) -> dict[str, Any]:
    tables, tabs = [], []
    for caption, dists in (
        ("From the plan, ms", summary.latency.all),
        ("Undisturbed: of what no outage touched, ms", summary.latency.undisturbed),
    ):
        rows = [cells.row(label, dists[name]) for name, label in MEASURES.items() if name in dists]
        if rows:
            tables.append((caption, rows))
    encoded = summary.latency.encoded
    for name, label in MEASURES.items():
        drawn = [
            plots.Side(which, charts.curve(encoded[each]))
            for which, each in (("all", name), ("undisturbed", f"clear_{name}"))
            if each in encoded
        ]
        if drawn:
            tabs.append(plots.tab(name, label, drawn))
    if summary.recoveries and summary.recoveries[0].recover.n:
        whole = charts.curve(summary.recoveries[0].encoded)
        tabs.append(plots.tab("recover", "recovery", [plots.Side("all", whole)]))
    return {"tables": tables, "tabs": tabs}


# ------------------------------------------------------------------ sessions, findings


def _worst(summary: SoakSummary) -> Iterator[dict[str, Any]]:
    for each in summary.worst:
        yield {
            "session": each.session,
            "verdict": each.verdict,
            "cut": each.cut,
            "at": f"{clock(each.began)} to {clock(each.ended)}",
            "reconnects": f"{each.reconnects:,}",
            "recover": NONE if each.recover is None else f"{ms(each.recover)} ms",
            "lost": NONE if each.lost_bytes is None else f"{each.lost_bytes:,}",
            "why": "; ".join(each.reasons),
            "repeat": each.repeat,
        }


def _judged(summary: SoakSummary) -> dict[str, Any]:
    invariants = []
    for name, states in summary.invariants.items():
        worst = next((s for s in ("fail", "unknown", "pass") if states.get(s)), "not applicable")
        told = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        invariants.append(
            {
                "id": name,
                "state": worst,
                "kind": worst if worst in ("pass", "fail", "unknown") else "na",
                "told": told,
                "says": BY_ID[name].says if name in BY_ID else "",
            }
        )
    broken = sum(each["state"] == "fail" for each in invariants)
    held = sum(each["state"] == "pass" for each in invariants)
    return {
        "findings": [
            {
                "severity": each.severity,
                "invariant": each.invariant,
                "count": f"{each.count:,} in {plural(each.sessions, 'session')}",
                "examples": [(session, found.detail) for session, found in each.examples],
            }
            for each in summary.findings
        ],
        "invariants": invariants,
        "broken": broken,
        "invariants_summary": f"{plural(held, 'invariant')} held in every session"
        + (f", {broken} broken" if broken else ""),
    }


# ------------------------------------------------------------------ provenance


def _origin(summary: SoakSummary) -> dict[str, Any]:
    plan = {"seed": summary.seed, **summary.plan}
    machine = plan.pop("machine", None)
    plan.pop("replay_version", None)  # of the plan; the summary may be made by a newer one
    known = list(_flat({"replay": summary.replay_version, **plan}))
    return {
        "provenance": known,
        "machine": [] if not isinstance(machine, dict) else list(_flat(machine)),
        "parts_count": summary.shards,
    }


def _flat(found: dict[str, Any]) -> Iterator[Fact]:
    for name, value in found.items():
        if value in (None, [], {}, ""):
            continue
        label = name.replace("_", " ")
        if isinstance(value, dict):
            parts = (f"{key.replace('_', ' ')} {_said(each)}" for key, each in value.items())
            yield Fact(label, ", ".join(parts))
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            yield Fact(label, "; ".join(value))
        else:
            yield Fact(label, _said(value))


def _said(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
