"""What the files at the root promise about dependencies and folders."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)

REQUIREMENTS = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(item for extra in PROJECT["project"]["optional-dependencies"].values() for item in extra),
    *(item for group in PROJECT["dependency-groups"].values() for item in group),
]


def normal_name(requirement: str) -> str:
    """The distribution's name in the one spelling that PEP 503 gives it."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


@pytest.mark.parametrize("requirement", sorted(set(REQUIREMENTS)))
def test_every_requirement_is_pinned(requirement: str) -> None:
    assert normal_name(requirement) in {normal_name(pin) for pin in PINS}


def test_tests_are_no_package() -> None:
    """An `__init__.py` here would shadow the package that a folder mirrors."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize(
    ("runs", "taken"),
    [
        ({"python3.11": True, "python3.12": True}, "python3.11"),
        ({"python3.12": True}, "python3.12"),
        ({"python3.13": True}, "python3.13"),
        ({"python3.11": False, "python3.12": True}, "python3.12"),  # pyenv has its name, but not the version
        ({}, "python3.11"),  # to be missed by its name
    ],
)
def test_make_takes_a_python_that_runs(tmp_path: Path, runs: dict[str, bool], taken: str) -> None:
    for name, works in runs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {0 if works else 127}\n")
        (tmp_path / name).chmod(0o755)
    command = [str(shutil.which("make")), "-s", "--eval", "which: ; $(info $(PYTHON))", "which"]
    answer = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == taken
