"""Who is believed: every rule of a token, each way it can be broken, at the verifier itself."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.keys import ACCESS_TOKEN, KeyRing, derive, shared_secrets
from api.tokens import Claims, InvalidToken, Verifier

SECRET = "a secret that is thirty-two bytes long"
ISSUER = "https://tasks.example.com"
NOW = 1_800_000_000
DAY = 86_400
DERIVED = derive(SECRET.encode(), ACCESS_TOKEN)
GOOD: dict[str, Any] = {
    "user_id": "ada",
    "sub": "ada",
    "email": "ada@example.com",
    "sid": "s1",
    "iss": ISSUER,
    "aud": ISSUER,
    "iat": NOW,
    "exp": NOW + DAY,
}
HEADER = '{"alg":"HS256","typ":"JWT"}'


def ring(*, raw: bool = True) -> KeyRing:
    return KeyRing(shared_secrets([SECRET], ACCESS_TOKEN, raw=raw))


def verifier(
    *, raw: bool = True, issuer: str | None = ISSUER, audience: str | None = ISSUER
) -> Verifier:
    return Verifier(
        ring(raw=raw),
        issuer=issuer,
        audience=audience,
        max_age=DAY,
        clock=lambda: NOW,
    )


def segment(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(
    header: str | bytes, payload: str | bytes, key: bytes = DERIVED, digest: str = "sha256"
) -> str:
    """A token of exactly these octets, rightly signed: no library in between to mend them."""
    parts = [
        p if isinstance(p, bytes) else p.encode("utf-8", "surrogatepass") for p in (header, payload)
    ]
    told = ".".join(segment(part) for part in parts)
    return f"{told}.{segment(hmac.digest(key, told.encode(), digest))}"


def token(key: bytes = DERIVED, /, **claims: Any) -> str:
    """A good token but for these claims; `...` leaves one out."""
    chosen = {name: value for name, value in (GOOD | claims).items() if value is not ...}
    return signed(HEADER, json.dumps(chosen), key)


def verified(good: str, by: Verifier | None = None) -> Claims:
    """Under keys that are all known, for which nobody ever waits."""
    with pytest.raises(StopIteration) as done:
        (by or verifier()).verify(good).send(None)
    claims = done.value.value
    assert isinstance(claims, Claims)
    return claims


def refused(bad: str, by: Verifier | None = None) -> str:
    with pytest.raises(InvalidToken) as refusal:
        (by or verifier()).verify(bad).send(None)
    return str(refusal.value)


def test_a_good_token_is_its_claims() -> None:
    claims = verified(token())
    assert claims == Claims("ada", "ada@example.com", "s1", ISSUER, NOW + DAY)


def test_what_a_token_need_not_say() -> None:
    claims = verified(token(sub=..., email=..., sid=..., iat=...))
    assert (claims.user_id, claims.email, claims.sid) == ("ada", None, None)


def test_the_key_is_derived_as_the_frontend_derives_it() -> None:
    """RFC 5869 by hand: extract under an empty salt, expand by one block."""
    extracted = hmac.digest(b"\0" * 32, SECRET.encode(), "sha256")
    assert hmac.digest(extracted, ACCESS_TOKEN + b"\x01", "sha256") == DERIVED
    assert ACCESS_TOKEN == b"bearer-tasks/access-token/v1"


def test_the_raw_secret_may_sign_unless_it_may_not() -> None:
    bare = token(SECRET.encode())
    assert verified(bare).user_id == "ada"
    refused(bare, verifier(raw=False))


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_iss_and_aud_can_be_left_unread_but_not_under_the_raw_secret(claim: str) -> None:
    lax = verifier(issuer=None) if claim == "iss" else verifier(audience=None)
    missing: Any = {claim: ...}
    elsewhere: Any = {claim: "elsewhere"}
    assert verified(token(**missing), lax).user_id == "ada"
    assert verified(token(**elsewhere), lax).user_id == "ada"
    refused(token(SECRET.encode(), **missing), lax)
    refused(token(iss="elsewhere", aud="elsewhere"), lax)


def test_a_trailing_slash_makes_no_other_issuer() -> None:
    assert verified(token(iss=ISSUER + "/", aud=ISSUER + "/")).user_id == "ada"
    assert verified(token(), verifier(issuer=ISSUER + "/")).user_id == "ada"


@pytest.mark.parametrize("typ", ['"JWT"', '"at+jwt"'])
def test_the_types_that_an_access_token_may_have(typ: str) -> None:
    header = f'{{"alg":"HS256","typ":{typ}}}'
    assert verified(signed(header, json.dumps(GOOD))).user_id == "ada"
    assert verified(signed('{"alg":"HS256"}', json.dumps(GOOD))).user_id == "ada"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"none"}',
        '{"alg":"None"}',
        '{"alg":""}',
        '{"alg":null}',
        '{"alg":["HS256"]}',
        '{"alg":"hs256"}',
        '{"alg":"HS384"}',
        '{"alg":"HS512"}',
        '{"alg":"RS256"}',
        '{"alg":"ES256"}',
        '{"alg":"EdDSA"}',
        '{"typ":"JWT"}',
        '{"alg":"HS256","alg":"HS256"}',
        '{"alg":"HS256","typ":"secevent+jwt"}',
        '{"alg":"HS256","typ":"dpop+jwt"}',
        '{"alg":"HS256","typ":null}',
        '{"alg":"HS256","typ":["JWT"]}',
        '{"alg":"HS256","crit":["exp"],"exp":1}',
        '{"alg":"HS256","crit":[]}',
        '{"alg":"HS256","b64":false,"crit":["b64"]}',
        '{"alg":"HS256","b64":false}',
        '{"alg":"HS256","zip":"DEF"}',
        '{"alg":"HS256","kid":7}',
        '["HS256"]',
        '"HS256"',
        "{}",
        "",
        '{"alg":"HS256"',
        '{"alg":"HS256","x":NaN}',
        '{"alg":"HS256","x":-Infinity}',
        '\ufeff{"alg":"HS256"}',
        '{"alg":"HS256"}'.encode("utf-16"),
        "[" * 2000,
    ],
)
def test_headers_that_are_not_believed(header: str | bytes) -> None:
    refused(signed(header, json.dumps(GOOD)))


def test_another_digest_under_the_right_key_is_not_believed() -> None:
    refused(signed('{"alg":"HS512","typ":"JWT"}', json.dumps(GOOD), digest="sha512"))


@pytest.mark.parametrize("extra", ["jku", "jwk", "x5u", "x5c", "kid"])
def test_a_header_that_points_elsewhere_leads_nowhere(extra: str) -> None:
    header = json.dumps({"alg": "HS256", extra: "https://evil.example/keys"})
    assert verified(signed(header, json.dumps(GOOD))).user_id == "ada"
    refused(signed(header, json.dumps(GOOD), key=b"https://evil.example/keys of some length"))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": ...},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": NOW + DAY + 61},
        {"exp": NOW + 10 * 365 * DAY},
        {"exp": 10**400},
        {"exp": str(NOW + 60)},
        {"exp": True},
        {"exp": None},
        {"exp": [NOW + 60]},
        {"iat": NOW + 31},
        {"iat": str(NOW)},
        {"iat": None},
        {"nbf": NOW + 31},
        {"nbf": str(NOW)},
        {"nbf": False},
        {"iss": ...},
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "//"},
        {"iss": ISSUER.upper()},
        {"iss": [ISSUER]},
        {"iss": None},
        {"iss": ""},
        {"aud": ...},
        {"aud": "https://evil.example"},
        {"aud": [ISSUER]},
        {"aud": ["https://evil.example", ISSUER]},
        {"aud": []},
        {"aud": None},
        {"user_id": ...},
        {"user_id": ""},
        {"user_id": None},
        {"user_id": 7},
        {"user_id": ["ada"]},
        {"user_id": {"id": "ada"}},
        {"user_id": "x" * 256, "sub": ...},
        {"user_id": "a\0b", "sub": ...},
        {"user_id": "a\nb", "sub": ...},
        {"user_id": "a\x85b", "sub": ...},
        {"user_id": "a\ud800b", "sub": ...},
        {"sub": "bob"},
        {"sub": None},
        {"sub": ""},
        {"email": 7},
        {"email": "\ud800"},
        {"sid": ["s1"]},
        {"sid": None},
        {"events": {}},
        {"events": None},
    ],
)
def test_claims_that_are_not_believed(claims: dict[str, Any]) -> None:
    refused(token(**claims))
    refused(token(SECRET.encode(), **claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 1},
        {"exp": NOW + 0.5},
        {"exp": NOW + DAY + 60},
        {"iat": NOW + 30},
        {"iat": 0},
        {"nbf": NOW + 30},
        {"nbf": NOW - 0.5},
        {"user_id": "x" * 255, "sub": ...},
        {"user_id": "Ада 😀", "sub": ...},
    ],
)
def test_claims_at_the_edge_that_are_believed(claims: dict[str, Any]) -> None:
    assert verified(token(**claims))


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(GOOD).replace('"exp"', '"user_id": "bob", "exp"'),
        json.dumps(GOOD)
        .replace("{", '{"exp": 9e999, ', 1)
        .replace(f'"exp": {NOW + DAY}', '"x": 0'),
        json.dumps(GOOD).replace(str(NOW + DAY), "Infinity"),
        json.dumps(GOOD | {"x": float("nan")}),
        json.dumps(GOOD).replace("}", ', "x": {"y": 1, "y": 2}}'),
        json.dumps(GOOD).replace(str(NOW + DAY), "1" * 5000),
        json.dumps([GOOD]),
        json.dumps(json.dumps(GOOD)),
        "null",
        "",
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode() + b"\xff",
        "\ufeff" + json.dumps(GOOD),
    ],
)
def test_payloads_that_are_not_one_plain_object(payload: str | bytes) -> None:
    refused(signed(HEADER, payload))


def test_shapes_that_are_no_token() -> None:
    good = token()
    head, body, signature = good.split(".")
    for bad in [
        "",
        ".",
        "..",
        "...",
        "x",
        f"{head}.{body}",
        f"{head}.{body}.",
        f".{body}.{signature}",
        f"{head}..{signature}",
        f"{good}.",
        f"{good}.{signature}",
        f"{good}=",
        f"{head}=.{body}.{signature}",
        f" {good}",
        f"{good}\n",
        f"{good[:40]} {good[40:]}",
        good.replace(".", ".."),
        good + "é",
        f"{head}+.{body}.{signature}",
    ]:
        refused(bad)


def test_a_tail_of_bits_that_mean_nothing_is_not_taken() -> None:
    """32 octets leave 2 bits over in the last of 43 characters: four spellings, of which one."""
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(good[-1])
    for spelling in range(place - place % 4, place - place % 4 + 4):
        if spelling != place:
            assert refused(good[:-1] + alphabet[spelling]) == "base64url in another spelling"


def test_eight_kibibytes_and_no_more() -> None:
    def padded(length: int) -> str:
        return token(pad="x" * length)

    room = max(n for n in range(5000, 6200) if len(padded(n)) <= 8192)
    assert verified(padded(room))
    assert refused(padded(room + 3)) == "too long, or not ASCII"


def test_other_keys_are_not_ours() -> None:
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


def test_what_better_auth_signs_with_the_raw_secret_is_no_access_token() -> None:
    mail = {"email": "ada@example.com", "iat": NOW, "exp": NOW + 3600}
    refused(signed(HEADER, json.dumps(mail), SECRET.encode()))
    refused(signed(HEADER, json.dumps(mail | {"user_id": "ada"}), SECRET.encode()))


def test_the_library_underneath_still_needs_what_stands_around_it() -> None:
    """Should PyJWT refuse these one day, the checks here that say the same can go."""
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


@given(place=st.integers(0), to=st.characters(codec="utf-8"))
def test_a_token_with_any_character_changed_is_refused(place: int, to: str) -> None:
    good = token()
    at = place % len(good)
    changed = good[:at] + to + good[at + 1 :]
    if changed != good:
        refused(changed)


@given(place=st.integers(0), length=st.integers(1, 5), filler=st.text("aA0-_.=", max_size=3))
def test_a_token_with_anything_cut_out_or_put_in_is_refused(
    place: int, length: int, filler: str
) -> None:
    good = token()
    at = place % len(good)
    changed = good[:at] + filler + good[at + length :]
    if changed != good:
        refused(changed)


def test_a_refusal_says_nothing_of_the_token() -> None:
    canary = secrets.token_hex(8)
    for bad in (token(sub=canary), token(iss=canary), token(user_id=canary + "\0"), canary):
        assert canary not in refused(bad)
