"""The number of live streams that the service carries, and the time from a sign to its caption.

    python -m benchmarks.live --streams 40 --seconds 60                     # keypoints
    python -m benchmarks.live --mode frames --streams 4 --seconds 60
    python -m benchmarks.live --streams 80 --seconds 60                     # twice as many: has each its share?
    python -m benchmarks.live --streams 40 --minutes 30                     # does memory stay?
    python -m benchmarks.live --bundle DIR --streams 40                     # of single signs or of sentences

Real websockets, real clips. Starts the service by itself, in another process. Both share the machine's cores, so what
the cost of the senders is reported as well.
Prints JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.live_material import ASPECT, STEP_MS, Material, keypoint_material, picture_material
from benchmarks.live_service import Service
from benchmarks.live_steps import steps
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.protocol import SUBPROTOCOL, pack_frame

DATA = Path(os.environ.get("GLOSSCAST_DATA", "../shared/data"))
SAMPLES = 30  # readings of memory in a run
LATE_MS = 250.0  # a frame that the sender itself sends so much too late makes a run void
Mode = Literal["keypoints", "frames"]


@dataclass
class StreamRecord:
    """The frames that one stream sent, and the messages that it received."""

    sent_s: list[float] = field(default_factory=list)  # when each frame was sent
    end_to_final_ms: list[float] = field(default_factory=list)
    decision_to_final_ms: list[float] = field(default_factory=list)
    interims: int = 0
    dropped: int = 0  # frames that the service said it had dropped
    thinned: int = 0  # frames that it said it had left out at the lower rate
    late_ms: float = 0.0  # the sender's own worst lateness
    summary: dict[str, Any] = field(default_factory=dict)
    code: int | None = None


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live")
    parser.add_argument("--mode", choices=("keypoints", "frames"), default="keypoints")
    parser.add_argument("--streams", type=int, default=40, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S")
    parser.add_argument("--minutes", type=float, metavar="M", help="instead of --seconds")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR")
    parser.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR", help="default: the embedded one")
    args = parser.parse_args()
    material = (keypoint_material if args.mode == "keypoints" else picture_material)(args.data)
    seconds = args.seconds if args.minutes is None else args.minutes * 60
    with Service(args.streams, BUNDLE=str(args.bundle.resolve())) as service:
        idle = service.usage()
        began = time.perf_counter()
        records, memory = asyncio.run(load(service, material, args.mode, args.streams, seconds))
        wall_s = time.perf_counter() - began
        cpu_s = service.usage().cpu_s - idle.cpu_s
        left = service.left_behind()
    report = {
        "bundle": load_bundle(args.bundle).id, "mode": args.mode,
        "streams": args.streams, "seconds": seconds, "cores": os.cpu_count(),
        "load_average_before": os.getloadavg()[2],
        **figures(records),
        "service_cpu_ms_per_frame": round(cpu_s * 1000 / sum(len(h.sent_s) for h in records), 3),
        "service_cores_used": round(cpu_s / wall_s, 2),
        "sender_cores_used": round(time.process_time() / wall_s, 2),
        "cpu_ms_by_step": steps(material, args.mode, args.bundle),
        "memory_mib": memory, "left_behind": left,
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    return 0


async def load(
    service: Service, material: Material, mode: Mode, streams: int, seconds: float
) -> tuple[list[StreamRecord], list[float]]:
    """Run all streams at once; returns what each received, and the service's memory in MiB meanwhile."""
    records = [StreamRecord() for _ in range(streams)]
    running = [
        asyncio.create_task(one(service.url, material, mode, index, streams, seconds, records[index]))
        for index in range(streams)
    ]
    memory = []
    for _ in range(SAMPLES):
        await asyncio.sleep(seconds / SAMPLES)
        memory.append(service.usage().memory_mib)
    await asyncio.gather(*running)
    return records, memory


async def one(
    url: str, material: Material, mode: Mode, index: int, streams: int, seconds: float, record: StreamRecord
) -> None:
    """One stream: send in real time, and record the times of frames and messages."""
    await asyncio.sleep(STEP_MS / 1000 * index / streams)  # cameras are not in step
    start = {"type": "start", "input": mode} | ({"aspect": ASPECT} if mode == "keypoints" else {})
    async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None) as socket:
        await socket.send(json.dumps(start))
        await socket.recv()
        sending = asyncio.create_task(send(socket, material, index, streams, seconds, record))
        try:
            while True:
                record_message(json.loads(await socket.recv()), record)
        except ConnectionClosed as closed:
            record.code = closed.rcvd.code if closed.rcvd else None
        await sending


async def send(socket: Any, material: Material, index: int, streams: int, seconds: float, record: StreamRecord) -> None:
    """Send frames in real time, then `stop`."""
    began = time.perf_counter()
    for seq, (t_ms, payload) in enumerate(material.frames(index, streams)):
        due_s = began + t_ms / 1000
        if t_ms >= seconds * 1000:
            break
        await asyncio.sleep(due_s - time.perf_counter())
        record.late_ms = max(record.late_ms, (time.perf_counter() - due_s) * 1000)
        record.sent_s.append(time.perf_counter())
        await socket.send(pack_frame(seq, t_ms, payload))
    await socket.send('{"type": "stop"}')


def record_message(message: dict[str, Any], record: StreamRecord) -> None:
    """Record a message."""
    match message["type"]:
        case "final":
            # The end of a gloss of a sentence need not be a frame's time.
            ended_s = record.sent_s[min(round(message["end_ms"] / STEP_MS), len(record.sent_s) - 1)]
            record.end_to_final_ms.append((time.perf_counter() - ended_s) * 1000)
            record.decision_to_final_ms.append(message["latency_ms"])
        case "interim":
            record.interims += 1
        case "warning" if message["code"] == "frames_dropped":
            record.dropped += message["count"]
        case "warning" if message["code"] == "rate_lowered":
            record.thinned += message["count"]
        case "ended":
            record.summary = message["summary"]


def figures(records: Sequence[StreamRecord]) -> dict[str, Any]:
    """All streams in numbers."""
    sent = [len(h.sent_s) for h in records]
    unread = [h.summary.get("dropped", h.dropped + h.thinned) for h in records]  # without a summary it was cut off
    dropped = [lost - h.thinned for lost, h in zip(unread, records, strict=True)]
    shares = [1 - lost / n for lost, n in zip(unread, sent, strict=True)]
    worst_late_ms = max(h.late_ms for h in records)
    return {
        "end_of_sign_to_final_ms": spread([ms for h in records for ms in h.end_to_final_ms]),
        "decision_to_final_ms": spread([ms for h in records for ms in h.decision_to_final_ms]),
        "finals": sum(len(h.end_to_final_ms) for h in records),
        "interims": sum(h.interims for h in records),
        "dropped_share": round(sum(dropped) / sum(sent), 5),
        "left_out_at_lower_rate_share": round(sum(h.thinned for h in records) / sum(sent), 5),
        "share_read_by_stream": {
            "least": round(min(shares), 4), "median": round(statistics.median(shares), 4), "most": round(max(shares), 4)
        },
        "streams_that_lost_frames": sum(lost > 0 for lost in dropped),
        "streams_that_were_told": sum(h.dropped > 0 for h in records),
        "told_of_all_dropped": sum(h.dropped for h in records) == sum(dropped),
        "close_codes": sorted({str(h.code) for h in records}),
        "sender_late_ms": round(worst_late_ms, 1),
        "sender_kept_up": worst_late_ms < LATE_MS,
    }  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum, ms."""
    if not values:
        return {}
    median, p95, most = np.percentile(values, (50, 95, 100))
    return {"median": round(float(median), 1), "p95": round(float(p95), 1), "max": round(float(most), 1)}


if __name__ == "__main__":
    sys.exit(main())
