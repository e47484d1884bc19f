"""`python -m tests.docker.faults`: containers go while four streams run through the proxy. A line of JSON for each.

The streams are those of `glosscast.client`, with TLS and a key, against the image's own bundle. In real time they send
keypoints of recordings, which are found beforehand; an undisturbed stream says which finals are due. The figures are in
`docs/explanation/reliability.md`. It needs what `make test-docker` needs, and the recordings.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from glosscast.client import caption
from glosscast.holistic import new_tracker
from glosscast.sources import FPS, EncodedFrame
from glosscast.video import decode_video
from tests.docker.stack import Stack, run, running_stack, wait_until
from tests.service.process import DATA

STREAMS = 4
SIGNS = ("yes", "no", "yes", "please", "yes")
CLIPS = [DATA / "clips" / f"{sign}__startasl_F1__{sign}.mp4" for sign in SIGNS]
APART_S = 0.9  # between the beginnings of two streams, so that each is hit elsewhere in its signs
FAULT_S = 5.0  # after the beginning of the first one
PATIENCE_S = 120.0
# All processes but the first one, which is the init that Compose puts there.
CRASH = "import os; os.kill(-1, 9)"

Messages = list[dict[str, Any]]


@cache
def signing() -> tuple[EncodedFrame, ...]:
    """Keypoints of the clips, a second of rest after each."""
    found: list[EncodedFrame] = []
    for clip in CLIPS:
        tracker = new_tracker()
        frames = list(decode_video(clip, FPS))
        keypoints = [tracker.track(frame.rgb) for frame in frames]
        tracker.close()
        aspect = frames[0].rgb.shape[1] / frames[0].rgb.shape[0]
        for points in [*keypoints, *keypoints[-1:] * int(FPS)]:
            found.append(EncodedFrame(len(found) * 1000 / FPS, np.asarray(points, "<f4").tobytes(), aspect))
    return tuple(found)


def glosses(messages: Messages) -> list[str]:
    """Of the finals."""
    return [message["gloss"] for message in messages if message["type"] == "final"]


async def follow(stack: Stack, messages: Messages, wait_s: float = 0.0, realtime: bool = True) -> None:
    """Record all messages of one stream."""
    await asyncio.sleep(wait_s)
    async for message in caption(stack.address, "signing", api_key=stack.key, keypoints=True, realtime=realtime):
        messages.append(message | {"at_s": time.perf_counter()})


# --- faults; each returns when what it does is done


def nothing(stack: Stack) -> None:
    """No fault, for comparison."""


def proxy_restarted(stack: Stack) -> None:
    """The proxy is stopped in order and started."""
    run("docker", "restart", *stack.containers("proxy"))


def proxy_killed(stack: Stack) -> None:
    """SIGKILL to the proxy, which is started at once."""
    (proxy,) = stack.containers("proxy")
    run("docker", "kill", proxy)
    run("docker", "start", proxy)


def service_killed(stack: Stack) -> None:
    """SIGKILL to all processes of the one service there is; Docker starts it again."""
    crash(*stack.containers())


def replica_killed(stack: Stack) -> None:
    """The same to one of two replicas, that with the most streams."""
    crash(max(stack.containers(), key=lambda container: stack.metric(container, "glosscast_active_streams")))


FAULTS = {fault.__name__: fault for fault in (nothing, proxy_restarted, proxy_killed, service_killed, replica_killed)}


def crash(container: str) -> None:
    """Kill the service in a container as the kernel would when memory runs out."""
    run("sh", "-c", f"docker exec {container} python -c '{CRASH}' || true")


async def _disturbed(stack: Stack, fault: Callable[[Stack], None]) -> tuple[float, list[Messages]]:
    """When the fault began, and the messages that each stream received."""
    received: list[Messages] = [[] for _ in range(STREAMS)]
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as streams:
        for number, messages in enumerate(received):
            streams.create_task(follow(stack, messages, number * APART_S))
        await asyncio.sleep(FAULT_S)
        struck_s = time.perf_counter()
        await asyncio.to_thread(fault, stack)
    return struck_s, received


def disturb(stack: Stack, fault: Callable[[Stack], None]) -> dict[str, Any]:
    """A fault among streams; its figures.

    `lost` and `doubled` are finals of the streams that went on, or never broke off; `lost_anew` those of the streams
    that had to start anew. Recovery is the time until each that broke off was under way again.
    """
    trusted = {"SSL_CERT_FILE": str(stack.secrets / "tls_certificate")}
    undisturbed: Messages = []
    with mock.patch("glosscast.client.encoded_frames", _replayed), mock.patch.dict(os.environ, trusted):
        asyncio.run(follow(stack, undisturbed, realtime=False))
        struck_s, received = asyncio.run(_disturbed(stack, fault))
    due = Counter(glosses(undisturbed))
    starts = [[message for message in messages if message["type"] == "started"] for messages in received]
    anew = [messages for messages, own in zip(received, starts, strict=True) if not all(m["resumed"] for m in own[1:])]
    kept = [messages for messages in received if messages not in anew]
    return {
        "due": due.total() * STREAMS,
        "lost": sum((due - Counter(glosses(messages))).total() for messages in kept),
        "doubled": sum((Counter(glosses(messages)) - due).total() for messages in kept),
        "dropped": sum(messages[-1]["summary"]["dropped"] for messages in received),
        "resumed": sum(message["resumed"] for own in starts for message in own),
        "anew": len(anew),
        "lost_anew": sum((due - Counter(glosses(messages))).total() for messages in anew),
        "recovery_s": [round(message["at_s"] - struck_s, 2) for own in starts for message in own[1:]],
    }


def _replayed(source: object, keypoints: bool) -> Iterator[EncodedFrame]:
    yield from signing()


def main() -> None:
    """Have the faults happen that the command line names, each to a stack with the default settings."""
    parser = argparse.ArgumentParser(prog="python -m tests.docker.faults", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*FAULTS, []], metavar="FAULT", help=f"{', '.join(FAULTS)}; all")
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), {}) as stack:
        for name in parser.parse_args().only or FAULTS:
            replicas = 2 if name == "replica_killed" else 1
            stack.compose("up", "-d", "--no-build", "--scale", f"service={replicas}")
            wait_until(stack.is_ready, "the stack is ready")
            print(json.dumps({"fault": name, **disturb(stack, FAULTS[name])}), flush=True)


if __name__ == "__main__":
    main()
