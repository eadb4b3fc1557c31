"""Security Event Tokens as the web app signs and sends them."""

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
    """Return the subject identifier of a user (RFC 9493)."""
    return {"format": "iss_sub", "iss": SITE, "sub": owner}


def session(owner: str, sid: str) -> dict[str, Any]:
    """Return the subject identifier of a session (RFC 9493)."""
    return {
        "format": "complex",
        "user": user(owner),
        "session": {"format": "opaque", "id": sid},
    }


def revoked(owner: str, sid: str, **claims: object) -> dict[str, object]:
    """Return the claims of a session's revocation, except for these. `...` omits a claim."""
    return _event(
        {SESSION_REVOKED: {"event_timestamp": int(time.time())}}, session(owner, sid), claims
    )


def purged(owner: str, **claims: object) -> dict[str, object]:
    """Return the claims of an event that an account was deleted."""
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
    """Return a signed token with these claims."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, "HS256", headers={"typ": typ})


def push(url: str, claims: dict[str, object]) -> httpx.Response:
    """Sign and send an event."""
    return deliver(url, signed(claims))


def deliver(url: str, token: str | bytes, media_type: str = TYPE) -> httpx.Response:
    """Send exactly these octets."""
    headers = {"Content-Type": media_type, "Accept": "application/json"}
    return plain.post(f"{url}/events", content=token, headers=headers)
