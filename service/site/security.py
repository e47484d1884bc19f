"""Response headers: nothing from elsewhere, no frame around the page, the camera for this page alone."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # so that no page of an old version uses a new service
}
API = "/v1/"
API_CACHE = "no-store"  # answers contain the signed glosses
VENDOR = "/vendor/"
VENDOR_CACHE = "max-age=31536000, immutable"  # 37 MB; the version is in the address
# A worker has the policy of its own file: WebAssembly may run there and not in the page.
WORKER = "/js/holistic-worker.js"
WORKER_POLICY = POLICY + "; script-src 'self' 'wasm-unsafe-eval'"


def headers_of(path: str, status: int) -> dict[str, str]:
    """The headers of an answer."""
    if path.startswith(API):
        return HEADERS | {"Cache-Control": API_CACHE}
    if path.startswith(VENDOR) and status == 200:  # a file that is missing now may be fetched later
        return HEADERS | {"Cache-Control": VENDOR_CACHE}
    if path == WORKER:
        return HEADERS | {"Content-Security-Policy": WORKER_POLICY}
    return HEADERS


class SecurityHeaders:
    """ASGI middleware that adds `headers_of` to every HTTP response; a header that is already there stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_of(scope["path"], message["status"]).items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(API):  # FastAPI would have events revalidated, which is to keep them
                    headers["Cache-Control"] = API_CACHE
            await send(message)

        await self._app(scope, receive, add)
