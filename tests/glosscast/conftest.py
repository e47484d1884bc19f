"""Fixtures of the tests of trackers."""

import pytest

from glosscast.holistic import models


@pytest.fixture(scope="session")
def sources():
    """The models as MediaPipe's package has them, by their path in it."""
    found = models._installed()
    if found is None:
        pytest.skip(f"mediapipe {models.MEDIAPIPE} is not installed")
    return found


@pytest.fixture(scope="session")
def litert_models(tmp_path_factory):
    """A folder with the prepared models: the one that is set up, else made of what MediaPipe's package has."""
    folder = models.folder()
    try:
        for model in models.MODELS:
            models.read(model, folder)
    except models.ModelError:
        if models._installed() is None:
            pytest.skip("no models: python -m glosscast.holistic")
        folder = tmp_path_factory.mktemp("models")
        models.prepare(folder)
    return folder
