"""Who may open a stream."""

from urllib.parse import urlsplit

from fastapi import WebSocket

from service.problems import ProblemError
from service.protocol import SUBPROTOCOL


def check_handshake(websocket: WebSocket, allowed: tuple[str, ...]) -> None:
    """Refuse who may not come in: pages of other sites, and clients that do not offer our subprotocol.

    A client without Origin is no browser, and no page can make it connect.

    Args:
        websocket: not accepted yet.
        allowed: origins of the sites whose pages may come as well as our own.

    Raises:
        ProblemError: "origin_not_allowed" or "subprotocol_required".
    """
    origin = websocket.headers.get("origin")
    if origin is not None and not _is_at(origin, websocket.headers.get("host", "")) and origin not in allowed:
        raise ProblemError("origin_not_allowed")
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise ProblemError("subprotocol_required")


def _is_at(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # no address at all, as http://[::1
        return False
