"""A running service that the tests of a module share."""

import pytest

from tests.service.serving import MAX_UPLOAD, ROOMY, browser, serve


@pytest.fixture(scope="module")
def address(bundle_folder):
    with serve(bundle_folder, max_frame_bytes=100_000, **ROOMY) as address:
        yield address


@pytest.fixture(scope="module")
def client(bundle_folder):
    with serve(bundle_folder, max_upload_bytes=MAX_UPLOAD, max_clip_s=5) as address, browser(address) as client:
        yield client
