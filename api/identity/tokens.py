"""A token in, its claims out, or InvalidToken: the rules of who is believed, and nothing of HTTP.

PyJWT checks the signature. What surrounds it is read here, more strictly than PyJWT does: it takes
padded base64, a JSON member that stands twice, dates written as strings, a token made for another
purpose and one that lives for ten years. With `keys.py` it can be copied into another project.
"""

import binascii
import hashlib
import json
import math
import time
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from .keys import Key, KeyRing

MAX_BYTES = 8 * 1024
LEEWAY = 30
"""Seconds by which two clocks may differ, for `nbf` and `iat`; `exp` is exact."""
LIFE_MARGIN = 60
"""Seconds past the longest life, for the time between signing a token and seeing it."""
REMEMBERED = 10_000
"""Verified tokens whose claims are kept, about 1 KB each; the one used longest ago goes first."""
TYPES = ("jwt", "at+jwt")
"""The media types that the `typ` of an access token may name, in lower case. `typ` is optional."""
MAX_AUDIENCES = 10


class InvalidToken(Exception):
    """Not to be believed. Its text is for the log: fixed words, nothing from the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `expires_at` is in seconds since the epoch."""

    user_id: str
    email: str | None
    sid: str | None
    issuer: str
    expires_at: float


class Verifier:
    """Verifies access tokens for one issuer and audience; None turns that comparison off.

    `max_age` is the longest life in seconds that a token may have, and have ahead of it. One that
    is seen again is remembered: that its signature and claims were good, not that it still is. Its
    `exp` is asked each time, and whoever knows of revocations asks those behind this.
    `max_remembered` is the number of tokens that are.
    """

    def __init__(  # noqa: PLR0913 - each limit may be another in a test
        self,
        keys: KeyRing,
        *,
        issuer: str | None,
        audience: str | None,
        max_age: int,
        clock: Callable[[], float] = time.time,
        max_remembered: int = REMEMBERED,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._max_age = max_age
        self._clock = clock
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[bytes, Claims] = OrderedDict()
        self._version = keys.version

    async def verify(self, token: str) -> Claims:
        """The claims of a good token; raises InvalidToken for any other.

        Raises KeysUnavailable when the keys to tell by cannot be had just now.
        """
        if len(token) > MAX_BYTES or not token.isascii():
            raise InvalidToken("too long, or not ASCII")
        if self._version != self._keys.version:  # what was good under a key that is gone
            self._version = self._keys.version
            self._remembered.clear()
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._remembered.get(digest)
        claims = remembered or self._claims(*await opened(token, self._keys, TYPES))
        if self._clock() >= claims.expires_at:
            raise InvalidToken("expired")
        self._remembered[digest] = claims
        self._remembered.move_to_end(digest)
        if len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)
        return claims

    def _claims(self, claims: dict[str, object], key: Key) -> Claims:
        now = self._clock()
        expires_at, issued_at = seconds(claims, "exp"), seconds(claims, "iat")
        if expires_at is None:
            raise InvalidToken("never expires")
        # Counted from when it was issued too. Else one from before the longest life was shortened
        # would come back for the last of its own, when its session's end is forgotten.
        since = now if issued_at is None else min(now, issued_at)
        if expires_at > since + self._max_age + LIFE_MARGIN:
            raise InvalidToken("lives too long")
        for claim in ("nbf", "iat"):
            if (seconds(claims, claim) or 0) > now + LEEWAY:
                raise InvalidToken("from the future")
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
        raise InvalidToken(f"another {claim}")


async def opened(
    token: str, keys: KeyRing, types: Collection[str]
) -> tuple[dict[str, object], Key]:
    """The claims of a JWS in compact form, unread, and the key under which its signature is good.

    Of the header `alg`, `kid` and `typ` have a say, and nothing that it links to or brings along
    (`jku`, `x5u`, `jwk`, `x5c`). `types` are media types in lower case, without `application/`.
    A missing `typ` means "JWT". Raises InvalidToken and KeysUnavailable.
    """
    segments = token.split(".")
    if len(segments) != 3:
        raise InvalidToken("not three segments")
    header_octets, payload, signature = (_canonical(segment) for segment in segments)
    header = _members(header_octets)
    if _media_type(header.get("typ", "JWT")) not in types:
        raise InvalidToken("a token of another type")
    if not _EXTENSIONS.isdisjoint(header):
        raise InvalidToken("an extension that nobody here knows")
    algorithm, key_id = text(header, "alg", 10), text(header, "kid", 255)
    signed = token.rpartition(".")[0].encode()
    for key in await keys.candidates(algorithm or "", key_id):
        if key.signed(signed, signature):
            return _members(payload), key
    raise InvalidToken("no key of ours signed it")


def _media_type(typ: object) -> object:
    """Return the media type that a `typ` names, in lower case and without `application/`.

    Media types are case-insensitive, and the prefix is optional (RFC 7515 §4.1.9, RFC 2045 §5.1).
    """
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ


_EXTENSIONS = frozenset({"crit", "b64", "zip"})
"""Header parameters that change what the rest means: RFC 7515 §4.1.11, RFC 7797, RFC 7516."""


def _canonical(segment: str) -> bytes:
    """Unpadded base64url, spelled the one way that its bytes have (RFC 4648 §3.5)."""
    try:
        octets = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("not base64url") from None
    if urlsafe_b64encode(octets).rstrip(b"=") != segment.encode():
        raise InvalidToken("base64url in another spelling")
    return octets


def _members(octets: bytes) -> dict[str, object]:
    """A JSON object (RFC 8259) with each member once and no NaN or Infinity."""
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidToken("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidToken("not a JSON object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _refuse(_constant: str) -> object:
    raise ValueError


def seconds(claims: dict[str, object], claim: str) -> float | None:
    """A NumericDate (RFC 7519 §2): a finite JSON number; None when the claim is missing."""
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


def text(claims: dict[str, object], claim: str, longest: int) -> str | None:
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
