"""What ONNX Runtime does is played by stand-ins where it depends on the machine."""

import json
import logging
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from glosscast import providers
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.manifest import MODEL
from glosscast.providers import CPU, CUDA, OPENVINO, TENSORRT, GraphError, ProviderError, open_session

GRAPH = EMBEDDED / MODEL


class Session:
    """A session with these providers in use, of which `working` gets the nodes."""

    def __init__(self, used: list[str], working: str) -> None:
        self._used = used
        self._working = working

    def get_providers(self) -> list[str]:
        return self._used

    def get_provider_graph_assignment_info(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(ep_name=self._working)]


@pytest.fixture
def runtime(monkeypatch):
    """An ONNX Runtime in which everything is available and only the named providers can start or get nodes."""
    asked = []

    def install(starts: tuple[str, ...], takes_nodes: tuple[str, ...]) -> list[list[str]]:
        def session(path, options, providers, enable_fallback):
            assert enable_fallback == 0
            names = [name for name, _ in providers]
            asked.append(names)
            used = [name for name in names if name in starts]
            return Session([*used, CPU], next((name for name in used if name in takes_nodes), CPU))

        real = providers.runtime()
        fake = SimpleNamespace(
            get_available_providers=lambda: list(providers.PREFERENCE),
            SessionOptions=real.SessionOptions,
            InferenceSession=session,
            __version__="0",
        )
        monkeypatch.setattr(providers, "runtime", lambda: fake)
        return asked

    return install


def test_the_best_that_works_is_taken_and_each_step_down_is_logged(runtime, caplog):
    asked = runtime(starts=(CUDA, OPENVINO, CPU), takes_nodes=(OPENVINO, CPU))
    with caplog.at_level(logging.WARNING, "glosscast"):
        session = open_session(GRAPH)
    assert session.get_providers()[0] == OPENVINO
    assert asked == [[TENSORRT, CUDA], [CUDA], [OPENVINO]]
    assert [r.message.split(":")[0] for r in caplog.records] == [
        f"stepping down from {TENSORRT}",
        f"stepping down from {CUDA}",
    ]


@pytest.mark.parametrize(
    ("starts", "takes_nodes", "says"),
    [
        pytest.param((CPU,), (CPU,), "asked for CUDA.*, ONNX Runtime uses CPU", id="cannot start"),
        pytest.param((CUDA, CPU), (CPU,), "CUDA.*, which takes no node", id="gets nothing to do"),
    ],
)
def test_a_named_provider_that_is_not_in_use_is_an_error(runtime, starts, takes_nodes, says):
    runtime(starts, takes_nodes)
    with pytest.raises(ProviderError, match=says):
        open_session(GRAPH, [CUDA, CPU])


def test_bf16_is_never_left_to_a_provider_without_it(runtime, monkeypatch):
    asked = runtime(starts=providers.PREFERENCE, takes_nodes=providers.PREFERENCE)
    monkeypatch.setattr(providers, "_processor_has_bf16", lambda: False)
    with pytest.raises(ProviderError, match="this processor does not compute in bf16"):
        open_session(GRAPH, [OPENVINO], "bf16")
    with pytest.raises(ProviderError, match="CUDAExecutionProvider does not compute in bf16"):
        open_session(GRAPH, [CUDA], "bf16")
    open_session(GRAPH, (), "bf16")
    monkeypatch.setattr(providers, "COMPUTES_BF16", (OPENVINO,))
    with pytest.raises(ProviderError, match=r"none of .* computes in bf16"):
        open_session(GRAPH, (), "bf16")
    assert asked == [[TENSORRT, CUDA]]


def test_openvino_gets_the_precision_and_the_threads():
    plugin = json.loads(providers.provider_options(OPENVINO, "fp32", 3)["load_config"])["CPU"]
    assert (plugin["INFERENCE_PRECISION_HINT"], plugin["INFERENCE_NUM_THREADS"]) == ("f32", "3")
    assert '"bf16"' in providers.provider_options(OPENVINO, "bf16", 1)["load_config"]


def with_openvino() -> None:
    if OPENVINO not in providers.available_providers():
        pytest.skip("this build of ONNX Runtime has no OpenVINO")


def test_openvino_computes_fp32_as_the_cpu_does_and_bf16_otherwise():
    with_openvino()
    windows = load_bundle(EMBEDDED).golden()
    windows.pop("logits")

    def logits(provider, precision):
        return open_session(GRAPH, [provider], precision, threads=1).run(["logits"], windows)[0]

    np.testing.assert_allclose(logits(OPENVINO, "fp32"), logits(CPU, "fp32"), rtol=0, atol=1e-4)
    if providers.computes(OPENVINO, "bf16"):
        assert np.abs(logits(OPENVINO, "bf16") - logits(CPU, "fp32")).max() > 1e-3


# Without it, malloc keeps the second block of a size on its heap, since the first was given back.
KEPT = """
import ctypes
from pathlib import Path
from glosscast.providers import open_session
open_session(Path({graph!r}), [{provider!r}], threads=1)
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks a b c d e f".split()]
libc.mallinfo2.restype = Info
libc.free(libc.malloc(24 << 20))
before = libc.mallinfo2().hblks
block = libc.malloc(16 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_large_blocks_that_openvino_frees_go_back_to_the_system():
    with_openvino()
    for provider, mapped in ((OPENVINO, "1"), (CPU, "0")):
        code = KEPT.format(graph=str(GRAPH), provider=provider)
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == mapped, provider


@pytest.mark.parametrize(("cores", "asked", "threads"), [(8, 0, 7), (2, 0, 1), (1, 0, 1), (2, 4, 4)])
def test_one_core_is_left_unless_threads_are_asked_for(monkeypatch, cores, asked, threads):
    monkeypatch.setattr(providers.os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert providers.inference_threads(asked) == threads


def test_a_file_that_is_no_graph_and_an_unknown_opset_have_different_errors(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(GraphError, match=r"cannot load it on CPUExecutionProvider.*Protobuf"):
        open_session(tmp_path / "broken.onnx", [CPU])
    graph = onnx.load(GRAPH)
    graph.opset_import[0].version = 99
    onnx.save(graph, tmp_path / "newer.onnx")
    with pytest.raises(GraphError, match=r"up to .*, the graph has a newer one; export it"):
        open_session(tmp_path / "newer.onnx", [CPU])


# --- builds of ONNX Runtime


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Pretends that these builds are installed, each in a folder."""

    def install(**folders: str) -> None:
        def distribution(name: str) -> SimpleNamespace:
            if name.replace("-", "_") not in folders:
                raise PackageNotFoundError(name)
            return SimpleNamespace(locate_file=lambda file: tmp_path / folders[name.replace("-", "_")] / file)

        monkeypatch.setattr(providers, "distribution", distribution)

    providers.runtime.cache_clear()
    yield install
    providers.runtime.cache_clear()


def test_two_builds_over_each_other_are_refused_with_the_repair(installed):
    installed(onnxruntime="site", onnxruntime_openvino="site")
    with pytest.raises(
        ProviderError, match=r"installed over each other.*pip uninstall -y onnxruntime onnxruntime-openv"
    ):
        open_session(GRAPH)


def test_builds_in_folders_of_their_own_are_no_clash(installed):
    installed(onnxruntime="site", onnxruntime_openvino="venv")
    assert Path(providers.runtime().__file__).parent.name == "onnxruntime"


@pytest.mark.parametrize(
    ("folders", "says"),
    [({}, "there is no ONNX Runtime: pip install -e "), ({"onnxruntime": "site"}, "damaged.*--force-reinstall")],
)
def test_no_build_and_a_damaged_one_are_refused(installed, monkeypatch, folders, says):
    installed(**folders)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ProviderError, match=says):
        open_session(GRAPH)
