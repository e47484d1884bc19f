"""What somebody gets who runs `docker compose up`: TLS, REST, the websocket, and containers that may do little."""

import json

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.docker.stack import run
from tests.service.process import DATA

CLIP = DATA / "clips" / "please__startasl_F1__please.mp4"
GLOSS = "please"

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.skipif(not CLIP.is_file(), reason=f"no {CLIP}")]


def test_the_page_comes_with_tls_and_its_headers(stack):
    answer = stack.get("/")
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert "camera=(self)" in answer.headers["Permissions-Policy"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers


def test_without_tls_nothing_comes(stack):
    assert httpx.get(stack.address.replace("https", "http") + "/").status_code == 400


def test_figures_are_not_for_the_world(stack):
    assert stack.get("/metrics").status_code == 404
    assert stack.metric(stack.containers()[0], "glosscast_bundle_info") == 1


def test_a_clip_is_read(stack):
    answer = stack.post("/v1/classify", files={"file": (CLIP.name, CLIP.read_bytes())})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["gloss"] == GLOSS


def test_without_a_key_nothing_is_read(stack):
    answer = httpx.post(stack.address + "/v1/classify", verify=stack.tls, files={"file": ("yes.mp4", b"x")})
    assert answer.json()["code"] == "not_authenticated"


def test_a_body_above_the_limit_is_refused(stack):
    answer = stack.post("/v1/classify", files={"file": ("big.mp4", bytes(52 * 1024 * 1024))})
    assert answer.status_code == 413
    assert stack.get("/readyz").status_code == 200  # whoever sends one does not take the replica from the others


def test_a_stream_is_captioned(stack):
    with stack.stream() as stream:
        stream.sign(CLIP)
        assert stream.until("final")["gloss"] == GLOSS
        stream.stop()
        assert stream.until_closed() == 1000
    assert stream.received[-1]["summary"]["dropped"] == 0


def test_a_page_streams_with_a_token_once(stack):
    token = stack.post("/v1/tokens").json()["token"]
    with stack.stream(token=token) as stream:
        stream.stop()
        assert stream.until_closed() == 1000
    with pytest.raises(ConnectionClosed) as closed, stack.stream(token=token, cookie=stream.cookie):
        pass
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001


def test_a_page_of_another_site_opens_no_stream(stack):
    with pytest.raises(InvalidStatus) as refused, stack.stream(origin="https://other.example"):
        pass
    assert refused.value.response.status_code == 403


def test_the_service_may_do_little(stack):
    (container,) = stack.containers()
    assert stack.inside(container, "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    status = stack.inside(container, "print(open('/proc/1/status').read())")
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    write = "import errno\ntry: open('/app/x', 'w')\nexcept OSError as e: print(errno.errorcode[e.errno])"
    assert stack.inside(container, write) == "EROFS"


def test_the_service_has_no_way_to_the_internet(stack):
    (container,) = stack.containers()
    (network,) = json.loads(run("docker", "inspect", container))[0]["NetworkSettings"]["Networks"]
    assert run("docker", "network", "inspect", "-f", "{{.Internal}}", network) == "true"


def test_the_image_holds_no_tools(stack):
    (container,) = stack.containers()
    find = (
        "import importlib.util as u; print([m for m in ('torch', 'pip', 'setuptools', 'training') if u.find_spec(m)])"
    )
    assert stack.inside(container, find) == "[]"
    which = "import shutil; print([p for p in ('cc', 'gcc', 'pip', 'pip3') if shutil.which(p)])"
    assert stack.inside(container, which) == "[]"


def test_no_container_has_a_secret_in_its_environment_or_command(stack):
    output = "".join(run("docker", "inspect", c) for c in stack.containers("proxy") + stack.containers())
    assert stack.key not in output
    assert (stack.secrets / "token_secret").read_text().strip() not in output
