"""A config of sentences that a tiny model learns in seconds, and recorded sentences of the made-up signers."""

from pathlib import Path

import numpy as np

from tests.training import synthetic
from tests.training.synthetic import ADAPTIVE, FRAMES
from training.config import Config, load_config

SIGNS = ("high", "low")
SENTENCES = (("high",), ("low",), ("high", "low"), ("low", "high"))
JOINED = """
[continuous.sentences]
fps = 15.0
signs = [1, 3]
transition_ms = [200.0, 400.0]
"""
CONTINUOUS = """
[continuous]
stride = 2
blocks = 1
kernel = 3
"""


def text(*, joined: bool = True, streams: str = '"keypoints"', epochs: int = 2) -> str:
    isolated, _, _ = synthetic.CONFIG.partition("[loss]")
    filled = isolated.replace("{streams}", streams).replace("{epochs}", str(epochs))
    return filled + CONTINUOUS + ADAPTIVE.replace("[loss.", "[continuous.loss.") + (JOINED if joined else "")


def write(folder: Path, content: str) -> Path:
    """Write tiny.npz and a config beside it; returns the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "tiny.npz", **synthetic.arrays())
    path = folder / "tiny.toml"
    path.write_text(content)
    return path


def config(folder: Path, *, streams: str = '"keypoints"', epochs: int = 2) -> Config:
    return load_config(write(folder, text(streams=streams, epochs=epochs)))


def recorded_config(folder: Path, *, epochs: int = 2) -> Config:
    """Sentences written as an extraction of PHOENIX would: gloss texts with spaces."""
    content = text(joined=False, epochs=epochs).replace("fps = 15.0\naspect", "fps = 15.0\nsentences = true\naspect")
    content = content.replace('"low", "no sign"]', '"low"]').replace('no_sign = "no sign"\n', "")
    path = write(folder, content.replace("distractors = false", "distractors = true"))
    np.savez(folder / "tiny.npz", **recorded_arrays())
    return load_config(path)


def recorded_arrays(sentences: int = 12) -> dict[str, np.ndarray]:
    """Each of `SENTENCES` equally often by each signer; signs follow each other without a pause."""
    rng = np.random.default_rng(0)
    drawn = [(signer, SENTENCES[i % len(SENTENCES)]) for signer in synthetic.SIGNERS for i in range(sentences)]
    made = [
        [np.concatenate(part) for part in zip(*(synthetic.parts(gloss, rng) for gloss in glosses), strict=True)]
        for _, glosses in drawn
    ]
    padded = {
        name: np.stack([np.pad(parts[i], ((0, 2 * FRAMES - len(parts[i])), (0, 0), (0, 0))) for parts in made])
        for i, name in enumerate(("pose", "left_hand", "right_hand"))
    }
    return padded | {
        "gloss": np.array([" ".join(glosses) for _, glosses in drawn]),
        "signer": np.array([signer for signer, _ in drawn]),
        "frames": np.array([FRAMES * len(glosses) for _, glosses in drawn]),
    }
