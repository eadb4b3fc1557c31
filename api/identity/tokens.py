"""Verify JWT access tokens, and return their claims. This module does not know HTTP.

PyJWT verifies the signature. Everything else is parsed here, because PyJWT is less strict: it
accepts padded base64, duplicate JSON members, dates as strings, tokens for another purpose, and
tokens with a lifetime of ten years. Together with `keys.py` it can be copied into another project.
"""

import binascii
import hashlib
import json
import math
import time
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .keys import Key, KeyRing

MAX_BYTES = 8 * 1024
"""The most bytes of a token."""
LEEWAY = 30
"""Seconds by which the issuer's clock may be ahead. They apply to `nbf` and `iat`, not to `exp`."""
LIFE_MARGIN = 60
"""Seconds that are added to the longest lifetime, for the time between signing and verifying."""
CACHE_SIZE = 10_000
"""The most verified tokens whose claims are cached, about 1 KB each. The least recently used token
is evicted first."""
CACHED_HEADERS, LONGEST_CACHED_HEADER = 100, 200
"""The number of parsed headers that are cached, and the most characters of such a header, encoded.
Longer ones are not cached: a forged header of 8 kB can take 35 times as much memory when parsed."""
TYPES = ("jwt", "at+jwt")
"""The media types that the `typ` of an access token may name, in lower case. `typ` is optional."""
MAX_AUDIENCES = 10
"""The most audiences in the `aud` of a token."""


class InvalidToken(Exception):
    """The token is not valid. The message is for the log, and contains nothing from the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token. `expires_at` is in seconds since the epoch."""

    user_id: str
    email: str | None
    sid: str | None
    issuer: str
    expires_at: float

    @property
    def revocable(self) -> tuple[Hashable, ...]:
        """The owner and, if it has an id, the session. Either may be revoked before the expiry."""
        session = (self.issuer, self.sid)
        return (self.user_id,) if self.sid is None else (self.user_id, session)


class Verifier:
    """Verifies access tokens for one issuer and audience. None turns that comparison off.

    `max_age` is the longest lifetime of a token in seconds, counted from its `iat` or from now,
    whichever is earlier. The claims of verified tokens are cached, `cache_size` of them. `exp` is
    checked on every call. Revocations are not checked: that is up to the caller.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        keys: KeyRing,
        *,
        issuer: str | None,
        audience: str | None,
        max_age: int,
        clock: Callable[[], float] = time.time,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._max_age = max_age
        self._clock = clock
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()
        self._version = keys.version

    async def verify(self, token: str) -> Claims:
        """Return the claims of a token. Raises InvalidToken when it is not valid.

        Raises KeysUnavailable when the keys are not known at the moment.
        """
        if len(token) > MAX_BYTES or not token.isascii():
            raise InvalidToken("too long, or not ASCII")
        if self._version != self._keys.version:  # a cached token's key may have been withdrawn
            self._version = self._keys.version
            self._cache.clear()
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        claims = cached or self._claims(*await verify_signature(token, self._keys, TYPES))
        if self._clock() >= claims.expires_at:
            raise InvalidToken("expired")
        self._cache[digest] = claims
        self._cache.move_to_end(digest)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return claims

    def _claims(self, claims: dict[str, object], key: Key) -> Claims:
        now = self._clock()
        expires_at, issued_at = seconds(claims, "exp"), seconds(claims, "iat")
        if expires_at is None:
            raise InvalidToken("no exp")
        # The lifetime counts from `iat`, not only from now. Otherwise, after `max_age` was
        # shortened, a token with the old lifetime would be accepted during its last `max_age`
        # seconds, although the revocation of its session may already have been deleted.
        since = now if issued_at is None else min(now, issued_at)
        if expires_at > since + self._max_age + LIFE_MARGIN:
            raise InvalidToken("exp is too far in the future")
        for claim in ("nbf", "iat"):
            if (seconds(claims, claim) or 0) > now + LEEWAY:
                raise InvalidToken("nbf or iat is in the future")
        if "events" in claims:
            raise InvalidToken("a security event, not an access token")  # RFC 8417 §4

        issuer = text(claims, "iss", 2048)
        _check("iss", () if issuer is None else (issuer,), self._issuer, key)
        _check("aud", audiences(claims), self._audience, key)
        user_id = text(claims, "user_id", 255)
        if user_id is None:
            raise InvalidToken("no user_id")
        if "sub" in claims and claims["sub"] != user_id:
            raise InvalidToken("sub and user_id differ")
        return Claims(
            user_id=user_id,
            email=text(claims, "email", 320),
            sid=text(claims, "sid", 255),
            issuer=(issuer or "").removesuffix("/"),
            expires_at=expires_at,
        )


def _check(claim: str, values: Collection[str], expected: str | None, key: Key) -> None:
    """Raise InvalidToken unless one of the values is the expected one. Ignore a trailing slash.

    If `expected` is None, the values are not compared. The claim must still be present if the key
    also signs other tokens: Better Auth's e-mail tokens have neither `iss` nor `aud`.
    """
    if expected is None:
        if not values and key.shared_with_others:
            raise InvalidToken(f"no {claim}")
    elif expected.removesuffix("/") not in {value.removesuffix("/") for value in values}:
        raise InvalidToken(f"wrong {claim}")


async def verify_signature(
    token: str, keys: KeyRing, types: Collection[str]
) -> tuple[dict[str, object], Key]:
    """Verify the signature of a JWS in compact form. Return its claims, unchecked, and its key.

    Of the header parameters only `alg`, `kid` and `typ` are used. Keys that the header contains or
    links to (`jku`, `x5u`, `jwk`, `x5c`) are ignored. `types` are the accepted media types, in
    lower case and without `application/`. A missing `typ` means "JWT".

    Raises InvalidToken and KeysUnavailable.
    """
    segments = token.split(".")
    if len(segments) != 3:
        raise InvalidToken("not three segments")
    parse = _cached_header if len(segments[0]) <= LONGEST_CACHED_HEADER else _header
    header, signature = parse(segments[0]), _canonical(segments[2])
    if _media_type(header.get("typ", "JWT")) not in types:
        raise InvalidToken("wrong typ")
    if not _EXTENSIONS.isdisjoint(header):
        raise InvalidToken("an unsupported extension in the header")
    algorithm, key_id = text(header, "alg", 10), text(header, "kid", 255)
    signed = token.rpartition(".")[0].encode()
    for key in await keys.candidates(algorithm or "", key_id):
        if key.signed(signed, signature):
            return _members(_canonical(segments[1])), key
    raise InvalidToken("no known key verifies the signature")


def _header(segment: str) -> Mapping[str, object]:
    """Return the members of a header. Raises InvalidToken."""
    return _members(_canonical(segment))


# Usually, all tokens that were signed with one key have equal headers.
_cached_header = lru_cache(CACHED_HEADERS)(_header)


def _media_type(typ: object) -> object:
    """Return the media type that a `typ` names, in lower case and without `application/`.

    Media types are case-insensitive, and the prefix is optional (RFC 7515 §4.1.9, RFC 2045 §5.1).
    """
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ


_EXTENSIONS = frozenset({"crit", "b64", "zip"})
"""Header parameters that change the meaning of the token: RFC 7515 §4.1.11, RFC 7797, RFC 7516."""


def _canonical(segment: str) -> bytes:
    """Decode unpadded base64url. Raises InvalidToken unless it is canonical (RFC 4648 §3.5)."""
    try:
        octets = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("not base64url") from None
    if urlsafe_b64encode(octets).rstrip(b"=") != segment.encode():
        raise InvalidToken("not canonical base64url")
    return octets


def _members(octets: bytes) -> dict[str, object]:
    """Parse a JSON object (RFC 8259).

    Raises InvalidToken for any other text, for duplicate members, and for NaN and Infinity.
    """
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidToken("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidToken("not a JSON object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the members of an object. Raises ValueError for duplicate names."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _refuse(_constant: str) -> object:
    """Raise ValueError for NaN and Infinity, which are not JSON."""
    raise ValueError


def seconds(claims: dict[str, object], claim: str) -> float | None:
    """Return a NumericDate claim (RFC 7519 §2), in seconds; None when the claim is missing.

    Raises InvalidToken unless the claim is a finite JSON number.
    """
    if claim not in claims:
        return None
    value = claims[claim]
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise InvalidToken(f"{claim} is not a number")


def audiences(claims: dict[str, object]) -> tuple[str, ...]:
    """Return the audiences in `aud` (RFC 7519 §4.1.3), or an empty tuple when it is missing.

    Raises InvalidToken unless `aud` is a string, or a list of 1 to MAX_AUDIENCES strings.
    """
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= MAX_AUDIENCES:
        raise InvalidToken(f"aud is not a list of 1 to {MAX_AUDIENCES}")
    return tuple(_plain(one, "aud", 2048) for one in values)


def text(claims: Mapping[str, object], claim: str, longest: int) -> str | None:
    """Return the text of a claim; None when the claim is missing.

    Raises InvalidToken unless the claim is a string of 1 to `longest` characters, without control
    characters and lone surrogates.
    """
    return _plain(claims[claim], claim, longest) if claim in claims else None


def _plain(value: object, claim: str, longest: int) -> str:
    if (
        isinstance(value, str)
        and 1 <= len(value) <= longest
        and all(unicodedata.category(character) not in {"Cc", "Cs"} for character in value)
    ):
        return value
    raise InvalidToken(f"{claim} is not plain text of 1 to {longest} characters")
