"""Security Event Tokens that `/events` accepts, and those that it rejects."""

import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from api.identity.events import ACCOUNT_PURGED, BODY_TIMEOUT, SESSION_REVOKED
from api.identity.keys import ACCESS_TOKEN, derive
from tests import plain, stack
from tests.conftest import KEY, SECRET, SITE, Caller, mint
from tests.events import EVENT_KEY, TYPE, deliver, purged, push, revoked, session, signed, user
from tests.waiting import PATIENCE, SLACK

WHO = "{ viewer { id } }"
NOW = time.time


def claims_of(caller: Caller) -> dict[str, Any]:
    return jwt.decode(caller.token, options={"verify_signature": False})


def test_revoked_session_is_answered_401_and_other_sessions_are_not(
    api: stack.Server, new_caller: Callable[[], Caller]
) -> None:
    ada, bob = new_caller(), new_caller()
    elsewhere = Caller(ada.url, ada.user, mint(ada.user))
    assert ada(WHO)
    answer = push(api.url, revoked(ada.user, claims_of(ada)["sid"]))
    assert (answer.status_code, answer.content) == (202, b"")
    refusal = ada.post(WHO)
    assert refusal.status_code == 401
    assert refusal.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert refusal.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert elsewhere(WHO)
    assert bob(WHO)


def test_session_is_revoked_though_its_issuer_ends_in_a_slash(
    api: stack.Server, ada: Caller
) -> None:
    token = mint(ada.user, iss=f"{SITE}/", sid="with-slash")
    caller = Caller(api.url, ada.user, token)
    assert caller(WHO)
    assert push(api.url, revoked(ada.user, "with-slash")).status_code == 202
    assert caller.post(WHO).status_code == 401


def test_repeated_event_has_no_second_effect(api: stack.Server, ada: Caller) -> None:
    jti = secrets.token_hex(8)
    assert push(api.url, revoked("nobody", secrets.token_hex(8), jti=jti)).status_code == 202
    assert push(api.url, revoked(ada.user, claims_of(ada)["sid"], jti=jti)).status_code == 202
    assert push(api.url, purged(ada.user, jti=jti)).status_code == 202
    task = ada.create()
    assert ada("query ($id: ID!) { task(id: $id) { id } }", id=task["id"])


def test_event_that_is_a_day_old_is_accepted(api: stack.Server, ada: Caller) -> None:
    claims = revoked(ada.user, claims_of(ada)["sid"], iat=int(NOW()) - 86_400, txn=...)
    claims["events"] = {SESSION_REVOKED: {}}
    assert push(api.url, claims).status_code == 202
    assert ada.post(WHO).status_code == 401


@pytest.mark.parametrize("typ", ["application/secevent+jwt", "SecEvent+JWT", "secevent+jwt"])
def test_event_may_write_its_typ_in_full_and_list_its_audiences(
    api: stack.Server, ada: Caller, typ: str
) -> None:
    claims = revoked(ada.user, claims_of(ada)["sid"], aud=["x", "http://localhost:8000/events"])
    assert deliver(api.url, signed(claims, typ=typ)).status_code == 202
    assert ada.post(WHO).status_code == 401


BAD_CLAIMS: dict[str, tuple[str, Callable[[str, str], dict[str, object]]]] = {
    "another issuer": ("invalid_issuer", lambda u, s: revoked(u, s, iss="https://evil.example")),
    "no issuer": ("invalid_issuer", lambda u, s: revoked(u, s, iss=...)),
    "issuers": ("invalid_request", lambda u, s: revoked(u, s, iss=[SITE])),
    "the token's audience": ("invalid_audience", lambda u, s: revoked(u, s, aud=SITE)),
    "no audience": ("invalid_audience", lambda u, s: revoked(u, s, aud=...)),
    "other audiences": ("invalid_audience", lambda u, s: revoked(u, s, aud=[SITE, "x"])),
    "an audience that is no text": (
        "invalid_request",
        lambda u, s: revoked(u, s, aud=["http://localhost:8000/events", 7]),
    ),
    "eleven audiences": (
        "invalid_request",
        lambda u, s: revoked(u, s, aud=["http://localhost:8000/events"] * 11),
    ),
    "no iat": ("invalid_request", lambda u, s: revoked(u, s, iat=...)),
    "iat as text": ("invalid_request", lambda u, s: revoked(u, s, iat=str(int(NOW())))),
    "iat ahead": ("invalid_request", lambda u, s: revoked(u, s, iat=int(NOW()) + 40)),
    "iat long ago": ("invalid_request", lambda u, s: revoked(u, s, iat=int(NOW()) - 86_470)),
    "no jti": ("invalid_request", lambda u, s: revoked(u, s, jti=...)),
    "an empty jti": ("invalid_request", lambda u, s: revoked(u, s, jti="")),
    "a long jti": ("invalid_request", lambda u, s: revoked(u, s, jti="j" * 256)),
    "a jti with a NUL": ("invalid_request", lambda u, s: revoked(u, s, jti="j\0")),
    "txn as number": ("invalid_request", lambda u, s: revoked(u, s, txn=1)),
    "an exp": ("invalid_request", lambda u, s: revoked(u, s, exp=int(NOW()) + 60)),
    "a sub": ("invalid_request", lambda u, s: revoked(u, s, sub=u)),
    "no events": ("invalid_request", lambda u, s: revoked(u, s, events=...)),
    "an empty events": ("invalid_request", lambda u, s: revoked(u, s, events={})),
    "events as a list": ("invalid_request", lambda u, s: revoked(u, s, events=[SESSION_REVOKED])),
    "two events": (
        "invalid_request",
        lambda u, s: revoked(u, s, events={SESSION_REVOKED: {}, ACCOUNT_PURGED: {}}),
    ),
    "an unknown event": (
        "invalid_request",
        lambda u, s: revoked(u, s, events={f"{SESSION_REVOKED}x": {}}),
    ),
    "an event that says nothing": (
        "invalid_request",
        lambda u, s: revoked(u, s, events={SESSION_REVOKED: None}),
    ),
    "a time as text": (
        "invalid_request",
        lambda u, s: revoked(u, s, events={SESSION_REVOKED: {"event_timestamp": "1"}}),
    ),
    "no subject": ("invalid_request", lambda u, s: revoked(u, s, sub_id=...)),
    "a subject as text": ("invalid_request", lambda u, s: revoked(u, s, sub_id=s)),
    "a person alone": ("invalid_request", lambda u, _: revoked(u, "", sub_id=user(u))),
    "a session alone": (
        "invalid_request",
        lambda u, s: revoked(u, s, sub_id={"format": "opaque", "id": s}),
    ),
    "a subject with more to it": (
        "invalid_request",
        lambda u, s: revoked(u, s, sub_id=session(u, s) | {"device": {}}),
    ),
    "a person of another issuer": (
        "invalid_request",
        lambda u, s: revoked(
            u, s, sub_id=session(u, s) | {"user": user(u) | {"iss": "https://evil.example"}}
        ),
    ),
    "no sid": (
        "invalid_request",
        lambda u, s: revoked(u, s, sub_id=session(u, s) | {"session": {"format": "opaque"}}),
    ),
    "an empty sid": ("invalid_request", lambda u, _: revoked(u, "")),
    "a sid of another kind": (
        "invalid_request",
        lambda u, s: revoked(
            u, s, sub_id=session(u, s) | {"session": {"format": "opaque", "id": [s]}}
        ),
    ),
    "a session as an account": ("invalid_request", lambda u, s: purged(u, sub_id=session(u, s))),
    "an account of nobody": ("invalid_request", lambda _, __: purged("")),
}


@pytest.mark.parametrize("fault", BAD_CLAIMS)
def test_faulty_event_is_answered_400_and_has_no_effect(
    api: stack.Server, ada: Caller, fault: str
) -> None:
    err, claims = BAD_CLAIMS[fault]
    answer = push(api.url, claims(ada.user, claims_of(ada)["sid"]))
    assert (answer.status_code, answer.json()["err"]) == (400, err)
    assert answer.json().keys() == {"err", "description"}
    assert answer.headers["content-type"] == "application/json"
    assert ada.user not in answer.text
    assert ada(WHO)


def test_event_token_with_a_wrong_key_or_typ_is_answered_400(
    api: stack.Server, ada: Caller
) -> None:
    claims = revoked(ada.user, claims_of(ada)["sid"])
    good = signed(claims)
    for token in (
        signed(claims, key=KEY),
        signed(claims, key=SECRET.encode()),
        signed(claims, key=secrets.token_bytes(32)),
        signed(claims, typ="JWT"),
        signed(claims, typ="at+jwt"),
        signed(claims, typ="application/at+jwt"),
        signed(claims, typ="text/secevent+jwt"),
        jwt.encode(claims, EVENT_KEY, "HS256", headers={"typ": None}),
        jwt.encode(claims, "", "none", headers={"typ": "secevent+jwt"}),
        jwt.encode(claims, EVENT_KEY * 2, "HS512", headers={"typ": "secevent+jwt"}),
        ada.token,
        good[:-1],
        good + "=",
        good + "\n",
        f" {good}",
        "",
        b"\xff" * 100,
    ):
        answer = deliver(api.url, token)
        assert (answer.status_code, answer.json()["err"]) == (400, "invalid_key")
    assert ada(WHO)


def test_event_token_is_no_access_token_and_access_token_is_no_event_token(
    api: stack.Server, ada: Caller
) -> None:
    access = claims_of(ada)
    for token in (
        signed(revoked(ada.user, access["sid"])),
        signed(access, key=KEY),
        signed(access, typ="JWT"),
        signed(access, key=derive(SECRET.encode(), ACCESS_TOKEN), typ="secevent+jwt"),
        signed(access | {"events": {}}, typ="JWT", key=KEY),
    ):
        assert Caller(api.url, ada.user, token).post(WHO).status_code == 401
    assert deliver(api.url, signed(access)).json()["err"] == "invalid_audience"


def test_events_endpoint_checks_media_type_size_and_method(api: stack.Server) -> None:
    event = signed(revoked("nobody", "nothing"))
    for media_type in ("application/json", "application/jwt", "", f"{TYPE};charset=latin-1", "x/y"):
        answer = deliver(api.url, event, media_type)
        assert (answer.status_code, answer.json()["err"]) == (415, "invalid_request")
    for media_type in (TYPE, TYPE.upper(), f'{TYPE}; charset="utf-8"', f"{TYPE}; x=y"):
        assert deliver(api.url, event, media_type).status_code == 202
    assert deliver(api.url, "x" * 65_537).status_code == 413
    assert deliver(api.url, "x" * 65_536).status_code == 400
    read = plain.get(f"{api.url}/events")
    assert (read.status_code, read.headers["allow"]) == (405, "POST")


def test_slow_request_body_is_answered_408(api: stack.Server) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as slow:
        slow.sendall(
            f"POST /events HTTP/1.1\r\nHost: {host}\r\nContent-Type: {TYPE}\r\n"
            "Content-Length: 500\r\n\r\nabc".encode()
        )
        began = time.monotonic()
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < BODY_TIMEOUT + SLACK


def test_events_endpoint_allows_no_other_origin(api: stack.Server) -> None:
    preflight = plain.preflight(f"{api.url}/events", SITE, "content-type")
    pushed = plain.post(f"{api.url}/events", headers={"Origin": SITE})
    for answer in (preflight, pushed):
        assert answer.status_code in {405, 415}
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_event_signed_with_the_previous_secret_is_accepted(
    settings: dict[str, str], tmp_path: Any
) -> None:
    env = settings | {
        "BETTER_AUTH_SECRET": secrets.token_urlsafe(32),
        "BETTER_AUTH_SECRET_PREVIOUS": SECRET,
    }
    api = stack.api(tmp_path, env)
    try:
        ada = Caller(api.url, "ada", mint("ada"))
        assert ada(WHO)
        assert push(api.url, revoked("ada", claims_of(ada)["sid"])).status_code == 202
        assert ada.post(WHO).status_code == 401
    finally:
        api.stop()
