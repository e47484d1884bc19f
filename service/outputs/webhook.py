"""The webhook: a signed POST of JSON for each caption and for the start and end of each session."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from time import time

import httpx

from service.outputs.courier import OutputError
from service.protocol.events import Ended, Event, Final, Started

SIGNATURE = "Glosscast-Signature"
TIMEOUT_S = 5.0  # from the connection to the head of the answer
LONGEST_ASKED_S = 30.0  # of a Retry-After
AGAIN = {408, 425, 429}  # and every 5xx

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log each request with its address, which may be secret


class Webhook:
    """Sends events to one address.

    Args:
        url: of the receiver; redirects are not followed.
        secret: signs each request; None leaves them unsigned.
        clock: seconds since 1970.
    """

    name = "webhook"

    def __init__(self, url: str, secret: bytes | None, clock: Callable[[], float] = time) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)

    def wants(self, event: Event) -> bool:
        """Captions, and the start and end of sessions."""
        return isinstance(event, Started | Final | Ended)

    async def look(self) -> None:
        """Nothing can break between two requests."""

    async def send(self, event: Event) -> None:
        """Send one event.

        Raises:
            OutputError: it did not arrive, or the receiver refused it.
        """
        body = event.model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, round(self._clock()), body)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status, asked = answer.status_code, answer.headers.get("retry-after", "")
        except (httpx.HTTPError, TimeoutError) as error:
            raise OutputError(type(error).__name__) from None
        if 200 <= status < 300:
            return
        retryable = status in AGAIN or status >= 500
        after_s = min(LONGEST_ASKED_S, float(asked)) if asked.isdecimal() else 0.0
        raise OutputError(f"the receiver answered {status}", retryable, after_s)

    def skip(self, event: Event) -> None:
        """No event depends on another."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """The header of a request: `t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`."""
    digest = hmac.new(secret, b"%d." % timestamp + body, "sha256").hexdigest()
    return f"t={timestamp},v1={digest}"
