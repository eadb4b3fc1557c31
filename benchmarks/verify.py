"""Microseconds to verify a token: seen for the first time and again, beside PyJWT alone.

`python -m benchmarks.verify`. PyJWT is given the key, the algorithm, the issuer and the audience,
and so does less: it looks for no key, and takes what `api/identity/tokens.py` says it takes.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import jwt

from api.identity.keys import ACCESS_TOKEN, KeyRing, KeySet, derive, shared_secrets
from api.identity.tokens import Verifier
from tests import issuer
from tests.conftest import SECRET, SITE
from tests.faults import Case
from tests.issuer import Issuer

ROUNDS = 7
TOKENS = 1_000
"""A round, all of which are remembered. The best one counts: a machine has other things to do."""


def best(work: Callable[[], object]) -> float:
    """Microseconds a token, in the best round."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took) / TOKENS * 1e6


def finish(verifying: Coroutine[Any, Any, object]) -> None:
    """Runs one that has nothing to wait for, without the cost of a loop."""
    try:
        verifying.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def measure(signer: issuer.Signer, ring: KeyRing, key: Any) -> tuple[float, float, float]:
    """Microseconds: first sight, remembered, PyJWT alone."""
    now = int(time.time())
    each = [Case(signer, now, SITE).token(sid=str(number)) for number in range(TOKENS)]

    def verifier() -> Verifier:
        return Verifier(ring, issuer=SITE, audience=SITE, max_age=86_400)

    def first() -> None:
        by = verifier()
        for token in each:
            finish(by.verify(token))

    known = verifier()
    for token in each:
        finish(known.verify(token))

    def again() -> None:
        for token in each:
            finish(known.verify(token))

    def alone() -> None:
        for token in each:
            jwt.decode(token, key, [signer.algorithm], issuer=SITE, audience=SITE)

    return best(first), best(again), best(alone)


async def main() -> None:
    """Prints the table."""
    served = issuer.signers()
    shared = derive(SECRET.encode(), ACCESS_TOKEN)
    print(f"best of {ROUNDS} rounds of {TOKENS} tokens; microseconds a token\n")
    print("| | first sight | remembered | PyJWT alone | first : PyJWT | PyJWT : remembered |")
    print("|---|---|---|---|---|---|")
    with Issuer(issuer.serving(*(signer.jwk for signer in served.values()))) as serves:
        async with KeySet(serves.url) as key_set:
            await key_set.candidates("EdDSA", None)
            secrets = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN))
            for signer in (issuer.hs256(shared), *served.values()):
                ring = KeyRing([], key_set) if signer.public else secrets
                first, again, alone = measure(signer, ring, signer.public or shared)
                print(
                    f"| {signer.algorithm} | {first:.1f} | {again:.1f} | {alone:.1f} "
                    f"| {first / alone:.2f} | {alone / again:.1f} |"
                )


if __name__ == "__main__":
    asyncio.run(main())
