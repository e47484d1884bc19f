import json

import pytest
import torch

from training.__main__ import main
from training.models.cost import FRAMES, cost
from training.models.slowfast import build


@pytest.mark.parametrize(
    ("name", "million_parameters", "gmac"),
    [("slowfast_8x8_r50", 34.6, 50.6), ("slowfast_8x8_r101", 62.8, 96.8), ("slowfast_tiny", 0.4, 11.1)],
)
@pytest.mark.slow
def test_the_cost_of_a_window_at_224(name: str, million_parameters: float, gmac: float) -> None:
    counted = cost(name, 400, 224)
    assert round(counted.parameters / 1e6, 1) == million_parameters
    assert round(counted.macs / 1e9, 1) == gmac


def test_without_batch_norm_the_r50_costs_what_its_authors_say() -> None:
    counted = cost("slowfast_8x8_r50", 400, 256)
    assert (counted.macs - counted.batch_norm) / 1e9 == pytest.approx(65.7, abs=0.05)


def test_multiply_adds_are_counted_as_fvcore_counts_them() -> None:
    fvcore = pytest.importorskip("fvcore.nn")
    analysis = fvcore.FlopCountAnalysis(build("slowfast_tiny", 5).eval(), torch.zeros(1, 3, FRAMES, 32, 32))
    by_operator = analysis.unsupported_ops_warnings(False).by_operator()
    counted = cost("slowfast_tiny", 5, 32)
    assert counted.macs == analysis.total()
    assert counted.batch_norm == by_operator["batch_norm"]


def test_inspect_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--model", "slowfast_8x8_r50"]) == 0
    assert capsys.readouterr().out == (
        "slowfast_8x8_r50: 34.6 M parameters, 50.6 GMAC (0.3 of them batch norm) for 32 frames of 224x224\n"
    )


def test_inspect_prints_json_for_any_size_and_number_of_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--model", "slowfast_tiny", "--size", "32", "--classes", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"model": "slowfast_tiny", **cost("slowfast_tiny", 5, 32)._asdict(), "pretrained": None}


@pytest.mark.parametrize("option", ["--size", "--classes"])
def test_inspect_refuses_values_that_are_not_positive(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--model", "slowfast_tiny", option, "0"]) == 2
    assert capsys.readouterr().err == "classes and size must be at least 1\n"
