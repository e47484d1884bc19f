"""The service beside its peers, in one run: requests a second of `/v1/classify`, what one takes, and streams held.

    python -m benchmarks.peer CLIP                                      # against the service on Ray and LitServe
    python -m benchmarks.peer CLIP --peer ray --streams 8,16,32 --seconds 30
    python -m benchmarks.peer CLIP --python /tmp/peers/bin/python       # servers of another environment

`ray` is `python -m service.ray` (group `scale`). `litserve` is the same decoder, extractor and model behind
LitServe (`pip install litserve==0.2.19`, for this alone); it has no live streams. All servers run at once and are asked
in turn, forwards and backwards; one that is not asked does next to nothing. Each works on two clips at once and has one
thread for its model. Clients and servers share the machine's cores. Prints JSON; take the ratios rather than the times.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.live import DATA, StreamRecord, figures, one
from benchmarks.live_material import Material, keypoint_material
from benchmarks.peer_servers import LITSERVE, PLAIN, RAY, Server, start
from benchmarks.timing import timed
from glosscast.protocol import STREAM_PATH

PATIENCE_S = 600.0
SMALL = 20  # requests without work, to measure what the way to the application costs
HELD_FINAL_MS = 500.0  # a stream is held if its finals come so soon after the sign's end was seen, 95 of 100

Figures = dict[str, float]


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--peer", action="append", choices=(RAY, LITSERVE), help="default: both")
    parser.add_argument("--python", default=sys.executable, help="interpreter of all servers (default: this one)")
    parser.add_argument("--rounds", type=int, default=5, help="of requests (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="that ask at the same time (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=8, help="of all clients in a round (default: %(default)s)")
    parser.add_argument("--streams", default="8,16,24,32,40,48", help="numbers to try, or 0 (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of streams (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="recordings for the streams")
    args = parser.parse_args()
    clip = args.clip.read_bytes()
    steps = [int(number) for number in args.streams.split(",") if int(number)]
    report: dict[str, Any] = {"cores": os.cpu_count(), "load_average_before": os.getloadavg()[0]}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(start(name, args.python, args.clients, max([*steps, 1])))
            for name in (PLAIN, *(args.peer or (RAY, LITSERVE)))
        }
        report["best_gloss"] = {name: post(server, clip)["predictions"][0]["gloss"] for name, server in servers.items()}
        report["classify"] = requests(servers, clip, args.rounds, args.clients, args.requests)
        if steps:
            report["streams"] = streams(servers, keypoint_material(args.data), steps, args.seconds)
    print(json.dumps(report, indent=1))
    return 0


def requests(servers: Mapping[str, Server], clip: bytes, rounds: int, clients: int, count: int) -> dict[str, Any]:
    """Medians over rounds, and of the ratios to the plain service within each round."""
    found: dict[str, list[Figures]] = {name: [] for name in servers}
    for index in range(rounds):
        for name in list(servers)[:: -1 if index % 2 else 1]:
            found[name].append(classify(servers[name], clip, clients, count))
    return {name: medians(rows) for name, rows in found.items()} | {
        f"{name} / {PLAIN}": medians(ratios(rows, found[PLAIN])) for name, rows in found.items() if name != PLAIN
    }


def classify(server: Server, clip: bytes, clients: int, count: int) -> Figures:
    """Small requests, one client's clip, then several clips at once."""
    small_ms = statistics.median(
        timed(lambda: httpx.get(f"http://{server.address}{server.ready}")) for _ in range(SMALL)
    )
    began = time.perf_counter()
    answer = post(server, clip)
    alone_ms = (time.perf_counter() - began) * 1000
    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: post(server, clip), range(count)))
        took_s = time.perf_counter() - began
    return {
        "requests_per_s": count / took_s, "alone_ms": alone_ms, "small_request_ms": small_ms,
        "alone_inference_ms": answer["timings_ms"]["inference"],
    }  # fmt: skip


def post(server: Server, clip: bytes) -> dict[str, Any]:
    """The answer to a clip."""
    url = f"http://{server.address}/v1/classify"
    answer = httpx.post(url, files={"file": ("clip.mp4", clip)}, timeout=PATIENCE_S)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def ratios(rows: Sequence[Figures], others: Sequence[Figures]) -> list[Figures]:
    """The ratio of each row to the other of its round."""
    return [{key: row[key] / other[key] for key in row} for row, other in zip(rows, others, strict=True)]


def medians(rows: Sequence[Figures]) -> Figures:
    """The ratios by figure."""
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


def streams(servers: Mapping[str, Server], material: Material, steps: Sequence[int], seconds: float) -> dict[str, Any]:
    """Figures for each number of streams until it is not held any more, and the largest number that was."""
    live = {name: server for name, server in servers.items() if server.streams}
    tried: dict[str, dict[str, Any]] = {name: {} for name in live}
    held = dict.fromkeys(live, 0)
    for index, number in enumerate(steps):
        for name in list(live)[:: -1 if index % 2 else 1]:
            if index and held[name] != steps[index - 1]:
                continue
            found = figures(asyncio.run(together(live[name], material, number, seconds)))
            tried[name][str(number)] = found
            if is_held(found):
                held[name] = number
    report: dict[str, Any] = {"held": held, "tried": tried}
    if held[PLAIN]:
        report |= {f"{name} / {PLAIN}": round(held[name] / held[PLAIN], 2) for name in live if name != PLAIN}
    return report


async def together(server: Server, material: Material, number: int, seconds: float) -> list[StreamRecord]:
    """The messages that so many streams of keypoints received."""
    records = [StreamRecord() for _ in range(number)]
    url = f"ws://{server.address}{STREAM_PATH}"
    await asyncio.gather(
        *(one(url, material, "keypoints", index, number, seconds, records[index]) for index in range(number))
    )
    return records


def is_held(found: Mapping[str, Any]) -> bool:
    """Whether every stream ended in order, none lost a frame, and finals came soon."""
    in_time: bool = found["decision_to_final_ms"].get("p95", HELD_FINAL_MS) < HELD_FINAL_MS
    in_order: bool = found["close_codes"] == ["1000"] and found["dropped_share"] == 0
    return in_time and in_order and bool(found["sender_kept_up"])


if __name__ == "__main__":
    sys.exit(main())
