"""A TCP proxy between the API and PostgreSQL, with a delay that a test sets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dev.postgres import Postgres


class Network:
    """A TCP proxy in front of a server. It can delay each packet that the server sends."""

    def __init__(self, to: Path | int) -> None:
        """`to` is the server's socket, or its port on this machine."""
        self.delay = 0.0
        """The seconds by which each further packet is delayed."""
        self.port = 0
        self._to = to
        self._listening = threading.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Pass on packets until `end`."""
        self._loop = asyncio.get_running_loop()
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        self._listening.set()
        await self._ended.wait()
        listener.close()

    def end(self) -> None:
        """Close all connections, and accept no more."""
        with suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._ended.set)

    @property
    def url(self) -> str:
        """The URL of the server through this network."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def wait(self) -> None:
        """Wait until the proxy accepts connections."""
        self._listening.wait()

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        try:
            with suppress(OSError, asyncio.CancelledError):  # cancelled at the end
                if isinstance(self._to, Path):
                    from_server, to_server = await asyncio.open_unix_connection(self._to)
                else:
                    from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._pass_on(from_client, to_server, is_delayed=False))
                        both.create_task(self._pass_on(from_server, to_client, is_delayed=True))
                finally:
                    to_server.transport.abort()
        finally:
            to_client.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, is_delayed: bool
    ) -> None:
        with suppress(OSError):
            while packet := await source.read(65_536):
                if is_delayed:
                    await asyncio.sleep(self.delay)
                to.write(packet)
                await to.drain()
        to.close()


def socket_of(server: Postgres) -> Path:
    """Return the path of a server's socket."""
    [folder] = parse_qs(urlsplit(server.url).query)["host"]
    return Path(folder) / ".s.PGSQL.5432"


@contextmanager
def network(to: Path | int) -> Iterator[Network]:
    """Run a network in front of the PostgreSQL at this socket or port, in a thread."""
    made = Network(to)
    thread = threading.Thread(target=lambda: asyncio.run(made.run()))
    thread.start()
    made.wait()
    try:
        yield made
    finally:
        made.end()
        thread.join()
