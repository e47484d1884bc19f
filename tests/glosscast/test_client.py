"""The client against a real service, through a network that breaks."""

import asyncio
import json
from contextlib import aclosing, suppress

import pytest
from websockets.datastructures import Headers

from glosscast import cli
from glosscast.client import CaptionError, Teaching, address, affinity_headers, caption
from glosscast.live import Printer
from glosscast.sources import SourceError
from glosscast.video import VideoError
from service.access.keys import Role, add_key
from service.lexicons.store import LexiconStore
from service.state import RETRY_S
from tests.service.serving import EAST, NEAR, WEST, ColourTracker, colours, metric, serve, video, wait_until


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "east_west.mp4"
    path.write_bytes(video(colours(EAST, WEST)))
    return path


@pytest.fixture(scope="module")
def service(bundle_folder):
    with serve(bundle_folder, queue_frames=1000, max_fps=200.0) as host:
        yield host


class Network:
    """A relay between client and service. Told to `fail`, it swallows some of what the client says and then cuts."""

    def __init__(self, host):
        self._host = host
        self._writers = []
        self.connections = self.swallowed = 0
        self.failing = False

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception):
        self._server.close()
        self.cut()

    def fail(self):
        self.failing = True

    def cut(self):
        self.failing = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _relay(self, reader, writer):
        self.connections += 1
        to_reader, to_writer = await asyncio.open_connection(*self._host.split(":"))
        self._writers += [writer, to_writer]
        await asyncio.gather(self._pump(reader, to_writer, self._swallow), self._pump(to_reader, writer))

    def _swallow(self, data):
        if self.failing:
            self.swallowed += len(data)
            if self.swallowed > 4000:  # some frames
                self.cut()
            return b""
        return data

    async def _pump(self, reader, writer, through=lambda data: data):
        with suppress(OSError):
            while data := await reader.read(4096):
                writer.write(through(data))
                await writer.drain()
            writer.write_eof()


async def all_of(url, source, **options):
    return [message async for message in caption(url, source, **options)]


def glosses(messages):
    return [m["gloss"] for m in messages if m["type"] == "final"]


def receive(url, source, **options):
    return asyncio.run(asyncio.wait_for(all_of(url, source, **options), 60))


def test_a_clip_from_start_to_end(service, clip):
    messages = receive(f"http://{service}", clip, realtime=False)

    assert glosses(messages) == ["east", "west"]
    assert messages[0]["type"] == "started"
    assert messages[-1]["type"] == "ended"
    assert messages[-1]["summary"]["frames"] == 76


def test_keypoints_alone_can_be_sent(service, clip, monkeypatch):
    monkeypatch.setattr("glosscast.sources.new_tracker", ColourTracker)
    messages = receive(f"ws://{service}/v1/stream", clip, keypoints=True, realtime=False, interim=False, top_k=1)

    assert messages[0]["config"] == {
        "input": "keypoints", "interim": False, "top_k": 1, "landmarks": False, "aspect": pytest.approx(4 / 3),
        "lexicon": None,
    }  # fmt: skip
    assert glosses(messages) == ["east", "west"]


@pytest.mark.parametrize("when", ["started", "sign_started", "final"])
@pytest.mark.slow
def test_a_broken_connection_loses_nothing(service, clip, when):
    async def talk():
        received = []
        async with Network(service) as network:
            async for message in caption(network.url, clip, realtime=False):
                received.append(message)
                if message["type"] == when and not network.swallowed:
                    network.fail()
        return received, network.connections

    received, connections = asyncio.run(asyncio.wait_for(talk(), 60))

    assert connections == 2
    assert [m["resumed"] for m in received if m["type"] == "started"] == [False, True]
    assert len({m["session"] for m in received if m["type"] == "started"}) == 1
    assert glosses(received) == ["east", "west"]
    summary = received[-1]["summary"]
    assert (summary["signs"], summary["frames"], summary["dropped"], summary["faulty"]) == (2, 76, 0, 0)


@pytest.fixture
def near(tmp_path):
    """A clip of a sign that can be taught, four times."""
    path = tmp_path / "near.mp4"
    path.write_bytes(video(colours(NEAR, NEAR, NEAR, NEAR)))
    return path


@pytest.fixture
def teachable(teachable_folder, tmp_path):
    """A service with an empty lexicon."""
    LexiconStore(tmp_path / "lexicons.sqlite").create("", "mine", "compass@1")
    with serve(teachable_folder, lexicons=tmp_path / "lexicons.sqlite", queue_frames=1000, max_fps=200.0) as host:
        yield host


def test_signs_are_taught(teachable, near):
    """The clip is sent at its own speed, so that there is time to say that it was enough."""
    teaching = Teaching()
    teaching.teach("tea", language="ASL")

    async def talk():
        received = []
        async for message in caption(f"http://{teachable}", near, lexicon="mine", teaching=teaching):
            received.append(message)
            if message["type"] == "taught" and message["segment"] == 1:
                teaching.teach_done()
        return received

    received = asyncio.run(asyncio.wait_for(talk(), 60))
    assert received[0]["config"]["lexicon"] == "mine"
    assert [(m["gloss"], m["accepted"]) for m in received if m["type"] == "taught"] == [("tea", True)] * 2
    assert glosses(received) == ["rest", "rest", "tea", "tea"]


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.slow
def test_teaching_goes_on_over_another_connection(teachable, near, resumable, monkeypatch):
    teaching = Teaching()
    teaching.teach("tea")
    if not resumable:
        monkeypatch.setattr("service.live.registry.Registry.resume", lambda *_: None)

    async def talk():
        received = []
        async with Network(teachable) as network:
            async for message in caption(network.url, near, lexicon="mine", teaching=teaching, realtime=False):
                received.append(message)
                if message["type"] == "taught" and not network.swallowed:
                    network.fail()
        return received, network.connections

    received, connections = asyncio.run(asyncio.wait_for(talk(), 60))
    taught = [m for m in received if m["type"] == "taught"]
    assert connections >= 2
    assert all(m["accepted"] for m in taught)
    if resumable:
        assert [m["segment"] for m in taught] == [0, 1, 2, 3]  # each once
    assert len(taught) == len(glosses(received)) >= 2


def test_a_lost_session_is_followed_by_another(bundle_folder, clip):
    async def talk(host):
        received = []
        async with Network(host) as network:
            async for message in caption(network.url, clip, realtime=False):
                received.append(message)
                if message["type"] == "final" and network.connections == 1:
                    network.cut()
        return received

    with serve(bundle_folder, queue_frames=1000, max_fps=200.0, resume_s=0.0) as host:
        received = asyncio.run(asyncio.wait_for(talk(host), 60))

    assert [m["resumed"] for m in received if m["type"] == "started"] == [False, False]
    views = [m["view"] for m in received if m["type"] == "started"]
    assert views[0] == views[1]  # those who watch go on with the other session
    assert glosses(received)[0] == "east"
    assert received[-1]["type"] == "ended"


def test_a_clip_keeps_its_own_speed(service, clip, monkeypatch):
    waits = []

    async def sleep(delay, original=asyncio.sleep):
        waits.append(delay)
        await original(0)

    monkeypatch.setattr("glosscast.client.asyncio.sleep", sleep)
    monkeypatch.setattr("glosscast.client.monotonic", lambda: 0.0)
    receive(f"http://{service}", clip, realtime=True)

    # The others are those of websockets, and of a service that is still busy with the stream of another test.
    waits = [s for s in waits if s < 10 and s != RETRY_S]
    assert max(waits) == pytest.approx(75 * 0.0625, abs=0.01)  # no time passes, so waits add up to the clip's length


def test_a_client_that_stops_closes_in_order(service, clip):
    async def talk():
        async with aclosing(caption(f"http://{service}", clip, realtime=False)) as messages:
            async for message in messages:
                if message["type"] == "sign_started":
                    break
        return len(asyncio.all_tasks())

    assert asyncio.run(talk()) == 1
    wait_until(lambda: metric(service, "glosscast_active_streams") == 0)


def test_a_service_that_refuses(bundle_folder, clip, tmp_path):
    keys = tmp_path / "keys.toml"
    secret = add_key(keys, "me", [Role.STREAM])
    with serve(bundle_folder, api_keys_file=keys, queue_frames=1000, max_fps=200.0) as host:
        with pytest.raises(CaptionError, match="key"):
            receive(f"http://{host}", clip, api_key="wrong")
        assert glosses(receive(f"http://{host}", clip, api_key=secret, realtime=False)) == ["east", "west"]
        with pytest.raises(CaptionError, match="HTTP 403"):
            receive(f"http://{host}/elsewhere", clip)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", ""])
def test_addresses_that_are_none(url):
    with pytest.raises(CaptionError, match="http://HOST:PORT"):
        address(url)


def test_addresses():
    assert address("https://host:1/") == "wss://host:1/v1/stream"
    assert address("ws://host/x/v1/stream?key=1") == "ws://host/x/v1/stream"


def test_the_way_back_to_a_replica_is_the_last_cookie_of_its_name():
    answer = Headers()
    assert affinity_headers(answer) == {}
    for cookie in ("replica=one; Path=/; HttpOnly", "replica=two; Path=/; Secure", "other=3"):
        answer["Set-Cookie"] = cookie
    assert affinity_headers(answer) == {"Cookie": "replica=two; other=3"}


def test_a_service_that_is_not_there(clip):
    with pytest.raises(CaptionError, match="cannot be reached"):
        receive("http://127.0.0.1:9", clip)


def test_sources_that_cannot_be_used(service, tmp_path):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    with pytest.raises(VideoError):
        receive(f"http://{service}", damaged)
    with pytest.raises(FileNotFoundError):
        receive(f"http://{service}", tmp_path / "none.mp4")
    with pytest.raises(SourceError, match="camera 97"):
        receive(f"http://{service}", 97)


# --- the command


def test_glosscast_live_prints_a_line_for_each_sign(service, clip, capsys):
    assert cli.main(["live", str(clip), "--url", f"http://{service}", "--fast"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["east", "west"]
    assert float(lines[0].split()[0]) == pytest.approx(0.75, abs=0.01)


def test_glosscast_live_prints_json(service, clip, capsys):
    assert cli.main(["live", str(clip), "--url", f"http://{service}", "--fast", "--json"]) == 0
    assert glosses(map(json.loads, capsys.readouterr().out.splitlines())) == ["east", "west"]


def test_glosscast_live_reports_errors_in_one_line(clip, tmp_path, capfd):
    for arguments in ([str(clip), "--url", "http://127.0.0.1:9"], ["--camera", "97"], [str(tmp_path / "none.mp4")]):
        assert cli.main(["live", *arguments]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_on_a_terminal_dots_stand_until_a_guess_is_stable():
    out = Terminal()
    printer = Printer(out, as_json=False)
    interim = {"type": "interim", "gloss": "help", "stable": True}
    final = {"type": "final", "gloss": "hello", "start_ms": 500.0, "confidence": 0.9}
    printer.show({"type": "started", "no_sign": "rest"})
    for message in ({"type": "sign_started"}, {**interim, "gloss": "yes", "stable": False}, interim):
        printer.show(message)
    printer.show({**interim, "gloss": "no", "stable": False})
    printer.show(final)
    printer.show({**final, "gloss": "rest"})

    assert out.text == "\r\x1b[K…\r\x1b[Khelp …\r\x1b[K    0.50 s   90%  hello\n\r\x1b[K"


@pytest.mark.parametrize(("count", "text"), [(1, "1 frame dropped\n"), (2, "2 frames dropped\n")])
def test_dropped_frames_are_counted_in_the_right_number(count, text, capsys):
    Printer(Terminal(), as_json=False).show({"type": "warning", "code": "frames_dropped", "count": count})
    assert capsys.readouterr().err == text
