"""A GraphQL server in the test's own process, whose subscriptions tick as the test says."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import strawberry
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from api.errors import BadUserInput, Problem, Unauthenticated, Unavailable
from api.graphql.documents import Documents, Execution, Operation, Prepared
from api.graphql.execution import Compiled, Replaying
from api.graphql.http import GraphQLEndpoint
from api.graphql.operations import Operations
from api.graphql.owner import Owner
from api.graphql.sessions import Sessions
from api.graphql.sse import EventStreams
from api.graphql.websockets import GraphQLSockets
from api.serving.connection import BoundedHttp
from api.serving.websocket import BoundedWebSocket
from tests.waiting import PATIENCE

SUBPROTOCOL = Subprotocol("graphql-transport-ws")
TICKS = "subscription { ticks { number owner } }"
ORIGIN = "https://tasks.example.com"


@dataclass(frozen=True)
class Claims:
    """The claims of a token of this server, which has the form `owner:seconds`."""

    user_id: str
    expires_at: float

    @property
    def revocable(self) -> tuple[str]:
        """The owner."""
        return (self.user_id,)


@dataclass
class World:
    """What the resolvers see and count, and what a test decides about tokens."""

    open: int = 0
    """The number of running subscriptions."""
    ticks: asyncio.Condition = field(default_factory=asyncio.Condition)
    count: int = 0
    revoked: set[str] = field(default_factory=set)
    unavailable: bool = False
    pulled: int = 0
    """How many events the sources have yielded."""
    begun: int = 0
    """How often a context was told that an event begins."""
    ran: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    failing: Problem | None = None
    refusing: Exception | None = None
    """What a context raises when it is made, and when it is told that an event begins."""
    events_allowed: asyncio.Event | None = None
    """If set, each event waits for it, as an event waits at the rate limit."""
    waiting: int = 0
    """How many events wait for the rate limits."""
    checks: int = 0
    """How often the server has asked for new revocations."""
    check_fails: bool = False
    """Whether each of these checks fails with an unexpected error."""

    async def tick(self) -> None:
        """Wake all subscriptions."""
        async with self.ticks:
            self.count += 1
            self.ticks.notify_all()

    async def authenticate(self, _scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> Claims:
        """Return the claims of the token in these headers."""
        if self.unavailable:
            raise Unavailable
        [token] = [value.decode() for name, value in headers if name == b"authorization"] or [""]
        scheme, _, rest = token.partition(" ")
        owner, _, seconds = rest.partition(":")
        claims = Claims(owner, time.time() + float(seconds or 3600))
        if scheme != "Bearer" or not owner or claims.expires_at < time.time():
            raise Unauthenticated(token_sent=bool(token))
        self.check(claims)
        return claims

    def check(self, claims: Claims) -> None:
        """Raise a Problem when the claims are no longer valid."""
        if self.unavailable:
            raise Unavailable
        if self.refusing:
            raise self.refusing
        if claims.user_id in self.revoked:
            raise Unauthenticated(token_sent=True)

    async def find_revoked(self) -> None:
        """Count the call. Tests end sessions by `Sessions.end_revoked`."""
        self.checks += 1
        if self.check_fails:
            raise LookupError
        if self.unavailable:
            raise Unavailable


@dataclass
class Context:
    """The context of an operation."""

    claims: Claims
    world: World

    async def wait_for_event(self, _cost: float) -> None:
        """Wait for `World.events_allowed` if the test has set it."""
        self.world.waiting += 1
        try:
            if self.world.events_allowed:
                await self.world.events_allowed.wait()
        finally:
            self.world.waiting -= 1

    async def begin_event(self) -> None:
        """Count the event, and refuse it if the caller is revoked."""
        self.world.begun += 1
        self.world.check(self.claims)


Info = strawberry.Info[Context, None]


@strawberry.type
class Tick:
    """An event."""

    number: int
    owner: str
    text: str = ""

    @strawberry.field
    async def later(self, info: Info, text: str = "") -> int:
        """Wait until the test lets this resolver continue."""
        await info.context.world.hold.wait()
        return self.number + len(text)

    @strawberry.field
    def bug(self) -> int:
        """Fail."""
        raise LookupError("secret")

    @strawberry.field
    def outage(self, info: Info) -> int:
        """Fail as a nested list does during an outage."""
        if info.context.world.failing:
            raise info.context.world.failing
        return self.number

    @strawberry.field
    def missing(self) -> int:
        """Raise an error that the client may see."""
        raise BadUserInput({"tick": "is missing"})


@strawberry.type
class Query:
    """The queries."""

    @strawberry.field
    def me(self, info: Info) -> str:
        """Return the owner."""
        return info.context.claims.user_id

    @strawberry.field
    def long(self, info: Info, size: int) -> str:
        """Return a text of this length."""
        info.context.world.ran.append("long")
        return "x" * size

    @strawberry.field
    async def slow(self, info: Info, name: str = "slow") -> str:
        """Wait until the test lets this resolver continue."""
        info.context.world.ran.append(f"{name} begins")
        await info.context.world.hold.wait()
        info.context.world.ran.append(f"{name} ends")
        return name


@strawberry.type
class Mutation:
    """The mutations."""

    @strawberry.mutation
    async def write(self, info: Info, name: str) -> str:
        """Wait until the test lets this resolver continue, and record that it ran."""
        await info.context.world.hold.wait()
        info.context.world.ran.append(name)
        return name


@strawberry.type
class Subscription:
    """The subscriptions."""

    @strawberry.subscription
    async def ticks(self, info: Info, after: int | None = None) -> AsyncGenerator[Tick, None]:
        """Yield at each tick. A negative cursor is refused by the first step."""
        world = info.context.world
        if after is not None and after < 0:
            raise BadUserInput({"after": "has expired"})
        world.open += 1
        try:
            seen = world.count
            while True:
                async with world.ticks:
                    await world.ticks.wait_for(lambda: world.count > seen)  # noqa: B023 - called before `seen` changes
                seen = world.count
                world.pulled += 1
                yield Tick(number=seen, owner=info.context.claims.user_id)
        finally:
            world.open -= 1

    @strawberry.subscription
    async def flood(self, info: Info, size: int = 0) -> AsyncGenerator[Tick, None]:
        """Yield without ever waiting."""
        world = info.context.world
        world.open += 1
        try:
            number = 0
            while True:
                number += 1
                world.pulled += 1
                yield Tick(number=number, owner=info.context.claims.user_id, text="x" * size)
        finally:
            world.open -= 1

    @strawberry.subscription
    async def upto(self, count: int) -> AsyncGenerator[Tick, None]:
        """Yield this number of events."""
        for number in range(count):
            yield Tick(number=number, owner="")

    @strawberry.subscription
    async def broken(self, info: Info) -> AsyncGenerator[Tick, None]:
        """Fail after one event."""
        yield Tick(number=1, owner="")
        raise info.context.world.failing or LookupError("secret")


class Schema(strawberry.Schema):
    """The schema."""

    def process_errors(self, *_: object) -> None:
        """Log nothing, as the schema of the product."""


SCHEMA = Schema(
    Query, Mutation, Subscription, extensions=[Prepared], execution_context_class=Replaying
)


@dataclass
class Running:
    """The running server."""

    world: World
    sessions: Sessions
    state: ServerState
    port: int

    @property
    def url(self) -> str:
        """The URL for HTTP."""
        return f"http://127.0.0.1:{self.port}/graphql"

    def revoke(self, owner: str) -> None:
        """Revoke all tokens of an owner, and tell the server."""
        self.world.revoked.add(owner)
        self.sessions.end_revoked(owner)

    def cancel(self) -> None:
        """Cancel all apps, as uvicorn does when it stops and no longer waits for them."""
        for task in self.state.tasks:
            task.cancel()

    async def wait_until_idle(self) -> None:
        """Wait until no client is connected, and no app runs."""
        async with asyncio.timeout(PATIENCE):
            while self.state.connections or self.state.tasks:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.001)


def operations(world: World) -> Operations:
    """Return the operations of the schema above, whose contexts know this world."""

    async def context(scope: Scope, _: Operation, _cost: float) -> Context:
        claims = scope["state"]["claims"]
        world.check(claims)
        return Context(claims, world)

    return Operations(Documents(SCHEMA), Execution(SCHEMA, Compiled(SCHEMA)), context)


def sockets(world: World, sessions: Sessions, **limits: Any) -> GraphQLSockets:
    """Return the app for WebSockets, with these limits."""
    return GraphQLSockets(operations(world), sessions, world.authenticate, [ORIGIN], **limits)


@asynccontextmanager
async def serving(  # noqa: PLR0913 - each limit may be another in a test
    *,
    socket: type[BoundedWebSocket] = BoundedWebSocket,
    http: type[BoundedHttp] = BoundedHttp,
    heartbeat: float = 12,
    patience: float = PATIENCE,
    most: int = 100,
    owner: Callable[[], Owner] = Owner,
    **limits: Any,
) -> AsyncIterator[Running]:
    """Serve the schema above on a free port, with these limits of sockets."""
    world = World()

    sessions = Sessions(world.find_revoked, most=most, interval=0.02, owner=owner)
    streams = EventStreams(operations(world), sessions, heartbeat=heartbeat)
    endpoint = GraphQLEndpoint(operations(world), streams, sessions, patience=patience)
    socket_app = sockets(world, sessions, **limits)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await socket_app(scope, receive, send)
            return
        try:
            scope["state"]["claims"] = await world.authenticate(scope, scope["headers"])
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await endpoint(scope, receive, send)

    config = Config(
        app,
        http=http,
        ws=socket,
        ws_max_size=1024 * 1024,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: http(config, state, {}), "127.0.0.1", 0)
    async with server, sessions:
        running = Running(world, sessions, state, server.sockets[0].getsockname()[1])
        try:
            yield running
        finally:
            world.hold.set()
            for connection in [*state.connections]:
                connection.shutdown()
            await running.wait_until_idle()


class Client:
    """A client of the protocol that sends exactly what a test says."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, type: str, **members: object) -> None:
        """Send a message."""
        await self.connection.send(json.dumps({"type": type, **members}))

    async def receive(self) -> Any:
        """Return the next message."""
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.connection.recv())

    async def subscribe(self, id: str, query: str, **variables: object) -> None:
        """Start an operation."""
        await self.send("subscribe", id=id, payload={"query": query, "variables": variables})

    async def close_code(self) -> int | None:
        """Wait until the server closes the socket, and return the code. No message may come."""
        async with asyncio.timeout(PATIENCE):
            try:
                message = await self.connection.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None
            raise AssertionError(message)


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    """Open a socket without `connection_init`."""
    url = url.replace("http", "ws", 1)
    options = {"subprotocols": [SUBPROTOCOL], "proxy": None, "compression": None} | options
    if "origin" in options:
        options["origin"] = Origin(options["origin"])
    async with connect(url, **options) as connection:
        yield Client(connection)


@asynccontextmanager
async def acknowledged(url: str, sent: str = "ada", **options: Any) -> AsyncIterator[Client]:
    """Open a socket, and authenticate it with a token."""
    async with connected(url, **options) as client:
        await client.send("connection_init", payload={"Authorization": f"Bearer {sent}"})
        assert await client.receive() == {"type": "connection_ack"}
        yield client


def run(test: Callable[[Running], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a test with a server."""

    async def attempt() -> None:
        async with asyncio.timeout(PATIENCE), serving(**limits) as server:
            await test(server)

    asyncio.run(attempt())


async def constant(number: Callable[[], int]) -> int:
    """Return a number once ten readings, 0.02 s apart, have given the same number.

    Two readings are not enough: a busy machine may stop the whole process between them.
    """
    before, times = -1, 0
    while times < 10:
        now = number()
        before, times = now, times + 1 if now == before else 0
        await asyncio.sleep(0.02)
    return before


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)
