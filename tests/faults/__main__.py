"""`python -m tests.faults`: one fault after another while four streams of keypoints run. One line of JSON for each.

Each fault meets a service of its own, `python -m service` as deployed, with a fifth stream as its victim where it needs
one. The four others sign known glosses; those that they should have received and did not are lost. A run is void where
the senders themselves were late, for want of a processor; `nothing` is a run without a fault. The figures are in
`docs/explanation/reliability.md`. Linux; the extractor must be installed.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.processes import alive, family
from glosscast.protocol import pack_frame
from tests.bundles import FRAME_MS, POISON, make_bundle, signing
from tests.faults.service import Service
from tests.service.serving import picture

OTHERS = 4
SIGNS = ("east", "west", "west", "east", "west")
FAULT_S = 3.0  # after which the fault comes; the others sign for 11 s
TRACKER_TIMEOUT_S = 2
PATIENCE_S = 120.0
LATE_MS = 250.0  # a frame that the others themselves sent so much too late makes a run void
SCENE = picture((120, 120, 120), (640, 480))
HOUR_MS = 3_600_000.0

Frames = list[tuple[float, bytes]]
Heard = list[dict[str, Any]]


def signed(*signs: str, first_ms: float = 0.0) -> Frames:
    """(t_ms, payload) of these signs."""
    return [(first_ms + t_ms, keypoints.astype("<f4").tobytes()) for t_ms, keypoints in signing(*signs)]


def opened(service: Service) -> connect:
    """A websocket to a service, as a context."""
    return connect(f"ws://{service.address}/v1/stream", subprotocols=["glosscast.v1"], compression=None)


async def begin(socket: ClientConnection, **said: Any) -> dict[str, Any]:
    """Say this, by default a start with keypoints; the answer."""
    await socket.send(json.dumps(said or {"type": "start", "input": "keypoints"}))
    return json.loads(await socket.recv())


async def send(socket: ClientConnection, frames: Frames, first: int = 0) -> float:
    """Send in real time; how late the latest frame was, in ms."""
    began = time.perf_counter()
    late_s = 0.0
    for index, (t_ms, payload) in enumerate(frames):
        due_s = began + index * FRAME_MS / 1000
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        late_s = max(late_s, time.perf_counter() - due_s)
        await socket.send(pack_frame(first + index, t_ms, payload))
    return late_s * 1000


async def receive(socket: ClientConnection, received: Heard) -> int | None:
    """Take note of everything up to the close; its code."""
    try:
        while True:
            received.append(json.loads(await socket.recv()) | {"at_s": time.perf_counter()})
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def first(received: Heard, wanted: Callable[[dict[str, Any]], bool], after_s: float = 0.0) -> float:
    """When a message that is wanted came, in s."""
    while not (found := [m["at_s"] for m in received if m["at_s"] > after_s and wanted(m)]):
        await asyncio.sleep(0.005)
    return found[0]


def finals(received: Heard) -> list[str]:
    """The glosses of the finals."""
    return [m["gloss"] for m in received if m["type"] == "final"]


async def bystander(service: Service) -> dict[str, Any]:
    """Signs in real time; what it lost, and how late its finals were."""
    received: Heard = []
    async with opened(service) as socket:
        await begin(socket)
        hearing = asyncio.create_task(receive(socket, received))
        late_ms = await send(socket, signed(*SIGNS))
        await socket.send('{"type":"stop"}')
        code = await hearing
    summary = received[-1].get("summary", {})
    return {
        "lost_signs": len(SIGNS) - sum(a == b for a, b in zip(finals(received), SIGNS, strict=False)),
        "lost_frames": summary.get("dropped", -1) + summary.get("faulty", -1),
        "latency_ms": max([m["latency_ms"] for m in received if m["type"] == "final"], default=-1),
        "late_ms": late_ms,
        "ended_well": code == 1000 and finals(received) == list(SIGNS),
    }


# --- faults: each returns how long its victim, or the service, took to recover, in s


async def pictured(service: Service, number: signal.Signals) -> float:
    """A stream of pictures whose tracker's process gets a signal; until the first keypoints after it."""
    received: Heard = []
    async with opened(service) as socket:
        await begin(socket, type="start", input="frames", landmarks=True)
        hearing = asyncio.create_task(receive(socket, received))
        sending = asyncio.create_task(send(socket, [(i * FRAME_MS, SCENE) for i in range(10_000)]))
        await first(received, lambda m: m["type"] == "landmarks")
        await asyncio.sleep(FAULT_S)
        os.kill(service.tracker(), number)
        struck_s = time.perf_counter()
        warned_s = await first(received, lambda m: m.get("code") == "tracker_restarted", struck_s)
        again_s = await first(received, lambda m: m["type"] == "landmarks", warned_s)
        sending.cancel()
        hearing.cancel()
    return again_s - struck_s


async def nothing(service: Service) -> float:
    """No fault: what the others lose here is the machine's doing."""
    await asyncio.sleep(FAULT_S)
    return 0.0


async def tracker_killed(service: Service) -> float:
    """SIGKILL to a tracker's process."""
    return await pictured(service, signal.SIGKILL)


async def tracker_hung(service: Service) -> float:
    """SIGSTOP to a tracker's process."""
    return await pictured(service, signal.SIGSTOP)


async def recogniser_raising(service: Service) -> float:
    """The model fails on one stream's windows, in batches with those of the others; until that one has a new stream."""
    poison = [frame.copy() for _, frame in signing("east")]
    for frame in poison:
        frame[:, 2] = POISON
    await asyncio.sleep(FAULT_S)
    async with opened(service) as socket:
        await begin(socket)
        received: Heard = []
        hearing = asyncio.create_task(receive(socket, received))
        frames = [(index * FRAME_MS, frame.astype("<f4").tobytes()) for index, frame in enumerate(poison)]
        sending = asyncio.create_task(send(socket, frames))
        assert await hearing == 1011, received
        struck_s = time.perf_counter()
        sending.cancel()
    async with opened(service) as socket:
        assert (await begin(socket))["type"] == "started"
        return time.perf_counter() - struck_s


async def client_vanishing(service: Service) -> float:
    """A client's connection breaks inside a sign; until it goes on, with nothing missing in the end."""
    frames = signed("east", "west")
    half = 24
    await asyncio.sleep(FAULT_S)
    async with opened(service) as socket:
        started = await begin(socket)
        await send(socket, frames[:half])
        socket.transport.abort()
        struck_s = time.perf_counter()
    async with opened(service) as socket:
        again = await begin(socket, type="resume", session=started["session"], token=started["token"])
        recovered_s = time.perf_counter()
        assert again["resumed"], again
        received: Heard = []
        hearing = asyncio.create_task(receive(socket, received))
        await send(socket, [frame for frame in frames if frame[0] > again["last_t_ms"]], half)
        await socket.send('{"type":"stop"}')
        await hearing
    assert finals(received) == ["east", "west"], received
    return recovered_s - struck_s


async def clock_jumping(service: Service) -> float:
    """A client's clock jumps an hour ahead inside a sign, then a second back; until its next sign has a final."""
    received: Heard = []
    await asyncio.sleep(FAULT_S)
    async with opened(service) as socket:
        await begin(socket)
        hearing = asyncio.create_task(receive(socket, received))
        await send(socket, signed("east")[:31])
        struck_s = time.perf_counter()
        await send(socket, [(HOUR_MS, signed("west")[0][1]), (HOUR_MS - 1000, signed("west")[0][1])], 31)
        await send(socket, signed("west", first_ms=HOUR_MS + FRAME_MS), 33)
        await socket.send('{"type":"stop"}')
        assert await hearing == 1000
    assert finals(received) == ["east", "west"], received
    assert [m["code"] for m in received if m["type"] == "error"] == ["bad_time"]
    return (await first(received, lambda m: m["type"] == "final", struck_s)) - struck_s


async def disk_full(service: Service) -> float:
    """Every line of the log fails with ENOSPC, from the start (stderr is /dev/full), and a clip comes in as well."""
    await asyncio.sleep(FAULT_S)
    struck_s = time.perf_counter()
    assert await asyncio.to_thread(service.upload, b"no video") == 415
    return time.perf_counter() - struck_s


async def replica_killed(service: Service, other: Service) -> float:
    """SIGKILL to another replica; until its client has a stream with this one."""
    async with opened(other) as socket:
        await begin(socket)
        received: Heard = []
        hearing = asyncio.create_task(receive(socket, received))
        await asyncio.sleep(FAULT_S)
        left = family(other.pid)
        other.kill()
        struck_s = time.perf_counter()
        await hearing
    async with opened(service) as socket:
        assert (await begin(socket))["type"] == "started"
        recovered_s = time.perf_counter() - struck_s
    while any(alive(folder) for folder in left):  # nothing of it may stay behind
        await asyncio.sleep(0.01)
    return recovered_s


FAULTS: dict[str, Callable[..., Awaitable[float]]] = {
    fault.__name__: fault
    for fault in (
        *(nothing, tracker_killed, tracker_hung, recogniser_raising, client_vanishing, clock_jumping, disk_full),
        replica_killed,
    )
}


async def run(fault: Callable[..., Awaitable[float]], services: list[Service]) -> dict[str, Any]:
    """A fault among streams; its figures."""
    others = [asyncio.create_task(bystander(services[0])) for _ in range(OTHERS)]
    recovery_s = await asyncio.wait_for(fault(*services), PATIENCE_S)
    results = await asyncio.gather(*others)
    return {
        "void": max(t["late_ms"] for t in results) > LATE_MS,
        "recovery_s": round(recovery_s, 3),
        "others_lost_signs": sum(t["lost_signs"] for t in results),
        "others_lost_frames": sum(t["lost_frames"] for t in results),
        "others_ended_well": sum(t["ended_well"] for t in results),
        "others_worst_latency_ms": max(t["latency_ms"] for t in results),
        "others_sent_late_ms": round(max(t["late_ms"] for t in results), 1),
    }


def main() -> int:
    """Have the faults happen that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*FAULTS, []], metavar="FAULT", help=f"{', '.join(FAULTS)}; all")
    well = True
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder) / "bundle", fragile=True)
        for name in parser.parse_args().only or FAULTS:
            with ExitStack() as running:
                log = "/dev/full" if name == "disk_full" else os.devnull
                services = [
                    running.enter_context(Service(bundle, log, extractor_timeout_s=TRACKER_TIMEOUT_S))
                    for _ in range(2 if name == "replica_killed" else 1)
                ]
                figures = asyncio.run(run(FAULTS[name], services))
            print(json.dumps({"fault": name, **figures}), flush=True)
            well = well and (figures["void"] or figures["others_ended_well"] == OTHERS)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
