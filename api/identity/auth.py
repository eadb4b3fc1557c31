"""Where a request carries its token, and what a refusal looks like: said once, for every route."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from api.config import TokenConfig
from api.errors import Problem, RateLimited, Unauthenticated, Unavailable
from api.identity.keys import (
    ACCESS_TOKEN,
    KeyRing,
    KeySet,
    KeysUnavailable,
    TooManyUnknownKeys,
    shared_secrets,
)
from api.identity.revocations import Revocations
from api.identity.tokens import Claims, InvalidToken, Verifier
from api.logs import LIMITED, Seldom, before

log = logging.getLogger(__name__)

# RFC 9110 §11.4: the scheme in any case, one or more spaces. Nothing may stand after the token.
_SCHEME = re.compile(rb"bearer(\s|$)", re.IGNORECASE)
_BEARER = re.compile(rb"bearer +([\w.-]+)", re.IGNORECASE)


def verifier(config: TokenConfig, key_set: KeySet | None = None) -> Verifier:
    """Of the tokens that this configuration believes, if any under a shared secret."""
    secrets = config.secrets if config.takes_shared_secrets else []
    return Verifier(
        KeyRing(shared_secrets(secrets, ACCESS_TOKEN, raw=config.raw_secret_tokens), key_set),
        issuer=config.issuer,
        audience=config.audience,
        max_age=config.access_token_max_age,
    )


class Authentication:
    """Who calls: a good token, of a session that has not ended.

    An async context manager: inside it the key set, if there is one, and what is revoked are kept
    up to date.
    """

    def __init__(
        self, verifier: Verifier, revocations: Revocations, key_set: KeySet | None = None
    ) -> None:
        self.revocations = revocations
        self._verifier = verifier
        self._key_set = key_set
        self._running = AsyncExitStack()
        self._refusals = Refusals()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.revocations)
        if self._key_set:
            await self._running.enter_async_context(self._key_set)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    async def of(self, headers: Iterable[tuple[bytes, bytes]]) -> Claims:
        """The claims of the request's token.

        Raises Unauthenticated without a good one; Unavailable and RateLimited when nobody can tell
        just now.
        """
        token = _token(headers)
        try:
            claims = await self._verifier.verify(token)
        except TooManyUnknownKeys:
            raise RateLimited from None
        except KeysUnavailable:
            raise Unavailable from None
        except InvalidToken as reason:
            self._refusals.tell(str(reason))
            raise Unauthenticated(token_sent=True) from None
        await self.still_holds(claims)
        return claims

    async def still_holds(self, claims: Claims) -> None:
        """Raises as `of` does when what was believed before is no longer true."""
        if await self.revocations.refuses(claims):
            self._refusals.tell("its session or owner has ended")
            raise Unauthenticated(token_sent=True)


class Refusals:
    """Logs refused tokens, one line a second for each reason, so that no caller fills the log.

    The limit is checked before a log record is made, so that a flood of bad tokens costs little.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._seldom = Seldom(clock)

    def tell(self, reason: str) -> None:
        """One of a fixed number of reasons, with how often it was left out before."""
        count = self._seldom.left_out(reason)
        if count is not None:
            log.info("token refused: %s%s", reason, before(count), extra=LIMITED)


class Authenticated:
    """Lets a request through with `scope["state"]["claims"]`, or refuses it before reading it.

    An ASGI app around one route, or a middleware before all of them.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Asks for the token before the body is read."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            claims = await self._authentication.of(scope["headers"])
        except Problem as refusal:
            await refusal.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["claims"] = claims
        await self._app(scope, receive, send)


def _token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    sent = [value for name, value in headers if name == b"authorization"]
    if not sent or (len(sent) == 1 and not _SCHEME.match(sent[0])):
        raise Unauthenticated(token_sent=False)
    match = _BEARER.fullmatch(sent[0])
    if len(sent) > 1 or match is None:
        raise Unauthenticated(token_sent=True)
    return match[1].decode()
