"""The choice of ONNX Runtime's execution provider for a graph.

No other module of glosscast, service or training imports ONNX Runtime; the tools of export do.

ONNX Runtime puts on the CPU, without an error, whatever a provider cannot start with or does not take. Here that is an
error for a provider that was asked for by name, and a logged step down in the default order.
"""

import ctypes
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from glosscast.manifest import Precision
from glosscast.wording import installing

log = logging.getLogger("glosscast")

TENSORRT, CUDA, OPENVINO, CPU = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "OpenVINOExecutionProvider",
    "CPUExecutionProvider",
)
PREFERENCE = (TENSORRT, CUDA, OPENVINO, CPU)
BEHIND = {TENSORRT: (CUDA,)}  # providers that take the nodes which a provider leaves, before the CPU does

COMPUTES_BF16 = (TENSORRT, OPENVINO)

M_MMAP_THRESHOLD = -3  # of malloc.h
LARGE_BLOCK = 4 << 20  # above a picture's

# Builds of ONNX Runtime and the extra that brings each. All install one folder, `onnxruntime`, so the last one wins
# there, and taking one of two away leaves neither.
BUILDS = {"onnxruntime": "cpu", "onnxruntime-openvino": "openvino", "onnxruntime-gpu": "gpu"}


class ProviderError(RuntimeError):
    """An execution provider was asked for and is not in use, or there is not exactly one ONNX Runtime."""


class GraphError(ValueError):
    """A provider that works cannot load the graph; the message says why."""


def open_session(model: Path, providers: Sequence[str] = (), precision: Precision = "fp32", threads: int = 0) -> Any:
    """An `onnxruntime.InferenceSession` whose first provider is in use.

    Args:
        model: the ONNX file.
        providers: execution providers, best first; none takes the best of `PREFERENCE` that works.
        precision: what floating point is computed in, whatever the provider would choose by itself.
        threads: see `inference_threads`.

    Raises:
        ProviderError: a named provider is not there, not in use or cannot compute in this precision, or none can; or
            ONNX Runtime is missing or installed twice.
        GraphError: the graph cannot be loaded.
    """
    available = runtime().get_available_providers()
    if providers:
        absent = [name for name in providers if name not in available]
        if absent:
            raise ProviderError(f"{', '.join(absent)} not available; this ONNX Runtime has {', '.join(available)}")
        _check_precision(providers[0], precision)
        return _session(model, providers, precision, threads)
    best = [(p, *BEHIND.get(p, ())) for p in PREFERENCE if p in available and computes(p, precision)]
    if not best:
        raise ProviderError(f"none of {', '.join(available)} computes in {precision} on this machine")
    for chain in best[:-1]:
        try:
            return _session(model, chain, precision, threads)
        except (ProviderError, GraphError) as error:
            log.warning("stepping down from %s: %s", chain[0], error)
    return _session(model, best[-1], precision, threads)


def available_providers() -> list[str]:
    """The execution providers of this ONNX Runtime, best first."""
    return [name for name in PREFERENCE if name in runtime().get_available_providers()]


def inference_threads(asked: int) -> int:
    """Threads of one inference: as many as asked for, or with 0 all cores of this process but one, at least one.

    The core that is left is for the event loop, which must answer while a batch is computed. A limit of a container in
    CPU time (`--cpus`) is not seen here, one in cores (`--cpuset-cpus`) is.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or max(1, cores - 1)


def computes(provider: str, precision: Precision) -> bool:
    """Whether a provider can compute in this precision on this machine."""
    if precision != "bf16":
        return True
    return provider in COMPUTES_BF16 and (provider != OPENVINO or _processor_has_bf16())


@cache
def runtime() -> Any:
    """The module `onnxruntime`, once it is known that one build alone is installed.

    Raises:
        ProviderError: none is, or several are, over each other.
    """
    places = {name: place for name in BUILDS if (place := _place(name))}
    if clash := [name for name, place in places.items() if list(places.values()).count(place) > 1]:
        raise ProviderError(
            f"{' and '.join(clash)} are installed over each other, in one folder; repair with: "
            f"pip uninstall -y {' '.join(clash)}, then {installing(BUILDS[clash[-1]])}"
        )
    try:
        import onnxruntime as ort

        ort.set_default_logger_severity(4)  # important faults are raised or logged here
    except (ImportError, AttributeError) as error:  # a folder that lost its files is still a package, an empty one
        build = next(iter(places), None)
        if build:
            raise ProviderError(f"ONNX Runtime is damaged: pip install --force-reinstall {build}") from error
        raise ProviderError(f"there is no ONNX Runtime: {installing('cpu')} (or openvino, or gpu)") from error
    if CUDA in ort.get_available_providers():
        ort.preload_dlls()  # from the packages of the extra `gpu`
    return ort


def _place(build: str) -> Path | None:
    """The folder that a build was installed into; None where it was not."""
    try:
        return Path(str(distribution(build).locate_file("onnxruntime"))).resolve()
    except PackageNotFoundError:
        return None


@cache
def _processor_has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 if asked to: without these instructions it stays with float32, silently."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags.read_text().split())


def _check_precision(provider: str, precision: Precision) -> None:
    if computes(provider, precision):
        return
    if provider in COMPUTES_BF16:
        raise ProviderError(f"this processor does not compute in {precision} (no amx_bf16, no avx512_bf16); use fp32")
    raise ProviderError(f"{provider} does not compute in {precision}; {' and '.join(COMPUTES_BF16)} do")


def _session(model: Path, providers: Sequence[str], precision: Precision, threads: int) -> Any:
    """A session with the first of these providers in use; the CPU takes what they leave."""
    ort = runtime()
    if OPENVINO in providers:
        _give_large_blocks_back()
    options = ort.SessionOptions()
    options.intra_op_num_threads = inference_threads(threads)
    options.log_severity_level = 4
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    named = [(name, provider_options(name, precision, threads)) for name in providers]
    try:
        session = ort.InferenceSession(str(model), options, providers=named, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        raise GraphError(
            f"ONNX Runtime {ort.__version__} cannot load it on {providers[0]}: {_reason(error)}"
        ) from error
    used = session.get_providers()
    if used[0] != providers[0]:
        raise ProviderError(
            f"asked for {providers[0]}, ONNX Runtime uses {used[0]}; its libraries may not be installed"
        )
    if not any(part.ep_name == providers[0] for part in session.get_provider_graph_assignment_info()):
        raise ProviderError(f"asked for {providers[0]}, which takes no node of the graph")
    return session


@cache
def _give_large_blocks_back() -> None:
    """Have glibc's malloc give freed blocks of 4 MiB and more back to the system.

    By itself it moves this threshold up to 32 MiB as large blocks are freed. OpenVINO allocates anew for each larger
    batch, and the freed blocks then stay: after batches of 1, 2, ... 64 windows 3.5 GB were resident, so 0.6 GB are.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):  # musl has none
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def provider_options(provider: str, precision: Precision, threads: int) -> dict[str, str]:
    """The options of a provider.

    "fp32" means float32, neither TensorFloat-32 nor a bfloat16 of the provider's own choice; "int8" is in the graph
    itself, and what it leaves is float32.
    """
    if provider == OPENVINO:
        plugin = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": str(inference_threads(threads)),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": "NO",  # trackers and other services use the same cores
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": plugin})}
    if provider == CUDA:
        return {"use_tf32": "0"}
    if provider == TENSORRT:
        return {"trt_bf16_enable": str(precision == "bf16")}
    return {}


def _reason(error: Exception) -> str:
    """The first line of what ONNX Runtime says, without its tag: "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : ..."."""
    text = str(error).strip().split("\n", 1)[0].split(" : ", 3)[-1]
    if known := re.search(r"domain (\S+) is till opset (\d+)", text):
        return f"it knows opsets of {known[1]} up to {known[2]}, the graph has a newer one; export it with an older"
    return text
