"""Which keys of a key set are used: of a supported type, for one algorithm, never a weak one."""

import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP384R1, SECP521R1
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.identity.keys import (
    ACCESS_TOKEN,
    MAX_KEYS,
    SECURITY_EVENT,
    Key,
    KeyRing,
    derive,
    shared_secrets,
    usable_keys,
)
from tests.issuer import base64url, es256, number, rsa, signers

SIGNERS = signers()
ED, EC, RSA, PSS = (SIGNERS[name].jwk for name in ("EdDSA", "ES256", "RS256", "PS256"))
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth")
SHORT = generate_private_key(65_537, 1024)  # noqa: S505 - a key that must be skipped
# RFC 8032 §5.1: the points of small order, for which anybody can forge signatures.
SMALL = [
    bytes(32),
    bytes(31) + b"\x80",
    b"\x01" + bytes(31),
    b"\x01" + bytes(30) + b"\x80",
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 30 + b"\x7f",
    b"\xec" + b"\xff" * 31,
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]


def usable(*jwks: object) -> tuple[Key, ...]:
    return usable_keys(json.dumps({"keys": jwks}).encode())


def without(jwk: dict[str, Any], *members: str) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in members}


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_key_verifies_only_its_own_signature_of_the_data(algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    [key] = usable(signer.jwk)
    assert (key.algorithm, key.id, key.shared_with_others) == (algorithm, signer.id, False)
    assert key.signed(b"what", signer.sign(b"what"))
    assert not key.signed(b"what", signer.sign(b"else"))
    assert not key.signed(b"what", b"")


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (without(ED, "alg"), "EdDSA"),
        (without(EC, "alg"), "ES256"),
        (without(RSA, "alg"), "RS256"),
        (PSS, "PS256"),
        (ED | {"alg": "Ed25519"}, "EdDSA"),
        (without(ED, "use"), "EdDSA"),
        (ED | {"key_ops": ["verify"]}, "EdDSA"),
        (ED | {"key_ops": ["sign", "verify"]}, "EdDSA"),
        (ED | {"x5u": "https://evil.example", "x5c": ["x"], "x5t": 7, "ext": True}, "EdDSA"),
        (rsa("RS256", key=generate_private_key(3, 2048)).jwk, "RS256"),
        (rsa("RS256", key=generate_private_key(65_537, 2056)).jwk, "RS256"),
        (RSA | {"e": number(2**32 - 1)}, "RS256"),
        (RSA | {"n": number(2**8191 + 1)}, "RS256"),
    ],
)
def test_algorithm_of_a_key_is_its_alg_or_follows_from_its_type(
    jwk: dict[str, Any], algorithm: str
) -> None:
    assert [key.algorithm for key in usable(jwk)] == [algorithm]


def test_key_id_may_be_missing_or_empty() -> None:
    assert [key.id for key in usable(without(ED, "kid"), ED | {"kid": ""})] == [None, ""]


PASSED_OVER = {
    "for encryption": ED | {"use": "enc"},
    "for neither use": ED | {"use": "SIG"},
    "use null": ED | {"use": None},
    "use a list": ED | {"use": ["sig"]},
    "key_ops without verify": ED | {"key_ops": ["sign"]},
    "key_ops empty": ED | {"key_ops": []},
    "key_ops a string": ED | {"key_ops": "verify"},
    "key_ops null": ED | {"key_ops": None},
    "private Ed25519": ED | {"d": ED["x"]},
    "private P-256": EC | {"d": EC["x"]},
    **{
        f"private RSA by {name}": RSA | {name: "AQAB"}
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth"]
    },
    "a secret beside": RSA | {"k": "AQAB"},
    "a private member that is null": ED | {"d": None},
    "a shared secret": {"kty": "oct", "k": base64url(b"x" * 32), "alg": "HS256"},
    "a shared secret without k": {"kty": "oct", "alg": "HS256", "kid": "x"},
    "RSA of 1024 bits": rsa("RS256", key=SHORT).jwk,
    "RSA of 2047 bits": RSA | {"n": number(2**2046 + 1)},
    "RSA of 8193 bits": RSA | {"n": number(2**8192 + 1)},
    "RSA of 300,000 bits": RSA | {"n": number(2**300_000 + 1)},
    "RSA, n of nothing": RSA | {"n": ""},
    "RSA, n is 0": RSA | {"n": "AA"},
    "RSA, e of nothing": RSA | {"e": ""},
    "RSA, e is 1": RSA | {"e": "AQ"},
    "RSA, e is even": RSA | {"e": number(65_536)},
    "RSA, e over 32 bits": RSA | {"e": number(2**32 + 1)},
    "RSA, e as long as n": RSA | {"e": number(2**2040 + 1)},
    "RSA with a curve": RSA | {"crv": "P-256"},
    "RSA without n": without(RSA, "n"),
    "RSA without e": without(RSA, "e"),
    "RSA, n is a number": RSA | {"n": 7},
    "RSA, n is null": RSA | {"n": None},
    "RSA, n is a list": RSA | {"n": [RSA["n"]]},
    "RSA, n is no base64url": RSA | {"n": "A"},
    "P-384": without(es256(curve=SECP384R1()).jwk, "alg"),
    "P-384 as ES256": es256(curve=SECP384R1()).jwk,
    "P-384 that says P-256": es256(curve=SECP384R1()).jwk | {"crv": "P-256"},
    "P-521": es256(curve=SECP521R1()).jwk,
    "secp256k1": EC | {"crv": "secp256k1"},
    "secp256k1 that says P-256": es256(curve=SECP256K1()).jwk | {"crv": "P-256"},
    "a point off the curve": EC | {"y": EC["x"]},
    "the point 0, 0": EC | {"x": base64url(bytes(32)), "y": base64url(bytes(32))},
    "the point at infinity": EC | {"x": "", "y": ""},
    "x over the field": EC | {"x": base64url(b"\xff" * 32)},
    "x of 31 octets": EC | {"x": base64url(bytes(31))},
    "x of 33 octets": EC | {"x": base64url(bytes(33))},
    "P-256 without y": without(EC, "y"),
    "P-256 without crv": without(EC, "crv"),
    "P-256, y is null": EC | {"y": None},
    "P-256, y is a number": EC | {"y": 7},
    "X25519": {
        "kty": "OKP",
        "crv": "X25519",
        "x": base64url(X25519PrivateKey.generate().public_key().public_bytes_raw()),
    },
    "Ed448": {
        "kty": "OKP",
        "crv": "Ed448",
        "alg": "EdDSA",
        "x": base64url(Ed448PrivateKey.generate().public_key().public_bytes_raw()),
    },
    "Ed25519 of 31 octets": ED | {"x": base64url(bytes(31))},
    "Ed25519 of 33 octets": ED | {"x": base64url(bytes(33))},
    "Ed25519 without x": without(ED, "x"),
    "Ed25519, x is a list": ED | {"x": [ED["x"]]},
    "Ed25519, x has a lone surrogate": ED | {"x": "\ud800"},
    **{f"Ed25519 of small order: {x.hex()}": ED | {"x": base64url(x)} for x in SMALL},
    "no kty": without(ED, "kty"),
    "kty in lower case": ED | {"kty": "okp"},
    "kty null": ED | {"kty": None},
    "kty a list": ED | {"kty": ["OKP"]},
    "crv a list": ED | {"crv": ["Ed25519"]},
    "crv an object": ED | {"crv": {}},
    "kid a number": ED | {"kid": 7},
    "kid a list": ED | {"kid": ["ed"]},
    "alg of another kind": ED | {"alg": "ES256"},
    "alg of another kind, in full": EC | {"alg": "Ed25519"},
    "alg of the other kind": EC | {"alg": "EdDSA"},
    "alg of a larger digest": RSA | {"alg": "RS512"},
    "alg of a larger curve": EC | {"alg": "ES384"},
    "alg none": ED | {"alg": "none"},
    "alg HS256": RSA | {"alg": "HS256"},
    "alg for encryption": RSA | {"alg": "RSA-OAEP"},
    "alg null": ED | {"alg": None},
    "alg a list": ED | {"alg": ["EdDSA"]},
    "a list": [ED],
    "a string": "key",
    "null": None,
}


@pytest.mark.parametrize("fault", PASSED_OVER)
def test_unusable_key_is_skipped_and_the_others_are_kept(fault: str) -> None:
    assert [key.id for key in usable(PASSED_OVER[fault], EC)] == [EC["kid"]]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'"keys"', b"null", b"{}", b'{"keys":{}}', b'{"keys":null}', b'{"keys"', b"\xff"],
)
def test_malformed_key_set_raises_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a JWK Set|Expecting|decode"):
        usable_keys(body)


def test_key_set_may_have_32_keys_and_no_more() -> None:
    assert len(usable(*[ED] * MAX_KEYS)) == MAX_KEYS == 32
    with pytest.raises(ValueError, match="32 keys"):
        usable(*[ED] * (MAX_KEYS + 1))
    with pytest.raises(ValueError, match="32 keys"):
        usable(*[None] * (MAX_KEYS + 1))


def test_key_set_may_be_empty() -> None:
    assert usable() == ()


def test_key_ignores_the_order_of_members_and_unknown_members() -> None:
    again = dict(reversed((ED | {"exp": 7}).items()))
    assert usable(ED) == usable(again)
    other = ED | {"x": base64url(Ed25519PrivateKey.generate().public_key().public_bytes_raw())}
    assert usable(ED) != usable(other)


def test_repr_shows_neither_a_key_nor_a_secret() -> None:
    [derived, raw] = shared_secrets(["canary" * 6], ACCESS_TOKEN, raw=True)
    assert "canary" not in repr([derived, raw])
    assert "material" not in repr(derived)


def test_newest_secret_is_tried_first_and_derived_keys_before_raw_secrets() -> None:
    now, before = "a" * 32, "b" * 32
    both = shared_secrets([now, before], ACCESS_TOKEN, raw=True)
    [a, b] = shared_secrets([now, before], ACCESS_TOKEN)
    assert both[:2] == [a, b] == [*shared_secrets([now], ACCESS_TOKEN), b]
    assert [(key.material, key.shared_with_others) for key in both] == [
        (derive(now.encode(), ACCESS_TOKEN), False),
        (derive(before.encode(), ACCESS_TOKEN), False),
        (now.encode(), True),
        (before.encode(), True),
    ]
    assert {key.algorithm for key in both} == {"HS256"}
    assert {key.id for key in both} == {None}


@pytest.mark.parametrize("purpose", [ACCESS_TOKEN, SECURITY_EVENT])
def test_key_is_derived_as_the_frontend_derives_it(purpose: bytes) -> None:
    """RFC 5869 by hand: extract with an empty salt, expand by one block."""
    extracted = hmac.digest(b"\0" * 32, b"secret", "sha256")
    assert hmac.digest(extracted, purpose + b"\x01", "sha256") == derive(b"secret", purpose)


def test_purposes_of_derived_keys_match_the_frontend() -> None:
    assert ACCESS_TOKEN == b"bearer-tasks/access-token/v1"
    assert SECURITY_EVENT == b"bearer-tasks/security-event/v1"


def test_shared_secrets_are_candidates_for_hs256() -> None:
    shared = shared_secrets(["a" * 32], ACCESS_TOKEN)
    with pytest.raises(StopIteration) as found:
        KeyRing(shared).candidates("HS256", "any").send(None)
    assert found.value.value == tuple(shared)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "PS256", "none", "HS512", ""])
def test_shared_secrets_are_candidates_for_no_other_algorithm(algorithm: str) -> None:
    ring = KeyRing(shared_secrets(["a" * 32], ACCESS_TOKEN))
    with pytest.raises(StopIteration) as found:
        ring.candidates(algorithm, None).send(None)
    assert found.value.value == ()
    assert ring.version == 0
