"""Compose the API from a `Config`, as one ASGI app."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from api.config import Config
from api.context import Context, Delivery
from api.environment import ConfigError
from api.errors import OperationTooLarge, Unavailable
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
from api.middleware import CrossOrigin, Direct, Observed, RedirectBrowsers, Sockets, failed
from api.observers import observers_of, owner_hash, tracers
from api.outgoing_proxies import own_hosts, proxy_for
from api.owned import statements
from api.owned.live import Live
from api.owned.retention import Retention, purge
from api.postgres.database import Database
from api.postgres.notifications import Notifications
from api.postgres.slow_statements import SlowStatements
from api.rate_limits import RateLimits
from api.scalars import PASSTHROUGH
from api.schema import ROW_TYPES, SIZES, schema
from api.serving.draining import Process
from api.telemetry import records

if TYPE_CHECKING:  # a service without metrics does not import prometheus-client
    from api.metrics.metrics import Metrics


def create_app(
    config: Config,
    observers: records.Observers | None = None,
    metrics: "Metrics | None" = None,
) -> FastAPI:
    """Return the app. It connects to the database, and to JWKS_URL if set, when it is started.

    The observers get the record of each request. By default, they are those of the configuration.
    If `metrics` are given, the app counts its requests, sessions and connections in them.
    """
    tracing = tracers(config)
    observers = observers or observers_of(config, tracing, metrics)
    statements.build()
    slow = SlowStatements(config.slow_statement, owner_hash(config))
    database = Database(config.database_url.get_secret_value(), slow=slow)
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
    delivery = Delivery(authentication.check_not_revoked, limits.wait_for_event)
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
        exception_handlers={Exception: failed},
    )

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
        await delivery.check(claims)
        # `Authenticated` has taken one request for this operation, but only over HTTP.
        charged = 1 if scope["type"] == "http" else 0
        if remaining := limits.charge_cost(claims.user_id, cost, charged=charged):
            scope["state"]["rate_limit"] = remaining
        return Context(claims, database, operation.selected, live, delivery)

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
    graphiql = None if documents.only_trusted else f"{config.next_public_better_auth_url}/graphiql"
    events = Events(reader, database, revocations, purge, limits)
    pages = CrossOrigin(config.origins, config.allowed_headers, RedirectBrowsers(graphiql, graphql))
    # The router handles /graphql only if the app is mounted below the path of another app.
    app.router.routes += [Route("/events", events), Route("/graphql", pages)]
    app.add_middleware(Direct, path="/graphql", direct=pages)
    app.add_middleware(Observed, observers=observers)
    app.add_middleware(process.counting)
    # Outside of all other middleware: a socket stays open, and each layer around it takes memory.
    app.add_middleware(Sockets, sockets=sockets)
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
            headers=lambda: {"X-Request-Id": records.request_id()},
        )
    revocations = Revocations(database, notifications, max_age=config.access_token_max_age)
    return Authentication(verifier(config, key_set), revocations, key_set)
