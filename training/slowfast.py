"""SlowFast on a visual stream (Feichtenhofer et al., ICCV 2019): a slow pathway for form, a fast one for motion.

`slowfast_tiny` follows the published layout (alpha 4, lateral time-strided convolutions with kernel 7 from the fast to
the slow pathway before every stage, temporal kernels in the slow pathway only late) at a size for CPUs. Channel counts
below 16 would waste vector units, so the fast pathway is wider than the published 1/8; its stem mixes no time yet (a
temporal kernel there costs a quarter of the whole model), its stages do.
"""

import torch
from torch import Tensor, nn

LATERAL_KERNEL = 7


def conv_bn(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    """A 3D convolution with 'same' padding and batch norm."""
    padding = tuple(k // 2 for k in kernel)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),  # type: ignore[arg-type]
        nn.BatchNorm3d(outputs),
    )


class Block(nn.Module):
    """A residual block: a temporal convolution (kernel 1 or 3), then a spatial 3x3."""

    def __init__(self, inputs: int, outputs: int, temporal: int, stride: int) -> None:
        super().__init__()
        self.temporal = conv_bn(inputs, outputs, (temporal, 1, 1))
        self.spatial = conv_bn(outputs, outputs, (1, 3, 3), (1, stride, stride))
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else conv_bn(inputs, outputs, (1, 1, 1), (1, stride, stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T, H / stride, W / stride)."""
        out = torch.relu(self.temporal(x))
        return torch.relu(self.spatial(out) + self.shortcut(x))


class SlowFast(nn.Module):
    """Two pathways with lateral connections; returns the pooled features of both, concatenated.

    Args:
        inputs: channels of the visual stream.
        slow: channels of the slow stem and its stages.
        fast: the same for the fast pathway.
        alpha: the slow pathway sees every alpha-th frame.
    """

    def __init__(self, inputs: int, slow: tuple[int, ...], fast: tuple[int, ...], alpha: int) -> None:
        super().__init__()
        self.alpha = alpha
        self.features = slow[-1] + fast[-1]
        self.slow_stem = conv_bn(inputs, slow[0], (1, 5, 5), (1, 2, 2))
        self.fast_stem = conv_bn(inputs, fast[0], (1, 3, 3), (1, 2, 2))
        self.laterals, self.slow_stages, self.fast_stages = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        stages = len(slow) - 1
        for i in range(stages):
            lateral = 2 * fast[i]
            self.laterals.append(conv_bn(fast[i], lateral, (LATERAL_KERNEL, 1, 1), (alpha, 1, 1)))
            stride = 1 if i == 0 else 2
            temporal = 3 if i == stages - 1 else 1  # the slow pathway mixes time only in its last stage
            self.slow_stages.append(Block(slow[i] + lateral, slow[i + 1], temporal, stride))
            self.fast_stages.append(Block(fast[i], fast[i + 1], 3, stride))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (B, C, T, H, W) and mask (B, T), 0 for frames to leave out of the pooling, to (B, features)."""
        # [::alpha], never linspace: both pathways must agree on which instant a slow frame shows.
        slow = torch.relu(self.slow_stem(frames[:, :, :: self.alpha]))
        fast = torch.relu(self.fast_stem(frames))
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow_stages, self.fast_stages, strict=True):
            slow = slow_stage(torch.cat([slow, torch.relu(lateral(fast))], dim=1))
            fast = fast_stage(fast)
        return torch.cat([pool(slow, mask[:, :: self.alpha]), pool(fast, mask)], dim=1)


def pool(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over space and over the frames in the mask: (B, C, T, H, W) and (B, T) to (B, C)."""
    weight = mask / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
    return (features.mean(dim=(3, 4)) * weight[:, None]).sum(dim=2)


def slowfast_tiny(inputs: int, alpha: int = 4) -> SlowFast:
    """The CPU size: about 0.36 M parameters on a stream of `inputs` channels."""
    return SlowFast(inputs, slow=(32, 32, 64, 128), fast=(16, 16, 32, 64), alpha=alpha)
