"""The outputs that the settings ask for."""

import asyncio
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from service.access.tokens import SecretFileError, read_secret
from service.observe.metrics import Metrics
from service.outputs.courier import Courier, Output
from service.protocol.events import Event
from service.settings import PREFIX, Settings, StartError

CLOSE_S = 5.0  # at most, to send what waits when the service stops
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Outputs:
    """All outputs of one application. It belongs to the event loop; `publish` never waits.

    Args:
        makers: of the outputs, called when the event loop runs.
        metrics: count the events.
    """

    def __init__(self, makers: "Sequence[partial[Any]]", metrics: Metrics) -> None:
        self._makers = makers
        self._metrics = metrics
        self._couriers: list[Courier] = []

    def __bool__(self) -> bool:
        """Whether captions are sent anywhere."""
        return bool(self._makers)

    def start(self) -> None:
        """Begin to send; one task for each output."""
        for make in self._makers:
            output: Output = make()
            courier = Courier(output, self._metrics)
            courier.start()
            self._couriers.append(courier)

    def publish(self, event: Event) -> None:
        """Send an event to all outputs that want it, later."""
        for courier in self._couriers:
            courier.put(event)

    async def close(self, grace_s: float) -> None:
        """Send what waits, within `grace_s` and `CLOSE_S`, and end."""
        couriers, self._couriers = self._couriers, []
        await asyncio.gather(*(courier.close(min(grace_s, CLOSE_S)) for courier in couriers))


def outputs_of(settings: Settings, metrics: Metrics) -> Outputs:
    """The outputs that the settings ask for; their packages are imported here, and only where they are needed.

    Raises:
        StartError: an address or a file is wrong, or a package is missing.
    """
    makers = []
    if settings.webhook_url is not None:
        makers.append(_webhook(settings, settings.webhook_url))
    if settings.mqtt_url is not None:
        makers.append(_mqtt(settings, settings.mqtt_url))
    return Outputs(makers, metrics)


def _webhook(settings: Settings, url: str) -> "partial[Any]":
    name = f"{PREFIX}WEBHOOK_URL"
    if _parts(name, url, ("http", "https")).fragment:
        raise StartError(f"{name}: must have no part after #")
    secret = None
    if settings.webhook_secret_file is not None:
        try:
            secret = read_secret(settings.webhook_secret_file)
        except SecretFileError as error:
            raise StartError(f"{PREFIX}WEBHOOK_SECRET_FILE: {error}") from error
    return partial(_module(name, "webhook").Webhook, url, secret)


def _mqtt(settings: Settings, url: str) -> "partial[Any]":
    name = f"{PREFIX}MQTT_URL"
    parts = _parts(name, url, tuple(MQTT_PORTS))
    if parts.password is not None:
        raise StartError(f"{name}: must not have the password, which {PREFIX}MQTT_PASSWORD_FILE names a file for")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise StartError(f"{name}: must have nothing after the port; {PREFIX}MQTT_TOPIC names the topic")
    user = unquote(parts.username) if parts.username else None
    password = None
    if settings.mqtt_password_file is not None:
        if user is None:
            raise StartError(f"{name}: must name the user of {PREFIX}MQTT_PASSWORD_FILE, as in mqtt://USER@HOST")
        password = _password(settings.mqtt_password_file)
    module = _module(name, "mqtt")
    port = parts.port or MQTT_PORTS[parts.scheme]
    broker = module.Broker(parts.hostname, port, parts.scheme == "mqtts", user, password)
    return partial(module.Mqtt, broker, settings.mqtt_topic, settings.mqtt_discovery)


def _parts(name: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of an address. It may hold secrets, so no message repeats it."""
    problem = StartError(f"{name}: must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise problem from None
    if not usable:
        raise problem
    return parts


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise StartError(f"{PREFIX}MQTT_PASSWORD_FILE: {path}: {reason}") from error


def _module(setting: str, name: str) -> ModuleType:
    try:
        return import_module(f"service.outputs.{name}")
    except ImportError as error:
        raise StartError(f"{setting}: it needs packages: pip install --group outputs ({error})") from error
