"""Token verification: every rule, and each way to break it, at the verifier itself."""

import asyncio
import base64
import hashlib
import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api.identity.key_set import KeySet
from api.identity.keys import ACCESS_TOKEN, KeyRing, derive, shared_secrets
from api.identity.tokens import Claims, InvalidToken, Verifier, _canonical
from tests import issuer, reading, wrong_tokens
from tests.issuer import Issuer, Signer
from tests.wrong_tokens import Case

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
"""Examples of each property. `make prove` sets thousands."""
searched = settings(max_examples=EXAMPLES)
SECRET = "a secret that is thirty-two bytes long"
PREVIOUS = "the secret that it was until a day ago"
ISSUER = "https://tasks.example.com"
NOW = 1_800_000_000
DAY = 86_400
DERIVED = derive(SECRET.encode(), ACCESS_TOKEN)
SHARED = issuer.hs256(DERIVED)
SERVED = issuer.signers()
SIGNERS = {"HS256": SHARED} | SERVED
GOOD = Case(SHARED, NOW, ISSUER).claims
HEADER = '{"alg":"HS256","typ":"JWT"}'


@dataclass(frozen=True)
class Api:
    """A verifier's key set, and the event loop that fetches it."""

    runner: asyncio.Runner
    key_set: KeySet

    def verifier(
        self, signer: Signer, clock: Callable[[], float] = lambda: NOW, **limits: int
    ) -> Verifier:
        """Return a verifier for this signer's mode only: shared secrets, or a key set."""
        shared = shared_secrets([SECRET, PREVIOUS], ACCESS_TOKEN, raw=True)
        ring = KeyRing([], self.key_set) if signer.public else KeyRing(shared)
        return Verifier(ring, issuer=ISSUER, audience=ISSUER, max_age=DAY, clock=clock, **limits)

    def accepts(self, token: str, by: Verifier) -> Claims | None:
        """Return the claims of a good token, or None."""
        try:
            return self.runner.run(by.verify(token))
        except InvalidToken:
            return None


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Serve a key set over HTTP. A token with an unknown key ID has it fetched at once."""
    with (
        Issuer(issuer.serving(*(signer.jwk for signer in SERVED.values()))) as serves,
        asyncio.Runner() as runner,
    ):
        key_set = KeySet(serves.url, min_interval=0.0)
        runner.run(key_set.__aenter__())
        runner.run(key_set.candidates("EdDSA", None))  # cached before the first test
        yield Api(runner, key_set)
        runner.run(key_set.__aexit__())


@pytest.fixture(params=SIGNERS)
def signer(request: pytest.FixtureRequest) -> Signer:
    """Parametrize a test with one signer for each algorithm."""
    return SIGNERS[request.param]


def case_of(signer: Signer) -> Case:
    return Case(signer, NOW, ISSUER, b"" if signer.public else SECRET.encode())


@pytest.mark.parametrize("family", wrong_tokens.FAMILIES)
def test_every_faulty_token_is_refused(api: Api, signer: Signer, family: str) -> None:
    case, by = case_of(signer), api.verifier(signer)
    assert api.accepts(case.token(), by), "the one that each of them was made from"
    bad = list(wrong_tokens.FAMILIES[family](case))
    assert [name for name, token in bad if api.accepts(token, by)] == []
    assert len(bad) > 10
    assert api.accepts(case.token(), by), "and nothing of it stays"


def ring(*, raw: bool = True) -> KeyRing:
    return KeyRing(shared_secrets([SECRET], ACCESS_TOKEN, raw=raw))


def verifier(
    *, raw: bool = True, issuer: str | None = ISSUER, audience: str | None = ISSUER
) -> Verifier:
    return Verifier(ring(raw=raw), issuer=issuer, audience=audience, max_age=DAY, clock=lambda: NOW)


def token(key: bytes = DERIVED, /, **claims: Any) -> str:
    """Return a token that is good except for these claims. `...` omits a claim."""
    return Case(issuer.hs256(key), NOW, ISSUER).token(**claims)


def verified(good: str, by: Verifier | None = None) -> Claims:
    """Return the claims of a token whose key is known, so that `verify` never suspends."""
    with pytest.raises(StopIteration) as done:
        (by or verifier()).verify(good).send(None)
    claims = done.value.value
    assert isinstance(claims, Claims)
    return claims


def refused(bad: str, by: Verifier | None = None) -> str:
    with pytest.raises(InvalidToken) as refusal:
        (by or verifier()).verify(bad).send(None)
    return str(refusal.value)


def test_good_token_yields_its_claims() -> None:
    claims = verified(token())
    assert claims == Claims("ada", "ada@example.com", "s1", ISSUER, NOW + 3600)


def test_sub_email_sid_and_iat_are_optional() -> None:
    claims = verified(token(sub=..., email=..., sid=..., iat=...))
    assert (claims.user_id, claims.email, claims.sid) == ("ada", None, None)


def test_raw_secret_may_sign_unless_it_is_disabled() -> None:
    bare = token(SECRET.encode())
    assert verified(bare).user_id == "ada"
    refused(bare, verifier(raw=False))


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_iss_and_aud_checks_can_be_disabled_except_for_the_raw_secret(claim: str) -> None:
    lax = verifier(issuer=None) if claim == "iss" else verifier(audience=None)
    missing: Any = {claim: ...}
    elsewhere: Any = {claim: "elsewhere"}
    assert verified(token(**missing), lax).user_id == "ada"
    assert verified(token(**elsewhere), lax).user_id == "ada"
    refused(token(SECRET.encode(), **missing), lax)
    refused(token(iss="elsewhere", aud="elsewhere"), lax)


def test_list_of_audiences_must_contain_ours_unless_the_check_is_disabled() -> None:
    """RFC 7519 §4.1.3. Better Auth can issue a list."""
    lax = verifier(audience=None)
    assert verified(token(aud=[ISSUER, "elsewhere"])).user_id == "ada"
    assert verified(token(aud=["elsewhere"]), lax).user_id == "ada"
    assert verified(token(SECRET.encode(), aud=["elsewhere"]), lax).user_id == "ada"
    refused(token(aud=["elsewhere"]))
    refused(token(aud=[]), lax)
    refused(token(iss=[ISSUER]))


def test_trailing_slash_of_issuer_and_audience_is_ignored() -> None:
    assert verified(token(iss=ISSUER + "/", aud=ISSUER + "/")).user_id == "ada"
    assert verified(token(), verifier(issuer=ISSUER + "/")).user_id == "ada"


def test_non_canonical_base64url_is_rejected() -> None:
    """The last of 43 characters has 2 bits that 32 octets leave unused: only zeros are accepted."""
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(good[-1])
    for spelling in range(place - place % 4, place - place % 4 + 4):
        if spelling != place:
            assert refused(good[:-1] + alphabet[spelling]) == "not canonical base64url"


def test_token_may_have_8_kib_and_no_more() -> None:
    def padded(length: int) -> str:
        return token(pad="x" * length)

    room = max(n for n in range(5000, 6200) if len(padded(n)) <= 8192)
    assert verified(padded(room))
    assert refused(padded(room + 3)) == "too long, or not ASCII"


def test_token_signed_with_another_key_is_rejected() -> None:
    for key in (
        b"",
        b"\0" * 32,
        b"another secret that is thirty-two bytes long",
        SECRET.upper().encode(),
        hashlib.sha256(SECRET.encode()).digest(),
        derive(SECRET.encode(), b"bearer-tasks/security-event/v1"),
        base64.b64encode(DERIVED),
    ):
        refused(token(key))


def test_pyjwt_alone_accepts_tokens_that_the_verifier_rejects() -> None:
    """If PyJWT rejects these one day, the checks of the verifier that do the same can go."""
    lax = {"algorithms": ["HS256"], "audience": ISSUER, "issuer": ISSUER}
    now = int(time.time())
    each: list[dict[str, Any]] = [
        {"exp": now + 10 * 365 * DAY},
        {"exp": str(now + 60)},
        {"events": {}},
    ]
    for claims in each:
        fresh = token(**({"exp": now + 60, "iat": now} | claims))
        assert jwt.decode(fresh, DERIVED, **lax)  # type: ignore[arg-type]  # any claims
        refused(
            fresh,
            Verifier(ring(), issuer=ISSUER, audience=ISSUER, max_age=DAY),
        )


REASONS: dict[str, str] = {
    "too long, or not ASCII": "é",
    "not three segments": "a.b",
    "not base64url": "a.b.c",
    "not canonical base64url": "AB.AA.AA",
    "not JSON": "AA.AA.AA",
    "not a JSON object": issuer.hs256(DERIVED).token("[]", "{}"),
    "wrong typ": Case(SHARED, NOW, ISSUER).token({"typ": "x"}),
    "an unsupported extension in the header": Case(SHARED, NOW, ISSUER).token({"zip": "DEF"}),
    "kid is not plain text of 1 to 255 characters": Case(SHARED, NOW, ISSUER).token({"kid": ""}),
    "no known key verifies the signature": token(b"another"),
    "no exp": token(exp=...),
    "exp is not a number": token(exp="x"),
    "expired": token(exp=NOW),
    "exp is too far in the future": token(exp=NOW + 2 * DAY),
    "nbf or iat is in the future": token(iat=NOW + 60),
    "a security event, not an access token": token(events={}),
    "wrong iss": token(iss="x"),
    "wrong aud": token(aud=...),
    "aud is not a list of 1 to 10": token(aud=[]),
    "aud is not plain text of 1 to 2048 characters": token(aud=[7]),
    "no user_id": token(user_id=..., sub=...),
    "sub and user_id differ": token(sub="bob"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_rejected_token_is_logged_with_its_reason(reason: str) -> None:
    assert refused(REASONS[reason]) == reason


def test_claim_that_the_raw_secret_requires_is_named_in_the_reason() -> None:
    assert refused(token(SECRET.encode(), iss=...), verifier(issuer=None)) == "no iss"
    assert refused(token(SECRET.encode(), aud=...), verifier(audience=None)) == "no aud"


def test_issuer_in_claims_has_no_trailing_slash() -> None:
    assert verified(token(iss=f"{ISSUER}/")).issuer == ISSUER
    assert verified(token(iss="/x//"), verifier(issuer=None)).issuer == "/x/"
    assert verified(token(iss=...), verifier(issuer=None)).issuer == ""
    assert verified(token(iss="x" * 2048), verifier(issuer=None)).issuer == "x" * 2048
    refused(token(iss="x" * 2049), verifier(issuer=None))


def test_reason_of_a_rejection_quotes_nothing_of_the_token() -> None:
    canary = secrets.token_hex(8)
    for bad in (token(sub=canary), token(iss=canary), token(user_id=canary + "\0"), canary):
        assert canary not in refused(bad)


ACCEPTED: dict[str, dict[str, Any]] = {
    "a second left": {"exp": NOW + 1},
    "half a second left": {"exp": NOW + 0.5},
    "the longest life": {"exp": NOW + DAY + 60},
    "issued half a minute ahead": {"iat": NOW + 30},
    "not before half a minute ahead": {"nbf": NOW + 30},
    "not before a fraction ago": {"nbf": NOW - 0.5},
    "exp with an exponent": {"exp": 1.80000006e9},
    "an owner of one character": {"user_id": "x", "sub": ...},
    "an owner of 255": {"user_id": "x" * 255, "sub": ...},
    "an owner in other letters": {"user_id": "Ада 😀", "sub": "Ада 😀"},
    "an owner of 255 outside the BMP": {"user_id": "😀" * 255, "sub": ...},
    "an owner with what looks like a space": {"user_id": "a\u00a0\u2028b", "sub": ...},
    "an address of 320 characters": {"email": "x" * 320},
    "a session of 255": {"sid": "x" * 255},
    "no sub, email, sid or iat": {"sub": ..., "email": ..., "sid": ..., "iat": ...},
    "the last of the longest life": {"iat": NOW - DAY, "exp": NOW + 60},
    "a trailing slash": {"iss": f"{ISSUER}/", "aud": f"{ISSUER}/"},
    "a list of one audience": {"aud": [ISSUER]},
    "a list with a trailing slash": {"aud": ["x", f"{ISSUER}/"]},
    "the first of several audiences": {"aud": [ISSUER, wrong_tokens.EVIL]},
    "the last of ten audiences": {"aud": [*["x" * 500] * 9, ISSUER]},
    "the same audience twice": {"aud": [ISSUER, ISSUER]},
    "an audience beside one of 2048 characters": {"aud": ["x" * 2048, ISSUER]},
    "claims that nobody asks for": {"jti": [], "azp": None, "scope": {"a": [1]}, "x": 1e300},
}
REFUSED: dict[str, dict[str, Any]] = {
    "no time left": {"exp": NOW},
    "a second more than the longest life": {"exp": NOW + DAY + 61},
    "a fraction more than the longest life": {"exp": NOW + DAY + 60.5},
    "the last of a life that is a second longer": {"iat": NOW - DAY, "exp": NOW + 61},
    "issued long ago": {"iat": 0},
    "issued before 1970": {"iat": -1},
    "issued 31 seconds ahead": {"iat": NOW + 31},
    "issued a fraction too far ahead": {"iat": NOW + 30.25},
    "not before 31 seconds ahead": {"nbf": NOW + 31},
    "the first of eleven audiences": {"aud": [ISSUER, *["x"] * 10]},
    "no audience in a list": {"aud": []},
    "an owner of 256 characters": {"user_id": "x" * 256, "sub": ...},
    "an owner of 256 outside the BMP": {"user_id": "😀" * 256, "sub": ...},
}


@pytest.mark.parametrize("edge", ACCEPTED)
def test_token_at_a_limit_is_accepted(api: Api, signer: Signer, edge: str) -> None:
    assert api.accepts(case_of(signer).token(**ACCEPTED[edge]), api.verifier(signer))


@pytest.mark.parametrize("edge", REFUSED)
def test_token_over_a_limit_is_rejected(api: Api, signer: Signer, edge: str) -> None:
    assert not api.accepts(case_of(signer).token(**REFUSED[edge]), api.verifier(signer))


def test_token_issued_for_longer_than_max_age_is_not_accepted_in_its_last_hour() -> None:
    """Max age is an hour now, and revoked sessions are stored for no longer than that."""
    token = Case(SHARED, NOW, ISSUER).token(exp=NOW + DAY)
    times = (NOW, NOW + DAY // 2, NOW + DAY - 3600, NOW + DAY - 1)
    clock = iter(times)
    by = Verifier(ring(), issuer=ISSUER, audience=ISSUER, max_age=3600, clock=lambda: next(clock))
    for _ in times:
        with pytest.raises(InvalidToken, match="exp is too far in the future"):
            asyncio.run(by.verify(token))


def test_base64url_segment_may_end_in_any_letter() -> None:
    """Few signatures of the keys that this file makes end in such a letter."""
    assert _canonical("XXXX") == b"]u\xd7"


@pytest.mark.parametrize(("octets", "times"), [(150, 1), (151, 10)])
def test_header_of_several_tokens_is_cached_up_to_a_length(
    octets: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers of at most 200 characters are cached. In base64url, these are 150 octets."""
    fixed = len(json.dumps({"alg": "HS256", "x": ""}))
    filling = secrets.token_hex(8).ljust(octets - fixed, "y")
    header = json.dumps({"alg": "HS256", "x": filling})
    parsed, loads = [], json.loads

    def counted(text: str, **hooks: Any) -> Any:  # calls the original
        parsed.append(text)
        return loads(text, **hooks)

    monkeypatch.setattr(json, "loads", counted)
    for number in range(10):
        assert verified(SHARED.token(header, GOOD | {"sid": str(number)})).sid == str(number)
    assert parsed.count(header) == times


def test_alg_longer_than_any_algorithms_name_is_rejected() -> None:
    token = Case(SHARED, NOW, ISSUER).token({"alg": "x" * 11})
    with pytest.raises(InvalidToken, match="alg is not plain text of 1 to 10 characters"):
        asyncio.run(verifier().verify(token))


def test_header_may_spell_typ_in_several_ways_and_have_unknown_members(
    api: Api, signer: Signer
) -> None:
    case, by = case_of(signer), api.verifier(signer)
    extras: list[dict[str, Any]] = [
        *({"typ": typ} for typ in ("JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "At+Jwt")),
        *({"typ": typ} for typ in ("application/jwt", "application/at+jwt", "APPLICATION/AT+JWT")),
        {"typ": ...},
        {"kid": ...},
        {"cty": "JWT"},
        {
            "jku": wrong_tokens.EVIL,
            "x5u": wrong_tokens.EVIL,
            "x5c": ["x"],
            "x5t": 7,
            "jwk": {"kty": "oct"},
        },
        {"x": None, "nonce": "n", "epk": {}, "enc": "A256GCM"},
    ]
    extras += [{"alg": name} for name in wrong_tokens.names(signer.algorithm)]
    for extra in extras:
        assert api.accepts(case.token(extra), by), extra


def test_key_id_of_a_token_with_a_shared_secret_is_ignored(api: Api) -> None:
    """The key ID is text of up to 255 characters, and selects nothing."""
    for kid in ("x", "../../dev/null", "' OR 1=1 --", "x" * 255, "😀"):
        assert api.accepts(case_of(SHARED).token({"kid": kid}), api.verifier(SHARED))


def test_key_set_mode_accepts_no_shared_secret_and_secret_mode_no_public_key(api: Api) -> None:
    by_secrets, by_key_set = api.verifier(SHARED), api.verifier(SERVED["EdDSA"])
    for secret in (SECRET, PREVIOUS):
        for key in (secret.encode(), derive(secret.encode(), ACCESS_TOKEN)):
            good = Case(issuer.hs256(key), NOW, ISSUER).token()
            assert api.accepts(good, by_secrets)
            assert not api.accepts(good, by_key_set)
    for other in SERVED.values():
        assert api.accepts(Case(other, NOW, ISSUER).token(), by_key_set)
        assert not api.accepts(Case(other, NOW, ISSUER).token(), by_secrets)


def test_both_modes_are_accepted_during_a_migration(api: Api) -> None:
    ring = KeyRing(shared_secrets([SECRET], ACCESS_TOKEN), api.key_set)
    by = Verifier(ring, issuer=ISSUER, audience=ISSUER, max_age=DAY, clock=lambda: NOW)
    for one in SIGNERS.values():
        assert api.accepts(Case(one, NOW, ISSUER).token(), by)
        assert not api.accepts(Case(one, NOW, ISSUER).token(exp=NOW), by)
    jwk = json.dumps(SERVED["RS256"].jwk).encode()
    assert not api.accepts(Case(issuer.hs256(jwk), NOW, ISSUER).token(), by)


def test_cached_token_still_expires(api: Api, signer: Signer) -> None:
    now = float(NOW)
    by = api.verifier(signer, clock=lambda: now)
    good = case_of(signer).token()
    first = api.accepts(good, by)
    assert first is not None
    assert api.accepts(good, by) is first
    now = NOW + 3599.5
    assert api.accepts(good, by) is first
    now = NOW + 3600
    assert api.accepts(good, by) is None


def test_cache_of_claims_is_bounded_and_evicts_the_least_recently_used(
    api: Api,
) -> None:
    by = api.verifier(SHARED, cache_size=2)
    a, b, c = (case_of(SHARED).token(sid=sid) for sid in "abc")
    first = {token: api.accepts(token, by) for token in (a, b)}
    assert api.accepts(a, by) is first[a]
    assert api.accepts(c, by)
    assert api.accepts(a, by) is first[a]
    assert api.accepts(b, by) is not first[b]


def test_rejected_token_is_not_cached(api: Api) -> None:
    now = float(NOW)
    by = api.verifier(SHARED, clock=lambda: now)
    for late in (case_of(SHARED).token(nbf=NOW + 60), case_of(SHARED).token(iat=NOW + 60)):
        now = NOW
        assert not api.accepts(late, by)
        now = NOW + 60
        assert api.accepts(late, by)


ANY_CHARACTER = st.one_of(
    st.sampled_from(wrong_tokens.ALPHABET + ".= \n"), st.characters(codec="utf-8")
)


@st.composite
def changed(draw: st.DrawFn, good: str) -> str:
    """Return a token with one character changed, removed, added or swapped with another."""
    at = draw(st.integers(0, len(good) - 1))
    match draw(st.sampled_from(["changed", "removed", "added", "swapped"])):
        case "changed":
            return good[:at] + draw(ANY_CHARACTER) + good[at + 1 :]
        case "removed":
            return good[:at] + good[at + 1 :]
        case "added":
            return good[:at] + draw(ANY_CHARACTER) + good[at:]
        case _:
            other = draw(st.integers(0, len(good) - 1))
            swapped = list(good)
            swapped[at], swapped[other] = swapped[other], swapped[at]
            return "".join(swapped)


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_token_with_one_character_changed_removed_added_or_swapped_is_rejected(
    api: Api, algorithm: str
) -> None:
    one = SIGNERS[algorithm]
    good, by = case_of(one).token(), api.verifier(one)

    @searched
    @given(changed(good))
    def refused(bad: str) -> None:
        assume(bad != good)
        assert api.accepts(bad, by) is None

    refused()


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_token_with_one_bit_flipped_is_rejected(api: Api, algorithm: str) -> None:
    """The bits are those of the decoded segments, not of their base64url."""
    one = SIGNERS[algorithm]
    good, by = case_of(one).token(), api.verifier(one)
    parts = [base64.urlsafe_b64decode(part + "==") for part in good.split(".")]
    for at, part in enumerate(parts):
        for bit in range(0, 8 * len(part), 1 if EXAMPLES > 300 else 7):
            turned = bytearray(part)
            turned[bit // 8] ^= 1 << bit % 8
            bad = [*parts[:at], bytes(turned), *parts[at + 1 :]]
            assert api.accepts(".".join(map(issuer.base64url, bad)), by) is None


DATES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, -1, 0.0, -0.0, 1e-9, 10**30, 1e300, NOW * 1000, str(NOW + 60), True, None]),
    st.integers(NOW - 65, NOW + 65),
    st.integers(NOW + DAY - 5, NOW + DAY + 65),
    st.floats(NOW - 40, NOW + 40).map(lambda value: round(value, 2)),
    st.integers(),
    st.lists(st.integers(), max_size=1),
)
NAMES: st.SearchStrategy[Any] = st.one_of(
    st.text(st.characters(codec="utf-16"), max_size=4),
    st.sampled_from(["x" * 255, "x" * 256, "x" * 320, "x" * 321, "😀" * 255, "😀" * 256, "ada"]),
    st.sampled_from(["a\0", "\x1f", " ", "\x7e", "\x7f", "\x80", "\x9f", "\xa0", "\u2028", "\xad"]),
    st.sampled_from(["\ud800", "\udfff", "\ud83d\ude00", "\ue000"]),
    st.sampled_from([None, True, 0, 7, 1.5, [], ["ada"], {}, {"id": "ada"}]),
)
SITES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [ISSUER, f"{ISSUER}/", f"{ISSUER}//", ISSUER.upper(), f"{ISSUER} ", ISSUER[1:]]
    ),
    st.sampled_from(
        [[ISSUER], [ISSUER, "x"], [], None, True, 7, {}, "", "/", "x" * 2048, "x" * 2049]
    ),
    st.sampled_from(
        [["x"] * 9 + [ISSUER], ["x"] * 10 + [ISSUER], [f"{ISSUER}/"], [ISSUER, 7], [None, ISSUER]]
    ),
    NAMES,
)
Members = dict[str, st.SearchStrategy[Any]]
HEADERS: Members = {
    "alg": st.sampled_from([*SIGNERS, "none", "HS512", "hs256", "", None, 7, ["HS256"], "x" * 11]),
    "typ": st.sampled_from(
        [
            *("JWT", "at+jwt", "jwt", "AT+JWT", "secevent+jwt", "", None, ["JWT"], 7),
            *("application/jwt", "application/at+JWT", "Application/secevent+jwt"),
            *("application/", "text/jwt"),
        ]
    ),
    "kid": st.one_of(st.sampled_from([*(s.id for s in SERVED.values()), "", "x"]), NAMES),
    "crit": st.sampled_from([[], ["exp"], ["x"], None, "exp"]),
    "b64": st.booleans(),
    "zip": st.just("DEF"),
    "cty": st.sampled_from(["JWT", 7]),
    "jku": st.just(wrong_tokens.EVIL),
    "jwk": st.just(issuer.eddsa().jwk),
    "x5c": st.just(["MIIB"]),
    "x": st.recursive(st.none() | st.text(max_size=3), st.lists, max_leaves=3),
}
CLAIMS: Members = {
    "exp": DATES,
    "iat": DATES,
    "nbf": DATES,
    "iss": SITES,
    "aud": SITES,
    "user_id": NAMES,
    "sub": NAMES,
    "email": NAMES,
    "sid": NAMES,
    "events": st.sampled_from([{}, None, []]),
    "x": st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=4,
    ),
}


@st.composite
def members(
    draw: st.DrawFn, good: dict[str, Any], any_of: dict[str, st.SearchStrategy[Any]]
) -> str:
    """Return JSON of a good object with up to two members changed, omitted or repeated."""
    said: dict[str, Any] = dict(good)
    twice = ""
    for name in draw(st.lists(st.sampled_from([*any_of]), max_size=2, unique=True)):
        match draw(st.sampled_from(["other", "other", "other", "absent", "twice"])):
            case "other":
                said[name] = draw(any_of[name])
            case "absent":
                said.pop(name, None)
            case _ if name in said:
                twice = f", {json.dumps(name)}: {json.dumps(said[name])}"
    if said.get("user_id") != good.get("user_id") and draw(st.booleans()):
        said["sub"] = said.get("user_id")
    ascii_only = draw(st.booleans()) or "\\ud" in json.dumps(said)
    separators = draw(st.sampled_from([None, (",", ":"), (" ,\r\n", "\t: ")]))
    written = json.dumps(said, ensure_ascii=ascii_only, separators=separators)
    tail = draw(st.sampled_from(["", "", "", "", " ", "\n", "x", "\0"]))
    return f"{written[:-1]}{twice if said else ''}}}{tail}"


@dataclass(frozen=True)
class Setting:
    """Settings of the API, for both implementations."""

    signer: Signer
    raw: bool
    issuer: str | None
    audience: str | None


SETTINGS = st.builds(
    Setting,
    st.sampled_from([*SIGNERS.values(), SHARED, issuer.hs256(SECRET.encode())]),
    st.booleans(),
    st.sampled_from([ISSUER, f"{ISSUER}/", None]),
    st.sampled_from([ISSUER, f"{ISSUER}/", None]),
)


@st.composite
def signed_by(draw: st.DrawFn, setting: Setting) -> str:
    """Return a token of this signer with up to four deviations."""
    case = Case(setting.signer, NOW, ISSUER)
    return setting.signer.token(
        draw(members(setting.signer.header, HEADERS)), draw(members(case.claims, CLAIMS))
    )


def test_token_is_accepted_exactly_when_a_literal_reading_of_the_contract_accepts_it(
    api: Api,
) -> None:
    verdicts: Counter[bool] = Counter()

    @settings(searched, max_examples=4 * EXAMPLES)
    @given(SETTINGS.flatmap(lambda setting: st.tuples(st.just(setting), signed_by(setting))))
    def agreed(drawn: tuple[Setting, str]) -> None:
        setting, token = drawn
        shared = shared_secrets([SECRET, PREVIOUS], ACCESS_TOKEN, raw=setting.raw)
        key_set_mode = setting.signer.public is not None
        by = Verifier(
            KeyRing([], api.key_set) if key_set_mode else KeyRing(shared),
            issuer=setting.issuer,
            audience=setting.audience,
            max_age=DAY,
            clock=lambda: NOW,
        )
        secrets = [] if key_set_mode else [SECRET.encode(), PREVIOUS.encode()]
        rules = reading.Rules(
            NOW,
            setting.issuer,
            setting.audience,
            DAY,
            derived=[derive(secret, ACCESS_TOKEN) for secret in secrets],
            raw=secrets if setting.raw else [],
            served=[*SERVED.values()] if key_set_mode else [],
        )
        verdict = reading.accepts(token, rules)
        verdicts[verdict] += 1
        assert (api.accepts(token, by) is not None) is verdict

    agreed()
    assert min(verdicts[True], verdicts[False]) > 0.05 * verdicts.total(), verdicts


def test_literal_reading_of_the_contract_rejects_every_named_fault(signer: Signer) -> None:
    key_set_mode = signer.public is not None
    rules = reading.Rules(
        NOW,
        ISSUER,
        ISSUER,
        DAY,
        derived=[] if key_set_mode else [DERIVED],
        raw=[] if key_set_mode else [SECRET.encode()],
        served=[*SERVED.values()] if key_set_mode else [],
    )
    case = case_of(signer)
    assert reading.accepts(case.token(), rules)
    for edge in ACCEPTED.values():
        assert reading.accepts(case.token(**edge), rules)
    tried = [named for family in wrong_tokens.FAMILIES.values() for named in family(case)]
    tried += [(name, case.token(**edge)) for name, edge in REFUSED.items()]
    assert [name for name, token in tried if reading.accepts(token, rules)] == []
