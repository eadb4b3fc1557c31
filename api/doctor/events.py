"""Check that the running API accepts the security events that the web app pushes."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Final
from uuid import uuid4

import httpx
import jwt
import orjson

from api.doctor.clocks import Clocks
from api.doctor.finding import Finding
from api.doctor.responses import NoResponse, response_to
from api.doctor.settings import Settings
from api.identity.events import MEDIA_TYPE
from api.identity.keys import SECURITY_EVENT, derive

UNSUPPORTED: Final = "https://bearer-tasks.invalid/event-type/doctor"
"""An event type that no API supports. The API verifies everything else first, and stores nothing.

It responds 400 with `invalid_request`, as it does to every event that is valid up to its content.
"""
MAX_BYTES: Final = 4096
"""The most bytes of an error response that are read."""
_HEADERS: Final = {
    "Content-Type": MEDIA_TYPE,
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a small compressed body may have gigabytes
}
_FIXES: Final[Mapping[str | None, str]] = {
    "invalid_key": "use the same BETTER_AUTH_SECRET here and for the running API, and restart the "
    "program whose settings you changed",
    "invalid_issuer": "use the same NEXT_PUBLIC_BETTER_AUTH_URL and JWT_ISSUER here and for the "
    "running API",
    "invalid_audience": "use the same API_URL here and for the running API",
}
"""How to correct the errors of RFC 8935 §2.4 that a difference between the settings causes."""


async def check(config: Settings, clocks: Clocks, patience: float) -> AsyncIterator[Finding]:
    """Push an event of an unsupported type to the URL to which the web app pushes events.

    The clock of the API is read too. The API has `patience` seconds to respond.
    """
    about, url = "events", config.pushed_to
    began = time.time()
    pushing = response_to("POST", url, patience, content=_event(config), headers=_HEADERS)
    try:
        async with pushing as response:
            err = await _err(response)
    except NoResponse as error:
        if config.events_url:
            yield Finding(about, str(error), "start the API, or correct the web app's EVENTS_URL")
        else:
            hint = "if the API runs, set EVENTS_URL to check how the web app reaches it"
            yield Finding(about, f"{error}; {hint}")
        return
    if err == "invalid_request":
        yield Finding(about, f"{url} accepts events that the web app signs with these settings")
    elif fix := _FIXES.get(err):
        detail = f"{url} rejects events that the web app signs with these settings: {err}"
        yield Finding(about, detail, fix)
    else:
        detail = f"{url} responds with {response.status_code}, and not as the API's /events does"
        fix = (
            "correct the web app's EVENTS_URL, or its API_URL; after a 429 or 503, try again later"
        )
        yield Finding(about, detail, fix)
        return
    clocks.record_header("the API", response.headers.get("date", ""), time.time() - began)


def _event(config: Settings) -> str:
    """Return a Security Event Token as the web app signs it, of a type that has no effect."""
    claims = {
        "iss": config.issuer or config.next_public_better_auth_url,
        "aud": f"{config.api_url}/events",
        "iat": int(time.time()),
        "jti": str(uuid4()),
        "txn": "doctor",
        "sub_id": {"format": "opaque", "id": "doctor"},
        "events": {UNSUPPORTED: {}},
    }
    key = derive(config.secrets[0].encode(), SECURITY_EVENT)
    return jwt.encode(claims, key, "HS256", headers={"typ": "secevent+jwt"})


async def _err(response: httpx.Response) -> str | None:
    """Return the `err` of an error response of RFC 8935; None for any other response."""
    if response.status_code != httpx.codes.BAD_REQUEST:
        return None
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            return None
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    err = content.get("err") if isinstance(content, dict) else None
    return err if isinstance(err, str) else None
