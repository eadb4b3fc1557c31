"""A TCP proxy on this machine. A test can delay what its server sends, or change the server."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import PATIENCE


class TcpProxy:
    """Passes each connection on to a server."""

    def __init__(self, to: Path | int, port: int) -> None:
        self.to = to
        """The server's socket, or its local port. A change affects only new connections."""
        self.port = port
        self.delay = 0.0
        """The seconds by which each further packet of the server is delayed."""
        self._listening = threading.Event()
        self._ended = asyncio.Event()
        self._opened: list[asyncio.StreamWriter] = []
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Pass on packets until `end`."""
        self._loop = asyncio.get_running_loop()
        async with await asyncio.start_server(self._accept, "127.0.0.1", self.port) as listener:
            self.port = listener.sockets[0].getsockname()[1]
            self._listening.set()
            await self._ended.wait()
        # `asyncio.run` cancels the tasks. One that has not begun would not close its connections.
        for writer in self._opened:
            writer.transport.abort()

    def end(self) -> None:
        """Close all connections, and accept no more."""
        with suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._ended.set)

    def wait(self) -> None:
        """Wait until the proxy accepts connections."""
        assert self._listening.wait(PATIENCE)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened.append(writer)
        if self._ended.is_set():
            writer.transport.abort()
            return
        task = asyncio.create_task(self._connect(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _connect(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            if isinstance(self.to, Path):
                from_server, to_server = await asyncio.open_unix_connection(self.to)
            else:
                from_server, to_server = await asyncio.open_connection("127.0.0.1", self.to)
            self._opened.append(to_server)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(from_client, to_server, is_delayed=False))
                both.create_task(self._pass_on(from_server, to_client, is_delayed=True))
        to_client.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, is_delayed: bool
    ) -> None:
        with suppress(OSError):
            while packet := await source.read(65_536):
                if is_delayed and self.delay:
                    await asyncio.sleep(self.delay)
                to.write(packet)
                await to.drain()
        to.close()


@contextmanager
def tcp_proxy(to: Path | int, port: int = 0) -> Iterator[TcpProxy]:
    """Run a proxy in a new thread: this one may have an event loop. Port 0 is a free port."""
    proxy = TcpProxy(to, port)
    thread = threading.Thread(target=lambda: asyncio.run(proxy.run()))
    thread.start()
    proxy.wait()
    try:
        yield proxy
    finally:
        proxy.end()
        thread.join()
