"""What browsers are held to: pages of other sites stay out, unless they are allowed."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from service.problems import ProblemError
from service.protocol.messages import SUBPROTOCOL


def check_origin(connection: HTTPConnection, allowed: tuple[str, ...]) -> None:
    """Refuse pages of other sites.

    A client without Origin is no browser, or a browser that does no more than show what its user asked for.

    Args:
        connection: a request, or a websocket that is not accepted yet.
        allowed: origins of the sites whose pages may come as well as our own.

    Raises:
        ProblemError: "origin_not_allowed".
    """
    origin = connection.headers.get("origin")
    if origin is not None and not _is_at(origin, connection.headers.get("host", "")) and origin not in allowed:
        raise ProblemError("origin_not_allowed")


def check_handshake(websocket: WebSocket, allowed: tuple[str, ...]) -> None:
    """Refuse pages of other sites, and clients that do not offer our subprotocol; see `check_origin`.

    Raises:
        ProblemError: "origin_not_allowed" or "subprotocol_required".
    """
    check_origin(websocket, allowed)
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise ProblemError("subprotocol_required")


def _is_at(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # no address at all, as http://[::1
        return False
