"""The cost of taught signs: of the rule for each window, beside the model's own time, and of teaching for each clip."""

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from benchmarks.timing import Run, Spread, alternate
from glosscast.bundle import Bundle
from glosscast.clip import Window
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.reading import LexiconRule, rule_of
from glosscast.lexicon.signs import Lexicon, SignExample, TaughtSign
from glosscast.lexicon.similarity import unit
from glosscast.manifest import MODEL
from glosscast.recogniser import Recogniser

SIZES = (10, 100, 1000)
EXAMPLES = 3  # of each sign
BUDGET_S = 10.0
ROUNDS = 500
ENDINGS = (".mp4", ".mov", ".webm", ".mkv", ".avi")


class Teaching(NamedTuple):
    """How long `glosscast teach --folder` took.

    Attributes:
        clips: in the folder.
        signs: that the lexicon has then.
        seconds: from the start of the program to its end.
        bytes: of the file.
    """

    clips: int
    signs: int
    seconds: float
    bytes: int


def rule_times(bundle: Bundle, budget_s: float = BUDGET_S) -> dict[str, Spread]:
    """Time of the model for one window, and of the rule with lexicons of several sizes, taking turns."""
    recogniser = Recogniser(bundle)
    golden = bundle.golden()
    window = Window(golden["keypoints"][0], golden["mask"][0])
    readout = recogniser.readout([window])[0]
    alone = rule_of(bundle, None)
    cases: dict[str, Run] = {
        "the model, one window": lambda: recogniser.readout([window]),
        "the rule without a lexicon": lambda: alone(readout),
    }
    for signs in SIZES:
        rule = LexiconRule(bundle, made_up(bundle, signs))
        cases[f"the rule with {signs:,} signs"] = lambda rule=rule: rule(readout)  # type: ignore[misc]
    for signs in SIZES:
        lexicon = made_up(bundle, signs)
        cases[f"making the rule of {signs:,} signs"] = lambda lexicon=lexicon: LexiconRule(bundle, lexicon)  # type: ignore[misc]
    return alternate(cases, budget_s, ROUNDS)


def made_up(bundle: Bundle, signs: int) -> Lexicon:
    """A lexicon of random embeddings, which costs what any other of its size does."""
    chance = np.random.default_rng(0)
    keypoints = np.zeros((1, POINTS, CHANNELS), np.float16)
    known = np.full(len(bundle.vocabulary), 1 / len(bundle.vocabulary), np.float32)

    def example() -> SignExample:
        embedding = unit(chance.standard_normal(bundle.embedding_size).astype(np.float32))
        return SignExample(np.zeros(1, np.float32), keypoints, 0.0, 0.0, known, embedding)

    taught = [TaughtSign(f"sign {i}", "", tuple(example() for _ in range(EXAMPLES))) for i in range(signs)]
    return Lexicon("made up", bundle.id, bundle.manifest.files[MODEL], {sign.gloss: sign for sign in taught})


def teach_folder(bundle: Bundle, folder: Path) -> Teaching:
    """Teach a folder of folders of clips by the command line, whose start counts.

    Raises:
        RuntimeError: the command failed.
    """
    clips = [path for path in folder.glob("*/*") if path.suffix.lower() in ENDINGS]
    with tempfile.TemporaryDirectory() as place:
        lexicon = Path(place) / "lexicon.npz"
        command = [sys.executable, "-m", "glosscast.cli", "teach", "--folder", str(folder), "--lexicon", str(lexicon)]
        began = perf_counter()
        done = subprocess.run([*command, "--bundle", str(bundle.path)], capture_output=True, text=True)
        seconds = perf_counter() - began
        if not lexicon.exists():
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return Teaching(len(clips), len(load_lexicon(lexicon)), seconds, lexicon.stat().st_size)


def describe(times: dict[str, Spread], teaching: Teaching | None) -> str:
    """A Markdown table, and a sentence where a folder was taught."""
    lines = ["| what | median | fastest | slowest |", "|---|---|---|---|"]
    lines += [f"| {what} | {t.median_ms:.3f} ms | {t.min_ms:.3f} | {t.max_ms:.3f} |" for what, t in times.items()]
    if teaching is not None:
        each = teaching.seconds / max(teaching.clips, 1)
        lines += [
            f"\n{teaching.clips} clips of {teaching.signs} signs were taught in {teaching.seconds:.0f} s, {each:.2f} s "
            f"each; the file has {teaching.bytes / 2**20:.1f} MiB."
        ]
    return "\n".join(lines)
