"""Fixtures of the tests of trackers."""

from collections import Counter

import pytest

from glosscast.holistic import models
from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.networks import Network, NetworkPool


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


@pytest.fixture(scope="module")
def networks(litert_models):
    return NetworkPool(2, litert_models)


@pytest.fixture
def tracker(networks):
    return LiteRtTracker(networks)


@pytest.fixture
def counted(litert_models, monkeypatch):
    """Models, and how often each has looked at a picture."""
    runs = Counter()
    pool = NetworkPool(1, litert_models)
    names = {}
    for exact in (True, False):
        with pool.lease(exact) as networks:
            names.update({network: name for name, network in vars(networks).items()})
    look = Network.__call__

    def counting(network, *pictures):
        runs[names[network]] += len(pictures)
        return look(network, *pictures)

    monkeypatch.setattr(Network, "__call__", counting)
    return pool, runs
