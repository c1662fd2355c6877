"""What the README says is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest
from recordings import FIXTURES

from replay.cli import VERBS, root

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """Every command line of ours in the README, without its comment."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("replay ")]


@pytest.mark.parametrize("line", commands())
def test_its_commands_exist(line: str) -> None:
    """Every verb and option in it is known, with a value that parses."""
    words = shlex.split(line, comments=True)[1:]
    if ">" in words:
        words = words[: words.index(">")]
    command: click.Command = root
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
    command.make_context(command.name or "", words)


def test_it_names_every_verb() -> None:
    """Nothing that the command line can do goes unsaid."""
    said = README + "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    assert [verb for verb in VERBS if f"replay {verb}" not in said] == []


def test_its_targets_and_links_exist() -> None:
    """Its make targets are in the Makefile, its pictures and files in the repository."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_its_example_runs(tmp_path: Path) -> None:
    """The program in it transcribes a recording through a sandbox that says a script."""
    example = next(block for block in blocks("python") if "open_session" in block)
    program = tmp_path / "example.py"
    program.write_text(example)
    sandbox = subprocess.Popen(
        [
            *(sys.executable, "-m", "replay", "sandbox", "--port", "0"),
            *("--script", FIXTURES / "good-morning.words.json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sandbox.stdout is not None
        url = re.search(r'"url": ?"([^"]+)"', sandbox.stdout.readline())
        assert url is not None
        done = subprocess.run(
            [sys.executable, program, url[1], FIXTURES / "good-morning.wav"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        sandbox.terminate()
        sandbox.communicate()
    assert done.stderr == ""
    said = (FIXTURES / "good-morning.txt").read_text().strip()
    assert done.stdout.splitlines()[-1] == said


def test_its_sandbox_runs() -> None:
    """The few lines in it that start a sandbox do, and leave none behind."""
    example = next(block for block in blocks("python") if "sandbox_process_sync" in block)
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", done.stdout)
    with pytest.raises(httpx.ConnectError):
        httpx.get(done.stdout.strip(), trust_env=False)
