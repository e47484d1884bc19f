"""What a fresh interpreter has loaded after importing an entry point."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def packages_loaded_by(module: str) -> set[str]:
    """Top-level packages in `sys.modules` after importing `module` and nothing else."""
    code = f"import sys, json, {module}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("service.app", {"torch", "training", "export"}),
        ("glosscast.cli", {"torch", "training", "export", "service", "fastapi"}),
    ],
)
@pytest.mark.slow
def test_entry_point_loads_no_banned_package(module: str, banned: set[str]) -> None:
    loaded = packages_loaded_by(module)

    assert module.partition(".")[0] in loaded
    assert not loaded & banned
