import re
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.tokens import SecretFileError, Tokens, read_secret
from tests.service.serving import Clock

LIFETIME_S = 30
SECRET = b"s" * 32
HOLDERS = {"kiosk": "hash of its key", "other": "hash of another"}
BASE64 = string.ascii_letters + string.digits + "-_"
NAMES = st.text(st.characters(codec="utf-8"), max_size=64)


@pytest.fixture
def tokens(clock):
    return Tokens(SECRET, LIFETIME_S, clock)


def redeem(tokens, token):
    return tokens.redeem(token, HOLDERS.get)


def test_a_token_is_taken_once(tokens):
    token, _ = tokens.issue("kiosk", HOLDERS["kiosk"])

    assert redeem(tokens, token) == "kiosk"
    assert redeem(tokens, token) is None
    assert redeem(tokens, token + "=") is None  # another spelling of the same one
    assert redeem(tokens, token + "!") is None


@pytest.mark.parametrize(("age_s", "holder"), [(0, "kiosk"), (29.9, "kiosk"), (30, None), (1e6, None)])
def test_a_token_expires(tokens, clock, age_s, holder):
    token, expires = tokens.issue("kiosk", HOLDERS["kiosk"])
    assert expires == clock.now + LIFETIME_S
    clock.now += age_s

    assert redeem(tokens, token) == holder


def test_a_token_ends_with_the_key_that_it_was_issued_for(tokens):
    replaced, _ = tokens.issue("kiosk", "hash of the key before")
    removed, _ = tokens.issue("gone", "hash")

    assert redeem(tokens, replaced) is None
    assert redeem(tokens, removed) is None


def test_replicas_take_each_others_tokens_only_with_the_same_secret(clock):
    issuer, twin = Tokens(SECRET, LIFETIME_S, clock), Tokens(SECRET, LIFETIME_S, clock)
    stranger = Tokens(b"t" * 32, LIFETIME_S, clock)
    alone = Tokens(None, LIFETIME_S, clock)
    token, _ = issuer.issue("kiosk", HOLDERS["kiosk"])

    assert [redeem(t, token) for t in (twin, stranger, alone)] == ["kiosk", None, None]
    assert redeem(Tokens(None, LIFETIME_S, clock), alone.issue("kiosk", HOLDERS["kiosk"])[0]) is None
    assert redeem(alone, alone.issue("kiosk", HOLDERS["kiosk"])[0]) == "kiosk"


def test_when_no_more_can_be_remembered_none_is_taken_until_some_expire(clock):
    tokens = Tokens(SECRET, LIFETIME_S, clock, max_remembered=3)
    early = [tokens.issue("kiosk", HOLDERS["kiosk"])[0] for _ in range(2)]
    clock.now += 20
    late = [tokens.issue("kiosk", HOLDERS["kiosk"])[0] for _ in range(3)]

    assert [redeem(tokens, token) for token in (*early, *late)] == ["kiosk"] * 3 + [None] * 2
    clock.now += 10  # the early ones expire
    assert [redeem(tokens, token) for token in late] == [None, "kiosk", "kiosk"]
    assert [redeem(tokens, token) for token in late] == [None] * 3


@given(st.integers(0, 80), st.integers(1, 63))
def test_no_changed_token_is_taken(place, step):
    tokens = Tokens(SECRET, LIFETIME_S, Clock())
    token, _ = tokens.issue("kiosk", HOLDERS["kiosk"])
    letter = BASE64[(BASE64.index(token[place]) + step) % 64]

    assert len(token) == 82  # the last has bits that mean nothing
    assert redeem(tokens, token[:place] + letter + token[place + 1 :]) is None
    assert redeem(tokens, token[:place]) is None
    assert redeem(tokens, token) == "kiosk"


@given(st.text(max_size=150) | st.binary(max_size=150).map(lambda data: data.decode("latin-1")))
def test_anything_else_is_no_token(text):
    assert redeem(Tokens(SECRET, LIFETIME_S), text) is None


@pytest.mark.parametrize(("holder", "binding"), [("bc", "a"), ("abc", ""), ("", "abc"), ("d", "ab"), ("c", "b")])
def test_no_token_can_be_made_another_holders(holder, binding):
    """Not even where both are bound to the same, or where holder and binding run into one alike."""
    tokens = Tokens(SECRET, LIFETIME_S)
    content = urlsafe_b64decode(tokens.issue("c", "ab")[0] + "==")
    assert content.endswith(b"c")
    token = urlsafe_b64encode(content[:-1] + holder.encode()).decode()

    assert tokens.redeem(token, {holder: binding}.get) is None


@given(NAMES, NAMES)
def test_any_holder_gets_a_token_of_their_own(holder, binding):
    tokens = Tokens(SECRET, LIFETIME_S)

    assert tokens.redeem(tokens.issue(holder, binding)[0], {holder: binding}.get) == holder


@pytest.mark.parametrize("holder", ["k", "kiosk", "a" * 64])
def test_a_token_fits_into_a_subprotocol_and_reveals_nothing_of_the_key(tokens, holder):
    token, _ = tokens.issue(holder, "hash of its key")

    assert re.fullmatch(r"[\w-]+", token)
    assert len(token) < 200


def test_the_secret_comes_from_a_file_without_its_line_break(tmp_path):
    (tmp_path / "secret").write_bytes(SECRET + b"\n")

    assert read_secret(tmp_path / "secret") == SECRET


@pytest.mark.parametrize(("content", "says"), [(b"x" * 31 + b"\n\n", "31 bytes"), (None, "No such file")])
def test_a_secret_that_will_not_do_is_refused_with_its_file(tmp_path, content, says):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretFileError, match=says) as error:
        read_secret(path)

    assert str(error.value).startswith(f"{path}: ")
    assert "xxx" not in str(error.value)
