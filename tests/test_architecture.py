"""The floors of the house, held by reading the imports of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import replay
import replay.sandbox
from replay.wire import http
from replay.wire import messages as m

ROOT = Path(replay.__file__).parent

#: Each module or package, and its floor. A new one must be given its place here.
FLOORS = {
    # Ground: formats, the protocol's words, the journal's lines.
    **dict.fromkeys(("errors", "audio", "lines", "pcm", "units", "journal", "wire"), 0),
    # Pure: values in, values out.
    **dict.fromkeys(("counter", "ledger", "pace", "policy", "session", "faults"), 1),
    **dict.fromkeys(
        ("judge", "align", "bytediff", "continuity", "latency", "outages", "pacing", "recoveries"),
        1,
    ),
    **dict.fromkeys(
        ("callbacks", "resources", "stability", "statistics", "summary", "timeline"), 1
    ),
    **dict.fromkeys(("normalising", "transcript", "utterances", "validity", "words"), 1),
    **dict.fromkeys(("cadence", "connect", "ends", "lags", "network", "reading", "waterfall"), 1),
    "samples": 1,
    **dict.fromkeys(
        ("benchmark", "catalogue", "charts", "checks", "compare", "conditions", "figures"), 1
    ),
    **dict.fromkeys(("endurance", "outcomes", "trace"), 1),
    "capacity": 1,
    # Rooms that own a piece of the outside world.
    **dict.fromkeys(("tasks", "recorder", "spill", "observer", "transport", "source"), 2),
    "waiting": 2,
    **dict.fromkeys(("machine", "rundir", "storing", "watching", "workers"), 2),
    # Actors.
    **dict.fromkeys(("opening", "connector", "client", "player", "recording"), 3),
    **dict.fromkeys(("sandbox", "proxy", "receiver"), 3),
    # What a verb does, and how it looks.
    **dict.fromkeys(("target", "take", "run", "calling", "proxying", "controls"), 4),
    **dict.fromkeys(("verify", "report"), 4),
    **dict.fromkeys(("bench", "crowd", "grid", "selftest", "soak"), 4),
    **dict.fromkeys(("simulation", "simulating", "repeating", "shrinking"), 4),
    # The command line.
    **dict.fromkeys(("cli", "__main__"), 5),
    # Options as on the command line, from pytest's configuration.
    "pytest_plugin": 5,
}
PURE = 1
#: What a pure room may not touch: clocks, sockets, logs, tasks.
OUTSIDE = {"trio", "trio_websocket", "httpx", "asyncio", "socket", "ssl", "time", "logging"}
OUTSIDE |= {"threading", "subprocess", "tempfile", "random", "secrets", "os", "psutil", "av"}


def modules() -> dict[str, str]:
    """Every module below the package by its dotted name, and its text."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path.read_text()
    return found


@cache
def known() -> frozenset[str]:
    return frozenset(modules())


def imports(text: str) -> Iterator[tuple[str, str]]:
    """Everything that `text` imports: the module, and the name taken from it, if one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


def ours(text: str) -> set[str]:
    """The modules of the project that `text` imports."""
    found = set()
    for module, name in imports(text):
        if module.split(".")[0] != "replay":
            continue
        full = f"{module}.{name}".removeprefix("replay.").rstrip(".")
        while full and full not in known():
            full = full.rpartition(".")[0]
        if full:
            found.add(full)
    return found


def floor(name: str) -> int:
    place = FLOORS.get(name.split(".")[0])
    assert place is not None, f"replay/{name.split('.')[0]} has no floor: give it one"
    return place


def faults_of(name: str, text: str) -> list[str]:
    """What in a module's text breaks a rule of the house."""
    here = floor(name)
    wrong = [f"{name} imports {up}, a floor above" for up in sorted(ours(text)) if floor(up) > here]
    for module, taken in imports(text):
        if module.startswith("."):
            wrong.append(f"{name} imports relatively")
        top = module.split(".")[0]
        if here <= PURE and top in OUTSIDE and (module, taken) != ("random", "Random"):
            wrong.append(f"{name} is pure and imports {module}")
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if here <= PURE and isinstance(node, ast.AsyncFunctionDef | ast.Await):
            wrong.append(f"{name} is pure and waits, line {node.lineno}")
        if isinstance(node, ast.ExceptHandler) and _names(node.type) & {"BaseException", ""}:
            wrong.append(f"{name} catches everything, line {node.lineno}")
    if name.split(".")[0] != "wire":
        wrong += [f"{name} knows {word!r}, line {at}" for word, at in protocol_words(tree)]
    return wrong


def _names(node: ast.expr | None) -> set[str]:
    if node is None:
        return {""}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


#: Types whose names are everyday words, and would be found everywhere.
EVERYDAY = {"error", "transcript", "translation"}
WORDS = frozenset(
    {m.message_type(kind) for kind in m.ServerMessage.__args__} - EVERYDAY
    | {http.API_KEY_HEADER, http.LIVE_PATH, http.HEALTH_PATH, http.OFFICIAL_URL}
)
CODES = range(4400, 5000)


def protocol_words(tree: ast.Module) -> Iterator[tuple[str | int, int]]:
    """Words and codes of the protocol that stand in the code, outside its docstrings."""
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in prose:
            continue
        if _known(node.value):
            yield node.value, node.lineno


def _known(value: object) -> bool:
    if isinstance(value, str):
        return value in WORDS or value.startswith(http.LIVE_PATH + "/")
    return type(value) is int and value in CODES


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_keeps_to_its_floor(name: str) -> None:
    """No import upwards, nothing of the outside world in a pure room, the protocol's words only in
    `wire`, nothing caught that should not be."""
    assert faults_of(name, modules()[name]) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ledger", "from replay import client", "imports client, a floor above"),
        ("ledger", "from replay.client import LiveSession", "imports client, a floor above"),
        ("wire.messages", "import replay.session", "imports session, a floor above"),
        ("client", "def f():\n    from replay.run import run", "imports run, a floor above"),
        ("ledger", "from . import client", "relatively"),
        ("session", "import time", "is pure and imports time"),
        ("session", "import random", "is pure and imports random"),
        ("session", "from random import uniform", "is pure and imports random"),
        ("pace", "import trio.testing", "is pure and imports trio.testing"),
        ("pace", "async def f(): pass", "is pure and waits"),
        ("client", "try: pass\nexcept BaseException: pass", "catches everything"),
        ("client", "try: pass\nexcept: pass", "catches everything"),
        ("client", "kind == 'stop_recording'", "knows 'stop_recording'"),
        ("cli.run", "path = '/v2/live/' + x", "knows '/v2/live/'"),
        ("connector", "if code == 4403: pass", "knows 4403"),
    ],
)
def test_the_check_finds_what_is_planted(name: str, text: str, said: str) -> None:
    """Planted: each rule is broken once, and the check says so."""
    found = faults_of(name, text)
    assert len(found) == 1
    assert said in found[0]


def test_what_is_allowed_is_not_found() -> None:
    """Downward imports, a generator that is handed in, and prose are fine."""
    text = '"""stop_recording goes to /v2/live."""\nfrom random import Random\nimport replay.audio'
    assert faults_of("session", text) == []


def test_a_module_without_a_place_is_found() -> None:
    """A new module must be put into the table."""
    with pytest.raises(AssertionError, match="has no floor"):
        floor("attic")


def test_no_module_imports_itself_by_way_of_others() -> None:
    """There are no circles: every module can be read after those that it imports."""
    below = {
        name: {each for each in ours(text) if each != name and not name.startswith(each + ".")}
        for name, text in modules().items()
    }
    done: set[str] = set()
    while ready := {name for name in below if name not in done and below[name] <= done}:
        done |= ready
    assert set(below) - done == set()


# ------------------------------------------------------------------ what is loaded when


def loaded_by(code: str) -> set[str]:
    """Which of the heavy libraries are loaded after `code` ran in a fresh interpreter."""
    show = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, cwd=ROOT.parent
    )
    assert done.returncode == 0, done.stderr
    heavy = {"trio", "httpx", "av", "numpy", "msgspec", "rich", "starlette", "hypercorn", "yaml"}
    return heavy & set(done.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    """`import replay` costs nothing until a name is used."""
    assert loaded_by("import replay") == set()
    assert "trio" in loaded_by("import replay; replay.open_session")
    assert loaded_by("import replay.sandbox") == set()
    assert loaded_by("from replay.sandbox import sandbox_process_sync") == {"msgspec"}


def test_the_pytest_plugin_loads_nothing() -> None:
    """Every pytest on a machine loads it, whether it has a use for it or not."""
    assert loaded_by("import pytest; import replay.pytest_plugin") == set()


def test_help_loads_nothing_heavy() -> None:
    """`replay --help` answers without the libraries that the verbs need."""
    code = """
import sys
from replay.cli import main
sys.argv = ["replay", "--help"]
try:
    main()
except SystemExit as done:
    assert not done.code
"""
    assert loaded_by(code) == set()


def test_every_public_name_is_there() -> None:
    """What the packages promise can be had, and nothing else pretends to be."""
    for package in (replay, replay.sandbox):
        for name in package.__all__:
            assert getattr(package, name) is not None
            assert name in dir(package)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        replay.sandbox.nothing_like_it  # noqa: B018
    assert {"open_session", "open_service", "LiveSession", "Policy", "Ticket"} < set(replay.__all__)
    assert replay.messages is m
    with pytest.raises(AttributeError, match="nothing_like_it"):
        replay.nothing_like_it  # noqa: B018
