"""Every setting of the service can be set in .env, and is described there."""

import re

from service.settings import PREFIX, Settings
from tests.docker.stack import COMPOSE_FILE

# The image says where to listen, and holds one extractor.
OF_THE_IMAGE = {"HOST", "PORT", "EXTRACTOR"}
SECRETS = {"API_KEYS_FILE", "TOKEN_SECRET_FILE"}


def test_compose_hands_every_setting_on() -> None:
    handed_on = set(re.findall(rf"^    {PREFIX}(\w+):", COMPOSE_FILE.read_text(), re.MULTILINE))
    assert handed_on == {name.upper() for name in Settings.model_fields} - OF_THE_IMAGE


def test_the_example_describes_the_settings_of_compose() -> None:
    text = COMPOSE_FILE.read_text()
    read = set(re.findall(r"\$\{(\w+):-", text)) | set(
        re.findall(rf"^    ((?:{PREFIX}|OTEL_)\w+):", text, re.MULTILINE)
    )
    described = set(re.findall(r"^(?:# )?(\w+)=", (COMPOSE_FILE.parent / ".env.example").read_text(), re.MULTILINE))
    assert described - {"COMPOSE_PROJECT_NAME"} == read - {PREFIX + name for name in SECRETS}
