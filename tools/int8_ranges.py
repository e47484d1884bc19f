"""Find the ranges of a model's operators, which `glosscast.holistic.models` has for those that are computed in int8.

    python -m tools.int8_ranges FOLDER [--every N]

FOLDER has clips. The exact tracker looks at one clip of N, and the models at every eighth picture that it shows them.
For each model with int8 operators, the `ranges` of its `Span` are printed: the least and the largest value that each
operator gave in all pictures. They are no more than that, and nothing of the clips can be told from them.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.holistic import FULL, models, quiet_native_logs
from glosscast.holistic.int8 import Span, without_range
from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.models import Model
from glosscast.holistic.networks import Network, NetworkPool
from glosscast.video import RGB, decode_video

STEP = 8  # one picture of so many; neighbours are nearly the same


def main() -> int:
    """Print the ranges."""
    parser = argparse.ArgumentParser(prog="python -m tools.int8_ranges")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=8, metavar="N", help="one clip of N (default: %(default)s)")
    args = parser.parse_args()
    with quiet_native_logs():
        seen = pictures(sorted(args.folder.glob("*.mp4"))[:: args.every])
        for model in models.MODELS:
            if model.int8 is not None:
                found = ranges(model, model.int8, seen[model.name])
                print(f"{model.name}, {len(seen[model.name])} pictures")
                print("{" + ", ".join(f"{number}: ({low:.1f}, {high:.1f})" for number, low, high in found) + "}")
    return 0


def pictures(clips: list[Path]) -> dict[str, list[RGB]]:
    """What the tracker shows the models, by the models' file names."""
    shown: dict[Network, list[RGB]] = {}
    look = Network.__call__

    def looking(network: Network, *views: RGB) -> list[NDArray[np.float32]]:
        shown.setdefault(network, []).extend(views)
        return look(network, *views)

    pool = NetworkPool(1, models.folder())
    fps = load_bundle(EMBEDDED).manifest.clip.fps
    with patch.object(Network, "__call__", looking):
        for clip in clips:
            tracker = LiteRtTracker(pool, FULL)
            for frame in decode_video(clip, fps):
                tracker.track(frame.rgb)
    with pool.lease() as networks:
        return {f"{name}.tflite": shown.get(network, [])[::STEP] for name, network in vars(networks).items()}


def ranges(model: Model, span: Span, seen: list[RGB]) -> Iterator[tuple[int, float, float]]:
    """The operators of a span that need a range, and the least and the largest value that each gives."""
    from ai_edge_litert.interpreter import Interpreter

    content = models.read(model, models.folder())
    run: Any = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    run.allocate_tensors()
    wanted = without_range(content, span)
    low, high = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    for picture in seen:
        run.set_tensor(run.get_input_details()[0]["index"], np.float32(picture[None]) / 255)
        run.invoke()
        for number, tensor in wanted.items():
            values = run.get_tensor(tensor)
            low[number], high[number] = min(low[number], values.min()), max(high[number], values.max())
    for number in wanted:
        yield number, low[number], high[number]


if __name__ == "__main__":
    sys.exit(main())
