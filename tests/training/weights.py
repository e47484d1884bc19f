"""Weights files of a narrow SlowFast, in the layouts that others publish theirs in."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from training.models import slowfast
from training.models.slowfast import LAYOUTS, Block, SlowFast

R50 = LAYOUTS["slowfast_8x8_r50"]
NARROW = replace(R50, slow=(16, 64, 128, 256, 512), fast=(2, 8, 16, 32, 64))  # what `published.narrow` builds
CLASSES = 5
HEAD = ("head.1.weight", "head.1.bias")


def model(num_classes: int | None = CLASSES, layout: slowfast.Layout = NARROW) -> SlowFast:
    return SlowFast(layout, num_classes, inputs=3, alpha=4).eval()


def blobs_of(source: SlowFast) -> dict[str, np.ndarray]:
    """The Caffe2 names of a model's weights, spelled out from the modules' places."""
    blobs: dict[str, np.ndarray] = {}

    def put(conv_name: str, norm_name: str, layers: nn.Module) -> None:
        conv, norm = layers[0], layers[1]
        blobs[f"{conv_name}_w"] = conv.weight.detach().numpy()
        blobs[f"{norm_name}_s"] = norm.weight.detach().numpy()
        blobs[f"{norm_name}_b"] = norm.bias.detach().numpy()
        blobs[f"{norm_name}_rm"] = norm.running_mean.numpy()
        blobs[f"{norm_name}_riv"] = norm.running_var.numpy()

    for t, stem, stages in (("", source.slow_stem, source.slow_stages), ("t_", source.fast_stem, source.fast_stages)):
        put(f"{t}conv1", f"{t}res_conv1_bn", stem)
        for i, blocks in enumerate(stages):
            for j, block in enumerate(blocks):
                assert isinstance(block, Block)
                base = f"{t}res{i + 2}_{j}_branch"
                if j == 0:
                    put(f"{base}1", f"{base}1_bn", block.shortcut)
                for letter, layers in zip("abc", (block.temporal, block.spatial, block.expand), strict=True):
                    put(f"{base}2{letter}", f"{base}2{letter}_bn", layers)
    laterals = ("t_pool1", "t_res2_2_branch2c_bn", "t_res3_3_branch2c_bn", "t_res4_5_branch2c_bn")
    for name, lateral in zip(laterals, source.laterals, strict=True):
        put(f"{name}_subsample", f"{name}_subsample_bn", lateral)
    blobs["pred_w"], blobs["pred_b"] = (p.detach().numpy() for p in source.head[1].parameters())
    return blobs


def write_pkl(path: Path, blobs: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=protocol))
    return path
