"""The examples on `/docs`, run as they are printed there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest

from service.access.keys import Role, add_key
from service.rest.players import last_listed
from service.site.calls import CALLS
from tests.bundles import showing
from tests.service.axe import SCRIPT, barriers
from tests.service.browsing import ALLOWED_CAMERA, CHROMIUM
from tests.service.serving import (
    EAST,
    NEAR,
    SIGN_EAST,
    WEST,
    Client,
    colours,
    serve,
    video,
)
from tests.service.test_javascript import NODE, has_websocket
from tests.service.test_page import coloured_webcam

ROOT = Path(__file__).parents[2]
LANGUAGES = ("curl", "Python", "JavaScript")
HOME = "/v1/lexicons"
UNLIKE = (140, 30, 60)  # a hand that is up, between the two signs

# `openAsBlob`, which sends files, is as old as Node's websocket.
needs_programs = pytest.mark.skipif(
    shutil.which("curl") is None or not has_websocket(), reason="no curl, or no node with WebSocket (20.10 or later)"
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    return file, add_key(file, "reader", list(Role))


@pytest.fixture(scope="module")
def guarded(
    teachable_folder: Path, key: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a service with keys and lexicons."""
    lexicons = tmp_path_factory.mktemp("lexicons") / "lexicons.sqlite"
    folder = showing(teachable_folder, tmp_path_factory.mktemp("bundles") / "shown", "east")
    with (
        serve(folder, api_keys_file=key[0], lexicons=lexicons, key_requests_per_minute=100_000) as address,
        httpx.Client(base_url=f"http://{address}", timeout=60, headers={"Authorization": f"Bearer {key[1]}"}) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def printed(guarded: httpx.Client) -> dict[str, dict[str, str]]:
    return examples(guarded.get("/docs").text)


def examples(page: str) -> dict[str, dict[str, str]]:
    """Each example of the page, by what it is of and its language."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"<h[23]>", page)[1:]:
        name = unescape(re.sub(r"<[^>]+>", "", part.partition("</h")[0]))
        sources = re.findall(r"<summary>(.+?)</summary><pre><code>(.*?)</code></pre>", part, re.DOTALL)
        if sources:
            found[name] = {language: unescape(text) for language, text in sources}
    return found


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs an example in a folder with the files that it names; what it prints."""
    (tmp_path / "clip.mp4").write_bytes(SIGN_EAST)
    (tmp_path / "one.mp4").write_bytes(video(colours(NEAR)))
    (tmp_path / "two.mp4").write_bytes(video(colours(NEAR, sign_frames=24)))

    def of(language: str, text: str, until: str = "", **environment: str) -> str:
        command = {
            "curl": ["bash", "-c", text],
            "Python": [sys.executable, "-c", text],
            "JavaScript": [str(NODE), "--input-type=module", "-e", text],
        }[language]
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "*", **environment}
        if until:
            return heard(command, until, surroundings)
        done = subprocess.run(
            command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return of


def heard(command: list[str], until: str, environment: dict[str, str]) -> str:
    """What a program that does not end prints, up to a line."""
    environment = environment | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = []
        for line in program.stdout:
            lines.append(line)
            if line.strip() == until:
                break
        program.kill()
    return "".join(lines)


def test_every_call_has_an_example_in_each_language(guarded: httpx.Client, printed: dict[str, dict[str, str]]) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    operations = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert set(CALLS) == operations
    assert set(printed) == operations | {"Websocket /v1/stream"}
    assert {tuple(found) for found in printed.values()} == {LANGUAGES}


@pytest.fixture
def taught(guarded: httpx.Client, tmp_path: Path) -> Iterator[str]:
    """The lexicon "mine" with the sign "coffee", and its file; the id of its example."""
    guarded.delete(f"{HOME}/mine")
    assert guarded.post(HOME, json={"name": "mine"}).status_code == 201
    sign = {"file": ("a.mp4", video(colours(NEAR, sign_frames=26)))}
    answer = guarded.post(f"{HOME}/mine/signs", data={"gloss": "coffee"}, files=sign)
    assert answer.status_code == 201, answer.text
    (tmp_path / "mine.lexicon.npz").write_bytes(guarded.get(f"{HOME}/mine/export").content)
    yield answer.json()["added"][0]
    guarded.delete(f"{HOME}/mine")


OF_SESSIONS = {operation for operation in CALLS if "{session}" in operation}


@needs_programs
@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("operation", sorted(set(CALLS) - OF_SESSIONS))
@pytest.mark.usefixtures("taught")
def test_the_example_of_a_call_runs_as_printed(
    operation: str,
    language: str,
    guarded: httpx.Client,
    key: tuple[Path, str],
    printed: dict[str, dict[str, str]],
    taught: str,
    tmp_path: Path,
    run: Callable[..., str],
) -> None:
    if operation == "POST /v1/lexicons":
        guarded.delete(f"{HOME}/mine")
    if operation.endswith("/export"):
        (tmp_path / "mine.lexicon.npz").unlink()
    out = run(language, printed[operation][language], GLOSSCAST_KEY=key[1], EXAMPLE=taught, GLOSS="east")
    if operation.endswith("/export"):
        assert (tmp_path / "mine.lexicon.npz").read_bytes()[:2] == b"PK"
    else:
        assert bool(out.strip()) is not operation.startswith("DELETE")
    signs = guarded.get(f"{HOME}/mine/signs")
    glosses = {sign["gloss"]: len(sign["examples"]) for sign in signs.json().get("signs", [])}
    expected = {
        "DELETE /v1/lexicons/{name}": {},
        "DELETE /v1/lexicons/{name}/signs/{gloss}": {},
        "DELETE /v1/lexicons/{name}/signs/{gloss}/examples/{example}": {},
        "PATCH /v1/lexicons/{name}/signs/{gloss}": {"black coffee": 1},
        "POST /v1/lexicons": {},
        "POST /v1/lexicons/{name}/signs": {"coffee": 3},
    }
    assert glosses == expected.get(operation, {"coffee": 1})


@needs_programs
@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("operation", sorted(OF_SESSIONS))
def test_the_example_of_captions_runs_as_printed(
    operation: str,
    language: str,
    guarded: httpx.Client,
    key: tuple[Path, str],
    printed: dict[str, dict[str, str]],
    tmp_path: Path,
    run: Callable[..., str],
) -> None:
    with Client(guarded.base_url.netloc.decode(), additional_headers={"Authorization": f"Bearer {key[1]}"}) as stream:
        started = stream.start(input="frames")
        view = started["view"]
        own = {"SESSION": started["session"], "TOKEN": started["token"]}
        others = {"SESSION": view["session"], "VIEW_TOKEN": view["token"], "NUMBER": str(last_listed(time()))}
        given = own if operation.endswith("{form}") else others
        if operation.endswith("/events"):
            assert "event: started" in run(language, printed[operation][language], until="event: started", **given)
            return
        run(language, printed[operation][language], **given)
    (made,) = [path for path in tmp_path.iterdir() if path.suffix in (".vtt", ".m3u8")]
    assert made.read_text().startswith("#EXTM3U" if made.suffix == ".m3u8" else "WEBVTT")


@needs_programs
@pytest.mark.slow
@pytest.mark.parametrize("language", ["Python", "JavaScript"])
def test_the_example_of_a_clip_names_known_signs_alone(
    language: str, key: tuple[Path, str], printed: dict[str, dict[str, str]], tmp_path: Path, run: Callable[..., str]
) -> None:
    source = printed["POST /v1/classify"][language]
    (tmp_path / "clip.mp4").write_bytes(video([*colours(EAST, WEST), *colours(UNLIKE)]))
    assert re.findall(r"\w+", run(language, source, GLOSSCAST_KEY=key[1])) == ["east", "west"]
    (tmp_path / "clip.mp4").write_bytes(video(colours(UNLIKE)))
    assert run(language, source, GLOSSCAST_KEY=key[1]) == "no known sign\n"


@needs_programs
@pytest.mark.slow
@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without"])
def test_the_examples_of_the_stream_run_as_printed(
    keyed: bool,
    guarded: httpx.Client,
    key: tuple[Path, str],
    address: str,
    tmp_path: Path,
    run: Callable[..., str],
) -> None:
    base = str(guarded.base_url) if keyed else f"http://{address}"
    sources = examples(httpx.get(f"{base}/docs").text)["Websocket /v1/stream"]
    assert ("GLOSSCAST_KEY" in sources["curl"]) == keyed
    handshake = sources["curl"].rstrip() + " || true\n"  # it waits for what curl does not send
    assert "101 Switching Protocols" in run("curl", handshake, GLOSSCAST_KEY=key[1])
    (tmp_path / "clip.mp4").write_bytes(video([*colours(EAST, WEST), *colours(UNLIKE)]))
    assert run("Python", sources["Python"], GLOSSCAST_KEY=key[1]).split() == ["east", "west"]


@pytest.mark.slow
def test_the_program_of_the_tutorial_prints_known_signs_alone(
    address: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-captions.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", tutorial, re.MULTILINE | re.DOTALL)
    (tmp_path / "clip.mp4").write_bytes(video([*colours(EAST, WEST), *colours(UNLIKE)]))
    here = program.replace("127.0.0.1:8000", address).replace("sys.argv[1]", '"clip.mp4"')
    assert [line.split()[2] for line in run("Python", here).splitlines()] == ["east", "west"]


@pytest.mark.browser
@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without"])
def test_the_example_of_the_camera_runs_in_a_browser(
    keyed: bool, guarded: httpx.Client, key: tuple[Path, str], page_address: str, open_page: Any, tmp_path: Path
) -> None:
    base = str(guarded.base_url) if keyed else page_address
    page = open_page(*ALLOWED_CAMERA, coloured_webcam(tmp_path), address=f"{base}/docs", ready="h1")
    page.on("dialog", lambda dialog: dialog.accept(key[1]))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    source = examples(httpx.get(f"{base}/docs").text)["Websocket /v1/stream"]["JavaScript"]
    page.evaluate(f"(async () => {{ {source} }})()")
    while not {"east", "west"} <= set(said):
        page.wait_for_timeout(100)
    assert set(said) == {"east", "west"}


@pytest.mark.browser
@pytest.mark.slow
@needs_browser
@pytest.mark.skipif(not SCRIPT.is_file(), reason=f"no {SCRIPT.name}; `python -m tests.service.axe` fetches it")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_has_no_barriers(open_page: Any, page_address: str, width: int, scheme: str) -> None:
    window = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "bypass_csp": True}
    page = open_page(address=f"{page_address}/docs", ready="h1", **window)
    page.evaluate("document.querySelectorAll('details').forEach((example) => (example.open = true))")
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_descriptions_are_markdown_and_html_in_them_is_text(guarded: httpx.Client) -> None:
    page = guarded.get("/docs").text
    assert "`" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert "<code>bearer.TOKEN</code>" in page
    assert json.dumps({"name": "mine"}).replace('"', "&quot;") in page
