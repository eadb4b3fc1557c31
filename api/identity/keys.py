"""The key ring: which key may have signed a token, chosen before anything in it is believed.

Knows keys and algorithms, never claims. With `tokens.py` it can be copied into another project.
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

FETCH_TIMEOUT = 3.0
"""Seconds for all of a key set to arrive, redirects included."""
FLOOR = 1.0
"""Seconds between two fetches of a key set, however many unknown keys are named meanwhile."""
LIFETIME = 60.0, 300.0, 3600.0
"""Seconds that a key set is kept without asking: at least, when its issuer does not say, at most.

A key that is withdrawn is believed for as long.
"""
KEPT_STALE = 86_400.0
"""Seconds that a key set is used while its issuer is away; then nothing is known any more."""
MAX_BYTES = 64 * 1024
MAX_KEYS = 32
MAX_REDIRECTS = 3
MAX_WAITING = 100
"""Requests that wait for one fetch. All are answered at once when it ends, and whoever has a known
key is kept waiting for as long as that takes; so more are told to come again.
"""
RSA_BITS = range(2048, 8193)
"""RFC 7518 §3.3, and a bound on how long a signature keeps the process busy."""

# By `kty` and `crv`: the algorithms that such a key may be for, of which it is for one (RFC 8725
# §3.1), the first when its JWK names no `alg`; and the members that it is made of.
_KINDS = {
    ("OKP", "Ed25519"): (("EdDSA",), ("x",)),
    ("EC", "P-256"): (("ES256",), ("x", "y")),
    ("RSA", None): (("RS256", "PS256"), ("n", "e")),
}
# The y of Ed25519's points of order 1, 2, 4 and 8, in every spelling. Under a key that is one of
# them anybody can sign (RFC 8725 §3.4): 32 zeros, which a mistake may well serve, among them.
_P = 2**255 - 19
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _Y8, _P - _Y8, _P - 1, _P, _P + 1})
# RFC 9864 §2.2: the same algorithm by the name that says its curve too.
_FULL_NAMES = {"Ed25519": "EdDSA"}
_SECRET_MEMBERS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,10})(?:$|[\s,])")


class KeysUnavailable(Exception):
    """Which keys there are cannot be told just now: a reason to come again, not a bad token."""


class TooManyUnknownKeys(KeysUnavailable):
    """More ask about keys than can wait to hear of them, while the issuer is there: a flood.

    No outage, and no refusal either: among them may be whoever has the first token of a new key.
    """


def derive(secret: bytes, purpose: bytes) -> bytes:
    """32 bytes by HKDF-SHA256 (RFC 5869) with an empty salt: a key for one purpose alone.

    Better Auth signs e-mail links with the bare secret. Were access tokens signed with it too,
    each could be taken for the other.
    """
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret)


@dataclass(frozen=True, slots=True)
class Key:
    """One key for one algorithm (RFC 8725 §3.1).

    `shared_with_others` marks a key that signs other things than access tokens too, so that a
    good signature alone does not yet tell what was signed.
    """

    algorithm: str
    material: Any = field(repr=False)
    """Bytes for HS256, a public key of `cryptography` for the others."""
    id: str | None = None
    shared_with_others: bool = False

    def signed(self, octets: bytes, signature: bytes) -> bool:
        """Whether this is its signature of these octets (RFC 7515 §5.2)."""
        return jwt.get_algorithm_by_name(self.algorithm).verify(octets, self.material, signature)


class KeySet:
    """The public keys that an issuer serves at a URL (RFC 7517 §5), fetched ahead of need.

    An async context manager: inside it the set is fetched again before it is due. One fetch runs
    at a time. While the issuer is unreachable, the keys that it last served stay in use. The only
    environment variables that are read are those that locate certificates; `proxy` names the proxy.
    The constants of this module describe the other arguments.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        url: str,
        *,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        fetch_timeout: float = FETCH_TIMEOUT,
        floor: float = FLOOR,
        lifetime: tuple[float, float, float] = LIFETIME,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._url = httpx.URL(url)
        self._clock = clock
        self._fetch_timeout = fetch_timeout
        self._floor = floor
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
        self._away = False
        self._next: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._version = 0

    async def __aenter__(self) -> Self:
        self._start(self._follow())
        await asyncio.sleep(0)  # it has begun to fetch: who asks first waits for that
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
        """Changes when the keys do; 0 while they are not known."""
        return self._version if self._is_known() else 0

    async def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """The keys that may have signed, by this algorithm and under this id.

        An id that is not known is asked about first, FLOOR after the last fetch began at the
        soonest. Raises KeysUnavailable when the issuer cannot tell, and TooManyUnknownKeys.
        """
        if self._is_known() and (found := self._find(algorithm, key_id)):
            return found
        # Without an id there is nothing to ask about: what is known is all that there is.
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
        """Waits for a fetch that begins from now on, with all others who do."""
        if self._waiting >= self._max_waiting:
            raise TooManyUnknownKeys if self._is_known() and not self._away else KeysUnavailable
        self._waiting += 1
        try:
            if not self._known and self._lock.locked():  # the first one: it will tell
                async with self._lock:
                    pass
            else:
                self._next = self._next or self._start(self._fetch_when_allowed())
                # Whoever hangs up must not end it for the others.
                await asyncio.shield(self._next)
        finally:
            self._waiting -= 1
        if self._away:
            raise KeysUnavailable

    async def _fetch_when_allowed(self) -> None:
        async with self._lock:
            await asyncio.sleep(max(0.0, self._began + self._floor - self._clock()))
            self._next = None  # whoever comes from here on waits for the one after
            await self._fetch()

    async def _follow(self) -> None:
        """Fetches the set again when a fifth of its life is left, so that no request waits."""
        while True:
            async with self._lock:
                if self._clock() >= self._due:
                    await self._fetch()
            await asyncio.sleep(max(self._floor, self._due - self._clock()))

    async def _fetch(self) -> None:
        self._began = self._clock()
        try:
            async with asyncio.timeout(self._fetch_timeout):
                keys, lifetime = await self._served()
        except Exception as error:  # noqa: BLE001 - whatever an issuer does, what is known stays
            self._due = self._began + self._floor
            if not self._away:
                log.warning("no key set from %s: %s", self._url, _reason(error))
            self._away = True
            return
        if self._away or not self._known:
            log.info("%d keys from %s", len(keys), self._url)
        if keys != self._keys:
            self._version += 1
        self._keys, self._known, self._away = keys, True, False
        self._due = self._began + lifetime * 0.8
        self._stale_until = self._began + KEPT_STALE

    async def _served(self) -> tuple[tuple[Key, ...], float]:
        """The keys, and the seconds for which they are good."""
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url) as response:
                if response.next_request is None:
                    keys = _usable(await _body(response))
                    return keys, _lifetime(response.headers, self._lifetime)
                url = response.next_request.url
            if _origin(url) != _origin(self._url):
                raise ValueError("redirected to another origin")
        raise ValueError("redirected too often")


class KeyRing:
    """The keys that a token may have been signed with: known ones, and those of a key set."""

    def __init__(self, keys: Iterable[Key], key_set: KeySet | None = None) -> None:
        self._keys = tuple(keys)
        self._set = key_set

    @property
    def version(self) -> int:
        """Changes when the keys do: what was verified before may no longer be."""
        return self._set.version if self._set else 0

    async def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """The keys made for this algorithm, in the order to try them; none for any other.

        Raises KeysUnavailable and TooManyUnknownKeys, when that cannot be told just now.
        """
        if algorithm == "HS256":
            return self._keys
        algorithm = _FULL_NAMES.get(algorithm, algorithm)
        if self._set and any(algorithm in algorithms for algorithms, _ in _KINDS.values()):
            return await self._set.candidates(algorithm, key_id)
        return ()


def shared_secrets(secrets: Iterable[str], purpose: bytes, *, raw: bool = False) -> list[Key]:
    """The keys of those who share these secrets with their issuer, the newest first.

    `raw` also takes what is signed with a bare secret, as some issuers do.
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
        raise ValueError("compressed, which was not asked for")  # a bomb may be in it
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES} bytes")
    return bytes(body)


def _usable(body: bytes) -> tuple[Key, ...]:
    """The keys of a JWK Set. Those for other uses and of other kinds are passed over (§5)."""
    served = json.loads(body)
    jwks = served.get("keys") if isinstance(served, dict) else None
    if not isinstance(jwks, list) or len(jwks) > MAX_KEYS:
        raise ValueError(f"not a key set of at most {MAX_KEYS} keys")
    return tuple(key for jwk in jwks if isinstance(jwk, dict) and (key := _key(jwk)))


def _key(jwk: Mapping[str, object]) -> Key | None:
    """The public key of a JWK (RFC 7517 §4); None when it is not for verifying tokens here."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    key_id = jwk.get("kid")
    operations = jwk.get("key_ops", ["verify"])
    if (
        kind not in list(_KINDS)  # a list, since nobody knows whether this can be hashed
        or jwk.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        or not isinstance(key_id, str | None)
        or not _SECRET_MEMBERS.isdisjoint(jwk)  # whoever reads the set could sign with it
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
    """RFC 8032 §5.1.3: little-endian, without the sign of x."""
    return int.from_bytes(key.public_bytes_raw(), "little") & (2**255 - 1)


def _lifetime(headers: httpx.Headers, bounds: tuple[float, float, float] = LIFETIME) -> float:
    """Return the seconds that the answer may be kept (RFC 9111 §4.2), within these bounds."""
    least, usual, most = bounds
    directives = headers.get("Cache-Control", "").lower()
    if "no-store" in directives or "no-cache" in directives:
        return least
    age = headers.get("Age", "")
    if stated := _MAX_AGE.search(directives):
        seconds = float(stated[1])
    elif "Expires" in headers:  # of no account beside max-age (§5.3)
        seconds = _moment(headers["Expires"]) - _moment(headers.get("Date", ""), time.time())
    else:
        seconds = usual
    if age.isascii() and age.isdigit():
        seconds -= float(age)
    return min(max(seconds, least), most)


def _moment(date: str, otherwise: float = -math.inf) -> float:
    """Seconds since the epoch (RFC 9110 §5.6.7). What is no date is long ago (RFC 9111 §5.3)."""
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """RFC 6454 §4."""
    return url.scheme, url.host, url.port


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
