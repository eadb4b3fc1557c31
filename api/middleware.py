"""Observe each request, add headers to each response, and route WebSockets and browsers."""

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import bodies
from api.errors import BadRequest
from api.media_types import weights
from api.telemetry import records

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


class Sockets:
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


class Direct:
    """Passes the requests at one path to their app, without the layers of FastAPI's router.

    The middleware that is added first is the innermost. Add this one first, so that all other
    middleware sees these requests too.
    """

    def __init__(self, app: ASGIApp, path: str, direct: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        is_direct = scope["type"] == "http" and scope["path"] == self._path
        await (self._direct if is_direct else self._app)(scope, receive, send)


class Observed:
    """Records every request, and adds the headers to every response.

    It also closes a connection with a long unread body. These are one middleware, because each
    layer costs time.
    """

    def __init__(self, app: ASGIApp, observers: records.Observers) -> None:
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
            record.status = 500  # `failed` responds
            raise
        finally:
            record.end()


async def failed(_request: Request, _error: Exception) -> Response:
    """Return the response to an uncaught error. No middleware adds the headers to it."""
    headers = {name.decode(): value.decode() for name, value in HEADERS}
    if record := records.current():
        headers["x-request-id"] = record.request_id
    return PlainTextResponse("Internal Server Error", 500, headers)


class CrossOrigin:
    """Lets pages of these origins read the responses, without cookies.

    The pages may send `REQUEST_HEADERS` and `allowed_headers`. Requests without an `Origin`, which
    come from programs, skip Starlette's middleware.
    """

    def __init__(
        self, origins: Sequence[str], allowed_headers: Iterable[str], app: ASGIApp
    ) -> None:
        self._app = app
        self._pages = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=[*REQUEST_HEADERS, *allowed_headers],
            expose_headers=EXPOSED_HEADERS,
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if any(name == b"origin" for name, _ in scope["headers"]):
            await self._pages(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class RedirectBrowsers:
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


def _with_headers(send: Send, scope: Scope, record: records.Record) -> Send:
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
