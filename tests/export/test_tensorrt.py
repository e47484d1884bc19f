"""What of the way to TensorRT needs no GPU; the rest was not yet run on hardware."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import to_tensorrt
from export.__main__ import main
from export.graph import sample_inputs
from export.to_onnx import export_bundle
from export.to_tensorrt import Machine, TensorRtError, build_engine, cache_options, check, engine_folder, nvidia_gpu
from export.typed_graph import save, typed_graph
from glosscast.bundle import Bundle, load_bundle
from glosscast.recogniser import Recogniser
from tests.export import models

HERE = Machine("NVIDIA H100 80GB HBM3", "570.86.15", "11.4.0.106")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of a model of pictures and keypoints."""
    folder = tmp_path_factory.mktemp("tensorrt")
    export_bundle(models.isolated(folder, "rgb", "pose", "keypoints"), folder / "bundle")
    return load_bundle(folder / "bundle")


@pytest.mark.parametrize("way", ["tensorrt", "onnxruntime"])
@pytest.mark.slow
def test_a_machine_without_a_gpu_gets_an_error_that_names_it(
    way: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(to_tensorrt, "QUERY", ["/nowhere/nvidia-smi"])
    command = ["tensorrt", "--bundle", str(bundle.path), "--precision", "fp16", "--through", way]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "missing: an NVIDIA GPU with its driver" in line
    assert not list(bundle.path.parent.glob("*.engines"))


def test_name_and_driver_are_those_of_nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_tensorrt, "QUERY", ["printf", r"NVIDIA H100, 570.86\nNVIDIA H100, 570.86\n"])
    assert nvidia_gpu() == ("NVIDIA H100", "570.86")
    monkeypatch.setattr(to_tensorrt, "QUERY", ["echo", "No devices were found"])
    assert nvidia_gpu() is None


def test_engines_lie_beside_the_bundle_one_folder_for_each_machine_and_graph(bundle: Bundle, tmp_path: Path) -> None:
    folder = engine_folder(bundle, HERE)
    assert folder.parent == bundle.path.parent / "bundle.engines"
    assert re.fullmatch(r"NVIDIA-H100-80GB-HBM3-driver-570.86.15-tensorrt-11.4.0.106-[0-9a-f]{12}", folder.name)
    others = [HERE._replace(gpu="L4"), HERE._replace(driver="1"), HERE._replace(tensorrt="10.9")]
    export_bundle(models.isolated(tmp_path, "keypoints"), tmp_path / "bundle")
    folders = {engine_folder(bundle, machine).name for machine in (HERE, *others)}
    assert len(folders | {engine_folder(load_bundle(tmp_path / "bundle"), HERE).name}) == 5


def test_a_graph_in_fp16_takes_and_gives_the_same_types_and_nearly_the_same_numbers(
    bundle: Bundle, tmp_path: Path
) -> None:
    save(typed_graph(bundle, "fp16"), tmp_path / "half.onnx")
    model = onnx.load(tmp_path / "half.onnx")
    halves = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) > 50
    manifest = bundle.manifest
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(tmp_path / "half.onnx", options, providers=["CPUExecutionProvider"])
    types = {t.name: t.type for t in (*session.get_inputs(), *session.get_outputs())}
    assert types.pop("frames") == "tensor(uint8)"
    assert set(types.values()) == {"tensor(float)"}
    inputs = sample_inputs(manifest.inputs, manifest.clip, 4, seed=2)
    wanted = Recogniser(bundle, threads=1).logits(inputs)
    (got,) = session.run(["logits"], inputs)
    assert 0 < np.abs(got - wanted).max() < 5e-3


def test_a_bundle_of_another_precision_is_refused(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tensorrt", "--bundle", str(bundle.path), "--precision", "int8"]) == 2
    assert "needs an int8 bundle, this one is fp32; make one with" in capsys.readouterr().err


class FakeLogger:
    ERROR = "error"

    def __init__(self, severity: str) -> None:
        assert severity == self.ERROR


class FakeTensorRt:
    """As much of the TensorRT package as building takes; keeps what it is told."""

    __version__ = "11.4.0"
    Logger = FakeLogger
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=0)
    BuilderFlag = SimpleNamespace(TF32="tf32")

    def __init__(self, *, parses: bool = True, builds: bool = True) -> None:
        self.parses = parses
        self.builds = builds
        self.profile: dict[str, list[tuple[int, ...]]] = {}
        self.flags = self.cleared = self.profiles = None
        self.parsed = b""

    def Builder(self, logger: str) -> "FakeTensorRt":  # noqa: N802
        return self

    def create_network(self, flags: int) -> object:
        self.flags = flags
        return self

    def OnnxParser(self, network: object, logger: str) -> Any:  # noqa: N802
        def parse(model: bytes) -> bool:
            self.parsed = model
            return self.parses

        return SimpleNamespace(parse=parse, get_error=lambda i: SimpleNamespace(desc=lambda: "no such operator"))

    def create_builder_config(self) -> Any:
        return SimpleNamespace(clear_flag=self.clear, add_optimization_profile=self.add)

    def clear(self, flag: str) -> None:
        self.cleared = flag

    def add(self, profile: object) -> None:
        self.profiles = profile

    def create_optimization_profile(self) -> Any:
        return SimpleNamespace(set_shape=lambda name, *shapes: self.profile.update({name: list(shapes)}))

    def build_serialized_network(self, network: object, config: object) -> bytes | None:
        return b"engine" if self.builds and self.profiles is not None else None


def test_an_engine_is_typed_as_the_graph_and_takes_one_to_sixteen_windows(bundle: Bundle) -> None:
    trt = FakeTensorRt()
    model = typed_graph(bundle, "fp16")
    assert build_engine(trt, model, bundle.manifest.inputs) == b"engine"
    assert trt.flags == 1
    assert trt.cleared == "tf32"
    assert trt.parsed == model.SerializeToString()
    assert trt.profile["mask"] == [(1, 16), (4, 16), (16, 16)]
    assert trt.profile["frames"] == [(n, 16, 32, 32, 3) for n in (1, 4, 16)]
    assert set(trt.profile) == {"frames", "keypoints", "mask"}


@pytest.mark.parametrize(("fault", "said"), [("parses", "no such operator"), ("builds", "could not build")])
def test_graphs_that_tensorrt_refuses_are_reported(bundle: Bundle, fault: str, said: str) -> None:
    with pytest.raises(TensorRtError, match=said):
        build_engine(FakeTensorRt(**{fault: False}), typed_graph(bundle, "fp32"), bundle.manifest.inputs)


def test_onnx_runtimes_provider_gets_the_same_shapes_and_no_say_in_types(bundle: Bundle, tmp_path: Path) -> None:
    options = cache_options(tmp_path, bundle.manifest.inputs)
    assert options["trt_profile_max_shapes"] == "frames:16x16x32x32x3,keypoints:16x16x171x4,mask:16x16"
    assert options["trt_profile_min_shapes"].endswith("mask:1x16")
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert not any("fp16" in name or "int8" in name for name in options)


@pytest.mark.parametrize("off", [0.2, np.nan])
def test_an_engine_that_computes_something_else_is_refused(off: float) -> None:
    logits = np.zeros((1, 3), np.float32)
    check(logits + 0.01, logits, "fp16")
    with pytest.raises(TensorRtError, match="not kept"):
        check(logits + np.float32(off), logits, "fp16")
