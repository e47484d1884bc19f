"""CPU time of one frame, step by step, in this process and one thread: which step is the bottleneck."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.live_material import ASPECT, Material
from glosscast.bundle import load_bundle
from glosscast.clip import Window
from glosscast.holistic import new_tracker, quiet_native_logs, serving
from glosscast.protocol import pack_frame
from glosscast.recogniser import Recogniser
from glosscast.video import decode_image
from service.live.reader import SignReader, effective_config
from service.protocol.messages import Input, Start
from service.protocol.wire import parse_frame

FRAMES = {"keypoints": 480, "frames": 64}


def steps(material: Material, mode: Input, path: Path) -> dict[str, float]:
    """CPU ms of each step for each frame, of one stream that signs all the time, with the bundle at a path."""
    frames = list(islice(material.frames(0, 1), FRAMES[mode]))
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        taken[name] = (time.process_time() - began) * 1000 / len(frames)
        return result

    messages = [pack_frame(seq, t_ms, payload) for seq, (t_ms, payload) in enumerate(frames)]
    parsed = timed("parse", lambda: [parse_frame(message, mode) for message in messages])
    if mode == "frames":
        pictures = timed("decode picture", lambda: [decode_image(frame.payload) for frame in parsed])
        with quiet_native_logs():
            tracker = new_tracker(effort=serving(load_bundle(path).manifest.keypoints.face))
            keypoints = timed("find keypoints", lambda: [tracker.track(picture) for picture in pictures])
            tracker.close()
        aspect = pictures[0].shape[1] / pictures[0].shape[0]
    else:
        keypoints = [frame.payload for frame in parsed]
        aspect = ASPECT
    bundle = load_bundle(path)
    recogniser = Recogniser(bundle, threads=1)
    inference_s = 0.0

    def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
        nonlocal inference_s
        began = time.process_time()
        readouts = recogniser.readout(windows)
        inference_s += time.process_time() - began
        return readouts

    session = SignReader(bundle, classify, effective_config(Start(type="start", input=mode), bundle))
    times = [t_ms for t_ms, _ in frames]
    timed(
        "segment and decode", lambda: [session.push(t, k, aspect, 0.0) for t, k in zip(times, keypoints, strict=True)]
    )
    taken["inference"] = inference_s * 1000 / len(frames)
    taken["segment and decode"] -= taken["inference"]
    return {name: round(ms, 3) for name, ms in taken.items()}
