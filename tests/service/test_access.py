"""Access over the network: what a service with keys answers to whom, and what it does not tell its log."""

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.access.keys import Role, add_key
from tests.service.process import START_S, start_service, wait_for_address
from tests.service.serving import FORM, HEAD, SIGN_EAST, Client, assert_problem, browser, serve, wait_until

FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.toml"


@pytest.fixture(scope="module")
def key(keys):
    return add_key(keys, "both", list(Role))


@pytest.fixture(scope="module")
def guarded(bundle_folder, keys, key):
    with serve(
        bundle_folder, host="127.0.0.1", api_keys_file=keys, allowed_origins=(FRIEND,), key_streams=2
    ) as address:
        yield address


@pytest.fixture(scope="module")
def client(guarded):
    with browser(guarded) as client:
        yield client


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def token(client, key):
    answer = client.post("/v1/tokens", headers=bearer(key))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["token"]


def with_token(token):
    return {"subprotocols": ["glosscast.v1", f"bearer.{token}"]}


def with_key(key):
    return {"additional_headers": bearer(key)}


# --- REST


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/classify"), ("GET", "/v1/bundle"), ("POST", "/v1/tokens")])
@pytest.mark.parametrize("headers", [{}, bearer("glosscast_wrong")])
def test_without_a_known_key_nothing_is_answered(client, method, path, headers):
    answer = client.request(method, path, headers=headers, params={"top_k": "nonsense"})

    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_stranger_is_refused_before_the_upload_is_read(guarded):
    connection = HTTPConnection(guarded, timeout=20)
    connection.putrequest("POST", "/v1/classify")
    connection.putheader("Content-Type", FORM["content-type"])
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(HEAD)  # the rest never comes

    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/js/app.js"])
def test_routes_without_personal_data_stay_open(client, path):
    assert client.get(path).status_code == 200


def test_a_key_opens_everything_that_it_is_good_for(client, key):
    upload = {"file": ("a.mp4", SIGN_EAST)}
    answer = client.post("/v1/classify", files=upload, headers=bearer(key))

    assert answer.json()["predictions"][0]["gloss"] == "east"
    assert client.get("/v1/bundle", headers=bearer(key)).json()["name"] == "compass"
    expires = client.post("/v1/tokens", headers=bearer(key)).json()["expires_at"]
    assert 25 < (datetime.fromisoformat(expires) - datetime.now(UTC)).total_seconds() <= 30


@pytest.mark.parametrize(("role", "path"), [(Role.STREAM, "/v1/classify"), (Role.CLASSIFY, "/v1/tokens")])
def test_a_key_without_the_role_is_refused(keys, client, role, path):
    half = add_key(keys, f"only-{role}", [role])

    assert_problem(client.post(path, headers=bearer(half)), 403, "not_allowed")
    assert client.get("/v1/bundle", headers=bearer(half)).status_code == 200


def test_a_client_over_its_limit_gets_the_time_to_wait(keys, client, guarded):
    slow = add_key(keys, "slow", list(Role), requests_per_minute=2)
    answers = [client.get("/v1/bundle", headers=bearer(slow)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_problem(answers[2], 429, "too_many_requests")
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    with Client(guarded, **with_key(slow)) as stream:
        assert stream.until_closed() == 4029
    (error,) = stream.received
    assert (error["code"], error["retryable"]) == ("too_many_requests", True)
    assert 1 <= error["retry_after_s"] <= 30


def test_a_key_in_the_address_opens_nothing_and_is_not_repeated(client, key):
    for name in ("key", "api_key", "token", "access_token", "authorization"):
        answer = client.get("/v1/bundle", params={name: key})
        assert_problem(answer, 401, "not_authenticated")
        answer = client.post("/v1/classify", params={name: key}, headers=bearer(key), files={"file": ("a", b"")})
        assert_problem(answer, 422, "invalid_request")
        assert key not in answer.text


# --- websocket


@pytest.mark.parametrize(
    "options",
    [
        {},
        with_key("glosscast_wrong"),
        with_token("wrong"),
        with_token("."),
        {"additional_headers": {"Authorization": "Basic eDp5"}},
    ],
)
def test_an_unauthenticated_client_gets_an_error_in_the_stream_since_browsers_hide_http_refusals(guarded, options):
    with Client(guarded, **options) as stream:
        assert stream.until_closed() == 4001
    (error,) = stream.received
    assert (error["type"], error["code"], error["retryable"]) == ("error", "not_authenticated", False)


def test_a_server_opens_a_stream_with_its_key(guarded, key):
    with Client(guarded, **with_key(key)) as stream:
        stream.start()


def test_a_page_opens_one_stream_with_a_token_that_is_not_sent_back(guarded, client, key):
    options = with_token(token(client, key))
    with Client(guarded, **options) as stream:
        assert stream.socket.subprotocol == "glosscast.v1"
        stream.start()
    with Client(guarded, **options) as stream:
        assert stream.until_closed() == 4001


def test_a_key_without_the_role_opens_no_stream(keys, guarded):
    half = add_key(keys, "clips", [Role.CLASSIFY])
    with Client(guarded, **with_key(half)) as stream:
        assert stream.until_closed() == 4001
    assert stream.received[0]["code"] == "not_allowed"


def test_a_key_has_so_many_streams_however_they_were_opened_and_costs_no_other_key_any(keys, guarded, client, key):
    other = add_key(keys, "other", [Role.STREAM], streams=1)
    with Client(guarded, **with_key(key)) as first:
        first.start()
        with Client(guarded, **with_token(token(client, key))) as second, Client(guarded, **with_key(other)) as third:
            second.start()
            third.start()
            for options in (with_key(key), with_token(token(client, key)), with_key(other)):
                with Client(guarded, **options) as refused:
                    refused.send({"type": "start", "input": "keypoints"})
                    assert refused.until_closed() == 4029
                assert refused.received[0]["code"] == "too_many_streams"
            second.send({"type": "stop"})
            assert second.until_closed() == 1000
        wait_until(lambda: opens(guarded, key))  # a place is given back


def opens(address, key):
    with Client(address, **with_key(key)) as stream:
        with suppress(ConnectionClosed):
            stream.send({"type": "start", "input": "keypoints"})
        return stream.receive()["type"] == "started"


def test_a_key_that_was_removed_opens_nothing_more(keys, guarded, client):
    before = keys.read_text()
    gone = add_key(keys, "gone", list(Role))
    kept = with_token(token(client, gone))
    keys.write_text(before)

    assert_problem(client.get("/v1/bundle", headers=bearer(gone)), 401, "not_authenticated")
    for options in (with_key(gone), kept):
        with Client(guarded, **options) as stream:
            assert stream.until_closed() == 4001


def test_replicas_with_one_secret_take_each_others_tokens(bundle_folder, keys, key, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s" * 43)
    settings = {"api_keys_file": keys, "token_secret_file": secret}
    with serve(bundle_folder, **settings) as one, serve(bundle_folder, **settings) as two:
        with browser(one) as client:
            options = with_token(token(client, key))
        with Client(two, **options) as stream:
            stream.start()
        with Client(two, **options) as stream:
            assert stream.until_closed() == 4001


# --- pages of other sites


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{FRIEND}:8443", "http://friend.example"])
def test_pages_of_other_sites_stay_out(guarded, client, key, origin):
    answer = client.get("/v1/bundle", headers={"Origin": origin, **bearer(key)})
    assert_problem(answer, 403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert client.options("/v1/classify", headers={"Origin": origin, **asked}).status_code == 400
    with pytest.raises(InvalidStatus) as refused:
        Client(guarded, origin=origin, **with_key(key))
    assert json.loads(refused.value.response.body)["code"] == "origin_not_allowed"


@pytest.mark.parametrize("allowed", [(), (FRIEND,)])
def test_no_page_of_another_site_can_use_an_open_service(bundle_folder, allowed):
    """A form can be posted anywhere without asking, and a browser runs on the same machine."""
    with serve(bundle_folder, allowed_origins=allowed) as address, browser(address) as client:
        upload = {"file": ("a.mp4", SIGN_EAST)}
        answer = client.post("/v1/classify", files=upload, headers={"Origin": "https://evil.example"})
        assert_problem(answer, 403, "origin_not_allowed")
        assert client.post("/v1/classify", files=upload, headers={"Origin": f"http://{address}"}).status_code == 200


def test_pages_of_allowed_sites_may_send_a_key_and_read_the_answers(guarded, client, key):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = client.options("/v1/classify", headers={"Origin": FRIEND, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == FRIEND
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()

    for headers, status in (({}, 401), (bearer(key), 200)):
        answer = client.get("/v1/bundle", headers={"Origin": FRIEND, **headers})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, FRIEND)
        assert "access-control-allow-credentials" not in answer.headers
    with Client(guarded, origin=FRIEND, **with_token(token(client, key))) as stream:
        stream.start()


def test_the_description_names_the_routes_that_take_a_key(client):
    api = client.get("/openapi.json").json()
    secured = {path for path, item in api["paths"].items() for operation in item.values() if "security" in operation}

    lexicons = {path for path in api["paths"] if path.startswith("/v1/lexicons")}
    assert len(lexicons) == 7
    bundle = {"/v1/bundle", "/v1/bundle/signs/{gloss}/example"}
    assert secured == {"/v1/classify", "/v1/tokens"} | bundle | lexicons
    assert api["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "bearer." in client.get("/docs").text


# --- logs


def provoke(address, key, client):
    """Requests and handshakes with the key in all places, right and wrong ones; the tokens that were in them."""
    tokens = [token(client, key) for _ in range(3)]
    for headers in (bearer(key), bearer(key + "x"), {"Authorization": f"Basic {key}"}):
        client.get("/v1/bundle", headers=headers, params={"key": key, "token": tokens[0]})
        client.post("/v1/classify", headers=headers, files={"file": ("a.mp4", b"no video")})
        client.request("BREW", "/v1/classify", headers=headers)
        client.get(f"/nowhere/{key}", headers=headers)
        client.post("/v1/classify", headers={**headers, "Content-Type": f"multipart/form-data; {key}"}, content=b"x")
    for options in (with_key(key), *(with_token(t) for t in tokens[1:]), with_token(tokens[1]), with_key(tokens[0])):
        with Client(address, **options) as stream:
            with suppress(ConnectionClosed):  # a refused client is closed at once
                stream.send({"type": "start", "input": "keypoints", key: tokens[0]})
            stream.until_closed()
        with pytest.raises(InvalidStatus):
            Client(address, **{**options, "origin": f"https://{key}.example"})
    with pytest.raises(InvalidStatus):
        Client(address, subprotocols=[f"bearer.{tokens[0]}"])
    return tokens


def test_neither_keys_nor_tokens_reach_a_log(bundle_folder, keys, key, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("service.rest.classification.classify", lambda *_: 1 / 0)  # a fault that nobody foresaw
    with serve(bundle_folder, api_keys_file=keys) as address, browser(address) as client:
        tokens = provoke(address, key, client)
    clients = ("httpx", "httpcore", "websockets.client")
    records = [record for record in caplog.records if not record.name.startswith(clients)]
    ours = "\n".join(map(logging.Formatter().format, records))

    assert "unexpected error" in ours
    assert "ZeroDivisionError" in ours
    assert "stream" in ours
    for secret in (key, *tokens, key.removeprefix("glosscast_")):
        assert secret not in ours


@pytest.mark.slow
def test_neither_keys_nor_tokens_are_written_by_the_process(bundle_folder, keys, key):
    process = start_service(BUNDLE=bundle_folder, PORT=0, HOST="0.0.0.0", API_KEYS_FILE=keys)
    try:
        address = wait_for_address(process).replace("0.0.0.0", "127.0.0.1")
        with browser(address) as client:
            tokens = provoke(address, key, client)
        process.terminate()
        _, said = process.communicate(timeout=START_S)
    finally:
        process.kill()

    assert "POST /v1/tokens 200" in said
    for secret in (key, *tokens):
        assert secret not in said


@pytest.mark.slow
def test_without_keys_the_process_listens_for_the_machine_itself_alone(bundle_folder):
    process = start_service(BUNDLE=bundle_folder, PORT=0, HOST="0.0.0.0")
    _, said = process.communicate(timeout=START_S)

    assert process.returncode == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("GLOSSCAST_API_KEYS_FILE: without keys the service would be open to everyone")
