"""docs/reference/protocol.md names every message, field and code of the protocol, and no other."""

import re
from pathlib import Path

import pytest

from service.protocol import messages
from service.protocol.codes import CloseCode, ErrorCode
from service.site import docs

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
MESSAGES = {"Client to server": messages.CLIENT_MESSAGES, "Server to client": messages.SERVER_MESSAGES}


def section(title: str) -> str:
    """What stands under a heading, as far as the next of its level."""
    found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def messages(title: str) -> dict[str, dict[str, str]]:
    """Type and meaning of each field of each message in a section."""
    parts = re.split(r"^### `(\w+)`$", section(title), flags=re.MULTILINE)[1:]
    return {name: dict(rows(text)) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def rows(text: str) -> list[tuple[str, str]]:
    """First and second cell of each row of a table."""
    return re.findall(r"^\| `?([^`|]+?)`? \| (.*?) \|", text, re.MULTILINE)[1:]


def fields(schema: dict, schemas: dict, prefix: str = "") -> dict[str, str]:
    """Name and type of each field of a model, with those of the models inside."""
    known = {name: kind for name, kind, _ in docs._fields(schema, schemas, prefix)}
    return {re.sub("<.*?>", "", name): kind for name, kind in known.items() if name != "<code>type</code>"}


@pytest.mark.parametrize("title", MESSAGES)
def test_messages_and_their_fields(title):
    schemas = [model.model_json_schema(mode="serialization") for model in MESSAGES[title]]
    expected = {s["properties"]["type"]["const"]: fields(s, s.get("$defs", {})) for s in schemas}

    assert {name: set(found) for name, found in messages(title).items()} == {k: set(v) for k, v in expected.items()}


@pytest.mark.parametrize("title", MESSAGES)
def test_defaults(title):
    """What a client may leave out is said with what it then gets."""
    said = messages(title)
    for model in MESSAGES[title]:
        name = model.model_fields["type"].annotation.__args__[0]
        for field, info in model.model_fields.items():
            if title == "Client to server" and info.default is not None and not info.is_required():
                assert f"default {str(info.default).lower()[:5]}" in said[name][field]


def test_error_codes():
    assert [code for code, _ in rows(section("Error codes"))] == [str(code) for code in ErrorCode]
    assert dict(rows(section("Error codes"))) == {str(code): code.meaning for code in ErrorCode}


def test_close_codes():
    assert dict(rows(section("Close codes"))) == {str(int(code)): code.meaning for code in CloseCode}


def test_every_code_in_the_text_exists():
    known = {str(code) for code in ErrorCode} | {str(int(code)) for code in CloseCode}
    assert set(re.findall(r"\b(?:close|and|with) ([14]0\d\d)\b", PAGE)) <= known
