from pathlib import Path

import pytest
import torch

from tests.training.published import randomise
from tests.training.weights import blobs_of, model, write_pkl
from training.models.slowfast import SlowFast


@pytest.fixture(scope="session")
def trained() -> SlowFast:
    torch.manual_seed(0)
    return randomise(model())


@pytest.fixture(scope="session")
def pkl(trained: SlowFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pkl(tmp_path_factory.mktemp("weights") / "SLOWFAST.pkl", blobs_of(trained))
