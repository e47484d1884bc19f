"""The authorisation of REST requests, as a dependency of their routes that the OpenAPI description shows."""

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from service.access.auth import Caller
from service.access.keys import Role
from service.access.origins import check_origin
from service.state import state_of

ACCESS_PROBLEMS = ("not_authenticated", "not_allowed", "origin_not_allowed", "too_many_requests")


class Authorised(SecurityBase):
    """A dependency that requires a key with `role`, or any key, and refuses pages of other sites.

    It runs before the body of a request is read.
    """

    def __init__(self, role: Role | None = None) -> None:
        self.model = HTTPBearer(description="An API key. A service that listens on its own machine alone needs none.")
        self.scheme_name = "key"
        self._role = role

    async def __call__(self, request: Request) -> Caller:
        """The caller.

        Raises:
            ProblemError: "origin_not_allowed", "not_authenticated", "not_allowed" or "too_many_requests".
        """
        state = state_of(request)
        check_origin(request, state.settings.allowed_origins)
        return state.access.authorise(request, self._role)
