"""PyTorchVideo's SlowFast, the oracle that ours is held against."""

import sys
from types import ModuleType
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

FRAMES, SIZE, ALPHA = 32, 64, 4
M = TypeVar("M", bound=nn.Module)

HUB = {"slowfast_8x8_r50": "slowfast_r50", "slowfast_8x8_r101": "slowfast_r101"}
# The last feature map of 64x64 frames is 2x2; the hub's own 7x7 is for 224x224.
HEAD_POOL = ((FRAMES // ALPHA, 2, 2), (FRAMES, 2, 2))


def hub() -> ModuleType:
    """The module with the published definitions; skips the test where the package is missing."""
    # It wants torchvision for RoIAlign, a part of its detection heads that nothing here uses.
    ops = ModuleType("torchvision.ops")
    ops.RoIAlign = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
        patch.setitem(sys.modules, "torchvision.ops", ops)
        return pytest.importorskip("pytorchvideo.models.hub.slowfast")


def published(name: str, classes: int) -> nn.Module:
    return getattr(hub(), HUB[name])(model_num_class=classes, head_pool_kernel_sizes=HEAD_POOL)


def narrow(classes: int) -> nn.Module:
    """The published R50 at a quarter of its width, for tests where the size does not matter."""
    return hub().create_slowfast(
        model_depth=50, stem_dim_outs=(16, 2), model_num_class=classes, head_pool_kernel_sizes=HEAD_POOL
    )


@torch.no_grad()
def randomise(model: M) -> M:
    """Batch norms and logits of the size that training gives them: as initialised, they would hide most faults."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.weight.uniform_(0.2, 0.8, generator=generator)  # below 1, or a hundred layers overflow
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            for shift in (module.bias, module.running_mean):
                shift.normal_(0.0, 0.1, generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0.0, 0.2, generator=generator)
    return model.eval()


def clip(batch: int = 1) -> Tensor:
    """Frames (B, 3, 32, 64, 64)."""
    return torch.randn(batch, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def logits(model: nn.Module, frames: Tensor) -> Tensor:
    """What PyTorchVideo's model says; it takes a list that it changes."""
    return model([frames[:, :, ::ALPHA], frames])
