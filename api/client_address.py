"""Find the address of the client that sent a request, even behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from starlette.types import Scope

MAX_FORWARDED = 4_096
"""The most bytes of `X-Forwarded-For` that are read, from its end."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, proxies: Sequence[Network]) -> Address | None:
    """Return the address of the client; None if there is none, as for a Unix socket.

    This is the peer of the socket or, if the peer is a trusted proxy, the right-most address in
    `X-Forwarded-For` that is not a trusted proxy. Those before it may be forged.
    """
    client = _address((scope.get("client") or ("",))[0])
    if not _is_trusted(client, proxies):
        return client
    sent = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for hop in reversed(sent[-MAX_FORWARDED:].decode("latin-1").split(",")):
        address = _address(hop.strip())
        if address is None:
            break
        client = address
        if not _is_trusted(client, proxies):
            break
    return client


def network(address: Address | None) -> str:
    """Return the address or, for IPv6, its network of 64 bits, which one client usually owns."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def _address(text: str) -> Address | None:
    """Return the address in a text, or None. `::ffff:192.0.2.1` is the IPv4 address 192.0.2.1."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    return address is not None and any(address in proxy for proxy in proxies)
