"""Measure the time to verify a token, for the first time and from the cache, and with PyJWT alone.

Run it with `python -m benchmarks.verify`. PyJWT alone does less: it gets the key, the algorithm,
the issuer and the audience. So it need not select a key, and it accepts the invalid tokens that
`api/identity/tokens.py` lists.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import jwt

from api.identity.key_set import KeySet
from api.identity.keys import ACCESS_TOKEN, KeyRing, derive, shared_secrets
from api.identity.tokens import Verifier
from tests import issuer
from tests.conftest import SECRET, SITE
from tests.issuer import Issuer
from tests.wrong_tokens import Case

ROUNDS = 7
TOKENS = 1_000
"""The tokens of a round, which all fit into the cache. The best round counts, because other load on
the machine can only slow a round down."""


def best(work: Callable[[], object]) -> float:
    """Return the microseconds for each token in the best round."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took) / TOKENS * 1e6


def finish(verifying: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that never waits, without an event loop."""
    try:
        verifying.send(None)
    except StopIteration:
        return
    raise AssertionError("the coroutine waited")


def measure(signer: issuer.Signer, ring: KeyRing, key: Any) -> tuple[float, float, float]:
    """Return the microseconds for a new token, for a cached token, and for PyJWT alone."""
    now = int(time.time())
    each = [Case(signer, now, SITE).token(sid=str(number)) for number in range(TOKENS)]

    def verifier() -> Verifier:
        return Verifier(ring, issuer=SITE, audience=SITE, max_age=86_400)

    def first() -> None:
        new = verifier()
        for token in each:
            finish(new.verify(token))

    warm = verifier()
    for token in each:
        finish(warm.verify(token))

    def cached() -> None:
        for token in each:
            finish(warm.verify(token))

    def alone() -> None:
        for token in each:
            jwt.decode(token, key, [signer.algorithm], issuer=SITE, audience=SITE)

    return best(first), best(cached), best(alone)


async def main() -> None:
    """Print the table."""
    served = issuer.signers()
    shared = derive(SECRET.encode(), ACCESS_TOKEN)
    print(f"best of {ROUNDS} rounds of {TOKENS} tokens; microseconds a token\n")
    print("| | new | cached | PyJWT alone | new : PyJWT | PyJWT : cached |")
    print("|---|---|---|---|---|---|")
    with Issuer(issuer.serving(*(signer.jwk for signer in served.values()))) as serves:
        async with KeySet(serves.url) as key_set:
            await key_set.candidates("EdDSA", None)
            secrets = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN))
            for signer in (issuer.hs256(shared), *served.values()):
                ring = KeyRing([], key_set) if signer.public else secrets
                new, cached, alone = measure(signer, ring, signer.public or shared)
                print(
                    f"| {signer.algorithm} | {new:.1f} | {cached:.1f} | {alone:.1f} "
                    f"| {new / alone:.2f} | {alone / cached:.1f} |"
                )


if __name__ == "__main__":
    asyncio.run(main())
