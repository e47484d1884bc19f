from pathlib import Path

import pytest
import torch
from torch import Tensor

from glosscast.keypoints import PRESENCE
from tests.training.continuous.tiny import config
from training.models.continuous import ContinuousRecogniser, continuous_recogniser, mean_steps

STREAMS = ['"keypoints"', '"pose"', '"pose", "keypoints"']
FRAMES = (37, 21, 8, 5, 1)  # 8 ends on a slow frame's last step, 5 one frame into it


def model(folder: Path, streams: str) -> ContinuousRecogniser:
    torch.manual_seed(0)
    made = continuous_recogniser(config(folder, streams=streams), classes=3).eval()
    for module in made.modules():  # as after some training: an untouched running mean of 0 hides what padding does
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.normal_(module.bias, std=0.5)
            torch.nn.init.normal_(module.running_mean, std=0.5)
    return made


def sentences() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = [torch.randn(1, frames, 171, 4, generator=generator) for frames in FRAMES]
    for sentence in made:
        sentence[..., PRESENCE] = 1.0
    return made


def padded(batch: list[Tensor], frames: int, filling: float) -> Tensor:
    out = torch.full((len(batch), frames, 171, 4), filling)
    for row, sentence in zip(out, batch, strict=True):
        row[: sentence.shape[1]] = sentence[0]
    return out


@pytest.mark.parametrize("streams", STREAMS)
@torch.no_grad()
def test_padding_and_batch_mates_do_not_change_a_sentence(tmp_path: Path, streams: str) -> None:
    recogniser = model(tmp_path, streams)
    alone = [recogniser(s, torch.tensor([s.shape[1]])) for s in sentences()]
    for total, filling in ((37, 0.0), (64, 0.0), (50, 3.0)):
        together = recogniser(padded(sentences(), total, filling), torch.tensor(FRAMES))
        assert together.steps.tolist() == [19, 11, 4, 3, 1]
        for i, single in enumerate(alone):
            steps = int(single.steps)
            torch.testing.assert_close(together.logits[i, :steps], single.logits[0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(together.features[i, :steps], single.features[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("streams", STREAMS)
def test_a_step_has_a_logit_for_each_class_and_the_blank(tmp_path: Path, streams: str) -> None:
    output = model(tmp_path, streams)(sentences()[0], torch.tensor([37]))
    assert output.logits.shape == (1, 19, 4)
    assert output.features.shape == (1, 19, 16)
    assert output.features.dtype == torch.float32


def test_logits_are_computed_from_the_features(tmp_path: Path) -> None:
    output = model(tmp_path, '"keypoints"')(sentences()[1], torch.tensor([21]))
    gradient = torch.autograd.grad(output.logits.sum(), output.features)[0]
    assert gradient.abs().sum() > 0


def test_with_one_stream_left_out_a_whole_sentence_lacks_it(tmp_path: Path) -> None:
    made = config(tmp_path, streams='"pose", "keypoints"')
    settings = made.model.model_copy(update={"dropout": 0.0, "modality_dropout": 0.49})
    recogniser = continuous_recogniser(made.model_copy(update={"model": settings}), classes=2).train()
    seen: list[Tensor] = []
    recogniser.fuse.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    recogniser(torch.cat([sentences()[1]] * 40), torch.tensor([21] * 40))
    halves = torch.stack(seen[0].chunk(2, dim=2))
    gone = (halves == 0).all(dim=3)
    assert (gone.all(dim=2) == gone.any(dim=2)).all()
    assert 0 < gone.any(dim=2).float().mean() < 1


def test_steps_are_means_of_the_frames_inside_the_mask() -> None:
    x = torch.arange(5.0)[None, :, None]
    mean, mask = mean_steps(x, torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]), 2)
    assert mean[0, :, 0].tolist() == [0.5, 2.0, 0.0]
    assert mask.tolist() == [[1.0, 1.0, 0.0]]
    assert mean_steps(x, torch.ones(1, 5), 1)[0].tolist() == x.tolist()
