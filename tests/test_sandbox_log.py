"""What a sandbox writes into its log, in either form."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from replay.sandbox import log

SANDBOX = [sys.executable, "-m", "replay", "sandbox", "--port", "0", "--recognizer", "silent"]
KEY = "made-up-key-that-nobody-may-read"


def told_to_the_end(websocket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        websocket.send('{"type": "stop_recording"}')
        while True:
            websocket.recv(timeout=10)


def said_by_a_session(form: str) -> tuple[str, str, str]:
    """A session from beginning to end, an unknown token, a wrong key, and a body that is none: the
    session's id, its token, and all that was logged."""
    command = [*SANDBOX, "--log", form, "--log-level", "debug", "--api-key", KEY]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, trust_env=False, headers={"x-gladia-key": KEY}) as client:
            opened = client.post("/v2/live", json={}).json()
            client.post("/v2/live", content=b"{")
            client.get("/v2/live", headers={"x-gladia-key": KEY + "x"})
        for end in ("x", ""):
            with connect(opened["url"] + end, proxy=None) as websocket:
                told_to_the_end(websocket)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=30)
    return opened["id"], opened["url"].partition("token=")[2], said


def test_json_lines() -> None:
    """With `--log json` every line on standard error is an object with its time in UTC; those about
    a session name it; neither its token nor the key is in any."""
    session, token, said = said_by_a_session("json")
    lines = [json.loads(line) for line in said.splitlines()]
    about = [line for line in lines if line.get("session") == session]
    assert [line["message"] for line in about if line["level"] == "info"] == [
        f"session {session}: opened",
        f"session {session}: done",
    ]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line)
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    assert token
    assert token not in said
    assert KEY not in said


def test_text_lines() -> None:
    """As text it says the same to people, with the same left out."""
    session, token, said = said_by_a_session("text")
    assert re.search(
        rf"^\d{{4}}-\S+ \S+ INFO replay\.sandbox\.hub: session {session}: done$", said, re.MULTILINE
    )
    assert token not in said
    assert KEY not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_that_others_say_are_hidden(form: str) -> None:
    """A library that logs a URL, or an exception that quotes the key, gives nothing away."""
    program = f"""
import logging
from replay.sandbox.log import SESSION, start_log
start_log({form!r}, "info", {KEY!r})
logging.getLogger("other").info("dialled ws://x/v2/live?token=%s&more=1", "s3cret")
SESSION.set("some-session")
try:
    raise ValueError({KEY!r})
except ValueError:
    logging.getLogger("other").exception("what was that?")
logging.getLogger("other").debug("unseen")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stderr
    assert "s3cret" not in said
    assert KEY not in said
    assert "token=***&more=1" in said
    assert "ValueError: ***" in said
    assert "unseen" not in said
    if form == "json":
        first, second = map(json.loads, said.splitlines())
        assert (first["level"], first["logger"]) == ("info", "other")
        assert "session" not in first
        assert second["session"] == "some-session"
        assert second["message"] == "what was that?"
        assert second["traceback"].endswith("ValueError: ***")


def test_what_ends_it_is_a_line_too(tmp_path: Path) -> None:
    """With `--log json` warnings of the start and the reason of the end are objects as well; the
    exit code stays."""
    place = tmp_path / "file"
    place.write_text("")
    command = [*SANDBOX, "--log", "json", "--defect", "lose", "--data", str(place / "below")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    warning, reason = map(json.loads, done.stderr.splitlines())
    assert (warning["level"], warning["message"]) == ("warning", "planted defects: lose")
    assert reason["level"] == "critical"
    assert str(place) in reason["message"]


def test_the_line_is_made_from_the_record() -> None:
    """The time is the record's own, to the millisecond, in UTC."""
    record = logging.LogRecord("a.b", logging.WARNING, "", 0, "%d left", (3,), None)
    record.created = 1_700_000_000.25
    assert json.loads(log._Json(None).format(record)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "a.b",
        "message": "3 left",
    }
