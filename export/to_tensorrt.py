"""TensorRT engines of a bundle, built for the GPU at hand and kept beside the bundle. Not yet run on hardware.

An engine works on one kind of GPU, with one driver and one version of TensorRT, for one graph; its folder's name holds
all four. Two ways lead there: the TensorRT package, whose engine is one file, and the TensorRT provider of ONNX
Runtime, whose engines are a cache that the provider finds again.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import torch

from export.typed_graph import EnginePrecision, save, typed_graph
from glosscast.bundle import Array, Bundle, load_bundle, sha256
from glosscast.manifest import TensorSpec

BATCHES = (1, 4, 16)  # fewest, usual and most windows at a time
TOLERANCE: dict[EnginePrecision, float] = {"fp32": 1e-3, "fp16": 0.05, "int8": 0.5}  # of the golden pair's logits
PROVIDER, BEHIND = "TensorrtExecutionProvider", "CUDAExecutionProvider"
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]

Way = Literal["tensorrt", "onnxruntime"]


class TensorRtError(RuntimeError):
    """An engine cannot be built here; the message gives the reason in one line."""


class Machine(NamedTuple):
    """The versions and the GPU that an engine is tied to."""

    gpu: str
    driver: str
    tensorrt: str


def build(bundle_path: Path, precision: EnginePrecision, way: Way) -> Path:
    """Build an engine, check it with the golden pair, and return the file, or with ONNX Runtime the cache's folder.

    Raises:
        TensorRtError: something is missing, TensorRT refuses the graph, or the engine computes something else.
        ValueError: the bundle cannot be used, or is one of another precision.
    """
    bundle = load_bundle(bundle_path)
    model = typed_graph(bundle, precision)
    folder = engine_folder(bundle, this_machine(way))
    folder.mkdir(parents=True, exist_ok=True)
    golden = bundle.golden()
    wanted = golden.pop("logits").astype(np.float32)
    if way == "tensorrt":
        trt = import_module("tensorrt")
        engine = build_engine(trt, model, bundle.manifest.inputs)
        check(run_engine(trt, engine, golden, wanted.shape), wanted, precision)
        path = folder / f"{precision}.engine"
        path.with_suffix(".partial").write_bytes(engine)
        path.with_suffix(".partial").replace(path)
        return path
    cache = folder / f"onnxruntime-{precision}"
    cache.mkdir(exist_ok=True)
    save(model, cache / "model.onnx")
    session = ort.InferenceSession(
        cache / "model.onnx", providers=[(PROVIDER, cache_options(cache, bundle.manifest.inputs)), BEHIND]
    )
    if session.get_providers()[0] != PROVIDER:
        raise TensorRtError(f"ONNX Runtime fell back to {session.get_providers()[0]}: it finds no TensorRT to load")
    check(session.run(["logits"], golden)[0], wanted, precision)
    return cache


def this_machine(way: Way) -> Machine:
    """The versions and the GPU that an engine built here is tied to.

    Raises:
        TensorRtError: there is no NVIDIA GPU, or a package is not installed; names all that is missing.
    """
    missing = []
    gpu, driver = nvidia_gpu() or ("", "")
    if not gpu:
        missing.append("an NVIDIA GPU with its driver (nvidia-smi finds none)")
    try:
        tensorrt = version("tensorrt")
    except PackageNotFoundError:
        tensorrt = ""
        missing.append("the package tensorrt (pip install tensorrt)")
    if way == "onnxruntime" and PROVIDER not in ort.get_available_providers():
        missing.append("an ONNX Runtime with TensorRT (pip install onnxruntime-gpu instead of the one that is there)")
    if way == "tensorrt" and not torch.cuda.is_available():
        missing.append("a torch with CUDA, which holds the tensors of the check")
    if missing:
        raise TensorRtError(f"no engine can be built here; missing: {'; '.join(missing)}")
    return Machine(gpu, driver, tensorrt)


def nvidia_gpu() -> tuple[str, str] | None:
    """Name and driver version of the first NVIDIA GPU, or None."""
    try:
        said = subprocess.run(QUERY, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    name, comma, driver = said.partition("\n")[0].partition(",")
    return (name.strip(), driver.strip()) if comma else None


def engine_folder(bundle: Bundle, machine: Machine) -> Path:
    """The folder of a bundle's engines for a machine. It is beside the bundle, whose own files stay as they are."""
    words = (machine.gpu, "driver", machine.driver, "tensorrt", machine.tensorrt, sha256(bundle.model_path)[:12])
    key = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words))
    return bundle.path.resolve().with_name(bundle.path.resolve().name + ".engines") / key


def shapes(spec: TensorSpec) -> list[tuple[int, ...]]:
    """An input's shape for each of `BATCHES`."""
    fixed = tuple(int(side) for side in spec.shape[1:])
    return [(batch, *fixed) for batch in BATCHES]


def build_engine(trt: Any, model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> bytes:
    """A serialised engine, built by the TensorRT package `trt`, 10 or later.

    Raises:
        TensorRtError: it cannot parse the graph or finds no way to compute it.
    """
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    # From TensorRT 11 on all networks are, and the flag does nothing.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        raise TensorRtError(f"TensorRT {trt.__version__} cannot read the graph: {parser.get_error(0).desc()}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is to mean float32
    profile = builder.create_optimization_profile()
    for spec in inputs:
        profile.set_shape(spec.name, *shapes(spec))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise TensorRtError(f"TensorRT {trt.__version__} could not build the engine; its messages are above")
    return bytes(engine)


def run_engine(trt: Any, engine: bytes, inputs: Mapping[str, Array], logits: tuple[int, ...]) -> Array:
    """The logits, of that shape, that an engine gives for inputs by name."""
    loaded = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(engine)
    context = loaded.create_execution_context()
    held = {name: torch.from_numpy(value).cuda() for name, value in inputs.items()}
    for name, tensor in held.items():
        context.set_input_shape(name, tuple(tensor.shape))
    names = [loaded.get_tensor_name(i) for i in range(loaded.num_io_tensors)]
    for name in set(names) - set(held):
        held[name] = torch.empty(tuple(context.get_tensor_shape(name)), device="cuda")
    for name, tensor in held.items():
        context.set_tensor_address(name, tensor.data_ptr())
    stream = torch.cuda.current_stream()
    context.execute_async_v3(stream.cuda_stream)
    stream.synchronize()
    return held["logits"].cpu().numpy().reshape(logits)


def cache_options(cache: Path, inputs: Sequence[TensorSpec]) -> dict[str, str]:
    """The options of ONNX Runtime's provider. Precision is not among them: TensorRT would choose types by itself."""
    options = {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(cache)}
    for i, least in enumerate(("min", "opt", "max")):
        sizes = [f"{spec.name}:{'x'.join(map(str, shapes(spec)[i]))}" for spec in inputs]
        options[f"trt_profile_{least}_shapes"] = ",".join(sizes)
    return options


def check(logits: Array, wanted: Array, precision: EnginePrecision) -> None:
    """Hold an engine's answer to the golden input against the golden output.

    Raises:
        TensorRtError: it is another one.
    """
    difference = float(np.abs(np.subtract(logits, wanted, dtype=np.float64)).max())
    if not difference <= TOLERANCE[precision]:
        raise TensorRtError(
            f"the engine's logits differ from the bundle's by {difference:.2g}, allowed in {precision} is "
            f"{TOLERANCE[precision]:g}; it was not kept"
        )
