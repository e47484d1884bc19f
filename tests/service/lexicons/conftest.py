"""A store of lexicons, and a service that keeps some."""

from pathlib import Path

import pytest

from service.lexicons.store import LexiconStore
from tests.service.lexicons.clips import HOME, SIGN_NEAR, teach
from tests.service.lexicons.stored import BUNDLE, ME
from tests.service.serving import (
    MAX_UPLOAD,
    browser,
    serve,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("lexicons") / "lexicons.sqlite"


@pytest.fixture(scope="module")
def client(teachable_folder, database):
    with (
        serve(teachable_folder, max_upload_bytes=MAX_UPLOAD, max_clip_s=5, lexicons=database) as address,
        browser(address) as client,
    ):
        client.timeout = 120  # of 20 clips, on a busy machine
        yield client


@pytest.fixture
def name(client, request):
    """A lexicon of this test alone, with the sign "near"."""
    name = f"lexicon-{abs(hash(request.node.name))}"
    assert client.post(HOME, json={"name": name}).status_code == 201
    assert teach(client, name, "near", SIGN_NEAR).status_code == 201
    yield name
    client.delete(f"{HOME}/{name}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lexicons.sqlite"


@pytest.fixture
def store(path: Path):
    store = LexiconStore(path)
    store.create(ME, "mine", BUNDLE)
    yield store
    store.close()
