"""The engines that can run a model: torch, and the available execution providers of ONNX Runtime."""

from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.subjects import BATCHES, Inputs, Subject
from benchmarks.timing import Run
from glosscast.manifest import Precision
from glosscast.providers import CPU, OPENVINO, ProviderError, open_session

EAGER, COMPILED = "PyTorch eager", "torch.compile"
SESSIONS: dict[str, tuple[str, Precision]] = {
    "ONNX Runtime CPU": (CPU, "fp32"),
    "OpenVINO fp32": (OPENVINO, "fp32"),
    "OpenVINO bf16": (OPENVINO, "bf16"),
    "ONNX Runtime CPU int8": (CPU, "int8"),
    "OpenVINO int8": (OPENVINO, "int8"),
}
PRECISION = {name: precision for name, (_, precision) in SESSIONS.items()}  # all others compute in fp32


class Engines:
    """A subject, loaded by everything that can run it.

    Args:
        subject: the model.
        threads: of one inference.
        compiled: whether torch.compile takes part; the first inference of each subject then takes minutes.

    Attributes:
        absent: why an engine is not among them, by name.
    """

    def __init__(self, subject: Subject, threads: int, compiled: bool = False) -> None:
        self.subject = subject
        self.absent: dict[str, str] = {}
        self._modules: dict[str, nn.Module] = {EAGER: subject.module}
        if not compiled:
            self.absent[COMPILED] = "takes minutes to compile; add --compile"
        else:
            self._compile()
        self._sessions: dict[str, Any] = {}
        for name, (provider, precision) in SESSIONS.items():
            try:
                graph = subject.int8 if precision == "int8" else subject.graph
                self._sessions[name] = open_session(graph, [provider], precision, threads)
            except ProviderError as error:
                self.absent[name] = str(error)

    def _compile(self) -> None:
        """Compile for one window and for several, before the clock runs, if there is a compiler for it."""
        module = torch.compile(self.subject.module, dynamic=True)
        try:
            for windows in BATCHES:
                infer(module, self.subject.inputs(windows))  # type: ignore[arg-type]
        except Exception as error:  # what the compilers behind it raise shares no base class
            self.absent[COMPILED] = f"could not compile: {str(error).strip().splitlines()[0]}"
        else:
            self._modules[COMPILED] = module  # type: ignore[assignment]

    def runs(self, batch: int) -> dict[str, Run]:
        """One inference of so many windows, by engine."""
        inputs = self.subject.inputs(batch)
        feed = {name: tensor.numpy() for name, tensor in inputs.items()}
        runs: dict[str, Run] = {name: partial(infer, module, inputs) for name, module in self._modules.items()}
        return runs | {name: partial(session.run, ["logits"], feed) for name, session in self._sessions.items()}


def infer(module: nn.Module, inputs: Inputs) -> object:
    """One inference by torch."""
    with torch.inference_mode():
        return module(*inputs.values())
