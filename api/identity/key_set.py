"""Fetch the public keys of an issuer, and cache them (RFC 7517 §5).

Together with `keys.py` this module can be copied into another project.
"""

import asyncio
import logging
import math
import os
import re
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

import httpx
import truststore

from .keys import Key, KeysUnavailable, TooManyUnknownKeys, usable_keys

log = logging.getLogger(__name__)

FETCH_TIMEOUT = 3.0
"""Seconds for the whole key set to arrive, including redirects."""
MIN_FETCH_INTERVAL = 1.0
"""The fewest seconds between two fetches of a key set, however many tokens name unknown keys."""
LIFETIME = 60.0, 300.0, 3600.0
"""Seconds for which a fetched key set is fresh: the minimum, the default if its issuer sends no
lifetime, and the maximum. A key that the issuer has withdrawn stays trusted for that long.
"""
STALE_IF_ERROR = 86_400.0
"""Seconds for which a key set is used while its issuer is unreachable. After that, no key is known.
"""
MAX_BYTES = 64 * 1024
"""The most bytes of a key set."""
MAX_REDIRECTS = 3
"""The most redirects of one fetch. All of them must stay within the origin of the URL."""
MAX_WAITING = 100
"""The most requests that wait for one fetch. When it ends, all of them continue at once, and delay
the requests with a known key. Further requests fail with TooManyUnknownKeys or KeysUnavailable.
"""
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,10})(?:$|[\s,])")


class KeySet:
    """The public keys that an issuer serves at a URL (RFC 7517 §5), cached.

    An async context manager: inside it, the set is fetched again in the background before its
    lifetime ends. At most one fetch runs at a time. While the issuer is unreachable, the keys that
    it served last stay in use. The only environment variables that are read are those that locate
    certificates; `proxy` names the proxy. `headers` returns more headers for each fetch. The
    constants of this module describe the other arguments.
    """

    def __init__(  # noqa: PLR0913 - a test may pass its own value for each limit
        self,
        url: str,
        *,
        proxy: str | None = None,
        headers: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
        fetch_timeout: float = FETCH_TIMEOUT,
        min_interval: float = MIN_FETCH_INTERVAL,
        lifetime: tuple[float, float, float] = LIFETIME,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._url = httpx.URL(url)
        self._headers = headers
        self._clock = clock
        self._fetch_timeout = fetch_timeout
        self._min_interval = min_interval
        self._lifetime = lifetime
        self._max_waiting = max_waiting
        self._client = httpx.AsyncClient(
            timeout=fetch_timeout,
            verify=system_trust(),
            proxy=proxy,
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        self._lock = asyncio.Lock()
        self._known = False
        self._keys: tuple[Key, ...] = ()
        self._began = self._due = self._stale_until = -math.inf
        self._failing = False
        self._next: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._version = 0

    async def __aenter__(self) -> Self:
        self._start(self._follow())
        await asyncio.sleep(0)  # starts the first fetch, so that the first request waits for it
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._client.aclose()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    @property
    def version(self) -> int:
        """A number that changes when the keys do. It is 0 while they are not known."""
        return self._version if self._is_known() else 0

    async def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys with this algorithm and this id.

        If no key has this id, the key set is fetched first, at least MIN_FETCH_INTERVAL after the
        last fetch began. Raises KeysUnavailable when that fetch fails, and TooManyUnknownKeys.
        """
        if self._is_known() and (found := self._find(algorithm, key_id)):
            return found
        # A token without an id does not prove that there are new keys, so it causes no fetch.
        if not self._is_known() or (key_id is not None and not self._find(None, key_id)):
            await self._wait()
        return self._find(algorithm, key_id)

    def _find(self, algorithm: str | None, key_id: str | None) -> tuple[Key, ...]:
        return tuple(
            key
            for key in self._keys
            if algorithm in {None, key.algorithm} and (key_id is None or key.id in {None, key_id})
        )

    def _is_known(self) -> bool:
        return self._known and self._clock() < self._stale_until

    async def _wait(self) -> None:
        """Wait for a fetch that begins after this call. All waiting requests share one fetch."""
        if self._waiting >= self._max_waiting:
            raise TooManyUnknownKeys if self._is_known() and not self._failing else KeysUnavailable
        self._waiting += 1
        try:
            if not self._known and self._lock.locked():  # the very first fetch is running
                async with self._lock:
                    pass
            else:
                self._next = self._next or self._start(self._fetch_when_allowed())
                # A request that is cancelled must not cancel the fetch for the other requests.
                await asyncio.shield(self._next)
        finally:
            self._waiting -= 1
        if self._failing:
            raise KeysUnavailable

    async def _fetch_when_allowed(self) -> None:
        async with self._lock:
            await asyncio.sleep(max(0.0, self._began + self._min_interval - self._clock()))
            self._next = None  # a request that comes from now on waits for a later fetch
            await self._fetch()

    async def _follow(self) -> None:
        """Fetch the set again when a fifth of its lifetime is left, so that no request waits."""
        while True:
            async with self._lock:
                if self._clock() >= self._due:
                    await self._fetch()
            await asyncio.sleep(max(self._min_interval, self._due - self._clock()))

    async def _fetch(self) -> None:
        self._began = self._clock()
        try:
            async with asyncio.timeout(self._fetch_timeout):
                keys, lifetime = await self._served()
        except Exception as error:  # noqa: BLE001 - an error must not discard the known keys
            self._due = self._began + self._min_interval
            if not self._failing:
                log.warning("no key set from %s: %s", self._url, _reason(error))
            self._failing = True
            return
        if self._failing or not self._known:
            log.info("%d keys from %s", len(keys), self._url)
        if keys != self._keys:
            self._version += 1
        self._keys, self._known, self._failing = keys, True, False
        self._due = self._began + lifetime * 0.8
        self._stale_until = self._began + STALE_IF_ERROR

    async def _served(self) -> tuple[tuple[Key, ...], float]:
        """Fetch the keys, and the seconds for which they are fresh."""
        url = self._url
        headers = self._headers()
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.next_request is None:
                    keys = usable_keys(await _body(response))
                    return keys, _lifetime(response.headers, self._lifetime)
                url = response.next_request.url
            if _origin(url) != _origin(self._url):
                raise ValueError("redirected to another origin")
        raise ValueError("too many redirects")


def system_trust() -> ssl.SSLContext:
    """Return a TLS context that trusts the certificate authorities of the system's store.

    If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, the authorities in that file and that folder are
    trusted instead. Raises OSError if the file does not exist. OpenSSL ignores a missing folder.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _body(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise ValueError(f"HTTP {response.status_code}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("unexpected Content-Encoding")  # it could be a decompression bomb
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES} bytes")
    return bytes(body)


def _lifetime(headers: httpx.Headers, bounds: tuple[float, float, float] = LIFETIME) -> float:
    """Return the freshness lifetime of a response (RFC 9111 §4.2), within these bounds.

    The unit is seconds.
    """
    least, usual, most = bounds
    directives = headers.get("Cache-Control", "").lower()
    if "no-store" in directives or "no-cache" in directives:
        return least
    age = headers.get("Age", "")
    if stated := _MAX_AGE.search(directives):
        seconds = float(stated[1])
    elif "Expires" in headers:  # ignored if there is a max-age (§5.3)
        seconds = _timestamp(headers["Expires"]) - _timestamp(headers.get("Date", ""), time.time())
    else:
        seconds = usual
    if age.isascii() and age.isdigit():
        seconds -= float(age)
    return min(max(seconds, least), most)


def _timestamp(date: str, otherwise: float = -math.inf) -> float:
    """Return an HTTP date (RFC 9110 §5.6.7) in seconds since the epoch.

    For an invalid date return `otherwise`, by default a time in the past (RFC 9111 §5.3).
    """
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return the origin of a URL (RFC 6454 §4)."""
    return url.scheme, url.host, url.port


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
