"""The recipes in docs/ci.md: read by the schemas of whom they are for, and run.

What is run is the commands as they stand there. In the place of the programs that they call stand
small ones: `replay` plays a few seconds into a scripted sandbox, also where a recipe names the real
service, `pip` and `gh` only look at what they are asked for.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import junitparser
import numpy as np
import pytest
import soundfile
import yaml
from check_jsonschema.cli import main as check_schema
from click.testing import CliRunner
from needed import needed
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from replay.cli import root

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text()
KEY = "the-key-that-must-not-be-written"

WORDS = [
    {"word": "Good", "start": 0.1, "end": 0.3},
    {"word": "morning", "start": 0.35, "end": 0.7},
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def recipe(name: str) -> str:
    """The block that begins with this file's name."""
    return next(block for block in blocks("yaml") if block.startswith(f"# {name}\n"))


WORKFLOWS = [f".github/workflows/{n}.yml" for n in ("latency", "latency-versus", "latency-nightly")]
GITLAB = ".gitlab-ci.yml"

# ------------------------------------------------------------------ as they are read


@pytest.mark.parametrize("name", [*WORKFLOWS, GITLAB])
def test_a_recipe_fits_its_schema(name: str, tmp_path: Path) -> None:
    """Of GitHub's workflows and GitLab's pipelines, as their editors have them."""
    assert complaints(name, recipe(name), tmp_path) == ""


def test_the_additional_step_fits_too(tmp_path: Path) -> None:
    """The comment's, put at the end of the job that it belongs to."""
    step = next(block for block in blocks("yaml") if "gh pr comment" in block)
    assert complaints(WORKFLOWS[0], recipe(WORKFLOWS[0]) + step, tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (WORKFLOWS[0], "runs-on:", "run-on:"),
        (WORKFLOWS[0], "  push:", "  pushed:"),
        (GITLAB, "  script:", "  scripts:"),
        (GITLAB, "when: always", "when: ever"),
    ],
)
def test_the_schema_finds_what_is_planted(
    name: str, before: str, after: str, tmp_path: Path
) -> None:
    """A key or a value that is misspelt is found."""
    assert complaints(name, recipe(name).replace(before, after), tmp_path) != ""


def complaints(name: str, text: str, place: Path) -> str:
    path = place / Path(name).name
    path.write_text(text)
    schema = "vendor.gitlab-ci" if name == GITLAB else "vendor.github-workflows"
    done = CliRunner().invoke(check_schema, ["--builtin-schema", schema, str(path)])
    return "" if done.exit_code == 0 else done.output or "refused"


def commands(text: str) -> list[list[str]]:
    """Every command of ours in a shell's text, as words."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for words in map(split, lines) if words[:1] == ["replay"]]


def split(line: str) -> list[str]:
    """The words of a command, without what the shell makes of its output."""
    words = shlex.split(line, comments=True)
    return words[: next((k for k, word in enumerate(words) if word in (">>", ">", "&")), None)]


def shells() -> list[str]:
    """Everything that a shell is given on the page."""
    github = [step.get("run", "") for name in WORKFLOWS for step in steps(recipe(name))]
    gitlab = ["\n".join(job["script"]) for job in yaml.safe_load(recipe(GITLAB)).values()]
    return [*github, *gitlab, *blocks("sh")]


def steps(workflow: str) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(workflow)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("words", [each for text in shells() for each in commands(text)], ids=repr)
def test_its_commands_exist(words: list[str]) -> None:
    """Every verb and option is known, with a value that parses."""
    command = root.get_command(click.Context(root), words[1])
    assert command is not None, words[1]
    command.make_context(words[1], words[2:])


# ------------------------------------------------------------------ as they are run


@dataclass(frozen=True)
class Shop:
    """A checkout with a corpus and baselines, and programs in the place of those that it calls."""

    path: Path
    programs: Path
    ports: dict[str, str]

    @property
    def summary(self) -> Path:
        return self.path / "summary.md"

    def run(self, text: str, shell: tuple[str, ...], secret: bool = False) -> int:
        """The exit code of a step, without anything that it left behind."""
        for port, free in self.ports.items():
            text = text.replace(port, free)
        text = re.sub(r"\$\{\{.*?\}\}", "7", text)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GLADIA"))},
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **({"GLADIA_API_KEY": KEY} if secret else {}),
        }
        output = self.path / "output.txt"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [*shell, "-c", text],
                cwd=self.path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(60)
            finally:
                with suppress(ProcessLookupError):  # nothing is left of it
                    os.killpg(process.pid, signal.SIGKILL)
        print(output.read_text())
        return process.returncode


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for replay, pip and gh."""
    place = tmp_path_factory.mktemp("programs")
    script = place / "script.json"
    script.write_text(json.dumps({"words": WORDS}))
    latency = "partial=50ms,final=100ms"
    programs = {
        "replay": f"""#!{sys.executable}
import sys
from replay.cli import main
words = sys.argv[1:]
if words[0] == "bench":
    rounds = "2" if {{"main", "pull-request"}} & set(words) else "1"
    if "gladia" in words:
        at = words.index("--target")
        del words[at : at + 2]
    words += ["--runs", rounds, "--warmup", "0"]
    if "--target" not in words:
        words += ["--script", {str(script)!r}, "--sandbox-option=--latency={latency}"]
elif words[0] == "sandbox":
    words += ["--script", {str(script)!r}, "--latency", "{latency}"]
main(words)
""",
        "pip": '#!/bin/sh\nset -eu\n[ "$1" = install ]\n',
        "gh": '#!/bin/sh\nset -eu\n[ "$1 $2 $3 $4" = "pr comment 7 --body-file" ]\ntest -s "$5"\n',
    }
    for name, text in programs.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return place


@pytest.fixture
def shop(programs: Path, tmp_path: Path) -> Shop:
    return new_shop(programs, tmp_path)


@pytest.fixture(scope="module")
def baseline(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Made by the gate on a push, then put where the page says that one is committed."""
    shop = new_shop(programs, tmp_path_factory.mktemp("main"))
    follow(shop, recipe(WORKFLOWS[0]), "push")
    assert not shop.summary.exists()
    (text,) = [block for block in blocks("sh") if "ci/latency.json" in block]
    measured, rest = text.split("\n", 1)
    assert measured in recipe(WORKFLOWS[0])  # it was just played
    assert shop.run(rest, ("bash", "-e")) == 0
    return (shop.path / "ci" / "latency.json").read_bytes()


def new_shop(programs: Path, path: Path) -> Shop:
    """With one short recording, and its true word times."""
    (path / "corpus").mkdir()
    hum = (np.sin(np.arange(12_800) / 20) * 9000).astype(np.int16)
    soundfile.write(path / "corpus" / "hum.wav", hum, 16_000)
    truth = (programs / "script.json").read_text()
    (path / "corpus" / "hum.words.json").write_text(truth)
    return Shop(path, programs, {"8801": free_port(), "8802": free_port()})


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def commit(shop: Shop, name: str, data: bytes) -> None:
    """Put a file into the checkout."""
    (shop.path / "ci").mkdir(exist_ok=True)
    (shop.path / "ci" / name).write_bytes(data)


def follow(shop: Shop, workflow: str, event: str) -> None:
    """A workflow's steps on an event: those that measure may be inconclusive, since two rounds are
    little, and all others do what they are there for; what others' steps take is there for them."""
    for step in steps(workflow):
        when = step.get("if", "")
        if "github.event_name" in when and f"github.event_name == '{event}'" not in when:
            continue
        if "run" in step:
            code = shop.run(step["run"], ("bash", "-e"), secret="env" in step)
            assert code in ((0, 3) if "replay bench" in step["run"] else (0,)), step["run"]
        else:
            check_files(shop, step.get("with", {}))


def check_files(shop: Shop, given: dict[str, Any]) -> None:
    """Everything that another's step takes from the directory is there, and is what it takes."""
    for key in ("path", "report_paths", "output-file-path"):
        for line in given.get(key, "").splitlines():
            if not line.startswith("!"):
                assert (shop.path / line).exists(), line
    if "report_paths" in given:
        assert junitparser.JUnitXml.fromfile(str(shop.path / given["report_paths"]))
    if "output-file-path" in given:
        entries = json.loads((shop.path / given["output-file-path"]).read_text())
        assert {"name", "unit", "value"} <= set(entries[0])


def test_the_gate_runs(shop: Shop, baseline: bytes) -> None:
    """A pull request is compared with what a push to main has measured; the summary and what is
    kept are there, and the comment has something to say."""
    workflow = recipe(WORKFLOWS[0])
    cached = shop.path / "bench" / "main" / "bench.json"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(baseline)
    comment = next(block for block in blocks("yaml") if "gh pr comment" in block)
    follow(shop, workflow + comment, "pull_request")
    summary = shop.summary.read_text()
    assert re.match(r"## . (pass|unknown): `pull-request`\n", summary)
    assert "`pull-request` against `bench/main`" in summary
    assert "word_final.p50 > +10%" in summary


def test_two_servers_are_compared_in_turns(shop: Shop) -> None:
    """Both are started, waited for and compared; nothing of them is left."""
    needed("curl")
    follow(shop, recipe(WORKFLOWS[1]), "pull_request")
    assert re.search(r"`B \(http://.*\)` against `A \(http://.*\)`", shop.summary.read_text())
    for port in shop.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_the_night_runs(shop: Shop, baseline: bytes) -> None:
    """With a sandbox in the place of the service; the key goes into no file."""
    commit(shop, "latency-nightly.json", baseline)
    follow(shop, recipe(WORKFLOWS[2]), "schedule")
    assert "against `ci/latency-nightly.json`" in shop.summary.read_text()
    files = [path for path in shop.path.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_gitlab_runs(shop: Shop, baseline: bytes) -> None:
    """Both jobs; the reports that it shows in a merge request are what it reads."""
    for name in ("latency.json", "latency-nightly.json"):
        commit(shop, name, baseline)
    for job in yaml.safe_load(recipe(GITLAB)).values():
        code = shop.run("\n".join(job["script"]), ("bash", "-eo", "pipefail"), secret=True)
        assert code in (0, 3)
        for path in job["artifacts"]["paths"]:
            assert (shop.path / path).is_dir()
        reports = job["artifacts"]["reports"]
        assert junitparser.JUnitXml.fromfile(str(shop.path / reports["junit"]))
        if "metrics" in reports:
            text = (shop.path / reports["metrics"]).read_text()
            assert list(text_string_to_metric_families(text))


def test_a_gate_without_its_baseline_does_not_pass(shop: Shop) -> None:
    """Planted: the cache was empty. The step fails, and nothing was played."""
    step = next(s for s in steps(recipe(WORKFLOWS[0])) if s.get("name") == "Measure and compare")
    assert shop.run(step["run"], ("bash", "-e")) == 2


def test_it_installs_what_there_is() -> None:
    """The package and its extras are this project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, extra in re.findall(r"pip install '?([\w-]+)(?:\[(\w+)\])?", PAGE):
        assert name == project["name"]
        assert not extra or extra in project["optional-dependencies"]
