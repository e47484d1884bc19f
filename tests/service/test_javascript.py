"""The JavaScript in docs/reference/protocol.md, run as printed."""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.bundles import ASPECT, signing
from tests.service.browsing import ALLOWED_CAMERA, CHROMIUM
from tests.service.messages import NODE
from tests.service.serving import metric, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
CLIENT, CAMERA = re.findall(r"^```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FLAG = "--experimental-websocket"  # what Node 22 has by default
HARNESS = """
import { readFileSync } from "node:fs";
const { url, start, frames } = JSON.parse(readFileSync(0));
const live = captions(url, start, (message) => {
  console.log(JSON.stringify(message));
  if (message.type === "ended") setTimeout(() => process.exit(0), 200);
  if (message.type !== "started") return;
  for (const [tMs, base64] of frames) live.frame(new Uint8Array(Buffer.from(base64, "base64")), tMs);
  live.stop();
});
setTimeout(() => process.exit(1), 30000);
"""


def has_websocket():
    if NODE is None:
        return False
    return (
        subprocess.run([NODE, FLAG, "-e", "new Blob([]); WebSocket"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not has_websocket(), reason="no node with WebSocket (20.10 or later)")
def test_the_client_in_node(address):
    frames = [(t, base64.b64encode(k.astype("<f4").tobytes()).decode()) for t, k in signing("east", "west")]
    asked = {"url": f"ws://{address}", "start": {"input": "keypoints", "aspect": ASPECT}, "frames": frames}
    command = [NODE, FLAG, "--input-type=module", "-e", CLIENT + HARNESS]
    answer = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    received = [json.loads(line) for line in answer.stdout.splitlines()]

    assert answer.returncode == 0, answer.stderr
    assert [m["gloss"] for m in received if m["type"] == "final"] == ["east", "west"]
    assert received[-1]["summary"]["frames"] == len(frames)


def test_the_client_fits_on_a_page():
    assert len(CLIENT.splitlines()) <= 40


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_camera_in_a_browser(open_page, page_address):
    page = open_page(*ALLOWED_CAMERA)
    page.evaluate(f"(async () => {{ {CLIENT} {CAMERA} }})()")
    received = 'glosscast_frames_received_total{input="frames"}'
    wait_until(lambda: metric(page_address.removeprefix("http://"), received) > 5)
