"""Compose the API from a `Config`, as one ASGI app."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import bodies, observed
from api.config import Config
from api.context import Context
from api.environment import ConfigError
from api.errors import BadRequest, OperationTooLarge, Unavailable
from api.graphql.documents import Documents, Execution, InvalidDocument, Operation
from api.graphql.execution import Compiled
from api.graphql.http import GraphQLEndpoint
from api.graphql.operations import Operations
from api.graphql.sessions import Sessions
from api.graphql.sse import EventStreams
from api.graphql.websockets import GraphQLSockets
from api.identity.auth import Authenticated, Authentication, verifier
from api.identity.events import Events, Reader
from api.identity.key_set import KeySet
from api.identity.keys import SECURITY_EVENT, KeyRing, shared_secrets
from api.identity.revocations import Revocations
from api.media_types import weights
from api.observers import observers_of, tracers
from api.owned import statements
from api.owned.live import Live
from api.owned.retention import Retention, purge
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.process import Process
from api.proxies import own_hosts, proxy_for
from api.rate_limits import RateLimits
from api.schema import ROW_TYPES, SIZES, schema
from api.types import PASSTHROUGH

if TYPE_CHECKING:  # a service without metrics does not import prometheus-client
    from api.metrics.metrics import Metrics

HEADERS = (
    # No cache may store a response: it is for one person, and soon out of date.
    (b"cache-control", b"no-store"),
    # A response is data for programs and allowed pages: a browser must not show, run or embed it.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Headers of every response. A proxy that terminates TLS adds Strict-Transport-Security."""

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    # These are sent by W3C Trace Context and Baggage, by Sentry, by Apollo's clients, and by
    # clients that number their requests.
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
    *("apollographql-client-name", "apollographql-client-version", "x-request-id"),
)
"""The headers that CORS lets a page send. `ALLOWED_HEADERS` adds others."""

EXPOSED_HEADERS = (
    *("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"),
)
"""The headers of a response that a page can read."""
ROUTES = frozenset({"/graphql", "/events", "/health/live", "/health/ready"})
"""The paths that a record may contain. Other paths may contain anything, such as a token."""


def create_app(
    config: Config,
    observers: observed.Observers | None = None,
    metrics: "Metrics | None" = None,
) -> FastAPI:
    """Return the app. It connects to the database, and to JWKS_URL if set, when it is started.

    The observers get the record of each request. By default, they are those of the configuration.
    If `metrics` are given, the app counts its requests, sessions and connections in them.
    """
    tracing = tracers(config)
    observers = observers or observers_of(config, tracing, metrics)
    statements.build()
    database = Database(config.database_url.get_secret_value())
    notifications = Notifications(config.direct_url)
    authentication = authenticating(config, database, notifications)
    live = Live(database, notifications, observe=metrics.delivered if metrics else None)
    revocations = authentication.revocations
    reader = Reader(
        KeyRing(shared_secrets(config.secrets, SECURITY_EVENT)),
        issuer=config.issuer,
        audience=f"{config.api_url}/events",
        max_age=config.access_token_max_age,
    )

    sessions = Sessions(revocations.follow)
    revocations.on_revoked(sessions.end_revoked)
    process = Process(sessions.drain)
    retention = Retention(database, revocations.delete_expired)
    limits = RateLimits(
        config.rate_limit_per_second, config.rate_limit_burst, proxies=config.trusted_proxies
    )
    samples = [metrics.samples(database, live, sessions, revocations, limits)] if metrics else []
    app = FastAPI(
        lifespan=lifespan(
            *tracing, database, authentication, live, retention, sessions, process, *samples
        ),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Without an OpenTelemetry SDK, FastAPI would look for one on each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redirect_slashes=False,  # a redirect would go to the host in the Host header
        exception_handlers={Exception: _failed},
    )
    app.add_middleware(_Observed, observers=observers)
    app.add_middleware(process.counting)

    @app.get("/health/live")
    async def alive() -> Response:
        """Respond 200: the process runs."""
        return JSONResponse({"status": "live"})

    @app.get("/health/ready")
    async def ready() -> Response:
        """Respond 200 if the revocations are known and the process is not shutting down."""
        if process.draining:
            return Unavailable().response()
        try:
            await revocations.refresh()
        except Unavailable as outage:
            return outage.response()
        return JSONResponse({"status": "ready"})

    async def context(scope: Scope, operation: Operation, cost: float) -> Context:
        claims = scope["state"]["claims"]
        check = authentication.check_not_revoked
        await check(claims)
        # `Authenticated` has taken one request for this operation, but only over HTTP.
        charged = 1 if scope["type"] == "http" else 0
        if remaining := limits.charge_cost(claims.user_id, cost, charged=charged):
            scope["state"]["rate_limit"] = remaining
        return Context(claims, database, operation.selected, live, check)

    try:
        documents = Documents(
            schema,
            config.trusted_documents,
            sizes=SIZES,
            only_trusted=config.trusted_documents_only,
        )
    except (InvalidDocument, OperationTooLarge) as invalid:
        raise ConfigError(
            "TRUSTED_DOCUMENTS: expected documents that are valid for this API's schema, as "
            f"`make schema` writes them; one of them is not: {invalid}"
        ) from None
    execution = Execution(
        schema, Compiled(schema, PASSTHROUGH, ROW_TYPES) if config.execution == "compiled" else None
    )
    operations = Operations(documents, execution, context, observers)
    endpoint = GraphQLEndpoint(operations, EventStreams(operations, sessions), sessions)
    graphql = Authenticated(endpoint, authentication, limits)
    sockets = GraphQLSockets(operations, sessions, graphql.authenticate, config.origins)
    graphiql = f"{config.next_public_better_auth_url}/graphiql"
    page = None if documents.only_trusted else graphiql
    app.router.routes.append(Route("/events", Events(reader, database, revocations, purge, limits)))
    # The router tries the routes in order, so the most frequent one comes first.
    app.router.routes.insert(
        0, Route("/graphql", _CrossOrigin(config, _RedirectBrowsers(page, graphql)))
    )
    # Outside of all other middleware: a socket stays open, and each layer around it takes memory.
    app.add_middleware(_Sockets, sockets=sockets)
    return app


def lifespan(
    *parts: AbstractAsyncContextManager[object],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return FastAPI's lifespan. It starts the parts in this order, and stops them in reverse."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as entered:
            for part in parts:
                await entered.enter_async_context(part)
            yield

    return running


def authenticating(
    config: Config, database: Database, notifications: Notifications
) -> Authentication:
    """Return the authentication that this configuration describes."""
    key_set = None
    if config.jwks_url:
        key_set = KeySet(
            config.jwks_url,
            proxy=proxy_for(config.jwks_url, own_hosts(config)),
            headers=lambda: {"X-Request-Id": observed.request_id()},
        )
    revocations = Revocations(database, notifications, max_age=config.access_token_max_age)
    return Authentication(verifier(config, key_set), revocations, key_set)


class _Sockets:
    """Passes WebSockets at /graphql to their app, and refuses others. No other middleware runs.

    CORS does not apply to WebSockets. `GraphQLSockets` checks their origin instead.
    """

    def __init__(self, app: ASGIApp, sockets: ASGIApp) -> None:
        self._app = app
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request or a socket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif scope["path"] == "/graphql":
            await self._sockets(scope, receive, send)
        else:
            await BadRequest("WebSockets connect to /graphql.", 404).response()(
                scope, receive, send
            )


class _Observed:
    """Records every request, adds the headers to every response, and closes a connection with a
    long unread body.

    These are one middleware, because each layer costs time.
    """

    def __init__(self, app: ASGIApp, observers: observed.Observers) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        record = self._observers.begin_request(
            scope["method"], path if path in ROUTES else "", scope["headers"]
        )
        if not bodies.is_short(scope):
            receive, send = bodies.closing(receive, send)
        try:
            await self._app(scope, receive, _with_headers(send, scope, record))
        except Exception:
            record.status = 500  # `_failed` responds
            raise
        finally:
            record.end()


async def _failed(_request: Request, _error: Exception) -> Response:
    """Return the response to an uncaught error. No middleware adds the headers to it."""
    headers = {name.decode(): value.decode() for name, value in HEADERS}
    if record := observed.current():
        headers["x-request-id"] = record.request_id
    return PlainTextResponse("Internal Server Error", 500, headers)


class _CrossOrigin:
    """Lets pages of the allowed origins read the responses, without cookies.

    Requests without an `Origin`, which come from programs, skip Starlette's middleware.
    """

    def __init__(self, config: Config, app: ASGIApp) -> None:
        self._app = app
        self._pages = CORSMiddleware(
            app,
            allow_origins=config.origins,
            allow_methods=["GET", "POST"],
            allow_headers=[*REQUEST_HEADERS, *config.allowed_headers],
            expose_headers=EXPOSED_HEADERS,
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if any(name == b"origin" for name, _ in scope["headers"]):
            await self._pages(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _RedirectBrowsers:
    """Redirects a browser to GraphiQL, and passes the requests of programs on to the app.

    Without GraphiQL, it responds 404 to a browser.
    """

    def __init__(self, url: str | None, app: ASGIApp) -> None:
        self._url = url
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect a GET that accepts text/html."""
        if scope["method"] != "GET" or not _accepts_html(scope):
            await self._app(scope, receive, send)
        elif self._url:
            # The query string is dropped: a link must not choose the document that GraphiQL runs.
            redirect = RedirectResponse(self._url, 303, {"Vary": "Accept"})
            await redirect(scope, receive, send)
        else:
            await Response(status_code=404, headers={"Vary": "Accept"})(scope, receive, send)


def _accepts_html(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "")[:512]
    return bool(weights(accepted.encode("latin-1")).get("text/html"))


def _with_headers(send: Send, scope: Scope, record: observed.Record) -> Send:
    """Return a `send` that adds `HEADERS`, `Vary`, the request id and the headers of the quota.

    The headers of the quota are not added to a 429, because `RateLimited` sets them itself.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.status = message["status"]
            request_id = (b"x-request-id", record.request_id.encode())
            message["headers"] = [*message["headers"], *HEADERS, _VARY, request_id]
            quota = scope.get("state", {}).get("rate_limit")
            if quota and message["status"] != 429:
                message["headers"] += [(k.lower().encode(), v.encode()) for k, v in quota.items()]
        await send(message)

    return send_with_headers


_VARY = (b"vary", b"Origin")
"""`CORSMiddleware` may add this header again. A repeated value has the same meaning."""
