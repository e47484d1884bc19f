"""Who may open a stream."""

import json

import pytest
from websockets.exceptions import InvalidStatus

from tests.service.serving import (
    Client,
    serve,
)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"subprotocols": None}, "subprotocol_required", id="no subprotocol"),
        pytest.param({"subprotocols": ["glosscast.v2"]}, "subprotocol_required", id="another subprotocol"),
        pytest.param({"origin": "https://evil.example"}, "origin_not_allowed", id="another site"),
        pytest.param({"origin": "null"}, "origin_not_allowed", id="null origin"),
        pytest.param({"origin": "http://127.0.0.1:1"}, "origin_not_allowed", id="another port"),
        pytest.param({"origin": "http://[::1"}, "origin_not_allowed", id="no address"),
    ],
)
def test_handshakes_that_are_refused(address, options, code):
    with pytest.raises(InvalidStatus) as refusal:
        Client(address, **options)

    assert refusal.value.response.status_code in (400, 403)
    assert json.loads(refusal.value.response.body)["code"] == code
    assert refusal.value.response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="no browser"),
        pytest.param({"subprotocols": ["other", "glosscast.v1"]}, id="one of several subprotocols"),
        pytest.param({"origin": "https://friend.example"}, id="an allowed site"),
    ],
)
def test_handshakes_that_are_accepted(bundle_folder, options):
    with serve(bundle_folder, allowed_origins=("https://friend.example",)) as address:
        with Client(address, **options) as client:
            assert client.socket.subprotocol == "glosscast.v1"
            client.start()
        with Client(address, origin=f"http://{address}") as client:  # the service's own page
            client.start()
