"""An issuer's key set on a real socket, with correct and faulty behaviours."""

import base64
import gzip
import hmac
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    generate_private_key as generate_rsa_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.waiting import PATIENCE

JWK = dict[str, Any]
Sign = Callable[[bytes], bytes]


def base64url(octets: bytes) -> str:
    """Encode without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value: int, octets: int = 0) -> str:
    """Encode a Base64urlUInt (RFC 7518 §2), in this number of octets."""
    return base64url(value.to_bytes(octets or (value.bit_length() + 7) // 8, "big"))


def text(part: str | bytes | Mapping[str, Any]) -> bytes:
    """Return the octets of a token's segment: bytes as they are, and other values as JSON."""
    if isinstance(part, bytes):
        return part
    return (part if isinstance(part, str) else json.dumps(part)).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Signer:
    """Signs tokens with one algorithm, without a library that would correct errors in them."""

    algorithm: str
    sign: Sign = field(repr=False)
    public: PublicKeyTypes | None = None
    id: str | None = None
    rsa: RSAPrivateKey | None = field(default=None, repr=False)
    """The private RSA key, if the signer has one, to sign with other paddings."""

    @property
    def header(self) -> dict[str, Any]:
        """Return the header of a good token."""
        return {"alg": self.algorithm, "typ": "JWT"} | ({"kid": self.id} if self.id else {})

    @property
    def jwk(self) -> JWK:
        """Return the public key as a key set serves it."""
        assert self.public is not None
        return public_jwk(self.public) | {"alg": self.algorithm, "use": "sig", "kid": self.id}

    def token(
        self,
        header: str | bytes | Mapping[str, Any],
        payload: str | bytes | Mapping[str, Any],
    ) -> str:
        """Return a token of exactly these octets, correctly signed."""
        told = f"{base64url(text(header))}.{base64url(text(payload))}"
        return f"{told}.{base64url(self.sign(told.encode()))}"


def public_jwk(key: PublicKeyTypes) -> JWK:
    """Return the JWK of a public key (RFC 7518 §6.2 and §6.3, RFC 8037 §2)."""
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    if isinstance(key, Ed25519PublicKey):
        octets = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url(octets)}
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    half = len(point) // 2
    crv = {32: "P-256", 48: "P-384", 66: "P-521"}[half]
    return {"kty": "EC", "crv": crv, "x": base64url(point[:half]), "y": base64url(point[half:])}


def hs256(key: bytes, id: str | None = None) -> Signer:
    """Return a signer for HMAC with SHA-256."""
    return Signer("HS256", lambda octets: hmac.digest(key, octets, "sha256"), id=id)


def eddsa(id: str | None = "ed") -> Signer:
    """Return a signer with a new Ed25519 key."""
    key = Ed25519PrivateKey.generate()
    return Signer("EdDSA", key.sign, key.public_key(), id)


def raw_ecdsa(key: EllipticCurvePrivateKey, octets: bytes) -> bytes:
    """Return a signature as R and S (RFC 7518 §3.4), not as DER."""
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(octets, ECDSA(SHA256())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def es256(id: str | None = "ec", curve: EllipticCurve | None = None) -> Signer:
    """Return a signer with a new key, by default on P-256."""
    key = generate_private_key(curve or SECP256R1())
    return Signer("ES256", lambda octets: raw_ecdsa(key, octets), key.public_key(), id)


def pss(salt: int = 32) -> padding.PSS:
    """Return the padding of RFC 7518 §3.5, if the salt has 32 octets."""
    return padding.PSS(padding.MGF1(SHA256()), salt)


def rsa(algorithm: str, id: str | None = None, key: RSAPrivateKey | None = None) -> Signer:
    """Return a signer for RS256 or PS256, by default with a new key of 2048 bits."""
    private = key or generate_rsa_private_key(65_537, 2048)
    pad = pss() if algorithm == "PS256" else padding.PKCS1v15()

    def sign(octets: bytes) -> bytes:
        return private.sign(octets, pad, SHA256())

    return Signer(algorithm, sign, private.public_key(), id or algorithm.lower(), private)


def signers() -> dict[str, Signer]:
    """Return a new signer for each algorithm of a key set."""
    each = (eddsa(), es256(), rsa("RS256"), rsa("PS256"))
    return {signer.algorithm: signer for signer in each}


@dataclass
class Asked:
    """One request to the issuer, with methods to answer it."""

    path: str
    head: str
    at: float
    connection: socket.socket
    over: threading.Event
    """Set when the issuer stops, which ends behaviours that hang."""
    sent: int = 0

    def send(self, octets: bytes) -> None:
        """Send octets. Raises OSError if the client has disconnected."""
        self.connection.sendall(octets)
        self.sent += len(octets)

    def answer(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        """Send one whole HTTP response. `Cache_Control` is sent as `Cache-Control`."""
        lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        written = "".join(f"{n.replace('_', '-')}: {value}\r\n" for n, value in lines.items())
        self.send(f"HTTP/1.1 {status}\r\n{written}Connection: close\r\n\r\n".encode() + body)


Behaviour = Callable[[Asked], None]


class Issuer:
    """Serves HTTP on a loopback port until its context ends; `behaviour` may change meanwhile.

    Given a TLS context, it serves HTTPS.
    """

    def __init__(
        self, behaviour: Behaviour, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.behaviour = behaviour
        self.asked: list[Asked] = []
        self._over = threading.Event()
        self._somebody_asked = threading.Condition()
        issuer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                issuer._handle(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = False  # the threads of a test end before the test
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Ignore that the client has disconnected."""

        self._listener = Listener(("127.0.0.1", port), Handler)
        self.port = int(self._listener.server_address[1])
        if tls:
            self._listener.socket = tls.wrap_socket(self._listener.socket, server_side=True)
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/jwks"
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,))

    def _handle(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(4096)
            if not received:
                return
            head += received
        line = head.decode()
        asked = Asked(line.split()[1], line.lower(), time.monotonic(), connection, self._over)
        with self._somebody_asked:
            self.asked.append(asked)
            self._somebody_asked.notify_all()
        with suppress(OSError):
            self.behaviour(asked)

    def wait_asked(self, times: int) -> None:
        """Wait until this number of requests has arrived in total."""
        with self._somebody_asked:
            assert self._somebody_asked.wait_for(lambda: len(self.asked) >= times, PATIENCE)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown()
        self._listener.server_close()  # joins the threads
        self._thread.join()


def serving(*jwks: JWK, **headers: str) -> Behaviour:
    """Serve a key set correctly."""
    body = json.dumps({"keys": jwks}).encode()
    return lambda asked: asked.answer(body, **headers)


def responding(body: bytes, status: str = "200 OK", **headers: str) -> Behaviour:
    """Send this response."""
    return lambda asked: asked.answer(body, status, **headers)


def hanging(asked: Asked) -> None:
    """Accept the request, and never answer."""
    asked.over.wait()


def resetting(asked: Asked) -> None:
    """Reset the connection with an RST."""
    asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.connection.close()


def babbling(asked: Asked) -> None:
    """Send bytes that are not HTTP."""
    asked.send(b"\x16\x03\x01 what else\r\n\xff\xfe\r\n\r\n")


def flooding(asked: Asked) -> None:
    """Send 50 MB of JSON, with a Content-Length."""
    asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
    for _ in range(800):
        asked.send(b" " * 65_536)


def flooding_unannounced(asked: Asked) -> None:
    """Send 50 MB in chunks, without a length."""
    asked.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(800):
        asked.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")


def bombing(asked: Asked) -> None:
    """Send 50 MB compressed to 50 KB."""
    asked.answer(_bomb(), Content_Encoding="gzip")


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 524_288) * 100  # concatenated gzip members are one file


def dripping(asked: Asked) -> None:
    """Send a byte every tenth of a second, so that no single read times out."""
    asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while not asked.over.wait(0.1):
        asked.send(b" ")


def redirecting(*to: str) -> Behaviour:
    """Redirect to each address in turn, and then to the first again."""

    def redirect(asked: Asked) -> None:
        at = [target.endswith(asked.path) for target in to]
        after = to[(at.index(True) + 1) % len(to)] if any(at) else to[0]
        asked.answer(b"", "302 Found", Location=after)

    return redirect


FAULTY: dict[str, Behaviour] = {
    "hangs": hanging,
    "resets": resetting,
    "says nothing": lambda asked: asked.connection.close(),
    "babbles": babbling,
    "HTTP 500": responding(b'{"keys":[]}', "500 Internal Server Error"),
    "HTTP 204": responding(b"", "204 No Content"),
    "HTTP 404": responding(b'{"keys":[]}', "404 Not Found"),
    "HTML": responding(b"<!doctype html>", Content_Type="text/html"),
    "50 MB": flooding,
    "50 MB in chunks": flooding_unannounced,
    "a gzip bomb": bombing,
    "it says gzip": responding(b'{"keys":[]}', Content_Encoding="gzip"),
    "ten bytes a second": dripping,
    "half of it": responding(b'{"keys":[', Content_Length="1000"),
    "no UTF-8": responding(b'{"keys":["\xff"]}'),
    "nested without end": responding(b"[" * 60_000),
    "a list": responding(b"[]"),
    "a string": responding(b'"keys"'),
    "no keys": responding(b"{}"),
    "keys as an object": responding(b'{"keys":{}}'),
    "too many keys": responding(json.dumps({"keys": [{}] * 33}).encode()),
    "elsewhere": responding(b"", "302 Found", Location="http://evil.invalid/jwks"),
    "a redirect to nowhere": responding(b"", "302 Found", Location="http://[/"),
    "a loop": redirecting("/jwks", "/a", "/b"),
}
"""Every way to fail to serve a key set. After each, cached keys remain cached."""
