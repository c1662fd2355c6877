"""Audio formats, and the only arithmetic between bytes, samples and seconds.

A *frame* is one sample of every channel. All positions in session audio are byte offsets from the
first byte of the session; a WAV header is never part of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from msgspec import Struct

from replay.errors import ConfigError

NS = 1_000_000_000

SAMPLE_RATES = (8000, 16000, 32000, 44100, 48000)
BIT_DEPTHS = (8, 16, 24, 32)
MAX_CHANNELS = 8


class Encoding(Enum):
    """How one sample is written. The value is the `wFormatTag` of a WAV header."""

    PCM = 1
    ALAW = 6
    ULAW = 7


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The form of session audio: interleaved samples, little-endian, 8-bit PCM unsigned.

    Attributes:
        frame_bytes: of one frame (the block align of a WAV header).

    Raises:
        ConfigError: a value the service does not take; the message names the allowed ones.
    """

    encoding: Encoding = Encoding.PCM
    sample_rate: int = 16000
    bit_depth: int = 16
    channels: int = 1
    frame_bytes: int = field(init=False, repr=False, compare=False)
    bytes_per_second: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.sample_rate not in SAMPLE_RATES:
            raise ConfigError(f"sample rate {self.sample_rate}: use one of {_list(SAMPLE_RATES)}")
        if self.bit_depth not in BIT_DEPTHS:
            raise ConfigError(f"bit depth {self.bit_depth}: use one of {_list(BIT_DEPTHS)}")
        if self.encoding is not Encoding.PCM and self.bit_depth != 8:
            raise ConfigError(
                f"{self.encoding.name.lower()} has 8 bits a sample, not {self.bit_depth}"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ConfigError(f"{self.channels} channels: use 1 to {MAX_CHANNELS}")
        # Asked for with every chunk, so not worked out each time.
        object.__setattr__(self, "frame_bytes", self.bit_depth // 8 * self.channels)
        object.__setattr__(self, "bytes_per_second", self.frame_bytes * self.sample_rate)

    def align(self, offset: int) -> int:
        """The last frame boundary at or before `offset`."""
        return offset - offset % self.frame_bytes

    def seconds(self, size: int) -> float:
        """How long `size` bytes sound."""
        return size / self.bytes_per_second

    def nanoseconds(self, size: int) -> int:
        """How long `size` bytes sound, in whole nanoseconds (rounded to the nearest)."""
        return (size * NS * 2 + self.bytes_per_second) // (self.bytes_per_second * 2)

    def bytes_in(self, seconds: float | Fraction) -> int:
        """Bytes of the whole frames nearest to `seconds`."""
        return round(seconds * self.sample_rate) * self.frame_bytes

    def silence(self, size: int) -> bytes:
        """`size` bytes that sound like nothing."""
        return self._zero * size

    @property
    def _zero(self) -> bytes:
        if self.encoding is Encoding.ALAW:
            return b"\xd5"
        if self.encoding is Encoding.ULAW:
            return b"\xff"
        return b"\x80" if self.bit_depth == 8 else b"\x00"


class Chunk(Struct, frozen=True):
    """A piece of session audio as a source gives it out.

    Attributes:
        offset: position of its first byte in the session's audio.
        data: whole frames, in the session's format.
        arrival: for live sources, when the packet that completed it came in, in seconds on
            trio's clock; None for recordings.
    """

    offset: int
    data: bytes
    arrival: float | None = None

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


HEADER_BYTES = 44
_SIZE_MAX = 0xFFFFFFFF


def wav_header(fmt: AudioFormat, size: int | None) -> bytes:
    """The 44 bytes before `size` bytes of audio; None (still growing) is written as all ones.

    Layout: RIFF/WAVE with a 16-byte `fmt ` chunk and a `data` chunk (Multimedia Programming
    Interface and Data Specifications 1.0, 1991).
    """
    data = _SIZE_MAX if size is None or size > _SIZE_MAX - 36 else size
    riff = _SIZE_MAX if data == _SIZE_MAX else data + 36
    return b"RIFF" + struct.pack(
        "<I8sIHHIIHH4sI",
        riff,
        b"WAVEfmt ",
        16,
        fmt.encoding.value,
        fmt.channels,
        fmt.sample_rate,
        fmt.bytes_per_second,
        fmt.frame_bytes,
        fmt.bit_depth,
        b"data",
        data,
    )


def wav_data_offset(head: bytes) -> int | None:
    """Where the samples of a WAV file begin, or None while `head` is too short to tell.

    Chunk sizes are believed up to `data`, whose own size is not looked at: streaming writers put
    0 or 0xFFFFFFFF there. Returns 0 when `head` does not begin a WAV file.
    """
    if head[:4] != b"RIFF"[: len(head)] or head[8:12] != b"WAVE"[: max(0, len(head) - 8)]:
        return 0
    return next((at for name, at in _wav_chunks(head) if name == b"data"), None)


_EXTENSIBLE = 0xFFFE


def wav_differences(head: bytes, fmt: AudioFormat) -> list[str]:
    """What the header of a WAV file says of its samples that is not so of `fmt`, in words.

    `head`: as far as the samples. An extensible header names the encoding in its sub-format.
    """
    at = next((at for name, at in _wav_chunks(head) if name == b"fmt "), None)
    if at is None or at + 16 > len(head):
        return ["it does not say what form its samples have"]
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at)
    if tag == _EXTENSIBLE and at + 26 <= len(head):
        (tag,) = struct.unpack_from("<H", head, at + 24)
    said = {
        "format tag": (tag, fmt.encoding.value),
        "channels": (channels, fmt.channels),
        "sample rate": (rate, fmt.sample_rate),
        "bits": (bits, fmt.bit_depth),
    }
    return [f"{name} {has}, not {is_}" for name, (has, is_) in said.items() if has != is_]


def _wav_chunks(head: bytes) -> Iterator[tuple[bytes, int]]:
    """The chunks of a WAV file: their names, and where their contents begin."""
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        yield name, at + 8
        at += 8 + size + size % 2


def _list(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))
