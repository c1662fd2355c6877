"""What an idle injector adds to a round trip, against the direct path, in turns in the same run.

A target answers every frame of audio at once with an acknowledgement. Client, injector and target
share one process and its event loop, as with `replay run --fault`.
"""

from __future__ import annotations

import gc
import statistics
import sys
from random import Random
from urllib.parse import urlsplit

import trio

from replay.faults import Plan
from replay.proxy.frames import FrameReader, text_frame
from replay.proxy.server import FaultsOnly, open_proxy
from replay.recorder import ListRecorder
from replay.wire import messages as m

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
WARMING = 200
PAUSE = 0.002
FRAME = b"\x82\xfe\x0c\x80\x01\x02\x03\x04" + bytes(3200)  # 100 ms of audio, masked
HELLO = (
    b"GET /v2/live?token=t HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


async def target(stream: trio.SocketStream) -> None:
    """Acknowledges frame after frame."""
    await stream.receive_some()
    await stream.send_all(AGREED)
    reader, count = FrameReader(), 0
    while data := await stream.receive_some():
        for frame in reader.feed(data):
            start, count = count, count + len(frame.payload)
            ranges = m.AudioAckData(byte_range=(start, count), time_range=(0, 0))
            ack = m.encode(m.AudioAck(acknowledged=True, data=ranges))
            await stream.send_all(text_frame(ack.encode()))


async def connect(port: int) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(HELLO)
    assert await stream.receive_some() == AGREED
    return stream


async def round_trip(stream: trio.SocketStream, reader: FrameReader) -> float:
    """Milliseconds from a frame of audio to its acknowledgement."""
    began = trio.current_time()
    await stream.send_all(FRAME)
    while not reader.feed(await stream.receive_some()):
        pass
    return (trio.current_time() - began) * 1000


async def measure() -> dict[str, list[float]]:
    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(trio.serve_tcp, target, 0)
        port = listener.socket.getsockname()[1]
        archive = FaultsOnly(ListRecorder(keep=False), 32_000)
        async with open_proxy(f"http://127.0.0.1:{port}", Plan(), archive, Random(1)) as proxy:
            took = await in_turns(
                {
                    "direct": await connect(port),
                    "injector": await connect(urlsplit(proxy.url).port or 0),
                }
            )
        nursery.cancel_scope.cancel()
    return took


async def in_turns(streams: dict[str, trio.SocketStream]) -> dict[str, list[float]]:
    """Round trips on each, one after another."""
    readers = {name: FrameReader() for name in streams}
    took: dict[str, list[float]] = {name: [] for name in streams}
    gc.freeze()
    for turn in range(ROUNDS + WARMING):
        for name, stream in streams.items():
            spent = await round_trip(stream, readers[name])
            if turn >= WARMING:
                took[name].append(spent)
            await trio.sleep(PAUSE)
    return took


def main() -> None:
    took = trio.run(measure)
    points = {}
    for name, values in took.items():
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        points[name] = cuts[49], cuts[98]
        print(f"{name:9} n={len(values)} p50={cuts[49]:.3f} ms p99={cuts[98]:.3f} ms")
    added = [b - a for a, b in zip(points["direct"], points["injector"], strict=True)]
    print(f"added     p50={added[0]:.3f} ms p99={added[1]:.3f} ms, to a round trip")
    sys.exit(added[1] >= 1.0)


if __name__ == "__main__":
    main()
