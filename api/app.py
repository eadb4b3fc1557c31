"""The whole API as one ASGI app, put together from a `Config`."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import bodies
from api.config import Config, ConfigError
from api.context import Context
from api.errors import OperationTooLarge, Unavailable
from api.graphql.documents import Documents, Execution, Operation, Refused
from api.graphql.execution import Compiled
from api.graphql.http import GraphQLEndpoint
from api.identity.auth import Authenticated, Authentication, verifier
from api.identity.events import Events, Reader
from api.identity.keys import SECURITY_EVENT, KeyRing, KeySet, shared_secrets
from api.identity.revocations import Revocations
from api.media_types import weights
from api.owned import statements
from api.owned.retention import Retention, purge
from api.postgres.database import Database
from api.proxies import own_hosts, proxy_for
from api.schema import PLACED, SIZES, schema
from api.types import WRITTEN

HEADERS = (
    # What this API says is for one person, and now: nobody may keep it.
    (b"cache-control", b"no-store"),
    # It is data, to be fetched by programs and by pages that may: nothing to show, run, or embed.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Of every answer. Strict-Transport-Security is for whoever ends TLS before this."""

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    # These are sent by W3C Trace Context and Baggage, by Sentry, by Apollo's clients, and by
    # clients that number their requests.
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
    *("apollographql-client-name", "apollographql-client-version", "x-request-id"),
)
"""Headers that a page may send; `ALLOWED_HEADERS` adds others. The API reads only the first two."""

_ALONE = (*HEADERS, (b"vary", b"Origin"))
"""Of an answer to a program, which names no origin."""


class Api(FastAPI):
    """Takes /graphql past the router, which cost as much as the rest of its way here."""

    graphql: ASGIApp
    pages: ASGIApp
    """The same for the pages of some origins, which it lets read the answers: no others, and no
    cookies."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Programs send no Origin, and need not pay for what is done about one."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if not bodies.is_short(scope):
            receive, send = bodies.closing(receive, send)
        if scope["path"] != "/graphql":
            await super().__call__(scope, receive, _with(send, HEADERS))
        elif any(name == b"origin" for name, _ in scope["headers"]):
            await self.pages(scope, receive, _with(send, HEADERS))
        else:
            await self.graphql(scope, receive, _with(send, _ALONE))


def create_app(config: Config) -> Api:
    """Connects to nothing until it is started; then to the database, and to JWKS_URL if set."""
    statements.build()
    database = Database(config.database_url.get_secret_value())
    authentication = authenticating(config, database)
    revocations = authentication.revocations
    reader = Reader(
        KeyRing(shared_secrets(config.secrets, SECURITY_EVENT)),
        issuer=config.issuer,
        audience=f"{config.api_url}/events",
        max_age=config.access_token_max_age,
    )

    app = Api(
        lifespan=lifespan(database, authentication, Retention(database, revocations.forget)),
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

    async def context(scope: Scope, operation: Operation) -> Context:
        claims = scope["state"]["claims"]
        await authentication.still_holds(claims)
        return Context(claims, database, operation.selected)

    try:
        documents = Documents(
            schema,
            config.trusted_documents,
            sizes=SIZES,
            only_trusted=config.trusted_documents_only,
        )
    except (Refused, OperationTooLarge) as unfit:
        raise ConfigError(
            "TRUSTED_DOCUMENTS: expected documents of this API's schema, which `make schema` "
            f"writes again; one of them is none: {unfit}"
        ) from None
    execution = Execution(
        schema, Compiled(schema, WRITTEN, PLACED) if config.execution == "compiled" else None
    )
    graphql = Authenticated(GraphQLEndpoint(documents, execution, context), authentication)
    graphiql = f"{config.next_public_better_auth_url}/graphiql"
    app.graphql = _BrowsersTo(None if documents.only_trusted else graphiql, graphql)
    app.pages = CORSMiddleware(
        app.graphql,
        allow_origins=config.origins,
        allow_methods=["GET", "POST"],
        allow_headers=[*REQUEST_HEADERS, *config.allowed_headers],
        expose_headers=["Retry-After", "WWW-Authenticate"],
        max_age=86_400,
    )
    app.router.routes.append(Route("/events", Events(reader, database, revocations, purge)))
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
    key_set = None
    if config.jwks_url:
        key_set = KeySet(config.jwks_url, proxy=proxy_for(config.jwks_url, own_hosts(config)))
    revocations = Revocations(database, config.direct_url, max_age=config.access_token_max_age)
    return Authentication(verifier(config, key_set), revocations, key_set)


class _BrowsersTo:
    """Sends a person who opens the address in a browser to GraphiQL, and lets programs through.

    Where there is no GraphiQL there is nothing to see.
    """

    def __init__(self, url: str | None, app: ASGIApp) -> None:
        self._url = url
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whoever asks for text/html is a browser that a person sent here."""
        if scope["method"] != "GET" or not _likes_html(scope):
            await self._app(scope, receive, send)
        elif self._url:
            # Without its query string: whoever made that link must not fill in what is run there.
            redirect = RedirectResponse(self._url, 303, {"Vary": "Accept"})
            await redirect(scope, receive, send)
        else:
            await Response(status_code=404, headers={"Vary": "Accept"})(scope, receive, send)


def _likes_html(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "")[:512]
    return bool(weights(accepted.encode("latin-1")).get("text/html"))


def _with(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    """Adds these to an answer."""

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with
