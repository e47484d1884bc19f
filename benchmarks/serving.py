"""The time that the service adds to that of a model, and the memory that it takes without clients."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.timing import Run, Spread, spread, timed
from glosscast.bundle import Bundle
from glosscast.clip import Clip, Window, cut_window
from glosscast.recogniser import Recogniser

ROOT = Path(__file__).parent.parent
REPEATS = 60
BATCHES = (1, 16)


class _Timed:
    """A session that knows how long it was running."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.running_ms = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any) -> None:
        began = perf_counter()
        self._session.run_with_iobinding(binding)
        self.running_ms = (perf_counter() - began) * 1000


def overheads(bundle: Bundle, repeats: int = REPEATS) -> dict[str, Spread]:
    """Time of the recogniser beyond its session's own, by batch, and of cutting one window out of a stream, ms."""
    recogniser = Recogniser(bundle)
    golden = bundle.golden()
    session = recogniser._buffers._session = _Timed(recogniser._session)
    window = Window(golden["keypoints"][0], golden["mask"][0])

    def overhead(windows: Sequence[Window]) -> float:
        return timed(lambda: recogniser(windows)) - session.running_ms

    found = {
        f"recogniser beyond the session, {count} window(s)": spread(
            [overhead([window] * count) for _ in range(repeats)][repeats // 10 :]
        )
        for count in BATCHES
    }
    return found | {"cut one window": spread([timed(cutting(bundle)) for _ in range(repeats)])}


def cutting(bundle: Bundle) -> Run:
    """Cut a window out of the last seven seconds of a stream, as an interim result does."""
    t_ms = np.arange(7 * 30) * (1000 / 30)
    points = np.random.default_rng(0).uniform(0.1, 0.9, (len(t_ms), 171, 4)).astype(np.float32)
    clip = Clip(t_ms, points, 1.0)
    spec = bundle.manifest.clip
    return lambda: cut_window(clip, 3000.0, spec)


def resident_mb(bundle: Bundle) -> float:
    """Resident memory of `python -m service` once it is ready, MB.

    Raises:
        RuntimeError: it does not start.
    """
    settings = {"GLOSSCAST_PORT": "0", "GLOSSCAST_BUNDLE": str(bundle.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "service"], cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "ready at" in line:
                status = Path(f"/proc/{process.pid}/status").read_text()
                return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024
        raise RuntimeError(f"the service does not start: {''.join(said)}")
    finally:
        process.terminate()
        process.wait()


def describe(times: dict[str, Spread], resident: float) -> str:
    """A Markdown table."""
    lines = ["| what | median | fastest | slowest |", "|---|---|---|---|"]
    lines += [f"| {what} | {t.median_ms:.3f} ms | {t.min_ms:.3f} | {t.max_ms:.3f} |" for what, t in times.items()]
    return "\n".join([*lines, f"\nThe service with this bundle and no stream: {resident:.0f} MB resident."])
