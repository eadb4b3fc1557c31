"""Parse URLs, or connect to them, as the API does. As a program, print the results as JSON."""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

from api.errors import Unavailable
from api.postgres.connections import connect
from api.postgres.url import InvalidUrl, read

ASKED = """SELECT current_user, ssl, current_setting('application_name') AS application
FROM pg_stat_ssl WHERE pid = pg_backend_pid()"""


def parsed(url: str) -> dict[str, object]:
    """Return what the API reads in a URL, or why it rejects the URL."""
    try:
        return {"says": asdict(read(url))}
    except InvalidUrl as invalid:
        return {"refused": str(invalid)}


async def connected(url: str) -> object:
    """Return properties of a connection, or why there is none."""
    try:
        connection = await connect(url)
    except InvalidUrl as invalid:
        return str(invalid)
    except Unavailable:
        return "does not connect"
    try:
        return dict(await connection.fetchrow(ASKED) or {})
    finally:
        connection.terminate()


async def connected_to(urls: Iterable[str]) -> list[object]:
    """Return the result of `connected` for each URL."""
    return [await connected(url) for url in urls]


if __name__ == "__main__":
    json.dump(asyncio.run(connected_to(json.load(sys.stdin))), sys.stdout)
