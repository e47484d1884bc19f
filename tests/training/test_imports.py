"""What a fresh interpreter has loaded after importing a part of `training` that works without torch."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from training.config import Visual
from training.models.slowfast import LAYOUTS

ROOT = Path(__file__).parents[2]


def loads_no_torch(code: str) -> None:
    code = f"import sys; {code}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    "module", ["training.config", "training.config.folds", "training.config.variants", "training.data"]
)
@pytest.mark.slow
def test_configs_and_data_load_no_torch(module: str) -> None:
    loads_no_torch(f"import {module}")


@pytest.mark.slow
def test_help_and_errors_of_a_config_load_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("seed = 1\n", encoding="utf-8")

    loads_no_torch("from training.__main__ import parser; parser().format_help()")
    loads_no_torch(
        f"from training.__main__ import main; assert main(['train', '--config', {str(path)!r}, '--out', 'runs']) == 2"
    )


def test_visual_models_of_a_config_are_those_that_can_be_built() -> None:
    assert set(get_args(Visual)) == set(LAYOUTS)
