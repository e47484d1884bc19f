"""Puts the application together. Importing this module does no work; the models are loaded when the application starts.

`python -m service` is the usual way to run it; `uvicorn --factory service.app:create_app` takes uvicorn's options.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware

from glosscast import __version__
from service import problems
from service.access.hosts import Hosts, hosts_of
from service.inference.engine import Connect, MakeTracker
from service.live import connection
from service.live.registry import Registry
from service.live.transcripts import Transcripts
from service.live.views import Views
from service.observe.metrics import RequestMetrics
from service.rest import lexicons, routes, views
from service.settings import Settings, load_settings
from service.site import docs, page
from service.site.security import SecurityHeaders
from service.state import State

# FastAPI has traces, figures and logs of its own, which it would send with paths, queries and the texts of exceptions.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(
    settings: Settings | None = None, make_tracker: MakeTracker | None = None, connect: Connect | None = None
) -> FastAPI:
    """The application; its start loads the bundle, the model and the trackers' pool.

    Args:
        settings: by default from the environment.
        make_tracker: makes a tracker, which finds keypoints in pictures; by default the extractor of the settings.
        connect: connects to recognisers in other processes, as `service.ray` does; by default one is loaded here.

    Raises:
        SettingsError: the environment holds a wrong setting.
        StartError: the service would be open to strangers, a file for access is wrong, or traces cannot be sent.
    """
    settings = settings or load_settings()
    state = State(settings, make_tracker, connect=connect)
    app = FastAPI(
        title="Glosscast",
        version=__version__,
        summary="Sign-language recognition: glosses from clips and live streams",
        docs_url=None,
        telemetry=NO_TELEMETRY,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.glosscast = state
    app.state.registry = Registry(settings.max_streams, state.metrics)
    app.state.transcripts = Transcripts(settings.captions_s)
    app.state.views = Views(settings.captions_s, settings.max_viewers, state.metrics)
    problems.install(app)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(Hosts, allowed=hosts_of(settings))
    app.add_middleware(RequestMetrics, metrics=state.metrics, tracing=state.tracing)
    app.add_middleware(SecurityHeaders)
    for module in (views, routes, lexicons, connection, docs, page):
        app.include_router(module.router)
    app.router.default = page.Page(app.router.default)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: State = app.state.glosscast
    state.open()
    state.outputs.start()
    try:
        yield
    finally:
        await state.outputs.close(state.settings.grace_s)
        state.close()
