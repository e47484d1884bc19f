"""A call of each operation of the REST interface, from which `service.site.examples` writes its examples."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """What a client sends in an example.

    Attributes:
        path: with what it needs filled in; `$NAME` is a variable of the environment.
        body: sent as JSON; None for no such body.
        fields: texts of a form.
        files: names of files, which the form sends as `file`.
        streamed: whether the answer goes on until the client ends it.
        saved: name of the file that the answer becomes; empty where it is printed.
        token: variable of the environment that holds the token, where the call takes one that is no key.
        python: what is done with the answer in the place of printing it, in Python.
        javascript: the same in JavaScript.
    """

    path: str
    body: Mapping[str, str] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    saved: str = ""
    streamed: bool = False
    token: str = ""
    python: str = ""
    javascript: str = ""


KNOWN_PYTHON = """\
found = answer.json()
if found["known"]:
    signs = found["signs"] or found["predictions"][:1]
    print([sign["gloss"] for sign in signs if sign["gloss"] != found["no_sign"]])
else:
    print("no known sign")
"""
KNOWN_JAVASCRIPT = """\
const found = await answer.json();
if (found.known) {
  const signs = found.signs.length ? found.signs : found.predictions.slice(0, 1);
  console.log(signs.map(({ gloss }) => gloss).filter((gloss) => gloss !== found.no_sign));
} else {
  console.log("no known sign");
}
"""

SIGNS = "/v1/lexicons/mine/signs"
EXAMPLE = f"{SIGNS}/coffee/examples/$EXAMPLE"

# By method and path, as OpenAPI has them.
CALLS: Mapping[str, Call] = {
    "POST /v1/classify": Call("/v1/classify", files=("clip.mp4",), python=KNOWN_PYTHON, javascript=KNOWN_JAVASCRIPT),
    "POST /v1/tokens": Call("/v1/tokens"),
    "GET /v1/bundle": Call("/v1/bundle"),
    "GET /v1/bundle/signs/{gloss}/example": Call("/v1/bundle/signs/$GLOSS/example"),
    "GET /v1/sessions/{session}/captions.{form}": Call(
        "/v1/sessions/$SESSION/captions.vtt", token="TOKEN", saved="captions.vtt"
    ),
    "GET /v1/sessions/{session}/events": Call("/v1/sessions/$SESSION/events", token="VIEW_TOKEN", streamed=True),
    "GET /v1/sessions/{session}/captions.m3u8": Call(
        "/v1/sessions/$SESSION/captions.m3u8", token="VIEW_TOKEN", saved="captions.m3u8"
    ),
    "GET /v1/sessions/{session}/segment-{number}.vtt": Call(
        "/v1/sessions/$SESSION/segment-$NUMBER.vtt", token="VIEW_TOKEN", saved="segment.vtt"
    ),
    "GET /healthz": Call("/healthz"),
    "GET /readyz": Call("/readyz"),
    "GET /metrics": Call("/metrics", python="print(answer.text)\n", javascript="console.log(await answer.text());\n"),
    "GET /v1/lexicons": Call("/v1/lexicons"),
    "POST /v1/lexicons": Call("/v1/lexicons", body={"name": "mine"}),
    "DELETE /v1/lexicons/{name}": Call("/v1/lexicons/mine"),
    "GET /v1/lexicons/{name}/signs": Call(SIGNS),
    "POST /v1/lexicons/{name}/signs": Call(
        SIGNS, fields={"gloss": "coffee", "language": "ASL"}, files=("one.mp4", "two.mp4")
    ),
    "GET /v1/lexicons/{name}/signs/{gloss}/examples/{example}": Call(EXAMPLE),
    "DELETE /v1/lexicons/{name}/signs/{gloss}/examples/{example}": Call(EXAMPLE),
    "GET /v1/lexicons/{name}/signs/{gloss}": Call(f"{SIGNS}/coffee"),
    "PATCH /v1/lexicons/{name}/signs/{gloss}": Call(f"{SIGNS}/coffee", body={"gloss": "black coffee"}),
    "DELETE /v1/lexicons/{name}/signs/{gloss}": Call(f"{SIGNS}/coffee"),
    "GET /v1/lexicons/{name}/export": Call("/v1/lexicons/mine/export", saved="mine.lexicon.npz"),
    "POST /v1/lexicons/{name}/import": Call("/v1/lexicons/mine/import", files=("mine.lexicon.npz",)),
}
