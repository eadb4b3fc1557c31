"""A load balancer: a port that leads to the current server behind it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.waiting import PATIENCE


class LoadBalancer:
    """New connections go to the port `upstream`. Open connections stay where they are."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a new connection on to the server."""
        try:
            with suppress(OSError):
                inner_reader, inner_writer = await asyncio.open_connection(
                    "127.0.0.1", self.upstream
                )
                await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        finally:
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while octets := await reader.read(65_536):
                writer.write(octets)
                await writer.drain()
    finally:
        writer.close()


@contextmanager
def load_balancer(port: int, upstream: int) -> Iterator[LoadBalancer]:
    """Listen on this port, in another thread, since this one has an event loop."""
    through = LoadBalancer(upstream)
    loop = asyncio.new_event_loop()
    closing = asyncio.Event()

    async def serve() -> None:
        async with await asyncio.start_server(through.enter, "127.0.0.1", port):
            opened.set()
            await closing.wait()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    opened = threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert opened.wait(PATIENCE)
    try:
        yield through
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()
        loop.close()
