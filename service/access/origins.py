"""Pages of other sites may not use the service, unless the settings allow their origins."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from service.problems import ProblemError


def check_origin(connection: HTTPConnection, allowed: tuple[str, ...]) -> None:
    """Refuse pages of other sites.

    A request without Origin comes from no browser, or from a browser in which its user opened the address.

    Args:
        connection: a request, or a websocket that is not accepted yet.
        allowed: origins of other sites whose pages may use the service as well as its own page.

    Raises:
        ProblemError: "origin_not_allowed".
    """
    origin = connection.headers.get("origin")
    if origin is not None and not _is_at(origin, connection.headers.get("host", "")) and origin not in allowed:
        raise ProblemError("origin_not_allowed")


def _is_at(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # not a URL, such as http://[::1
        return False
