"""A clip through `POST /v1/classify` with either extractor, in turn, and the time that the service takes to start.

    python -m benchmarks.upload CLIP

Needs both extractors (`make setup`). Prints JSON.
"""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from benchmarks.live_service import Service
from benchmarks.timing import alternate
from glosscast.holistic import EXTRACTORS

STARTS = 5
BUDGET_S = 90.0
PATIENCE_S = 60.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upload")
    parser.add_argument("clip", type=Path)
    data = parser.parse_args().clip.read_bytes()
    load = os.getloadavg()[0]
    starts_s = [round(start_s(), 2) for _ in range(STARTS)]
    with ExitStack() as stack:
        services = {name: stack.enter_context(Service(1, EXTRACTOR=name)) for name in EXTRACTORS}
        times = alternate({name: partial(upload, service, data) for name, service in services.items()}, BUDGET_S)
    medians = {name: times[name].median_ms for name in EXTRACTORS}
    found = {
        "load_average_before": round(load, 2),
        "start_to_ready_s": starts_s,
        "upload_ms": {name: time._asdict() for name, time in times.items()},
        "litert_to_mediapipe": round(medians["litert"] / medians["mediapipe"], 3),
    }
    print(json.dumps(found, indent=1))
    return 0


def start_s() -> float:
    """Seconds until a new service was ready."""
    with Service(1) as service:
        return service.start_s


def upload(service: Service, data: bytes) -> None:
    """Have a clip classified."""
    httpx.post(f"{service.http}/v1/classify", files={"file": data}, timeout=PATIENCE_S).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
