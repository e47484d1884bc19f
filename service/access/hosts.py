"""Host names that the service answers to: a page whose name is pointed at this machine (DNS rebinding) reaches nothing.

Such a page is of the same origin as what it asks, so its origin tells nothing; the header Host does. Starlette's
TrustedHostMiddleware is not used, since it knows no IPv6 addresses and answers without a problem document.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import problem
from service.settings import PREFIX, Settings

ANY = "*"
LOCAL = "localhost"
DETAIL = f"The service does not answer to this host name; {PREFIX}ALLOWED_HOSTS names those that it answers to."


class Hosts:
    """ASGI middleware that refuses requests and websockets for other hosts: 421 `host_not_allowed`.

    Args:
        app: the application.
        allowed: host names and addresses, without ports, that are answered beside localhost and loopback addresses;
            `*` answers every name.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        host = None if scope["type"] == "lifespan" else Headers(scope=scope).get("host")
        if host is None or self.answers(host):  # a browser always sends it
            await self._app(scope, receive, send)
        else:
            await problem("host_not_allowed", DETAIL)(scope, receive, send)

    def answers(self, host: str) -> bool:
        """Whether a value of the header Host is a name of this service."""
        if ANY in self._allowed:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # no host, such as [::1
            return False
        return name == LOCAL or name.endswith(f".{LOCAL}") or name in self._allowed or _is_loopback(name)


def hosts_of(settings: Settings) -> tuple[str, ...]:
    """The names that a service answers to, beside those of its machine: every name where callers need keys."""
    if settings.allowed_hosts:
        return (*settings.allowed_hosts, settings.host)
    return (ANY,) if settings.api_keys_file is not None else (settings.host,)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
