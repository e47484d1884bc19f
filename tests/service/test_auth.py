"""Who is let in, decided without a network."""

import pytest
from starlette.requests import HTTPConnection

from service.access.auth import Access, AccessError, is_loopback
from service.access.keys import Role, add_key
from service.problems import ProblemError
from service.settings import Settings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.toml"


@pytest.fixture
def key(path):
    return add_key(path, "kiosk", list(Role))


@pytest.fixture
def access(path, key, clock):
    return Access(Settings(api_keys_file=path, key_requests_per_minute=60, key_streams=4), clock, clock)


def asking(authorization=None, subprotocols=(), server=("127.0.0.1", 8000)):
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    return HTTPConnection({"type": "http", "headers": headers, "subprotocols": subprotocols, "server": server})


def refusal(access, connection, role=Role.STREAM):
    with pytest.raises(ProblemError) as error:
        access.authorise(connection, role)
    return error.value


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_key_lets_its_holder_in(access, key, scheme):
    caller = access.authorise(asking(scheme + key), Role.STREAM)

    assert (caller.name, caller.max_streams) == ("kiosk", 4)
    assert access.authorise(asking(scheme + key), None) == caller


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic {}",
        "{}",
        "Bearer {}x",
        "Bearer x{}",
        "Bearer ÿ",
        "Token {}",
    ],
)
def test_nothing_else_does(access, key, authorization):
    problem = refusal(access, asking(authorization and authorization.format(key)))

    assert (problem.code, problem.response.status_code) == ("not_authenticated", 401)
    assert problem.response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("has", "needs"), [(Role.STREAM, Role.CLASSIFY), (Role.CLASSIFY, Role.STREAM)])
def test_a_key_is_good_for_its_roles_alone(path, access, has, needs):
    key = add_key(path, "other", [has])

    assert access.authorise(asking(f"Bearer {key}"), has).name == "other"
    assert access.authorise(asking(f"Bearer {key}"), None).name == "other"
    problem = refusal(access, asking(f"Bearer {key}"), needs)
    assert (problem.code, problem.response.status_code) == ("not_allowed", 403)


def test_each_key_has_a_rate_of_its_own(path, access, key, clock):
    quick = add_key(path, "quick", [Role.STREAM], requests_per_minute=600, streams=9)
    for _ in range(60):
        access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    problem = refusal(access, asking(f"Bearer {key}"))

    assert (problem.code, problem.response.status_code) == ("too_many_requests", 429)
    assert problem.response.headers["retry-after"] == "1"
    for _ in range(600):
        assert access.authorise(asking(f"Bearer {quick}"), Role.STREAM).max_streams == 9
    clock.now += 1
    access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    assert refusal(access, asking(f"Bearer {key}")).code == "too_many_requests"


def test_a_change_of_the_file_forgets_no_rate_of_a_key_that_stays(path, access, key):
    for _ in range(60):
        access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    kept = path.read_text()
    for i in range(3):
        other = add_key(path, f"short-lived-{i}", [Role.STREAM])
        access.authorise(asking(f"Bearer {other}"), Role.STREAM)
    path.write_text(kept)

    assert refusal(access, asking(f"Bearer {key}")).code == "too_many_requests"
    assert [known.name for known in access._buckets] == ["kiosk"]
    path.write_text(kept.replace("kiosk", "renamed"))
    access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    assert [known.name for known in access._buckets] == ["renamed"]
    path.write_text("")
    access.authorise(
        asking(f"Bearer {add_key(path, 'renamed', [Role.STREAM])}"), Role.STREAM
    )  # another key of that name
    assert len(access._buckets) == 1


# --- tokens


def offering(token, *others):
    return asking(subprotocols=("glosscast.v1", *others, f"bearer.{token}"))


def test_a_token_opens_one_stream_in_the_name_of_its_key(access, key, clock):
    caller = access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    token, expires = access.issue(caller)

    assert expires == clock.now + 30
    assert access.authorise(offering(token), Role.STREAM) == caller
    assert refusal(access, offering(token)).code == "not_authenticated"


def test_a_token_expires_and_ends_with_its_key(path, access, key, clock):
    caller = access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    late, _ = access.issue(caller)
    clock.now += 31
    assert refusal(access, offering(late)).code == "not_authenticated"

    orphan, _ = access.issue(caller)
    path.write_text("")
    add_key(path, "kiosk", list(Role))  # another key of the same name
    assert refusal(access, offering(orphan)).code == "not_authenticated"


def test_a_token_needs_the_role_still_and_counts_as_no_request(path, access, key):
    caller = access.authorise(asking(f"Bearer {key}"), Role.STREAM)
    tokens = [access.issue(caller)[0] for _ in range(61)]
    for token in tokens[:60]:
        access.authorise(offering(token), Role.STREAM)

    path.write_text(path.read_text().replace('"classify", "stream"', '"classify"'))
    assert refusal(access, offering(tokens[60])).code == "not_allowed"


def test_a_key_is_no_token_and_a_token_no_key(access, key):
    token, _ = access.issue(access.authorise(asking(f"Bearer {key}"), Role.STREAM))

    assert refusal(access, offering(key)).code == "not_authenticated"
    assert refusal(access, asking(f"Bearer {token}")).code == "not_authenticated"
    assert refusal(access, asking("Bearer wrong", [f"bearer.{token}"])).code == "not_authenticated"


# --- without keys


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_keys_the_machine_itself_is_served(host):
    access = Access(Settings(host=host))

    assert access.authorise(asking(), Role.CLASSIFY).max_streams == Settings().max_streams
    assert access.authorise(asking(server=("::1", 8000)), Role.STREAM).name == ""
    assert access.authorise(asking("Bearer anything"), Role.STREAM).name == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "*", "no.such.host.invalid", "a" * 300])
def test_without_keys_nobody_else_is(host):
    assert not is_loopback(host)
    with pytest.raises(AccessError, match=r"^GLOSSCAST_API_KEYS_FILE: without keys .* open to everyone .* keys add"):
        Access(Settings(host=host))


def test_a_name_must_lead_to_this_machine_alone(monkeypatch):
    found = ["127.0.0.1"]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(0, 0, 0, "", (address, 0)) for address in found])
    assert is_loopback("home")
    found.append("192.0.2.1")
    assert not is_loopback("home")


@pytest.mark.parametrize("server", [("192.0.2.1", 8000), ("0.0.0.0", 8000), ("example.org", 80), None])
def test_without_keys_who_comes_in_by_another_way_is_refused(server):
    """`uvicorn --factory service.app:create_app --host 0.0.0.0` listens where no setting says so."""
    problem = refusal(Access(Settings()), asking(server=server))

    assert (problem.code, problem.detail) == (
        "not_allowed",
        "Without keys the service answers on the machine itself alone.",
    )


def test_a_unix_socket_is_local():
    assert Access(Settings()).authorise(asking(server=("/run/glosscast.sock", None)), None).name == ""


@pytest.mark.parametrize(
    ("content", "secret", "says"),
    [
        (None, None, "GLOSSCAST_API_KEYS_FILE: .*keys.toml: No such file"),
        ("[[key]]\n", None, "GLOSSCAST_API_KEYS_FILE: .*keys.toml: key.0.name: Field required"),
        ("", "short", "GLOSSCAST_TOKEN_SECRET_FILE: .*secret: the secret has 5 bytes"),
    ],
)
def test_a_wrong_file_is_named_with_its_setting(path, tmp_path, content, secret, says):
    settings = {"api_keys_file": path}
    if content is not None:
        path.write_text(content)
    if secret is not None:
        settings["token_secret_file"] = tmp_path / "secret"
        settings["token_secret_file"].write_text(secret)
    with pytest.raises(AccessError, match=says):
        Access(Settings(host="0.0.0.0", **settings))
