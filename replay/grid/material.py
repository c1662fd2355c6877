"""What the cases play: a short recording, and what is said in it, made as long as a case needs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from replay.errors import MachineError

_SPEECH = Path(__file__).parent / "speech.flac"
_WORDS = Path(__file__).parent / "speech.words.json"
#: Added noise, in steps of 16-bit samples. Without it the speech repeats itself, and silence is
#: like any other: nobody could tell which part of it was lost.
_NOISE = 3


@dataclass(frozen=True, slots=True)
class Material:
    """`wav`: 16 kHz, 16 bit, mono. `words`: what is said in it, and when."""

    wav: Path
    words: Path


def names(directory: Path, seconds: float) -> Material:
    """Where speech of this length lies, once it is made."""
    stem = f"speech-{seconds:g}s"
    return Material(directory / f"{stem}.wav", directory / f"{stem}.words.json")


def make(directory: Path, seconds: float) -> Material:
    """Write speech of this length, unless it is there already.

    Raises:
        MachineError: it cannot be written.
    """
    material = names(directory, seconds)
    if material.wav.exists() and material.words.exists():
        return material
    speech, rate = soundfile.read(_SPEECH, dtype="int16")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(material.words, _script(len(speech) / rate, seconds))
        samples = io.BytesIO()
        soundfile.write(samples, _samples(speech, round(seconds * rate)), rate, format="WAV")
        _write(material.wav, samples.getvalue())
    except OSError as error:
        raise MachineError(f"{directory}: cannot be written: {error.strerror}") from None
    return material


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: other cells may be waiting for the same file."""
    with NamedTemporaryFile(dir=path.parent, delete=False) as partial:
        partial.write(data)
    Path(partial.name).replace(path)


def _samples(speech: NDArray[Any], count: int) -> NDArray[np.int16]:
    noise = np.random.default_rng(0).integers(-_NOISE, _NOISE + 1, count)
    mixed = np.clip(np.resize(speech, count).astype(np.int32) + noise, -32768, 32767)
    samples: NDArray[np.int16] = mixed.astype(np.int16)
    return samples


def _script(period: float, seconds: float) -> bytes:
    spoken = msgspec.json.decode(_WORDS.read_bytes())["words"]
    words = [
        {**word, "start": word["start"] + shift, "end": word["end"] + shift}
        for shift in np.arange(0, seconds, period).tolist()
        for word in spoken
    ]
    heard = [word for word in words if word["end"] <= seconds]
    return msgspec.json.encode({"words": heard})
