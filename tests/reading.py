"""The contract of the access token, implemented literally and slowly, as a second opinion.

The implementation follows the text of the contract and the RFCs that it names, and not
`api/identity/tokens.py`. The two share no code: neither a JSON nor a base64 decoder, nor
PyJWT.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.issuer import Signer

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SPACE = " \t\n\r"


class Rejected(Exception):
    """The token is rejected."""


@dataclass(frozen=True)
class Rules:
    """Settings of the API: None for `off`. Public keys sign under their names in the key set."""

    now: float
    issuer: str | None
    audience: str | None
    max_age: int
    derived: Collection[bytes] = ()
    raw: Collection[bytes] = ()
    served: Collection[Signer] = field(default=())


def accepts(token: str, rules: Rules) -> bool:
    """Return whether an API with these rules accepts the token."""
    try:
        _read(token, rules)
    except Rejected:
        return False
    return True


def _read(token: str, rules: Rules) -> None:
    # "at most 8 KiB"
    _must(len(token.encode("utf-8", "surrogatepass")) <= 8 * 1024)
    # "three unpadded base64url segments with canonical tails"
    segments = token.split(".")
    _must(len(segments) == 3)
    header_octets, payload_octets, signature = (_base64url(segment) for segment in segments)
    # "JSON without duplicate members, NaN or Infinity"
    header, payload = _object(header_octets), _object(payload_octets)
    # "`typ` absent, `JWT` or `at+jwt` (media types: any case, with or without `application/`), and
    # no `events` claim"
    _must("typ" not in header or _names_a_type(header["typ"]))
    _must("events" not in payload)
    # "unknown `crit` refused": none is known, and RFC 7515 §4.1.11 forbids an empty one. RFC 7797
    # defines `b64` as critical, and `zip` is only in RFC 7516.
    _must("crit" not in header and "b64" not in header and "zip" not in header)
    # RFC 7515 §4.1.4: "Its structure is unspecified. The "kid" value MUST be a case-sensitive
    # string." It names a key here, so its length and characters are limited like those of a name.
    kid = None
    if "kid" in header:
        kid = header["kid"]
        _must(_plain(kid, 255))
    # "the key chosen by algorithm before anything in the token is believed, one algorithm a key"
    told = (segments[0] + "." + segments[1]).encode("ascii")
    bare = _verify(header.get("alg"), kid, told, signature, rules)
    # "The API demands `user_id`, `exp`, `iss` and `aud`"
    # `user_id`: "the owner: 1 to 255 characters, no control characters, no lone surrogates"
    _must("user_id" in payload and _plain(payload["user_id"], 255))
    # `sub`: "if there, the same"
    _must("sub" not in payload or payload["sub"] == payload["user_id"])
    # "`email`, `sid` (Better Auth's session id)": text of limited length
    _must("email" not in payload or _plain(payload["email"], 320))
    _must("sid" not in payload or _plain(payload["sid"], 255))
    # "`exp` to the second, `nbf` and `iat` with 30 s of leeway, all JSON numbers"
    now = Fraction(rules.now)
    _must("exp" in payload)
    for claim in ("exp", "nbf", "iat"):
        _must(claim not in payload or isinstance(payload[claim], Fraction))
    _must(now < payload["exp"])
    _must("nbf" not in payload or payload["nbf"] <= now + 30)
    _must("iat" not in payload or payload["iat"] <= now + 30)
    # "`exp` more than `ACCESS_TOKEN_MAX_AGE` + 60 s ahead is refused, whoever signed"
    _must(payload["exp"] <= now + rules.max_age + 60)
    # "a revocation need be remembered no longer": the token may not be issued for longer either
    _must("iat" not in payload or payload["exp"] <= payload["iat"] + rules.max_age + 60)
    # "`iss` (one string) and `aud` (a string, or a list of at most 10 strings that contains ours)
    # against `JWT_ISSUER` and `JWT_AUDIENCE` (trailing slash ignored; the literal `off` turns one
    # off; under the raw secret they are demanded even so)". An empty list contains no audience.
    for claim, expected in (("iss", rules.issuer), ("aud", rules.audience)):
        if claim not in payload:
            _must(expected is None and not bare)
            continue
        said = [payload[claim]]
        if claim == "aud" and isinstance(payload[claim], list):
            said = payload[claim]
            _must(len(said) in {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
        for one in said:
            _must(_plain(one, 2048))
        if expected is not None:
            _must(_bare(expected) in said or _bare(expected) + "/" in said)


def _must(holds: bool) -> None:  # noqa: FBT001 - read as "it must be so"
    if not holds:
        raise Rejected


def _names_a_type(typ: object) -> bool:
    """Return whether a media type is accepted. RFC 2045 §5.1: its letters have no case."""
    if not isinstance(typ, str):
        return False
    small = ""
    for letter in typ:
        capital = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(letter)
        small += "abcdefghijklmnopqrstuvwxyz"[capital] if capital >= 0 else letter
    return small in {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}


def _bare(url: str) -> str:
    return url.removesuffix("/")


def _plain(value: object, longest: int) -> bool:
    """Return whether a value is text without controls (C0, DEL, C1) and lone surrogates."""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        return False
    for character in value:
        point = ord(character)
        if point < 0x20 or 0x7F <= point <= 0x9F or 0xD800 <= point <= 0xDFFF:
            return False
    return True


def _verify(alg: Any, kid: str | None, told: bytes, signature: bytes, rules: Rules) -> bool:
    """Return whether the raw secret signed the token."""
    if alg == "HS256":
        for secret in rules.derived:
            if hmac.new(secret, told, "sha256").digest() == signature:
                return False
        for secret in rules.raw:
            if hmac.new(secret, told, "sha256").digest() == signature:
                return True
        raise Rejected
    # RFC 9864 §2.2: "Ed25519" is EdDSA with the only curve that is supported here.
    if alg == "Ed25519":
        alg = "EdDSA"
    for signer in rules.served:
        if signer.algorithm == alg and (kid is None or kid == signer.id):
            try:
                _verify_by(signer, told, signature)
            except (InvalidSignature, ValueError):
                continue
            return False
    raise Rejected


def _verify_by(signer: Signer, told: bytes, signature: bytes) -> None:
    key = signer.public
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, told)
    elif isinstance(key, EllipticCurvePublicKey):
        _must(len(signature) == 64)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), told, ECDSA(SHA256()))
    else:
        assert isinstance(key, RSAPublicKey)
        pss = padding.PSS(padding.MGF1(SHA256()), 32)
        pad = pss if signer.algorithm == "PS256" else padding.PKCS1v15()
        key.verify(signature, told, pad, SHA256())


def _base64url(segment: str) -> bytes:
    """Decode RFC 4648 §5, six bits at a time. Bits that are left over must be zero (§3.5)."""
    bits = 0
    for character in segment:
        _must(character in ALPHABET)
        bits = bits << 6 | ALPHABET.index(character)
    over = 6 * len(segment) % 8
    _must(over < 6)  # six bits left over: the last character is no whole octet
    _must(bits % 2**over == 0)
    return (bits >> over).to_bytes(6 * len(segment) // 8, "big")


def _object(octets: bytes) -> dict[str, Any]:
    try:
        written = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected from None
    value, rest = _value(_skip(written), 0)
    _must(_skip(rest) == "")
    _must(isinstance(value, dict))
    assert isinstance(value, dict)
    return value


def _skip(written: str) -> str:
    return written.lstrip(SPACE)


def _value(written: str, depth: int) -> tuple[Any, str]:
    """Parse a value of RFC 8259, and return the rest of the text too. Numbers are exact."""
    _must(depth < 100)
    for word, meant in (("true", True), ("false", False), ("null", None)):
        if written.startswith(word):
            return meant, written[len(word) :]
    match written[:1]:
        case '"':
            return _string(written[1:])
        case "[":
            return _array(_skip(written[1:]), depth)
        case "{":
            return _members(_skip(written[1:]), depth)
        case _:
            return _number(written)


def _array(written: str, depth: int) -> tuple[list[Any], str]:
    found: list[Any] = []
    if written.startswith("]"):
        return found, written[1:]
    while True:
        value, rest = _value(written, depth + 1)
        found.append(value)
        rest = _skip(rest)
        if rest.startswith("]"):
            return found, rest[1:]
        _must(rest.startswith(","))
        written = _skip(rest[1:])


def _members(written: str, depth: int) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {}
    if written.startswith("}"):
        return found, written[1:]
    while True:
        _must(written.startswith('"'))
        name, rest = _string(written[1:])
        rest = _skip(rest)
        _must(rest.startswith(":"))
        value, rest = _value(_skip(rest[1:]), depth + 1)
        _must(name not in found)
        found[name] = value
        rest = _skip(rest)
        if rest.startswith("}"):
            return found, rest[1:]
        _must(rest.startswith(","))
        written = _skip(rest[1:])


def _string(written: str) -> tuple[str, str]:
    units: list[int] = []
    at = 0
    while True:
        _must(at < len(written))
        character = written[at]
        at += 1
        if character == '"':
            break
        _must(character >= " ")
        if character != "\\":
            units += _utf16(character)
            continue
        escaped = written[at : at + 1]
        at += 1
        if escaped == "u":
            digits = written[at : at + 4]
            at += 4
            _must(len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits))
            units.append(int(digits, 16))
        else:
            _must(escaped != "" and escaped in '"\\/bfnrt')
            units.append(ord(dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))[escaped]))
    octets = b"".join(unit.to_bytes(2, "big") for unit in units)
    return octets.decode("utf-16-be", "surrogatepass"), written[at:]


def _utf16(character: str) -> list[int]:
    octets = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2)]


def _number(written: str) -> tuple[Fraction, str]:
    at = 1 if written.startswith("-") else 0
    whole, at = _digits(written, at)
    _must(whole == "0" or (whole != "" and whole[0] != "0"))
    fraction = power = ""
    if written[at : at + 1] == ".":
        fraction, at = _digits(written, at + 1)
        _must(fraction != "")
    sign = ""
    if written[at : at + 1] in {"e", "E"}:
        at += 1
        if written[at : at + 1] in {"+", "-"}:
            sign = written[at]
            at += 1
        power, at = _digits(written, at)
        _must(power != "")
    exponent = int(sign + power) if power else 0
    _must(abs(exponent) < 5000 and at < 1000)  # no real token has such a number
    value = Fraction(int(whole + fraction)) * Fraction(10) ** (exponent - len(fraction))
    if fraction or power:  # such a number is a double, and one out of range is an Infinity
        try:
            value = Fraction(float(value))
        except OverflowError:
            raise Rejected from None
    return (-value if written.startswith("-") else value), written[at:]


def _digits(written: str, at: int) -> tuple[str, int]:
    start = at
    while written[at : at + 1] != "" and written[at] in "0123456789":
        at += 1
    return written[start:at], at
