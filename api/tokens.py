"""A token in, its claims out, or InvalidToken: the rules of who is believed, and nothing of HTTP.

PyJWT checks the signature. What surrounds it is read here, more strictly than PyJWT does: it takes
padded base64, a JSON member that stands twice, dates written as strings, a token made for another
purpose and one that lives for ten years. With `keys.py` it can be copied into another project.
"""

import binascii
import json
import math
import time
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

import jwt

from api.keys import Key, KeyRing

MAX_BYTES = 8 * 1024
LEEWAY = 30
"""Seconds by which two clocks may differ, for `nbf` and `iat`; `exp` is exact."""
LIFE_MARGIN = 60
"""Seconds past the longest life, for the time between signing a token and seeing it."""

_jws = jwt.PyJWS()


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

    `max_age` is the longest life in seconds that a token may have ahead of it.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        issuer: str | None,
        audience: str | None,
        max_age: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._max_age = max_age
        self._clock = clock

    def verify(self, token: str) -> Claims:
        """The claims of a good token; raises InvalidToken for any other."""
        if len(token) > MAX_BYTES:
            raise InvalidToken("too long")
        segments = token.split(".")
        if len(segments) != 3:
            raise InvalidToken("not three segments")
        header, payload, _ = (_canonical(segment) for segment in segments)
        key = self._key(token, _members(header))
        return self._claims(_members(payload), key)

    def _key(self, token: str, header: dict[str, object]) -> Key:
        """The key under which the signature is good. Of the header, only `alg` has a say."""
        if header.get("typ", "JWT") not in ("JWT", "at+jwt"):
            raise InvalidToken("a token of another type")
        if "crit" in header or "b64" in header:
            raise InvalidToken("an extension that nobody here knows")  # RFC 7515 §4.1.11
        for key in self._keys.candidates(header.get("alg")):
            try:
                _jws.decode(token, key.secret, algorithms=[key.algorithm])
            except jwt.InvalidTokenError:
                continue
            return key
        raise InvalidToken("no key of ours signed it")

    def _claims(self, claims: dict[str, object], key: Key) -> Claims:
        now = self._clock()
        expires_at = _seconds(claims, "exp")
        if expires_at is None or now >= expires_at:
            raise InvalidToken("expired, or never does")
        if expires_at > now + self._max_age + LIFE_MARGIN:
            raise InvalidToken("lives too long")
        for claim in ("nbf", "iat"):
            if (_seconds(claims, claim) or 0) > now + LEEWAY:
                raise InvalidToken("from the future")
        if "events" in claims:
            raise InvalidToken("a security event, not an access token")  # RFC 8417 §4

        issuer = self._named(claims, "iss", self._issuer, key)
        self._named(claims, "aud", self._audience, key)
        user_id = _text(claims, "user_id", 255)
        if user_id is None:
            raise InvalidToken("no user_id")
        if "sub" in claims and claims["sub"] != user_id:
            raise InvalidToken("sub and user_id differ")
        return Claims(
            user_id=user_id,
            email=_text(claims, "email", 320),
            sid=_text(claims, "sid", 255),
            issuer=issuer or "",
            expires_at=expires_at,
        )

    def _named(
        self, claims: dict[str, object], claim: str, expected: str | None, key: Key
    ) -> str | None:
        """`iss` or `aud`: one string, a trailing slash ignored.

        With its comparison off it must still be there under a key that signs other things too:
        Better Auth's e-mail tokens have neither.
        """
        value = _text(claims, claim, 2048)
        if expected is None:
            if value is None and key.shared_with_others:
                raise InvalidToken(f"no {claim}")
        elif value is None or value.removesuffix("/") != expected.removesuffix("/"):
            raise InvalidToken(f"another {claim}")
        return value


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


def _seconds(claims: dict[str, object], claim: str) -> float | None:
    """A NumericDate (RFC 7519 §2): a finite JSON number; None when the claim is missing."""
    if claim not in claims:
        return None
    value = claims[claim]
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise InvalidToken(f"{claim} is not a number")


def _text(claims: dict[str, object], claim: str, longest: int) -> str | None:
    """1 to `longest` characters, none of them a control or a lone surrogate; None when missing."""
    if claim not in claims:
        return None
    value = claims[claim]
    if (
        isinstance(value, str)
        and 1 <= len(value) <= longest
        and all(unicodedata.category(character) not in {"Cc", "Cs"} for character in value)
    ):
        return value
    raise InvalidToken(f"{claim} is not plain text of 1 to {longest} characters")
