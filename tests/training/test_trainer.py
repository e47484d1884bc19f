import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.training.synthetic import write
from tests.training.toy import OPTIMISER, Line
from training.config import ConfigError, OptimiserConfig, load_config
from training.loop.schedule import LrFactor
from training.loop.trainer import run

ROOT = Path(__file__).parents[2]
State = dict[str, torch.Tensor]


def settings(**changes: object) -> OptimiserConfig:
    return OPTIMISER.model_copy(update=changes)


def trained(task: Line, config: OptimiserConfig = OPTIMISER, **options: object) -> State:
    return run(task, config, 3, progress=False, **options)  # type: ignore[arg-type]


def alike(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "logs" / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def plain_loop(task: Line, config: OptimiserConfig) -> State:
    """What the trainer must do, bit for bit, in as few lines as it takes."""
    average = AveragedModel(task.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
    groups = [
        {"params": list(task.model.parameters())},
        {"params": list(task.criterion.parameters()), "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, LrFactor(config, task.steps_per_epoch))
    for epoch in range(config.epochs):
        for batch in task.batches(epoch):
            loss, _ = task.step(epoch, batch)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 5.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(task.model)
        average.eval()
        norm = average.module[1]
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
        with torch.no_grad():
            for batch in task.batches(epoch):
                average.module(batch.x)
    return dict(average.module.state_dict())


@pytest.mark.parametrize("noise", [0.1, 100.0])  # the larger one's gradients are clipped
def test_the_trainer_gives_the_same_as_a_plain_loop(noise: float) -> None:
    assert alike(trained(Line(noise=noise)), plain_loop(Line(noise=noise), OPTIMISER))


def test_the_criterion_is_trained_too() -> None:
    task = Line()
    trained(task)
    assert task.criterion.scale.item() != 0.0
    assert task.ended == [0, 1, 2, 3]


def test_accumulated_halves_are_one_batch() -> None:
    whole = Line(dropout=0.0, noise=0.0)
    halves = Line(batch=4, dropout=0.0, noise=0.0)
    for task in (whole, halves):
        task.model[1] = torch.nn.Identity()  # batch norm sees one half at a time
        task.criterion.scale.requires_grad_(False)
    # The same points in the same order, half a batch at a time.
    halves.batches = lambda epoch: (  # type: ignore[method-assign]
        type(b)(b.x[half], b.y[half]) for b in whole.batches(epoch) for half in (slice(0, 4), slice(4, 8))
    )
    one, other = trained(whole), trained(halves, settings(accumulate=2))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_it_stops_after_epochs_without_a_better_score_and_keeps_the_best(tmp_path: Path) -> None:
    scores = (0.1, 0.5, 0.5, 0.4)
    task = Line(scores=scores)
    kept = trained(task, settings(epochs=9, patience=2), out=tmp_path)
    assert task.ended == [0, 1, 2, 3]
    assert alike(kept, task.averages[1])
    again = Line(scores=scores)
    assert alike(trained(again, settings(epochs=9, patience=2), out=tmp_path, resume=True), kept)
    assert again.ended == []


def test_without_patience_a_score_selects_nothing() -> None:
    task = Line(scores=(0.9, 0.1, 0.1, 0.1))
    assert alike(trained(task), task.averages[-1])
    assert task.ended == [0, 1, 2, 3]


def test_patience_needs_a_score() -> None:
    with pytest.raises(ValueError, match="patience needs dev clips"):
        trained(Line(), settings(patience=1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_float16_needs_a_gpu() -> None:
    with pytest.raises(ValueError, match="fp16 needs a CUDA GPU"):
        trained(Line(), settings(fp16=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("precision", [{}, {"bf16": True}, {"fp16": True}])
def test_it_trains_on_a_gpu(precision: dict[str, bool]) -> None:
    assert all(value.device.type == "cpu" for value in trained(Line(), settings(**precision)).values())


def test_one_precision_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("bf16 = false", "bf16 = true\nfp16 = true"))
    with pytest.raises(ConfigError, match="both bf16 and fp16"):
        load_config(path)


def test_a_row_an_epoch_is_logged(tmp_path: Path) -> None:
    trained(Line(scores=(0.1, 0.2, 0.3, 0.4)), out=tmp_path)
    table = rows(tmp_path)
    assert list(table[0]) == ["epoch", "loss", "size", "lr", "dev_score", "seconds", "waiting"]
    assert [(row["epoch"], row["size"], row["dev_score"]) for row in table] == [
        (str(n + 1), "8", f"0.{n + 1}") for n in range(4)
    ]
    assert all(0 <= float(row["waiting"]) <= 1 and float(row["seconds"]) > 0 for row in table)
    last = OPTIMISER.lr * LrFactor(OPTIMISER, 3)(11)
    assert float(table[-1]["lr"]) == pytest.approx(last, rel=1e-4)
    curves = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert set(curves.Tags()["scalars"]) == {*table[0]} - {"epoch"}
    for name in ("loss", "dev_score"):
        assert [event.value for event in curves.Scalars(name)] == pytest.approx([float(r[name]) for r in table], 1e-4)


@pytest.mark.slow
def test_tensorboard_starts() -> None:
    command = [sys.executable, "-m", "tensorboard.main", "--version"]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_new_run_replaces_the_logs_of_an_old_one(tmp_path: Path) -> None:
    for _ in range(2):
        trained(Line(), out=tmp_path)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3", "4"]
    assert len(list((tmp_path / "logs").glob("events.*"))) == 1


QUIETLY = """
import socket
def refuse(*_): raise OSError("a connection was tried")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from tests.training.toy import OPTIMISER, Line
from training.loop.trainer import run
run(Line(), OPTIMISER, 3, progress=False)
"""


@pytest.mark.slow
def test_it_prints_nothing_writes_nothing_and_connects_to_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x"}
    done = subprocess.run(
        [sys.executable, "-c", QUIETLY], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_export_does_without_lightning() -> None:
    code = "import sys, export.__main__, export.to_onnx, export.verify; print('lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
