"""Provide the keys that verify tokens: shared secrets, and a cached JWK Set.

A key is selected before any claim of the token is read. This module does not know claims. Together
with `tokens.py` it can be copied into another project.
"""

import asyncio
import json
import logging
import math
import os
import re
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httpx
import jwt
import truststore
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

log = logging.getLogger(__name__)

ACCESS_TOKEN = b"bearer-tasks/access-token/v1"
SECURITY_EVENT = b"bearer-tasks/security-event/v1"
LOG = b"bearer-tasks/log/v1"
"""The purpose of the key with which the log hashes owners."""

FETCH_TIMEOUT = 3.0
"""Seconds for the whole key set to arrive, including redirects."""
MIN_FETCH_INTERVAL = 1.0
"""The fewest seconds between two fetches of a key set, however many tokens name unknown keys."""
LIFETIME = 60.0, 300.0, 3600.0
"""Seconds for which a fetched key set is fresh: the minimum, the default if its issuer sends no
lifetime, and the maximum. A key that the issuer has withdrawn stays trusted for that long.
"""
STALE_IF_ERROR = 86_400.0
"""Seconds for which a key set is used while its issuer is unreachable. After that no key is known.
"""
MAX_BYTES = 64 * 1024
MAX_KEYS = 32
MAX_REDIRECTS = 3
MAX_WAITING = 100
"""The most requests that wait for one fetch. When it ends, all of them continue at once, and delay
the requests with a known key. Further requests fail with TooManyUnknownKeys or KeysUnavailable.
"""
RSA_BITS = range(2048, 8193)
"""The allowed sizes of an RSA key. The lower bound is that of RFC 7518 §3.3; the upper bound limits
the CPU time of verifying a signature.
"""

# For each `kty` and `crv`: the supported algorithms, and the JWK members that form the public key.
# A key is used for a single algorithm (RFC 8725 §3.1): its `alg`, or the first one listed here.
_KINDS = {
    ("OKP", "Ed25519"): (("EdDSA",), ("x",)),
    ("EC", "P-256"): (("ES256",), ("x", "y")),
    ("RSA", None): (("RS256", "PS256"), ("n", "e")),
}
# The y coordinates of Ed25519's points of order 1, 2, 4 and 8, in all encodings. If a public key is
# one of these points, anybody can forge its signatures (RFC 8725 §3.4). One of them is encoded as
# 32 zero bytes, which an issuer may serve by mistake.
_P = 2**255 - 19
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _Y8, _P - _Y8, _P - 1, _P, _P + 1})
# RFC 9864 §2.2: the fully-specified name of the same algorithm, which also names the curve.
_FULL_NAMES = {"Ed25519": "EdDSA"}
_SECRET_MEMBERS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,10})(?:$|[\s,])")


class KeysUnavailable(Exception):
    """The keys are not known at the moment. The token may be valid: the client should retry."""


class TooManyUnknownKeys(KeysUnavailable):
    """Too many requests wait for a fetch of the key set, although the issuer is reachable.

    This is neither an outage nor a rejection: a waiting request may have the first token that was
    signed with a new key.
    """


def derive(secret: bytes, purpose: bytes) -> bytes:
    """Derive a key of 32 bytes for one purpose, by HKDF-SHA256 (RFC 5869) with an empty salt.

    Better Auth signs e-mail links with the secret itself. With a separate key for access tokens,
    neither can be used as the other.
    """
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret)


@dataclass(frozen=True, slots=True)
class Key:
    """A key for a single algorithm (RFC 8725 §3.1).

    `shared_with_others` marks a key that also signs other things than access tokens. A valid
    signature of such a key does not prove that the signed text is an access token.
    """

    algorithm: str
    material: Any = field(repr=False)
    """Bytes for HS256; for the other algorithms, a public key of `cryptography`."""
    id: str | None = None
    shared_with_others: bool = False

    def signed(self, octets: bytes, signature: bytes) -> bool:
        """Return whether this is the key's signature of these octets (RFC 7515 §5.2)."""
        return jwt.get_algorithm_by_name(self.algorithm).verify(octets, self.material, signature)


class KeySet:
    """The public keys that an issuer serves at a URL (RFC 7517 §5), cached.

    An async context manager: inside it, the set is fetched again in the background before its
    lifetime ends. At most one fetch runs at a time. While the issuer is unreachable, the keys that
    it served last stay in use. The only environment variables that are read are those that locate
    certificates; `proxy` names the proxy. `headers` returns more headers for each fetch. The
    constants of this module describe the other arguments.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
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
                    keys = _usable(await _body(response))
                    return keys, _lifetime(response.headers, self._lifetime)
                url = response.next_request.url
            if _origin(url) != _origin(self._url):
                raise ValueError("redirected to another origin")
        raise ValueError("too many redirects")


class KeyRing:
    """The keys that may verify a token: shared secrets, and the keys of a key set."""

    def __init__(self, keys: Iterable[Key], key_set: KeySet | None = None) -> None:
        self._keys = tuple(keys)
        self._set = key_set

    @property
    def version(self) -> int:
        """A number that changes when the keys do. Tokens must then be verified again."""
        return self._set.version if self._set else 0

    async def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys for this algorithm and this id, in the order in which to try them.

        Return no keys for an unsupported algorithm. Raises KeysUnavailable and TooManyUnknownKeys.
        """
        if algorithm == "HS256":
            return self._keys
        algorithm = _FULL_NAMES.get(algorithm, algorithm)
        if self._set and any(algorithm in algorithms for algorithms, _ in _KINDS.values()):
            return await self._set.candidates(algorithm, key_id)
        return ()


def shared_secrets(secrets: Iterable[str], purpose: bytes, *, raw: bool = False) -> list[Key]:
    """Return the HS256 keys that are derived from these secrets, in the order of the secrets.

    With `raw`, the secrets themselves follow as keys: some issuers sign tokens with them.
    """
    octets = [secret.encode() for secret in secrets]
    keys = [Key("HS256", derive(secret, purpose)) for secret in octets]
    return keys + [Key("HS256", s, shared_with_others=True) for s in octets if raw]


def system_trust() -> ssl.SSLContext:
    """Return a TLS context that trusts the certificate authorities of the system's store.

    If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, the authorities that it names are trusted instead.
    Raises OSError when there is no such file or folder.
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


def _usable(body: bytes) -> tuple[Key, ...]:
    """Return the usable keys of a JWK Set. Ignore unsupported keys (RFC 7517 §5)."""
    served = json.loads(body)
    jwks = served.get("keys") if isinstance(served, dict) else None
    if not isinstance(jwks, list) or len(jwks) > MAX_KEYS:
        raise ValueError(f"not a JWK Set of at most {MAX_KEYS} keys")
    return tuple(key for jwk in jwks if isinstance(jwk, dict) and (key := _key(jwk)))


def _key(jwk: Mapping[str, object]) -> Key | None:
    """Return the public key of a JWK (RFC 7517 §4); None if it cannot verify tokens here."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    key_id = jwk.get("kid")
    operations = jwk.get("key_ops", ["verify"])
    if (
        kind not in list(_KINDS)  # a list, because the value from the JWK may be unhashable
        or jwk.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        or not isinstance(key_id, str | None)
        or not _SECRET_MEMBERS.isdisjoint(jwk)  # a private key: anybody could sign with it
    ):
        return None
    algorithms, members = _KINDS[kind]
    named = str(jwk.get("alg", algorithms[0]))
    algorithm = _FULL_NAMES.get(named, named)
    if algorithm not in algorithms:
        return None
    try:
        public = {name: jwk[name] for name in ("kty", *members)} | {"crv": kind[1]}
        material = jwt.get_algorithm_by_name(algorithm).from_jwk(public)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(material, RSAPublicKey) and (
        material.key_size not in RSA_BITS or material.public_numbers().e >= 2**32
    ):
        return None
    if isinstance(material, Ed25519PublicKey) and _y(material) in _SMALL_ORDER:
        return None
    return Key(algorithm, material, key_id)


def _y(key: Ed25519PublicKey) -> int:
    """Return the y coordinate (RFC 8032 §5.1.3): little-endian, without the sign bit of x."""
    return int.from_bytes(key.public_bytes_raw(), "little") & (2**255 - 1)


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
