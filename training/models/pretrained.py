"""Published weights for `SlowFast`: read PyTorchVideo's and Caffe2's files, and fetch those of Kinetics-400."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from urllib.request import urlopen

import torch
from torch import Tensor
from tqdm import tqdm

from training.config import ModelConfig
from training.models import caffe2
from training.models.recogniser import IsolatedRecogniser
from training.models.slowfast import SlowFast, build

# PyTorchVideo's model zoo, Apache-2.0.
ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
K400 = {
    "slowfast_8x8_r50": f"{ZOO}/SLOWFAST_8x8_R50.pyth",
    "slowfast_8x8_r101": f"{ZOO}/SLOWFAST_8x8_R101.pyth",
}
K400_CLASSES = 400
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glosscast"
TIMEOUT_S = 30.0  # without a byte


class PretrainedError(ValueError):
    """Weights cannot be used; the message names the file or the address."""


@dataclass(frozen=True)
class WeightMatch:
    """The match between a file's weights and a model.

    Attributes:
        matched: weights of the model that are now the file's.
        fresh: weights of the head that are not in the file, or for other classes; they are as they were initialised.
        unused: names in the file that the model has no place for.
    """

    matched: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def describe(self, path: Path) -> str:
        """A summary of the file, in two lines."""
        return (
            f"{path}: {len(self.matched)} weights matched, {len(self.unused)} in the file unused\n"
            f"  fresh: {', '.join(self.fresh) or 'none'}"
        )


def load(model: SlowFast, path: Path) -> WeightMatch:
    """Put the weights of a file into a model: `.pyth` from PyTorchVideo, `.pkl` from PySlowFast's Caffe2 zoo.

    Only the head may differ; a file that lacks any other weight leaves the model untouched.

    Raises:
        PretrainedError: missing, unreadable or for another model.
    """
    weights, report = fit(model, path)
    model.load_state_dict(weights, strict=False)
    return report


def fit(model: SlowFast, path: Path) -> tuple[dict[str, Tensor], WeightMatch]:
    """The weights of a file by the names in the model, and the report; changes nothing.

    Raises:
        PretrainedError: see `load`.
    """
    wanted = model.state_dict()
    weights: dict[str, Tensor] = {}
    unused = []
    read, translate = layout_of(path)
    for name, value in open_file(path, read).items():
        ours = translate(name)
        if ours in wanted and ours not in weights and isinstance(value, Tensor) and value.shape == wanted[ours].shape:
            weights[ours] = value
        else:
            unused.append(name)
    if not weights:
        raise PretrainedError(f"{path}: nothing in it matches the model")
    # Caffe2 counts no batches, and with a fixed momentum nothing depends on that number.
    missing = [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]
    body = [name for name in missing if not name.startswith("head.")]
    if body:
        raise PretrainedError(f"{path}: weights of another model: {len(body)} do not match, the first is {body[0]}")
    return weights, WeightMatch(tuple(weights), tuple(missing), tuple(unused))


def stream_weights(config: ModelConfig, given: str) -> Path:
    """The file that `train --pretrained` means: "k400" for Kinetics-400's, or a path.

    Raises:
        PretrainedError: the model has no rgb stream or a visual model without published weights, no such file, or
            Kinetics' weights cannot be had.
    """
    if "rgb" not in config.streams:
        raise PretrainedError("--pretrained: the weights are for an rgb stream, and [model] streams has none")
    if config.visual not in K400:
        raise PretrainedError(f"--pretrained: [model] visual is {config.visual}; weights are for {' and '.join(K400)}")
    if given == "k400":
        return k400(config.visual, CACHE)
    if not Path(given).is_file():
        raise PretrainedError(f"{given}: no such file")
    return Path(given)


def load_stream(model: IsolatedRecogniser, path: Path) -> WeightMatch:
    """Put the weights of a file into a recogniser's rgb stream.

    Raises:
        PretrainedError: missing, unreadable, for another model, or there is no such stream.
    """
    if "rgb" not in model.encoders:
        raise PretrainedError(f"{path}: the model has no rgb stream to put weights into")
    return load(cast(SlowFast, model.encoders["rgb"]), path)


Reader = Callable[[Path], dict[str, object]]
Translate = Callable[[str], str | None]


def layout_of(path: Path) -> tuple[Reader, Translate]:
    """The functions that read a file and translate its names, by its ending."""
    match path.suffix:
        case ".pyth":
            return read_pytorchvideo, translate_pytorchvideo
        case ".pkl":
            return caffe2.read, caffe2.translate
    raise PretrainedError(f"{path}: neither .pyth (PyTorchVideo) nor .pkl (Caffe2)")


def open_file(path: Path, read: Reader) -> dict[str, object]:
    """Read a file, whatever it turns out to be."""
    if not path.is_file():
        raise PretrainedError(f"{path}: no such file")
    try:
        return read(path)
    except Exception as error:
        raise PretrainedError(f"{path}: not a checkpoint of this kind ({type(error).__name__})") from error


def read_pytorchvideo(path: Path) -> dict[str, object]:
    """The `model_state` of a file; tensors and plain values only, so nothing in it is executed."""
    return dict(torch.load(path, map_location="cpu", weights_only=True)["model_state"])


NAME = re.compile(
    r"blocks\.(\d)\.multipathway_(?:fusion|blocks\.([01]))\."
    r"(?:res_blocks\.(\d+)\.branch[12][._])?(conv|norm)(?:_([abc])|_fast_to_slow)?\.(\w+)"
)
PARTS = {None: "shortcut", "a": "temporal", "b": "spatial", "c": "expand"}


def translate_pytorchvideo(name: str) -> str | None:
    """The name that a weight of `create_slowfast` has in `SlowFast`, or None."""
    if name.startswith("blocks.6.proj."):
        return name.replace("blocks.6.proj", "head.1")
    match = NAME.fullmatch(name)
    if match is None:
        return None
    stage, pathway, block, layer, part, leaf = match.groups()
    leaf = f"{('conv', 'norm').index(layer)}.{leaf}"  # the order in `slowfast.conv_bn`
    if pathway is None:
        return f"laterals.{stage}.{leaf}"
    side = ("slow", "fast")[int(pathway)]
    if stage == "0":
        return f"{side}_stem.{leaf}"
    return f"{side}_stages.{int(stage) - 1}.{block}.{PARTS[part]}.{leaf}"


def k400(name: str, folder: Path) -> Path:
    """The file with a model's Kinetics-400 weights: from `folder`, or from the network into it, whole or not at all.

    Raises:
        PretrainedError: there are none for the model, no network, or the download is another file.
    """
    if name not in K400:
        raise PretrainedError(f"no Kinetics-400 weights for {name}, only for {' and '.join(K400)}")
    url = K400[name]
    path = folder / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as partial:
        got = Path(partial) / path.name
        fetch(url, got)
        with torch.device("meta"):
            model = build(name, K400_CLASSES)
        try:
            _, report = fit(model, got)
        except PretrainedError as error:
            raise PretrainedError(f"{url}: not the weights of {name}") from error
        if report.fresh or report.unused:
            raise PretrainedError(f"{url}: not the weights of {name}")
        got.replace(path)
    return path


def fetch(url: str, path: Path) -> None:
    """Download `url` to `path`."""
    try:
        with urlopen(url, timeout=TIMEOUT_S) as response, path.open("wb") as file:
            size = int(response.headers["Content-Length"] or 0)
            with tqdm.wrapattr(file, "write", total=size, desc=path.name, disable=None) as sink:
                shutil.copyfileobj(response, sink)
    except (OSError, HTTPException) as error:
        raise PretrainedError(f"{url}: cannot be downloaded: {getattr(error, 'reason', error)}") from error
    # A connection that ends early raises nothing.
    if size and path.stat().st_size != size:
        raise PretrainedError(f"{url}: ended after {path.stat().st_size} of {size} bytes")
