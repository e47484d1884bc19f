"""A training that was interrupted must end as if it had not been, bit for bit."""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.synthetic import adaptive_config, config, examples
from tests.training.toy import OPTIMISER, Line
from training.__main__ import main
from training.config import Config, LossConfig
from training.loop.resume import random_states, set_random_states
from training.loop.trainer import run
from training.runtime.checkpoint_file import CheckpointError, write_checkpoint
from training.tasks.isolated import IsolatedTask
from training.tasks.train import fit


def same(one: object, other: object) -> bool:
    """Equal, tensors and all."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))  # type: ignore[arg-type]
    return one == other


def left_behind(folder: Path) -> dict[str, object]:
    """Everything a run keeps, but for Lightning's counts of what was started, which an interruption shows in."""
    content = torch.load(folder / "resume.ckpt", weights_only=True)
    return {name: value for name, value in content.items() if name != "loops"}


def columns(folder: Path) -> list[list[str]]:
    """The log without its last two columns, which are times."""
    return [line.split(",")[:-2] for line in (folder / "logs" / "log.csv").read_text().splitlines()]


@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    whole = run(Line(), OPTIMISER, 3, progress=False, out=tmp_path / "whole")
    with pytest.raises(KeyError, match="broken off"):
        run(Line(stop=stop), OPTIMISER, 3, progress=False, out=tmp_path / "parts")
    task = Line()
    for generator in (random.seed, np.random.seed, torch.manual_seed):
        generator(99)
    parts = run(task, OPTIMISER, 3, progress=False, out=tmp_path / "parts", resume=True)
    assert task.ended == list(range(stop, 4))
    assert task.criterion.calls == 12
    assert same(whole, parts)
    assert same(left_behind(tmp_path / "whole"), left_behind(tmp_path / "parts"))
    assert columns(tmp_path / "whole") == columns(tmp_path / "parts")


def recogniser(folder: Path, form: str) -> Config:
    """Two streams with dropout, and a loss whose confusions and prototypes are part of the state."""
    share = 0.25 if form == "batch" else 0.0
    loss = LossConfig(label_smoothing=0.05, adaptive=adaptive_config(form=form, confusable_share=share))
    base = config(folder, fusion=True, epochs=3)
    return base.model_copy(update={"loss": loss})


@pytest.mark.parametrize("form", ["batch", "prototype"])
@pytest.mark.slow
def test_a_recogniser_resumes_with_confusions_and_prototypes(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recogniser(tmp_path, form)
    clips = examples()
    whole = fit(settings, clips, progress=False)
    with monkeypatch.context() as patch:
        step = IsolatedTask.step

        def breaking(self: IsolatedTask, epoch: int, batch: object) -> object:
            if epoch == 1:
                raise KeyboardInterrupt
            return step(self, epoch, batch)  # type: ignore[arg-type]

        patch.setattr(IsolatedTask, "step", breaking)
        with pytest.raises(SystemExit):
            fit(settings, clips, progress=False, out=tmp_path)
    parts = fit(settings, clips, progress=False, out=tmp_path, resume=True)
    assert same(whole.state, parts.state)
    assert whole.confusion is not None
    assert same(whole.confusion, parts.confusion)


def test_a_resumed_run_must_be_the_same_run(tmp_path: Path) -> None:
    settings = config(tmp_path, epochs=1)
    clips = examples()
    fit(settings, clips, progress=False, out=tmp_path)
    longer = settings.model_copy(update={"optimiser": settings.optimiser.model_copy(update={"epochs": 2})})
    narrow = settings.model_copy(
        update={"data": settings.data.model_copy(update={"vocabulary": ("high", "low"), "no_sign": None})}
    )
    for changed, given, said in (
        (longer, clips, "another config"),
        (settings, clips[:-1], "another data"),
        (narrow, [e for e in clips if e.gloss != "no sign"], "another config, another vocabulary, another data"),
    ):
        with pytest.raises(CheckpointError, match=rf"{tmp_path}/resume\.ckpt: made with {said}: cannot be resumed"):
            fit(changed, given, progress=False, out=tmp_path, resume=True)
    fit(settings, clips, progress=False, out=tmp_path, resume=True)


def test_runs_that_cannot_be_resumed_are_named(tmp_path: Path) -> None:
    options = {"progress": False, "out": tmp_path, "resume": True}
    with pytest.raises(CheckpointError, match=r"resume\.ckpt: no such file: there is nothing to resume"):
        run(Line(), OPTIMISER, 3, **options)  # type: ignore[arg-type]
    run(Line(), OPTIMISER, 3, progress=False, out=tmp_path)
    whole = (tmp_path / "resume.ckpt").read_bytes()
    for content in (b"", b"not a checkpoint", whole[: len(whole) // 2]):
        (tmp_path / "resume.ckpt").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"resume\.ckpt: not a readable file of an interrupted training"):
            run(Line(), OPTIMISER, 3, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing to resume"):
        run(Line(), OPTIMISER, 3, progress=False, resume=True)


def test_the_command_resumes_and_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config(tmp_path, epochs=1)
    command = ["train", "--config", f"{tmp_path}/tiny.toml", "--out", f"{tmp_path}/out", "--data", str(tmp_path)]
    assert main([*command, "--resume"]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/out/resume.ckpt: no such file: there is nothing to resume\n"
    assert main(command) == 0
    first = (tmp_path / "out" / "checkpoint.pt").read_bytes()
    assert main([*command, "--resume"]) == 0
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == first


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_on_a_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    write_checkpoint({"n": 1}, path)
    with full_disk(), pytest.raises(OSError, match=r"resume\.ckpt"):
        write_checkpoint({"n": 2, "more": torch.zeros(100)}, path)
    assert torch.load(path, weights_only=True) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["resume.ckpt"]


def test_every_generator_goes_on_where_it_was() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.normal(), torch.rand(()).item()

    np.random.normal()  # leaves its second draw behind, as part of the state
    states = random_states()
    first = draw()
    set_random_states(states)
    assert draw() == first
