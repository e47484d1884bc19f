"""Examples of every call in curl, Python and JavaScript, which run as they are printed.

Python needs the package httpx, and for streams `glosscast.client`. JavaScript of the REST interface is for Node.js 22,
that of streams for a page. A key is in the variable GLOSSCAST_KEY; SESSION, TOKEN and
VIEW_TOKEN are `session`, `token` and `view.token` of the message `started`.
"""

import json
import re
from collections.abc import Iterator

from service.site.calls import CALLS, Call

KEY = "GLOSSCAST_KEY"
LINE = 100  # characters, beyond which arguments have lines of their own
VARIABLE = re.compile(r"\$([A-Z_]+)")


class Examples:
    """Examples of the calls of one service; each is a text by its language.

    Args:
        base: the address of the service, without a slash at its end.
        keyed: whether the service has keys.
    """

    def __init__(self, base: str, keyed: bool) -> None:
        self._base = base
        self._keyed = keyed

    def of(self, operation: str, secured: bool) -> dict[str, str]:
        """The examples of an operation of the REST interface.

        Args:
            operation: its method and path, as OpenAPI has them: "POST /v1/classify".
            secured: whether it takes a key, where the service has keys.
        """
        method, call = operation.partition(" ")[0], CALLS[operation]
        token = call.token or (KEY if self._keyed and secured else "")
        url = self._base + call.path
        return {
            "curl": _curl(method, call, url, token),
            "Python": _python(method, call, url, token),
            "JavaScript": _javascript(method, call, url, token),
        }

    def of_stream(self) -> dict[str, str]:
        """The examples of the websocket."""
        header = f' \\\n  -H "Authorization: Bearer ${KEY}"' if self._keyed else ""
        imports = "import asyncio\nimport os\n" if self._keyed else "import asyncio\n"
        options = f', api_key=os.environ["{KEY}"]' if self._keyed else ""
        token = TOKEN.format(base=self._base) if self._keyed else ""
        protocols = '["glosscast.v1", `bearer.${token}`]' if self._keyed else '["glosscast.v1"]'
        address = self._base.replace("http", "ws", 1)
        return {
            "curl": HANDSHAKE.format(base=self._base, header=header),
            "Python": imports + CAPTIONS.format(base=self._base, options=options),
            "JavaScript": token + CAMERA.replace("ADDRESS", address).replace("PROTOCOLS", protocols),
        }


def _curl(method: str, call: Call, url: str, token: str) -> str:
    parts = ["curl --fail-with-body", *(["--no-buffer"] if call.streamed else [])]
    if method not in ("GET", "POST") or (method == "POST" and call.body is None and not call.files):
        parts.append(f"-X {method}")
    if token:
        parts.append(f'-H "Authorization: Bearer ${token}"')
    if call.body is not None:
        parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(call.body)}'")
    parts += [f"-F {name}={text}" for name, text in call.fields.items()]
    parts += [f"-F file=@{file}" for file in call.files]
    if call.saved:
        parts.append(f"-o {call.saved}")
    return " ".join([*parts, f'"{url}"']) + "\n"


def _python(method: str, call: Call, url: str, token: str) -> str:
    arguments = [f'f"{VARIABLE.sub(_from_environ, url)}"' if VARIABLE.search(url) else f'"{url}"']
    if token:
        arguments.append(f'headers={{"Authorization": f"Bearer {{os.environ[\'{token}\']}}"}}')
    if call.body is not None:
        arguments.append(f"json={json.dumps(call.body)}")
    if call.fields:
        arguments.append(f"data={json.dumps(call.fields)}")
    if call.files:
        files = ", ".join(f'("file", open("{name}", "rb"))' for name in call.files)
        arguments += [f"files=[{files}]", "timeout=60"]
    if call.streamed:
        return STREAMED_PYTHON.format(arguments=",\n    ".join(arguments))
    whole = f"answer = httpx.{method.lower()}({', '.join(arguments)})\n"
    if len(whole) > LINE:
        whole = f"answer = httpx.{method.lower()}(\n" + "".join(f"    {a},\n" for a in arguments) + ")\n"
    return "".join(_python_lines(method, call, whole))


def _python_lines(method: str, call: Call, request: str) -> Iterator[str]:
    if "os.environ" in request:
        yield "import os\n"
    if call.saved:
        yield "from pathlib import Path\n"
    if "os.environ" in request or call.saved:
        yield "\n"
    yield f"import httpx\n\n{request}answer.raise_for_status()\n"
    if call.saved:
        yield f'Path("{call.saved}").write_bytes(answer.content)\n'
    elif method != "DELETE":
        yield call.python or "print(answer.json())\n"


def _javascript(method: str, call: Call, url: str, token: str) -> str:
    options = [] if method == "GET" else [f'method: "{method}"']
    headers = [f"Authorization: `Bearer ${{process.env.{token}}}`"] if token else []
    if call.body is not None:
        headers.append('"Content-Type": "application/json"')
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if call.body is not None:
        options.append(f"body: JSON.stringify({json.dumps(call.body)})")
    if call.files:
        options.append("body: form")
    address = f"`{VARIABLE.sub(_from_process, url)}`" if VARIABLE.search(url) else f'"{url}"'
    arguments = f"{address}, {{ {', '.join(options)} }}" if options else address
    if len(arguments) > LINE:
        arguments = f"{address}, {{\n" + "".join(f"  {option},\n" for option in options) + "}"
    return "".join(_javascript_lines(method, call, f"const answer = await fetch({arguments});\n"))


def _javascript_lines(method: str, call: Call, request: str) -> Iterator[str]:
    if call.files:
        yield 'import { openAsBlob } from "node:fs";\n\nconst form = new FormData();\n'
    elif call.saved:
        yield 'import { writeFile } from "node:fs/promises";\n\n'
    yield from (f'form.append("{name}", "{text}");\n' for name, text in call.fields.items())
    yield from (f'form.append("file", await openAsBlob("{name}"), "{name}");\n' for name in call.files)
    yield f"{request}if (!answer.ok) throw new Error(await answer.text());\n"
    if call.saved:
        yield f'await writeFile("{call.saved}", Buffer.from(await answer.arrayBuffer()));\n'
    elif call.streamed:
        yield STREAMED_JAVASCRIPT
    elif method != "DELETE":
        yield call.javascript or "console.log(await answer.json());\n"


def _from_environ(found: re.Match[str]) -> str:
    return f"{{os.environ['{found[1]}']}}"


def _from_process(found: re.Match[str]) -> str:
    return f"${{process.env.{found[1]}}}"


STREAMED_PYTHON = """\
import os

import httpx

with httpx.stream(
    "GET",
    {arguments},
    timeout=None,
) as answer:
    answer.raise_for_status()
    for line in answer.iter_lines():
        print(line)
"""
STREAMED_JAVASCRIPT = """\
for await (const text of answer.body.pipeThrough(new TextDecoderStream())) process.stdout.write(text);
"""
# curl shows whether a websocket gets through to the service; it sends no frames.
HANDSHAKE = """\
curl --no-buffer --http1.1 --include --max-time 2{header} \\
  -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" \\
  -H "Sec-WebSocket-Key: Z2xvc3NjYXN0LWV4YW1wbA==" -H "Sec-WebSocket-Protocol: glosscast.v1" "{base}/v1/stream"
"""
CAPTIONS = """\

from glosscast.client import caption


async def main():
    no_sign = None
    async for message in caption("{base}", "clip.mp4"{options}):  # or the index of a camera
        if message["type"] == "started":
            no_sign = message["no_sign"]
        elif message["type"] == "final" and message["gloss"] != no_sign:
            print(message["gloss"])


asyncio.run(main())
"""
TOKEN = """\
const headers = {{ Authorization: `Bearer ${{prompt("Key")}}` }};
const {{ token }} = await (await fetch("{base}/v1/tokens", {{ method: "POST", headers }})).json();
"""
CAMERA = """\
const video = document.createElement("video"), canvas = new OffscreenCanvas(640, 480);
video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
await video.play();
const socket = new WebSocket("ADDRESS/v1/stream", PROTOCOLS);
let noSign, sending, seq = 0;
socket.onopen = () => socket.send(JSON.stringify({ type: "start", input: "frames" }));
socket.onclose = () => clearInterval(sending);
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "started") {
    noSign = message.no_sign;
    sending = setInterval(sendFrame, 1000 / 16);
  } else if (message.type === "final" && message.gloss !== noSign) {
    console.log(message.gloss);
  }
};

async function sendFrame() {
  const header = new TextEncoder().encode(JSON.stringify({ seq: seq++, t_ms: performance.now() }));
  canvas.getContext("2d").drawImage(video, 0, 0, 640, 480);
  const picture = await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer();
  const message = new Uint8Array(4 + header.length + picture.byteLength);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, 4);
  message.set(new Uint8Array(picture), 4 + header.length);
  socket.send(message);
}
"""
