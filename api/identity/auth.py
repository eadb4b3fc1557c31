"""Authenticate requests by their bearer token, as ASGI middleware."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from api.config import TokenConfig
from api.errors import Problem, RateLimited, Unauthenticated, Unavailable
from api.identity.key_set import KeySet
from api.identity.keys import (
    ACCESS_TOKEN,
    KeyRing,
    KeysUnavailable,
    TooManyUnknownKeys,
    shared_secrets,
)
from api.identity.revocations import Revocations
from api.identity.tokens import Claims, InvalidToken, Verifier
from api.rate_limits import RateLimits
from api.telemetry import records
from api.telemetry.log_limits import LIMITED, Throttle, before

log = logging.getLogger(__name__)

# RFC 9110 §11.4: the scheme is case-insensitive, and one or more spaces follow it. Nothing may
# follow the token.
_SCHEME = re.compile(rb"bearer(\s|$)", re.IGNORECASE)
_BEARER = re.compile(rb"bearer +([\w.-]+)", re.IGNORECASE)


def verifier(config: TokenConfig, key_set: KeySet | None = None) -> Verifier:
    """Return the verifier of access tokens for this configuration.

    It accepts tokens under the shared secrets only if the configuration does.
    """
    secrets = config.secrets if config.accepts_shared_secrets else []
    return Verifier(
        KeyRing(shared_secrets(secrets, ACCESS_TOKEN, raw=config.raw_secret_tokens), key_set),
        issuer=config.issuer,
        audience=config.audience,
        max_age=config.access_token_max_age,
    )


class Authentication:
    """Verifies the token of a request, and that its session and its owner are not revoked.

    An async context manager: inside it, the revocations and the key set, if there is one, are kept
    up to date in the background.
    """

    def __init__(
        self, verifier: Verifier, revocations: Revocations, key_set: KeySet | None = None
    ) -> None:
        self.revocations = revocations
        self._verifier = verifier
        self._key_set = key_set
        self._running = AsyncExitStack()
        self._rejections = RejectionLog()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.revocations)
        if self._key_set:
            await self._running.enter_async_context(self._key_set)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Claims:
        """Return the claims of the request's token.

        Raises Unauthenticated when the token is missing, invalid or revoked. Raises Unavailable or
        RateLimited when the token cannot be verified at the moment.
        """
        began = records.clock()
        try:
            claims = await self._authenticate(_token(headers))
        finally:
            records.ended("token", began)
        if record := records.current():
            record.owner = claims.user_id
        return claims

    async def _authenticate(self, token: str) -> Claims:
        try:
            claims = await self._verifier.verify(token)
        except TooManyUnknownKeys:
            raise RateLimited from None
        except KeysUnavailable:
            raise Unavailable from None
        except InvalidToken as reason:
            self._rejections.add(str(reason))
            raise Unauthenticated(token_sent=True) from None
        await self.check_not_revoked(claims)
        return claims

    async def check_not_revoked(self, claims: Claims) -> None:
        """Raise Unauthenticated when the session or the owner of these claims is revoked.

        Raises Unavailable when the revocations are not known at the moment.
        """
        if await self.revocations.is_revoked(claims):
            self._rejections.add("its session or owner was revoked")
            raise Unauthenticated(token_sent=True)


class RejectionLog:
    """Logs why tokens were rejected, with at most one line a second for each reason.

    The limit is checked before a log record is made, so that a flood of bad tokens costs little.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._throttle = Throttle(clock)

    def add(self, reason: str) -> None:
        """Log a reason, and how many lines for it were omitted before. The reasons are fixed."""
        count = self._throttle.left_out(reason)
        if count is not None:
            log.info("token rejected: %s%s", reason, before(count), extra=LIMITED)


class Authenticated:
    """ASGI middleware that puts the claims of an authenticated request in `scope["state"]`.

    It can wrap a single route or a whole app. It takes one request from the caller's quota or, if
    the token is refused, from the quota of the client's address. Headers about the caller's quota
    are put in `scope["state"]` as well, as `rate_limit`.
    """

    def __init__(
        self, app: ASGIApp, authentication: Authentication, limits: RateLimits | None = None
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._limits = limits or RateLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app if the request is authenticated. Otherwise respond before reading a body."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["claims"] = await self.authenticate(
                scope, scope["headers"]
            )
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def authenticate(self, scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> Claims:
        """Return the claims of the token in these headers, and take one request from a quota.

        Raises the errors of `Authentication.authenticate`, and RateLimited.
        """
        try:
            claims = await self._authentication.authenticate(headers)
        except Unauthenticated:
            self._limits.charge_refused(scope)
            raise
        if remaining := self._limits.charge(claims.user_id):
            scope.setdefault("state", {})["rate_limit"] = remaining
        return claims


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    sent = [value for name, value in headers if name == b"authorization"]
    if not sent or (len(sent) == 1 and not _SCHEME.match(sent[0])):
        raise Unauthenticated(token_sent=False)
    match = _BEARER.fullmatch(sent[0])
    if len(sent) > 1 or match is None:
        raise Unauthenticated(token_sent=True)
    return match[1].decode()
