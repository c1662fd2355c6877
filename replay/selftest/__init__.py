"""The instrument's own error: known truths in, measured values out.

`trials` are scripted sessions; `predict` says what happens in one, `truth` what every figure has to
be; `play` plays them for real; `measured` is what the instrument makes of that; `judge` puts both
beside each other; `resolution` says what differences this machine can tell apart. `run_selftest` is
the whole of it.

What a figure is off by, where all is well, is a positive constant: a chunk that is due has to be
picked up, framed and handed to the socket, has to cross the loopback and to be read and unframed,
and the answer takes the same way back. The sandbox counts its delays from when it has read a
message, keeps them to some hundredths of a millisecond, and writes what is due at once; so what is
left is about half of a millisecond of work and waking on a current machine, nearly all of it in the
client and the kernel, and it is part of every measurement that this instrument makes.
"""

from replay.selftest.selftest import run_selftest

__all__ = ["run_selftest"]
