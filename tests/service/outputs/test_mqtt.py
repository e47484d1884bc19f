"""MQTT, against a broker that knows as much of the protocol as the service says, and against Mosquitto where it is."""

import asyncio
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.observe.metrics import Metrics
from service.outputs import courier
from service.outputs.courier import Courier, OutputError
from service.protocol import events
from tests.bundles import ASPECT
from tests.service.serving import ROOMY, Client, free_port, serve, wait_until
from tests.service.test_views import sign

pytest.importorskip("aiomqtt")
from service.outputs.mqtt import Broker, Mqtt, discovery

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONNECT, CONNACK, PUBLISH, PUBACK, DISCONNECT = 1, 2, 3, 4, 14
OWN = "glosscast_home_signs"


class FakeBroker:
    """Takes connections and messages of QoS 1 (MQTT 3.1.1)."""

    def __init__(self) -> None:
        self.port = 0
        self.connects: list[bytes] = []
        self.published: list[tuple[str, str, bool]] = []  # topic, text, retained
        self.left = asyncio.Event()
        self.answers = True
        self._changed = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                (head,) = await reader.readexactly(1)
                body = await reader.readexactly(await _length(reader))
                self._take(head >> 4, head & 1 == 1, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, kind: int, retain: bool, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == CONNECT:
            self.connects.append(body)
            writer.write(bytes([CONNACK << 4, 2, 0, 0]))
        elif kind == PUBLISH:
            (size,) = struct.unpack_from(">H", body)
            topic, number, text = body[2 : 2 + size], body[2 + size : 4 + size], body[4 + size :]
            self.published.append((topic.decode(), text.decode(), retain))
            self._changed.set()
            if self.answers:
                writer.write(bytes([PUBACK << 4, 2]) + number)
        elif kind == DISCONNECT:
            self.left.set()

    async def heard(self, text: str) -> None:
        """Wait for a message of this text."""
        while not any(message[1] == text for message in self.published):
            self._changed.clear()
            await self._changed.wait()

    def cut(self) -> None:
        """Every connection breaks."""
        for writer in self._writers:
            writer.transport.abort()


async def _length(reader: asyncio.StreamReader) -> int:
    value, shift = 0, 0
    while True:
        (byte,) = await reader.readexactly(1)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


@asynccontextmanager
async def broker_running() -> AsyncIterator[FakeBroker]:
    broker = FakeBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    broker.port = server.sockets[0].getsockname()[1]
    yield broker
    server.close()
    broker.cut()


@asynccontextmanager
async def output_to(broker: FakeBroker, **more: str | None) -> AsyncIterator[Mqtt]:
    output = Mqtt(Broker("127.0.0.1", broker.port, **more), "home/signs", "homeassistant")
    yield output
    await output.close()


def test_what_is_published_and_what_is_retained(event):
    caption = event(events.Final, gloss="tea")
    sent = [event(events.Started), event(events.SignStarted), caption, event(events.Ended)]

    async def run():
        async with broker_running() as broker:
            async with output_to(broker) as output:
                await output.look()
                announced, broker.published = broker.published, []
                for each in sent:
                    await output.send(each)
                published, broker.published = broker.published, []
            await asyncio.wait_for(broker.left.wait(), 5)
            return announced, published, broker.published

    announced, published, last = asyncio.run(run())
    assert {topic: json.loads(text) for topic, text, _ in announced if "config" in topic} == discovery(
        "home/signs", "homeassistant"
    )
    assert [message for message in announced if "config" not in message[0]] == [
        ("home/signs/signing", "OFF", True),
        ("home/signs/status", "online", True),
    ]
    assert all(retained for _, _, retained in announced)
    assert published == [
        ("home/signs/captions", sent[0].model_dump_json(), False),
        ("home/signs/signing", "ON", True),
        ("home/signs/captions", caption.model_dump_json(), False),
        ("home/signs/caption", "tea", False),
        ("home/signs/signing", "OFF", True),
        ("home/signs/captions", sent[3].model_dump_json(), False),
    ]
    assert last == [("home/signs/signing", "OFF", True), ("home/signs/status", "offline", True)]


def test_somebody_signs_until_the_last_sign_has_ended(event):
    steps = [
        (events.SignStarted, "a", "ON"), (events.SignStarted, "b", None), (events.NoSign, "a", None),
        (events.Ended, "b", "OFF"),
    ]  # fmt: skip

    async def run():
        async with broker_running() as broker, output_to(broker) as output:
            await output.look()
            for kind, session, said in steps:
                broker.published = []
                await output.send(event(kind, session))
                assert [text for topic, text, _ in broker.published if topic.endswith("/signing")] == [said][
                    : said is not None
                ]

    asyncio.run(run())


def test_user_password_and_last_will_are_told_to_the_broker():
    async def run():
        async with broker_running() as broker:
            async with output_to(broker, user="signs", password="s3cret") as output:
                await output.look()
            (connect,) = broker.connects
            for part in (b"home/signs/status", b"offline", b"signs", b"s3cret"):
                assert part in connect
            will_retained, has_will = connect[7] & 0x20, connect[7] & 0x04
            assert will_retained
            assert has_will

    asyncio.run(run())
    assert "s3cret" not in repr(Broker("h", 1, password="s3cret"))


def test_a_lost_connection_is_restored_by_the_next_look_and_told_again(event):
    async def run():
        async with broker_running() as broker, output_to(broker) as output:
            await output.send(event(events.SignStarted))
            broker.cut()
            await asyncio.sleep(0.05)
            with pytest.raises(OutputError, match=r"^the broker cannot be reached"):
                await output.look()
            broker.published = []
            await output.look()
            assert ("home/signs/signing", "ON", True) in broker.published
            assert len(broker.connects) == 2

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["down", "silent"])
def test_a_broker_that_is_down_or_slow_is_a_fault_that_passes(event, fault, monkeypatch):
    monkeypatch.setattr("service.outputs.mqtt.TIMEOUT_S", 0.1)

    async def run():
        async with broker_running() as broker:
            port, broker.answers = (1 if fault == "down" else broker.port), False
            output = Mqtt(Broker("127.0.0.1", port), "t", "")
            with pytest.raises(OutputError) as raised:
                await output.send(event(events.Final))
            assert raised.value.retryable
            await output.close()

    asyncio.run(run())


def test_a_caption_arrives_when_the_broker_is_back(event, monkeypatch):
    monkeypatch.setattr(courier, "FIRST_WAIT_S", 0.01)

    async def run():
        async with broker_running() as broker, output_to(broker) as output:
            one = Courier(output, Metrics())
            one.start()
            one.put(event(events.Final, gloss="tea"))
            await broker.heard("tea")
            broker.cut()
            one.put(event(events.Final, gloss="milk"))
            await broker.heard("milk")
            await one.close(5)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_home_assistant_gets_one_device_with_two_entities():
    described = discovery("home/signs", "ha")
    assert set(described) == {f"ha/sensor/{OWN}/last_sign/config", f"ha/binary_sensor/{OWN}/signing/config"}
    assert {entity["device"]["identifiers"][0] for entity in described.values()} == {OWN}
    assert len({entity["unique_id"] for entity in described.values()}) == 2
    assert [entity["state_topic"] for entity in described.values()] == ["home/signs/caption", "home/signs/signing"]
    assert discovery("home/signs", "") == {}


# --- a real broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    if MOSQUITTO is None:
        pytest.skip("no mosquitto on this machine")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([MOSQUITTO, "-c", config], stderr=subprocess.DEVNULL)
    yield port
    process.terminate()
    process.wait(20)


SUBSCRIBER = """
import asyncio, sys, aiomqtt
async def run():
    for _ in range(200):
        try:
            async with aiomqtt.Client("127.0.0.1", int(sys.argv[1])) as client:
                await client.subscribe("#")
                print("ready", flush=True)
                async for m in client.messages:
                    print(m.topic, m.payload.decode(), "retained" if m.retain else "", flush=True)
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)
asyncio.run(run())
"""


@pytest.mark.slow
def test_mosquitto_hands_on_what_a_service_publishes(mosquitto, bundle_folder):
    with subprocess.Popen(
        [sys.executable, "-c", SUBSCRIBER, str(mosquitto)], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as subscriber:
        assert subscriber.stdout is not None
        assert subscriber.stdout.readline() == "ready\n"
        with serve(bundle_folder, mqtt_url=f"mqtt://127.0.0.1:{mosquitto}", **ROOMY) as address:
            with Client(address) as client:
                client.start(aspect=ASPECT)
                sign(client, "east", "rest", "west")
            wait_until(lambda: client.code == 1000)
        heard = []
        for line in subscriber.stdout:
            heard.append(line.strip())
            if heard[-1] == "glosscast/status offline":
                break
        subscriber.kill()
    assert [line.split()[1] for line in heard if line.startswith("glosscast/caption ")] == ["east", "west"]
    captions = [json.loads(line.split(" ", 1)[1]) for line in heard if line.startswith("glosscast/captions ")]
    assert [caption["type"] for caption in captions] == ["started", "final", "final", "ended"]
    assert [line.split()[1] for line in heard if line.startswith("glosscast/signing ")] == [
        *("OFF", "ON", "OFF", "ON", "OFF", "ON", "OFF", "OFF"),
    ]
    assert sum(line.startswith("homeassistant/") for line in heard) == 2
