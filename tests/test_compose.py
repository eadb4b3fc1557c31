"""docker-compose.yml and the files in `deploy` work, and expose only what they must."""

import json
import logging
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from api.errors import Unavailable
from api.owned.live import POLL
from dev.images import IMAGES, NoEngine, engine
from dev.postgres import ROOT
from tests import plain, pooler, sse, stack, websocket
from tests.composition import CADDY, SECRETS, Command, Composition, composition, services
from tests.conftest import Caller
from tests.contract.people import Browsers
from tests.test_kills import FOLLOW
from tests.waiting import SLACK, wait_until

log = logging.getLogger(__name__)
GIVEN = dict.fromkeys(SECRETS, "secret")


def test_only_caddy_is_reachable_from_outside() -> None:
    described = services(**GIVEN)
    assert [name for name, service in described.items() if "ports" in service] == ["caddy"]
    assert all(port.startswith("127.0.0.1:") for port in described["caddy"]["ports"])
    server = services(**GIVEN, LISTEN="0.0.0.0")  # noqa: S104 - as a server's .env has it
    assert server["caddy"]["ports"][0] == "0.0.0.0:80:80"


def test_each_service_has_a_memory_limit_and_no_capabilities() -> None:
    described = services(**GIVEN)
    assert [name for name, service in described.items() if "mem_limit" not in service] == []
    hardened = {name for name, service in described.items() if service.get("cap_drop") == ["ALL"]}
    assert set(described) - hardened == {"database"}, "its image changes its user when it starts"
    assert all(described[name]["read_only"] for name in hardened)


def test_each_program_has_its_own_role_and_only_the_passwords_that_it_needs() -> None:
    described = services(**{name: name for name in SECRETS})
    names = {"migrate": "POSTGRES", "api": "API_DATABASE", "web": "WEB_DATABASE"}
    users = {"migrate": "tasks", "api": "tasks_api", "web": "tasks_web"}
    for service, user in users.items():
        environment = described[service]["environment"]
        urls = [value for name, value in environment.items() if name.startswith("DATABASE_URL")]
        assert {urlsplit(url).username for url in urls} == {user}
        held = {name for name in SECRETS if any(name in str(v) for v in environment.values())}
        assert held - {"BETTER_AUTH_SECRET"} == {f"{names[service]}_PASSWORD"}


def test_domain_turns_on_tls_and_is_the_origin_of_both_programs() -> None:
    for domain, url, site in (
        ("", "http://localhost", "http://localhost"),
        ("tasks.example.com", "https://tasks.example.com", "tasks.example.com"),
    ):
        described = services(**GIVEN, DOMAIN=domain)
        assert described["caddy"]["environment"]["SITE_ADDRESS"] == site
        for service in ("api", "web"):
            environment = described[service]["environment"]
            assert {environment[n] for n in ("API_URL", "NEXT_PUBLIC_BETTER_AUTH_URL")} == {url}


def test_only_the_address_of_caddy_is_a_trusted_proxy() -> None:
    described = services(**GIVEN)
    address = described["caddy"]["networks"]["front"]["ipv4_address"]
    for service in ("api", "web"):
        assert described[service]["environment"]["TRUSTED_PROXIES"] == address


def test_log_has_no_messages_of_errors_unless_that_is_chosen() -> None:
    for variables, form in (({}, "json"), ({"LOG_FORMAT": "text"}, "text")):
        described = services(**GIVEN, **variables)
        assert {described[name]["environment"]["LOG_FORMAT"] for name in ("api", "web")} == {form}


def test_trusted_documents_only_applies_to_the_api_and_to_the_web_app() -> None:
    described = services(**GIVEN, TRUSTED_DOCUMENTS_ONLY="1")
    for service in ("api", "web"):
        assert described[service]["environment"]["TRUSTED_DOCUMENTS_ONLY"] == "1"
    [volume] = described["api"]["volumes"]
    source, target, _ = volume.split(":")
    assert (ROOT / source).is_file()
    assert described["api"]["environment"]["TRUSTED_DOCUMENTS"] == target


def test_compose_builds_the_images_that_make_images_builds() -> None:
    built = {each["image"] for each in services(**GIVEN).values() if "build" in each}
    assert built == {image.name for image in IMAGES}


def test_missing_engine_is_reported(tmp_path: Path) -> None:
    """Docker is installed, but its daemon does not run."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 'cannot connect to the daemon' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(NoEngine) as reported:
        engine(str(tmp_path))
    assert "docker does not work: cannot connect to the daemon" in str(reported.value)
    assert "podman is not installed" in str(reported.value)
    buildah = program.rename(tmp_path / "buildah")
    buildah.write_text("#!/bin/sh\n")
    assert engine(str(tmp_path))[1:] == ["build", "--format", "docker", "--isolation", "chroot"]


def caddy(command: str, site: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Caddy on the Caddyfile, with this address of the site."""
    return subprocess.run(
        [CADDY, command, "--adapter", "caddyfile", "--config", ROOT / "deploy/Caddyfile"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "SITE_ADDRESS": site},
        capture_output=True,
        text=True,
        check=False,
    )


def test_caddy_accepts_its_configuration_with_a_domain_and_without() -> None:
    for site, port in (("tasks.example.com", ":443"), ("http://localhost", ":80")):
        checked = caddy("validate", site)
        assert checked.returncode == 0, checked.stderr
        adapted = caddy("adapt", site)
        assert "warn" not in adapted.stderr
        [server] = json.loads(adapted.stdout)["apps"]["http"]["servers"].values()
        assert server["listen"] == [port]


def caddy_before(web: str, folder: Path) -> stack.Server:
    """Start Caddy on a free port before a web app at this address, and an API that is down."""
    url = f"http://127.0.0.1:{stack.free_port()}"
    env = {"API_ADDRESS": stack.NOBODY, "WEB_ADDRESS": web, "SITE_ADDRESS": url}
    command: Command = [
        CADDY,
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        ROOT / "deploy/Caddyfile",
    ]
    variables = stack.environment(**env, XDG_DATA_HOME=str(folder))
    server = stack.Server(command, folder, variables, r"(serving initial)")
    server.url = url
    return server


@pytest.mark.prove
def test_client_gets_503_while_a_program_restarts(tmp_path: Path) -> None:
    """Caddy answers as the API does during an outage."""
    server = caddy_before(stack.NOBODY, tmp_path)
    refused = plain.post(f"{server.url}/graphql", json={"query": "{ x }"})
    page = plain.get(f"{server.url}/tasks")
    server.stop()
    outage = Unavailable().response()
    for answer in (refused, page):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert refused.json() == json.loads(bytes(outage.body))
    assert refused.headers["content-type"] == outage.headers["content-type"]


def test_log_of_caddy_has_no_address_and_no_header_of_a_request(tmp_path: Path) -> None:
    """The web app is killed while it sends a page to which a mailed link leads."""
    with socket.create_server(("127.0.0.1", 0)) as web:
        server = caddy_before(f"127.0.0.1:{web.getsockname()[1]}", tmp_path)
        client = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0))
        with client:
            request = f"GET /reset-password?token=canary HTTP/1.1\r\nHost: {server.url[7:]}\r\n"
            client.sendall(f"{request}Referer: {server.url}/?search=canary\r\n\r\n".encode())
            answering, _ = web.accept()
            with answering:
                answering.recv(4096)
                answering.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            server.wait_for_output("aborting with incomplete response")
    server.stop()
    assert "canary" not in "\n".join(server.lines)


@pytest.fixture(scope="module")
def running() -> Iterator[Composition]:
    """Run all services without containers, with two workers of the API."""
    if pooler.BINARY is None:
        pytest.skip(pooler.WHY_NOT)
    with composition(API_WORKERS="2") as made:
        yield made


def try_out(made: Composition) -> None:
    """Sign up, create a task, follow its changes by both transports, and sign out."""
    with ExitStack() as opened:
        member = Browsers(opened).join(made.url)
        ada = Caller(made.url, member.id, member.token())
        cursor = ada("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
        with (
            sse.subscribed(ada, FOLLOW, {"after": cursor}, POLL + SLACK) as stream,
            websocket.subscribed(ada, FOLLOW, {"after": cursor}, POLL + SLACK) as socket,
        ):
            for title in ("first", "second"):
                ada.create(title)
                for subscriber in (stream, socket):
                    change = json.loads(subscriber.next())["data"]["taskChanges"]
                    assert change["task"]["title"] == title
        page = member.client.get("/tasks")
        assert page.status_code == 200
        assert "second" in page.text, "the web app's server has read the tasks from the API"
        member.client.post("/api/auth/sign-out", json={}).raise_for_status()
        wait_until(lambda: ada.post("{ viewer { id } }").status_code == 401, "the token works")


@pytest.mark.prove
def test_everything_works_through_caddy(running: Composition) -> None:
    try_out(running)


@pytest.mark.prove
def test_events_and_health_checks_are_not_reachable_through_caddy(running: Composition) -> None:
    assert plain.post(f"{running.url}/events").status_code == 404
    inside = f"http://{running.address('api')}"
    assert plain.post(f"{inside}/events").status_code == 415
    for path in ("/health/ready", "/health/live"):
        assert plain.get(f"{inside}{path}").status_code == 200
        assert plain.get(f"{running.url}{path}").status_code == 404


@pytest.mark.prove
def test_client_cannot_choose_its_address_for_rate_limits(running: Composition) -> None:
    """A forged X-Forwarded-For is replaced by Caddy, so all attempts count for one address."""
    sign_in = f"{running.url}/api/auth/sign-in/email"
    body = {"email": "nobody@example.com", "password": "wrong password"}
    statuses = []
    for number in range(4):
        headers = {"Origin": running.url, "X-Forwarded-For": f"192.0.2.{number}"}
        statuses.append(plain.post(sign_in, json=body, headers=headers).status_code)
    assert statuses[-1] == 429, statuses


@pytest.mark.prove
def test_caddy_limits_what_a_stranger_sends(running: Composition) -> None:
    long = plain.get(running.url, headers={"X-Long": "x" * 100_000})
    assert long.status_code == 431
    body = b"x" * (3 * 1024 * 1024)
    for path in ("/graphql", "/api/auth/sign-in/email"):
        try:
            status = plain.post(f"{running.url}{path}", content=body).status_code
        except httpx.HTTPError:  # the connection was closed while the body was sent
            continue
        assert status in {401, 413}
    other = plain.get(running.url, headers={"Host": "other.example.com"})
    assert (other.status_code, other.text) == (200, ""), "no program gets another host's requests"


@pytest.mark.prove
def test_pages_may_connect_to_the_api_at_their_own_origin(running: Composition) -> None:
    policy = plain.get(f"{running.url}/sign-in").headers["content-security-policy"]
    [connect] = re.findall(r"connect-src ([^;]*)", policy)
    assert set(connect.split()) == {"'self'", running.url, running.url.replace("http", "ws")}


@pytest.mark.prove
def test_memory_of_each_service_is_logged(running: Composition) -> None:
    for name, server in running.servers.items():
        process = psutil.Process(server.child.process.pid)
        all_of_it = [process, *process.children(recursive=True)]
        used = sum(each.memory_full_info().pss for each in all_of_it) / 2**20
        log.info("%s uses %.0f MiB in %d processes", name, used, len(all_of_it))
