"""The check of websocket handshakes; a wrong one is refused with an HTTP error."""

from starlette.websockets import WebSocket

from glosscast.protocol import SUBPROTOCOL
from service.access.origins import check_origin
from service.problems import ProblemError


def check_handshake(websocket: WebSocket, allowed: tuple[str, ...]) -> None:
    """Refuse pages of other sites, and clients that do not offer the subprotocol; see `check_origin`.

    Raises:
        ProblemError: "origin_not_allowed" or "subprotocol_required".
    """
    check_origin(websocket, allowed)
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise ProblemError("subprotocol_required")
