"""The whole API as one ASGI app, put together from a `Config`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Authenticated, Authentication
from api.config import Config, TokenConfig
from api.context import Context
from api.database import Database
from api.documents import Documents, Execution
from api.endpoint import GraphQLEndpoint
from api.errors import Unavailable
from api.events import Events, Reader
from api.keys import ACCESS_TOKEN, SECURITY_EVENT, KeyRing, KeySet, shared_secrets
from api.retention import Retention
from api.revocations import Revocations
from api.schema import schema
from api.tokens import Claims, Verifier


def create_app(config: Config) -> FastAPI:
    """Connects to nothing until it is started; then to the database, and to JWKS_URL if set."""
    database = Database(config.database_url.get_secret_value())
    authentication = authenticating(config, database)
    revocations = authentication.revocations
    reader = Reader(
        KeyRing(shared_secrets(config.secrets, SECURITY_EVENT)),
        issuer=config.issuer,
        audience=f"{config.api_url}/events",
        max_age=config.access_token_max_age,
    )

    app = FastAPI(
        lifespan=lifespan(database, authentication, Retention(database, revocations)),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # it would lead wherever the Host header says
    )
    app.state.draining = False

    @app.get("/health/live")
    async def live() -> Response:
        """The process runs."""
        return JSONResponse({"status": "live"})

    @app.get("/health/ready")
    async def ready() -> Response:
        """Requests will be answered: what was revoked is known, and this process is to stay."""
        if app.state.draining:
            return Unavailable().response()
        try:
            await revocations.look()
        except Unavailable as outage:
            return outage.response()
        return JSONResponse({"status": "ready"})

    async def context(claims: Claims) -> Context:
        await authentication.still_holds(claims)
        return Context.of(claims, database)

    graphql = Authenticated(
        GraphQLEndpoint(Documents(schema), Execution(schema), context), authentication
    )
    graphiql = f"{config.next_public_better_auth_url}/graphiql"
    for_pages = CORSMiddleware(
        _BrowsersTo(graphiql, graphql),
        allow_origins=config.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After", "WWW-Authenticate"],
        max_age=86_400,
    )
    app.router.routes.append(Route("/graphql", for_pages))
    app.router.routes.append(Route("/events", Events(reader, database, revocations)))
    return app


def lifespan(
    *parts: AbstractAsyncContextManager[object],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """For FastAPI: these run while the app does, each one as long as those behind it."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as entered:
            for part in parts:
                await entered.enter_async_context(part)
            yield

    return running


def authenticating(config: Config, database: Database) -> Authentication:
    """Whoever this configuration believes, and for how long."""
    key_set = KeySet(config.jwks_url) if config.jwks_url else None
    revocations = Revocations(database, config.direct_url, max_age=config.access_token_max_age)
    return Authentication(verifier(config, key_set), revocations, key_set)


def verifier(config: TokenConfig, key_set: KeySet | None = None) -> Verifier:
    """Of the tokens that this configuration believes, if any under a shared secret."""
    secrets = config.secrets if config.takes_shared_secrets else []
    return Verifier(
        KeyRing(shared_secrets(secrets, ACCESS_TOKEN, raw=config.raw_secret_tokens), key_set),
        issuer=config.issuer,
        audience=config.audience,
        max_age=config.access_token_max_age,
    )


class _BrowsersTo:
    """Sends a person who opens the address in a browser to GraphiQL, and lets programs through."""

    def __init__(self, url: str, app: ASGIApp) -> None:
        self._url = url
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            # Without its query string: whoever made that link must not fill in what is run there.
            redirect = RedirectResponse(self._url, 303, {"Vary": "Accept"})
            await redirect(scope, receive, send)
        else:
            await self._app(scope, receive, _uncached(send))


def _uncached(send: Send) -> Send:
    """What this API says is for one person, and now: nobody may keep it."""

    async def send_uncached(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += [
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
            ]
        await send(message)

    return send_uncached
