"""Published clients, unmodified, against the sandbox with its real recogniser; `make interop`.

Each plays the same thirteen seconds of speech. What it says it was told must be what the sandbox's
result says, the job must be done, and the recording must be the audio that was played. Clients that
say they resume then do it again with their connection cut after four seconds of audio. Prints a
table as Markdown; exits with 1 if anything failed.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import soundfile

ROOT = Path(__file__).parent.parent
AGENTS = ROOT / "tests" / "agents"
SECONDS = 13
CUT = "reset @ audio 4s"
LIMIT = 180
OURS = sys.executable
OTHERS = str(ROOT / ".venv-interop" / "bin" / "python")
REPLAY = [OURS, "-m", "replay"]


@dataclass(frozen=True)
class Client:
    """`resumes`: it says it survives a cut. `tail`: silence that it plays behind the recording."""

    name: str
    command: list[str]
    resumes: bool = False
    tail: float = 0.0


CLIENTS = [
    Client("gladiaio-sdk (threads)", [OURS, str(AGENTS / "sdk_sync.py")], resumes=True),
    Client("gladiaio-sdk (asyncio)", [OURS, str(AGENTS / "sdk_async.py")], resumes=True),
    Client("@gladiaio/sdk", ["node", str(AGENTS / "sdk.mjs")], resumes=True),
    Client("livekit-plugins-gladia, stream", [OTHERS, str(AGENTS / "livekit_stream.py")], tail=2),
    Client("livekit-plugins-gladia, batch", [OTHERS, str(AGENTS / "livekit_batch.py")]),
    Client("pipecat-ai", [OTHERS, str(AGENTS / "pipecat_service.py")], resumes=True, tail=2),
]


@contextmanager
def sandbox() -> Iterator[str]:
    """The URL of one; it ends with the block."""
    process = subprocess.Popen(
        [*REPLAY, "sandbox", "--port", "0", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.communicate()


def speech(path: Path) -> bytes:
    """The recording that everybody plays, and its samples."""
    samples, rate = soundfile.read(ROOT / "fixtures" / "demo.flac", dtype="int16")
    samples = samples[: SECONDS * rate]
    soundfile.write(path, samples, rate)
    return samples.tobytes()


def play(client: Client, wav: Path, url: str, played: bytes) -> str:
    """What is wrong with an undisturbed session; nothing is."""
    ended = subprocess.run(
        [*client.command, str(wav)],
        env={**os.environ, "GLADIA_API_URL": url, "GLADIA_API_KEY": "any"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    if ended.returncode:
        return f"exit code {ended.returncode}: {ended.stderr.strip()[-300:]}"
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        job = finished(http)
        if job["status"] != "done":
            return f"the job is {job['status']}"
        text = job["result"]["transcription"]["full_transcript"]
        told = " ".join(finals(ended.stdout))
        if not text or told != text:
            return f"told {told!r}, the result is {text!r}"
        answer = http.get(f"/v2/live/{job['id']}/file")
    recorded = soundfile.read(io.BytesIO(answer.content), dtype="int16")[0].tobytes()
    silence = bytes(len(recorded) - len(played))
    if recorded != played + silence or len(silence) > client.tail * 32_000:
        return "the recording is not what was played"
    return ""


def finished(http: httpx.Client) -> dict[str, Any]:
    """The last job, when it is over: clients that hang up early are finished without them."""
    while True:
        (job,) = http.get("/v2/live", params={"limit": 1}).json()["items"]
        if job["status"] not in ("queued", "processing"):
            return dict(job)
        time.sleep(0.1)


def finals(output: str) -> Iterator[str]:
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("final") and message.get("text"):
            yield message["text"].strip()


def cut(client: Client, wav: Path, url: str, journals: Path) -> str:
    """What is wrong with a session whose connection broke once; nothing is."""
    proxy = [*REPLAY, "proxy", "--target", url, "--fault", CUT, "--journal", str(journals)]
    ended = subprocess.run(
        [*proxy, "--", *client.command, str(wav)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return "" if ended.returncode == 0 else ended.stderr.strip()[-400:] or f"{ended.returncode}"


def main() -> int:
    failed = 0
    print("| client | undisturbed | cut after 4 s |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch, sandbox() as url:
        wav = Path(scratch) / "speech.wav"
        played = speech(wav)
        for number, client in enumerate(CLIENTS):
            wrong = [play(client, wav, url, played)]
            if client.resumes:
                wrong.append(cut(client, wav, url, Path(scratch) / str(number)))
            cells = [("ok" if not text else text.replace("\n", " ")) for text in wrong]
            cells += ["does not resume"] * (2 - len(cells))
            print(f"| {client.name} | {' | '.join(cells)} |", flush=True)
            failed += any(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
