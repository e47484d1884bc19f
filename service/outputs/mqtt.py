"""MQTT: captions for home automation, with Home Assistant's discovery."""

import json
import ssl
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from glosscast import __version__
from service.outputs.courier import OutputError
from service.protocol.events import Ended, Event, Final, Interim, NoSign, SignStarted, Started

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"
AT_LEAST_ONCE = 1
TIMEOUT_S = 5.0  # for the broker to answer


@dataclass(frozen=True)
class Broker:
    """Where the broker is.

    Attributes:
        host: name or address.
        port: TCP port.
        tls: whether the connection is encrypted.
        user: None where the broker wants none.
        password: of the user.
    """

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class Mqtt:
    """Publishes events below one topic.

    What is retained says whether the service is there and whether somebody signs. Captions are not, so that the broker
    keeps nothing of what was signed.

    Args:
        broker: to connect to.
        topic: prefix of all topics.
        discovery: Home Assistant's prefix for discovery; empty to announce nothing.
    """

    name = "mqtt"

    def __init__(self, broker: Broker, topic: str, discovery: str) -> None:
        self._broker = broker
        self._topic = topic
        self._discovery = discovery
        self._client: aiomqtt.Client | None = None
        self._signing: set[str] = set()  # sessions with a sign under way

    def wants(self, event: Event) -> bool:
        """Everything but guesses."""
        return not isinstance(event, Interim)

    async def look(self) -> None:
        """Connect where there is no connection, and say that the service is there.

        Raises:
            OutputError: there is no connection.
        """
        await self._publish((f"{self._topic}/status", ONLINE, True))

    async def send(self, event: Event) -> None:
        """Publish what one event says.

        Raises:
            OutputError: the broker has not confirmed it.
        """
        messages = []
        if isinstance(event, Started | Final | Ended):
            messages.append((f"{self._topic}/captions", event.model_dump_json(), False))
        if isinstance(event, Final):
            messages.append((f"{self._topic}/caption", event.gloss, False))
        before = bool(self._signing)
        self.skip(event)
        if bool(self._signing) != before:
            messages.append(self._signing_message())
        await self._publish(*messages)

    def skip(self, event: Event) -> None:
        """Take note of whether somebody signs, without saying so."""
        if isinstance(event, SignStarted):
            self._signing.add(event.session)
        elif isinstance(event, Final | NoSign | Ended):
            self._signing.discard(event.session)

    async def close(self) -> None:
        """Say that the service has gone, and disconnect."""
        if self._client is None:
            return
        self._signing.clear()
        try:
            await self._publish(self._signing_message(), (f"{self._topic}/status", OFFLINE, True))
        except OutputError:
            return
        await self._disconnect()

    def _signing_message(self) -> tuple[str, str, bool]:
        return f"{self._topic}/signing", ON if self._signing else OFF, True

    async def _publish(self, *messages: tuple[str, str, bool]) -> None:
        """Publish each topic, text and whether it is retained, in order."""
        try:
            client = await self._connected()
            for topic, text, retain in messages:
                await client.publish(topic, text, AT_LEAST_ONCE, retain)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            await self._disconnect()
            raise OutputError(f"the broker cannot be reached ({type(error).__name__})") from None

    async def _connected(self) -> aiomqtt.Client:
        if self._client is not None:
            return self._client
        broker = self._broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=broker.password,
            tls_context=ssl.create_default_context() if broker.tls else None,
            will=aiomqtt.Will(f"{self._topic}/status", OFFLINE, AT_LEAST_ONCE, True),
            timeout=TIMEOUT_S,
        )
        await client.__aenter__()
        self._client = client
        for topic, config in discovery(self._topic, self._discovery).items():
            await client.publish(topic, json.dumps(config), AT_LEAST_ONCE, True)
        await client.publish(*self._signing_message()[:2], AT_LEAST_ONCE, True)
        return client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            return  # it had gone already


def discovery(topic: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Home Assistant's description of the two entities, by the topics under which it is published."""
    if not prefix:
        return {}
    own = "glosscast_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in topic)
    common = {
        "availability_topic": f"{topic}/status",
        "device": {"identifiers": [own], "name": "Glosscast", "sw_version": __version__},
        "origin": {"name": "Glosscast", "sw_version": __version__},
    }
    return {
        f"{prefix}/sensor/{own}/last_sign/config": {
            **common,
            "name": "Last sign",
            "unique_id": f"{own}_last_sign",
            "state_topic": f"{topic}/caption",
            "icon": "mdi:hand-wave",
        },
        f"{prefix}/binary_sensor/{own}/signing/config": {
            **common,
            "name": "Signing",
            "unique_id": f"{own}_signing",
            "state_topic": f"{topic}/signing",
            "payload_on": ON,
            "payload_off": OFF,
            "icon": "mdi:human-greeting",
        },
    }
