"""Host names that the service answers to, over REST, the page and the websocket."""

import socket

import httpx
import pytest

from glosscast.protocol import STREAM_PATH, SUBPROTOCOL
from service.access.hosts import Hosts
from service.access.keys import Role, add_key
from tests.service.serving import TIMEOUT_S, assert_problem, browser, serve

EVIL = "evil.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": SUBPROTOCOL,
}


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LocalHost", "a.localhost:1", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000", "[::1]"],
)
def test_names_of_this_machine_are_answered(host):
    assert Hosts(None, ()).answers(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        EVIL,
        f"{EVIL}:8000",
        "localhost.evil.example",
        "evillocalhost",
        "[::1",
        "10.0.0.7",
        "[::2]:80",
        "127.0.0.1.nip.io",
        "localhost@evil.example",
        "*",
    ],
)
def test_other_names_are_not(host):
    assert not Hosts(None, ("friend.example",)).answers(host)


def test_names_of_the_settings_are_answered_and_a_star_stands_for_all():
    assert Hosts(None, ("Friend.example", "10.0.0.7")).answers("friend.EXAMPLE:443")
    assert Hosts(None, ("Friend.example", "10.0.0.7")).answers("10.0.0.7:8000")
    assert Hosts(None, ("*",)).answers(EVIL)


def test_a_page_whose_name_leads_here_reaches_nothing(bundle_folder):
    """Its requests are of its own origin: only their host tells them apart."""
    with serve(bundle_folder) as address, browser(address) as client:
        port = address.rpartition(":")[2]
        rebound = {"Host": f"{EVIL}:{port}", "Origin": f"http://{EVIL}:{port}"}
        for path in ("/", "/v1/bundle", "/healthz", "/page.json"):
            assert_problem(client.get(path, headers=rebound), 421, "host_not_allowed")
        assert_problem(client.post("/v1/classify", headers=rebound, files={"file": b""}), 421, "host_not_allowed")
        assert client.get(STREAM_PATH, headers=rebound | UPGRADE).json()["code"] == "host_not_allowed"
        assert client.get("/v1/bundle", headers={"Host": f"localhost:{port}"}).status_code == 200
        assert 'status="421"' in client.get("/metrics").text


def test_with_keys_every_name_is_answered_unless_the_settings_name_some(bundle_folder, tmp_path):
    add_key(tmp_path / "keys.toml", "both", list(Role))
    for allowed, status in (((), 401), (("friend.example",), 421)):
        with serve(bundle_folder, api_keys_file=tmp_path / "keys.toml", allowed_hosts=allowed) as address:
            asked = httpx.get(f"http://{address}/v1/bundle", headers={"Host": EVIL})
            assert asked.status_code == status
            friend = httpx.get(f"http://{address}/v1/bundle", headers={"Host": "friend.example"})
            assert friend.status_code == 401


def test_a_request_without_a_host_comes_from_no_browser(bundle_folder):
    with serve(bundle_folder) as address, socket.create_connection(address.split(":"), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in connection.recv(100)
