"""The page's files that are written from the code which defines their content.

    python -m service.typescript

`types/messages.d.ts` has the messages of the websocket, the events and the answers of the REST interface, from their
pydantic models; `types/elements.d.ts` has the elements of the two pages that have an id. Only `make check` reads these
two, to check the page's JavaScript. `js/codes.js` has the codes with which a stream closes; the page imports it.
"""

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any, Literal

from pydantic import BaseModel

from glosscast.protocol import SUBPROTOCOL, CloseCode
from service import problems
from service.protocol.events import EVENTS
from service.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from service.rest import schemas
from service.site.vendor import WEB

PAGES = ("index.html", "watch.html")
HEAD = "// Written by `python -m service.typescript`; do not edit.\n"
ANSWERS = (
    schemas.Classification,
    schemas.BundleDescription,
    schemas.StreamToken,
    schemas.LexiconList,
    schemas.TaughtSigns,
    schemas.TeachingAnswer,
    schemas.ExampleMotion,
    problems.Problem,
)
NAMES = {"null": "null", "boolean": "boolean", "integer": "number", "number": "number", "string": "string"}


def main() -> None:
    """Write the files anew."""
    for name, text in files().items():
        (WEB / name).write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """Path within the page's folder, and text, of each file."""
    pages = [(WEB / name).read_text(encoding="utf-8") for name in PAGES]
    return {"types/messages.d.ts": messages(), "types/elements.d.ts": elements(*pages), "js/codes.js": codes()}


def messages() -> str:
    """Types of all messages, events and answers; they are named after their models, with `Message` or `Event` added."""
    found: dict[str, str] = {}
    unions = []
    groups: tuple[tuple[str, str, Sequence[type[BaseModel]], Literal["validation", "serialization"]], ...] = (
        ("ClientMessage", "Message", CLIENT_MESSAGES, "validation"),
        ("ServerMessage", "Message", SERVER_MESSAGES, "serialization"),
        ("ViewEvent", "Event", EVENTS, "serialization"),
        ("", "", ANSWERS, "serialization"),
    )
    for union, ending, models, mode in groups:
        names = [f"{model.__name__}{ending}" for model in models]
        for name, model in zip(names, models, strict=True):
            schema = model.model_json_schema(mode=mode)
            for inner, definition in schema.get("$defs", {}).items():
                found[inner] = _declared(inner, definition, mode)
            found[name] = _declared(name, schema, mode)
        if union:
            unions.append(f"export type {union} = {' | '.join(names)};\n")
    return "\n".join([HEAD, *found.values(), *unions])


def elements(*pages: str) -> str:
    """The type of each element of the pages that has an id."""
    ids = _Ids()
    for page in pages:
        ids.feed(page)
    lines = [f'  "{name}": {_element(tag)};\n' for name, tag in sorted(ids.found.items())]
    text = f"/** The elements of {' and '.join(PAGES)} by their ids. */\n"
    return f"{HEAD}\n{text}export interface Elements {{\n{''.join(lines)}}}\n"


def codes() -> str:
    """The subprotocol and the close codes, as a module."""
    lines = [f"  /** {code.meaning} */\n  {code.name}: {int(code)},\n" for code in CloseCode]
    text = "/** Why the server closes a stream. */\n"
    return (
        f'{HEAD}\nexport const SUBPROTOCOL = "{SUBPROTOCOL}";\n\n{text}export const CloseCode = Object.freeze({{\n'
        f"{''.join(lines)}}});\n"
    )


def _declared(name: str, schema: dict[str, Any], mode: str) -> str:
    comment = _comment(schema.get("description", ""), "")
    if "properties" not in schema:
        return f"{comment}export type {name} = {_type(schema)};\n"
    return f"{comment}export interface {name} {{\n{''.join(_fields(schema, mode))}}}\n"


def _fields(schema: dict[str, Any], mode: str) -> Iterator[str]:
    """The lines of an interface. The service sends every field; a client may leave out those with a default."""
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        optional = "?" if mode == "validation" and name not in required else ""
        yield f"{_comment(field.get('description', ''), '  ')}  {name}{optional}: {_type(field)};\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[{', '.join(_type(item) for item in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        inner = _type(schema["items"])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if schema.get("type") == "object":
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    return NAMES[schema["type"]]


def _comment(text: str, indent: str) -> str:
    lines = text.replace("*/", "*\\/").splitlines()
    if len(lines) < 2:
        return f"{indent}/** {text} */\n" if text else ""
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}".rstrip() + "\n" for line in lines), f"{indent} */\n"])


def _element(tag: str) -> str:
    return f'{"SVG" if tag == "svg" else "HTML"}ElementTagNameMap["{tag}"]'


class _Ids(HTMLParser):
    """Collects the tag of each element that has an id."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if name:
            self.found[name] = tag


if __name__ == "__main__":
    main()
