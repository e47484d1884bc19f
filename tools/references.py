"""The pages of `docs/reference` that repeat what the code says, written from the code.

    python -m tools.references

They are the settings of the service, the messages and codes of its protocol, the training config and the bundle
manifest. A test fails where a page differs from the code.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from glosscast.manifest import Manifest
from glosscast.protocol import CloseCode
from service.problems import CODES
from service.protocol.codes import ErrorCode, Refusal
from service.protocol.events import EVENTS
from service.protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from service.settings import PREFIX, Settings
from training.config import Config, Correction
from training.config.folds import Fold

PAGES = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by `make references` from the code; do not edit. -->"

# The first setting of each group.
SETTING_GROUPS = {
    "host": "Address",
    "api_keys_file": "Access",
    "log": "Logs, traces and stopping",
    "bundle": "Model and keypoint extraction",
    "max_streams": "Live streams",
    "max_viewers": "Viewers and outputs",
    "request_s": "Requests and uploads",
}
EVENTS_INTRO = (
    "What `GET /v1/sessions/{session}/events` sends to viewers, the webhook posts and MQTT publishes "
    "([Captions elsewhere](../how-to/outputs.md)). Each is JSON and has its `type`."
)
# Ranges of a JSON schema, as a reader sees them.
LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "not empty",
    "maxLength": "{} characters or fewer",
    "minItems": "{} or more",
}


class Row(NamedTuple):
    """A field of a model.

    Attributes:
        name: with those of the models around it.
        type: in the words of JSON.
        default: what holds without the field; empty where it is required.
        range: of the values allowed.
        meaning: its description.
    """

    name: str
    type: str
    default: str
    range: str
    meaning: str


def main() -> None:
    """Write the pages anew."""
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Name and text of each page."""
    return {
        "settings.md": settings(),
        "messages.md": messages(),
        "training-config.md": training_config(),
        "manifest.md": manifest(),
    }


def settings() -> str:
    """Every environment variable of the service."""
    parts = [
        "# Settings of the service",
        NOTE,
        f"Each setting is an environment variable that begins with `{PREFIX}`. The service checks all of them when it "
        "starts: a variable that does not exist, or a wrong value, stops the start with one line that names the "
        "variable. `docker/.env.example` lists the settings of the containers.",
        "Three more variables are not settings of the service: `GLOSSCAST_DATA` is the folder of recordings for "
        "training and tests, `GLOSSCAST_MODELS` is the folder of the models that LiteRT runs, and `GLOSSCAST_RUNTIME` "
        "is the build of ONNX Runtime that `make` installs.",
    ]
    rows: list[tuple[str, ...]] = []
    found = {row.name: row for row in fields(Settings)}
    for name, row in found.items():
        if name in SETTING_GROUPS:
            parts += [table(("variable", "default", "range", "meaning"), rows)] if rows else []
            parts.append(f"## {SETTING_GROUPS[name]}")
            rows = []
        default = "the embedded bundle" if name == "bundle" else row.default
        allowed = row.range or (row.type if '"' in row.type else "true or false" if row.type == "boolean" else "")
        allowed = allowed.replace('"', "").removesuffix(" or null")
        rows.append((f"`{PREFIX}{name.upper()}`", default, allowed, row.meaning))
    return page(*parts, table(("variable", "default", "range", "meaning"), rows))


def messages() -> str:
    """Every message and code of the websocket, and the codes of REST."""
    parts = [
        "# Messages and codes",
        NOTE,
        "The [protocol of live streams](protocol.md) explains when these messages are sent. All times are the client's "
        "own `t_ms`, in milliseconds, unless a field says otherwise. A client may leave out the fields that have a "
        "default; the service sends every field.",
    ]
    for title, intro, models in (
        ("Client to server", "", CLIENT_MESSAGES),
        ("Server to client", "", SERVER_MESSAGES),
        ("Events", EVENTS_INTRO, EVENTS),
    ):
        parts += [f"## {title}", *([intro] if intro else [])]
        for model in models:
            rows = [row for row in nested(model) if row.name != "type"]
            parts += [f"### `{model.model_fields['type'].annotation.__args__[0]}`", description(model)]  # type: ignore[union-attr]
            if rows and models is CLIENT_MESSAGES:
                parts.append(
                    table(
                        ("field", "type", "default", "range", "meaning"),
                        [(f"`{r.name}`", r.type, r.default, r.range, r.meaning) for r in rows],
                    )
                )
            elif rows:
                parts.append(
                    table(("field", "type", "meaning"), [(f"`{row.name}`", row.type, row.meaning) for row in rows])
                )
    parts += [
        "## Error codes",
        "The field `code` of an `error` message.",
        table(("code", "meaning"), [(f"`{code}`", code.meaning) for code in ErrorCode]),
        "## Reasons of refusals",
        "The field `reason` of a `taught` message.",
        table(("code", "meaning"), [(f"`{code}`", code.meaning) for code in Refusal]),
        "## Close codes",
        "The code with which the service closes the websocket.",
        table(("code", "meaning"), [(str(int(code)), code.meaning) for code in CloseCode]),
        "## Error codes of REST",
        "The field `code` of an `application/problem+json` answer.",
        table(
            ("code", "status", "meaning"), [(f"`{code}`", str(status), text) for code, (status, text) in CODES.items()]
        ),
    ]
    return page(*parts)


def training_config() -> str:
    """Every key of the config of a training, of a correction file and of a file of folds."""
    return page(
        "# Training config",
        NOTE,
        "A training config is one TOML file. A key that does not exist, is missing or is out of range stops the "
        "command with one line that names it. `training/configs` holds examples, and "
        "[Train a model](../how-to/training.md) explains the choices.",
        *sections(Config, toml=True),
        "## Correction file",
        "`corrections` in `[data]` names one or several TOML files beside the config, of `[[corrections]]` tables.",
        key_table(Correction, toml=True),
        "## File of folds",
        "`--folds` takes a TOML file of `[[fold]]` tables.",
        key_table(Fold, toml=True),
    )


def manifest() -> str:
    """Every field of a bundle's `manifest.json`."""
    return page(
        "# Bundle manifest",
        NOTE,
        "`manifest.json` says everything about a bundle that is not weights. Unknown fields are refused, and so is a "
        "manifest that contradicts itself. [Export a bundle](../how-to/export.md) says how the file is made.",
        *sections(Manifest, toml=False),
    )


def sections(model: type[BaseModel], *, toml: bool) -> Iterator[str]:
    """A section for a model, and one for each model inside it."""
    written: dict[type[BaseModel], str] = {}
    for path, inner, kind in parts_of(model):
        name = path.removesuffix("[]")
        table_name = f"[[{name}]]" if path != name else f"[{name}]"
        heading = table_name if toml else path
        yield f"## `{heading}`{kind}" if path else "## The file"
        if inner in written:
            yield f"The keys are those of `{written[inner]}`."
            continue
        written[inner] = heading
        if path:
            said = description(inner)
            for start in (f"The `{table_name}` table: ", f"One `{table_name}` table: ", f"The `{table_name}` table."):
                said = said.removeprefix(start)
            yield said[:1].upper() + said[1:].strip()
        yield key_table(inner, toml=toml)


def parts_of(model: type[BaseModel], path: str = "", kind: str = "") -> Iterator[tuple[str, type[BaseModel], str]]:
    """A model and those inside it, each with the keys that lead to it, and with its kind where there are several.

    Corrections have a file of their own.
    """
    yield path, model, kind
    for name, field in model.model_fields.items():
        found = [part for part in inside(field.annotation) if part[0] is not Correction]
        for inner, many in found:
            of_kind = f', kind "{get_args(inner.model_fields["kind"].annotation)[0]}"' if len(found) > 1 else ""
            yield from parts_of(inner, f"{path}.{name}".removeprefix(".") + ("[]" if many else ""), of_kind)


def key_table(model: type[BaseModel], *, toml: bool) -> str:
    """The fields of a model, without those of the models inside."""
    rows = [row._replace(type=row.type.replace("object", "table")) if toml else row for row in fields(model)]
    return table(
        ("key", "type", "default", "range", "meaning"),
        [(f"`{row.name}`", row.type, row.default, row.range, row.meaning) for row in rows],
    )


def fields(model: type[BaseModel], prefix: str = "") -> list[Row]:
    """The fields of a model.

    Raises:
        ValueError: one has no description; names it.
    """
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        if not field.description and name != "type":
            raise ValueError(f"{model.__module__}.{model.__name__}.{name} has no description")
        said = schema["properties"][name]
        default = "" if field.is_required() else _value(field.get_default(call_default_factory=True))
        rows.append(
            Row(prefix + name, _type(said, schema.get("$defs", {})), default, _range(said), field.description or "")
        )
    return rows


def nested(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """The fields of a model, each followed by those of the model inside it."""
    for name, row in zip(model.model_fields, fields(model, prefix), strict=True):
        yield row
        for inner, many in inside(model.model_fields[name].annotation):
            yield from nested(inner, f"{prefix}{name}{'[]' if many else ''}.")


def inside(annotation: Any) -> list[tuple[type[BaseModel], bool]]:
    """The models that a field may hold, and whether it may hold many of one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, False)]
    is_many = getattr(annotation, "__origin__", None) in (tuple, list)
    found = {model: many or is_many for part in getattr(annotation, "__args__", ()) for model, many in inside(part)}
    return list(found.items())


def description(model: type[BaseModel]) -> str:
    """The docstring of a model, without its indentation."""
    return "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines())


def page(*parts: str) -> str:
    """Parts of a page with an empty line between them."""
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty in all rows."""
    kept = list(rows)
    columns = [i for i in range(len(head)) if any(row[i] for row in kept)]
    lines = [[head[i] for i in columns], ["---"] * len(columns), *([row[i] for i in columns] for row in kept)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _type(schema: dict[str, Any], models: dict[str, Any]) -> str:
    if options := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(_type(option, models) for option in options))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    if "prefixItems" in schema:
        return f"[{', '.join(_type(item, models) for item in schema['prefixItems'])}]"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], models)}"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "string" if "enum" in models[name] else _type(models[name], models)
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'], models)}"
    return {"path": "path"}.get(schema.get("format", ""), str(schema["type"]))


def _range(schema: dict[str, Any]) -> str:
    options = [schema, *schema.get("anyOf", ())]
    found = [text.format(_value(option[key])) for option in options for key, text in LIMITS.items() if key in option]
    return ", ".join(found)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"
    if value is None or isinstance(value, BaseModel):
        return "none" if value is None else "all defaults"
    return str(value) if isinstance(value, str) and value else "empty" if not value else str(value)


if __name__ == "__main__":
    main()
