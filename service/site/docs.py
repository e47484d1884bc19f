"""`/docs`: the REST interface and the websocket on one page, written from the code that implements them.

FastAPI's own page fetches its scripts from a content delivery network, knows nothing of websockets, and needs inline
scripts. This one is plain HTML made from the OpenAPI description and the message models; it works offline, and every
error's `type` points into it. `/openapi.json` is there for interactive tools.
"""

import base64
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from glosscast.protocol import CloseCode
from service.access import auth
from service.problems import CODES, Problem
from service.protocol import messages
from service.protocol.codes import ErrorCode, Refusal
from service.site import examples
from service.site.examples import Examples
from service.site.security import HEADERS
from service.state import state_of

router = APIRouter(include_in_schema=False)

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
:root { color-scheme: light dark; background: Canvas; color: CanvasText; overflow-wrap: anywhere; }
h2 { border-bottom: 1px solid #8886; margin-top: 3rem; } h3 { margin-top: 2rem; }
h3 code { font-size: 18px; }
code, pre { font: 14px/1.5 ui-monospace, monospace; } pre { white-space: pre-wrap; }
summary { cursor: pointer; min-height: 44px; line-height: 44px; font-weight: 600; }
pre { padding: .75rem 1rem; border: 1px solid #8886; border-radius: 8px; }
table { border-collapse: collapse; margin: .5rem 0 1rem; } th { text-align: left; }
th, td { padding: .2rem 1rem .2rem 0; vertical-align: top; border-bottom: 1px solid #8883; }
"""
HEAD = """
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Glosscast: interfaces</title>
"""
MARKDOWN = MarkdownIt("commonmark", {"html": False})
STREAM_EXAMPLES = """
curl shows whether a websocket gets through to the service (`101 Switching Protocols`); it sends no frames. The
JavaScript is for a page, or for the console of a browser on the page of this service.
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = HEADERS["Content-Security-Policy"] + f"; style-src 'sha256-{STYLE_HASH}'"


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    api = request.app.openapi()
    written = Examples(str(request.base_url).rstrip("/"), keyed=state_of(request).settings.api_keys_file is not None)
    body = "\n".join(
        (
            "<h1>Glosscast: interfaces</h1>",
            '<p><a href="/">The page</a> · <a href="/openapi.json">openapi.json</a></p>',
            f"<h2>Access</h2>{_prose(auth.__doc__ or '')}",
            f"<h2>REST</h2>{_prose(examples.__doc__ or '')}",
            *(
                _operation(api, f"{method.upper()} {path}", operation, written)
                for path, item in api["paths"].items()
                for method, operation in item.items()
            ),
            "<h2>Errors</h2><p>application/problem+json (RFC 9457); decide by <code>code</code>.</p>",
            _model(Problem.model_json_schema(), {}),
            _table(("code", "status", "meaning"), [(_code(c, c), str(s), _inline(m)) for c, (s, m) in CODES.items()]),
            f"<h2>Websocket /v1/stream</h2>{_prose(messages.__doc__ or '')}",
            _prose(STREAM_EXAMPLES) + _sources(written.of_stream()),
            "<h3>Client to server</h3>",
            *(_message(model) for model in messages.CLIENT_MESSAGES),
            "<h3>Server to client</h3>",
            *(_message(model) for model in messages.SERVER_MESSAGES),
            "<h3>Error codes</h3>",
            _table(("code", "meaning"), [(_code(code), _inline(code.meaning)) for code in ErrorCode]),
            "<h3>Reasons of refusals</h3>",
            _table(("code", "meaning"), [(_code(code), _inline(code.meaning)) for code in Refusal]),
            "<h3>Close codes</h3>",
            _table(("code", "meaning"), [(_code(str(code)), _inline(code.meaning)) for code in CloseCode]),
        )
    )
    head = f"{HEAD}<style>{STYLE}</style>"
    page = f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>'
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})


def _operation(api: dict[str, Any], name: str, operation: dict[str, Any], written: Examples) -> str:
    schemas = api["components"]["schemas"]
    parts = [f"<h3>{_code(name)}</h3>{_prose(operation.get('description', ''))}"]
    fields = [(p["name"], p["schema"], p.get("description", "")) for p in operation.get("parameters", [])]
    for body in operation.get("requestBody", {}).get("content", {}).values():
        fields += [(name, s, s.get("description", "")) for name, s in body["schema"].get("properties", {}).items()]
    if fields:
        rows = [(_code(name), escape(_type(s, schemas)), _inline(text)) for name, s, text in fields]
        parts.append(_table(("parameter", "type", "meaning"), rows))
    answers = [(_code(status), _inline(r.get("description", ""))) for status, r in operation["responses"].items()]
    parts.append(_table(("status", "answer"), answers))
    for status in ("200", "201"):
        ok = operation["responses"].get(status, {}).get("content", {}).get("application/json", {}).get("schema", {})
        parts.append(_model(_referred(ok, schemas), schemas))
    return "".join([*parts, _sources(written.of(name, "security" in operation))])


def _message(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(mode="serialization")
    name = schema["properties"]["type"]["const"]
    return f"<h4>{_code(name)}</h4>{_prose(schema.get('description', ''))}{_model(schema, schema.get('$defs', {}))}"


def _model(schema: dict[str, Any], schemas: dict[str, Any], prefix: str = "") -> str:
    return _table(("field", "type", "meaning"), list(_fields(schema, schemas, prefix)))


def _fields(schema: dict[str, Any], schemas: dict[str, Any], prefix: str) -> list[tuple[str, ...]]:
    """One row a field; the fields of a model inside follow it."""
    rows: list[tuple[str, ...]] = []
    for name, field in schema.get("properties", {}).items():
        rows.append((_code(prefix + name), escape(_type(field, schemas)), _inline(field.get("description", ""))))
        inner = _referred(field, schemas) or _referred(field.get("items", {}), schemas)
        rows += _fields(inner, schemas, f"{prefix}{name}{'[]' if 'items' in field else ''}.")
    return rows


def _referred(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema that a schema refers to; empty where there is none."""
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return found


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(option, schemas) for option in schema["anyOf"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    kind = str((_referred(schema, schemas) or schema).get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema['items'], schemas)}" if "items" in schema else "list"
    default = schema.get("default")
    return kind if default is None else f"{kind}, default {json.dumps(default)[:5]}"


def _sources(texts: Mapping[str, str]) -> str:
    """An example in each language, the first one open."""
    return "".join(
        f"<details{'' if place else ' open'}><summary>{language}</summary>"
        f"<pre><code>{escape(text)}</code></pre></details>"
        for place, (language, text) in enumerate(texts.items())
    )


def _prose(text: str) -> str:
    """Paragraphs of Markdown as HTML; HTML in them is text."""
    return str(MARKDOWN.render(inspect.cleandoc(text)))


def _inline(text: str) -> str:
    """A line of Markdown as HTML."""
    return str(MARKDOWN.renderInline(text))


def _code(text: str, anchor: str = "") -> str:
    start = f'<code id="{escape(anchor)}">' if anchor else "<code>"
    return f"{start}{escape(text)}</code>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>" if rows else ""
