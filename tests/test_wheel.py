"""What the wheel holds: the package `glosscast` with its bundles, and neither applications nor weights to train on."""

import subprocess
import sys
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from glosscast import __version__

ROOT = Path(__file__).parents[1]
EXTRAS = {"litert", "mediapipe", "client", "cpu", "gpu", "openvino"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return HeaderParser().parsestr(wheel.read(f"glosscast-{__version__}.dist-info/METADATA").decode())


def test_its_name_and_metadata_say_the_version(wheel: ZipFile, metadata: Message) -> None:
    assert Path(str(wheel.filename)).name == f"glosscast-{__version__}-py3-none-any.whl"
    assert metadata["Version"] == __version__


def test_it_has_extras_for_what_it_holds_alone(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra") or ()) == EXTRAS
    assert not any("torch" in line or "fastapi" in line for line in metadata.get_all("Requires-Dist") or ())


def test_it_holds_the_package_and_no_application(wheel: ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"glosscast", f"glosscast-{__version__}.dist-info"}


def test_it_holds_every_module(wheel: ZipFile) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "glosscast").rglob("*.py")}
    assert modules <= set(wheel.namelist())
    assert "glosscast/py.typed" in wheel.namelist()


def test_it_holds_the_bundles_without_their_checkpoints(wheel: ZipFile) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "glosscast/bundles").rglob("*") if path.is_file()}
    weights = {name for name in files if name.endswith("/checkpoint.pt")}
    held = {name for name in wheel.namelist() if name.startswith("glosscast/bundles/")}
    assert weights
    assert held == files - weights


def test_it_has_the_command(wheel: ZipFile) -> None:
    entry_points = wheel.read(f"glosscast-{__version__}.dist-info/entry_points.txt").decode()
    assert "glosscast = glosscast.cli:main" in entry_points
