"""How often practice remarks on signs that are right, and on others, of people who are not those in the examples.

    python -m benchmarks.practice [--data DIR] [--config FILE.toml] [--choices FILE.toml]

The page's own module compares each clip with the example of its gloss, and with that of another gloss. Needs node.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import numpy as np

from export.examples import load_choices
from glosscast.bundle import Bundle, load_bundle
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, X, Y
from glosscast.lexicon.signs import SignExample
from glosscast.lexicon.teaching import Teacher, TeachingError
from glosscast.recogniser import Recogniser
from training.config import load_config
from training.config.folder import data_folder
from training.data import Example, load_sets

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "training" / "configs"
MOST = 6  # clips of one signer and gloss, so that nobody counts much more than others
DIGITS = 3
PROGRAM = """
import { readFileSync } from "node:fs";
const { differences, measure } = await import(process.argv[1]);
const { examples, signs } = JSON.parse(readFileSync(0));
const of = Object.fromEntries(Object.entries(examples).map(([gloss, motion]) => [gloss, measure(motion)]));
const compared = (sign) => Object.fromEntries(
  Object.entries(of).map(([gloss, example]) => [gloss, differences(example, sign)]));
console.log(JSON.stringify(signs.map(measure).map((sign) => sign && compared(sign))));
"""


class Remarked(NamedTuple):
    """Remarks on the signs of one gloss.

    Attributes:
        clips: that show it, by others than the person in its example.
        signers: of these.
        right: share that gets a remark, as the sign that it is.
        misread: share that gets one and is not read as its sign, so that the page would show it.
        others: share of the clips of other signs that gets one as this sign.
        most: the remark that right signs get most often, "" for none.
    """

    clips: int
    signers: int
    right: float
    misread: float
    others: float
    most: str


def motion(sign: SignExample) -> dict[str, Any]:
    """The hands of an example as the page gets them."""
    places = np.round(sign.keypoints[..., [X, Y]].astype(float), DIGITS)
    hands = {
        side: [
            frame[where].tolist() if points[where.start, PRESENCE] > 0 else None
            for frame, points in zip(places, sign.keypoints, strict=True)
        ]
        for side, where in (("left_hand", LEFT_HAND), ("right_hand", RIGHT_HAND))
    }
    return {"t_ms": sign.t_ms.tolist(), "start_ms": sign.start_ms, "end_ms": sign.end_ms, "pose": [], **hands}


def found_in(bundle: Bundle, clips: Sequence[Example]) -> list[tuple[Example, SignExample]]:
    """The sign in each clip, found as in a stream; clips without one are left out."""
    teacher = Teacher(bundle, Recogniser(bundle).readout)
    counts = Counter[tuple[str, str]]()
    signs = []
    for clip in clips:
        counts[clip.gloss, clip.signer] += 1
        if counts[clip.gloss, clip.signer] > MOST:
            continue
        try:
            signs.append((clip, teacher.example(clip.clip)[0]))
        except TeachingError:
            continue
    return signs


def compare(bundle: Bundle, signs: Sequence[SignExample]) -> list[dict[str, list[str]] | None]:
    """The remarks on each sign as every gloss of the bundle; None where no hand is seen long enough.

    Raises:
        OSError: there is no node.
    """
    node = which("node", path=str(Path(sys.executable).parent)) or which("node")
    if node is None:
        raise OSError("node is not installed; make check-page installs it")
    module = (ROOT / "service" / "web" / "js" / "compare.js").as_uri()
    material = {
        "examples": {gloss: motion(e) for gloss, e in bundle.examples.items()},
        "signs": [motion(sign) for sign in signs],
    }
    command = [node, "--input-type=module", "--eval", PROGRAM, module]
    done = subprocess.run(command, input=json.dumps(material), capture_output=True, text=True, check=True)
    found: list[dict[str, list[str]] | None] = json.loads(done.stdout)
    return found


def remarked(bundle: Bundle, clips: Sequence[Example], shown: dict[str, str]) -> dict[str, Remarked]:
    """What is remarked, by gloss; `shown` is the signer in the example of each."""
    signs = found_in(bundle, clips)
    remarks = compare(bundle, [sign for _, sign in signs])
    right, others = defaultdict[str, list[tuple[str, list[str], bool]]](list), defaultdict[str, list[bool]](list)
    for (clip, sign), of in zip(signs, remarks, strict=True):
        if of is None:
            continue
        least = bundle.manifest.decoder.reject
        best = int(sign.probabilities.argmax())
        read = bundle.vocabulary.gloss(best) == clip.gloss and sign.probabilities[best] >= least
        for gloss, said in of.items():
            if gloss != clip.gloss:
                others[gloss].append(bool(said))
            elif clip.signer != shown[gloss]:
                right[gloss].append((clip.signer, said, bool(read)))
    return {
        gloss: Remarked(
            clips=len(found),
            signers=len({signer for signer, _, _ in found}),
            right=float(np.mean([bool(said) for _, said, _ in found])),
            misread=float(np.mean([bool(said) and not read for _, said, read in found])),
            others=float(np.mean(others[gloss])),
            most=next((name for name, _ in Counter(n for _, said, _ in found for n in said).most_common(1)), ""),
        )
        for gloss, found in right.items()
    }


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.practice")
    parser.add_argument("--config", type=Path, default=CONFIGS / "asl_demo.toml", metavar="FILE.toml")
    parser.add_argument("--choices", type=Path, default=CONFIGS / "asl_demo_examples.toml", metavar="FILE.toml")
    parser.add_argument("--data", type=Path, default=data_folder(), metavar="DIR")
    args = parser.parse_args()
    try:
        bundle = load_bundle()
        config = load_config(args.config)
        clips = [e for e in load_sets(config.data, args.data, config.model) if e.gloss in bundle.examples]
        of = {(e.file, e.index): e.signer for e in clips}
        shown = {gloss: of[choice.file, choice.clip] for gloss, choice in load_choices(args.choices).items()}
        rows = remarked(bundle, clips, shown)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("| sign | clips | signers | right, remarked | of these not read | other signs, remarked | most often |")
    print("|---|---:|---:|---:|---:|---:|---|")
    mean = np.mean([(row.right, row.misread, row.others) for row in rows.values()], axis=0)
    for gloss, row in rows.items():
        shares = " | ".join(f"{share:.1%}" for share in (row.right, row.misread, row.others))
        print(f"| {gloss} | {row.clips} | {row.signers} | {shares} | {row.most} |")
    print(f"| mean | | | {' | '.join(f'{share:.1%}' for share in mean)} | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
