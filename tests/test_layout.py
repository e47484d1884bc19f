"""What the files at the root promise about dependencies and folders."""

import re
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
    *PROJECT["dependency-groups"]["dev"],
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
