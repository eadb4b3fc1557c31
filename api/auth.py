"""Where a request carries its token, and what a refusal looks like: said once, for every route."""

import logging
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Problem, Unauthenticated, Unavailable
from api.keys import KeysUnavailable
from api.tokens import Claims, InvalidToken, Verifier

log = logging.getLogger(__name__)

# RFC 9110 §11.4: the scheme in any case, one or more spaces. Nothing may stand after the token.
_SCHEME = re.compile(r"bearer(\s|$)", re.ASCII | re.IGNORECASE)
_BEARER = re.compile(r"bearer +([\w.-]+)", re.ASCII | re.IGNORECASE)


class Authenticated:
    """Lets a request through with `scope["state"]["claims"]`, or refuses it before reading it."""

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Verifies the token before the body is read."""
        try:
            claims = await bearer(Headers(scope=scope), self._verifier)
        except Problem as refusal:
            await refusal.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["claims"] = claims
        await self._app(scope, receive, send)


async def bearer(headers: Headers, verifier: Verifier) -> Claims:
    """The claims of the request's token.

    Raises Unauthenticated without a good one, and Unavailable when nobody can tell just now.
    """
    sent = headers.getlist("authorization")
    if not sent or (len(sent) == 1 and not _SCHEME.match(sent[0])):
        raise Unauthenticated(token_sent=False)
    match = _BEARER.fullmatch(sent[0])
    if len(sent) > 1 or match is None:
        raise Unauthenticated(token_sent=True)
    try:
        return await verifier.verify(match[1])
    except KeysUnavailable:
        raise Unavailable from None
    except InvalidToken as reason:
        log.info("token refused: %s", reason)
        raise Unauthenticated(token_sent=True) from None
