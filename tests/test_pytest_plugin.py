"""The pytest plugin, in a pytest of its own each time."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
#: A client of a few lines, and what a test needs beside it.
CLIENT = """
import json, os, sys
from pathlib import Path

import httpx
import pytest

CLIENT = httpx.Client(trust_env=False)

def open_session(url, key=""):
    answer = CLIENT.post(f"{url}/v2/live", json={}, headers={"x-gladia-key": key})
    return answer.raise_for_status().json()["id"]
"""


def run_pytest(place: Path, *options: str, cwd: Path | None = None) -> str:
    """What a pytest with no other plugin says about the tests in `place`; warnings are errors."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("GLADIA_API_URL", None)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "replay.pytest_plugin"),
            *("-p", "no:cacheprovider", "-q", *options, place),
        ],
        cwd=cwd or place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout


def write(place: Path, tests: str, args: str = "--recognizer silent") -> Path:
    (place / "test_it.py").write_text(CLIENT + tests)
    lines = ["[pytest]", "filterwarnings = error", f"stt_sandbox_args = {args}"]
    (place / "pytest.ini").write_text("\n".join(lines))
    return place


def outcomes(said: str) -> dict[str, int]:
    """How many passed, failed and so on."""
    found = re.findall(r"(\d+) (passed|failed|errors?|skipped|warnings?)\b", said.splitlines()[-1])
    return {word.rstrip("s") if word == "errors" else word: int(count) for count, word in found}


def test_the_example_runs() -> None:
    """The example beside the README, with the published SDK, hears what the script says."""
    said = run_pytest(EXAMPLES)
    assert outcomes(said).get("passed") == 1, said
    assert "failed" not in said


def test_the_readme_shows_the_example() -> None:
    """What the README shows is what is run."""
    readme = (ROOT / "README.md").read_text()
    test = (EXAMPLES / "test_my_client.py").read_text()
    assert f"```python\n{test}```" in readme
    assert f"```ini\n{(EXAMPLES / 'pytest.ini').read_text()}```" in readme


def test_it_is_declared() -> None:
    """The package tells pytest of the plugin, and the fixtures are there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["pytest11"]
    assert named == {"stt_sandbox": "replay.pytest_plugin"}
    plugin = importlib.import_module(named["stt_sandbox"])
    assert plugin.stt_sandbox
    assert plugin.stt_sandbox_url


def test_each_test_sees_its_own_jobs(tmp_path: Path) -> None:
    """One process serves all tests; each is told of the sessions opened since it began, oldest
    first, also where those of before were deleted."""
    write(
        tmp_path,
        """
def test_one(stt_sandbox, stt_sandbox_url):
    assert stt_sandbox.jobs() == []
    opened = [open_session(stt_sandbox.url) for _ in range(102)]
    assert [job["id"] for job in stt_sandbox.jobs()] == opened
    assert {job["status"] for job in stt_sandbox.jobs()} == {"queued"}
    assert stt_sandbox.url == stt_sandbox_url == os.environ["GLADIA_API_URL"]

def test_two(stt_sandbox, stt_sandbox_url):
    assert stt_sandbox.url == stt_sandbox_url
    assert stt_sandbox.jobs() == []
    opened = open_session(stt_sandbox.url)
    (job,) = stt_sandbox.jobs()
    assert job["id"] == opened

def test_without():
    assert "GLADIA_API_URL" not in os.environ
""",
    )
    said = run_pytest(tmp_path)
    assert outcomes(said) == {"passed": 3}, said


def test_what_was_deleted_hides_nothing(tmp_path: Path) -> None:
    """A test that removes the last session of before is not told of older ones."""
    write(
        tmp_path,
        """
from websockets.sync.client import connect

def one_session(sandbox):
    opened = httpx.post(f"{sandbox.url}/v2/live", json={}, trust_env=False).json()
    with connect(opened["url"], proxy=None) as websocket:
        websocket.send('{"type": "stop_recording"}')
        for _message in websocket:
            pass  # until it is closed
    return opened["id"]

def test_one(stt_sandbox):
    told = [one_session(stt_sandbox) for _ in range(2)]
    assert [(job["id"], job["status"]) for job in stt_sandbox.jobs()] == [
        (each, "done") for each in told
    ]
    Path("last.txt").write_text(told[-1])

def test_two(stt_sandbox):
    last = Path("last.txt").read_text()
    httpx.delete(f"{stt_sandbox.url}/v2/live/{last}", trust_env=False).raise_for_status()
    opened = open_session(stt_sandbox.url)
    assert [job["id"] for job in stt_sandbox.jobs()] == [opened]
""",
    )
    said = run_pytest(tmp_path)
    assert outcomes(said) == {"passed": 2}, said


def test_options_come_from_the_configuration(tmp_path: Path) -> None:
    """`stt_sandbox_args` are the options of `replay sandbox`; paths begin at pytest's rootdir,
    wherever pytest is started; a key that they ask for opens the list of jobs too."""
    place = tmp_path / "project"
    place.mkdir()
    (place / "words.json").write_text(json.dumps({"words": []}))
    (place / "key.txt").write_text("made-up\n")
    write(
        place,
        """
def test_key(stt_sandbox):
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        open_session(stt_sandbox.url, "another")
    opened = open_session(stt_sandbox.url, "made-up")
    assert [job["id"] for job in stt_sandbox.jobs()] == [opened]
""",
        "--script words.json --api-key-file key.txt",
    )
    said = run_pytest(place, cwd=tmp_path)
    assert outcomes(said) == {"passed": 1}, said


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ("--nonsense", "stt_sandbox_args: No such option"),
        ("--port many", "stt_sandbox_args: Invalid value for '--port'"),
        ("--api-key-file none.txt", "no such file or directory"),
        ("--script none.json", "stt_sandbox_args: the sandbox did not start"),
    ],
)
def test_wrong_options_are_one_line(args: str, reason: str, tmp_path: Path) -> None:
    """What cannot be fails each test that asks, with the reason and no traceback."""
    write(tmp_path, "def test_it(stt_sandbox): pass\ndef test_other(): pass", args)
    said = run_pytest(tmp_path)
    assert outcomes(said) == {"passed": 1, "error": 1}, said
    assert reason in said
    assert "Traceback" not in said
    assert ".py:" not in said.replace("test_it.py::", "")


def test_each_worker_has_its_own(tmp_path: Path) -> None:
    """Under pytest-xdist every worker starts one, and none is left when the tests are over."""
    write(
        tmp_path,
        """
import psutil

def test_it(stt_sandbox, worker_id):
    assert len(stt_sandbox.jobs()) == 0
    (child,) = psutil.Process().children()
    Path(f"{worker_id}.json").write_text(json.dumps([stt_sandbox.url, child.pid]))
""",
    )
    said = run_pytest(tmp_path, "-p", "xdist.plugin", "--tx", "2*popen", "--dist", "each")
    assert outcomes(said) == {"passed": 2}, said
    told = [json.loads(path.read_text()) for path in tmp_path.glob("gw*.json")]
    assert len({url for url, _ in told}) == 2
    assert not any(psutil.pid_exists(pid) for _, pid in told)


def test_nothing_happens_unasked(tmp_path: Path) -> None:
    """Where no test asks for it, nothing is started and nothing of weight is loaded."""
    (tmp_path / "test_it.py").write_text(
        """
import sys

def test_it():
    ours = {name for name in sys.modules if name.split(".")[0] == "replay"}
    assert ours == {"replay", "replay.pytest_plugin"}
    assert {"trio", "httpx", "click"}.isdisjoint(sys.modules)
"""
    )
    said = run_pytest(tmp_path, "-W", "error")
    assert outcomes(said) == {"passed": 1}, said
