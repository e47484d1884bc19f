"""Models through everything that can run them, side by side with the machine's limit, the product of two matrices."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch

from benchmarks.engines import PRECISION, Engines
from benchmarks.subjects import BATCHES, SIZES, Subject, subjects
from benchmarks.timing import Run, Spread, alternate
from glosscast.bundle import Bundle
from glosscast.providers import runtime

GEMM_SIDE = 2048
GEMM_GFLOP = 2 * GEMM_SIDE**3 / 1e9
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Row(NamedTuple):
    """One engine on one batch.

    Attributes:
        share: of the speed of the product of matrices in the same precision and the same rounds; None for int8, which
            torch multiplies no matrices in.
    """

    model: str
    engine: str
    batch: int
    time: Spread
    gflops: float
    share: float | None


class EngineComparison(NamedTuple):
    """All rows, what was not there to measure and why, and the speed of the product of matrices, GFLOP/s."""

    machine: str
    rows: list[Row]
    absent: dict[str, str]
    peaks: dict[str, float]


def compare(bundle: Bundle, compiled: bool, sizes: Sequence[int] = SIZES) -> EngineComparison:
    """Measure; at most ten minutes on two idle cores, without the compiling where torch.compile takes part."""
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    rows: list[Row] = []
    absent: dict[str, str] = {}
    peaks: dict[str, list[float]] = {name: [] for name in DTYPES}
    with subjects(bundle, sizes) as measured:
        for subject in measured:
            engines = Engines(subject, threads, compiled)
            absent |= engines.absent
            for batch, budget_s in zip(BATCHES, subject.budgets_s, strict=True):
                times = alternate(gemms() | engines.runs(batch), budget_s)
                peak = {name: GEMM_GFLOP / times.pop(f"gemm {name}").median_ms * 1000 for name in DTYPES}
                rows += rows_of(subject, batch, times, peak)
                for name, gflops in peak.items():
                    peaks[name].append(gflops)
    machine = f"{threads} threads, torch {torch.__version__}, ONNX Runtime {runtime().__version__}"
    return EngineComparison(machine, rows, absent, {name: max(values) for name, values in peaks.items()})


def gemms() -> dict[str, Run]:
    """The product of two square matrices in each precision."""
    matrices = {name: torch.rand(GEMM_SIDE, GEMM_SIDE).to(dtype) for name, dtype in DTYPES.items()}
    return {f"gemm {name}": partial(torch.mm, matrix, matrix) for name, matrix in matrices.items()}


def rows_of(subject: Subject, batch: int, times: dict[str, Spread], peak: dict[str, float]) -> Iterator[Row]:
    """The rows of one round of measurements."""
    gflop = subject.gflop() * batch
    for engine, time in times.items():
        gflops = gflop / time.median_ms * 1000
        product = peak.get(PRECISION.get(engine, "fp32"))
        yield Row(subject.name, engine, batch, time, gflops, None if product is None else gflops / product)


def as_json(comparison: EngineComparison) -> dict[str, object]:
    """The comparison in plain types."""
    rows = [{**row._asdict(), **row.time._asdict()} for row in comparison.rows]
    for row in rows:
        del row["time"]
    return {**comparison._asdict(), "rows": rows}


def as_markdown(comparison: EngineComparison) -> str:
    """The machine, a table, and what was not there."""
    peaks = ", ".join(f"{gflops:.0f} GFLOP/s in {name}" for name, gflops in comparison.peaks.items())
    lines = [
        f"{comparison.machine}; product of matrices: {peaks}; load {os.getloadavg()[0]:.1f}\n",
        "| model | batch | engine | median | fastest–slowest | runs | GFLOP/s | share of the product |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.model} | {row.batch} | {row.engine} | {row.time.median_ms:.2f} ms | "
        f"{row.time.min_ms:.2f}–{row.time.max_ms:.2f} | {row.time.runs} | {row.gflops:.0f} | "
        + ("– |" if row.share is None else f"{row.share:.0%} |")
        for row in comparison.rows
    ]
    return "\n".join(lines + [f"\n{name}: {reason}" for name, reason in comparison.absent.items()])
