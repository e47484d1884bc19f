"""The command line of `python -m service`: without arguments it serves; `keys add` makes an API key."""

import argparse
import sys
from pathlib import Path

from service.access.keys import KeyFileError, Role, add_key
from service.settings import PREFIX

KEYS_FILE = PREFIX + "API_KEYS_FILE"


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m service`."""
    root = argparse.ArgumentParser("python -m service", description="Serve, with the settings of the environment.")
    commands = root.add_subparsers(dest="command", metavar="keys")
    keys = commands.add_parser("keys", help="make API keys").add_subparsers(dest="action", required=True, metavar="add")
    add = keys.add_parser("add", help="make a key, print it once, and append its hash to the file of keys")
    add.add_argument("name", metavar="NAME", help="whose it is: letters, digits, dots, dashes and underscores")
    add.add_argument(
        "--role", dest="roles", action="append", required=True, choices=[role.value for role in Role],
        help="use of the key; may be given more than once",
    )  # fmt: skip
    add.add_argument("--requests-per-minute", type=int, metavar="N", help="instead of the service's setting")
    add.add_argument("--streams", type=int, metavar="N", help="open at the same time, instead of the service's setting")
    add.add_argument("--file", type=Path, metavar="FILE", help=f"the file of keys; by default that of {KEYS_FILE}")
    return root


def add(arguments: argparse.Namespace, environment: dict[str, str]) -> int:
    """Make a key; the exit code. Only the key is written to the standard output, which can be redirected to a file."""
    path = arguments.file or Path(environment.get(KEYS_FILE, ""))
    if path == Path():
        print(f"{KEYS_FILE} is not set; name the file of keys with --file", file=sys.stderr)
        return 2
    roles = map(Role, arguments.roles)
    try:
        secret = add_key(path, arguments.name, roles, arguments.requests_per_minute, arguments.streams)
    except KeyFileError as error:
        print(error, file=sys.stderr)
        return 2
    print(secret)
    print(f"Keep it; {path} has its hash alone.", file=sys.stderr)
    return 0
