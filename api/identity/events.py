"""`POST /events`: what the issuer says has ended, and from when on it is refused.

Security Event Tokens (RFC 8417) pushed over HTTP (RFC 8935). A session that ended comes as CAEP's
session-revoked, a deleted account as RISC's account-purged (OpenID CAEP 1.0 and RISC 1.0).
"""

import logging
import time
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import bodies
from api.errors import Problem, Unavailable
from api.identity.keys import KeyRing
from api.identity.model import Kind
from api.identity.revocations import Revocations, SecurityEvent
from api.identity.tokens import LEEWAY, LIFE_MARGIN, InvalidToken, audiences, opened, seconds, text
from api.media_types import is_utf8
from api.postgres.database import Database, Transaction

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/secevent+jwt"
MAX_BODY = 64 * 1024
"""Bytes."""
BODY_TIMEOUT = 5.0
"""Seconds for all of it: who sends it is not known yet."""
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
ACCOUNT_PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged"


class Refused(Exception):
    """An event that is not taken: a code of RFC 8935 §2.4, and fixed words to describe it."""

    def __init__(self, err: str, description: str, status: int = 400) -> None:
        super().__init__(err, description)
        self.err = err
        self.description = description
        self.status = status

    def response(self) -> Response:
        """RFC 8935 §2.3."""
        told = orjson.dumps({"err": self.err, "description": self.description})
        headers = {"Content-Language": "en"}
        if self.status == 405:
            headers["Allow"] = "POST"
        if self.status == 408:  # RFC 9110 §15.5.9
            headers["Connection"] = "close"
        return Response(told, self.status, headers, "application/json")


class Reader:
    """Reads events of one issuer for one audience; an issuer of None is any.

    `max_age` is the longest life of a token in seconds: an event older than that is over.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        issuer: str | None,
        audience: str,
        max_age: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._max_age = max_age
        self._clock = clock

    async def read(self, token: str) -> SecurityEvent:
        """The one event in a good token. Raises Refused for any other."""
        try:
            claims, _ = await opened(token, self._keys, ("secevent+jwt",))
        except InvalidToken as reason:
            raise Refused("invalid_key", f"not signed as agreed: {reason}") from None
        try:
            return self._event(claims)
        except InvalidToken as reason:
            raise Refused("invalid_request", str(reason)) from None

    def _event(self, claims: dict[str, object]) -> SecurityEvent:
        issuer = text(claims, "iss", 255)
        if issuer is None or (self._issuer and _bare(issuer) != _bare(self._issuer)):
            raise Refused("invalid_issuer", "another iss")
        if self._audience not in audiences(claims):
            raise Refused("invalid_audience", "another aud")
        issued_at, now = seconds(claims, "iat"), self._clock()
        if issued_at is None or issued_at > now + LEEWAY:
            raise InvalidToken("no iat, or one from the future")
        if issued_at < now - self._max_age - LIFE_MARGIN:
            raise InvalidToken("an iat from long ago")
        jti = text(claims, "jti", 255)
        if jti is None:
            raise InvalidToken("no jti")
        text(claims, "txn", 255)
        if not claims.keys().isdisjoint({"exp", "sub"}):  # RFC 8417 §2.2 and §4.6
            raise InvalidToken("an access token's claims in it")
        kind, subject = self._ended(claims.get("events"), claims.get("sub_id"), issuer)
        return SecurityEvent(_bare(issuer), jti, kind, subject)

    def _ended(self, events: object, subject: object, issuer: str) -> tuple[Kind, str]:
        """What has ended. Subject identifiers are those of RFC 9493."""
        if not isinstance(events, dict) or len(events) != 1:
            raise InvalidToken("not one event")
        [(name, said)] = events.items()
        if name == SESSION_REVOKED and isinstance(said, dict):
            seconds(said, "event_timestamp")
            parts = _identifier(subject, "complex", "user", "session")
            _user(parts["user"], issuer)
            session = _identifier(parts["session"], "opaque", "id")
            return Kind.SESSION, text(session, "id", 255) or ""
        if name == ACCOUNT_PURGED and isinstance(said, dict):
            return Kind.OWNER, _user(subject, issuer)
        raise InvalidToken("an event that nobody here knows")


class Events:
    """The endpoint, an ASGI app. An event that was answered 202 need not be sent again.

    `purge` deletes all that an owner has, when the issuer says that the account was deleted.
    """

    def __init__(
        self,
        reader: Reader,
        database: Database,
        revocations: Revocations,
        purge: Callable[[Transaction, str], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._database = database
        self._revocations = revocations
        self._purge = purge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one push."""
        try:
            response = await self._answer(Request(scope, receive))
        except Refused as refused:
            log.warning("security event refused: %s: %s", refused.err, refused.description)
            response = refused.response()
        except Unavailable as outage:
            response = outage.response()
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise Refused("invalid_request", "send a POST", 405)
        if not is_utf8(request.headers.get("content-type", "")[:512].encode("latin-1"), MEDIA_TYPE):
            raise Refused("invalid_request", f"send {MEDIA_TYPE}", 415)
        try:
            body = await bodies.read(request.scope, request.receive, MAX_BODY, BODY_TIMEOUT)
        except Problem as problem:
            raise Refused("invalid_request", problem.message, problem.status) from None
        event = await self._reader.read(body.decode("latin-1"))
        async with self._database.transaction() as transaction:
            if event.kind == Kind.OWNER and not await self._revocations.has_taken(
                transaction, event
            ):
                await self._purge(transaction, event.subject)
            await self._revocations.take(transaction, event)
        await self._revocations.announce()
        return Response(status_code=202)


def _identifier(subject: object, form: str, *members: str) -> dict[str, object]:
    """A subject identifier of this format, with these members and no others."""
    if (
        isinstance(subject, dict)
        and subject.keys() == {"format", *members}
        and subject["format"] == form
    ):
        return subject
    raise InvalidToken(f"not a subject of the format {form}")


def _user(subject: object, issuer: str) -> str:
    """The owner that an `iss_sub` names, who must be of the event's own issuer."""
    named = _identifier(subject, "iss_sub", "iss", "sub")
    if _bare(text(named, "iss", 255) or "") != _bare(issuer):
        raise InvalidToken("a subject of another issuer")
    return text(named, "sub", 255) or ""


def _bare(issuer: str) -> str:
    """As tokens are compared: without a trailing slash."""
    return issuer.removesuffix("/")
