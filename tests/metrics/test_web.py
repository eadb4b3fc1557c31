"""The web app's server counts its requests, sign-ins, outbox and connections."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import plain, stack
from tests.conftest import run
from tests.contract.people import Browsers, Person
from tests.metrics.scraping import Scraped
from tests.waiting import PATIENCE

REQUESTS = "tasks_web_requests_total"


@pytest.fixture
def ada(site: stack.Site) -> Iterator[Person]:
    with ExitStack() as opened:
        yield Browsers(opened).sign_up(site)


def scrape(site: stack.Site) -> Scraped:
    """Return the current samples of the web app."""
    return Scraped(plain.get(url_of_metrics(site)).text)


def url_of_metrics(site: stack.Site) -> str:
    """Return where the web app serves its metrics. It prints no path of any URL."""
    return site.web.wait_for_output(r"metrics: (http://127\.0\.0\.1:\d+)$")[1] + "/metrics"


def test_requests_and_sign_ins_are_counted(site: stack.Site, ada: Person) -> None:
    before = scrape(site)
    wrong = {"email": ada.email, "password": "wrong horse"}
    assert ada.client.post("/api/auth/sign-in/email", json=wrong).status_code == 401
    right = {"email": ada.email, "password": "correct horse"}
    assert ada.client.post("/api/auth/sign-in/email", json=right).status_code == 200
    assert ada.client.get("/tasks?view=secret").status_code == 200
    ada.client.get("/api/auth/reset-password/s3cret-token")
    assert ada.client.get("/s3cret-page").status_code == 404
    after = scrape(site)

    def counted(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert counted("tasks_web_sign_ins_total", result="refused") >= 1
    assert counted("tasks_web_sign_ins_total", result="succeeded") >= 1
    assert counted(REQUESTS, route="/tasks", method="GET", status="200") >= 1
    assert counted(REQUESTS, route="/api/auth/sign-in/email", method="POST", status="401") >= 1
    assert counted(REQUESTS, route="/api/auth/reset-password/:token") >= 1
    assert counted(REQUESTS, route="other", status="404") >= 1
    assert counted("tasks_web_request_seconds_count", route="/tasks") >= 1
    assert after("tasks_web_pool_connections", state="limit") == 10
    connections = [after("tasks_web_pool_connections", state=each) for each in ("lent", "idle")]
    assert 1 <= sum(connections) <= 10
    assert not [label for label in after.labels(REQUESTS, "route") if "s3cret" in label]


def test_outbox_is_measured_and_no_other_machine_may_read_it(site: stack.Site) -> None:
    insert = """
        INSERT INTO public.security_event_outbox (user_id, session_id, ended_at, due_at)
        VALUES ('eve', 'none', now() - interval '100 seconds', now() + interval '1 hour')
        RETURNING jti"""
    event = run(site.database, lambda connection: connection.fetchval(insert))
    after = scrape(site)
    delete = "DELETE FROM public.security_event_outbox WHERE jti = $1"
    run(site.database, lambda connection: connection.execute(delete, event))
    assert after("tasks_web_database_up") == 1
    assert after("tasks_web_outbox_events") >= 1
    assert 100 <= after("tasks_web_outbox_age_seconds") < 100 + PATIENCE


def test_browsers_get_nothing_of_the_metrics() -> None:
    static = stack.FRONTEND / ".next/standalone/.next/static"
    scripts = list(static.rglob("*.js"))
    assert scripts, "the web app is not built: `make test` does it first"
    named = re.compile(r"tasks_web_|prom-client|@prometheus-io")
    assert not [script for script in scripts if named.search(script.read_text())]


def test_port_in_use_is_an_error_of_one_line(site: stack.Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        own = str(stack.free_port())  # Next.js takes 0 for 3000
        env = {**site.env, "HOSTNAME": "127.0.0.1", "PORT": own, "METRICS_PORT": port}
        command = [stack.NODE, stack.FRONTEND / ".next/standalone/server.js"]
        done = subprocess.run(
            command, env=env, capture_output=True, timeout=PATIENCE, check=False, cwd=os.sep
        )
    assert done.returncode == 1
    reason = f"listen EADDRINUSE: address already in use 127.0.0.1:{port}"
    line = f"frontend: METRICS_PORT: port {port} of 127.0.0.1 cannot be used ({reason})"
    assert done.stderr.decode().splitlines()[-1] == line
