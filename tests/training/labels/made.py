"""Six made-up people, with labels of which some are planted wrong."""

from pathlib import Path

import numpy as np

from tests.training import synthetic

SIGNERS = ("ann1", "bea1", "cem1", "ann2", "bea2", "cem2")  # of whom each has 12 clips: 4 high, 4 low, 4 no sign
WRONG = 52  # the first of bea2's low, called no sign


def write(folder: Path, *, planted: bool = True, source: bool = True, epochs: int = 1) -> Path:
    """Write tiny.npz and a config beside it; returns the config's path.

    Where faults are `planted`, ann1's high and low have each other's name.
    """
    path = synthetic.write(folder, epochs=epochs)
    halves = [synthetic.arrays(seed=seed) for seed in (0, 1)]
    content = {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
    content["signer"] = np.repeat(SIGNERS, 12)
    if planted:
        content["gloss"][:8] = ["low"] * 4 + ["high"] * 4
        content["gloss"][WRONG] = "no sign"
    if source:
        content["source"] = np.array([f"place of {name}" for name in content["signer"]])
    np.savez(folder / "tiny.npz", **content)
    path.write_text(path.read_text().replace('held_out = ["cem"]\n', ""))
    return path
