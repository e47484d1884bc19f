"""What a fresh interpreter has loaded after importing a part of `training` that works without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["training.config", "training.config.folds", "training.config.variants"])
@pytest.mark.slow
def test_config_loads_no_torch(module: str) -> None:
    code = f"import {module}, sys; assert 'torch' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
