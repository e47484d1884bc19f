"""SlowFast (Feichtenhofer et al., ICCV 2019): a slow pathway for form, a fast one for motion.

`slowfast_8x8_r50` and `slowfast_8x8_r101` are the published models, as PyTorchVideo trained them on Kinetics-400.
`slowfast_tiny` is a size for CPUs. Channel counts below 16 would waste vector units, so its fast pathway is wider than
the published 1/8; its fast stem mixes no time yet (a temporal kernel there costs a quarter of the whole model), its
stages do. All have lateral convolutions, strided in time, from the fast to the slow pathway before every stage, and
temporal kernels in the slow pathway only late.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

Kernel = tuple[int, int, int]  # time, height, width


@dataclass(frozen=True)
class Layout:
    """The parameters of a SlowFast; the first entry of `slow` and `fast` is the stem, the others are stages.

    Attributes:
        depths: residual blocks of each stage, the same in both pathways.
        slow: channels that leave the slow stem and its stages, without the channels that the lateral connections add.
        fast: the same for the fast pathway.
        slow_stem: kernel of the slow stem.
        fast_stem: kernel of the fast stem.
        stem_pool: whether a max pool, stride 2 in space, ends the stems.
        slow_temporal: temporal kernel of the slow blocks, for each stage; that of the fast blocks is always 3.
        lateral: temporal kernel of the lateral convolutions.
        bottleneck: whether blocks squeeze to a quarter of their channels inside.
    """

    depths: tuple[int, ...]
    slow: tuple[int, ...]
    fast: tuple[int, ...]
    slow_stem: Kernel
    fast_stem: Kernel
    stem_pool: bool
    slow_temporal: tuple[int, ...]
    lateral: int
    bottleneck: bool


def resnet(depths: tuple[int, ...], lateral: int) -> Layout:
    """The published layout, on a ResNet of these depths."""
    return Layout(
        depths=depths,
        slow=(64, 256, 512, 1024, 2048),
        fast=(8, 32, 64, 128, 256),  # beta 1/8
        slow_stem=(1, 7, 7),
        fast_stem=(5, 7, 7),
        stem_pool=True,
        slow_temporal=(1, 1, 3, 3),
        lateral=lateral,
        bottleneck=True,
    )


LAYOUTS = {
    "slowfast_8x8_r50": resnet((3, 4, 6, 3), lateral=7),
    "slowfast_8x8_r101": resnet((3, 4, 23, 3), lateral=5),  # 5, as in PyTorchVideo's weights
    "slowfast_tiny": Layout(
        depths=(1, 1, 1),
        slow=(32, 32, 64, 128),
        fast=(16, 16, 32, 64),
        slow_stem=(1, 5, 5),
        fast_stem=(1, 3, 3),
        stem_pool=False,
        slow_temporal=(1, 1, 3),
        lateral=7,
        bottleneck=False,
    ),
}


def build(name: str, num_classes: int | None = None, inputs: int = 3, alpha: int = 4) -> "SlowFast":
    """A SlowFast with fresh weights: a classifier, or without `num_classes` an encoder.

    Args:
        name: one of `LAYOUTS`.
        num_classes: classes of the head.
        inputs: channels of the frames.
        alpha: the slow pathway sees every alpha-th frame.

    Raises:
        ValueError: unknown name.
    """
    if name not in LAYOUTS:
        raise ValueError(f"unknown model {name!r}: there are {', '.join(LAYOUTS)}")
    model = SlowFast(LAYOUTS[name], num_classes, inputs, alpha)
    if model.layout.bottleneck:
        initialise(model)
    return model


class SlowFast(nn.Module):
    """Two pathways with lateral connections, and the pooled features of both, concatenated, before the head.

    Args:
        layout: kernels, depths and widths.
        num_classes: classes of the head; None for no head.
        inputs: channels of the frames.
        alpha: the slow pathway sees every alpha-th frame.
    """

    def __init__(self, layout: Layout, num_classes: int | None, inputs: int, alpha: int) -> None:
        super().__init__()
        self.layout = layout
        self.alpha = alpha
        slow, fast = layout.slow, layout.fast
        self.features = self.frame_features = slow[-1] + fast[-1]
        self.slow_stem = stem(inputs, slow[0], layout.slow_stem, layout.stem_pool)
        self.fast_stem = stem(inputs, fast[0], layout.fast_stem, layout.stem_pool)
        self.laterals = nn.ModuleList()
        self.slow_stages = nn.ModuleList()
        self.fast_stages = nn.ModuleList()
        for i, (depth, temporal) in enumerate(zip(layout.depths, layout.slow_temporal, strict=True)):
            lateral = 2 * fast[i]
            stride = 1 if i == 0 else 2
            self.laterals.append(conv_bn(fast[i], lateral, (layout.lateral, 1, 1), (alpha, 1, 1)))
            self.slow_stages.append(
                stage(depth, slow[i] + lateral, slow[i + 1], temporal, stride, bottleneck=layout.bottleneck)
            )
            self.fast_stages.append(stage(depth, fast[i], fast[i + 1], 3, stride, bottleneck=layout.bottleneck))
        self.head = (
            nn.Identity()
            if num_classes is None
            else nn.Sequential(nn.Dropout(0.5), nn.Linear(self.features, num_classes))
        )

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, num_classes), or without a head features (B, features).

        Args:
            frames: (B, inputs, T, H, W) float, the frames of the fast pathway.
            mask: (B, T), 0 for frames to leave out of the pooling; None for none.
        """
        if mask is None:
            mask = frames.new_ones(frames.shape[0], frames.shape[2])
        slow, fast = self._pathways(frames)
        features = torch.cat([pool(slow, mask[:, :: self.alpha]), pool(fast, mask)], dim=1)
        return self.head(features)  # type: ignore[no-any-return]

    def frames(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Features of each frame (B, T, features), pooled over space only; a slow frame stands for the next alpha.

        Frames outside the mask (B, T) are kept from the others, as if time ended there.
        """
        slow, fast = (pathway.mean(dim=(3, 4)).transpose(1, 2) for pathway in self._pathways(frames, mask))
        held = slow.repeat_interleave(self.alpha, dim=1)[:, : fast.shape[1]]
        return torch.cat([held, fast], dim=2)

    def _pathways(self, frames: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The outputs of both pathways for the frames, (B, C, T / alpha, H, W) and (B, C, T, H, W)."""
        slow_mask = None if mask is None else mask[:, :: self.alpha]
        frames = masked(frames, mask)
        # [::alpha], never linspace: both pathways must agree on which instant a slow frame shows.
        slow = torch.relu(self.slow_stem(frames[:, :, :: self.alpha]))
        fast = torch.relu(self.fast_stem(frames))
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow_stages, self.fast_stages, strict=True):
            fast = masked(fast, mask)
            slow = slow_stage(torch.cat([slow, torch.relu(lateral(fast))], dim=1), slow_mask)
            fast = fast_stage(fast, mask)
        return slow, fast


class Block(nn.Module):
    """A residual block: a temporal convolution (kernel 1 or 3), a spatial 3x3 and, in a bottleneck, a pointwise one."""

    def __init__(self, inputs: int, outputs: int, temporal: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        inner = outputs // 4 if bottleneck else outputs
        self.temporal = conv_bn(inputs, inner, (temporal, 1, 1))
        self.spatial = conv_bn(inner, inner, (1, 3, 3), (1, stride, stride))
        self.expand = conv_bn(inner, outputs, (1, 1, 1)) if bottleneck else None
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else conv_bn(inputs, outputs, (1, 1, 1), (1, stride, stride))
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T, H / stride, W / stride); frames outside a mask (B, T) count as 0."""
        x = masked(x, mask)
        out = self.spatial(torch.relu(self.temporal(x)))
        if self.expand is not None:
            out = self.expand(torch.relu(out))
        return torch.relu(out + self.shortcut(x))


class Blocks(nn.Sequential):
    """Blocks one after the other, each of which gets the mask."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """See `Block`."""
        for block in self:
            x = block(x, mask)
        return x


def stage(depth: int, inputs: int, outputs: int, temporal: int, stride: int, *, bottleneck: bool) -> nn.Module:
    """`depth` residual blocks, the stride in the first; a single one stands for itself, with no index in its names."""
    first = Block(inputs, outputs, temporal, stride, bottleneck=bottleneck)
    rest = [Block(outputs, outputs, temporal, 1, bottleneck=bottleneck) for _ in range(depth - 1)]
    return Blocks(first, *rest) if rest else first


def stem(inputs: int, outputs: int, kernel: Kernel, pooled: bool) -> nn.Sequential:
    """A convolution with stride 2 in space and batch norm, and the max pool where the layout has one.

    The ReLU comes after, in `SlowFast`: published before the pool, but the largest of the positive is the positive
    of the largest, and there are four times fewer to look at.
    """
    layers = conv_bn(inputs, outputs, kernel, (1, 2, 2))
    return layers.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))) if pooled else layers


def conv_bn(inputs: int, outputs: int, kernel: Kernel, stride: Kernel = (1, 1, 1)) -> nn.Sequential:
    """A 3D convolution with 'same' padding and batch norm."""
    padding = tuple(k // 2 for k in kernel)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),  # type: ignore[arg-type]
        nn.BatchNorm3d(outputs),
    )


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """(B, C, T, H, W) with the frames outside a mask (B, T) set to 0, as convolutions pad time."""
    return x if mask is None else x * mask[:, None, :, None, None]


def pool(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over space and over the frames in the mask: (B, C, T, H, W) and (B, T) to (B, C)."""
    weight = mask / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
    return (features.mean(dim=(3, 4)) * weight[:, None]).sum(dim=2)


def initialise(model: SlowFast) -> None:
    """Start as published: He's normal, and residual branches at zero, so that a deep network begins as shortcuts."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Block) and module.expand is not None:
            nn.init.zeros_(module.expand[-1].weight)  # type: ignore[arg-type]
