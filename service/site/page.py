"""The page: its files at every address that is no route, and `/page.json`, which it asks about itself."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from service.site.vendor import WEB, holistic_path
from service.state import state_of

router = APIRouter(include_in_schema=False)


@router.get("/page.json")
async def described(request: Request) -> dict[str, str | bool | None]:
    """The path of the browser's own Holistic, or null, and whether signs can be taught to this service.

    To find out by asking for what is not there would be an error in the browser's console.
    """
    return {"holistic": holistic_path(), "lexicons": state_of(request).lexicons is not None}


class Page:
    """Serves the page's files at every address that is no route.

    A mount at "/" would also match the routes' addresses, and a wrong method there would be "not found".
    """

    def __init__(self, otherwise: ASGIApp, folder: Path = WEB) -> None:
        self._files = StaticFiles(directory=folder, html=True)
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        readable = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        await (self._files if readable else self._otherwise)(scope, receive, send)
