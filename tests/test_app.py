"""The app as FastAPI: middleware that is added to it sees every request."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app
from api.config import Config
from api.middleware import HEADERS
from tests import stack
from tests.conftest import trusting


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Create an app whose database is unavailable."""
    for name, value in trusting(f"postgresql://u@{stack.NOBODY}/db").items():
        monkeypatch.setenv(name, value)
    return create_app(Config.read(Path("/dev/null")))


def ask(app: FastAPI, method: str, path: str, **headers: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


EVERYWHERE = [
    ("POST", "/graphql", 401),
    ("OPTIONS", "/graphql", 401),
    ("POST", "/events", 415),
    ("GET", "/health/live", 200),
    ("GET", "/nowhere", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERYWHERE)
def test_added_middleware_sees_every_request_and_its_status(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    seen: list[object] = []

    class Seeing:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                seen.append(message.get("status"))
                await send(message)

            seen.append(scope["path"])
            await self._app(scope, receive, noting)

    app.add_middleware(Seeing)
    assert ask(app, method, path).status_code == status
    assert seen[:2] == [path, status]


def test_app_may_be_mounted_below_the_path_of_another_app(app: FastAPI) -> None:
    outer = FastAPI()
    outer.mount("/inner", app)
    for path, status in (("/graphql", 401), ("/health/live", 200), ("/nowhere", 404)):
        assert ask(outer, "POST" if status == 401 else "GET", f"/inner{path}").status_code == status


@pytest.mark.parametrize(("method", "path", "status"), [*EVERYWHERE, ("GET", "/bug", 500)])
def test_every_response_has_the_security_headers_once(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    @app.get("/bug")
    async def bug() -> None:
        raise LookupError

    answer = ask(app, method, path)
    assert answer.status_code == status
    for name, value in HEADERS:
        assert answer.headers.get_list(name.decode()) == [value.decode()]


def test_responses_of_graphql_vary_by_origin(app: FastAPI) -> None:
    for headers in ({}, {"Origin": "https://example.com"}):
        assert "Origin" in ask(app, "POST", "/graphql", **headers).headers["vary"]
