"""Sign to the page with recorded clips and note, word for word and with the time, what stands in its caption.

    python -m benchmarks.page_session CLIPS [--page URL] [--seed N]

CLIPS is a folder of videos with a `manifest.csv` (columns `file`, `gloss`, `signer`, `single_sign`). Eight clips of
signs that the bundle knows (the same ones again where there are fewer) and eight of others are drawn and put into one
stream with rests between them. The service's reader makes its messages of that stream, and a headless Chromium gets
each when it is due: so the page shows what it does on a machine that is idle, also where this one is not. `--page` is
the address of another version of the page.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.browser import serving
from glosscast.bundle import EMBEDDED, Bundle, load_bundle
from glosscast.clip import Clip
from glosscast.holistic import extract, new_tracker, quiet_native_logs
from glosscast.recogniser import Recogniser
from glosscast.video import VideoError, decode_video
from service.live.reader import LandmarksFeed, SignReader, effective_config
from service.protocol.messages import Start

EACH = 8  # signs that are known, and others
REST_S = 1.2  # at both ends of each clip: its first and last frame are held
LAST_S = 9.0  # after the last clip has begun, and more than a caption stays
ALIASES = {"thankyou": "thanks"}  # a gloss of the clips: the same one of the bundle
STARTED = {"type": "started", "session": "", "limits": {"max_fps": 30, "max_frame_bytes": 1_000_000}}

WATCH = """() => {
  const box = document.getElementById("caption"), seen = (window.seen = []);
  const text = () => {
    const word = document.getElementById("caption-word").cloneNode(true);
    for (const dots of word.querySelectorAll(".dots")) dots.replaceWith(" … ");
    for (const hidden of word.querySelectorAll(".sr-only")) hidden.remove();
    const gloss = (element) => {
      for (const found of element.querySelectorAll(".gloss")) found.textContent = found.textContent.toUpperCase();
    };
    const trail = document.getElementById("caption-trail").cloneNode(true);
    gloss(word);
    gloss(trail);
    const before = [...trail.children].map((one) => one.textContent).join(" ");
    const notice = document.querySelector("#caption-meta .notice-unknown")?.textContent ?? "";
    return [before && `(${before})`, word.textContent, notice && `[${notice}]`].join(" ").replace(/\\s+/g, " ").trim();
  };
  const note = () => {
    const now = text();
    if (now !== seen.at(-1)?.[1]) seen.push([performance.now(), now]);
  };
  new MutationObserver(note).observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


@dataclass(frozen=True)
class Session:
    """What was signed and what was read.

    Attributes:
        starts: when each clip began, s.
        messages: of the service, as JSON, each with the time at which it is due, s.
    """

    starts: Sequence[float]
    messages: Sequence[tuple[float, str]]


def single_signs(folder: Path) -> list[tuple[str, str, Path]]:
    """Gloss, signer and file of the clips that show one sign."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["single_sign"] == "1"]
    return [(ALIASES.get(row["gloss"], row["gloss"]), row["signer"], folder / row["file"]) for row in rows]


def drawn(folder: Path, known: Sequence[str], seed: int) -> list[tuple[str, Path]]:
    """Gloss and file of the clips to play: those of known glosses and others, in an order that the seed decides.

    Raises:
        ValueError: the folder has no clip of a known gloss, or too few of others.
    """
    clips = [(gloss, path) for gloss, _, path in single_signs(folder)]
    read = [clip for clip in clips if clip[0] in known]
    others = [clip for clip in clips if clip[0] not in known]
    if not read or len(others) < EACH:
        raise ValueError(f"{folder}: too few clips of signs that the bundle knows, or of others")
    chance = random.Random(seed)
    chosen = [*(read[i % len(read)] for i in range(EACH)), *chance.sample(others, EACH)]
    chance.shuffle(chosen)
    return chosen


def keypoints(paths: Sequence[Path], fps: float) -> list[Clip]:
    """The keypoints of clips."""
    with quiet_native_logs():
        tracker = new_tracker()
        clips = []
        for path in paths:
            tracker.reset()
            clips.append(extract(list(decode_video(path, fps)), tracker))
        tracker.close()
    return clips


def read(clips: Sequence[Clip], bundle: Bundle) -> Session:
    """Read clips one after the other, with rests between them."""
    start = Start(type="start", input="keypoints")
    reader = SignReader(bundle, Recogniser(bundle), effective_config(start, bundle))
    step_ms = 1000 / bundle.manifest.clip.fps
    rest = round(1000 * REST_S / step_ms)
    now_ms = 0.0
    landmarks = LandmarksFeed(lambda: now_ms / 1000)  # the page sees by them how the signer is framed
    starts, messages = [], []
    for clip in clips:
        held = np.concatenate([clip.keypoints[:1].repeat(rest, 0), clip.keypoints, clip.keypoints[-1:].repeat(rest, 0)])
        starts.append((now_ms + rest * step_ms) / 1000)
        for points in held:
            now_ms += step_ms
            said = [*landmarks.push(now_ms, points, 1), *reader.push(now_ms, points, clip.aspect, 0.0)]
            messages += [(now_ms / 1000, event.model_dump_json()) for event in said]
    return Session(starts, messages)


def play(session: Session, address: str) -> list[tuple[float, str]]:
    """What stands in the caption, and from which second on."""
    from playwright.sync_api import sync_playwright

    switches = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    sockets: list[Any] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium") or which("google-chrome"), args=switches)
        page = browser.new_context(permissions=["camera"], locale="en").new_page()
        page.set_default_timeout(300_000)
        page.route_web_socket("**/v1/stream", lambda socket: sockets.append(socket))
        page.goto(address)
        page.locator("#foot-bundle:not(:empty)").wait_for(state="attached")
        page.locator("#mode").select_option("frames")
        page.evaluate(WATCH)
        page.locator("#start").click()
        while not sockets:
            page.wait_for_timeout(50)
        sockets[0].send(json.dumps(STARTED))
        page.locator("#stage[data-state='running']").wait_for()
        origin_ms, began = page.evaluate("performance.now()"), monotonic()
        end = session.starts[-1] + LAST_S
        for due, message in session.messages:
            page.wait_for_timeout(max(0.0, 1000 * (due - (monotonic() - began))))
            sockets[0].send(message)
        page.wait_for_timeout(max(0.0, 1000 * (end - (monotonic() - began))))
        seen = page.evaluate("window.seen")
        browser.close()
    return [((at - origin_ms) / 1000, text) for at, text in seen]


def table(
    glosses: Sequence[str], starts: Sequence[float], shown: Sequence[tuple[float, str]], known: Sequence[str]
) -> str:
    """A Markdown table: what stood in the caption from the start of each clip to that of the next."""
    rows = ["| s | signed | in the caption, each with the seconds that it stood there |", "|---|---|---|"]
    ends = [*starts[1:], starts[-1] + LAST_S]
    for gloss, start, end in zip(glosses, starts, ends, strict=True):
        texts = []
        for number, (at, text) in enumerate(shown):
            until = shown[number + 1][0] if number + 1 < len(shown) else end
            seconds = min(until, end) - max(at, start)
            if seconds > 0.05:
                texts.append(f"{text or '–'} {seconds:.1f}")
        name = f"**{gloss}**" if gloss in known else gloss
        rows.append(f"| {start:.1f} | {name} | {' · '.join(texts)} |")
    return "\n".join(rows)


def main() -> int:
    """Play one session and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_session")
    parser.add_argument("clips", type=Path, metavar="CLIPS")
    parser.add_argument("--page", metavar="URL", help="address of the page; this checkout's without it")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bundle = load_bundle(EMBEDDED)
    known = list(bundle.vocabulary)
    try:
        clips = drawn(args.clips, known, args.seed)
        session = read(keypoints([path for _, path in clips], bundle.manifest.clip.fps), bundle)
    except (OSError, ValueError, KeyError, VideoError) as error:
        print(error, file=sys.stderr)
        return 2
    with nullcontext(args.page) if args.page else serving() as address:
        shown = play(session, address)
    print(table([gloss for gloss, _ in clips], session.starts, shown, known))
    return 0


if __name__ == "__main__":
    sys.exit(main())
