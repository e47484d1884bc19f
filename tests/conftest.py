"""Fixtures that tests of several folders share."""

import os

# Models of tests are tiny: a second thread gains them nothing, and on a busy machine both would spin and wait for each
# other. Read when torch and ONNX Runtime load, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from hypothesis import settings

from tests.bundles import make_bundle

# A busy machine may take any time for an example.
settings.register_profile("glosscast", deadline=None)
settings.load_profile("glosscast")


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Services that tests start keep nothing in the folder of whoever runs the tests."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def teachable_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `tests.bundles` to which signs can be taught. Shared: copy it before changing anything."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "teachable", teachable=True)


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `tests.bundles`. Shared: copy it before changing anything."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "compass")
