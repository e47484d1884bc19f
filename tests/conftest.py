"""Fixtures that tests of several folders share."""

from pathlib import Path

import pytest

from tests.bundles import make_bundle


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `tests.bundles`. Shared: copy it before changing anything."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "compass")
