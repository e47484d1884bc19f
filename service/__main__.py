"""`python -m service`: start the web service with the settings of the environment, or make an API key for it."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading

import uvicorn

from service.access import commands
from service.app import create_app
from service.inference.engine import MakeTracker
from service.observe import logs
from service.server import Connection, HttpConnection
from service.settings import Settings, SettingsError, StartError, load_settings
from service.state import State

log = logging.getLogger("glosscast.service")

WRONG_SETTING = 2  # exit code


class _Server(uvicorn.Server):
    """Says where it listens, and lets streams end in order: uvicorn alone would cut them off with code 1012."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers if self.started else []:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                log.info("ready at http://%s:%d", f"[{host}]" if ":" in host else host, port)
        # Only the main thread hears signals.
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_hangup(self) -> None:
        self._reload = asyncio.create_task(self._state.reload())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        await self._state.streams.shut_down(self._state.settings.grace_s)
        await super().shutdown(sockets)


def server(settings: Settings, make_tracker: MakeTracker | None = None) -> uvicorn.Server:
    """A server with everything loaded; see `create_app` for the arguments.

    Raises:
        StartError: the bundle, an execution provider, the extractor or a file for access cannot be used, or strangers
            could get in.
    """
    app = create_app(settings, make_tracker)
    state: State = app.state.glosscast
    state.open()  # before the server starts, so that what is wrong is said in one line
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # its lines go where ours go
        log_level="warning",
        http=HttpConnection,
        ws=Connection,
        timeout_keep_alive=settings.request_s,
        access_log=False,  # it has the clients' addresses; the application logs requests without them
        # Above the limit of the protocol, so that the client is told; far above it, the connection just closes.
        ws_max_size=2 * settings.max_frame_bytes,
        ws_per_message_deflate=False,  # pictures are compressed already
        timeout_graceful_shutdown=settings.grace_s,
        server_header=False,
    )
    return _Server(config, state)


def main() -> int:
    """Run until a signal ends it, or do what the command line says."""
    arguments = commands.parser().parse_args()
    if arguments.command == "keys":
        return commands.add(arguments, dict(os.environ))
    try:
        settings = load_settings()
        logs.set_up(settings.log)
        server(settings).run()
    except (SettingsError, StartError) as error:
        print(error, file=sys.stderr)
        return WRONG_SETTING
    except KeyboardInterrupt:  # uvicorn has ended in order and raises the signal again
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
