"""The address of a client: the peer of the socket, or as trusted proxies report it."""

from ipaddress import ip_network

import pytest

from api.client_address import client_address, network

PROXIES = [ip_network(each) for each in ("10.0.0.0/8", "fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["203.0.113.9,198.51.100.1 , 10.9.9.9"], "198.51.100.1"),
        ("10.1.2.3", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["10.7.7.7"], "10.7.7.7"),
        ("10.1.2.3", ["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9, 10.4.4.4, "], "10.1.2.3"),
        ("::ffff:10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::7", ["2001:db8::1"], "2001:db8::1"),
        ("10.1.2.3", ["9" * 5_000 + ",198.51.100.1"], "198.51.100.1"),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(
    peer: str, forwarded: list[str], client: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"client": (peer, 443), "headers": [(b"host", b"api.example"), *headers]}
    assert str(client_address(scope, PROXIES)) == client


def test_request_over_a_unix_socket_has_no_address() -> None:
    assert client_address({"client": None, "headers": []}, PROXIES) is None
    assert client_address({"headers": []}, PROXIES) is None
    assert network(None) == "None"


def test_addresses_of_one_ipv6_network_count_together() -> None:
    def of(text: str) -> str:
        return network(client_address({"client": (text, 1), "headers": []}, ()))

    assert of("2001:db8::1") == of("2001:db8::ffff:0:0:2") == "2001:db8::/64"
    assert of("2001:db8:0:1::1") != of("2001:db8::1")
    assert of("192.0.2.1") == "192.0.2.1" != of("192.0.2.2")
