"""Data that a tiny model learns in seconds: three glosses told apart by the height of the right hand."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from glosscast.clip import Clip
from glosscast.keypoints import assemble
from training.config import AdaptiveConfig, Config, load_config
from training.data import Example
from training.data.frames import entry_name
from training.datasets.crops import add, encode

GLOSSES = ("high", "low", "no sign")
HEIGHTS = {"high": -0.7, "low": 0.7, "no sign": 1.8}  # of the hand, in shoulder widths below the shoulders
SIGNERS = ("ann", "bea", "cem")
FPS = 15.0
FRAMES = 18
ASPECT = 4 / 3

CONFIG = """
name = "tiny"
version = "1"
seed = 1
[card]
language = "Height Sign Language"
seen = "nobody"
[clip]
window_ms = 1000.0
fps = 16.0
alpha = 4
[segmenter]
enter_height = 1.0
leave_height = 1.2
enter_ms = 120.0
leave_ms = 250.0
still_speed = 0.05
still_ms = 3000.0
max_ms = 5000.0
follow_ms = 600.0
visible = 0.5
[decoder]
interim_ms = 250.0
hop_ms = 500.0
stable = 0.5
reject = 0.0
[data]
vocabulary = ["high", "low", "no sign"]
no_sign = "no sign"
distractors = false
held_out = ["cem"]
[[data.sets]]
file = "tiny.npz"
about = "three made-up people, public domain."
fps = 15.0
aspect = 1.3333
[model]
streams = [{streams}]
embedding = 16
dropout = 0.1
modality_dropout = 0.1
heatmap_size = 16
heatmap_sigma = 0.2
[augmentation]
speed = 0.1
start_ms = 50.0
crop = 0.1
mirror = 0.0
rotation = 3.0
scale = 0.05
aspect = 0.05
shear = 0.02
shift = 0.02
hand_shift = 0.01
hand_scale = 0.05
noise = 0.01
drop_hand = 0.05
drop_frames = 0.02
drop_face = 0.2
[optimiser]
epochs = {epochs}
clips_per_epoch = 48
batch = 12
lr = 3e-3
weight_decay = 0.01
warmup_epochs = 0.5
ema = 0.5
bf16 = false
[loss]
label_smoothing = 0.05
"""
ADAPTIVE = """
[loss.adaptive]
alpha = 0.6
warmup_epochs = 1
ramp_epochs = 0
momentum = 0.7
kappa = 1.0
threshold = 0.0
top_k = 2
margin = 0.6
margin_growth = 0.5
margin_max = 1.2
"""


def parts(gloss: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose (T, 33, 4) and hands (T, 21, 3) of somebody holding the right hand at the gloss's height."""
    unit = rng.uniform(0.16, 0.22)
    middle = rng.uniform(0.45, 0.55, 2)
    pose = np.zeros((FRAMES, 33, 4), np.float32)
    pose[:, 11], pose[:, 12] = (*(middle + np.array([unit / 2, 0])), 0, 1), (*(middle - np.array([unit / 2, 0])), 0, 1)
    pose[:, 0] = (*(middle - np.array([0, 0.9 * unit * ASPECT])), 0, 1)
    place = middle + unit * np.array([-0.3, HEIGHTS[gloss] * ASPECT])
    sway = 0.1 * unit * np.sin(np.arange(FRAMES) + rng.uniform(0, 6))
    right = np.zeros((FRAMES, 21, 3), np.float32)
    right[..., :2] = place + 0.3 * unit * rng.uniform(-1, 1, (21, 2))
    right[..., 0] += sway[:, None]
    pose[:, 16, :2], pose[:, 16, 3] = right[:, 0, :2], 1
    return pose, np.zeros((FRAMES, 21, 3), np.float32), right


def arrays(clips: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of an .npz file with `clips` clips of each gloss from each signer."""
    rng = np.random.default_rng(seed)
    labels = [(gloss, signer) for signer in SIGNERS for gloss in GLOSSES for _ in range(clips)]
    pose, left, right = (np.stack(part) for part in zip(*(parts(gloss, rng) for gloss, _ in labels), strict=True))
    return {
        "pose": pose,
        "left_hand": left,
        "right_hand": right,
        "gloss": np.array([gloss for gloss, _ in labels]),
        "signer": np.array([signer for _, signer in labels]),
    }


def examples(clips: int = 4) -> list[Example]:
    data = arrays(clips)
    t_ms = np.arange(FRAMES) * (1000.0 / FPS)
    keypoints = assemble(data["pose"], data["left_hand"], data["right_hand"])
    return [
        Example(Clip(t_ms, k, ASPECT), str(gloss), str(signer))
        for k, gloss, signer in zip(keypoints, data["gloss"], data["signer"], strict=True)
    ]


def write(folder: Path, *, fusion: bool = False, epochs: int = 6) -> Path:
    """Write tiny.npz and a config beside it; returns the config's path."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "tiny.npz", **arrays())
    path = folder / "tiny.toml"
    text = CONFIG.replace("{streams}", '"pose", "keypoints"' if fusion else '"keypoints"')
    path.write_text(text.replace("{epochs}", str(epochs)) + (ADAPTIVE if fusion else ""))
    return path


def write_frames(path: Path, clips: Sequence[np.ndarray]) -> Path:
    """Write the zip of pictures, (T, size, size, 3) for each clip."""
    with ZipFile(path, "w") as out:
        for index, frames in enumerate(clips):
            for frame, picture in enumerate(frames):
                add(out, entry_name(index, frame), encode(picture))
    return path


def pictures(gloss: str, size: int = 32, seed: int = 0) -> np.ndarray:
    """Pictures (FRAMES, size, size, 3) of a bar whose height is the gloss's, on a wall that grows lighter."""
    rng = np.random.default_rng(seed)
    frames = np.empty((FRAMES, size, size, 3), np.uint8)
    frames[:] = (10 + 5 * np.arange(FRAMES))[:, None, None, None]
    row = (GLOSSES.index(gloss) * size) // 3 + int(rng.integers(0, size // 8))
    frames[:, row : row + size // 4] = (250, 240, 200)
    return frames


def write_rgb(folder: Path, *streams: str, epochs: int = 6) -> Path:
    """As `write`, with pictures and an rgb stream beside others; in the pictures is the gloss, too."""
    path = write(folder, epochs=epochs)
    data = arrays()
    write_frames(folder / "tiny.frames.zip", [pictures(str(g), seed=i) for i, g in enumerate(data["gloss"])])
    wanted = ", ".join(f'"{name}"' for name in ("rgb", *streams))
    path.write_text(path.read_text().replace('streams = ["keypoints"]', f"streams = [{wanted}]\nrgb_size = 32"))
    return path


def config(folder: Path, *, fusion: bool = False, epochs: int = 6) -> Config:
    return load_config(write(folder, fusion=fusion, epochs=epochs))


def adaptive_config(**changes: object) -> AdaptiveConfig:
    """Settings of the adaptive loss that takes part from the first epoch."""
    settings = {
        "alpha": 0.6,
        "warmup_epochs": 0,
        "ramp_epochs": 0,
        "momentum": 0.7,
        "kappa": 1.0,
        "threshold": 0.01,
        "top_k": 3,
        "margin": 0.6,
        "margin_growth": 0.5,
        "margin_max": 1.2,
    }
    return AdaptiveConfig.model_validate({**settings, **changes})
