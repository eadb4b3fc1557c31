"""Security events as the web app signs and pushes them."""

import json
import secrets
import time
from typing import Any

import httpx
import jwt

from api.identity.events import ACCOUNT_PURGED, SESSION_REVOKED
from api.identity.keys import SECURITY_EVENT, derive
from tests import plain
from tests.conftest import SECRET, SITE

EVENT_KEY = derive(SECRET.encode(), SECURITY_EVENT)
AUDIENCE = "http://localhost:8000/events"
TYPE = "application/secevent+jwt"


def user(owner: str) -> dict[str, str]:
    """A person, as a subject identifier (RFC 9493)."""
    return {"format": "iss_sub", "iss": SITE, "sub": owner}


def session(owner: str, sid: str) -> dict[str, Any]:
    """A session of theirs."""
    return {
        "format": "complex",
        "user": user(owner),
        "session": {"format": "opaque", "id": sid},
    }


def revoked(owner: str, sid: str, **claims: object) -> dict[str, object]:
    """The claims of an event that this session has ended, but for these; `...` leaves one out."""
    return _event(
        {SESSION_REVOKED: {"event_timestamp": int(time.time())}}, session(owner, sid), claims
    )


def purged(owner: str, **claims: object) -> dict[str, object]:
    """The claims of an event that says this account is gone."""
    return _event({ACCOUNT_PURGED: {}}, user(owner), claims)


def _event(events: object, subject: object, claims: dict[str, object]) -> dict[str, object]:
    good: dict[str, object] = {
        "iss": SITE,
        "aud": AUDIENCE,
        "iat": int(time.time()),
        "jti": secrets.token_hex(8),
        "txn": secrets.token_hex(8),
        "sub_id": subject,
        "events": events,
    }
    return {name: value for name, value in (good | claims).items() if value is not ...}


def signed(claims: dict[str, object], typ: str = "secevent+jwt", key: bytes = EVENT_KEY) -> str:
    """The token."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, "HS256", headers={"typ": typ})


def push(url: str, claims: dict[str, object]) -> httpx.Response:
    """Delivers it."""
    return deliver(url, signed(claims))


def deliver(url: str, token: str | bytes, media_type: str = TYPE) -> httpx.Response:
    """Delivers these very octets."""
    headers = {"Content-Type": media_type, "Accept": "application/json"}
    return plain.post(f"{url}/events", content=token, headers=headers, timeout=30)
