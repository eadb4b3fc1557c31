"""The key ring: which key may have signed a token, chosen before anything in it is believed.

Knows keys and algorithms, never claims. With `tokens.py` it can be copied into another project.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ACCESS_TOKEN = b"bearer-tasks/access-token/v1"


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
    secret: bytes = field(repr=False)
    shared_with_others: bool = False


class KeyRing:
    """The keys that a token may have been signed with."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def candidates(self, algorithm: object) -> tuple[Key, ...]:
        """The keys made for this algorithm, in the order to try them; none for any other."""
        return tuple(key for key in self._keys if key.algorithm == algorithm)


def shared_secret(secret: str, *, raw: bool) -> KeyRing:
    """The ring of an API that shares one secret with its issuer.

    `raw` also takes tokens signed with the bare secret, as some issuers do.
    """
    octets = secret.encode()
    keys = [Key("HS256", derive(octets, ACCESS_TOKEN))]
    if raw:
        keys.append(Key("HS256", octets, shared_with_others=True))
    return KeyRing(keys)
