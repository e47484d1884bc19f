"""`KEY=VALUE` settings of a command line."""

import tomllib
from collections.abc import Sequence
from typing import Any


def read_setting(text: str) -> tuple[str, Any]:
    """The key and the value of `KEY=VALUE`, written as in TOML; the quotes of a text may be left out.

    Raises:
        ValueError: not of that form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"setting {text!r}: must be KEY=VALUE")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def change(content: dict[str, Any], settings: Sequence[str]) -> None:
    """Change the content of a config in place by settings `TABLE.KEY=VALUE`.

    Raises:
        ValueError: not of that form, or TABLE is no table.
    """
    for setting in settings:
        path, value = read_setting(setting)
        *tables, key = path.split(".")
        table: Any = content
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ValueError(f"setting {setting!r}: {name} is no table")
        table[key] = value
