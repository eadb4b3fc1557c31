"""The keys that verify tokens: derived from shared secrets, or read from a JWK Set.

A key is selected before any claim of the token is read. This module does not know claims. Together
with `tokens.py` it can be copied into another project.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ACCESS_TOKEN = b"bearer-tasks/access-token/v1"
"""The purpose of the key that signs access tokens (see `derive`)."""
SECURITY_EVENT = b"bearer-tasks/security-event/v1"
"""The purpose of the key that signs security events."""
LOG = b"bearer-tasks/log/v1"
"""The purpose of the key with which the log hashes owners."""

MAX_KEYS = 32
"""The most keys of a key set, including those that are not usable."""
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


class PublicKeys(Protocol):
    """Public keys that can change at any time, such as the `KeySet` of an issuer."""

    @property
    def version(self) -> int:
        """A number that changes when the keys do."""
        ...

    async def candidates(self, algorithm: str, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys with this algorithm and this id. Raises KeysUnavailable."""
        ...


class KeyRing:
    """The keys that may verify a token: shared secrets, and the public keys of an issuer."""

    def __init__(self, keys: Iterable[Key], key_set: PublicKeys | None = None) -> None:
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


def usable_keys(body: bytes) -> tuple[Key, ...]:
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
