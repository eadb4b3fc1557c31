"""Security events about sessions and accounts reach the API, at once or by a retry."""

import os
import re
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest

from api.identity.keys import derive
from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Issuer, Member, issuer, mailed
from tests.contract.receiver import TAKEN, Answer, Pushed, Receiver
from tests.waiting import PATIENCE, SLACK, wait_until

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
ACCOUNT_PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
PASSWORD = "correct horse"
UNAVAILABLE: Answer = (503, {"Retry-After": "1"}, b"")
REFUSED: Answer = (400, {}, b'{"err":"invalid_request","description":"no\\nsuch event"}')


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver.listening() as running:
        yield running


@pytest.fixture(scope="module")
def site(receiver: Receiver, postgres: Postgres) -> Iterator[Issuer]:
    with issuer(postgres, API_URL=receiver.url) as running:
        yield running


@pytest.fixture(scope="module")
def apart(postgres: Postgres) -> Iterator[tuple[Issuer, Receiver]]:
    """Run a web app and a receiver that a test may stop."""
    with Receiver.listening() as running, issuer(postgres, API_URL=running.url) as site:
        yield site, running


@pytest.fixture
def ada(site: Issuer, browsers: Browsers) -> Member:
    return browsers.join(site.url)


def sign_in(browsers: Browsers, site: Issuer, member: Member) -> httpx.Client:
    """Sign in the same user in another browser."""
    browser = browsers.new_browser(site.url)
    given = {"email": member.email, "password": PASSWORD}
    browser.post("/api/auth/sign-in/email", json=given).raise_for_status()
    return browser


def session_of(browser: httpx.Client) -> str:
    """Return the ID of the browser's session."""
    return str(browser.get("/api/auth/get-session").json()["session"]["id"])


def post(browser: httpx.Client, path: str, **body: object) -> float:
    """Send a request that must succeed, and return the seconds that it took."""
    began = time.monotonic()
    answer = browser.post(f"/api/auth/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


def said_after(site: Issuer, before: int, pattern: str) -> list[str]:
    """Wait until the web app logs a line about security events that matches this pattern.

    Return all lines about security events, without the first `before` lines of the web app, which
    other tests may have caused.
    """

    def said() -> list[str]:
        return [line for line in site.web.lines[before:] if "security events" in line]

    wait_until(lambda: any(re.search(pattern, line) for line in said()), lambda: str(said()))
    return said()


def more_sessions(site: Issuer, user: str, count: int, lasting: str = "7 days") -> list[str]:
    """Insert sessions into Better Auth's table, and return their IDs."""
    ids = [secrets.token_hex(8) for _ in range(count)]
    insert = """
        INSERT INTO session (id, token, "userId", "expiresAt", "createdAt", "updatedAt")
        SELECT id, id, $2, now() + $3::text::interval, now(), now() FROM unnest($1::text[]) AS id"""
    run(site.database, lambda c: c.execute(insert, ids, user, lasting))
    return ids


def waiting(site: Issuer, user: str) -> int:
    """Return how many events of this user are still in the outbox."""
    sql = "SELECT count(*) FROM security_event_outbox WHERE user_id = $1"
    return int(run(site.database, lambda c: c.fetchval(sql, user)))


def until_all_arrived(site: Issuer, member: Member) -> None:
    """Wait until the outbox contains no event of this user."""
    wait_until(lambda: not waiting(site, member.id), "the outbox is empty")


def delete(site: Issuer, sql: str, *arguments: object) -> None:
    """Run a statement in the database, bypassing Better Auth."""
    run(site.database, lambda c: c.execute(sql, *arguments))


def test_revocation_arrives_before_the_sign_out_is_answered(
    site: Issuer, receiver: Receiver, ada: Member
) -> None:
    session = session_of(ada.client)
    post(ada.client, "sign-out")
    [pushed] = receiver.of(ada.id)
    assert pushed.path == "/events"
    assert pushed.headers["content-type"] == "application/secevent+jwt"
    assert pushed.headers["accept"] == "application/json"
    assert jwt.get_unverified_header(pushed.token) == {"alg": "HS256", "typ": "secevent+jwt"}
    key = derive(site.env["BETTER_AUTH_SECRET"].encode(), b"bearer-tasks/security-event/v1")
    audience = f"{receiver.url}/events"
    claims = jwt.decode(pushed.token, key, ["HS256"], audience=audience, issuer=site.url)
    ended = claims["events"][SESSION_REVOKED]["event_timestamp"]
    assert claims == {
        "iss": site.url,
        "aud": audience,
        "iat": claims["iat"],
        "jti": str(uuid.UUID(claims["jti"])),
        "txn": claims["txn"],
        "sub_id": {
            "format": "complex",
            "user": {"format": "iss_sub", "iss": site.url, "sub": ada.id},
            "session": {"format": "opaque", "id": session},
        },
        "events": {SESSION_REVOKED: {"event_timestamp": ended}},
    }
    assert isinstance(claims["txn"], str)
    assert ended <= claims["iat"] <= ended + SLACK
    assert abs(claims["iat"] - time.time()) < 30
    assert waiting(site, ada.id) == 0


WAYS: dict[str, dict[str, object]] = {
    "end-other-sessions": {},
    "change-password": {  # and begins a new session
        "currentPassword": PASSWORD,
        "newPassword": "battery staple",
        "revokeOtherSessions": True,
    },
    "reset-password": {"newPassword": "battery staple"},
    "delete-user": {"password": PASSWORD},
}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("end-other-sessions", marks=pytest.mark.prove),
        "change-password",
        pytest.param("reset-password", marks=pytest.mark.prove),
        "delete-user",
    ],
)
def test_131_sessions_that_end_at_once_are_all_revoked(
    path: str, site: Issuer, receiver: Receiver, ada: Member
) -> None:
    ended: set[str | None] = set()
    if path != "end-other-sessions":
        ended |= {session_of(ada.client)}
    ended |= {*more_sessions(site, ada.id, 131 - len(ended))}
    if path == "delete-user":
        ended |= {None}
    body = dict(WAYS[path])
    if path == "reset-password":
        post(ada.client, "request-password-reset", email=ada.email)
        body["token"] = mailed(site.web, ada.email)
    took = post(ada.client, path, **body)
    # The request waits for two seconds at most. On a busy machine, the web app pushes the other
    # events later. It also pushes an event again if the response to the first push was late.
    if took >= 2:
        until_all_arrived(site, ada)
    else:
        assert len(receiver.of(ada.id)) == len(ended)
    assert {one.session for one in receiver.of(ada.id)} == ended
    assert len(ended) == 131 + (path == "delete-user")
    assert waiting(site, ada.id) == 0
    assert took < 2 + SLACK


def test_session_ended_from_another_browser_is_revoked(
    site: Issuer, receiver: Receiver, ada: Member, browsers: Browsers
) -> None:
    elsewhere = sign_in(browsers, site, ada)
    session = session_of(elsewhere)
    post(ada.client, "end-session", id=session)
    assert [one.session for one in receiver.of(ada.id)] == [session]


def test_sessions_deleted_in_the_database_are_revoked(
    site: Issuer, receiver: Receiver, ada: Member
) -> None:
    own, live = session_of(ada.client), more_sessions(site, ada.id, 2)
    more_sessions(site, ada.id, 1, lasting="-32 days")
    (recent,) = more_sessions(site, ada.id, 1, lasting="-30 days")
    delete(site, 'DELETE FROM session WHERE "userId" = $1', ada.id)
    pushed = receiver.wait(ada.id, 4)
    assert {one.session for one in pushed} == {own, recent, *live}, "no token of the oldest lives"
    assert len({one.claims["txn"] for one in pushed}) == 1
    assert len({one.claims["jti"] for one in pushed}) == 4

    delete(site, 'DELETE FROM "user" WHERE id = $1', ada.id)
    [purge] = receiver.wait(ada.id, 5)[4:]
    assert purge.claims["txn"] != pushed[0].claims["txn"]


def test_deleted_account_revokes_its_sessions(
    site: Issuer, receiver: Receiver, ada: Member
) -> None:
    sessions = {session_of(ada.client), *more_sessions(site, ada.id, 2)}
    delete(site, 'DELETE FROM "user" WHERE id = $1', ada.id)
    pushed = receiver.wait(ada.id, 4)
    [purge] = [one for one in pushed if one.session is None]
    assert purge.claims["events"] == {ACCOUNT_PURGED: {}}
    assert purge.claims["sub_id"] == {"format": "iss_sub", "iss": site.url, "sub": ada.id}
    assert {one.session for one in pushed} == {None, *sessions}


def test_rejected_event_delays_no_other_event(
    site: Issuer, receiver: Receiver, ada: Member, browsers: Browsers
) -> None:
    bad, *good = more_sessions(site, ada.id, 40)

    def answer(pushed: Pushed) -> Answer:
        return REFUSED if pushed.session == bad else TAKEN

    receiver.answer = answer
    try:
        post(ada.client, "end-other-sessions")
        assert {one.session for one in receiver.of(ada.id)} == {bad, *good}
        eve = browsers.join(site.url)
        post(eve.client, "sign-out")
        assert len(receiver.of(eve.id)) == 1
    finally:
        receiver.answer = lambda _: TAKEN
    assert waiting(site, ada.id) == 1, "tried again, later and later"
    [jti] = {one.claims["jti"] for one in receiver.of(ada.id) if one.session == bad}
    assert "invalid_request" in site.web.wait_for_output(rf".*{jti}.*")[0]


def test_retry_pushes_the_same_event(receiver: Receiver, ada: Member) -> None:
    moved: Answer = (307, {"Location": f"{receiver.url}/elsewhere"}, b"")
    not_yet: Answer = (400, {}, b'{"err":"invalid_key","description":"another secret"}')
    answers = iter([UNAVAILABLE, moved, not_yet])

    def answer(pushed: Pushed) -> Answer:
        return next(answers, TAKEN) if pushed.user == ada.id else TAKEN

    receiver.answer = answer
    try:
        post(ada.client, "sign-out")
        assert len(receiver.of(ada.id)) == 1
        pushed = receiver.wait(ada.id, 4)
    finally:
        receiver.answer = lambda _: TAKEN
    assert {one.path for one in pushed} == {"/events"}, "a redirect is not followed"
    assert len({one.claims["jti"] for one in pushed}) == 1
    issued = [one.claims["iat"] for one in pushed]
    assert issued == sorted(issued)
    assert issued[-1] > issued[0], "issued when it is pushed"


def test_retry_waits_for_retry_after(receiver: Receiver, ada: Member) -> None:
    asks: Answer = (503, {"Retry-After": "4"}, b"")
    pushed_at: list[float] = []

    def answer(pushed: Pushed) -> Answer:
        if pushed.user != ada.id:
            return TAKEN
        pushed_at.append(time.monotonic())
        return asks if len(pushed_at) == 1 else TAKEN

    receiver.answer = answer
    try:
        post(ada.client, "sign-out")
        receiver.wait(ada.id, 2)
    finally:
        receiver.answer = lambda _: TAKEN
    assert pushed_at[1] - pushed_at[0] >= 4


def test_sign_out_waits_at_most_two_seconds_for_an_unavailable_api(
    apart: tuple[Issuer, Receiver], browsers: Browsers
) -> None:
    site, receiver = apart
    ada, bob, eve, *others = (browsers.join(site.url) for _ in range(5))
    more_sessions(site, eve.id, 131)
    bobs, before = session_of(bob.client), len(site.web.lines)

    receiver.stop()
    took = [post(person.client, "sign-out") for person in (ada, *others)]
    assert min(took) < 1.9, "refused at once"
    receiver.start()
    assert len(receiver.wait(ada.id, 1)) == 1

    hung = threading.Event()
    receiver.answer = lambda _: (hung.wait(PATIENCE), UNAVAILABLE)[1]
    try:
        assert 1.9 < post(bob.client, "sign-out") < 2 + SLACK
        assert 1.9 < post(eve.client, "end-other-sessions") < 2 + SLACK
        backlog = more_sessions(site, ada.id, 500)
        delete(site, "DELETE FROM session WHERE id = ANY($1)", backlog)
        took.clear()
        for _ in range(5):
            began = time.monotonic()
            sign_in(browsers, site, ada)
            took.append(time.monotonic() - began)
        assert min(took) < 1.9, "a sign-in ends no session, so it does not wait for the API"
    finally:
        receiver.answer = lambda _: TAKEN
        hung.set()
    for person in (bob, eve, ada):
        until_all_arrived(site, person)
    assert [one.session for one in receiver.of(bob.id)] == [bobs] * len(receiver.of(bob.id))
    assert len({one.session for one in receiver.of(eve.id)}) == 131
    assert {one.session for one in receiver.of(ada.id)} >= set(backlog)
    said = said_after(site, before, "accepts them again")
    assert len(said) in {2, 4}, said  # 4 if the API accepted events between the two outages
    assert "does not accept them" in said[0]
    assert "again" in said[-1]


@pytest.mark.prove
def test_problem_lasts_until_the_event_that_failed_is_delivered(
    apart: tuple[Issuer, Receiver], browsers: Browsers
) -> None:
    """An accepted event of another user does not end the problem in the log."""
    site, receiver = apart
    ada, bob = browsers.join(site.url), browsers.join(site.url)
    before = len(site.web.lines)
    receiver.answer = lambda pushed: UNAVAILABLE if pushed.user == ada.id else TAKEN
    post(ada.client, "sign-out")
    said_after(site, before, "does not accept them.*503")
    [session] = more_sessions(site, bob.id, 1)
    delete(site, "DELETE FROM session WHERE id = $1", session)
    receiver.wait(bob.id, 1)
    receiver.wait(ada.id, len(receiver.of(ada.id)) + 1)
    receiver.answer = lambda _: TAKEN
    said = said_after(site, before, r"accepts them again, after \d+ s")
    assert len(said) == 2, said


@pytest.mark.prove
@pytest.mark.parametrize(
    ("answer", "end"),
    [(REFUSED, "the API responds again, but refuses an event"), (None, "have expired")],
    ids=["refused", "expired"],
)
def test_log_says_that_the_event_that_failed_was_refused_or_has_expired(
    answer: Answer | None, end: str, apart: tuple[Issuer, Receiver], browsers: Browsers
) -> None:
    site, receiver = apart
    ada = browsers.join(site.url)
    before = len(site.web.lines)
    receiver.answer = lambda _: UNAVAILABLE
    try:
        post(ada.client, "sign-out")
        if answer:
            said_after(site, before, "does not accept them")
            receiver.answer = lambda _: answer
        else:
            expire = "UPDATE security_event_outbox SET ended_at = ended_at - interval '2 days'"
            delete(site, expire)
            said_after(site, before, "does not accept them")
            # The next push may have begun before the event expired, so wait for two. Then delete
            # the event, as the web app does once a minute.
            receiver.wait(ada.id, len(receiver.of(ada.id)) + 2)
            delete(site, "DELETE FROM security_event_outbox")
        said = said_after(site, before, r", after \d+ s")
    finally:
        receiver.answer = lambda _: TAKEN
        delete(site, "DELETE FROM security_event_outbox")
    assert end in said[-1]


def test_event_of_a_killed_process_is_pushed_after_its_restart(
    apart: tuple[Issuer, Receiver], browsers: Browsers
) -> None:
    site, receiver = apart
    ada = browsers.join(site.url)
    session = session_of(ada.client)
    hung = threading.Event()
    receiver.answer = lambda _: (hung.wait(PATIENCE), UNAVAILABLE)[1]
    with ThreadPoolExecutor(1) as pool:
        signing_out = pool.submit(post, ada.client, "sign-out")
        [first] = receiver.wait(ada.id, 1)
        os.killpg(site.web.child.process.pid, signal.SIGKILL)
        assert isinstance(signing_out.exception(), httpx.TransportError)
    receiver.answer = lambda _: TAKEN
    # The killed process had claimed the event for ten seconds. End this claim at once.
    later = "SET claimed_until = claimed_until - interval '10 seconds' WHERE claimed_until > now()"
    delete(site, f"UPDATE security_event_outbox {later}")
    site.restart({})
    again = receiver.wait(ada.id, 2)[1]
    hung.set()
    assert (first.session, again.session) == (session, session)
    assert again.claims["jti"] == first.claims["jti"]


def test_two_processes_push_each_event_once(site: Issuer, receiver: Receiver, ada: Member) -> None:
    elsewhere = {"NEXT_PUBLIC_BETTER_AUTH_URL": f"http://localhost:{stack.free_port()}"}
    second = stack.web(site.env | elsewhere)
    try:
        sessions = more_sessions(site, ada.id, 400)
        delete(site, "DELETE FROM session WHERE id = ANY($1)", sessions)
        pushed = receiver.wait(ada.id, 400)
        until_all_arrived(site, ada)
    finally:
        second.stop()
    assert sorted(str(one.session) for one in pushed) == sorted(sessions)
    assert len(receiver.of(ada.id)) == 400


@pytest.mark.prove
def test_broken_outbox_prevents_no_sign_out(
    apart: tuple[Issuer, Receiver], browsers: Browsers
) -> None:
    site, receiver = apart
    ada, eve = browsers.join(site.url), browsers.join(site.url)
    table = "ALTER TABLE security_event_outbox"
    delete(site, f"{table} RENAME COLUMN claimed_until TO broken")
    assert post(ada.client, "sign-out") < 2 + SLACK
    # When the table can be read again, the tokens of the ended sessions have expired. The
    # deleted account is still pushed, because its data still exists.
    age = "UPDATE security_event_outbox SET ended_at = now() - interval '86465 seconds'"
    delete(site, age)
    delete(site, 'DELETE FROM "user" WHERE id = $1', eve.id)
    delete(site, f"{age} WHERE session_id IS NULL")
    assert site.web.stop() == 128 + signal.SIGTERM, "Next's own status: no request delays its end"
    delete(site, f"{table} RENAME COLUMN broken TO claimed_until")
    site.restart({})
    events = receiver.wait(eve.id, 2)
    assert [one.session for one in events].count(None) == 1
    assert (receiver.of(ada.id), waiting(site, ada.id)) == ([], 0)
    assert all(abs(one.claims["iat"] - time.time()) < 60 for one in events)
