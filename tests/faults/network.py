"""A network between the API and PostgreSQL that is as slow as a test wants."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Network:
    """A TCP proxy in front of a server's socket. It delays each packet of the server."""

    def __init__(self, url: str) -> None:
        self.delay = 0.0
        """The seconds by which each further packet is delayed."""
        self.url = ""
        [folder] = parse_qs(urlsplit(url).query)["host"]
        self._to = Path(folder) / ".s.PGSQL.5432"
        self._listening = threading.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Pass on packets until `end`."""
        self._loop = asyncio.get_running_loop()
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = (
            f"postgresql://postgres@127.0.0.1:{listener.sockets[0].getsockname()[1]}/postgres"
        )
        self._listening.set()
        await self._ended.wait()
        listener.close()

    def end(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._ended.set)

    def wait(self) -> None:
        """Wait until the proxy accepts connections."""
        self._listening.wait()

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.CancelledError):  # cancelled at the end
            from_server, to_server = await asyncio.open_unix_connection(self._to)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass_on(from_client, to_server, is_delayed=False))
                    both.create_task(self._pass_on(from_server, to_client, is_delayed=True))
            finally:
                to_server.close()
                to_client.close()

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


@contextmanager
def network(url: str) -> Iterator[Network]:
    """Run a network in front of the PostgreSQL at this URL, in a thread."""
    made = Network(url)
    thread = threading.Thread(target=lambda: asyncio.run(made.run()))
    thread.start()
    made.wait()
    try:
        yield made
    finally:
        made.end()
        thread.join()
