"""A client of subscriptions over server-sent events."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests import plain
from tests.conftest import Caller
from tests.waiting import PATIENCE


class Stream:
    """The response to a subscription."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> bytes:
        """Return the next result, in JSON. Return the body of a response that is not a stream.

        Raises StopIteration at the end of the stream, and httpx.ReadTimeout.
        """
        if "event-stream" not in self.response.headers.get("content-type", ""):
            return self.response.read()
        for line in self._lines:
            if line.startswith("data: "):
                return line.removeprefix("data: ").encode()
        raise StopIteration

    def data(self) -> Any:
        """Return the data of the next result, which must have no errors."""
        result = json.loads(self.next())
        assert "errors" not in result, result
        return result["data"]


@contextmanager
def subscribed(
    caller: Caller, query: str, variables: dict[str, Any] | None = None, timeout: float = PATIENCE
) -> Iterator[Stream]:
    """Subscribe with the token of a caller. Each result may take `timeout` seconds."""
    with (
        plain.Client(timeout=timeout) as client,
        client.stream(
            "POST",
            f"{caller.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {caller.token}", "Accept": "text/event-stream"},
        ) as response,
    ):
        yield Stream(response)
