"""docs/reference/protocol.md speaks of no message, code or field that the protocol does not have.

The tables of messages and codes are in messages.md, which is written from the code.
"""

import re
from pathlib import Path

from glosscast.protocol import CloseCode
from service.protocol import messages
from service.protocol.codes import ErrorCode

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")


def test_every_close_code_in_the_text_exists():
    assert set(re.findall(r"\b(?:close|and|with) ([14]0\d\d)\b", PAGE)) <= {str(int(code)) for code in CloseCode}


def test_every_error_code_in_the_text_exists():
    known = {str(code) for code in ErrorCode}
    assert set(re.findall(r"`error` `(\w+)`", PAGE)) <= known
    assert set(re.findall(r"\berrors? `(\w+)`", PAGE)) <= known


def test_every_message_in_the_conversation_exists():
    models = (*messages.CLIENT_MESSAGES, *messages.SERVER_MESSAGES)
    known = {model.model_fields["type"].annotation.__args__[0] for model in models}
    conversation = PAGE.partition("```text\n")[2].partition("```")[0]
    said = re.findall(r"^(\w+) .*──►|◄──  (\w+)", conversation, re.MULTILINE)
    assert {client or server for client, server in said} - {"frame", "client"} <= known
