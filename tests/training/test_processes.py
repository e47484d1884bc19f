"""Two processes that torchrun starts must learn what one process learns from the same batches."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.synthetic import ADAPTIVE, write
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.runtime.distributed import gathered, processes, rank, share

ROOT = Path(__file__).parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def train(config: Path, out: Path, *, together: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(TORCHRUN if together else []), "-m", "training", "train"]
    command += ["--config", str(config), "--out", str(out), "--data", str(config.parent)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def written(folder: Path, table: str, *changes: tuple[str, str]) -> Path:
    """A config without dropout, whose draws would differ from process to process."""
    path = write(folder, epochs=3)
    text = path.read_text() + table
    for old, new in (("\ndropout = 0.1", "\ndropout = 0.0"), *changes):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def checkpoint(config: Path, *, together: bool) -> Checkpoint:
    out = config.parent / ("two" if together else "one")
    done = train(config, out, together=together)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}/checkpoint.pt\n"
    return load_checkpoint(out / "checkpoint.pt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "changes"),
    [
        (ADAPTIVE + "confusable_share = 0.25\n", [("ema = 0.5", "ema = 0.5\naccumulate = 2")]),
        (
            ADAPTIVE + 'form = "prototype"\n',
            [("held_out", 'dev_signers = ["bea"]\nheld_out'), ("ema = 0.5", "ema = 0.5\npatience = 9")],
        ),
    ],
    ids=["batch", "prototype and dev signers"],
)
def test_two_processes_learn_the_same_as_one(tmp_path: Path, table: str, changes: list[tuple[str, str]]) -> None:
    config = written(tmp_path, table, *changes)
    one, two = checkpoint(config, together=False), checkpoint(config, together=True)
    assert one.state.keys() == two.state.keys()
    for name, value in one.state.items():
        # A softmax does not feel a bias: its gradient is nothing but rounding, which AdamW makes steps of.
        if name != "encoders.keypoints.attention.bias":
            torch.testing.assert_close(two.state[name], value, atol=5e-5, rtol=1e-3, msg=name)
    if one.confusion is not None:
        assert two.confusion is not None
        assert torch.allclose(one.confusion, two.confusion, atol=1e-4)
    logs = [(tmp_path / name / "logs" / "log.csv").read_text().splitlines() for name in ("one", "two")]
    for row, other in zip(*logs, strict=True):
        if row != other:  # the header is alike
            numbers = [[float(cell) for cell in line.split(",")[:-2]] for line in (row, other)]
            assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    done = train(written(tmp_path, "", ("batch = 12", "batch = 11")), tmp_path / "out", together=True)
    assert done.returncode != 0
    assert "a batch of 11 cannot be divided evenly among 2 processes" in done.stderr


def test_alone_a_process_takes_everything() -> None:
    value = torch.ones(2)
    assert (processes(), rank(), share(5)) == (1, 0, slice(0, 5))
    assert gathered(value) is value
