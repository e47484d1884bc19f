"""The page: its files at every address that is no route, and `/page.json`, which it asks about itself."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from service.site.security import VENDOR
from service.site.vendor import WEB, holistic_path
from service.state import state_of

router = APIRouter(include_in_schema=False)


@router.get("/page.json")
async def described(request: Request) -> dict[str, str | bool | None]:
    """The path of the browser's own Holistic or null, whether signs can be taught, and whether captions are sent on.

    To find out by asking for what is not there would be an error in the browser's console.
    """
    state = state_of(request)
    return {
        "holistic": holistic_path(),
        "lexicons": state.lexicons is not None,
        "forwards": bool(state.outputs),
    }


@router.head("/watch/{session}")
@router.get("/watch/{session}")
async def watch(session: str) -> FileResponse:
    """The page that shows the captions of a session elsewhere; it finds out by itself whether there are any."""
    return FileResponse(WEB / "watch.html")


class Page:
    """Serves the page's files, compressed where the browser can read that, at every address that is no route.

    A mount at "/" would also match the routes' addresses, and a wrong method there would be "not found".
    """

    def __init__(self, otherwise: ASGIApp, folder: Path = WEB) -> None:
        self._files = StaticFiles(directory=folder, html=True)
        self._compressed = GZipMiddleware(self._files)
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        await self._chosen(scope)(scope, receive, send)

    def _chosen(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return self._otherwise
        # What privacy mode runs is large and kept by the browser: compressing it for each would only cost time.
        return self._files if scope["path"].startswith(VENDOR) else self._compressed
