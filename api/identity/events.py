"""Receive Security Event Tokens at `POST /events`: revoke sessions, and purge deleted accounts.

The tokens (RFC 8417) are pushed over HTTP (RFC 8935). The event session-revoked of OpenID CAEP 1.0
says that a session has ended. The event account-purged of OpenID RISC 1.0 says that an account was
deleted.
"""

import logging
import time
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import bodies
from api.errors import Problem, RateLimited, Unavailable
from api.identity.keys import KeyRing
from api.identity.model import Kind
from api.identity.revocations import Revocations, SecurityEvent
from api.identity.tokens import (
    LEEWAY,
    LIFE_MARGIN,
    InvalidToken,
    audiences,
    seconds,
    text,
    verify_signature,
)
from api.media_types import is_utf8
from api.postgres.database import Database, Transaction
from api.rate_limits import RateLimits

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/secevent+jwt"
"""The media type of a request (RFC 8935 §2.1)."""
MAX_BODY = 64 * 1024
"""The most bytes of a request's body."""
BODY_TIMEOUT = 5.0
"""Seconds for the whole body to arrive. It is short: the sender is not authenticated yet."""
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
"""The type of the event that ends one session (CAEP 1.0 §3.1)."""
ACCOUNT_PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
"""The type of the event that deletes an account (RISC 1.0 §2.2)."""


class InvalidEvent(Exception):
    """An event was rejected. `err` is a code of RFC 8935 §2.4, and `description` a fixed text."""

    def __init__(self, err: str, description: str, status: int = 400) -> None:
        super().__init__(err, description)
        self.err = err
        self.description = description
        self.status = status

    def response(self) -> Response:
        """Return the error response of RFC 8935 §2.3."""
        content = orjson.dumps({"err": self.err, "description": self.description})
        headers = {"Content-Language": "en"}
        if self.status == 405:
            headers["Allow"] = "POST"
        if self.status == 408:  # RFC 9110 §15.5.9
            headers["Connection"] = "close"
        return Response(content, self.status, headers, "application/json")


class Reader:
    """Verifies the events of one issuer for one audience. If `issuer` is None, any is accepted.

    `max_age` is the longest lifetime of an access token, in seconds. Older events are rejected:
    every token that they could revoke has expired.
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
        """Return the event in a token. Raises InvalidEvent when the token is not valid.

        Raises KeysUnavailable when the issuer's keys are not known at the moment.
        """
        try:
            claims, _ = await verify_signature(token, self._keys, ("secevent+jwt",))
        except InvalidToken as reason:
            raise InvalidEvent("invalid_key", f"the signature is not valid: {reason}") from None
        try:
            return self._event(claims)
        except InvalidToken as reason:
            raise InvalidEvent("invalid_request", str(reason)) from None

    def _event(self, claims: dict[str, object]) -> SecurityEvent:
        """Return the event in these claims. Raises InvalidToken and InvalidEvent."""
        issuer = text(claims, "iss", 255)
        if issuer is None or (self._issuer and _normalized(issuer) != _normalized(self._issuer)):
            raise InvalidEvent("invalid_issuer", "wrong iss")
        if self._audience not in audiences(claims):
            raise InvalidEvent("invalid_audience", "wrong aud")
        issued_at, now = seconds(claims, "iat"), self._clock()
        if issued_at is None or issued_at > now + LEEWAY:
            raise InvalidToken("iat is missing or in the future")
        if issued_at < now - self._max_age - LIFE_MARGIN:
            raise InvalidToken("iat is too long ago")
        jti = text(claims, "jti", 255)
        if jti is None:
            raise InvalidToken("no jti")
        text(claims, "txn", 255)  # unused, but must be a text if it is there
        if not claims.keys().isdisjoint({"exp", "sub"}):  # RFC 8417 §2.2 and §4.6
            raise InvalidToken("exp and sub belong to access tokens")
        kind, subject = self._subject(claims.get("events"), claims.get("sub_id"), issuer)
        return SecurityEvent(_normalized(issuer), jti, kind, subject)

    def _subject(self, events: object, subject: object, issuer: str) -> tuple[Kind, str]:
        """Return what the event revokes: the session, or the owner whose account was deleted.

        An event names them with the subject identifiers of RFC 9493. Raises InvalidToken.
        """
        if not isinstance(events, dict) or len(events) != 1:
            raise InvalidToken("not exactly one event")
        [(name, payload)] = events.items()
        if name == SESSION_REVOKED and isinstance(payload, dict):
            seconds(payload, "event_timestamp")
            parts = _identifier(subject, "complex", "user", "session")
            _user(parts["user"], issuer)
            session = _identifier(parts["session"], "opaque", "id")
            return Kind.SESSION, text(session, "id", 255) or ""
        if name == ACCOUNT_PURGED and isinstance(payload, dict):
            return Kind.OWNER, _user(subject, issuer)
        raise InvalidToken("an unsupported event type")


class Events:
    """The ASGI app of `POST /events`. It responds 202 after it has stored an event.

    If the event says that an account was deleted, `purge` is called first, in the same transaction,
    to delete all rows of that owner. `create_app` passes `owned.retention.purge`.

    Rejected events are limited by the address of their sender. Accepted events are not limited: an
    ended session must be revoked at once, and only the issuer can sign an event.
    """

    def __init__(
        self,
        reader: Reader,
        database: Database,
        revocations: Revocations,
        purge: Callable[[Transaction, str], Awaitable[None]],
        limits: RateLimits | None = None,
    ) -> None:
        self._reader = reader
        self._database = database
        self._revocations = revocations
        self._purge = purge
        self._limits = limits or RateLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            response = await self._answer(Request(scope, receive))
        except InvalidEvent as error:
            response = self._rejection(scope, error)
        except Unavailable as outage:
            response = outage.response()
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise InvalidEvent("invalid_request", "send a POST", 405)
        if not is_utf8(request.headers.get("content-type", "")[:512].encode("latin-1"), MEDIA_TYPE):
            raise InvalidEvent("invalid_request", f"send {MEDIA_TYPE}", 415)
        try:
            body = await bodies.read(request.scope, request.receive, MAX_BODY, BODY_TIMEOUT)
        except Problem as problem:
            raise InvalidEvent("invalid_request", problem.message, problem.status) from None
        event = await self._reader.read(body.decode("latin-1"))
        async with self._database.transaction() as transaction:
            if event.kind == Kind.OWNER and not await self._revocations.is_recorded(
                transaction, event
            ):
                await self._purge(transaction, event.subject)
            await self._revocations.record(transaction, event)
        await self._revocations.announce()
        return Response(status_code=202)

    def _rejection(self, scope: Scope, error: InvalidEvent) -> Response:
        try:
            self._limits.charge_refused(scope)
        except RateLimited as limited:
            return limited.response()
        log.warning("security event rejected: %s: %s", error.err, error.description)
        return error.response()


def _identifier(subject: object, form: str, *members: str) -> dict[str, object]:
    """Return a subject identifier. Raises InvalidToken unless it has this format.

    `members` are all members of an identifier of the format, besides `format`.
    """
    if (
        isinstance(subject, dict)
        and subject.keys() == {"format", *members}
        and subject["format"] == form
    ):
        return subject
    raise InvalidToken(f"not a subject identifier of the format {form}")


def _user(subject: object, issuer: str) -> str:
    """Return the owner in a subject identifier of the format `iss_sub`.

    Raises InvalidToken if the identifier is malformed, or names another issuer.
    """
    named = _identifier(subject, "iss_sub", "iss", "sub")
    if _normalized(text(named, "iss", 255) or "") != _normalized(issuer):
        raise InvalidToken("the subject belongs to another issuer")
    return text(named, "sub", 255) or ""


def _normalized(issuer: str) -> str:
    """Return the issuer without a trailing slash, as issuers are compared and stored."""
    return issuer.removesuffix("/")
