import re
import stat
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.__main__ import main
from service.access.keys import Key, KeyFile, KeyFileError, Role, add_key, find, read_keys

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
LIMITS = st.none() | st.integers(1, 10_000)
WANTED = st.dictionaries(NAMES, st.tuples(st.sets(st.sampled_from(Role), min_size=1), LIMITS, LIMITS), max_size=5)


@given(WANTED)
def test_every_key_is_found_again_with_all_its_attributes(tmp_path_factory, wanted):
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.touch()
    secrets = {name: add_key(path, name, roles, *limits) for name, (roles, *limits) in wanted.items()}
    keys = read_keys(path)

    assert len(keys) == len(wanted)
    for name, secret in secrets.items():
        key = find(keys, secret)
        assert (key.name, (set(key.roles), key.requests_per_minute, key.streams)) == (name, wanted[name])
        assert key.sha256 == sha256(secret.encode()).hexdigest()
        assert secret not in path.read_text()


@given(st.text(max_size=60))
def test_a_text_that_is_no_key_is_not_found(presented):
    key = Key(name="a", roles={Role.STREAM}, sha256=sha256(b"the key").hexdigest())

    assert find([key], presented) is None
    assert find([key], key.sha256) is None  # who has read the file has no key
    assert find([key], "the key") is key


def test_keys_are_long_and_differ(tmp_path):
    made = {add_key(tmp_path / "keys", f"k{i}", [Role.STREAM]) for i in range(20)}

    assert len(made) == 20
    assert all(re.fullmatch(r"glosscast_[\w-]{43}", key) for key in made)


def test_every_hash_is_compared_and_in_constant_time(monkeypatch):
    """A search that stops at the first match tells by its time where in the file it was."""
    compared = []
    monkeypatch.setattr("service.access.keys.compare_digest", lambda a, b: compared.append(a) or a == b)
    keys = [Key(name=n, roles={Role.STREAM}, sha256=sha256(n.encode()).hexdigest()) for n in "abc"]

    assert find(keys, "a").name == "a"
    assert len(compared) == 3


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_place(tmp_path):
    path = tmp_path / "keys.toml"
    add_key(path, "a", [Role.STREAM])
    before = path.stat()
    add_key(path, "b", [Role.STREAM])

    assert stat.S_IMODE(before.st_mode) == 0o600
    assert path.stat().st_ino == before.st_ino  # a file mounted by itself is known by its inode


HASH = sha256(b"x").hexdigest()
TABLE = f'[[key]]\nname = "a"\nroles = ["stream"]\nsha256 = "{HASH}"\n'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[[key]", "Expected"),
        ('[[key]]\nname = "a"\n', "key.0.roles: Field required"),
        (TABLE.replace('"a"', '"a b"'), "key.0.name: "),
        (TABLE.replace('"stream"', '"admin"'), "key.0.roles.0: "),
        (TABLE.replace('"stream"', ""), "key.0.roles: "),
        (TABLE.replace(HASH, HASH.upper()), "key.0.sha256: "),
        (TABLE.replace(HASH, HASH + "0"), "key.0.sha256: "),
        (TABLE + "streams = 0\n", "key.0.streams: "),
        (TABLE + "stream = 3\n", "key.0.stream: Extra inputs"),
        (TABLE + TABLE, "two keys have the same name"),
        (TABLE + TABLE.replace('"a"', '"b"'), "two keys have the same sha256"),
        (b"\xff", "utf-8"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_reported_in_one_line_with_the_place(tmp_path, content, says):
    path = tmp_path / "keys.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KeyFileError) as error:
        read_keys(path)

    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert HASH not in str(error.value)


def test_a_change_of_the_file_is_seen_at_once(tmp_path):
    path = tmp_path / "keys.toml"
    first = add_key(path, "a", [Role.STREAM])
    file = KeyFile(path)
    second = add_key(path, "b", [Role.CLASSIFY])

    assert find(file.current(), second).name == "b"
    path.write_text("")
    assert find(file.current(), first) is None


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_text("[[key]")])
def test_a_damaged_file_leaves_the_keys_as_they_were_until_it_is_whole(tmp_path, caplog, damage):
    path = tmp_path / "keys.toml"
    key = add_key(path, "a", [Role.STREAM])
    file = KeyFile(path)
    damage(path)

    assert all(find(file.current(), key) for _ in range(3))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    path.write_text("# nobody\n")
    assert file.current() == ()


# --- python -m service keys add


@pytest.fixture
def keys_add(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["service", "keys", "add", *arguments])
        code = main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_prints_the_key_once_and_keeps_its_hash(tmp_path, monkeypatch, keys_add):
    path = tmp_path / "keys.toml"
    monkeypatch.setenv("GLOSSCAST_API_KEYS_FILE", str(path))
    code, out, err = keys_add("kiosk", "--role", "classify", "--role", "stream", "--streams", "2")
    (key,) = read_keys(path)

    assert code == 0
    assert find([key], out.removesuffix("\n")) is key
    assert out.strip() not in err + path.read_text()
    assert (key.name, key.roles, key.streams, key.requests_per_minute) == (
        "kiosk",
        {Role.CLASSIFY, Role.STREAM},
        2,
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a b", "--role", "stream"], "name: "),
        (["a", "--role", "stream", "--streams", "0"], "streams: "),
        (["known", "--role", "stream"], "there is a key known already"),
        (["a", "--role", "stream", "--file", "/nowhere/keys.toml"], "/nowhere/keys.toml: No such file"),
        (["a", "--role", "stream", "--file", ""], "GLOSSCAST_API_KEYS_FILE is not set"),
    ],
)
def test_the_command_reports_faults_in_one_line(tmp_path, monkeypatch, keys_add, arguments, says):
    path = tmp_path / "keys.toml"
    add_key(path, "known", [Role.STREAM])
    before = path.read_bytes()
    where = [] if "--file" in arguments else ["--file", str(path)]
    monkeypatch.delenv("GLOSSCAST_API_KEYS_FILE", raising=False)
    code, out, err = keys_add(*arguments, *where)

    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert path.read_bytes() == before
