"""Send requests to the web app and to the running API, without a proxy."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from api.identity.key_set import system_trust


class NoResponse(Exception):
    """A server did not respond. The text names its URL and the error."""


@asynccontextmanager
async def response_to(
    method: str,
    url: str,
    patience: float,
    *,
    content: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[httpx.Response]:
    """Send a request, and yield the response before its body is read.

    The whole exchange may take `patience` seconds. Raises NoResponse.
    """
    try:
        async with (
            asyncio.timeout(patience),
            httpx.AsyncClient(verify=system_trust(), trust_env=False) as client,
            client.stream(method, url, content=content, headers=headers) as response,
        ):
            yield response
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise NoResponse(f"{url} does not respond ({type(error).__name__})") from error
